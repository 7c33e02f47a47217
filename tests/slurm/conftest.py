"""One real Slurm for all tests in this folder; it is taken down whatever happens.

Where Slurm is not installed these tests fail, with the sentence that names the packages: none is skipped.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonslurm.sandbox import SandboxSpec, up
from carbonslurm.sandbox.site import forget_hook_settings
from carbonslurm.sandbox.stage import Stage
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carbonslurm.sandbox import Sandbox

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """An empty folder that other users can reach: pytest's own are closed, and long for sockets."""
    with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name) / "s"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Four nodes of four GPUs, shared by all tests: submit your own jobs, and look only at those."""
    with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        found = up(SandboxSpec(Path(name) / "s"))
        try:
            yield found
        finally:
            found.down()


@contextmanager
def _stage(sandbox: Sandbox) -> Iterator[Stage]:
    source = {"provider": "file", "zone": "grid", "path": str(sandbox.directory / "grid.csv")}
    found = Stage(
        sandbox,
        {
            "zone": "grid",
            "sources": [source],
            "cycle": {"interval": "2s", "fetch": "2s", "reconcile": "3s", "stop_step": "1s"},
            "policy": {"margin": "1s"},
            "stop": {"min_run": "2s", "restart": "2s", "settle": "6s"},
        },
    )
    found.write_site()
    try:
        yield found
    finally:
        found.kill()
        if found.log.exists():
            print(found.log.read_text(errors="replace"))  # noqa: T201 - pytest shows it where a test failed
        _cancel_all(sandbox)
        shutil.rmtree(sandbox.directory / "ledger")
        (sandbox.directory / "grid.csv").unlink(missing_ok=True)
        forget_hook_settings(sandbox)
        found.log.unlink(missing_ok=True)


@pytest.fixture
def stage(sandbox: Sandbox) -> Iterator[Stage]:
    """The shared sandbox with a site of its own: an empty ledger, a grid file, a daemon not yet started."""
    with _stage(sandbox) as found:
        yield found


@pytest.fixture(scope="module")
def lasting_stage(sandbox: Sandbox) -> Iterator[Stage]:
    """Likewise, for all tests of a module that look at one performance."""
    with _stage(sandbox) as found:
        yield found


def _cancel_all(sandbox: Sandbox) -> None:
    """End every job, and have every node back, so that the next test finds an empty cluster."""
    for user in sandbox.users:
        sandbox.run(["scancel", f"--user={user}"], check=False)
    wait_until(lambda: not sandbox.run(["squeue", "--noheader"]).stdout.strip(), 60, "an empty queue")
    _have_nodes_back(sandbox)


def _have_nodes_back(sandbox: Sandbox) -> None:
    """On a busy machine Slurm drains a node whose tasks took too long to die, and it stays drained."""
    words = ["sinfo", "--noheader", "--Node", "--partition=main", "--states=drain", "--format=%N"]
    for node in sandbox.run(words).stdout.split():
        print(f"{node} was drained: {sandbox.run(['sinfo', '--list-reasons']).stdout}")  # noqa: T201 - as above
        sandbox.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"])
    sandbox.wait_for_nodes()
