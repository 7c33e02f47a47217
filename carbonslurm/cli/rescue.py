"""carbonslurm rescue: lets go of held jobs when the daemon cannot."""

from pathlib import Path

import click

from carbonslurm.cli.program import config_option, load_config, say


@click.command(short_help="Release held jobs where the daemon is dead.")
@config_option
@click.option("--now", "at_once", is_flag=True, help="Do not listen: release all that it holds.")
def rescue(config_path: Path | None, *, at_once: bool) -> int:
    """Release jobs that the daemon holds, where the daemon is silent or they are past their bound.

    For sites whose jobs wait by holds (withhold.by: hold). It needs neither the
    daemon's host nor the ledger: let carbonslurm-rescue.timer run it on
    slurmctld's host, as SlurmUser or an Operator. It listens for three of the
    daemon's cycles whether slurmctld hears from the account slurm.account.

    \b
    Examples:
      carbonslurm rescue
      carbonslurm rescue --now
    """
    from carbonslurm import wiring

    outcome = wiring.rescue(load_config(config_path), at_once=at_once).run()
    for line in outcome.lines:
        click.echo(line)
    for line in outcome.failures:
        say(line)
    return 1 if outcome.failures else 0
