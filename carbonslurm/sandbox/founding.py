"""How a sandbox comes up, step by step; if any step fails, nothing stays behind.

munged and MariaDB first, then slurmdbd, which makes its tables; sacctmgr tells it of the users before
slurmctld starts and reads them; the nodes; and a real job run to its end, so that `up` promises only what it
has seen.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

from carbonslurm.errors import RefusedError, UnavailableError
from carbonslurm.sandbox import machine, packages, texts
from carbonslurm.sandbox.accounts import People, accounting_commands, people
from carbonslurm.sandbox.cluster import Sandbox, clear, last_line
from carbonslurm.sandbox.jobs import submit, wait_for_state
from carbonslurm.sandbox.layout import Layout, check_directory, cluster_name
from carbonslurm.sandbox.loopback import free_ports, loopback, socket_answers
from carbonslurm.sandbox.machine import Machine
from carbonslurm.sandbox.texts import Facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from carbonslurm.sandbox.spec import SandboxSpec

_KEY_BYTES = 128
_FOR_ALL_TO_READ = 0o644
_FOR_US_ALONE = 0o600


def silent(_: str) -> None:
    """Say nothing of the progress."""


def up(spec: SandboxSpec, progress: Callable[[str], None] = silent) -> Sandbox:
    """Bring up a private Slurm, and return once a job has run in it to its end.

    Args:
        spec: size and place; the folder must be empty or absent.
        progress: told one short line per step.

    Raises:
        UsageError: the folder cannot carry a sandbox.
        UnavailableError: packages are missing, or a daemon did not come up; nothing is left running.
        RefusedError: the folder or the root folder cannot be written.
    """
    directory = spec.directory.resolve()
    root = spec.root.resolve() if spec.root else None
    if root:
        machine.check_root(root)
    if absent := packages.missing(root):
        raise UnavailableError(packages.sentence(absent, root))
    cast = people(os.geteuid())
    check_directory(directory, as_root=os.geteuid() == 0)
    devices = machine.devices(spec.gpus_per_node)
    layout = Layout(directory)
    layout.create()
    try:
        facts = _facts(spec, layout, root, cast, devices)
        sandbox = _sandbox(facts, cast, root)
        sandbox.save()
        _write(facts)
        _start(sandbox, layout, cast, progress)
    except BaseException:
        clear(layout, root)
        raise
    return sandbox


def _facts(
    spec: SandboxSpec, layout: Layout, root: Path | None, cast: People, devices: tuple[str, ...]
) -> Facts:
    programs = Machine(layout, root)
    programs.prepare()
    where = loopback(socket.gethostname(), _resolved(programs))
    return Facts(
        spec=spec,
        layout=layout,
        cluster=cluster_name(layout.directory),
        owner=cast.owner,
        loopback=where,
        version=_version(programs),
        ports=tuple(free_ports(2 + spec.nodes, where.address)),
        devices=devices,
        hook=spec.hook and machine.plugins_folder() is not None,
    )


def _sandbox(facts: Facts, cast: People, root: Path | None) -> Sandbox:
    return Sandbox(
        directory=facts.layout.directory,
        cluster=facts.cluster,
        owner=cast.owner,
        operator=cast.operator,
        users=cast.users,
        nodes=facts.nodes,
        slurm_version="{}.{:02}.{}".format(*facts.version),
        address=facts.loopback.address,
        root=root,
    )


def _write(facts: Facts) -> None:
    """Write configuration, key and hook, each with the rights that its reader insists on."""
    layout = facts.layout
    for name, text in texts.configuration(facts).items():
        (layout.etc / name).write_text(text)
    if facts.hook and (folder := machine.plugins_folder()):
        for file in folder.glob("*.lua"):
            shutil.copyfile(file, layout.etc / file.name)
    for file in (*layout.etc.glob("*.conf"), *layout.etc.glob("*.lua")):
        file.chmod(_FOR_ALL_TO_READ)
    key = layout.munge / "key"
    key.write_bytes(secrets.token_bytes(_KEY_BYTES))
    for file in (key, layout.etc / "slurmdbd.conf"):
        file.chmod(_FOR_US_ALONE)


def _start(sandbox: Sandbox, layout: Layout, cast: People, progress: Callable[[str], None]) -> None:
    progress(f"Slurm {sandbox.slurm_version} as cluster {sandbox.cluster}")
    sandbox.start("munged")
    _make_database(sandbox, layout)
    sandbox.start("mariadbd")
    sandbox.wait_for("munged", lambda: socket_answers(str(layout.munge_socket)))
    sandbox.wait_for("mariadbd", lambda: socket_answers(str(layout.database_socket)))
    progress("munged and mariadbd are up")
    sandbox.start("slurmdbd")
    sandbox.wait_for("slurmdbd", lambda: _accounting_answers(sandbox), timeout=60)
    for command in accounting_commands(cast, sandbox.cluster):
        sandbox.run(command)
    progress("slurmdbd is up, and knows the users")
    sandbox.start_slurmctld()
    progress("slurmctld is up")
    for node in sandbox.nodes:
        sandbox.start(f"slurmd-{node}")
    sandbox.wait_for_nodes()
    progress(f"{len(sandbox.nodes)} nodes are up")
    _run_a_job(sandbox)
    progress("a test job ran")


def _make_database(sandbox: Sandbox, layout: Layout) -> None:
    """Fill MariaDB's folder with its own tables."""
    argv = Machine(layout, sandbox.root).argv(
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={layout.database / 'data'}",
        f"--user={sandbox.owner}",
        "--auth-root-authentication-method=normal",
        "--skip-name-resolve",
        "--skip-test-db",
    )
    try:
        sandbox.run(argv)
    except RefusedError:
        # Seen once, with six of them at it in the same second: what one lacked is there again.
        shutil.rmtree(layout.database / "data", ignore_errors=True)
        sandbox.run(argv)


def _accounting_answers(sandbox: Sandbox) -> bool:
    return sandbox.run(["sacctmgr", "--noheader", "show", "cluster"], check=False).returncode == 0


def _run_a_job(sandbox: Sandbox) -> None:
    """Run a job of a plain user to its end: only then is the sandbox worth the name."""
    words = ["--time=1", "--output=/dev/null", "--job-name=up", "--wrap=true"]
    job = submit(sandbox, *words, user=sandbox.users[0])
    wait_for_state(sandbox, job, "COMPLETED")


def _version(programs: Machine) -> tuple[int, ...]:
    """Slurm's version: "slurm-wlm 22.05.8" -> (22, 5, 8)."""
    result = _ask(programs.argv("slurmctld", "-V"))
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", result.stdout)
    if not found:
        raise UnavailableError(f"slurmctld does not tell its version: {last_line(result.stderr)}")
    return tuple(int(number) for number in found.groups())


def _resolved(programs: Machine) -> str:
    """What the host's name means to Slurm's programs, which may live in a root folder; '' for nothing."""
    words = _ask(programs.argv("getent", "ahostsv4", socket.gethostname())).stdout.split()
    return words[0] if words else ""


def _ask(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
