-- Ready carries the verdict; Reconciling and Stalled, each present only while true, say whether the operator or a person
-- has the next move. Neither, and Ready not True: a person asked for it to be so.
local health = {
  status = "Progressing",
  message = "Waiting for the operator to look at the latest spec",
}

local status = obj.status
if status == nil or status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(type)
  return conditions[type] ~= nil and conditions[type].status == "True"
end

local function says(type)
  local condition = conditions[type]
  if condition.message == nil or condition.message == "" then
    return condition.reason
  end
  return condition.reason .. ": " .. condition.message
end

if holds("Stalled") then
  health.status = "Degraded"
  health.message = says("Stalled")
elseif holds("Reconciling") then
  health.message = says("Reconciling")
elseif holds("Ready") then
  health.status = "Healthy"
  health.message = says("Ready")
elseif conditions.Ready ~= nil then
  if conditions.Ready.reason == "Paused" or conditions.Ready.reason == "Drifted" then
    health.status = "Suspended"
  end
  health.message = says("Ready")
end

return health
