--[[ carbonslurm's hook: tags flexible batch jobs at submit. For Lua 5.1 to 5.4.

Theory of operation. slurmctld runs this under its locks, for every submission and every update, so it must be
quick, and must never reject or delay a job or keep slurmctld from starting:
  * job_submit and job_modify run under pcall and return slurm.SUCCESS whatever happens (Slurm 26.05 rejects a
    job whose hook raises; older ones let it through); only the daemon's own updates may be refused. Text that
    users wrote is cut before it is looked at.
  * `facts` reads the job, `decide` is pure and says what to do, `submit` does it: compute first, assign last.
  * At submit, admin_comment and begin_time are assigned, a forged mark is taken out of the comment, and where
    the site has a gate, our licence is put in or taken out. admin_comment is what carbonslurm believes, so it is
    overwritten whoever filled it. begin_time is moved only by the planning window: the daemon gets to see
    a flexible job before Slurm starts it, and a dead daemon costs the job that window and nothing more.

Beside this file: carbonslurm_tag.lua (the tag's text), carbonslurm_licences.lua (licences' text),
carbonslurm_modify.lua (updates; without it they all pass), and the site's settings, carbonslurm_site.lua, which
`carbonslurm check --write-hook` writes. slurmctld loads all of it again when job_submit.lua changes: `touch
job_submit.lua` after changing another.

Slurm (22.05 to 26.05) shows the hook neither the submit line nor --deadline: only the #SBATCH lines do. ]]

local FOLDER = debug.getinfo(1, "S").source:match("^@(.*/)[^/]*$") or "/etc/slurm/"
local tag = dofile(FOLDER .. "carbonslurm_tag.lua")
local licences = dofile(FOLDER .. "carbonslurm_licences.lua")

local M = { find_tag = tag.find_tag, parse_declaration = tag.parse_declaration }

local MAX_COMMENT, MAX_SCRIPT = 1024, 64 * 1024
local DAY, HOUR, MINUTE = 86400, 3600, 60
local refuse, set, text_of, format_duration = tag.refuse, tag.set, tag.text_of, tag.format_duration

-- The site's settings ---

-- Built-in value, lowest, highest. A wrong type gives the built-in value, a wild number the nearest bound: a
-- planning window of a day would strand jobs.
local NUMBERS = {
  window_s = { 120, 0, HOUR },
  max_wait_s = { DAY, 1, tag.LONGEST_DURATION },
  margin_s = { 300, 0, DAY },
}
local LISTS = {
  "exclude_users", "exclude_accounts", "exclude_partitions", "exclude_qos",
  "observe_partitions", "hold_partitions", "gate_partitions",
}

-- "*" is every name but those with a minus before them.
local function everything_but(names)
  local found = setmetatable({}, { __index = function() return true end })
  for name in pairs(names) do
    if name:sub(1, 1) == "-" then found[name:sub(2)] = false end
  end
  return found
end

local function number_or(value, spec)
  if type(value) ~= "number" or value ~= value then return spec[1] end
  return math.floor(math.max(spec[2], math.min(spec[3], value)))
end

local function names_of(text)
  local names = {}
  for name in text_of(text, MAX_COMMENT):gmatch("[^,]+") do names[#names + 1] = name end
  return names
end

-- A job may start in any of its partitions: what counts for one that only some allow is for the caller to say.
local function count_in(names, partitions)
  local count = 0
  for _, name in ipairs(names) do count = count + (partitions[name] and 1 or 0) end
  return count
end

local function all_in(names, partitions) return #names > 0 and count_in(names, partitions) == #names end

-- A user's place from 0 to 1, the same for ever: a growing share only adds users. Numbers below 2^53 are exact.
local function place_of(user)
  local place = 0
  for i = 1, #user + 4 do place = ((place + (user:byte(i) or 0)) * 1664525 + 1013904223) % 2 ^ 32 end
  return place / 2 ^ 32
end

function M.settings(raw)
  raw = type(raw) == "table" and raw or {}
  local clean = { gpu_only = raw.gpu_only ~= false, log = raw.log ~= false, defaults = {} }
  clean.compensates = raw.compensates == true
  for name, spec in pairs(NUMBERS) do clean[name] = number_or(raw[name], spec) end
  for _, name in ipairs(LISTS) do
    local names = set(type(raw[name]) == "table" and raw[name] or {})
    clean[name] = names["*"] and everything_but(names) or names
  end
  local share, uid, licence = raw.share, raw.daemon_uid, raw.gate_licence
  clean.share = type(share) == "number" and share == share and math.max(0, math.min(1, share)) or 1
  -- root is never confined: it is what admins are.
  clean.daemon_uid = type(uid) == "number" and uid >= 1 and uid or nil
  clean.licence = type(licence) == "string" and licence:match("^[%w_.@-]+$") or "carbon"
  clean.gated = clean.gate_partitions["*"] or next(clean.gate_partitions) ~= nil
  clean.within = function(text, partitions) return all_in(names_of(text), partitions) end
  for _, rule in ipairs(type(raw.defaults) == "table" and raw.defaults or {}) do
    if type(rule) == "table" and type(rule.tag) == "string" then
      clean.defaults[#clean.defaults + 1] = rule
    end
  end
  return clean
end

-- What Slurm says about a job ---

-- 22.05 writes gres:gpu:a100:2, newer ones gres/gpu:a100=2 too; a user's own text may lack the prefix.
local function asks_for_gpu(tres)
  for item in text_of(tres, MAX_COMMENT):gmatch("[^,]+") do
    local rest = item:gsub("^gres[:/]", ""):match("^gpu(.*)$")
    if rest == "" then return true end
    if rest and rest:match("^[:=]") then
      local last = rest:gsub("%(.*$", ""):match("[^:=]*$")
      if not last:match("^0+[kKmMgG]?$") then return true end
    end
  end
  return false
end

local function is_unset(number, slurm)
  return type(number) ~= "number" or number == slurm.NO_VAL
end

local function wants_gpu(job, slurm)
  for _, name in ipairs { "gres", "tres_per_node", "tres_per_job", "tres_per_socket", "tres_per_task" } do
    if asks_for_gpu(job[name]) then return true end
  end
  -- `-n2 --ntasks-per-gpu=1` asks for two GPUs and leaves every tres field empty.
  local per_gpu = job.ntasks_per_gpu
  return not is_unset(per_gpu, slurm) and per_gpu ~= slurm.NO_VAL16 and per_gpu > 0
end

local function default_partition(partitions)
  for name, partition in pairs(partitions or {}) do
    local flag = partition.flag_default
    if flag == true or (type(flag) == "number" and flag ~= 0) then return name end
  end
  return nil
end

-- In seconds; nil where the job may run without a limit or Slurm does not say.
local function time_limit(job, partition, slurm)
  local minutes = job.time_limit
  if is_unset(minutes, slurm) and partition then minutes = partition.default_time end
  if is_unset(minutes, slurm) and partition then minutes = partition.max_time end
  if is_unset(minutes, slurm) or minutes == slurm.INFINITE then return nil end
  return minutes * MINUTE
end

-- sbatch takes any unambiguous beginning of a long option.
local function shows_deadline(script)
  for options in script:gmatch("#SBATCH([^\n]*)") do
    if options:find("--dea", 1, true) then return true end
  end
  return false
end

-- Whether Slurm mails its owner each requeue: MAIL_JOB_REQUEUE is bit 3 of mail_type (--mail-type=REQUEUE or ALL).
local function mails_requeues(job, slurm)
  local kinds = job.mail_type
  return not is_unset(kinds, slurm) and kinds ~= slurm.NO_VAL16 and math.floor(kinds / 8) % 2 == 1
end

function M.facts(job, partitions, slurm)
  local script, offset = job.script, job.het_job_offset
  offset = not is_unset(offset, slurm) and offset or nil
  if type(script) ~= "string" then
    return { batch = false, admin_comment = job.admin_comment, component = offset }
  end
  local names = names_of(job.partition)
  if #names == 0 then names[1] = default_partition(partitions) end
  local begin, dependency = job.begin_time, job.dependency
  return {
    batch = true,
    admin_comment = job.admin_comment,
    word = M.find_tag((tag.split_mark(text_of(job.comment, MAX_COMMENT)))),
    gpu = wants_gpu(job, slurm),
    user = job.user_name,
    account = job.account or job.default_account,
    partitions = names,
    qos = job.qos or job.default_qos,
    cron = job.cron_job == true,
    component = offset, -- of a heterogeneous job; 0 is its leader, which alone has the script
    reservation = text_of(job.reservation, 1) ~= "",
    dependent = text_of(dependency, 1) ~= "",
    mails = mails_requeues(job, slurm),
    deadline = shows_deadline(script:sub(1, MAX_SCRIPT)),
    begin = not is_unset(begin, slurm) and begin > 0 and begin or nil,
    limit = time_limit(job, partitions and partitions[names[1]], slurm),
  }
end

-- Deciding ---

local function site_default(facts, settings)
  for _, rule in ipairs(settings.defaults) do
    if (rule.partition == nil or rule.partition == facts.partitions[1])
      and (rule.qos == nil or rule.qos == facts.qos)
      and (rule.account == nil or rule.account == facts.account)
      and (rule.user == nil or rule.user == facts.user) then
      local site, problem = M.parse_declaration(rule.tag)
      -- A job whose owner never heard of the signal does not trap it, and would die of it.
      if site then site.signal = nil end
      return site, problem, rule.budget == true and "budget" or "site"
    end
  end
  return nil
end

-- What was declared for the job and by whom. A tag of one's own stands by itself: only how long it may wait
-- comes from the site where the owner did not say.
local function declared_for(facts, settings)
  local site, problem, by = site_default(facts, settings)
  if not facts.word then return site, by, problem end
  local own, wrong = M.parse_declaration(facts.word)
  if not own then refuse("%s", (wrong:gsub("^carbon: ", ""))) end
  if own.now or own.flex or own.finish then return own, "owner" end
  if not (site and site.flex) then
    refuse("nothing says how long it may wait: add flex=12h or finish=EPOCH")
  end
  own.flex = site.flex
  return own, by
end

local function refuse_unless_possible(facts, settings)
  if facts.cron then refuse("scrontab starts it at its own times") end
  if (facts.component or 0) > 0 then refuse("the first component of a heterogeneous job speaks for all") end
  if facts.reservation then refuse("it runs in a reservation") end
  local excluded = settings.exclude_users[facts.user or ""] or settings.exclude_accounts[facts.account or ""]
    or settings.exclude_qos[facts.qos or ""]
  if excluded or count_in(facts.partitions, settings.exclude_partitions) > 0 then
    refuse("the site excludes this user, account, partition or QOS")
  end
  if settings.gpu_only and not facts.gpu then
    refuse("it asks for no GPU, and only GPU jobs can wait here")
  end
  if settings.share < 1 and place_of(facts.user or "") >= settings.share then
    refuse("so far the site lets the jobs of only some users wait")
  end
end

-- The latest start, or nil where it hangs on a dependency that is not met yet.
local function latest_start(declared, facts, settings, start)
  local last
  if declared.finish then
    local needed = facts.limit or declared.length
    if not needed then refuse("finish: needs a time limit (sbatch -t) or length") end
    last = declared.finish - needed - settings.margin_s
    if last <= start then refuse("finish: leaves no room to wait before it") end
  end
  if facts.dependent then return last end
  return math.min(start + declared.flex, start + settings.max_wait_s, last or math.huge)
end

local function announce(declared, by, settings, latest, mails)
  local wait = math.min(declared.flex, settings.max_wait_s)
  local what = latest and "starts by " .. os.date("!%Y-%m-%dT%H:%M:%SZ", latest) .. " at the latest"
    or "may wait " .. format_duration(wait) .. " once its dependencies are met"
  local whether = by == "budget" and "flexible while its budget is used up, " or "flexible, "
  local said = "carbon: " .. whether .. what .. " (carbon-squeue shows the plan)"
  if not (declared.signal and mails) then return said end
  return said .. "; Slurm will mail you each stop (--mail-type)"
end

local function flexible(facts, settings, now)
  local declared, by, problem = declared_for(facts, settings)
  if not declared then return { log = problem and "site default: " .. problem } end
  if declared.now then return {} end
  refuse_unless_possible(facts, settings)
  declared.flex = declared.flex or settings.max_wait_s
  local watched = count_in(facts.partitions, settings.observe_partitions) > 0
  local gated = not watched and all_in(facts.partitions, settings.gate_partitions)
  if facts.component then
    -- The leader's licence alone would leave the other components eligible, and their nodes idle.
    if gated then refuse("heterogeneous jobs cannot wait behind the gate") end
    declared.signal = nil -- it is never stopped
  end
  local begin = facts.begin and facts.begin > now and facts.begin or nil
  local latest = latest_start(declared, facts, settings, begin or now)
  local window = now + settings.window_s
  local room = not watched and not facts.deadline and (begin or now) < window and (not latest or latest > window)
  local known = { latest = latest, begin = begin, window = room and window or nil }
  local text = tag.format_tag(declared, by, known)
  return {
    tag = text,
    begin_time = known.window,
    gated = gated,
    say = not watched and announce(declared, by, settings, latest, facts.mails) or nil,
    log = text,
  }
end

-- Pure: what to write in the job, what to tell its owner, what to log. Only who wrote a tag hears why it does
-- not hold.
function M.decide(facts, settings, now)
  local decided, result = pcall(flexible, facts, settings, now)
  if decided then return result end
  if type(result) ~= "table" or not result.refused then error(result, 0) end
  if not facts.word then return {} end
  local say = "carbon: not flexible: " .. result.refused
  return { say = say, log = say }
end

-- Doing ---

-- Other software's text in admin_comment is kept, unless it could be taken for ours or could forge a line of
-- some output.
local function kept(text, submit_uid)
  if type(text) ~= "string" or #text > MAX_COMMENT or text:find(tag.PREFIX, 1, true) then return "" end
  if submit_uid ~= 0 and text:find("[^ -~]") then return "" end
  return text
end

-- The gate's licence: once on a flexible job behind the gate, and else on nobody's.
local function settle_licences(job, gated, submit_uid, settings)
  local asked, per_task = job.licenses, job.tres_per_task
  if gated then
    local merged = licences.with_one(asked, settings.licence)
    if merged ~= asked then job.licenses = merged end
  elseif asked and submit_uid ~= 0 then
    local others = licences.split(asked, settings.licence)
    if others ~= asked then job.licenses = others end
  end
  if per_task and submit_uid ~= 0 then
    local others = licences.without_per_task(per_task, settings.licence)
    if others ~= per_task then job.tres_per_task = others end
  end
end

-- An eligible component would keep nodes idle until its leader may start, so all get the leader's window. Slurm hands
-- them in one after another.
local leader = {}

local function window_of(facts, verdict, submit_uid, now)
  if facts.component == 0 then
    leader = { uid = submit_uid, at = now, window = verdict.begin_time }
  elseif facts.component and leader.uid == submit_uid and now - leader.at <= 1 then
    return leader.window
  end
  return verdict.begin_time
end

function M.submit(job, partitions, submit_uid, slurm, settings, now)
  local facts = M.facts(job, partitions, slurm)
  local verdict = facts.batch and M.decide(facts, settings, now) or {}
  local words = { kept(facts.admin_comment, submit_uid), verdict.tag }
  local admin_comment = table.concat(words, " "):gsub("^ ", "")
  if admin_comment ~= (facts.admin_comment or "") then job.admin_comment = admin_comment end
  local comment = job.comment
  if comment and comment:find(tag.PREFIX, 1, true) then
    local unmarked = tag.split_mark(comment)
    if unmarked ~= comment then job.comment = unmarked end
  end
  if settings.gated then settle_licences(job, verdict.gated, submit_uid, settings) end
  local window = window_of(facts, verdict, submit_uid, now)
  if window and (is_unset(job.begin_time, slurm) or job.begin_time < window) then job.begin_time = window end
  if verdict.say then slurm.log_user("%s", verdict.say) end
  if verdict.log and settings.log then
    slurm.log_info("carbonslurm: uid %s: %s", tostring(submit_uid), verdict.log)
  end
end

local function guarded(where, action)
  local fine, problem = pcall(action)
  if not fine then
    local text = text_of(tostring(problem), MAX_COMMENT)
    pcall(function() slurm.log_error("carbonslurm: %s: %s", where, text) end)
  end
end

-- What a file beside this one returns; nil where it cannot be loaded or returns something else.
local function load_beside(name, kind, without)
  local fine, result = pcall(dofile, FOLDER .. name)
  if fine and type(result) == kind then return result end
  guarded("load", function() slurm.log_info("carbonslurm: %s: %s", without, tostring(result)) end)
  return nil
end

-- Whether slurm.conf beside this file says that there is no such licence: Slurm would reject each job to which we add
-- it. What it includes, and remote licences, cannot be seen from here.
function M.lacks_licence(conf, licence)
  if ("\n" .. conf:lower()):find("\n%s*include%s") or licence:find("@", 1, true) then return false end
  for line in conf:gmatch("[^\n]+") do
    local name, value = line:match("^%s*(%a+)%s*=%s*([^%s#]*)")
    if name and name:lower() == "licenses" then
      local _, count = licences.split(value, licence)
      return count == nil
    end
  end
  return true
end

local function shut_off_gate(settings)
  local file = settings.gated and io.open(FOLDER .. "slurm.conf")
  if not file then return end
  local lacks = M.lacks_licence(file:read("*a"), settings.licence)
  file:close()
  if lacks then
    settings.gated, settings.gate_partitions = false, {}
    slurm.log_error("carbonslurm: no gate, since slurm.conf has no licence %s", settings.licence)
  end
end

local site = load_beside("carbonslurm_site.lua", "table", "built-in settings, since the site's cannot be read")
M.site = M.settings(site)
guarded("load", function() shut_off_gate(M.site) end)

local build = load_beside("carbonslurm_modify.lua", "function", "updates pass, since their part cannot be read")
guarded("load", function() M.modify = build and build(tag, licences) end)

function M.job_submit(job, partitions, submit_uid)
  guarded("job_submit", function() M.submit(job, partitions, submit_uid, slurm, M.site, os.time()) end)
  return slurm.SUCCESS
end

-- slurm.ERROR refuses the update; only the daemon's ever are.
function M.job_modify(job, record, _partitions, modify_uid)
  local refused = false
  guarded("job_modify", function()
    refused = M.modify and M.modify.judge(job, record, modify_uid, slurm, M.site, os.time())
  end)
  return refused and slurm.ERROR or slurm.SUCCESS
end

return M
