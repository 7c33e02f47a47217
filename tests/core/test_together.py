"""Policies that place all jobs together: greedy and the congestion game, on scenes worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traces import HOUR, START, hourly

from carbonslurm.core.congestion import congestion_game
from carbonslurm.core.forecast import Series
from carbonslurm.core.greedy import greedy
from carbonslurm.core.scene import RunningJobs, Scene, StopCost, WaitingJobs


def scene(
    jobs: Sequence[tuple[float, float]],
    series: Series | None,
    *,
    room: float = float("inf"),
    running: Sequence[float] = (),
    wait_h: float = 5,
    slot: float = HOUR,
) -> Scene:
    """Waiting jobs as (hours, units), running ones of one unit by the hours that are left."""
    count, busy = len(jobs), len(running)
    lengths = np.array([length for length, _ in jobs], dtype=float) * HOUR
    zeros, none = np.zeros(count, dtype=np.int64), np.zeros(busy, dtype=np.int64)
    waiting = WaitingJobs(
        ids=np.arange(count),
        arrived=np.full(count, START),
        earliest=np.full(count, START),
        latest=np.full(count, START + wait_h * HOUR),
        length=lengths,
        longest=lengths,
        units=np.array([units for _, units in jobs], dtype=float),
        pool=zeros,
        owner=zeros,
        planned=np.full(count, np.nan),
        stops=zeros,
        rests=lengths[:, None],
    )
    runs = RunningJobs(
        ids=np.arange(busy) + count,
        started=np.full(busy, START),
        rest=np.array(running, dtype=float) * HOUR,
        latest=np.full(busy, START),
        units=np.ones(busy),
        pool=none,
        owner=none,
        stops=none,
        can_stop=np.zeros(busy, dtype=np.bool_),
        rests=np.array(running, dtype=float).reshape(-1, 1) * HOUR,
    )
    return Scene(START, waiting, runs, np.array([room]), (series,), (None,), StopCost(), slot)


def hours(starts: np.ndarray) -> list[float]:
    return ((starts - START) / HOUR).tolist()


DAY = hourly([300, 200, 100, 50, 400, 300, 300, 300, 300, 300, 300, 300])


def test_greedy_takes_the_cleanest_start_where_nothing_limits_it() -> None:
    assert hours(greedy(scene([(1, 1), (2, 1)], DAY)).starts) == [3, 2]


def test_greedy_goes_where_there_is_room() -> None:
    """One unit: the first takes the hour of 50, the second that of 100, the third the next that is left."""
    assert hours(greedy(scene([(1, 1), (1, 1), (1, 1)], DAY, room=1)).starts) == [3, 2, 1]


def test_greedy_does_not_count_on_what_runs() -> None:
    assert hours(greedy(scene([(1, 1)], DAY, room=1, running=[4])).starts) == [5]


def test_greedy_is_late_rather_than_never() -> None:
    assert hours(greedy(scene([(1, 1)], DAY, room=1, running=[8])).starts) == [8]


def test_greedy_without_a_forecast_starts_as_soon_as_there_is_room() -> None:
    assert hours(greedy(scene([(1, 1), (1, 1)], None, room=1)).starts) == [0, 1]


shapes = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=8)


@given(shapes, st.integers(4, 8), st.lists(st.integers(1, 5), max_size=4))
def test_greedy_never_plans_more_than_there_is(
    jobs: list[tuple[int, int]], room: int, running: list[int]
) -> None:
    starts = hours(greedy(scene(jobs, DAY, room=room, running=running)).starts)
    reach = 2 * max(*running, 5 + max(length for length, _ in jobs)) + 2 if running else None
    busy = np.zeros(200)
    for rest in running:
        busy[:rest] += 1
    for (length, units), start in zip(jobs, starts, strict=True):
        if start != (reach or 2 * (5 + max(length for length, _ in jobs)) + 2):  # not placed in this cycle
            busy[int(start) : int(start) + length] += units
    assert busy.max() <= max(room, len(running))


# --- the congestion game


def cost(carbon_g: float, wait_h: float, crowd: float) -> float:
    return 4 * carbon_g / 82.66 + wait_h + 0.0005 * crowd / 9216


def test_a_job_that_plays_alone_weighs_carbon_against_waiting() -> None:
    """One hour, one kW, hours of 300, 200, 100, 50 g: 14.5, 10.7, 6.8 and 5.4 with the wait."""
    costs = [cost(grams, wait, 1) for wait, grams in enumerate((300, 200, 100, 50, 400))]
    assert costs.index(min(costs)) == 3
    assert hours(congestion_game(scene([(1, 1)], DAY), 1000).starts) == [3]


def test_a_job_waits_for_no_more_than_four_times_its_length() -> None:
    """Half an hour may wait two: hour 2 is the last it looks at."""
    assert hours(congestion_game(scene([(0.5, 1)], DAY), 1000).starts) == [2]


def test_crowding_keeps_large_jobs_apart() -> None:
    """On a flat day two jobs of 4,000 units: meeting costs 2 x 4000^2 x 2 slots, an hour's wait only 1."""
    flat = hourly([100] * 12)
    starts = hours(congestion_game(scene([(1, 4000), (1, 4000)], flat), 0).starts)
    assert sorted(starts) == [0, 1]


@given(shapes)
def test_in_the_end_nobody_gains_by_moving(jobs: list[tuple[int, int]]) -> None:
    watts = 1000.0
    starts = hours(congestion_game(scene(jobs, DAY), watts).starts)
    crowded = np.zeros(200)
    for (length, units), start in zip(jobs, starts, strict=True):
        crowded[int(2 * start) : int(2 * start) + 2 * length] += units
    for (length, units), start in zip(jobs, starts, strict=True):
        others = crowded.copy()
        others[int(2 * start) : int(2 * start) + 2 * length] -= units
        costs = []
        for slot in range(min(2 * 5, 8 * length) + 1):
            met = others[slot : slot + 2 * length]
            judged = min(length, 7)  # what the forecast knows behind the bound
            mean = float(DAY.means(np.array([START + slot * HOUR / 2]), judged * HOUR)[0])
            grams = mean * length * units
            costs.append(cost(grams, slot / 2, float(((met + units) ** 2 - met**2).sum())))
        assert costs[int(2 * start)] == pytest.approx(min(costs), abs=1e-9)
