"""bin/demo: the story (story.py) on a real private Slurm, told as it happens.

The daemon runs as the Operator where that account can read this checkout, the jobs as plain users. Nothing is
steered from here but the forecast file and the submissions; what is printed is read back from the ledger and
from Slurm, and the figures at the end are carbon-sacct's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm import wiring
from carbonslurm.cli.program import HELP, run
from carbonslurm.config import load as load_config
from carbonslurm.core.interval import from_epoch
from carbonslurm.errors import LedgerError, UnavailableError
from carbonslurm.ledger.reading import Reading
from carbonslurm.sandbox import Sandbox, SandboxSpec, up
from carbonslurm.sandbox.accounts import demotion
from carbonslurm.sandbox.facts import demo_facts
from carbonslurm.sandbox.site import config_path, write_site
from carbonslurm.sandbox.story import (
    FIRST_FORECAST,
    HOUR,
    NEWS_AT,
    PARTS,
    SECOND_FORECAST,
    Part,
    intensity_csv,
    level_at,
)
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.config import Config
    from carbonslurm.ports import ActionRow

BIN = Path(sys.executable).parent
LONGEST = 170.0  # seconds until the last job must have ended
CHANGES: dict[str, Any] = {
    "cycle": {"interval": "2s", "fetch": "2s", "reconcile": "5s", "stop_step": "1s"},
    "policy": {"margin": "1s"},
    "stop": {"min_run": "4s", "restart": "2s", "settle": "6s"},
}


def tell(words: str) -> None:
    """Print a line at once."""
    click.echo(words)


@dataclass(slots=True)
class Demo:
    """One performance."""

    sandbox: Sandbox
    start: datetime
    jobs: dict[int, Part] = field(default_factory=dict)
    told: set[tuple[int, str]] = field(default_factory=set)
    states: dict[int, str] = field(default_factory=dict)

    @property
    def forecast(self) -> Path:
        """The file that the provider reads."""
        return self.sandbox.directory / "forecast.csv"

    def hour(self) -> float:
        """Return the hour of the story."""
        return (wiring.now() - self.start) / HOUR

    def say(self, words: str) -> None:
        """Print a line with the hour of the story before it."""
        tell(f"  {self.hour():5.1f} h  {words}")

    def publish(self, levels: Sequence[tuple[float, float]]) -> None:
        """Write the forecast, whole or not at all."""
        draft = self.forecast.with_suffix(".new")
        draft.write_text(intensity_csv(levels, self.start))
        draft.chmod(0o644)
        draft.rename(self.forecast)

    def submit(self, part: Part) -> None:
        """Submit a job as its user would."""
        script = self.sandbox.work / f"{part.name}.sh"
        script.write_text(part.script())
        script.chmod(0o755)
        command = [str(BIN / "carbon-sbatch"), *part.options()] if part.options() else ["sbatch"]
        if part.options() and not _readable_by(self.sandbox.users[0]):
            command = ["sbatch", f"--comment={_comment(part)}"]
        words = [*command, *part.sbatch_words(), str(script)]
        done = self.sandbox.run(words, user=self._user())
        number = int(done.stdout.strip().partition(";")[0])
        self.jobs[number] = part
        shown = " ".join([Path(words[0]).name, *words[1:-1], script.name])
        answer = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "not flexible"
        self.say(f"{self._user() or 'you'}: {shown}")
        self.say(f"   job {number}; {answer}")

    def _user(self) -> str | None:
        return self.sandbox.users[0] if os.geteuid() == 0 else None

    # --- telling what happens ---

    def watch(self, config: Config, reading: Reading) -> bool:
        """Tell what is new in the ledger and in Slurm; return whether every job has ended."""
        for row in reading.actions(config.cluster, self.start - HOUR):
            if (row.number, row.state) not in self.told:
                self.told.add((row.number, row.state))
                self._tell_action(row)
        for job in wiring.queue(config).snapshot().jobs:
            number, state = job.key.job_id, job.state.value
            if number in self.jobs and self.states.get(number) != state:
                self.states[number] = state
                self._tell_state(number, state)
        return all(self.states.get(number) == "ENDED" for number in self.jobs)

    def _tell_action(self, row: ActionRow) -> None:
        name = self.jobs[row.key.job_id].name if row.key.job_id in self.jobs else ""
        until = "" if row.until is None else f" until {(row.until - self.start) / HOUR:.1f} h"
        if row.state in {"applied", "observed"} or row.verb in {"stop", "leave"}:
            state = "" if row.state == "applied" else f" [{row.state}]"
            self.say(f"-> {row.verb} job {row.key.job_id} {name}{until}{state}: {row.reason}")

    def _tell_state(self, number: int, state: str) -> None:
        words = {"RUNNING": "starts", "ENDED": "has ended", "COMPLETING": "is leaving its node"}
        if state in words:
            self.say(f"   job {number} {self.jobs[number].name} {words[state]}")


def _comment(part: Part) -> str:
    """The tag as carbon-sbatch makes it, for a user who cannot read this checkout."""
    pairs = zip(part.options()[::2], part.options()[1::2], strict=True)
    return "carbon:" + ",".join(f"{name.removeprefix('--')}={value}" for name, value in pairs)


def _readable_by(user: str) -> bool:
    """Whether an account can run this checkout's commands: a folder above it or above Python may be closed."""
    if os.geteuid() != 0:
        return True
    words = [str(BIN / "python"), "-c", "import carbonslurm.daemon"]
    try:
        done = subprocess.run(words, check=False, capture_output=True, cwd="/", **_demotion_or_none(user))
    except PermissionError:
        return False
    return done.returncode == 0


def _demotion_or_none(user: str) -> dict[str, Any]:
    return dict(demotion(user)) if os.geteuid() == 0 else {}


def _start_daemon(sandbox: Sandbox) -> subprocess.Popen[bytes]:
    """Start carbonslurmd as the Operator, or as root where the Operator cannot read this checkout."""
    as_operator = os.geteuid() == 0 and _readable_by(sandbox.operator)
    tell(f"carbonslurmd runs as {sandbox.operator if as_operator else 'you'}")
    log = (sandbox.log / "carbonslurmd.log").open("wb")
    with log:
        return subprocess.Popen(
            [str(BIN / "carbonslurmd"), "--config", str(config_path(sandbox)), "run"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=sandbox.work,
            env={**os.environ, "HOME": str(sandbox.work)},
            **(_demotion_or_none(sandbox.operator) if as_operator else {}),
        )


def _command(sandbox: Sandbox, *words: str) -> str:
    """Run one of our commands for its table, as a person at this machine would."""
    environment = {"CARBONSLURM_CONFIG": str(config_path(sandbox))}
    done = sandbox.run([str(BIN / words[0]), *words[1:]], env=environment)
    return done.stdout.rstrip() + (f"\n{done.stderr.rstrip()}" if done.stderr.strip() else "")


def _perform(sandbox: Sandbox) -> dict[str, Any]:
    start = from_epoch(int(wiring.now().timestamp()) + 4)
    demo = Demo(sandbox, start)
    demo.publish(FIRST_FORECAST)
    source = {"provider": "file", "zone": "demo", "path": str(demo.forecast), "scope": "lifecycle"}
    path = write_site(sandbox, {"zone": "demo", "sources": [source], **CHANGES})
    config = load_config(path)
    daemon = _start_daemon(sandbox)
    try:
        wait_until(lambda: _has_cycled(config, daemon), 30, "the daemon's first cycle")
        wait_until(lambda: wiring.now() >= start, 10, "the story to begin")
        tell(
            f"\nAn hour of the story takes {HOUR.total_seconds():.0f} s. Grid: 480 g/kWh, clean from 5 h on.\n"
        )
        with Reading.open(Path(config.ledger)) as reading:
            _play(demo, config, reading)
            wait_until(lambda: demo.watch(config, reading), LONGEST, "all jobs to end")
            numbers = frozenset(demo.jobs)
            wait_until(lambda: _all_figured(reading, numbers), 60, "the figures of all runs")
        return _finish(demo, config)
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()


def _has_cycled(config: Config, daemon: subprocess.Popen[bytes]) -> bool:
    if daemon.poll() is not None:
        raise UnavailableError(f"carbonslurmd ended with {daemon.returncode}; see its log")
    try:
        with Reading.open(Path(config.ledger)) as reading:
            return reading.last_cycle(config.cluster) is not None
    except LedgerError:
        return False  # its tables are just being made


def _play(demo: Demo, config: Config, reading: Reading) -> None:
    """Submit each job in its hour, show the queue once, publish the news at half past seven."""
    for part in sorted(PARTS, key=lambda part: part.at):
        _wait_for_hour(demo, config, reading, part.at)
        demo.submit(part)
    _wait_for_hour(demo, config, reading, 3.5)
    tell("\n$ carbon-squeue\n" + _command(demo.sandbox, "carbon-squeue") + "\n")
    _wait_for_hour(demo, config, reading, NEWS_AT)
    demo.publish(SECOND_FORECAST)
    levels = [f"{level_at(SECOND_FORECAST, hour):.0f} from {hour} h" for hour in (9, 14)]
    demo.say(f"** new forecast: the grid turns dirty ({', '.join(levels)})")


def _wait_for_hour(demo: Demo, config: Config, reading: Reading, hour: float) -> None:
    def reached() -> bool:
        demo.watch(config, reading)
        return demo.hour() >= hour

    wait_until(reached, LONGEST, f"hour {hour}")


def _all_figured(reading: Reading, numbers: frozenset[int]) -> bool:
    from carbonslurm.ports import RunFilter  # noqa: PLC0415 - only here

    rows = reading.runs(RunFilter(ids=tuple(numbers)))
    started = [row for row in rows if row.run.started is not None]
    ended = {row.run.key.job_id for row in started if row.run.state not in {"REQUEUED", "RUNNING"}}
    return ended >= numbers and all(
        row.figure is not None and row.figure.emitted_g is not None for row in started
    )


def _finish(demo: Demo, config: Config) -> dict[str, Any]:
    ids = ",".join(str(number) for number in sorted(demo.jobs))
    tell("\n$ carbon-squeue\n" + _command(demo.sandbox, "carbon-squeue"))
    tell(f"\n$ carbon-sacct -j {ids}\n" + _command(demo.sandbox, "carbon-sacct", "-j", ids))
    tell(
        "\n$ carbon-sacct -j ... --by user\n"
        + _command(demo.sandbox, "carbon-sacct", "-j", ids, "--by", "user")
    )
    environment = {"CARBONSLURM_CONFIG": str(config_path(demo.sandbox))}
    words = [str(BIN / "carbon-sacct"), "-j", ids, "--json"]
    report = json.loads(demo.sandbox.run(words, env=environment).stdout)
    with Reading.open(Path(config.ledger)) as reading:
        actions = reading.actions(config.cluster, demo.start - timedelta(minutes=5))
    flexible = {number for number, part in demo.jobs.items() if part.flex is not None}
    return {"slurm_version": demo.sandbox.slurm_version} | demo_facts(
        report, actions, flexible, _gpus(demo.sandbox)
    )


def _gpus(sandbox: Sandbox) -> int:
    """All GPUs of the sandbox, as Slurm counts them."""
    shown = sandbox.run(["sinfo", "--noheader", "--Node", "--partition=main", "--format=%G"]).stdout
    return sum(
        int(line.split(":")[2].split("(")[0]) for line in shown.splitlines() if line.startswith("gpu:")
    )


def _conclude(facts: dict[str, Any]) -> None:
    counts = f"{facts['withheld']} withheld and {facts['released']} let go again, {facts['stopped']} stopped"
    tell(f"\n{facts['jobs']} jobs: {counts}, {facts['requeued']} requeued;")
    tell(f"{facts['past_bound']} started after their bound.")
    tell(f"Saved {facts['saved_percent']:.1f} % of {facts['baseline_g']:.2f} g, by carbon-sacct's own sum.")


@click.command(context_settings=HELP)
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the figures to this file.")
@click.option(
    "--root", type=click.Path(exists=True, path_type=Path), help="Use the Slurm in this root folder."
)
@click.option("--keep", is_flag=True, help="Leave the sandbox up, and say how to end it.")
def demo(target: Path | None, root: Path | None, *, keep: bool) -> None:
    """Show carbonslurm at work on a real private Slurm: 4 nodes, 16 fake GPUs, hours that take seconds."""
    directory = Path(tempfile.mkdtemp(prefix="carbonslurm-", dir="/tmp"))
    directory.chmod(0o755)
    sandbox = up(SandboxSpec(directory=directory / "demo", root=root), tell)
    try:
        facts = _perform(sandbox)
    finally:
        if keep:
            tell(f"\nThe sandbox stays: carbonslurm sandbox down {sandbox.directory}")
        else:
            sandbox.down()
            directory.rmdir()
    _conclude(facts)
    if target is not None:
        target.write_text(json.dumps(facts, indent=1) + "\n")
        tell(f"{target}: written")


if __name__ == "__main__":
    run(demo, name="bin/demo")
