"""Sums that the database works out are the sums of the runs, by whatever they are grouped."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbonslurm.app.report import GROUPS, Books, Totals, month_starts, month_text, sums_of, total
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.energy import Quality
from carbonslurm.core.footprint import Beside, Figure
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, Queue, RunKey, Tres
from carbonslurm.core.stop import Phase
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import BesideSum, Dimension, Outcome, OutcomeState, RunFilter, RunRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

START = datetime(2026, 1, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURES = [Nature(Kind.AVERAGE, Scope.DIRECT), Nature(Kind.MARGINAL, Scope.DIRECT), None]
ZONES = {"gpu": "GB", "long": "GB", "north": "north"}
NEVER = timedelta(days=4000)

amounts = st.one_of(st.none(), st.floats(0, 1e6, allow_nan=False))
besides = st.builds(
    Beside,
    st.builds(Nature, st.sampled_from(Kind), st.just(Scope.LIFECYCLE)),
    st.just("watttime"),
    emitted_g=amounts,
    baseline_g=amounts,
    queue_g=amounts,
    estimated=st.booleans(),
)


@st.composite
def accounted(draw: Any) -> tuple[AccountedRun, Figure | None]:
    submitted = START + draw(st.integers(0, 90 * 24)) * HOUR
    started = draw(st.one_of(st.none(), st.integers(0, 100)))
    length = draw(st.one_of(st.none(), st.integers(0, 60)))
    begins = None if started is None else submitted + started * HOUR
    run = AccountedRun(
        key=RunKey("green", draw(st.integers(1, 10**6)), submitted),
        array_job_id=None,
        user=draw(st.sampled_from(["ada", "bob"])),
        account=draw(st.sampled_from(["maths", "physics"])),
        partition=draw(st.sampled_from(sorted(ZONES))),
        qos="normal",
        eligible=submitted,
        started=begins,
        ended=None if begins is None or length is None else begins + length * HOUR,
        state=draw(st.sampled_from(["COMPLETED", "FAILED"])),
        exit_code="0:0",
        time_limit=None,
        tres=Tres(8, 1, draw(st.sampled_from([{}, {"a100": 2}, {"a100": 1, "h100": 3}]))),
        energy_joules=None,
        tag=None,
        name=draw(st.sampled_from(["train", "", None])),
    )
    if run.ended is None or not draw(st.booleans()):
        return run, None
    nature = draw(st.sampled_from(NATURES))
    known = nature is not None
    return run, Figure(
        energy_kwh=draw(st.floats(0, 1e3, allow_nan=False)),
        energy_method=draw(st.sampled_from(["modelled", "slurm"])),
        emitted_g=draw(amounts) if known else None,
        baseline=Interval(run.started or START, run.ended),
        baseline_g=draw(amounts) if known else None,
        lost=timedelta(),
        nature=nature,
        source=draw(st.sampled_from(["neso", None])),
        estimated=draw(st.booleans()),
        quality=draw(st.sampled_from([*Quality, None])),
        zone=draw(st.sampled_from(["GB", "west", None])),
        queue=Interval(run.started or START, run.ended) if known else None,
        queue_g=draw(amounts) if known else None,
        beside=draw(st.none() | besides) if known else None,
    )


def same(one: Totals, other: Totals) -> None:
    """Equal, but for the order in which numbers were added up."""
    counts = [
        (it.runs, it.unknown, it.late, it.stops, it.withheld, it.natures, it.queued) for it in (one, other)
    ]
    assert counts[0] == counts[1]
    assert (one.emitted_g is None) == (other.emitted_g is None)
    for name in ("gpu_hours", "energy_kwh", "emitted_g", "baseline_g", "queued_g", "queue_g"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine == (None if theirs is None else pytest.approx(theirs, rel=1e-9, abs=1e-6))
    assert one.waited.total_seconds() == pytest.approx(other.waited.total_seconds())


def beside_of(sums: Sequence[BesideSum]) -> dict[tuple[str, str], Any]:
    """Counts and grams by own and other nature."""
    return {
        (str(it.own), str(it.nature)): (it.runs, it.with_baseline, pytest.approx(it.emitted_g, abs=1e-6))
        for it in sums
    }


def beside_by_hand(rows: Sequence[RunRow]) -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], list[Beside]] = defaultdict(list)
    for row in rows:
        figure = row.figure
        if (
            row.run.started
            and figure
            and figure.beside
            and None not in {figure.emitted_g, figure.beside.emitted_g}
        ):
            found[str(figure.nature), str(figure.beside.nature)].append(figure.beside)
    return {
        pair: (
            len(each),
            sum(it.baseline_g is not None for it in each),
            sum(it.emitted_g or 0.0 for it in each),
        )
        for pair, each in found.items()
    }


def key_of(row: RunRow, names: tuple[str, ...]) -> tuple[str, ...]:
    figure = row.figure
    known = figure is not None and figure.emitted_g is not None and figure.baseline_g is not None
    words: dict[str, Any] = {
        "user": row.run.user,
        "account": row.run.account,
        "partition": row.run.partition,
        "qos": row.run.qos,
        "name": row.run.name,
        "cluster": row.run.key.cluster,
        "state": row.run.state,
        "month": row.run.started.astimezone().strftime("%Y-%m") if row.run.started else "",
        "zone": (figure and figure.zone) or ZONES[row.run.partition],
        "nature": figure.nature if figure and known else None,
        "method": figure.energy_method if figure else None,
        "quality": figure.quality if figure else None,
        "source": figure.source if figure else None,
        "estimated": (("measured", "estimated")[figure.estimated]) if figure else None,
    }
    return tuple("unknown" if words[name] is None else str(words[name]) for name in names)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    facts=st.lists(accounted(), max_size=25, unique_by=lambda item: item[0].key),
    names=st.lists(st.sampled_from(sorted(GROUPS)), min_size=1, max_size=3, unique=True).map(tuple),
)
def test_sums_by_any_grouping_are_the_sums_of_the_runs(
    facts: list[tuple[AccountedRun, Figure | None]], names: tuple[str, ...]
) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger.open(SqliteFile(Path(folder) / "l")) as ledger:
        ledger.keep_runs([run for run, _ in facts], START)
        ledger.keep_figures([(run.key, figure) for run, figure in facts if figure], START)
        rows, books = ledger.runs(RunFilter()), Books(ledger, ZONES.__getitem__)
        by_hand: defaultdict[tuple[str, ...], list[RunRow]] = defaultdict(list)
        for row in rows:
            if row.run.started:
                by_hand[key_of(row, names)].append(row)
        groups = books.grouped(RunFilter(), names)
        assert list(groups) == sorted(by_hand)
        for key, item in groups.items():
            same(item, total(sums_of(by_hand[key])))
        same(books.total(RunFilter()), total(sums_of(rows)))
        assert sum(item.runs for item in groups.values()) == books.total(RunFilter()).runs
        assert beside_of(ledger.sums_beside(RunFilter())) == beside_by_hand(rows)


def test_what_jobs_say_is_counted_on_either_database(
    ledger: Ledger, make_run: Any, make_job: Any, make_figure: Any, clock: Callable[[float], datetime]
) -> None:
    """Job 7 waits from 0 to 4 past its bound of 2, is stopped, and goes on at 8; nobody touched job 8."""
    job, array = make_job(7), make_job(20, spec="20_[1-2]")
    again = replace(job, submitted=clock(5), restarts=1)
    cycle = ledger.begin_cycle(clock(0), observe=False)
    ledger.note(Queue(clock(0), (job, array)), {job.key: clock(0), array.key: clock(1)})
    numbers = ledger.intend(
        cycle,
        [
            Action(Verb.WITHHOLD, job, "clean then", until=clock(2), bound=clock(2)),
            Action(Verb.WITHHOLD, array, "clean then", until=clock(3), bound=clock(9)),
        ],
        clock(0),
    )
    ledger.settle({number: Outcome(OutcomeState.CONFIRMED, clock(0)) for number in numbers})
    (stop,) = ledger.intend(cycle, [Action(Verb.STOP, job, "dirty", until=clock(8))], clock(4.5))
    for phase in (Phase.SIGNALLED, Phase.REQUEUED, Phase.DONE):
        ledger.settle({stop: Outcome(phase, clock(5))})
    ledger.note(Queue(clock(6), (again,)), {job.key: clock(0)})
    runs = [
        make_run(0, 4, 5, state="REQUEUED"),
        make_run(5, 8, 9),
        make_run(0, 1, 2, job_id=8, user="bob"),
        make_run(0, 3, 4, job_id=21, array_job_id=20, array_task=1, user="bob"),
        make_run(0, 3, 5, job_id=22, array_job_id=20, array_task=2, user="bob"),
    ]
    ledger.keep_runs(runs, clock(10))
    ledger.keep_figures([(run.key, make_figure()) for run in runs[:4]], clock(10))
    books = Books(ledger, str)
    same(books.total(RunFilter()), total(sums_of(ledger.runs(RunFilter()))))
    ada, bob = books.grouped(RunFilter(), ("user",)).values()
    assert (ada.runs, ada.late, ada.stops, ada.withheld, ada.waited) == (2, 2, 1, 2, 12 * HOUR)
    assert (bob.runs, bob.late, bob.stops, bob.withheld, bob.waited) == (3, 0, 0, 2, 4 * HOUR)
    assert (bob.unknown, bob.emitted_g, bob.saved_g) == (1, 400.0, 200.0)
    months = month_starts(clock(0), clock(10))
    every = tuple(Dimension)
    same(total(ledger.sums(RunFilter(), every, months)), books.total(RunFilter()))


@pytest.mark.parametrize("span", [(0, 40), (3, 4), (20, 21)])
def test_a_filter_chooses_the_same_runs_for_sums_and_for_lists(
    ledger: Ledger, make_run: Any, clock: Callable[[float], datetime], span: tuple[float, float]
) -> None:
    states = itertools.cycle(["COMPLETED", "FAILED", "TIMEOUT"])
    runs = [
        make_run(hour, hour + 1, hour + 3, job_id=hour + 1, state=next(states), partition=f"p{hour % 3}")
        for hour in range(30)
    ]
    ledger.keep_runs(runs, clock(40))
    window = Interval(clock(span[0]), clock(span[1]))
    for wanted in (
        RunFilter(window=window),
        RunFilter(started=window),
        RunFilter(window=window, states=("FAILED", "RUNNING")),
        RunFilter(window=window, partitions=("p1", "p2"), qos=("normal",)),
        RunFilter(window=window, clusters=("blue",)),
    ):
        assert total(ledger.sums(wanted, ())).runs == len(ledger.runs(wanted))
    started = [row.run for row in ledger.runs(RunFilter(started=window))]
    assert started == [run for run in runs if window.start <= run.started < window.end]
    assert ledger.span(RunFilter(started=window)) == (
        Interval(started[0].started, started[-1].started) if started else None
    )


@pytest.mark.parametrize(
    ("states", "window", "ids"),
    [
        (("COMPLETED",), (0, 10), [1]),
        (("COMPLETED",), (4, 4), [1]),
        (("COMPLETED",), (5, 10), []),
        (("RUNNING",), (2, 3), [1, 2]),
        (("RUNNING",), (30, 30), [2, 4]),
        (("PENDING",), (0.5, 0.6), [1, 2]),
        (("PENDING",), (9, 9), [3]),
        (("SUSPENDED",), (30, 31), [4]),
        (("COMPLETED", "PENDING"), (9, 50), [3, 4]),
        (("CANCELLED",), None, [5]),
    ],
)
def test_states_are_looked_for_as_sacct_does(
    ledger: Ledger,
    make_run: Any,
    clock: Callable[[float], datetime],
    states: tuple[str, ...],
    window: tuple[float, float] | None,
    ids: list[int],
) -> None:
    runs = [
        make_run(0, 1, 4, job_id=1),
        make_run(0, 2, None, job_id=2),
        make_run(8, None, None, job_id=3, state="PENDING"),
        make_run(10, 11, None, job_id=4, state="SUSPENDED"),
        make_run(6, None, 7, job_id=5, state="CANCELLED"),
    ]
    ledger.keep_runs(runs, clock(20))
    span = Interval(clock(window[0]), clock(window[1])) if window else None
    found = ledger.runs(RunFilter(window=span, states=states))
    assert sorted(row.run.key.job_id for row in found) == ids


def test_only_the_figure_that_counts_is_summed_or_that_which_counted(
    ledger: Ledger, make_run: Any, make_figure: Any, clock: Callable[[float], datetime]
) -> None:
    run = make_run(0, 1, 5)
    ledger.keep_runs([run], clock(6))
    for hour, grams in ((7, 500.0), (8, 300.0)):
        ledger.keep_figures([(run.key, make_figure(emitted_g=grams))], clock(hour))
    books = Books(ledger, str)
    told = {hour: books.total(RunFilter(as_of=clock(hour))) for hour in (6.5, 7.5, 9)}
    assert (told[6.5].runs, told[6.5].unknown) == (1, 1)
    assert (told[7.5].emitted_g, told[9].emitted_g) == (500.0, 300.0)
    same(told[9], books.total(RunFilter()))
    same(told[7.5], total(sums_of(ledger.runs(RunFilter(as_of=clock(7.5))))))
    assert len(ledger.loads(RunFilter(as_of=clock(6.5)))) == 0


@contextmanager
def local_times_of(zone: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        yield
    finally:
        monkeypatch.delenv("TZ")
        if before is not None:
            monkeypatch.setenv("TZ", before)
        time.tzset()


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Chatham", "America/New_York"])
def test_months_of_sums_are_local_ones(
    ledger: Ledger,
    make_run: Any,
    clock: Callable[[float], datetime],
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
) -> None:
    runs = [make_run(hour, hour + 0.3, hour + 2.7, job_id=hour + 1) for hour in range(0, 365 * 24, 150)]
    ledger.keep_runs(runs, clock(365 * 24 + 9))
    with local_times_of(zone, monkeypatch):
        found = Books(ledger, str).grouped(RunFilter(), ("month",))
        expected = Counter(month_text(run.started) for run in runs)
    assert {name: item.runs for (name,), item in found.items()} == expected
    assert len(found) == 13


def test_loads_say_when_energy_was_taken_and_would_have_been(
    ledger: Ledger, make_run: Any, make_figure: Any, clock: Callable[[float], datetime]
) -> None:
    runs = [make_run(0, 1, 5), make_run(0, 2, 3, job_id=8), make_run(0, 2, 2, job_id=9)]
    ledger.keep_runs(runs, clock(10))
    ledger.keep_figures([(run.key, make_figure()) for run in (runs[0], runs[2])], clock(10))
    loads = ledger.loads(RunFilter())
    expected = [clock(1).timestamp(), clock(5).timestamp(), 1.5, clock(0).timestamp(), clock(2).timestamp()]
    np.testing.assert_allclose(loads, [[*expected, 0.75]])


def test_months_are_those_of_the_machine_s_clocks() -> None:
    firsts = month_starts(datetime(2025, 11, 30, 12, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC))
    local = [moment.astimezone() for moment in firsts]
    assert [(it.year, it.month) for it in local] == [(2025, 11), (2025, 12), (2026, 1), (2026, 2)]
    assert {(it.day, it.hour, it.minute) for it in local} == {(1, 0, 0)}
