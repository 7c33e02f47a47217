--[[ The entry points that slurmctld calls (JobSubmitPlugins=lua), for a site without a job_submit.lua of its own.

A site that has one keeps it, and adds three pieces. At its top:
    local _, carbon = pcall(dofile, "/etc/slurm/carbonslurm.lua")
in slurm_job_submit, just before its last `return slurm.SUCCESS`:
    pcall(function() carbon.job_submit(job_desc, part_list, submit_uid) end)
and in slurm_job_modify, likewise (only an update of carbonslurm's own daemon is ever refused):
    local asked, answer = pcall(function() return carbon.job_modify(job_desc, job_rec, part_list, modify_uid) end)
    if asked and answer == slurm.ERROR then return slurm.ERROR end

With the module missing or broken, slurmctld starts, and every job and every update goes through as it came. ]]

local folder = debug.getinfo(1, "S").source:match("^@(.*/)[^/]*$") or "/etc/slurm/"
local loaded, carbon = pcall(dofile, folder .. "carbonslurm.lua")
if not loaded then
  pcall(function() slurm.log_error("carbonslurm: off, since it cannot be loaded: %s", tostring(carbon)) end)
end

function slurm_job_submit(job_desc, part_list, submit_uid)
  pcall(function() carbon.job_submit(job_desc, part_list, submit_uid) end)
  return slurm.SUCCESS
end

function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
  local asked, answer = pcall(function() return carbon.job_modify(job_desc, job_rec, part_list, modify_uid) end)
  if asked and answer == slurm.ERROR then return slurm.ERROR end
  return slurm.SUCCESS
end
