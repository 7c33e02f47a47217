"""`carbonslurm sandbox up|status|down`: a private Slurm in a folder, to try things and to test with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from carbonslurm.sandbox import DaemonStatus, Sandbox

_NOT_ALL_UP = 69

# Click keeps the line breaks of what follows a backspace.
_GROUP_EXAMPLES = """\b
Examples:
  carbonslurm sandbox up /tmp/sandbox
  export PATH=/tmp/sandbox/bin:$PATH CARBONSLURM_CONFIG=/tmp/sandbox/carbonslurm.yaml
  carbonslurmd run &
  sbatch --comment=carbon:flex=2h --gres=gpu:1 --wrap 'sleep 60'
  carbon-squeue
  carbonslurm sandbox down /tmp/sandbox
"""
_UP_EXAMPLES = """\b
Examples:
  carbonslurm sandbox up
  carbonslurm sandbox up /tmp/small --nodes 1 --gpus 2
  carbonslurm sandbox up /tmp/newer --root /var/lib/machines/trixie
"""
_STATUS_EXAMPLES = """\b
Examples:
  carbonslurm sandbox status /tmp/sandbox
  carbonslurm sandbox status /tmp/sandbox --json
"""
_DOWN_EXAMPLES = """\b
Example:
  carbonslurm sandbox down /tmp/sandbox
"""

_directory = click.argument(
    "directory", type=click.Path(file_okay=False, path_type=Path), default="carbonslurm-sandbox"
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(epilog=_GROUP_EXAMPLES, short_help="A private Slurm in a folder, to try things on.")
def sandbox() -> None:
    """A private Slurm in a folder: munged, MariaDB, slurmdbd, slurmctld and virtual nodes with fake GPUs.

    Everything listens on loopback only and lives in DIRECTORY (./carbonslurm-sandbox by default). `down` ends
    all of it, running jobs too, and removes the folder.
    """


@sandbox.command(epilog=_UP_EXAMPLES, short_help="Bring a Slurm up in DIRECTORY.")
@_directory
@click.option("--nodes", default=4, show_default=True, help="Number of virtual nodes.")
@click.option("--gpus", default=4, show_default=True, help="GPUs per node.")
@click.option("--gpu-type", default="a100", show_default=True, help="Type of the GPUs.")
@click.option("--cpus", default=16, show_default=True, help="CPUs per node.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Use the Slurm inside this folder, made by debootstrap.",
)
@click.option("--hook/--no-hook", default=True, help="Load our job_submit.lua (default) or not.")
@_json
def up(
    directory: Path,
    nodes: int,
    gpus: int,
    gpu_type: str,
    cpus: int,
    root: Path | None,
    hook: bool,
    as_json: bool,
) -> None:
    """Bring a Slurm up in DIRECTORY, and return once a job has run in it."""
    from carbonslurm.sandbox import SandboxSpec
    from carbonslurm.sandbox import up as bring_up
    from carbonslurm.sandbox.site import write_site

    spec = SandboxSpec(
        directory=directory,
        nodes=nodes,
        gpus_per_node=gpus,
        gpu_type=gpu_type,
        cpus_per_node=cpus,
        root=root,
        hook=hook,
    )
    found = bring_up(spec, lambda line: click.echo(line, err=True))
    if hook:
        write_site(found)
    click.echo(json.dumps(_facts(found), indent=2) if as_json else _greeting(found))


@sandbox.command(epilog=_STATUS_EXAMPLES)
@_directory
@_json
def status(directory: Path, as_json: bool) -> None:
    """Show each daemon and the nodes; exit 0 if all are up, else 69."""
    from carbonslurm.sandbox import load

    found = load(directory)
    daemons = found.status()
    nodes = found.run(["sinfo"], check=False).stdout if _is_up(daemons, "slurmctld") else ""
    if as_json:
        facts = _facts(found) | {"daemons": [daemon._asdict() for daemon in daemons]}
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(f"{'DAEMON':<12}{'PID':>8}  STATE")
        for daemon in daemons:
            click.echo(f"{daemon.daemon:<12}{daemon.pid or '-':>8}  {'up' if daemon.alive else 'down'}")
        click.echo(nodes, nl=False)
    if not all(daemon.alive for daemon in daemons):
        raise SystemExit(_NOT_ALL_UP)


@sandbox.command(epilog=_DOWN_EXAMPLES, short_help="End the Slurm in DIRECTORY.")
@_directory
def down(directory: Path) -> None:
    """End the Slurm in DIRECTORY, running jobs too, and remove the folder."""
    from carbonslurm.sandbox import load

    load(directory).down()


def _is_up(daemons: list[DaemonStatus], name: str) -> bool:
    return any(daemon.alive for daemon in daemons if daemon.daemon == name)


def _facts(found: Sandbox) -> dict[str, object]:
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(found).items()}
    return plain | {"slurm_conf": str(found.slurm_conf), "bin": str(found.bin), "work": str(found.work)}


def _greeting(found: Sandbox) -> str:
    """The lines to paste, and what is where."""
    return (
        f"export PATH={found.bin}:$PATH\n"
        f"export CARBONSLURM_CONFIG={found.directory / 'carbonslurm.yaml'}\n"
        f"# Slurm {found.slurm_version}: operator {found.operator}, users {' '.join(found.users)}, "
        f"files of jobs in {found.work}\n"
        f"# The grid is made up, by the hour of the day: {found.directory / 'carbon.yaml'}\n"
        "# Next: carbonslurmd run &\n"
        "#       sbatch --comment=carbon:flex=2h --gres=gpu:1 --wrap 'sleep 60'; carbon-squeue"
    )
