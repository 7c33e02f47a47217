--[[ Runs the hook on one scenario, as slurmctld would, and prints what it did as JSON.

usage: lua harness.lua HOOK_FOLDER SCENARIO.lua

A scenario has `words` (the tag's cases), `confs` (texts of slurm.conf), `updates` or `jobs` (one after another, with
one memory), or `job` (one submission). The stub is as strict as slurmctld's own: job_desc is empty and answers through its metatable, assigning another type
than the field's raises, and slurm.log_* formats with string.format, which raises for nil on Lua 5.1. ]]

local folder, scenario_file = arg[1], arg[2]
local scenario = dofile(scenario_file)
local did = { assigned = {}, said = {}, logged = {} }

local NUMBERS = { begin_time = true, priority = true, time_limit = true, site_factor = true }

local function json(value)
  if type(value) == "number" then return ("%.0f"):format(value) end
  if type(value) == "boolean" then return tostring(value) end
  if type(value) == "string" then
    return '"' .. value:gsub('[^ !#-%[%]-~]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
  end
  if type(value) ~= "table" then return "null" end
  local parts = {}
  for _, entry in ipairs(value) do parts[#parts + 1] = json(entry) end
  if #parts > 0 or next(value) == nil then return "[" .. table.concat(parts, ",") .. "]" end
  for name, entry in pairs(value) do parts[#parts + 1] = json(name) .. ":" .. json(entry) end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function recorder(list)
  return function(...) list[#list + 1] = string.format(...) end
end

local function record(fields)
  return setmetatable({}, {
    __index = function(_, name)
      if scenario.raises == name then error("cannot read " .. name) end
      return fields[name]
    end,
    __newindex = function(_, name, value)
      local wanted = NUMBERS[name] and "number" or "string"
      if type(value) ~= wanted then error(name .. ": " .. wanted .. " expected, got " .. type(value)) end
      if scenario.raises_on_setting == name then error("cannot set " .. name) end
      did.assigned[name] = value
      -- As Slurm does: what is assigned is read back, and an empty text is none.
      if value == "" then fields[name] = nil else fields[name] = value end
    end,
  })
end

-- Slurm's numbers are doubles, on every Lua.
slurm = {
  SUCCESS = 0, ERROR = -1, NO_VAL = 4294967294.0, NO_VAL16 = 65534.0, NO_VAL64 = 18446744073709551614.0,
  INFINITE = 4294967295.0, ESLURM_JOB_HELD = 2028.0,
  log_user = recorder(did.said), log_info = recorder(did.logged), log_error = recorder(did.logged),
}

local function cases()
  local hook = dofile(folder .. "/carbonslurm.lua")
  did.parsed, did.found = {}, {}
  for i, word in ipairs(scenario.words) do
    local declared, problem = hook.parse_declaration(word)
    did.parsed[i] = declared or problem
  end
  for i, comment in ipairs(scenario.comments) do did.found[i] = hook.find_tag(comment) or false end
end

local function confs()
  local hook = dofile(folder .. "/carbonslurm.lua")
  did.answers = {}
  for i, text in ipairs(scenario.confs) do did.answers[i] = hook.lacks_licence(text, scenario.licence) end
end

local function job()
  local partitions = {}
  for name, fields in pairs(scenario.partitions or {}) do partitions[name] = record(fields) end
  local description = record(scenario.job)
  if scenario.entry then
    dofile(folder .. "/job_submit.lua")
    did.returned = slurm_job_submit(description, partitions, scenario.uid)
    did.modified = slurm_job_modify(description, record(scenario.record or {}), partitions, scenario.modifier or scenario.uid)
  else
    local hook = dofile(folder .. "/carbonslurm.lua")
    local settings = hook.settings(scenario.settings)
    hook.submit(description, partitions, scenario.uid, slurm, settings, scenario.now)
  end
end

-- One RPC may change several records, with one job_desc for all of them.
local function updates()
  local hook = dofile(folder .. "/carbonslurm.lua")
  local settings = hook.settings(scenario.settings)
  did.answers = {}
  slurm.jobs = {}
  for id, fields in pairs(scenario.jobs or {}) do slurm.jobs[id] = record(fields) end
  for _, update in ipairs(scenario.updates) do
    local fields = update.desc
    for _, job_record in ipairs(update.records) do
      did.assigned, did.said = {}, {}
      slurm.log_user = recorder(did.said)
      local refused = hook.modify.judge(record(fields), record(job_record), update.uid, slurm, settings, update.now)
      did.answers[#did.answers + 1] = { refused = refused or false, assigned = did.assigned, said = did.said }
    end
  end
end

local function jobs()
  local hook = dofile(folder .. "/carbonslurm.lua")
  did.answers = {}
  for _, fields in ipairs(scenario.jobs) do
    did.assigned = {}
    hook.submit(record(fields), {}, scenario.uid, slurm, hook.settings {}, scenario.now)
    did.answers[#did.answers + 1] = did.assigned
  end
end

if scenario.words then cases() elseif scenario.updates then updates() elseif scenario.jobs then jobs() elseif scenario.confs then confs() else job() end
io.write(json(did), "\n")
