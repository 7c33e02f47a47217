"""carbonslurmd: the daemon."""

from pathlib import Path

import click

from carbonslurm.cli.program import HELP, config_option, load_config, log_to_stderr, run, version_option

Given = tuple[Path | None, bool]  # what stood before the subcommand

observe_option = click.option(
    "--observe", is_flag=True, help="Write down what would be done, and do nothing."
)


@click.group(context_settings=HELP)
@config_option
@observe_option
@version_option
@click.pass_context
def carbonslurmd(context: click.Context, config_path: Path | None, *, observe: bool) -> None:
    """Make flexible jobs wait for clean electricity, and keep the ledger.

    \b
    Examples:
      carbonslurmd run              serve until SIGTERM (what the systemd unit calls)
      carbonslurmd once             fetch, plan and act one time, read sacct, and end
      carbonslurmd --observe run    serve without touching a job
    """
    log_to_stderr(verbose=True)
    context.obj = (config_path, observe)


@carbonslurmd.command("run", short_help="Serve until SIGTERM or SIGINT.")
@config_option
@observe_option
@click.pass_obj
def run_command(given: Given, config_path: Path | None, *, observe: bool) -> None:
    """Serve until SIGTERM or SIGINT; while another daemon acts, wait to take over."""
    from carbonslurm import daemon

    config = load_config(config_path or given[0])
    daemon.run(config, observe=observe or given[1])


@carbonslurmd.command(short_help="Do everything one time.")
@config_option
@observe_option
@click.pass_obj
def once(given: Given, config_path: Path | None, *, observe: bool) -> int:
    """Do everything one time; exit code 69 where the cycle failed, or another daemon acts."""
    from carbonslurm import daemon
    from carbonslurm.errors import UnavailableError

    report = daemon.once(load_config(config_path or given[0]), observe=observe or given[1])
    return UnavailableError.exit_code if report.error else 0


def main() -> None:
    """Run carbonslurmd."""
    run(carbonslurmd, name="carbonslurmd")
