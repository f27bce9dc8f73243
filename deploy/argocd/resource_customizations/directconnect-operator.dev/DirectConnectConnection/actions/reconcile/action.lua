-- Argo CD gives scripts no `os` but this one.
local os = require("os")

-- The operator answers a change of the value, and writes the value that it answered to status.lastHandledReconcileAt.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["directconnect-operator.dev/reconcile-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
