"""Statements: what a user, a group or a site puts into its annual report, from a real ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from site_books import DAY_G, DAYS, JANUARY, KW, NIGHT_G, fill, run

from carbonslurm.app.report import Books
from carbonslurm.app.statement import REST, SHOWN, Statement, Stating
from carbonslurm.core.footprint import Figure
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import RunFilter

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 6, 1, tzinfo=UTC)
YEAR = Interval(datetime(2025, 12, 1, tzinfo=UTC), NOW)
NIGHT, DAY = KW * 3 * NIGHT_G, KW * 3 * DAY_G
MARGINAL = Nature(Kind.MARGINAL, Scope.DIRECT)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("books")).parent / "ledger.sqlite"


def state(ledger: Path, wanted: RunFilter) -> Statement:
    with Reading.open(SqliteFile(ledger)) as book:
        books = Books(book, lambda partition: "SE" if partition == "north" else "GB")
        return Stating(books, book).state(wanted, "all", "green", NOW)


def test_months_add_up_and_leave_no_gap(ledger: Path) -> None:
    found = state(ledger, RunFilter(started=YEAR))
    names = [month.name for month in found.months]
    assert (names[0], names[-1], len(names)) == (
        YEAR.start.astimezone().strftime("%Y-%m"),
        (NOW - timedelta(seconds=1)).astimezone().strftime("%Y-%m"),
        len(set(names)),
    )
    assert sum(month.totals.runs for month in found.months) == found.whole.runs == DAYS + DAYS // 2 + 3
    assert sum(month.totals.emitted_g or 0 for month in found.months) == pytest.approx(found.whole.emitted_g)
    assert found.months[0].totals.runs == 0


def test_whoever_asks_for_one_group_gets_its_runs_only(ledger: Path) -> None:
    found = state(ledger, RunFilter(started=YEAR, accounts=("maths",)))
    assert found.whole.emitted_g == pytest.approx(DAYS // 2 * NIGHT)
    assert found.whole.saved_g == pytest.approx(DAYS // 2 * (DAY - NIGHT))
    assert (found.whole.withheld, found.whole.mean_wait) == (DAYS // 2, timedelta(hours=7))
    assert [name for name, _ in found.groups["user"]] == ["bob"]
    assert found.nature == "average, direct"


def test_hours_of_the_day_show_what_waiting_moved(ledger: Path) -> None:
    """bob's runs of three hours began at 1 UTC, and would have begun at 18."""
    found = state(ledger, RunFilter(started=YEAR, users=("bob",)))
    assert found.zone == "GB"
    assert found.hours is not None
    local = [(JANUARY + timedelta(hours=hour)).astimezone().hour for hour in (1, 2, 3, 18, 19, 20)]
    moved = pytest.approx([DAYS // 2 * KW] * 3)
    assert found.hours.kwh[local[:3]].tolist() == moved
    assert found.hours.baseline_kwh[local[3:]].tolist() == moved
    assert found.hours.kwh.sum() == pytest.approx(found.whole.energy_kwh)


def test_twelve_statements_count_each_run_once(ledger: Path) -> None:
    whole = state(ledger, RunFilter(started=YEAR)).whole
    edges = [YEAR.start, *(JANUARY + timedelta(days=day, hours=10) for day in (3, 40, 90)), YEAR.end]
    parts = [state(ledger, RunFilter(started=Interval(left, right))).whole for left, right in pairwise(edges)]
    assert sum(part.runs for part in parts) == whole.runs
    assert sum(part.emitted_g or 0 for part in parts) == pytest.approx(whole.emitted_g)


def test_an_empty_time_has_an_empty_statement(ledger: Path) -> None:
    found = state(ledger, RunFilter(started=Interval(NOW, NOW + timedelta(days=3))))
    assert (found.whole.runs, found.nature, found.hours, found.methods) == (0, None, None, [])
    assert found.groups == {"user": [], "account": [], "partition": []}


def test_another_nature_is_named_and_not_added_and_the_small_ones_come_together(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    runs = [run(number, number, 9, 1, user=f"u{number:02}") for number in range(SHOWN + 3)]
    with Ledger.open(SqliteFile(path), cluster="green") as book:
        book.keep_runs(runs, NOW)
        for number, item in enumerate(runs):
            assert item.started
            assert item.ended
            figure = Figure(
                energy_kwh=100.0 - number,
                energy_method="modelled",
                emitted_g=1000.0,
                baseline=Interval(item.started, item.ended),
                baseline_g=900.0,
                lost=timedelta(),
                nature=Nature(Kind.AVERAGE, Scope.DIRECT),
                source="neso",
                estimated=number == 1,
            )
            figure = replace(figure, nature=MARGINAL, source="watttime") if number == 0 else figure
            book.keep_figures([(item.key, figure)], NOW)
    found = state(path, RunFilter(started=YEAR))
    assert found.nature == "average, direct"
    assert {name: item.emitted_g for name, item in found.others.items()} == {"marginal, direct": 1000.0}
    assert found.whole.emitted_g == 1000.0 * (SHOWN + 2)
    assert found.whole.saved_g == -100.0 * (SHOWN + 2)
    users = dict(found.groups["user"])
    assert next(iter(users)) == "u01"
    assert users[REST].runs == 2
    assert {(it.source, it.values, it.totals.runs) for it in found.methods} == {
        ("neso", "measured", SHOWN + 1),
        ("neso", "estimated", 1),
    }
