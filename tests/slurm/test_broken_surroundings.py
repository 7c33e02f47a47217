"""The disk full, slurmdbd away, the daemon asleep: what happens to jobs, on a real Slurm."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lives import Lives, now_s

from carbonslurm.core.interval import from_epoch, iso
from carbonslurm.errors import UnavailableError
from carbonslurm.ledger.reading import Reading
from carbonslurm.ports import RunFilter
from carbonslurm.sandbox.jobs import submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN = 500.0, 100.0
LATER = timedelta(seconds=300)
QUICK = {"interval": "2s", "fetch": "2s", "reconcile": "2s", "stop_step": "1s"}


@pytest.fixture
def lives(stage: Stage) -> Lives:
    found = Lives(stage)
    found.site(stops=False, cycle=QUICK)
    found.grid("other", (0, DIRTY), (LATER.total_seconds(), CLEAN))
    return found


def wait_for_begin(lives: Lives, job: str, when: datetime) -> None:
    wait_until(lambda: lives.begin(job) == when, 80, lambda: f"{iso(when)}, it is {iso(lives.begin(job))}")


def figures(lives: Lives, job: str) -> bool:
    """Whether the emissions of a job were worked out."""
    with Reading.open(Path(lives.stage.config.ledger)) as reading:
        return any(row.figure is not None for row in reading.runs(RunFilter(ids=(int(job),))))


# --- the disk of the ledger ---


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Give a folder a disk of its own, 2 MB large; False where we may not mount one."""
    argv = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0777", "tmpfs", str(folder)]
    mounted = subprocess.run(argv, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def no_room(ledger: Path, daemon: subprocess.Popen[bytes], *, own_disk: bool) -> Iterator[None]:
    """Fill the disk; where it is not our own, keep the daemon's files from growing, as a quota does."""
    filler = ledger.with_name("filler")
    if own_disk:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(512))
    else:
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    yield
    if own_disk:
        filler.unlink()
    else:
        limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, limit)


def test_with_a_full_disk_nothing_new_waits_and_what_is_due_goes(lives: Lives) -> None:
    """No forecast can be kept either: what waits is let go when the last one is too old."""
    lives.site(stops=False, cycle=QUICK, policy={"margin": "1s", "forecast_age": "10s"})
    ledger = Path(lives.stage.config.ledger)
    with small_disk(ledger.parent) as own_disk:
        planned = lives.grid("grid", (0, DIRTY), (300, CLEAN)) + LATER
        lives.live()
        due = lives.submit(2)
        wait_for_begin(lives, due, planned)
        assert lives.stage.process is not None
        with no_room(ledger, lives.stage.process, own_disk=own_disk):
            new = lives.submit(2)
            wait_for_state(lives.stage.sandbox, new, "RUNNING", "COMPLETED", timeout=80)
            lives.wait_for([due], "COMPLETED", timeout=80)
            assert [row.verb for row in lives.actions(due)] == ["withhold"]
        planned = lives.grid("grid", (0, DIRTY), (300, CLEAN)) + LATER
        later = lives.submit(2)
        wait_for_begin(lives, later, planned)
        withheld, released = lives.actions(due)
        assert (withheld.verb, released.verb, released.state) == ("withhold", "release", "applied")
        assert lives.actions(new) == []
        lives.stage.kill()


def test_a_daemon_that_cannot_write_its_ledger_ends_and_jobs_start_by_themselves(lives: Lives) -> None:
    lives.grid("grid", (0, DIRTY), (300, CLEAN))
    folder = Path(lives.stage.config.ledger).parent
    mode = folder.stat().st_mode
    if lives.stage.daemon_account is not None:
        shutil.chown(folder, "root")
    folder.chmod(0o555)
    try:
        job = lives.submit(2)
        with pytest.raises(UnavailableError, match="ended with 74"):
            lives.live()
        lives.wait_for([job], "COMPLETED", timeout=80)
    finally:
        folder.chmod(mode)


# --- slurmdbd ---


def test_while_slurmdbd_is_away_jobs_wait_and_start_as_planned(lives: Lives) -> None:
    clean = lives.grid("grid", (0, DIRTY), (12, CLEAN)) + timedelta(seconds=12)
    lives.live()
    lives.stage.sandbox.stop("slurmdbd")
    try:
        job = lives.submit(2)
        wait_for_begin(lives, job, clean)
        wait_until(lambda: "reconcile: " in lives.stage.log.read_text(), 80, "sacct to fail")
        started = wait_for_state(lives.stage.sandbox, job, "COMPLETED", timeout=80)["StartTime"]
        assert from_epoch(int(started)) >= clean
        assert lives.last_cycle() is not None
    finally:
        lives.stage.sandbox.start("slurmdbd")
    wait_until(lambda: figures(lives, job), 80, "sacct to be read again")


# --- slurmctld ---


def test_while_slurmctld_is_away_cycles_fail_and_nothing_is_lost(lives: Lives) -> None:
    """One job's planned start passes, one's does not, one job ends; AWAY_S says for how long."""
    away = timedelta(seconds=int(os.environ.get("AWAY_S", "60")))
    late = lives.grid("other", (0, DIRTY), (300, CLEAN)) + LATER
    soon = lives.grid("grid", (0, DIRTY), (12, CLEAN)) + timedelta(seconds=12)
    ends = submit(lives.stage.sandbox, "--output=ends.out", "--wrap=sleep 8; date", user=lives.stage.user)
    lives.live()
    passes, stays = lives.submit(2), lives.submit(2, "--partition=debug")
    wait_for_begin(lives, passes, soon)
    wait_for_begin(lives, stays, late)
    lives.stage.sandbox.stop_slurmctld()
    over = now_s() + away
    try:
        wait_until(lambda: (lives.last_cycle() or ("", None))[1], 60, "a failed cycle")
        wait_until(lambda: now_s() >= over, away.total_seconds() + 10, "the end of the outage")
    finally:
        lives.stage.sandbox.start_slurmctld()
    lives.wait_for([passes, ends], "COMPLETED", timeout=60)
    wait_until(lambda: (lives.last_cycle() or ("", ""))[1] is None, 80, "a good cycle")
    assert lives.begin(stays) == late
    assert [row.verb for row in (*lives.actions(passes), *lives.actions(stays))] == ["withhold", "withhold"]
    assert lives.output(passes) == ["start 0", "end 0"]
    assert len((lives.stage.sandbox.work / "ends.out").read_text().splitlines()) == 1
    assert [state for state, _ in lives.attempts(ends)] == ["COMPLETED"]
