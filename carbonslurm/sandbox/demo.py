"""bin/demo: the story (story.py) on a real private Slurm, told as it happens.

Nothing is steered from here but the forecast file and the submissions; what is printed is read back from the
ledger and from Slurm, and the figures at the end are carbon-sacct's.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm import wiring
from carbonslurm.cli.program import HELP, run
from carbonslurm.core.interval import from_epoch
from carbonslurm.ledger.reading import Reading
from carbonslurm.ports import RunFilter
from carbonslurm.sandbox import SandboxSpec, grid, up
from carbonslurm.sandbox.facts import demo_facts
from carbonslurm.sandbox.stage import Stage
from carbonslurm.sandbox.story import (
    FIRST_FORECAST,
    HOUR,
    NEWS_AT,
    PARTS,
    SECOND_FORECAST,
    Part,
    in_seconds,
    level_at,
)
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carbonslurm.ports import ActionRow, QueueReader
    from carbonslurm.sandbox.cluster import Sandbox

LONGEST = 170.0  # seconds until the last job must have ended
LEAD_S = 8  # from writing the site to hour 0 of the story
COMPRESSED: dict[str, Any] = {
    "cycle": {"interval": "2s", "fetch": "2s", "reconcile": "5s", "stop_step": "1s"},
    "policy": {"margin": "1s"},
    "stop": {"min_run": "4s", "restart": "2s", "settle": "6s"},
}


@dataclass(slots=True)
class Demo:
    """One performance: the stage, when the story began, and what was told already."""

    stage: Stage
    reading: Reading
    queue: QueueReader
    start: datetime
    jobs: dict[int, Part] = field(default_factory=dict)
    told: set[tuple[int, str]] = field(default_factory=set)
    states: dict[int, str] = field(default_factory=dict)

    def play(self) -> None:
        """Submit each job in its hour, show the queue once, publish the news, and wait for the last job."""
        for part in sorted(PARTS, key=lambda part: part.at):
            self.until(part.at)
            self.submit(part)
        self.until(3.5)
        self.show("carbon-squeue")
        self.until(NEWS_AT)
        publish(self.stage.sandbox, SECOND_FORECAST, self.start)
        levels = [f"{level_at(SECOND_FORECAST, hour):.0f} g/kWh from {hour} h on" for hour in (9, 14)]
        self.say(f"** a new forecast is published: {', '.join(levels)}")
        wait_until(self.watch, LONGEST, "all jobs to end")
        wait_until(self.all_figured, 60, "the figures of all runs")

    def hour(self) -> float:
        """Return the hour of the story."""
        return (wiring.now() - self.start) / HOUR

    def until(self, hour: float) -> None:
        """Wait for an hour of the story, telling what happens meanwhile."""

        def reached() -> bool:
            self.watch()
            return self.hour() >= hour

        wait_until(reached, LONGEST, f"hour {hour}")

    def say(self, words: str) -> None:
        """Print a line with the hour of the story before it."""
        click.echo(f"  {self.hour():5.1f} h  {words}")

    def submit(self, part: Part) -> None:
        """Submit a job as its user would."""
        script = self.stage.sandbox.work / f"{part.name}.sh"
        script.write_text(part.script())
        script.chmod(0o755)
        words = [*part.options(), *part.sbatch_words(), str(script)]
        argv = self.stage.submitting(words) if part.flex is not None else ["sbatch", *words]
        done = self.stage.sandbox.run(argv, user=self.stage.user)
        number = int(done.stdout.strip().partition(";")[0])
        self.jobs[number] = part
        shown = " ".join([Path(argv[0]).name, *argv[1:-1], script.name])
        self.say(f"$ {shown}")
        flexible = any("carbon: flexible" in line for line in done.stderr.splitlines())
        hours = f"may wait {part.flex:g} h" if flexible and part.flex else "starts at once"
        self.say(f"  job {number} ({part.name}): {hours}, runs {part.hours:g} h")

    def show(self, *words: str) -> None:
        """Run one of our commands and print what it prints."""
        done = self.stage.command(*words)
        notes = f"\n{done.stderr.rstrip()}" if done.stderr.strip() else ""
        click.echo(f"\n$ {' '.join(words)}\n{done.stdout.rstrip()}{notes}\n")

    # --- telling what happens ---

    def watch(self) -> bool:
        """Tell what is new in the ledger and in Slurm; return whether every job has ended."""
        self.stage.check()
        for row in self.reading.actions(self.stage.sandbox.cluster, self.start - HOUR):
            if (row.number, row.state) not in self.told:
                self.told.add((row.number, row.state))
                self._tell_action(row)
        for job in self.queue.snapshot().jobs:
            number, state = job.key.job_id, job.state.value
            if number in self.jobs and self.states.get(number) != state:
                self.states[number] = state
                self._tell_state(number, state)
        return all(self.states.get(number) == "ENDED" for number in self.jobs)

    def _tell_action(self, row: ActionRow) -> None:
        name = self.jobs[row.key.job_id].name if row.key.job_id in self.jobs else "?"
        until = "" if row.until is None else f"{(row.until - self.start) / HOUR:.1f} h"
        if row.verb == "stop":
            words = {
                "intended": f"is to stop: {row.reason}",
                "signalled": "is sent USR1, to save its state",
                "delayed": f"has saved; it is requeued, to go on at {until}",
            }.get(row.state)
            if words:
                self.say(f"-> job {row.key.job_id} ({name}) {words}")
        elif row.state == "applied":
            until = f" until {until}" if until else ""
            self.say(f"-> {row.verb} job {row.key.job_id} ({name}){until}: {row.reason}")

    def _tell_state(self, number: int, state: str) -> None:
        words = {"RUNNING": "starts", "ENDED": "has ended", "COMPLETING": "leaves its node"}
        if state in words:
            self.say(f"   job {number} ({self.jobs[number].name}) {words[state]}")

    # --- figures ---

    def all_figured(self) -> bool:
        """Tell whether the ledger has every run of every job, each with its emissions."""
        self.stage.check()
        rows = self.reading.runs(RunFilter(ids=tuple(self.jobs)))
        started = [row for row in rows if row.run.started is not None]
        ended = {row.run.key.job_id for row in started if row.run.state == "COMPLETED"}
        known = all(row.figure is not None and row.figure.emitted_g is not None for row in started)
        return ended >= set(self.jobs) and known

    def finish(self) -> dict[str, Any]:
        """Print the reports; return the figures."""
        ids = ",".join(str(number) for number in sorted(self.jobs))
        self.show("carbon-sacct", "-j", ids)
        self.show("carbon-sacct", "-j", ids, "--by", "user")
        report = json.loads(self.stage.command("carbon-sacct", "-j", ids, "--json").stdout)
        actions = self.reading.actions(self.stage.sandbox.cluster, self.start - HOUR)
        flexible = {number for number, part in self.jobs.items() if part.flex is not None}
        facts = demo_facts(report, actions, flexible, _gpus(self.stage.sandbox))
        return {"slurm_version": self.stage.sandbox.slurm_version} | facts


def forecast_file(sandbox: Sandbox) -> Path:
    """Return the file that the provider reads."""
    return sandbox.directory / "forecast.csv"


def publish(sandbox: Sandbox, levels: Sequence[tuple[float, float]], start: datetime) -> None:
    """Publish a forecast."""
    grid.publish(forecast_file(sandbox), start, in_seconds(levels))


def perform(sandbox: Sandbox) -> dict[str, Any]:
    """Play the story on a sandbox that is up; return the figures of bin/demo --json."""
    start = from_epoch(int(wiring.now().timestamp()) + LEAD_S)
    publish(sandbox, FIRST_FORECAST, start)
    source = {"provider": "file", "zone": "demo", "path": str(forecast_file(sandbox)), "scope": "lifecycle"}
    stage = Stage(sandbox, {"zone": "demo", "sources": [source], **COMPRESSED})
    stage.write_site()
    try:
        stage.start()
        click.echo(f"carbonslurmd runs as {stage.daemon_account or 'you'}, jobs as {stage.user or 'you'}")
        wait_until(lambda: wiring.now() >= start, LEAD_S, "the story to begin")
        click.echo(
            f"An hour takes {HOUR.total_seconds():.0f} s here. The grid: 480 g/kWh, 120 from 5 h on.\n"
        )
        with Reading.open(Path(stage.config.ledger)) as reading:
            demo = Demo(stage, reading, wiring.queue(stage.config), start)
            demo.play()
            return demo.finish()
    finally:
        stage.stop()


def _gpus(sandbox: Sandbox) -> int:
    """All GPUs of the sandbox, as Slurm counts them."""
    shown = sandbox.run(["sinfo", "--noheader", "--Node", "--partition=main", "--format=%G"]).stdout
    return sum(
        int(line.split(":")[2].split("(")[0]) for line in shown.splitlines() if line.startswith("gpu:")
    )


def _conclude(facts: dict[str, Any]) -> None:
    withheld, started = facts["withheld"], facts["released"]
    click.echo(f"{facts['jobs']} jobs: {withheld} withheld, {started} of them started since, ", nl=False)
    click.echo(
        f"{facts['stopped']} stopped, {facts['requeued']} requeued; {facts['past_bound']} past their bound."
    )
    click.echo(f"Saved {facts['saved_percent']:.1f} % of {facts['baseline_g']:.2f} g, as carbon-sacct says.")
    click.echo(
        "The grid is made up, to show everything in two minutes: real ones save less (docs/policies.md)."
    )


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
    sandbox = up(SandboxSpec(directory=directory / "demo", root=root), click.echo)
    try:
        facts = perform(sandbox)
    finally:
        if keep:
            click.echo(f"\nThe sandbox stays up. To end it: bin/carbonslurm sandbox down {sandbox.directory}")
        else:
            sandbox.down()
            directory.rmdir()
    _conclude(facts)
    if target is not None:
        target.write_text(json.dumps(facts, indent=1) + "\n")
        click.echo(f"{target}: written")


if __name__ == "__main__":
    run(demo, name="bin/demo")
