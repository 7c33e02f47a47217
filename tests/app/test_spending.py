"""How budgets stand, from a real ledger; and that a broken one lets jobs start."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from site_books import JANUARY, KW, NIGHT_G, fill

from carbonslurm.app.report import month_starts
from carbonslurm.app.spending import ASKED_EVERY, Spending, last_of_month
from carbonslurm.core.allowance import Allowance, AtEnd, OwnerKind
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.errors import LedgerError
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ports import RunSum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALLOWANCES = [
    Allowance(OwnerKind.USER, "bob", 10_000.0),
    Allowance(OwnerKind.ACCOUNT, "maths", 9000.0, AtEnd.GREEN),
    Allowance(OwnerKind.PARTITION, "north", 500.0, AtEnd.FLEXIBLE),
    Allowance(OwnerKind.USER, "nobody", 1.0),
]
FEBRUARY = month_starts(JANUARY + timedelta(days=40), JANUARY + timedelta(days=40))[0]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    config: Path = fill(tmp_path_factory.mktemp("books"))
    with Reading.open(SqliteFile(config.parent / "ledger.sqlite")) as opened:
        yield opened


class Counting:
    """A ledger that counts what it is asked, and can be gone."""

    def __init__(self, book: Reading) -> None:
        self.book, self.asked, self.gone = book, 0, False

    def sums(self, *question: Any) -> Any:
        self.asked += 1
        if self.gone:
            raise LedgerError("the disk is gone")
        return self.book.sums(*question)

    def span(self, *question: Any) -> Any:
        return self.book.span(*question)


def test_what_started_in_the_month_counts_for_each_of_its_owners(book: Reading) -> None:
    at = FEBRUARY + timedelta(days=10, hours=12)
    bob, maths, north, nobody = Spending("green", ALLOWANCES, book).standings(at)
    night = KW * 3 * NIGHT_G
    assert (bob.month, bob.runs) == (FEBRUARY.astimezone().strftime("%Y-%m"), 5)
    assert bob.used_g == maths.used_g == pytest.approx(5 * night)
    assert (bob.left_g, bob.is_used_up, maths.is_used_up) == (pytest.approx(10_000 - 5 * night), False, False)
    assert (north.used_g, north.runs, nobody.used_g, nobody.is_used_up) == (0.0, 0, 0.0, False)


def test_runs_without_a_figure_are_told(book: Reading) -> None:
    north = Spending("green", ALLOWANCES, book).standings(JANUARY + timedelta(days=8))[2]
    assert (north.runs, north.unknown, north.used_g) == (1, 1, 0.0)


def test_another_cluster_s_runs_do_not_count(book: Reading) -> None:
    standings = Spending("blue", ALLOWANCES, book).standings(FEBRUARY + timedelta(days=10))
    assert {it.runs for it in standings} == {0}


def test_it_is_asked_now_and_then_and_a_gone_ledger_uses_nothing_up(book: Reading) -> None:
    ledger, at = Counting(book), FEBRUARY + timedelta(days=20)
    small = [replace(it, grams=1.0) for it in ALLOWANCES]
    spending = Spending("green", small, ledger)
    assert [it.is_used_up for it in spending.recent(at)] == [True, True, False, False]
    spending.recent(at + ASKED_EVERY / 2)
    assert ledger.asked == 1
    ledger.gone = True
    assert list(spending.recent(at + ASKED_EVERY)) == []
    ledger.gone = False
    assert list(spending.recent(at + ASKED_EVERY * 1.5)) == []
    assert len(spending.recent(at + ASKED_EVERY * 2)) == 4


class TwoKinds(Counting):
    """A ledger that had to fall back to marginal intensities for some runs."""

    def sums(self, *_: Any) -> Any:
        by = ("bob", "maths", "north")
        average, marginal = (Nature(kind, Scope.LIFECYCLE) for kind in (Kind.AVERAGE, Kind.MARGINAL))
        return [
            RunSum(by, average, runs=3, known=3, energy_kwh=3.0, emitted_g=600.0),
            RunSum(by, marginal, runs=2, known=2, energy_kwh=2.0, emitted_g=1800.0),
            RunSum(by, None, runs=1),
        ]


def test_grams_of_different_natures_are_not_added_and_what_is_left_out_is_told(book: Reading) -> None:
    bob = Spending("green", ALLOWANCES, TwoKinds(book)).standings(FEBRUARY)[0]
    assert (bob.used_g, bob.runs, bob.unknown) == (600.0, 6, 3)


def test_without_budgets_nothing_is_asked(book: Reading) -> None:
    ledger = Counting(book)
    assert list(Spending("green", [], ledger).recent(FEBRUARY)) == []
    assert ledger.asked == 0


def test_a_month_that_is_over_is_asked_about_to_its_end() -> None:
    now = FEBRUARY + timedelta(days=45)
    march: datetime = month_starts(now, now)[0]
    assert last_of_month(FEBRUARY + timedelta(days=3), now) == march - timedelta(seconds=1)
    assert last_of_month(now, now) == now
