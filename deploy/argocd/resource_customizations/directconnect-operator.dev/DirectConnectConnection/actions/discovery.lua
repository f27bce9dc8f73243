-- Any value but "false" pauses, as in the operator.
local annotations = obj.metadata.annotations or {}
local value = annotations["directconnect-operator.dev/paused"]
local paused = value ~= nil and value ~= "false"

local actions = {}
actions["pause"] = {
  ["disabled"] = paused,
  ["iconClass"] = "fa fa-fw fa-pause",
  ["displayName"] = "Pause: send nothing to AWS",
}
actions["resume"] = {
  ["disabled"] = not paused,
  ["iconClass"] = "fa fa-fw fa-play",
  ["displayName"] = "Resume: send what was held back",
}
actions["reconcile"] = {
  ["iconClass"] = "fa fa-fw fa-sync",
  ["displayName"] = "Reconcile: read AWS now",
}
return actions
