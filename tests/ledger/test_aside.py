"""Rows that are no runs: kept once, listed with reasons, off the list once a reading makes runs of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from carbonslurm.core.accounted import SetAside
from carbonslurm.ledger.writing import Ledger

Hours = Callable[[float], datetime]


def _aside(clock: Hours, **facts: Any) -> SetAside:
    item = SetAside("green", "7", clock(0), "COMPLETED, and has no end", "7|0|COMPLETED")
    return replace(item, **facts)


def test_the_same_row_again_changes_nothing(ledger: Ledger, clock: Hours) -> None:
    broken = SetAside("green", "", None, "3 fields instead of 18", "a|b|c")
    assert ledger.set_aside([_aside(clock), broken, broken], clock(1)) == 2
    assert ledger.set_aside([_aside(clock), broken], clock(2)) == 0
    assert [row.item for row in ledger.aside()] == [_aside(clock), broken]
    assert {row.recorded_at for row in ledger.aside()} == {clock(1)}


def test_clusters_do_not_share_rows(ledger: Ledger, clock: Hours) -> None:
    ledger.set_aside([_aside(clock), _aside(clock, cluster="blue")], clock(1))
    assert [row.item.cluster for row in ledger.aside("blue")] == ["blue"]
    assert len(ledger.aside()) == 2


def test_a_row_that_became_a_run_leaves_the_list(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    ledger.keep_runs([make_run(ended=None)], clock(0.5))
    ledger.set_aside([_aside(clock), _aside(clock, job="8", row="8|0|COMPLETED")], clock(1))
    assert [row.item.job for row in ledger.aside()] == ["7", "8"]
    ledger.keep_runs([make_run()], clock(4))
    assert [row.item.job for row in ledger.aside()] == ["8"]
    assert [(row.item.job, row.mended) for row in ledger.aside(mended=True)] == [("7", True), ("8", False)]


def test_a_later_attempt_of_the_job_mends_nothing(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    ledger.set_aside([_aside(clock)], clock(1))
    ledger.keep_runs([make_run(submitted=2, started=3, ended=4)], clock(5))
    assert len(ledger.aside()) == 1


def test_any_text_can_be_set_aside(ledger: Ledger, clock: Hours) -> None:
    """As user text that went astray holds it: NUL, a lone surrogate, a megabyte."""
    rows = [_aside(clock, row=text, job=text) for text in ("a\0b", "\udcff", "x" * 1_000_000, "")]
    assert ledger.set_aside(rows, clock(1)) == 4
    assert ledger.set_aside(rows, clock(2)) == 0
    assert max(len(row.item.row) for row in ledger.aside()) == 4_000
