"""The hook through the real slurmctld: what a user's own sbatch, srun and salloc come to.

Nothing here needs our daemon; a flexible job starts by itself at the end of its planning window.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from carbonslurm.core.tag import Tag, parse_tag
from carbonslurm.errors import RefusedError
from carbonslurm.formats.hook import DefaultRule, HookSettings, render_hook_settings
from carbonslurm.sandbox import Sandbox
from carbonslurm.sandbox.waiting import wait_until

GPU = "--gres=gpu:1"
FLEX = "--comment=carbon:flex=2h"


@dataclass(frozen=True)
class Submitted:
    """A job of a plain user, and what sbatch said on its terminal."""

    sandbox: Sandbox
    job_id: str
    said: str

    def field(self, name: str) -> str:
        """One field of `scontrol show job`, times as epochs."""
        shown = self.sandbox.run(
            ["scontrol", "show", "job", "-o", self.job_id], env={"SLURM_TIME_FORMAT": "%s"}
        )
        found = re.search(rf"(?:^| ){name}=(\S*)", shown.stdout)
        return found.group(1) if found else ""

    @property
    def tag(self) -> Tag | None:
        """What the hook wrote."""
        return parse_tag(self.field("AdminComment"))

    def ends(self) -> str:
        """Its last state, once it has one."""
        return wait_until(lambda: re.search(r"COMPLETED|FAILED|CANCELLED|DEADLINE", self.field("JobState")))[
            0
        ]


Sbatch = Callable[..., Submitted]


@pytest.fixture
def user(sandbox: Sandbox) -> str | None:
    """A plain user; where the sandbox is not root's, the only one there is."""
    return sandbox.users[0] if sandbox.users else None


@pytest.fixture
def sbatch(sandbox: Sandbox, user: str | None) -> Iterator[Sbatch]:
    """Submits a short job as the plain user; what still waits at the end is cancelled."""
    jobs: list[str] = []

    def sbatch(*arguments: str, script: str = "#!/bin/sh\ntrue\n") -> Submitted:
        done = sandbox.run(["sbatch", "--parsable", "-o/dev/null", *arguments], user=user, input=script)
        jobs.append(done.stdout.strip())
        return Submitted(sandbox, jobs[-1], done.stderr)

    yield sbatch
    sandbox.run(["scancel", *jobs], check=False)


@dataclass(frozen=True)
class Hook:
    """The hook's files in a sandbox, for a test that changes them."""

    folder: Path

    def write(self, name: str, text: str | None) -> None:
        """Replace a file of the hook, or remove it, and have slurmctld read all of them again."""
        file = self.folder / name
        if text is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(text, encoding="utf-8")
        self.reload()

    def configure(self, settings: HookSettings) -> None:
        """Give the hook some site settings."""
        self.write("carbonslurm_site.lua", render_hook_settings(settings))

    def reload(self) -> None:
        """Do what `touch job_submit.lua` does, but also within the second in which slurmctld last read it."""
        entry = self.folder / "job_submit.lua"
        later = entry.stat().st_mtime + 1_000
        os.utime(entry, (later, later))


@pytest.fixture
def hook(sandbox: Sandbox) -> Iterator[Hook]:
    """The hook's files; put right again afterwards."""
    hook = Hook(sandbox.hook_directory)
    before = {file: file.read_text(encoding="utf-8") for file in hook.folder.glob("carbonslurm*.lua")}
    yield hook
    for file in hook.folder.glob("carbonslurm*.lua"):
        file.unlink()
    for file, text in before.items():
        hook.write(file.name, text)


def test_a_tagged_gpu_job_waits_for_its_window(sbatch: Sbatch) -> None:
    job = sbatch(FLEX, GPU)
    tag = job.tag
    assert tag is not None
    assert (tag.flex, tag.by, tag.begin) == (timedelta(hours=2), "owner", None)
    assert tag.latest is not None
    assert tag.window is not None
    assert tag.latest - tag.window == timedelta(minutes=118)
    wait_until(lambda: job.field("Reason") == "BeginTime", describe="Reason=BeginTime")
    assert job.field("JobState") == "PENDING"
    assert job.field("EligibleTime") == f"{tag.window.timestamp():.0f}"
    assert f"carbon: flexible, starts by {tag.latest:%Y-%m-%dT%H:%M:%SZ} at the latest" in job.said


@pytest.mark.parametrize(
    "gpu",
    [
        ["--gres=gpu"],
        ["--gres=gpu:a100:2"],
        ["--gpus=1"],
        ["--gpus=a100:1"],
        ["--gpus-per-node=1"],
        ["-n1", "--gpus-per-task=1"],
        ["--gpus-per-socket=1", "--sockets-per-node=1"],
        ["-n1", "--ntasks-per-gpu=1"],
    ],
    ids=" ".join,
)
def test_every_way_to_ask_sbatch_for_a_gpu_counts(sbatch: Sbatch, gpu: list[str]) -> None:
    assert sbatch(FLEX, *gpu).tag is not None


@pytest.mark.parametrize("gpu", [[], ["--gpus=0"], ["--gres=none"]], ids=" ".join)
def test_a_job_without_a_gpu_runs_at_once_and_its_owner_hears_why(sbatch: Sbatch, gpu: list[str]) -> None:
    job = sbatch(FLEX, *gpu)
    assert "carbon: not flexible: it asks for no GPU" in job.said
    assert job.tag is None
    assert job.ends() == "COMPLETED"


@pytest.mark.parametrize(
    "comment", ["carbon:flex=5", "carbon:v=1,flex=9,by=owner", "carbon:flex=\udcff\x1b[1m"]
)
def test_a_tag_that_cannot_be_read_runs_at_once_and_its_owner_hears_why(sbatch: Sbatch, comment: str) -> None:
    job = sbatch(f"--comment={comment}", GPU)
    assert "carbon: not flexible: " in job.said
    assert job.said.strip().isprintable()
    assert job.tag is None
    assert job.ends() == "COMPLETED"


def test_a_newline_in_the_comment_forges_nothing(sbatch: Sbatch) -> None:
    job = sbatch("--comment=x\nAdminComment=carbon:v=1,flex=9,by=owner", GPU)
    admin_comment = job.sandbox.run(["squeue", "-h", "-j", job.job_id, "-O", "admin_comment:200"])
    assert "carbon" not in admin_comment.stdout


def test_an_owner_cannot_write_the_tag_later(sbatch: Sbatch, user: str | None) -> None:
    if user is None:
        pytest.skip("the only account of this sandbox is its administrator")
    job = sbatch("-H", GPU)
    forged = "AdminComment=carbon:v=1,flex=9,by=owner"
    with pytest.raises(RefusedError):
        job.sandbox.run(["scontrol", "update", f"JobId={job.job_id}", forged], user=user)
    assert job.tag is None


def test_srun_and_salloc_are_untouched(sandbox: Sandbox, user: str | None) -> None:
    for command in (["srun", FLEX, GPU, "true"], ["salloc", FLEX, GPU, "true"]):
        assert "carbon" not in sandbox.run(command, user=user).stderr


def test_a_script_with_a_deadline_gets_no_window(sbatch: Sbatch) -> None:
    script = "#!/bin/sh\n#SBATCH --time=1 --deadline=now+100seconds\ntrue\n"
    job = sbatch(FLEX, GPU, script=script)
    tag = job.tag
    assert tag is not None
    assert tag.window is None
    assert job.ends() == "COMPLETED"


def test_a_begin_time_of_ones_own_stays(sbatch: Sbatch) -> None:
    job = sbatch(FLEX, GPU, "--begin=now+1hour")
    tag = job.tag
    assert tag is not None
    assert tag.begin is not None
    assert (tag.window, tag.latest) == (None, tag.begin + timedelta(hours=2))
    assert job.field("EligibleTime") == f"{tag.begin.timestamp():.0f}"


def test_finish_counts_the_time_limit_of_the_partition(sbatch: Sbatch) -> None:
    finish = 9_999_999_999
    job = sbatch(f"--comment=carbon:flex=30d,finish={finish}", GPU)
    assert job.tag is not None
    near = int(job.field("SubmitTime")) + 7_200
    sooner = sbatch(f"--comment=carbon:finish={near}", GPU)
    assert sooner.field("TimeLimit") == "00:10:00"
    tag = sooner.tag
    assert tag is not None
    assert tag.latest is not None
    assert tag.latest.timestamp() == near - 600 - 300


def test_a_dependent_job_has_no_latest_start_yet(sbatch: Sbatch) -> None:
    first = sbatch("-H", GPU)
    tag = sbatch(FLEX, GPU, f"--dependency=afterok:{first.job_id}").tag
    assert tag is not None
    assert tag.latest is None


def test_an_array_carries_one_tag(sbatch: Sbatch) -> None:
    assert sbatch(FLEX, GPU, "--array=0-3").tag is not None


def test_the_first_component_of_a_heterogeneous_job_speaks_for_all(sbatch: Sbatch) -> None:
    for first, second in ((FLEX, "--comment=x"), ("--comment=x", FLEX)):
        script = f"#!/bin/sh\n#SBATCH {first} {GPU}\n#SBATCH hetjob\n#SBATCH -n1 {second} {GPU}\ntrue\n"
        job = sbatch(script=script)
        tags = {shown.tag for shown in (job, replace(job, job_id=f"{job.job_id}+1"))}
        begins = {shown.field("EligibleTime") for shown in (job, replace(job, job_id=f"{job.job_id}+1"))}
        assert len(begins) == 1
        assert (None in tags, len(tags)) == (True, 2 if first == FLEX else 1)


def test_where_the_daemon_only_watches_a_tagged_job_starts_at_once(sbatch: Sbatch, hook: Hook) -> None:
    hook.configure(HookSettings(observe_partitions=("main",)))
    job = sbatch(FLEX, GPU)
    assert "carbon" not in job.said
    assert job.tag is not None
    assert job.tag.window is None
    assert job.ends() == "COMPLETED"


def test_outside_the_share_of_a_roll_out_nobody_waits(sbatch: Sbatch, hook: Hook) -> None:
    hook.configure(HookSettings(share=0))
    job = sbatch(FLEX, GPU)
    assert "carbon: not flexible: so far the site lets the jobs of only some users wait" in job.said
    assert job.ends() == "COMPLETED"


def test_the_site_makes_a_partition_flexible_and_an_owner_says_now(sbatch: Sbatch, hook: Hook) -> None:
    hook.configure(HookSettings(defaults=(DefaultRule("carbon:flex=1h", partition="debug"),)))
    by_site = sbatch(GPU, "-pdebug").tag
    assert by_site is not None
    assert (by_site.by, by_site.flex) == ("site", timedelta(hours=1))
    assert sbatch(GPU).tag is None
    at_once = sbatch(GPU, "-pdebug", "--comment=urgent carbon:now")
    assert at_once.tag is None
    assert at_once.ends() == "COMPLETED"


def test_without_a_daemon_a_flexible_job_starts_when_its_window_ends(sbatch: Sbatch, hook: Hook) -> None:
    hook.configure(HookSettings(window=timedelta(seconds=2)))
    job = sbatch(FLEX, GPU)
    tag = job.tag
    assert tag is not None
    assert tag.window is not None
    assert job.ends() == "COMPLETED"
    assert int(job.field("StartTime")) >= tag.window.timestamp()


def test_settings_are_read_again_when_job_submit_lua_is_touched(sbatch: Sbatch, hook: Hook) -> None:
    hook.configure(HookSettings(gpu_only=False))
    assert sbatch(FLEX).tag is not None


def test_slurmctld_starts_and_runs_jobs_without_the_module(
    sandbox: Sandbox, sbatch: Sbatch, hook: Hook
) -> None:
    hook.write("carbonslurm.lua", None)
    sandbox.restart_slurmctld()
    job = sbatch(FLEX, GPU)
    assert job.tag is None
    assert job.ends() == "COMPLETED"


def test_slurmctld_starts_with_a_module_that_is_no_lua(sandbox: Sandbox, sbatch: Sbatch, hook: Hook) -> None:
    hook.write("carbonslurm.lua", "this is no lua")
    sandbox.restart_slurmctld()
    assert sbatch(FLEX, GPU).tag is None


@pytest.mark.parametrize(
    "module",
    [
        None,
        "",
        "this is no lua",
        "error('at load')",
        "return { job_submit = function() error({}) end, job_modify = function() error('x') end }",
    ],
    ids=ascii,
)
def test_a_broken_module_neither_rejects_a_job_nor_an_update(
    sandbox: Sandbox, sbatch: Sbatch, hook: Hook, user: str | None, module: str | None
) -> None:
    hook.write("carbonslurm.lua", module)
    job = sbatch(FLEX, GPU, "-H")
    assert job.tag is None
    sandbox.run(["scontrol", "update", f"JobId={job.job_id}", "TimeLimit=1"], user=user)


def test_an_error_in_our_own_code_lets_the_job_run(sbatch: Sbatch, hook: Hook) -> None:
    text = (hook.folder / "carbonslurm.lua").read_text(encoding="utf-8")
    hook.write("carbonslurm.lua", text.replace("function M.facts(", "function M.facts_gone("))
    job = sbatch(FLEX, GPU)
    assert job.tag is None
    assert job.ends() == "COMPLETED"
