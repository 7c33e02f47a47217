"""Updates through the real slurmctld: the gate's licence, holds and their marks, the daemon confined.

`daemon` is the Operator that the settings name; plain users own the jobs. No daemon of ours runs here.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from carbonslurm.formats.hook import HookSettings, render_hook_settings
from carbonslurm.sandbox import Sandbox
from carbonslurm.sandbox.accounts import account
from carbonslurm.sandbox.waiting import wait_until

FLEX, GPU = "--comment=carbon:flex=2h", "--gres=gpu:1"
LATER = "StartTime=now+2hours"
OTHER = "other:9"  # a licence beside those of the sandbox, of which one is the gate's


@dataclass(frozen=True)
class Job:
    """A job of a plain user."""

    sandbox: Sandbox
    job_id: str
    user: str

    def field(self, name: str, spec: str | None = None) -> str:
        """One field of `scontrol show job` (of its first record), words in it kept, times as epochs."""
        shown = self.sandbox.run(
            ["scontrol", "show", "job", "-o", spec or self.job_id], env={"SLURM_TIME_FORMAT": "%s"}
        )
        line = shown.stdout.splitlines()[0]
        found = re.search(rf"(?:^| ){name}=(.*?)(?= +[A-Z][A-Za-z:/]*=| *$)", line)
        return found.group(1).strip() if found else ""

    @property
    def latest(self) -> str:
        """The latest start in its tag."""
        found = re.search(r"latest=(\d+)", self.field("AdminComment"))
        assert found
        return found.group(1)


@dataclass(frozen=True)
class Answer:
    """What scontrol came to."""

    code: int
    said: str


@dataclass(frozen=True)
class Scene:
    """Who acts on whose jobs."""

    sandbox: Sandbox
    owner: str
    jobs: list[str]

    def sbatch(self, *words: str, script: str = "#!/bin/sh\ntrue\n") -> Job:
        """Submit as the owner."""
        done = self.sandbox.run(
            ["sbatch", "--parsable", "-o/dev/null", *words], user=self.owner, input=script
        )
        self.jobs.append(done.stdout.strip())
        return Job(self.sandbox, self.jobs[-1], self.owner)

    def scontrol(self, who: str, *words: str) -> Answer:
        """Have somebody call scontrol."""
        done = self.sandbox.run(["scontrol", *words], user=who, check=False)
        return Answer(done.returncode, (done.stdout + done.stderr).strip())

    def update(self, who: str, job: Job | str, *words: str) -> Answer:
        """Have somebody update a job."""
        spec = job if isinstance(job, str) else job.job_id
        return self.scontrol(who, "update", f"JobId={spec}", *words)

    def daemon(self, job: Job | str, *words: str) -> Answer:
        """Have the daemon's account update a job."""
        return self.update(self.sandbox.operator, job, *words)

    def hold(self, job: Job | str) -> Answer:
        """Have the daemon's account hold a job, as its owner can release it."""
        return self.scontrol(self.sandbox.operator, "uhold", job if isinstance(job, str) else job.job_id)

    def release(self, who: str, job: Job) -> Answer:
        """Have somebody release a job."""
        return self.scontrol(who, "release", job.job_id)


@pytest.fixture(scope="module")
def licensed(sandbox: Sandbox) -> Iterator[None]:
    """The shared sandbox with more licences."""
    conf = sandbox.slurm_conf
    before = conf.read_text()
    conf.write_text(re.sub(r"^Licenses=(.*)$", rf"Licenses=\1,{OTHER}", before, flags=re.MULTILINE))
    sandbox.restart_slurmctld()
    yield
    conf.write_text(before)
    sandbox.restart_slurmctld()


@pytest.fixture
def scene(sandbox: Sandbox, licensed: None) -> Iterator[Scene]:
    """The hook with the daemon's account, and with hold and gate where a test says so."""
    if len(sandbox.users) < 2:
        pytest.skip("needs root: an owner who is not the daemon's account")
    found = Scene(sandbox, sandbox.users[0], [])
    configure(sandbox)
    yield found
    sandbox.run(["scancel", *found.jobs], check=False)
    (sandbox.hook_directory / "carbonslurm_site.lua").unlink()
    reload(sandbox)


def configure(sandbox: Sandbox, hold: tuple[str, ...] = ("*",), gate: tuple[str, ...] = ()) -> None:
    """Give the hook its settings."""
    uid = account(sandbox.operator).pw_uid
    settings = HookSettings(daemon_uid=uid, hold_partitions=hold, gate_partitions=gate, compensates=True)
    path = sandbox.hook_directory / "carbonslurm_site.lua"
    path.write_text(render_hook_settings(settings))
    path.chmod(0o644)
    reload(sandbox)


def reload(sandbox: Sandbox) -> None:
    """Do what `touch job_submit.lua` does, also within the second in which slurmctld last read it."""
    entry = sandbox.hook_directory / "job_submit.lua"
    later = entry.stat().st_mtime + 1_000
    os.utime(entry, (later, later))


def refused(answer: Answer) -> bool:
    """Whether the hook refused: 22.05 cannot say why."""
    return answer.code == 1 and "Unspecified error" in answer.said


# --- confinement ---


def test_the_daemon_may_set_begin_time_and_site_factor_of_a_tagged_job(scene: Scene) -> None:
    job = scene.sbatch(FLEX, GPU)
    assert scene.daemon(job, LATER, "SiteFactor=5000").code == 0
    assert int(job.field("Priority")) > 5_000


@pytest.mark.parametrize(
    "change",
    ["TimeLimit=2", "Nice=5", "Requeue=0", "Priority=9", "Comment=x", "Partition=debug", "Gres=gpu:2"],
)
def test_the_daemon_may_change_nothing_else_and_an_admin_may(scene: Scene, change: str) -> None:
    job = scene.sbatch(FLEX, GPU, "--begin=now+1hour", "-t5")
    assert refused(scene.daemon(job, change))
    assert scene.update(scene.sandbox.owner, job, change).code == 0


EVERYTHING_ELSE = """
Account=research ArrayTaskThrottle=1 BurstBuffer=x ClusterFeatures=x Clusters=x Contiguous=yes CoreSpec=1
CPUsPerTask=2 DelayBoot=60 Dependency=singleton EndTime=now+3hours ExcNodeList=n1 Extra=x Features=x
JobName=x MailType=END MailUser=x@y.z MinCPUsNode=2 MinMemoryCPU=10 MinMemoryNode=10 MinTmpDiskNode=5
Name=x Network=x NumCPUs=2 NumNodes=2 NumTasks=3 OverSubscribe=yes Prefer=x QOS=normal
Reboot=yes ReqNodeList=n2 ReqProcs=2
ReservationName=x ResetAccrueTime Shared=yes StdErr=/x StdIn=/x StdOut=/x Switches=1 TasksPerNode=2
ThreadSpec=1 TimeLimit+=5 TimeMin=1 TRESPerNode=gres/gpu:3 TRESPerTask=gres/gpu:1 UserID=news
WCKey=x WorkDir=/x
"""


def test_not_one_field_of_a_job_is_the_daemons_to_change(scene: Scene) -> None:
    """Some are unknown to some versions, or nobody's to change: all of them are refused by somebody."""
    job = scene.sbatch(FLEX, GPU, "--begin=now+1hour", "-t5")
    shown = ["scontrol", "show", "job", job.job_id]
    before = scene.sandbox.run(shown).stdout
    assert [change for change in EVERYTHING_ELSE.split() if scene.daemon(job, change).code == 0] == []
    after = scene.sandbox.run(shown).stdout
    moving = re.compile(r"Priority=\d+|LastSchedEval=\S+|AccrueTime=\S+|StartTime=\S+|Scheduler=\S+")
    assert moving.sub("", after) == moving.sub("", before)


def test_a_refusal_says_why_where_slurm_hands_it_on(scene: Scene) -> None:
    job = scene.sbatch(FLEX, GPU)
    answer = scene.daemon(job, "TimeLimit=2")
    line = f"carbonslurm: job {job.job_id}: time_limit is not for the daemon to change"
    assert line in (scene.sandbox.log / "slurmctld.log").read_text(errors="replace")
    if scene.sandbox.slurm_version > "23":
        assert line in answer.said


def test_the_daemon_may_not_touch_a_job_without_a_tag(scene: Scene) -> None:
    job = scene.sbatch(GPU, "--begin=now+1hour")
    assert refused(scene.daemon(job, LATER))
    assert refused(scene.hold(job))
    assert scene.update(scene.owner, job, LATER).code == 0


# --- hold ---


def test_a_hold_leaves_a_mark_that_the_owners_release_takes_away(scene: Scene) -> None:
    job = scene.sbatch("--comment=night carbon:flex=2h", GPU, "--nice=50")
    assert scene.hold(job).code == 0
    assert job.field("Comment") == f"night carbon:flex=2h carbon:held={job.latest}"
    assert (job.field("Priority"), job.field("Reason")) == ("0", "JobHeldUser")
    assert scene.update(scene.owner, job, "Comment=mine carbon:held=1").code == 0
    assert job.field("Comment") == f"mine carbon:held={job.latest}"
    assert scene.release(scene.owner, job).code == 0
    assert job.field("Comment") == "mine"
    assert job.field("Priority") != "0"
    assert job.field("Nice") == "50"


def test_the_daemon_releases_what_it_held_and_nothing_is_lost(scene: Scene) -> None:
    job = scene.sbatch(FLEX, GPU, "--nice=50")
    assert scene.hold(job).code == 0
    assert scene.release(scene.sandbox.operator, job).code == 0
    assert job.field("Comment") == "carbon:flex=2h"
    assert job.field("Nice") == "50"
    assert refused(scene.release(scene.sandbox.operator, job))
    assert job.field("Nice") == "50"


def test_a_hold_of_anybody_else_is_not_the_daemons_to_change(scene: Scene) -> None:
    for who in (scene.owner, scene.sandbox.owner):
        job = scene.sbatch(FLEX, GPU)
        assert scene.scontrol(who, "hold", job.job_id).code == 0
        reason = job.field("Reason")
        assert refused(scene.hold(job))
        assert refused(scene.release(scene.sandbox.operator, job))
        assert (job.field("Reason"), job.field("Comment")) == (reason, "carbon:flex=2h")


def test_a_hold_by_an_admin_over_ours_takes_the_mark_away(scene: Scene) -> None:
    job = scene.sbatch(FLEX, GPU)
    assert scene.hold(job).code == 0
    assert scene.scontrol(scene.sandbox.owner, "hold", job.job_id).code == 0
    assert (job.field("Reason"), job.field("Comment")) == ("JobHeldAdmin", "carbon:flex=2h")
    assert refused(scene.release(scene.sandbox.operator, job))


def test_a_fixed_priority_is_not_lost_to_a_hold(scene: Scene) -> None:
    job = scene.sbatch(FLEX, GPU)
    assert scene.update(scene.sandbox.owner, job, "Priority=7777").code == 0
    assert refused(scene.hold(job))
    assert job.field("Priority") == "7777"


def test_a_running_job_is_never_held(scene: Scene) -> None:
    job = scene.sbatch(FLEX, GPU, script="#!/bin/sh\nsleep 60\n")
    scene.update(scene.owner, job, "StartTime=now")
    wait_until(lambda: job.field("JobState") == "RUNNING", 80, "the job to run")
    assert refused(scene.hold(job))


def test_without_room_for_a_mark_there_is_no_hold(scene: Scene) -> None:
    job = scene.sbatch(f"--comment=carbon:flex=2h {'x' * 1_000}", GPU)
    assert refused(scene.hold(job))
    assert job.field("Priority") != "0"


def test_outside_its_partitions_nothing_is_held(scene: Scene) -> None:
    configure(scene.sandbox, hold=("debug",))
    assert refused(scene.hold(scene.sbatch(FLEX, GPU)))
    assert scene.hold(scene.sbatch(FLEX, GPU, "-pdebug")).code == 0


def test_the_site_made_it_flexible_and_its_comment_was_empty(scene: Scene) -> None:
    job = scene.sbatch(FLEX, GPU)
    assert scene.update(scene.owner, job, "Comment=").code == 0
    assert scene.hold(job).code == 0
    assert job.field("Comment") == f"carbon:held={job.latest}"
    assert scene.release(scene.owner, job).code == 0
    assert job.field("Comment") == ""


def test_tasks_of_an_array_keep_their_comments_through_hold_and_release(scene: Scene) -> None:
    array = scene.sbatch(FLEX, GPU, "--array=0-3", "--begin=now+1hour")
    assert scene.update(scene.owner, f"{array.job_id}_2", "Comment=two").code == 0
    assert scene.hold(f"{array.job_id}_[0-3]").code == 0
    comments = {task: array.field("Comment", f"{array.job_id}_{task}") for task in (1, 2)}
    mark = f"carbon:held={array.latest}"
    assert comments == {1: f"carbon:flex=2h {mark}", 2: f"two {mark}"}
    assert scene.scontrol(scene.owner, "release", array.job_id).code == 0
    comments = {task: array.field("Comment", f"{array.job_id}_{task}") for task in (1, 2)}
    assert comments == {1: "carbon:flex=2h", 2: "two"}


def test_components_of_a_heterogeneous_job_are_held_and_released_together(scene: Scene) -> None:
    script = f"#!/bin/sh\n#SBATCH {FLEX} {GPU}\n#SBATCH hetjob\n#SBATCH -n1 --comment=two\ntrue\n"
    het = scene.sbatch(script=script)
    mark = f"carbon:held={het.latest}"
    both = [f"{het.job_id}+0", f"{het.job_id}+1"]
    assert scene.daemon(het, LATER).code == 0
    assert scene.hold(het).code == 0
    assert [het.field("Comment", spec) for spec in both] == [f"carbon:flex=2h {mark}", f"two {mark}"]
    assert scene.release(scene.owner, het).code == 0
    assert [het.field("Comment", spec) for spec in both] == ["carbon:flex=2h", "two"]
    assert "0" not in [het.field("Priority", spec) for spec in both]
    assert refused(scene.hold(het))


def test_nobody_forges_a_mark(scene: Scene) -> None:
    job = scene.sbatch("--comment=carbon:held=5 carbon:flex=2h", GPU, "-H")
    assert job.field("Comment") == "carbon:flex=2h"
    assert scene.update(scene.owner, job, "Comment=carbon:held=5").code == 0
    assert job.field("Comment") == ""


# --- stale updates ---


@pytest.mark.parametrize("theirs", ["StartTime=now+1hour", "Priority=0", "hold"])
def test_an_update_that_comes_too_late_is_refused(scene: Scene, theirs: str) -> None:
    job = scene.sbatch(FLEX, GPU, "--begin=now+30minutes")
    if theirs == "hold":
        assert scene.scontrol(scene.owner, "hold", job.job_id).code == 0
        assert scene.release(scene.owner, job).code == 0
    else:
        assert scene.update(scene.owner, job, theirs).code == 0
    before = job.field("EligibleTime")
    assert refused(scene.daemon(job, LATER))
    assert refused(scene.hold(job))
    assert job.field("EligibleTime") == before


def test_a_task_that_its_owner_started_stays_started(scene: Scene) -> None:
    array = scene.sbatch(FLEX, GPU, "--array=0-3", "--begin=now+1hour")
    assert scene.update(scene.owner, f"{array.job_id}_2", "StartTime=now+30minutes").code == 0
    before = array.field("EligibleTime", f"{array.job_id}_2")
    answer = scene.daemon(f"{array.job_id}_[0-3]", LATER)
    assert refused(answer)
    assert array.field("EligibleTime", f"{array.job_id}_2") == before
    assert array.field("EligibleTime", f"{array.job_id}_1") != before


def test_a_new_run_is_ours_again(scene: Scene) -> None:
    job = scene.sbatch(FLEX, GPU, script="#!/bin/sh\nsleep 60\n")
    assert scene.update(scene.owner, job, "StartTime=now").code == 0
    wait_until(lambda: job.field("JobState") == "RUNNING", 80, "the job to run")
    assert scene.scontrol(scene.sandbox.operator, "requeue", "Incomplete", job.job_id).code == 0
    wait_until(lambda: scene.daemon(job, LATER).code == 0, 80, "a begin time for the new run")


# --- compensation ---


def test_an_owner_who_starts_the_job_himself_gives_the_compensation_back(scene: Scene) -> None:
    job = scene.sbatch(FLEX, GPU)
    plain = int(job.field("Priority"))
    assert scene.daemon(job, LATER, "SiteFactor=50000").code == 0
    assert int(job.field("Priority")) > 50_000
    assert scene.update(scene.owner, job, "StartTime=now+1hour").code == 0
    wait_until(lambda: int(job.field("Priority")) <= plain, 80, "the priority that it had")
    assert job.field("Comment") == "carbon:flex=2h"


def test_an_array_keeps_it_and_its_owner_is_not_denied(scene: Scene) -> None:
    array = scene.sbatch(FLEX, GPU, "--array=0-3", "--begin=now+1hour")
    assert scene.daemon(f"{array.job_id}_2", "SiteFactor=50000").code == 0
    assert scene.daemon(f"{array.job_id}_[0-3]", LATER, "SiteFactor=50000").code == 0
    assert scene.update(scene.owner, array, "StartTime=now+30minutes").code == 0
    assert int(array.field("Priority", f"{array.job_id}_2")) > 50_000
    assert scene.daemon(f"{array.job_id}_[0-3]", "SiteFactor=0").code == 0


# --- gate ---


def test_flexible_jobs_get_the_licence_once_and_others_lose_it(scene: Scene) -> None:
    configure(scene.sandbox, gate=("main",))
    merged = scene.sbatch(FLEX, GPU, "-Lother:2,carbon:40")
    assert sorted(merged.field("Licenses").split(",")) == ["carbon:1", "other:2"]
    assert scene.sbatch(GPU, "-H", "-Lcarbon:40").field("Licenses") in ("", "(null)")
    assert scene.sbatch(FLEX, GPU, "-H", "-pdebug").field("Licenses") in ("", "(null)")


def test_the_licence_is_one_at_most_in_updates_too_and_the_owner_may_drop_it(scene: Scene) -> None:
    configure(scene.sandbox, gate=("main",))
    job = scene.sbatch(FLEX, GPU)
    assert scene.update(scene.owner, job, "Licenses=carbon:40,other:1").code == 0
    assert sorted(job.field("Licenses").split(",")) == ["carbon:1", "other:1"]
    assert scene.daemon(job, "Licenses=other:1").code == 0
    assert job.field("Licenses").replace(":1", "") == "other"
    assert refused(scene.daemon(job, "Licenses="))
    dropped = scene.sbatch(FLEX, GPU)
    assert scene.update(scene.owner, dropped, "Licenses=").code == 0
    assert dropped.field("Licenses") in ("", "(null)")
    assert refused(scene.daemon(dropped, "Licenses=carbon:1"))
    plain = scene.sbatch(GPU, "-H")
    assert scene.update(scene.owner, plain, "Licenses=carbon:40").code == 0
    assert plain.field("Licenses") in ("", "(null)")


def test_a_gate_without_its_licence_rejects_nobodys_job(scene: Scene) -> None:
    """Slurm rejects a job that asks for a licence that slurm.conf does not name."""
    conf = scene.sandbox.slurm_conf
    before = conf.read_text()
    try:
        conf.write_text(re.sub(r"carbon:\d+,", "", before))
        configure(scene.sandbox, gate=("main",))
        scene.sandbox.restart_slurmctld()
        assert scene.sbatch(FLEX, GPU).field("Licenses") in ("", "(null)")
    finally:
        conf.write_text(before)
        scene.sandbox.restart_slurmctld()


def test_an_or_of_licences_is_not_mixed_with_ours(scene: Scene) -> None:
    if scene.sandbox.slurm_version < "25.05":
        pytest.skip("this Slurm knows no alternatives")
    configure(scene.sandbox, gate=("main",))
    job = scene.sbatch(FLEX, GPU, "-Lother:1|carbon:40")
    assert job.field("Licenses").replace(":1", "") == "other"


# --- broken hooks ---


@pytest.mark.parametrize("module", [None, "error('at load')", "return function() error('x') end", "return 5"])
def test_with_the_part_for_updates_broken_everybodys_updates_pass(scene: Scene, module: str | None) -> None:
    file = scene.sandbox.hook_directory / "carbonslurm_modify.lua"
    text = file.read_text()
    try:
        if module is None:
            file.unlink()
        else:
            file.write_text(module)
        reload(scene.sandbox)
        job = scene.sbatch(FLEX, GPU, "--begin=now+1hour", "-t5")
        assert "carbon:v=1" in job.field("AdminComment")
        for who in (scene.sandbox.operator, scene.owner):
            assert scene.update(who, job, "TimeLimit=3", LATER).code == 0
    finally:
        file.write_text(text)
        reload(scene.sandbox)
