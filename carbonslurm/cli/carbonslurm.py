"""carbonslurm: the sysadmin's command, a group of small ones."""

from __future__ import annotations

from pathlib import Path

import click

from carbonslurm.cli.forecast import forecast
from carbonslurm.cli.ledger import ledger
from carbonslurm.cli.pause import pause, resume
from carbonslurm.cli.program import (
    HELP,
    JobIds,
    config_option,
    load_config,
    log_to_stderr,
    run,
    say,
    version_option,
)
from carbonslurm.cli.replay import replay
from carbonslurm.cli.rescue import rescue
from carbonslurm.cli.sandbox import sandbox
from carbonslurm.cli.simulate import simulate
from carbonslurm.cli.totals import totals

JobIdList = tuple[tuple[int, int | None], ...]


@click.group(context_settings=HELP)
@version_option
def carbonslurm() -> None:
    """Set up, check and steer carbonslurm.

    \b
    Examples:
      carbonslurm sandbox up /tmp/sandbox   a private Slurm with GPUs to try things on
      carbonslurm check                     is the configuration right?
      carbonslurm doctor                    is everything there that we need?
      carbonslurm release --all             let go of every job that we withhold

    The daemon is carbonslurmd; users have carbon-sbatch, carbon-squeue and carbon-sacct.
    """
    log_to_stderr()


carbonslurm.add_command(sandbox)
carbonslurm.add_command(forecast)
carbonslurm.add_command(simulate)
carbonslurm.add_command(replay)
carbonslurm.add_command(ledger)
carbonslurm.add_command(totals)
carbonslurm.add_command(rescue)
carbonslurm.add_command(pause)
carbonslurm.add_command(resume)


@carbonslurm.command(short_help="Check the configuration; write the hook's settings.")
@config_option
@click.option(
    "--write-hook",
    "hook_path",
    type=click.Path(path_type=Path),
    help="Write the hook's site settings to this file (carbonslurm_site.lua beside job_submit.lua).",
)
def check(config_path: Path | None, hook_path: Path | None) -> None:
    """Check the configuration, and write the hook's settings from it.

    slurmctld reads the settings anew when job_submit.lua changes: touch it afterwards.
    """
    from carbonslurm import wiring
    from carbonslurm.errors import RefusedError
    from carbonslurm.formats.hook import render_hook_settings

    config = load_config(config_path)
    wiring.plan_rules(config)
    wiring.carbon_sources(config)
    wiring.energy_sources(config)
    text = render_hook_settings(wiring.hook_settings(config))
    if hook_path is not None:
        try:
            hook_path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise RefusedError(f"{hook_path}: {error.strerror}") from error
        click.echo(f"{hook_path}: written")
    facts = f"cluster {config.cluster}, zone {config.zone}, policy {config.policy.name}"
    click.echo(f"{facts}: the configuration is right")
    for line in wiring.unreadable_secrets(config):
        say(f"{line}: who cannot read it gets nothing from this source")


@carbonslurm.command(short_help="Look at all that we need, a line each.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
def doctor(config_path: Path | None, *, as_json: bool) -> int:
    """Look at everything that we need, one line each; exit code 1 where something fails.

    Run it as the account that the daemon runs as.
    """
    import json

    from carbonslurm import wiring

    found = wiring.doctor(load_config(config_path)).run()
    if as_json:
        click.echo(
            json.dumps([{"check": item.name, "ok": item.ok, "finding": item.finding} for item in found])
        )
    else:
        width = max(len(item.name) for item in found)
        for item in found:
            click.echo(f"{'ok  ' if item.ok else 'FAIL'}  {item.name.ljust(width)}  {item.finding}")
    return 0 if all(item.ok for item in found) else 1


@carbonslurm.command(short_help="Let go of jobs that we withhold, for good.")
@config_option
@click.option("--all", "everything", is_flag=True, help="Every job that we withhold.")
@click.argument("job_ids", nargs=-1, type=JobIds(), metavar="[JOBID]...")
def release(config_path: Path | None, job_ids: tuple[JobIdList, ...], *, everything: bool) -> int:
    """Let go of jobs that we withhold, for good: we do not touch them again.

    \b
    Examples:
      carbonslurm release 42 43
      carbonslurm release --all

    The owner of a job needs no help of ours: scontrol update JobId=42 StartTime=now
    """
    from carbonslurm import wiring
    from carbonslurm.errors import UsageError

    if bool(job_ids) == everything:
        raise UsageError("name the jobs, or say --all")
    wanted = [pair for ids in job_ids for pair in ids]
    if any(task is not None for _, task in wanted):
        raise UsageError("the waiting tasks of an array are released together: name the array without a task")
    config = load_config(config_path)
    letting_go, book = wiring.letting_go(config)
    try:
        outcome = letting_go.run(None if everything else frozenset(number for number, _ in wanted))
    finally:
        if book is not None:
            book.close()
    for line in outcome.lines:
        click.echo(line)
    for line in outcome.failures:
        say(line)
    return 1 if outcome.failures else 0


def main() -> None:
    """Run carbonslurm."""
    run(carbonslurm, name="carbonslurm")
