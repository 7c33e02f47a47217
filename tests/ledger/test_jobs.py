"""First sights: which job is which, and when it could first have started."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from carbonslurm.core.job import Queue
from carbonslurm.ledger.writing import Ledger

Hours = Callable[[float], datetime]


def _note(ledger: Ledger, at: datetime, *jobs: Any, first: datetime | None = None) -> None:
    ledger.note(Queue(at, jobs), {job.key: first for job in jobs})


def _first(ledger: Ledger, at: datetime, job: Any) -> datetime | None:
    known = ledger.known(Queue(at, (job,))).get(job.key)
    return known.first_eligible if known else None


def test_a_first_eligible_time_once_known_never_changes(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    job = make_job()
    _note(ledger, clock(0), job)
    assert _first(ledger, clock(0), job) is None
    for hour in (1, 2, 3):
        _note(ledger, clock(hour), job, first=clock(hour))
    assert _first(ledger, clock(4), job) == clock(1)


def test_only_flexible_jobs_are_kept(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    job = make_job(tag=None)
    _note(ledger, clock(0), job, first=clock(0))
    assert ledger.known(Queue(clock(0), (job,))) == {}


def test_a_requeue_is_the_same_job(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    _note(ledger, clock(0), make_job(), first=clock(0))
    again = make_job(restarts=1, submitted=clock(5))
    assert _first(ledger, clock(5), again) == clock(0)
    _note(ledger, clock(5), again, first=clock(5))
    assert _first(ledger, clock(6), again) == clock(0)


def test_a_first_run_with_another_submit_time_is_a_new_job_with_an_old_id(
    ledger: Ledger, make_job: Any, clock: Hours
) -> None:
    _note(ledger, clock(0), make_job(needs=(3,)), first=clock(0))
    reused = make_job(submitted=clock(9))
    assert _first(ledger, clock(9), reused) is None
    assert ledger.seen_waiting(Queue(clock(9), (reused,))) == frozenset()
    _note(ledger, clock(9), reused, first=clock(9))
    assert _first(ledger, clock(9), reused) == clock(9)


def test_a_requeued_job_never_seen_before_begins_here(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    job = make_job(restarts=2, submitted=clock(4))
    _note(ledger, clock(4), job, first=clock(4))
    assert _first(ledger, clock(4), job) == clock(4)


def test_unmet_dependencies_are_remembered_after_they_resolve(
    ledger: Ledger, make_job: Any, clock: Hours
) -> None:
    job, free = make_job(needs=(3,)), make_job(8)
    _note(ledger, clock(0), job, free)
    later = Queue(clock(1), (make_job(), free))
    ledger.note(later, {})
    assert ledger.seen_waiting(later) == {job.key}


def test_the_same_id_on_two_clusters_is_two_jobs(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    job = make_job()
    other = make_job(key=type(job.key)("blue", 7))
    _note(ledger, clock(0), job, first=clock(1))
    assert _first(ledger, clock(2), other) is None


def test_an_array_that_comes_in_several_rows_is_one_job(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    rows = (
        make_job(13, spec="13_[3-6]"),
        make_job(13, spec="13_7", submitted=clock(2), restarts=1),
    )
    for _ in range(2):
        _note(ledger, clock(2), *rows, first=clock(0))
    assert _first(ledger, clock(3), rows[0]) == clock(0)
    assert _first(ledger, clock(3), rows[1]) == clock(0)
