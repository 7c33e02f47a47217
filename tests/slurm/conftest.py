"""One real Slurm for all tests in this folder; it is taken down whatever happens.

Where Slurm is not installed these tests fail, with the sentence that names the packages: none is skipped.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonslurm.sandbox import SandboxSpec, up

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
