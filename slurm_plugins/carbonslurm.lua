--[[ carbonslurm's hook: tags flexible batch jobs at submit. For Lua 5.1 to 5.4.

Theory of operation. slurmctld runs this under its locks, for every submission, so it must be quick, and must
never reject or delay a job or keep slurmctld from starting:
  * job_submit and job_modify run under pcall and return slurm.SUCCESS whatever happens (Slurm 26.05 rejects a
    job whose hook raises; older ones let it through). Text that users wrote is cut before it is looked at.
  * `facts` reads the job, `decide` is pure and says what to do, `submit` does it: compute first, assign last.
  * Only admin_comment and begin_time are ever assigned. admin_comment is what carbonslurm believes, so it is
    overwritten whoever filled it. begin_time is moved only by the planning window: the daemon gets to see
    a flexible job before Slurm starts it, and a dead daemon costs the job that window and nothing more.

The tag as users write it is read by carbonslurm/core/tag.py too. tests/tag_cases.json holds what both accept
and the sentences with which both refuse; change all three together.

Slurm (22.05 to 26.05) shows the hook neither the submit line nor --deadline: only the #SBATCH lines do.

The site's settings are carbonslurm_site.lua beside this file, written by `carbonslurm check --write-hook`.
slurmctld loads all of it again when job_submit.lua changes: `touch job_submit.lua` after changing another. ]]

local M = {}

local PREFIX = "carbon:"
local MAX_TAG, MAX_ECHO, MAX_COMMENT, MAX_SCRIPT = 200, 40, 1024, 64 * 1024
local DAY, HOUR, MINUTE = 86400, 3600, 60
local LONGEST_DURATION, LONGEST_GRACE, DEFAULT_GRACE = 30 * DAY, HOUR, MINUTE
local UNITS = { { "d", DAY }, { "h", HOUR }, { "m", MINUTE }, { "s", 1 } }
local SIGNALS = { "USR1", "USR2", "TERM", "INT", "HUP", "ALRM", "CONT", "URG", "WINCH", "QUIT" }
local BLANKS = " \t\n\v\f\r"

local function set(names)
  local found = {}
  for _, name in ipairs(names) do found[name] = true end
  return found
end

local SIGNAL, FLAG = set(SIGNALS), set { "now", "full" }
local KNOWN = set { "now", "full", "flex", "finish", "checkpoint", "restart", "length" }

-- Text ---

-- Control and non-ASCII bytes are left out, so that an echo is safe in any log and any terminal.
local function echo(text) return (text:gsub("[^ -~]", ""):sub(1, MAX_ECHO)) end

-- "%.0f": integers without a decimal point, on 5.1 (where all numbers are doubles) as on 5.4.
local function digits(number) return ("%.0f"):format(number) end

local function text_of(value, limit) return type(value) == "string" and value:sub(1, limit) or "" end

-- A refusal travels as an error that carries one line, so that it is never taken for a bug of ours.
local function refuse(...) error({ refused = string.format(...) }, 0) end

local function format_duration(seconds)
  local words = {}
  for _, unit in ipairs(UNITS) do
    local count = math.floor(seconds / unit[2])
    seconds = seconds - count * unit[2]
    if count > 0 then words[#words + 1] = digits(count) .. unit[1] end
  end
  return #words > 0 and table.concat(words) or "0s"
end

-- The tag as users write it ---

function M.find_tag(comment)
  for word in comment:gmatch("[^" .. BLANKS .. "]+") do
    if word:sub(1, #PREFIX) == PREFIX then return word end
  end
  return nil
end

local function parse_duration(name, text, longest)
  local total, rest = 0, text
  for _, unit in ipairs(UNITS) do
    local count, after = rest:match("^([0-9]+)" .. unit[1] .. "(.*)$")
    if count and #count <= 9 then total, rest = total + tonumber(count) * unit[2], after end
  end
  if text == "" or rest ~= "" then
    local bare = text:match("^[0-9]+$") and #text <= 9
    local why = bare and " (a bare number means minutes in Slurm, seconds elsewhere: give a unit)" or ""
    refuse('%s: expected a duration such as 12h or 1d12h, got "%s"%s', name, echo(text), why)
  end
  if total < 1 or total > longest then
    refuse('%s: expected 1s to %s, got "%s"', name, format_duration(longest), echo(text))
  end
  return total
end

local function parse_epoch(name, text)
  if not text:match("^[0-9]+$") or #text > 10 or tonumber(text) == 0 then
    refuse('%s: expected seconds since 1970, got "%s"', name, echo(text))
  end
  return tonumber(text)
end

local function parse_checkpoint(name, text)
  local written, at, grace = text:match("^([^@]*)(@?)(.*)$")
  local signal = written:gsub("^SIG", "")
  if not SIGNAL[signal] then
    refuse('%s: expected one of %s, got "%s"', name, table.concat(SIGNALS, " "), echo(written))
  end
  if at == "" then return signal, DEFAULT_GRACE end
  if grace:match("^[0-9]+$") and #grace <= 9 then grace = grace .. "s" end -- as in sbatch --signal=USR1@120
  return signal, parse_duration(name, grace, LONGEST_GRACE)
end

local function items_of(body)
  local items, count = {}, 0
  for item in (body .. ","):gmatch("([^,]*),") do
    local name, equals, value = item:match("^([^=]*)(=?)(.*)$")
    if item == "" then refuse("empty item") end
    if not KNOWN[name] then refuse('unknown item "%s"', echo(name)) end
    if items[name] then refuse("%s: given twice", name) end
    if FLAG[name] and equals ~= "" then refuse("%s: takes no value", name) end
    items[name], count = value, count + 1
  end
  return items, count
end

local function parse(word)
  if #word > MAX_TAG then refuse("expected at most %d characters", MAX_TAG) end
  if word:sub(1, #PREFIX) ~= PREFIX then
    refuse('expected a word that starts with "carbon:", got "%s"', echo(word))
  end
  local items, count = items_of(word:sub(#PREFIX + 1))
  if items.now and count > 1 then refuse("now: must stand alone") end
  for _, name in ipairs { "full", "restart" } do
    if items[name] and not items.checkpoint then refuse("%s: needs checkpoint", name) end
  end
  local declared = { now = items.now ~= nil, full = items.full ~= nil }
  if items.flex then declared.flex = parse_duration("flex", items.flex, LONGEST_DURATION) end
  if items.finish then declared.finish = parse_epoch("finish", items.finish) end
  if items.checkpoint then
    declared.signal, declared.grace = parse_checkpoint("checkpoint", items.checkpoint)
  end
  if items.restart then declared.restart = parse_duration("restart", items.restart, LONGEST_DURATION) end
  if items.length then declared.length = parse_duration("length", items.length, LONGEST_DURATION) end
  return declared
end

-- Returns what was declared, or nil and one line that says what is wrong.
function M.parse_declaration(word)
  local understood, result = pcall(parse, word)
  if understood then return result end
  if type(result) == "table" and result.refused then return nil, "carbon: " .. result.refused end
  error(result, 0)
end

-- The site's settings ---

-- Built-in value, lowest, highest. A wrong type gives the built-in value, a wild number the nearest bound: a
-- planning window of a day would strand jobs.
local NUMBERS = {
  window_s = { 120, 0, HOUR },
  max_wait_s = { DAY, 1, LONGEST_DURATION },
  margin_s = { 300, 0, DAY },
}
local LISTS = { "exclude_users", "exclude_accounts", "exclude_partitions", "exclude_qos" }

local function number_or(value, spec)
  if type(value) ~= "number" or value ~= value then return spec[1] end
  return math.floor(math.max(spec[2], math.min(spec[3], value)))
end

function M.settings(raw)
  raw = type(raw) == "table" and raw or {}
  local clean = { gpu_only = raw.gpu_only ~= false, log = raw.log ~= false, defaults = {} }
  for name, spec in pairs(NUMBERS) do clean[name] = number_or(raw[name], spec) end
  for _, name in ipairs(LISTS) do
    clean[name] = set(type(raw[name]) == "table" and raw[name] or {})
  end
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

function M.facts(job, partitions, slurm)
  local script = job.script
  if type(script) ~= "string" then return { batch = false, admin_comment = job.admin_comment } end
  local names = {}
  for name in text_of(job.partition, MAX_COMMENT):gmatch("[^,]+") do names[#names + 1] = name end
  if #names == 0 then names[1] = default_partition(partitions) end
  local begin, dependency = job.begin_time, job.dependency
  return {
    batch = true,
    admin_comment = job.admin_comment,
    word = M.find_tag(text_of(job.comment, MAX_COMMENT)),
    gpu = wants_gpu(job, slurm),
    user = job.user_name,
    account = job.account or job.default_account,
    partitions = names,
    qos = job.qos or job.default_qos,
    cron = job.cron_job == true,
    het = not is_unset(job.het_job_offset, slurm),
    reservation = text_of(job.reservation, 1) ~= "",
    dependent = text_of(dependency, 1) ~= "",
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
      and (rule.account == nil or rule.account == facts.account) then
      local site, problem = M.parse_declaration(rule.tag)
      -- A job whose owner never heard of the signal does not trap it, and would die of it.
      if site then site.checkpoint = nil end
      return site, problem
    end
  end
  return nil
end

-- What was declared for the job and by whom. A tag of one's own stands by itself: only how long it may wait
-- comes from the site where the owner did not say.
local function declared_for(facts, settings)
  local site, problem = site_default(facts, settings)
  if not facts.word then return site, "site", problem end
  local own, wrong = M.parse_declaration(facts.word)
  if not own then refuse("%s", (wrong:gsub("^carbon: ", ""))) end
  if own.now or own.flex or own.finish then return own, "owner" end
  if not (site and site.flex) then
    refuse("nothing says how long it may wait: add flex=12h or finish=EPOCH")
  end
  own.flex = site.flex
  return own, "site"
end

local function refuse_unless_possible(facts, settings)
  if facts.cron then refuse("scrontab starts it at its own times") end
  if facts.het then refuse("heterogeneous jobs cannot wait") end
  if facts.reservation then refuse("it runs in a reservation") end
  local excluded = settings.exclude_users[facts.user or ""] or settings.exclude_accounts[facts.account or ""]
    or settings.exclude_qos[facts.qos or ""]
  for _, name in ipairs(facts.partitions) do excluded = excluded or settings.exclude_partitions[name] end
  if excluded then refuse("the site excludes this user, account, partition or QOS") end
  if settings.gpu_only and not facts.gpu then
    refuse("it asks for no GPU, and only GPU jobs can wait here")
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

local function format_tag(declared, by, known)
  local items = { "v=1", "flex=" .. digits(declared.flex) }
  local function add(name, number)
    if number then items[#items + 1] = name .. "=" .. digits(number) end
  end
  add("latest", known.latest)
  add("begin", known.begin)
  add("window", known.window)
  add("finish", declared.finish)
  if declared.signal then
    items[#items + 1] = "checkpoint=" .. declared.signal .. "@" .. digits(declared.grace)
    if declared.full then items[#items + 1] = "full" end
    add("restart", declared.restart)
  end
  add("length", declared.length)
  return PREFIX .. table.concat(items, ",") .. ",by=" .. by
end

local function announce(declared, settings, latest)
  local wait = math.min(declared.flex, settings.max_wait_s)
  local what = latest and "starts by " .. os.date("!%Y-%m-%dT%H:%M:%SZ", latest) .. " at the latest"
    or "may wait " .. format_duration(wait) .. " once its dependencies are met"
  return "carbon: flexible, " .. what .. " (carbon-squeue shows the plan)"
end

local function flexible(facts, settings, now)
  local declared, by, problem = declared_for(facts, settings)
  if not declared then return { log = problem and "site default: " .. problem } end
  if declared.now then return {} end
  refuse_unless_possible(facts, settings)
  declared.flex = declared.flex or settings.max_wait_s
  local begin = facts.begin and facts.begin > now and facts.begin or nil
  local latest = latest_start(declared, facts, settings, begin or now)
  local window = now + settings.window_s
  local room = not facts.deadline and (begin or now) < window and (not latest or latest > window)
  local known = { latest = latest, begin = begin, window = room and window or nil }
  local tag = format_tag(declared, by, known)
  return { tag = tag, begin_time = known.window, say = announce(declared, settings, latest), log = tag }
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
  if type(text) ~= "string" or #text > MAX_COMMENT or text:find(PREFIX, 1, true) then return "" end
  if submit_uid ~= 0 and text:find("[^ -~]") then return "" end
  return text
end

function M.submit(job, partitions, submit_uid, slurm, settings, now)
  local facts = M.facts(job, partitions, slurm)
  local verdict = facts.batch and M.decide(facts, settings, now) or {}
  local words = { kept(facts.admin_comment, submit_uid), verdict.tag }
  local comment = table.concat(words, " "):gsub("^ ", "")
  if comment ~= (facts.admin_comment or "") then job.admin_comment = comment end
  if verdict.begin_time then job.begin_time = verdict.begin_time end
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

local function load_site_settings()
  local folder = debug.getinfo(1, "S").source:match("^@(.*/)[^/]*$") or "/etc/slurm/"
  local fine, result = pcall(dofile, folder .. "carbonslurm_site.lua")
  if not fine or type(result) ~= "table" then
    guarded("load", function()
      slurm.log_info("carbonslurm: built-in settings, since the site's cannot be read: %s", tostring(result))
    end)
  end
  return M.settings(fine and result or nil)
end

M.site = load_site_settings()

function M.job_submit(job, partitions, submit_uid)
  guarded("job_submit", function() M.submit(job, partitions, submit_uid, slurm, M.site, os.time()) end)
  return slurm.SUCCESS
end

-- No rules yet. The shape is here, so that later ones cannot deny an owner's update by failing.
function M.job_modify(_job, _record, _partitions, _modify_uid)
  guarded("job_modify", function() end)
  return slurm.SUCCESS
end

return M
