"""A real ledger in a folder of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from carbonslurm.ledger.writing import Ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.open(path, cluster="green") as opened:
        yield opened
