-- Where git has the annotation, Argo CD puts it back; a commit takes it off then.
if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["directconnect-operator.dev/paused"] = nil
end
return obj
