"""The engine: lives of jobs by hand, and what must hold for every trace under every policy."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traces import HOUR, START, J, ends_h, hourly, most_busy, runs_h, simulated, starts_h, trace_of

from carbonslurm.core.scene import Placement, Scene, Stop, StopCost
from carbonslurm.sim.engine import Engine
from carbonslurm.sim.foresight import Perfect
from carbonslurm.sim.lengths import Known
from carbonslurm.sim.outcome import Outcome
from carbonslurm.sim.policy import Asked, Strategy, Wish
from carbonslurm.sim.pools import UnitPool
from carbonslurm.sim.registry import POLICIES

FLAT = hourly([100] * 400)


# --- queues, by hand


def test_without_a_limit_every_job_starts_when_it_arrives() -> None:
    done = simulated("no-wait", [J(0, 2), J(0.5, 1), J(0.25, 3)], FLAT)
    assert starts_h(done) == [0, 0.25, 0.5]  # by arrival
    assert (done.row.relative, done.row.carbon_kg, done.row.max_wait_h) == (1.0, pytest.approx(0.6), 0.0)


def test_a_place_that_is_given_back_is_taken_at_that_instant() -> None:
    done = simulated("no-wait", [J(0, 2), J(1, 1), J(2, 1)], FLAT, units=1)
    assert starts_h(done) == [0, 2, 3]


LINE = [J(0, 4, 3), J(1, 2, 4), J(1.5, 2, 1), J(1.6, 3, 1)]


@pytest.mark.parametrize(
    ("queue", "starts"),
    [
        # The one unit is the third's until 3.5, then the fourth's until 6.5.
        ("first-fit", [0, 6.5, 1.5, 3.5]),
        ("fcfs", [0, 4, 6, 6]),
        # The second needs all four units from hour 4 on: the third is done by then, the fourth is not.
        ("easy", [0, 4, 1.5, 6]),
    ],
)
def test_disciplines_by_hand(queue: str, starts: list[float]) -> None:
    """Four units; the first takes three for four hours, the second wants all of them."""
    assert starts_h(simulated("no-wait", LINE, FLAT, units=4, queue=queue)) == starts


def test_latest_start_goes_by_what_was_promised() -> None:
    """Both wait for the one unit; the long one came first, but the short one may wait less."""
    trace = trace_of([J(0, 3), J(0.5, 4), J(1, 1)])
    trace = replace(trace, wait=np.array([24, 24, 6]) * HOUR)
    outcome = engine(trace, Strategy("x", Perfect(FLAT), "latest-start"), units=1).run()
    assert ((outcome.first_start - START) / HOUR).tolist() == [0, 4, 3]


def test_backfill_leaves_the_first_its_places_even_beyond_its_start() -> None:
    """Five units, of which the first holds three; the second needs four at hour 4, so one may run on."""
    done = simulated(
        "no-wait", [J(0, 4, 3), J(1, 2, 4), J(1.5, 9, 1), J(1.6, 9, 1)], FLAT, units=5, queue="easy"
    )
    assert starts_h(done) == [0, 4, 1.5, 6]


def test_backfill_goes_by_time_limits() -> None:
    """The third would be done in time, but its limit says otherwise."""
    line = [J(0, 4, 3), J(1, 2, 4), replace(LINE[2], limit=5)]
    assert starts_h(simulated("no-wait", line, FLAT, units=4, queue="easy")) == [0, 4, 6]


# --- stops and limits


def engine(trace, strategy: Strategy, units: float = float("inf")) -> Engine:  # noqa: ANN001
    return Engine(trace, [UnitPool(units)], [0] * len(trace), strategy, Known(trace.length))


def stop_once(at: float, restart: float) -> object:
    """Start everything at once, and stop what runs at an hour, to go on at another."""

    def planner(scene: Scene) -> Placement:
        running = scene.running
        hour = (scene.now - START) / HOUR
        stops = running.ids[running.can_stop] if hour == at else []
        starts = np.where(scene.waiting.stops > 0, START + restart * HOUR, scene.now)
        return Placement(starts, tuple(Stop(int(job), START + restart * HOUR) for job in stops))

    return planner


def test_a_planner_lines_the_queue_up_anew() -> None:
    """One place: what is said in hour 1 and again in hour 2 counts, not the order of arrival."""

    def planner(scene: Scene) -> Placement:
        wanted = {1: 3.0, 2: 2.0, 3: 1.0} if scene.now < START + 2 * HOUR else {1: 3.0, 2: 1.0, 3: 2.0}
        order = np.array([wanted.get(job, np.nan) for job in scene.waiting.ids.tolist()])
        return Placement(np.full(len(order), scene.now), order=order)

    trace = trace_of([J(0, 3), J(1, 1), J(1, 1), J(1, 1)])
    outcome = engine(trace, Strategy("x", Perfect(FLAT), planner=planner, cycle=HOUR), units=1).run()
    assert ((outcome.first_start - START) / HOUR).tolist() == [0, 5, 3, 4]


COST = StopCost(lost=300.0, restart=600.0)


def test_a_stop_loses_work_and_time_to_load_its_checkpoint() -> None:
    strategy = Strategy("x", Perfect(FLAT), planner=stop_once(2, 5), stops=True, stop_cost=COST)
    outcome = engine(trace_of([J(0, 4)]), strategy).run()
    assert ((outcome.run_start - START) / HOUR).tolist() == [0, 5]
    assert ((outcome.run_end - START) / HOUR).tolist() == [2, 7.25]
    assert (outcome.stops.tolist(), outcome.lost.tolist()) == ([1], [900])


def test_a_checkpoint_is_written_before_the_place_is_free() -> None:
    """Ten minutes more of the place, ten of work done again, five to load: 35 minutes in all."""
    cost = StopCost(lost=600.0, restart=900.0, checkpoint=600.0)
    strategy = Strategy("x", Perfect(FLAT), planner=stop_once(2, 5), stops=True, stop_cost=cost)
    outcome = engine(trace_of([J(0, 4)]), strategy).run()
    assert ((outcome.run_end - START) / HOUR).tolist() == pytest.approx([2 + 1 / 6, 7 + 25 / 60])
    assert (outcome.stops.tolist(), outcome.lost.tolist()) == ([1], [2100])


def test_a_job_that_ends_before_its_checkpoint_would_be_written_is_not_stopped() -> None:
    cost = StopCost(checkpoint=2 * HOUR)
    strategy = Strategy("x", Perfect(FLAT), planner=stop_once(2, 5), stops=True, stop_cost=cost)
    outcome = engine(trace_of([J(0, 4)]), strategy).run()
    assert (outcome.stops.tolist(), outcome.end.tolist()) == ([0], [START + 4 * HOUR])


@pytest.mark.parametrize(
    ("limits", "ends"),
    [
        ({}, [1, 4]),
        ({"min_run": "2h"}, [3]),  # when it has run so long, less than that is left
        ({"max_stops": "0"}, [3]),
        ({"checkpoint": "30m"}, [1.5, 4]),
    ],
)
def test_policies_that_pause_keep_the_limits_of_stops(limits: dict[str, str], ends: list[float]) -> None:
    """The first hour is below the 30th percentile of the day, then two are not."""
    day = hourly([100, 500, *[100] * 6, *[500] * 16] * 3)
    done = simulated("percentile-suspend", [J(0, 3)], day, wait_h=12, **limits)
    assert [end for _, end in runs_h(done)] == ends


class Fickle:
    """The first job runs as it likes; the others want to run, but not when they are asked in hours 1 to 3."""

    def wish(self, asked: Asked) -> Wish:
        hour = (asked.now - START) / HOUR
        if asked.job and 1 <= hour < 3:
            return Wish(run=False, until=START + 3 * HOUR)
        return Wish(run=True, until=float("inf"))


def test_a_job_that_is_paused_at_the_instant_of_its_start_never_ran() -> None:
    """The second waits for the one unit since hour 0; it gets it at 1.5, when it no longer wants it."""
    strategy = Strategy("x", Perfect(FLAT), pacing=Fickle(), pauses=True, stop_cost=COST)
    outcome = engine(trace_of([J(0, 1.5), J(0, 1)]), strategy, units=1).run()
    assert ((outcome.run_start - START) / HOUR).tolist() == [0, 3]
    assert ((outcome.run_end - START) / HOUR).tolist() == [1.5, 4]
    assert ((outcome.first_start - START) / HOUR).tolist() == [0, 3]
    assert (outcome.stops.tolist(), outcome.lost.tolist()) == ([0, 0], [0, 0])


def test_no_more_work_is_lost_than_was_done() -> None:
    strategy = Strategy(
        "x", Perfect(FLAT), planner=stop_once(1, 5), stops=True, stop_cost=StopCost(lost=7200.0)
    )
    outcome = engine(trace_of([J(0, 4)]), strategy).run()
    assert (outcome.lost.tolist(), outcome.end.tolist()) == ([3600], [START + 9 * HOUR])


def test_a_run_that_loading_takes_past_its_limit_is_ended_there_and_submitted_again() -> None:
    trace = trace_of([J(0, 4, limit=4)])
    strategy = Strategy(
        "x", Perfect(FLAT), planner=stop_once(1, 5), stops=True, stop_cost=StopCost(lost=3600.0, restart=HOUR)
    )
    outcome = engine(trace, strategy).run()
    assert ((outcome.run_end - START) / HOUR).tolist() == [1, 9, 10]
    assert outcome.timed_out.tolist() == [1]


# --- what must hold, whatever the trace and the policy

jobs = st.lists(
    st.builds(
        J,
        at=st.integers(0, 60).map(lambda quarter: quarter / 4),
        length=st.integers(1, 40).map(lambda tenth: tenth / 10),
        units=st.integers(1, 4).map(float),
    ),
    min_size=1,
    max_size=10,
)
intensity = st.lists(st.integers(1, 500), min_size=30, max_size=60)
everything = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def long(values: Sequence[int]) -> list[float]:
    """Two weeks of them, so that whatever queues stays within."""
    return [float(value) for value in np.resize(values, 24 * 14)]


@pytest.mark.parametrize("name", POLICIES)
@everything
@given(work=jobs, values=intensity, units=st.integers(4, 8), wait=st.integers(0, 12))
def test_no_more_units_than_there_are_and_all_work_is_done(
    name: str, work: list[J], values: list[int], units: int, wait: int
) -> None:
    done = simulated(name, work, hourly(long(values)), units=units, wait_h=wait, lost_work="5m", restart="1m")
    trace = trace_of(work)
    assert most_busy(done, dict(enumerate(trace.units.tolist()))) <= units
    lasted = np.bincount(
        done.outcome.run_job, done.outcome.run_end - done.outcome.run_start, minlength=len(trace)
    )
    np.testing.assert_allclose(lasted, trace.length + done.outcome.lost, rtol=0, atol=1e-3)
    assert (done.outcome.first_start >= trace.arrival).all()
    assert (done.outcome.run_end > done.outcome.run_start).all()
    assert done.row.stops == int((np.bincount(done.outcome.run_job) - 1).sum()) - int(
        done.outcome.timed_out.sum()
    )


@pytest.mark.parametrize("name", POLICIES)
@everything
@given(
    work=jobs, values=intensity, units=st.sampled_from([4.0, 6.0, float("inf")]), weeks=st.integers(-200, 200)
)
def test_shifting_all_times_changes_nothing(
    name: str, work: list[J], values: list[int], units: float, weeks: int
) -> None:
    start = START + weeks * 7 * 24 * HOUR
    here = simulated(name, work, hourly(long(values)), units=units, wait_h=6)
    there = simulated(name, work, hourly(long(values), start), units=units, wait_h=6, start=start)
    assert here.outcome.first_start - START == pytest.approx(there.outcome.first_start - start, abs=1e-3)
    assert here.outcome.end - START == pytest.approx(there.outcome.end - start, abs=1e-3)
    assert here.row.carbon_kg == pytest.approx(there.row.carbon_kg)


PROMISE = sorted(set(POLICIES) - {"varying-cap"})  # which promises no bound


@pytest.mark.parametrize("name", PROMISE)
@everything
@given(work=jobs, values=intensity, wait=st.integers(0, 12))
def test_where_there_is_room_nobody_is_late_and_pauses_stay_within_the_wait(
    name: str, work: list[J], values: list[int], wait: int
) -> None:
    done = simulated(name, work, hourly(long(values)), wait_h=wait)
    together = name in {"greedy", "congestion-game", "joint"}  # which are asked once in a cycle
    slack = 600.0 if together else 1.0
    waits = done.outcome.end - trace_of(work).arrival - trace_of(work).length
    assert waits.max() <= wait * HOUR + slack
    assert (done.outcome.first_start <= trace_of(work).arrival + wait * HOUR + slack).all()


@everything
@given(work=jobs, values=intensity, units=st.integers(4, 8))
def test_without_delay_easy_withhold_is_plain_easy(work: list[J], values: list[int], units: int) -> None:
    truth = hourly(long(values))
    withheld = simulated("easy-withhold", work, truth, units=units, max_delay="0")
    plain = simulated("no-wait", work, truth, units=units, queue="easy")
    assert same(withheld.outcome, plain.outcome)


@everything
@given(work=jobs, values=intensity, name=st.sampled_from(["lowest-window", "wait-awhile", "carbon-time"]))
def test_with_room_and_perfect_forecasts_waiting_never_emits_more(
    work: list[J], values: list[int], name: str
) -> None:
    relative = simulated(name, work, hourly(long(values)), wait_h=8).row.relative
    assert relative is not None
    assert relative <= 1 + 1e-9


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_input_gives_the_same_output(name: str) -> None:
    rng = np.random.default_rng(7)
    work = [
        J(float(at), float(length), float(units))
        for at, length, units in zip(
            rng.uniform(0, 40, 40), rng.exponential(2, 40), rng.integers(1, 5, 40), strict=True
        )
    ]
    truth = hourly(rng.uniform(50, 400, 300).tolist())
    first, second = (simulated(name, work, truth, units=8, length="learned") for _ in range(2))
    assert same(first.outcome, second.outcome)
    assert first.row == second.row


def same(one: Outcome, other: Outcome) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("first_start", "end", "run_job", "run_start", "run_end", "stops", "lost")
    )


def test_a_run_lasts_as_long_as_its_work() -> None:
    done = simulated("no-wait", [J(1, 2)], FLAT)
    assert (runs_h(done), ends_h(done)) == ([(1, 3)], [3])
