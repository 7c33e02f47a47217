"""Past runs, for what they say of lengths."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.writing import Ledger

Hours = Callable[[float], datetime]


def test_the_newest_runs_come_with_how_long_they_lasted(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    limit = timedelta(hours=9)
    runs = [
        make_run(0, 1, 3, job_id=1, time_limit=limit),
        make_run(4, 5, None, job_id=2),
        make_run(4, 5, 6, job_id=3, user="bo"),
        make_run(4, None, None, job_id=4),
    ]
    ledger.keep_runs(runs, clock(8))
    found = ledger.past_runs("green", clock(8))
    assert [(run.user, run.seconds / 3600, run.ended) for run in found] == [
        ("ada", 3, False),
        ("bo", 1, True),
        ("ada", 2, True),
    ]
    assert found[2].time_limit == limit
    assert found[2].submitted == clock(0)
    assert found[2].tres == make_run().tres
    assert found[2].flex == make_run().tag.flex


@pytest.mark.parametrize(
    ("state", "ended"), [("TIMEOUT", True), ("CANCELLED", True), ("REQUEUED", False), ("NODE_FAIL", False)]
)
def test_who_was_ended_by_others_would_have_lasted_longer(
    ledger: Ledger, make_run: Any, clock: Hours, state: str, ended: bool
) -> None:
    ledger.keep_runs([make_run(state=state)], clock(8))
    assert [run.ended for run in ledger.past_runs("green", clock(8))] == [ended]


def test_other_clusters_runs_without_length_and_those_of_long_ago_say_nothing(
    ledger: Ledger, make_run: Any, clock: Hours
) -> None:
    ledger.keep_runs([make_run(0, 1, 1, job_id=1), make_run(0, 1, 2, job_id=2)], clock(8))
    assert ledger.past_runs("blue", clock(8)) == []
    assert len(ledger.past_runs("green", clock(8))) == 1
    assert ledger.past_runs("green", clock(24 * 90)) == []


def test_readers_may_ask_too(ledger: Ledger, place: Any, make_run: Any, clock: Hours) -> None:
    ledger.keep_runs([make_run()], clock(8))
    with Reading.open(place) as book:
        assert len(book.past_runs("green", clock(8))) == 1
