"""Two daemons on one cluster, and ledgers that go away or are read by others, on a real Slurm."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.sandbox.accounts import demotion
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.site import config_path
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from carbonslurm.sandbox.postgres import PrivatePostgres
    from carbonslurm.sandbox.stage import Stage

# Slurm starts a job within this many seconds of the time it was told, on a busy machine of two cores.
PROMPT = timedelta(seconds=30)  # on a machine that runs three Slurms and all other tests beside it
PLANNED = ("--flex=2h", "--gres=gpu:1", "--wrap=true")
FLEXIBLE = ("--comment=carbon:flex=2h,length=5s", "--gres=gpu:1", "--output=/dev/null", "--wrap=sleep 5")


def last_cycle(stage: Stage) -> datetime:
    with wiring.reading(stage.config) as reading:
        last = reading.last_cycle(stage.config.cluster)
    assert last is not None
    return last[0]


def known_until(stage: Stage) -> datetime | None:
    """How far the newest forecast in the ledger reaches."""
    with wiring.reading(stage.config) as reading:
        issue = reading.newest_issue("grid")
    return issue.series.horizon if issue else None


def begins(stage: Stage, job: str) -> datetime:
    return from_epoch(int(fields(stage.sandbox, job)["EligibleTime"]))


def put_on_postgres(stage: Stage, server: PrivatePostgres) -> None:
    """Give the site a ledger on a server, whose password only the daemon's account may read."""
    server.database("site")
    secret = stage.sandbox.directory / "etc" / "ledger-password"
    secret.touch(mode=0o600)
    secret.write_text(server.password_file().read_text())
    if stage.daemon_account:
        shutil.chown(secret, stage.daemon_account)
    stage.changes = {
        **stage.changes,
        "ledger": server.url("site"),
        "ledger_password_file": str(secret),
        "ledger_reader": server.url("site", "reader"),
        "ledger_reader_password_file": str(server.password_file("reader")),
    }
    stage.write_site()


@pytest.fixture(params=["sqlite", "postgres"])
def either_stage(request: pytest.FixtureRequest, stage: Stage) -> Stage:
    """A stage with its ledger on each database, and cycles long enough for a busy machine to keep up with."""
    stage.changes = {**stage.changes, "cycle": {**stage.changes["cycle"], "interval": "4s"}}
    stage.write_site()
    if request.param == "postgres":
        put_on_postgres(stage, request.getfixturevalue("own_postgres"))
    return stage


def play(stage: Stage) -> datetime:
    """Run a daemon on a grid that turns clean when no test is left to see it; return when."""
    start = from_epoch(int(wiring.now().timestamp()))
    publish(stage.sandbox.directory / "grid.csv", start, [(0, 500), (300, 100)])
    stage.start()
    return start + timedelta(seconds=300)


@contextmanager
def waiting(stage: Stage) -> Iterator[Stage]:
    """Start a second daemon on the same site, and see it wait."""
    found = replace(stage, process=None)
    found.start()
    try:
        wait_until(lambda: "we wait" in found.log.read_text(), 80, "the second daemon to say that it waits")
        yield found
    finally:
        found.kill()


def test_a_second_daemon_takes_over_within_two_cycles_of_the_firsts_death(either_stage: Stage) -> None:
    stage = either_stage
    clean = play(stage)
    with waiting(stage) as second:
        job = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
        wait_until(lambda: begins(stage, job) == clean, 80, "the first daemon's plan")
        stage.kill()
        before, killed_at = last_cycle(stage), wiring.now()
        wait_until(lambda: last_cycle(stage) > before, 80, "a cycle of the second daemon")
        assert last_cycle(stage) - killed_at <= 2 * stage.config.cycle.interval
        later = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
        wait_until(lambda: begins(stage, later) == clean, 80, "the second daemon's plan")
        assert begins(stage, job) == clean
        log = second.log.read_text()
        assert log.count("we wait") == 1
        assert "Traceback" not in log


def test_with_postgresql_stopped_nothing_is_withheld_and_nothing_strands(
    stage: Stage, own_postgres: PrivatePostgres
) -> None:
    """What waits starts when it was planned, and the daemon goes on by itself once the server is back."""
    put_on_postgres(stage, own_postgres)
    start = from_epoch(int(wiring.now().timestamp()))
    publish(stage.sandbox.directory / "grid.csv", start, [(0, 500), (40, 100)])
    stage.start()
    job = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    wait_until(lambda: begins(stage, job) == start + timedelta(seconds=40), 80, "a plan")
    own_postgres.stop()
    later = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    window = begins(stage, later)
    for one, planned in ((job, start + timedelta(seconds=40)), (later, window)):
        shown = wait_for_state(stage.sandbox, one, "RUNNING", "COMPLETED", timeout=80)
        started = from_epoch(int(shown["StartTime"]))
        assert planned <= started <= planned + PROMPT
    own_postgres.start()
    stage.check()
    wait_until(lambda: "this daemon acts now" in stage.log.read_text(), 80, "the daemon to go on")
    again = from_epoch(int(wiring.now().timestamp()))
    publish(stage.sandbox.directory / "grid.csv", again, [(0, 500), (300, 100)])
    wait_until(lambda: known_until(stage) == again + timedelta(minutes=15), 80, "the new forecast")
    last = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    wait_until(lambda: begins(stage, last) == again + timedelta(seconds=300), 80, "a plan once more")
    log = stage.log.read_text()
    # Not at each of the cycles: once, and again where the reason is another, as while the server starts.
    assert 1 <= log.count("nothing is done: ledger postgresql://") <= 3
    assert "Traceback" not in log
    assert stage.stop() == 0


def test_readers_need_no_right_but_the_readers(stage: Stage, own_postgres: PrivatePostgres) -> None:
    put_on_postgres(stage, own_postgres)
    clean = play(stage)
    job = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    wait_until(lambda: begins(stage, job) == clean, 80, "a plan")
    commands = Path(sys.executable).parent
    for words in (["carbon-squeue", "--all"], ["carbon-sacct"], ["carbon-sbatch", "--plan", *PLANNED]):
        done = subprocess.run(
            [str(commands / words[0]), *words[1:]],
            env={"CARBONSLURM_CONFIG": str(config_path(stage.sandbox)), "PATH": str(stage.sandbox.bin)},
            capture_output=True,
            text=True,
            check=False,
            cwd=stage.sandbox.work,
            **(demotion(stage.user) if stage.user else {}),
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        if words[0] == "carbon-squeue":
            assert job in done.stdout


def test_a_waiting_daemon_ends_when_it_is_told_to(stage: Stage) -> None:
    play(stage)
    with waiting(stage) as second:
        assert second.stop() == 0
    stage.check()


def test_once_beside_a_running_daemon_is_refused(stage: Stage) -> None:
    play(stage)
    done = stage.command("carbonslurmd", "once", check=False)
    assert done.returncode == 69
    assert "acts on cluster" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_daemon_whose_ledger_was_deleted_says_so_and_withholds_nothing_more(stage: Stage) -> None:
    clean = play(stage)
    Path(stage.config.ledger).unlink()
    wait_until(lambda: "deleted while this daemon had it open" in stage.log.read_text(), 80, "its words")
    job = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    started = int(wait_for_state(stage.sandbox, job, "RUNNING", timeout=80)["StartTime"])
    assert from_epoch(started) < clean
    assert stage.stop() == 0
    stage.start()
    later = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    wait_until(lambda: begins(stage, later) == clean, 80, "a plan by a new ledger")
