--[[ What happens when somebody changes a job. For Lua 5.1 to 5.4. Loaded by carbonslurm.lua.

Theory of operation. Two kinds of people come here, and `judge` sends each his way:
  * The daemon (the account in the settings, on a job that is not its own) may change begin time, hold, our
    licence and SiteFactor of jobs that carry our tag, and nothing else. What it wants too late, because somebody
    changed the job since it looked, is refused. Its hold leaves a mark in the job's Comment, or is refused.
  * Everybody else is never refused. What they change makes the job theirs, and the mark follows.

slurmctld calls this once for each record, before it looks whether the caller may change the job at all, and with
one and the same job_desc for all records of an array or a heterogeneous job: what was assigned for one record is
read back for the next (`given_comment` knows it again). An assigned "" counts as nothing. A field that the caller
did not set reads nil, or one of Slurm's NO_VALs.

job_rec has no begin time, so who touched one is remembered here, in memory, until the job's next run. ]]

local MAX_COMMENT = 1024
local RESET_ACCRUE_TIME = 2 ^ 21 -- a bit of job_desc.bitflags, in every version
local PENDING = 0
local DOUBT_LASTS = 3600

-- What the daemon may not set: text, then numbers. Not here is what slurmctld fills in by itself.
local TEXTS = {
  "account", "acctg_freq", "admin_comment", "array_inx", "batch_features", "burst_buffer", "clusters", "container",
  "cpus_per_tres", "dependency", "exc_nodes", "extra", "features", "gres", "mail_user", "mcs_label", "mem_per_tres",
  "name", "network", "partition", "prefer", "qos", "req_context", "req_nodes", "reservation", "script",
  "selinux_context", "std_err", "std_in", "std_out", "tres_bind", "tres_freq", "tres_per_job", "tres_per_node",
  "tres_per_socket", "tres_per_task", "wckey", "work_dir",
}
local NUMBERS = {
  "contiguous", "core_spec", "cores_per_socket", "cpu_freq_gov", "cpu_freq_max", "cpu_freq_min", "cpus_per_task",
  "delay_boot", "mail_type", "max_cpus", "max_nodes", "min_cpus", "min_nodes", "nice", "ntasks_per_core",
  "ntasks_per_node", "ntasks_per_socket", "ntasks_per_tres", "num_tasks", "pn_min_cpus", "pn_min_memory",
  "pn_min_tmp_disk", "reboot", "req_switch", "requeue", "shared", "sockets_per_node", "thread_spec",
  "threads_per_core", "time_limit", "time_min", "wait4switch",
}
-- Likewise, but 0 where nobody set them.
local COUNTS = { "boards_per_node", "end_time", "immediate", "ntasks_per_board", "segment_size", "sockets_per_board" }

-- A bounded memory of jobs that somebody else changed: the oldest goes first.
local function new_memory(limit)
  local memory, order, first, last = {}, {}, 1, 0
  return {
    keep = function(id, restarts, now)
      if not memory[id] then
        last = last + 1
        order[last] = id
        if last - first >= limit then
          memory[order[first]], order[first], first = nil, nil, first + 1
        end
      end
      memory[id] = { restarts = restarts, at = now }
    end,
    -- A later run is not the one that was changed.
    has = function(id, restarts, since)
      local found = memory[id]
      return found ~= nil and restarts <= found.restarts and found.at >= since
    end,
  }
end

return function(tag, licences)
  local M = {}
  local refuse, digits = tag.refuse, tag.digits
  -- Changes by root and by owners are certain. Of anybody else's we do not know whether Slurm will allow them, and
  -- a passer-by must neither keep the daemon off a job for good nor make us forget what is certain.
  local certain, doubtful = new_memory(10000), new_memory(1000)
  local before = nil -- the Comment that we assigned last, and for whom
  local leader = nil -- the last leader that the daemon changed; its tag, unless that was refused

  local function given(number, slurm)
    return type(number) == "number" and number ~= slurm.NO_VAL
  end

  local function is_component(record) return (record.het_job_offset or 0) > 0 end

  -- Of a heterogeneous job only the leader carries the tag. What is done to its id, Slurm does to all components,
  -- the leader first (after a restart perhaps not), so they follow what was said of it. slurm.jobs alone will not do:
  -- it may lack a job of this very second.
  local function tag_of(record, slurm, now)
    if not is_component(record) then return tag.read_tag(record.admin_comment) end
    if leader and leader.id == record.het_job_id and now - leader.at <= 1 then return leader.tag end
    local found = slurm.jobs and slurm.jobs[digits(record.het_job_id)]
    return found and tag.read_tag(found.admin_comment)
  end

  local function lead(record, job_tag, now)
    if (record.het_job_id or 0) ~= 0 and not is_component(record) then
      leader = { id = record.het_job_id, at = now, tag = job_tag }
    end
  end

  -- A task that leaves its array's record later on has another job_id, and was changed with it all the same.
  local function array_of(record) return "array " .. digits(record.array_job_id or 0) end

  local function remember(record, by, slurm, now)
    local known = (by == 0 or by == record.user_id) and certain or doubtful
    known.keep(record.job_id, record.restart_cnt or 0, now)
    if (record.array_job_id or 0) ~= 0 and record.array_task_id == slurm.NO_VAL then
      known.keep(array_of(record), record.restart_cnt or 0, now)
    end
  end

  local function is_theirs(record, now)
    local restarts = record.restart_cnt or 0
    for _, id in ipairs { record.job_id, array_of(record) } do
      if certain.has(id, restarts, 0) or doubtful.has(id, restarts, now - DOUBT_LASTS) then return true end
    end
    return false
  end

  -- The Comment that the caller gave, nil for none: not the one that we assigned for the record before.
  local function given_comment(desc, record, by, now)
    local group = record.array_job_id or 0
    if group == 0 then group = record.het_job_id or 0 end
    local text = desc.comment
    if group ~= 0 and before and before.group == group and before.by == by and before.wrote == text
      and now - before.at <= 1 then
      text = before.given
    end
    return text, function(wrote)
      desc.comment = wrote
      before = { group = group, by = by, at = now, wrote = wrote, given = text }
    end
  end

  -- What the Comment must become; nil where the mark does not fit and the text must not be cut. An empty one
  -- cannot be assigned: a blank stands for it.
  local function with_mark(text, held, cut)
    local mark = held and tag.format_mark(held) or ""
    local room = MAX_COMMENT - #mark - 1
    if #text > room and not cut then return nil end
    local whole = text:sub(1, room) .. (text ~= "" and mark ~= "" and " " or "") .. mark
    return whole ~= "" and whole or " "
  end

  local function forbidden_field(desc, record, slurm)
    for _, name in ipairs(TEXTS) do if desc[name] ~= nil then return name end end
    for _, name in ipairs(COUNTS) do
      local value = desc[name]
      if value ~= nil and value ~= 0 and given(value, slurm) and value ~= slurm.NO_VAL16 then return name end
    end
    for _, name in ipairs(NUMBERS) do
      local value = desc[name]
      if given(value, slurm) and value ~= slurm.NO_VAL16 and value ~= slurm.NO_VAL64 then return name end
    end
    if math.floor((desc.bitflags or 0) / RESET_ACCRUE_TIME) % 2 == 1 then return "bitflags" end
    if given(desc.user_id, slurm) and desc.user_id ~= record.user_id then return "user_id" end
    return nil
  end

  -- Returns the mark that the hold leaves.
  local function judge_hold(record, job, settings)
    if not settings.within(record.partition, settings.hold_partitions) then
      refuse("nobody is held in partition %s", tag.text_of(record.partition, 40))
    end
    if record.job_state % 256 ~= PENDING then refuse("it is not pending") end
    if record.priority == 0 then refuse("it is held already") end
    if record.direct_set_prio ~= 0 then refuse("its priority was fixed, and would be lost") end
    if job.theirs then refuse("it was changed by its owner or an admin") end
    return job.tag.latest or job.now + (job.tag.flex or 0)
  end

  local function judge_release(record, held)
    if record.priority ~= 0 then refuse("it is not held, and a release would reset its nice value") end
    if not held then refuse("its hold is not carbonslurm's") end
  end

  local function judge_licences(asked, record, job, settings)
    local others, count = licences.split(asked, settings.licence)
    local old_others, old_count = licences.split(record.licenses, settings.licence)
    if not licences.same(others, old_others) then refuse("its other licences are not carbonslurm's") end
    if not count or (old_count and count <= old_count) then return end
    if count > 1 or not settings.within(record.partition, settings.gate_partitions) then
      refuse("%s of licence %s", digits(count), settings.licence)
    end
    if job.theirs then refuse("it was changed by its owner or an admin") end
  end

  local function judge_daemon(desc, record, by, slurm, settings, now)
    local job = { tag = tag_of(record, slurm, now), now = now, theirs = is_theirs(record, now) }
    if not job.tag then refuse("it carries no tag") end
    local field = forbidden_field(desc, record, slurm)
    local comment, assign = given_comment(desc, record, by, now)
    if comment ~= nil then field = "comment" end
    if field then refuse("%s is not for the daemon to change", field) end
    if (desc.begin_time or 0) ~= 0 and job.theirs then refuse("it was changed by its owner or an admin") end
    local text, held = tag.split_mark(record.comment)
    local priority = desc.priority
    if priority == 0 then
      held = judge_hold(record, job, settings)
    elseif priority == slurm.INFINITE then
      judge_release(record, held)
      held = nil
    elseif given(priority, slurm) then
      refuse("a priority is not for the daemon to give")
    end
    if desc.licenses ~= nil then judge_licences(desc.licenses, record, job, settings) end
    local whole = with_mark(text, held)
    if not whole then refuse("its comment leaves no room for a mark") end
    if whole ~= with_mark(record.comment or "", nil, true) or desc.comment ~= nil then assign(whole) end
    lead(record, job.tag, now)
  end

  -- An owner gets our licence once on a tagged job behind the gate, and not at all elsewhere.
  local function clamp(desc, record, job_tag, settings)
    local ours = settings.licence
    local others, count = licences.split(desc.licenses, ours)
    if count then
      local gated = job_tag and settings.within(record.partition, settings.gate_partitions)
      local text = gated and licences.with_one(desc.licenses, ours) or others
      if text ~= desc.licenses then desc.licenses = text end
    end
    local per_task = desc.tres_per_task
    local without = licences.without_per_task(per_task, ours)
    if without ~= per_task then desc.tres_per_task = without end
  end

  -- Where more records may follow, Slurm takes a SiteFactor assigned here for the caller's own, and denies him those.
  local function is_alone(record)
    return (record.array_job_id or 0) == 0 and (record.het_job_id or 0) == 0
  end

  -- What anybody else does makes the job his: its mark goes with the hold, and whoever starts, holds or releases it
  -- himself does not wait for us and is not compensated for waiting; the daemon then gives what was really lost. (Slurm
  -- hides from us that a caller sets SiteFactor.)
  local function follow(desc, record, by, ours, slurm, settings, now)
    local comment, assign = given_comment(desc, record, by, now)
    local _, held = tag.split_mark(record.comment)
    local text = tag.split_mark(comment or record.comment)
    -- Any other priority changes no hold: Slurm refuses it on a held job.
    local begins, holds = (desc.begin_time or 0) ~= 0, desc.priority == 0 or desc.priority == slurm.INFINITE
    local asked = desc.licenses
    local _, count = licences.split(asked, settings.licence)
    local _, old_count = licences.split(record.licenses, settings.licence)
    if ours and (begins or holds or (asked ~= nil and count ~= old_count)) then
      remember(record, by, slurm, now)
    end
    if holds then held = nil end
    if (begins or holds) and settings.compensates and record.site_factor ~= 0 and is_alone(record) then desc.site_factor = 0 end
    local whole = with_mark(text, held, true)
    local stays = comment == "" and whole == " " -- the caller empties it, as he may
    if not stays and whole ~= (desc.comment or record.comment or " ") then assign(whole) end
  end

  -- Returns true where the update must be refused; says why.
  local function judge(desc, record, by, slurm, settings, now)
    if settings.daemon_uid == by and record.user_id ~= by then
      local fine, problem = pcall(judge_daemon, desc, record, by, slurm, settings, now)
      if fine then return false end
      if type(problem) ~= "table" or not problem.refused then error(problem, 0) end
      lead(record, nil, now)
      local line = "carbonslurm: job " .. digits(record.job_id) .. ": " .. problem.refused
      -- 22.05, which does not know the names of errors either, would log it as an error.
      if slurm.ESLURM_JOB_HELD then slurm.log_user("%s", line) end
      slurm.log_info("%s", line)
      return true
    end
    local job_tag = tag_of(record, slurm, now)
    if settings.gated and by == record.user_id and by ~= 0 then clamp(desc, record, job_tag, settings) end
    local written, ours = desc.comment, job_tag ~= nil or is_component(record)
    if ours or (written and written:find(tag.PREFIX, 1, true)) then
      follow(desc, record, by, ours, slurm, settings, now)
    end
    return false
  end

  M.judge = judge
  return M
end
