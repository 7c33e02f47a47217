"""carbonslurm pause and resume: the admin's switch."""

import getpass
from pathlib import Path

import click

from carbonslurm.cli.program import config_option, load_config


@click.command(short_help="Have the daemon let go of everything.")
@config_option
@click.option("--reason", default="", help="Why, for the log and for doctor.")
def pause(config_path: Path | None, reason: str) -> int:
    """Have the daemon let go of all that is ours, and keep its hands off until `resume`.

    In its next cycle it releases every job that it makes wait, opens the gate, and
    leaves stops that have not come to the requeue. It goes on accounting. The
    switch lies in the ledger: it outlives a restart.

    \b
    Examples:
      carbonslurm pause --reason "maintenance on Friday"
      carbonslurm resume
    """
    from carbonslurm import wiring

    config = load_config(config_path)
    wiring.turn_switch(config, getpass.getuser(), reason, paused=True)
    click.echo("paused")
    if wiring.daemon_is_alive(config):
        click.echo("the daemon lets go of all that is ours in its next cycle")
    else:
        click.echo("the daemon does not run; to let go at once: carbonslurm release --all")
    return 0


@click.command()
@config_option
def resume(config_path: Path | None) -> int:
    """Let the daemon go on after `pause`.

    \b
    Example:
      carbonslurm resume
    """
    from carbonslurm import wiring

    wiring.turn_switch(load_config(config_path), getpass.getuser(), "", paused=False)
    click.echo("resumed")
    return 0
