"""``carbonslurm ledger migrate``."""

from pathlib import Path

from click.testing import CliRunner

from carbonslurm.cli.ledger import ledger
from carbonslurm.errors import LedgerError
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.tables import REVISIONS


def test_it_makes_a_ledger_and_does_nothing_the_second_time(path: Path) -> None:
    for _ in range(2):
        result = CliRunner().invoke(ledger, ["migrate", "--path", str(path)])
        assert (result.exit_code, result.output) == (0, f"{path}: revision {REVISIONS[-1]}\n")
    Reading.open(path).close()


def test_it_fails_in_the_ledgers_own_words(tmp_path: Path) -> None:
    result = CliRunner().invoke(ledger, ["migrate", "--path", str(tmp_path / "no" / "ledger.db")])
    assert isinstance(result.exception, LedgerError)


def test_its_help_shows_an_example() -> None:
    result = CliRunner().invoke(ledger, ["migrate", "--help"])
    assert "carbonslurm ledger migrate --path" in result.output
