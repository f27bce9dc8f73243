-- Argo CD leaves the annotation where git does not have it, with selfHeal too.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["directconnect-operator.dev/paused"] = "true"
return obj
