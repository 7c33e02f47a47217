"""carbonslurmd: the daemon."""

from pathlib import Path

import click

from carbonslurm.cli.program import HELP, config_option, load_config, log_to_stderr, run, version_option


@click.group(context_settings=HELP)
@config_option
@click.option("--observe", is_flag=True, help="Write down what would be done, and do nothing.")
@version_option
@click.pass_context
def carbonslurmd(context: click.Context, config_path: Path | None, *, observe: bool) -> None:
    r"""Make flexible jobs wait for clean electricity, and keep the ledger.

    \b
    Examples:
      carbonslurmd run              serve until SIGTERM (what the systemd unit calls)
      carbonslurmd once             fetch, plan and act one time, read sacct, and end
      carbonslurmd --observe run    serve without touching a job
    """
    log_to_stderr(verbose=True)
    context.obj = (load_config(config_path), observe)


@carbonslurmd.command("run")
@click.pass_obj
def run_command(settings: tuple[object, bool]) -> None:
    """Serve until SIGTERM or SIGINT."""
    from carbonslurm import daemon

    config, observe = settings
    daemon.run(config, observe=observe)  # type: ignore[arg-type]  # load_config gives a Config


@carbonslurmd.command()
@click.pass_obj
def once(settings: tuple[object, bool]) -> int:
    """Do everything one time; exit code 69 where the cycle failed."""
    from carbonslurm import wiring
    from carbonslurm.daemon import Daemon
    from carbonslurm.errors import UnavailableError

    config, observe = settings
    book = wiring.ledger(config)  # type: ignore[arg-type]
    try:
        report = Daemon(config, book, observe).once()  # type: ignore[arg-type]
    finally:
        book.close()
    return UnavailableError.exit_code if report.error else 0


def main() -> None:
    """Run carbonslurmd."""
    run(carbonslurmd, name="carbonslurmd")
