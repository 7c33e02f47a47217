"""joint: what its placements promise, by hand and for any scene."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import HOUR, Job, scene

from carbonslurm.core.forecast import Band
from carbonslurm.core.prices import Search
from carbonslurm.core.scene import Placement, Scene, StopCost
from carbonslurm.core.timetable import Joint, joint

DAY = [300.0] * 8 + [100.0] * 4 + [300.0] * 36
QUICK = Joint(search=Search(iterations=2), slots=30, rest=24)
NO_STOPS = StopCost(lost=300.0, max_stops=0)


def goes(placement: Placement, planned: Scene) -> list[bool]:
    """Whether each waiting job is to run now."""
    return [bool(start <= planned.now) for start in placement.starts]


def hours(placement: Placement, planned: Scene) -> list[float]:
    """In how many hours each starts."""
    return [round(float(start - planned.now) / HOUR, 2) for start in placement.starts]


def test_a_job_waits_for_the_clean_hours_of_its_slack() -> None:
    """Without a limit of room it is the lowest window."""
    planned = scene(DAY, [Job(12.0, (2.0,))], stop=NO_STOPS)
    assert hours(joint(planned, Joint()), planned) == [8.0]


def test_a_job_whose_slack_ends_before_it_is_clean_starts_at_once() -> None:
    """Waiting would gain nothing."""
    planned = scene(DAY, [Job(6.0, (2.0,))], stop=NO_STOPS)
    assert hours(joint(planned, Joint()), planned)[0] <= 1.0


def test_without_a_forecast_nobody_waits() -> None:
    """It leaves jobs to the queue."""
    planned = scene(None, [Job(12.0, (2.0,))])
    assert np.isnan(joint(planned, Joint()).starts).all()


def test_a_job_without_slack_runs_whatever_the_hour() -> None:
    """The promise comes before carbon."""
    planned = scene(DAY, [Job(0.0, (2.0,))], room=[1.0])
    assert goes(joint(planned, Joint()), planned) == [True]


def test_the_herd_does_not_meet_in_one_hour() -> None:
    """Four jobs of two hours, one place and four clean hours: two must run before or after."""
    planned = scene(DAY, [Job(20.0, (2.0,)) for _ in range(4)], room=[1.0], stop=NO_STOPS)
    starts = sorted(hours(joint(planned, Joint()), planned))
    assert (np.diff(starts) >= 2).all()
    assert {8.0, 10.0} <= set(starts)


def test_no_more_starts_than_there_is_room() -> None:
    """What fits is passed over, and later jobs may still fit."""
    planned = scene(
        [100.0] * 48, [Job(0.0, (1.0,), 3.0), Job(0.0, (2.0,), 2.0), Job(0.0, (5.0,))], room=[4.0]
    )
    assert goes(joint(planned, Joint()), planned) == [True, False, True]


def test_a_running_job_is_stopped_for_the_clean_hours() -> None:
    """Ten hours are left of it, and stopping costs five minutes."""
    planned = scene([500.0] * 8 + [50.0] * 12 + [500.0] * 28, running=[Job(20.0, (10.0,))])
    stops = joint(planned, Joint()).stops
    assert [stop.job for stop in stops] == [0]


def test_a_stop_that_loses_more_than_it_gains_is_none() -> None:
    """Two per cent are less than five minutes of four hours."""
    planned = scene([100.0] * 2 + [99.0] * 46, running=[Job(20.0, (4.0,))])
    assert joint(planned, Joint()).stops == ()


def test_no_stop_that_the_band_does_not_support() -> None:
    """Where the forecast may be wrong by more than the difference the job runs on."""
    values = np.array([300.0] * 8 + [200.0] * 40)
    job = Job(20.0, (10.0,))
    sure = Band(values - 5, values + 5)
    unsure = Band(values - 150, values + 150)
    assert joint(scene(values.tolist(), running=[job], band=sure), Joint()).stops
    assert not joint(scene(values.tolist(), running=[job], band=unsure), Joint()).stops


def test_what_may_not_be_stopped_runs_on() -> None:
    """Whatever the price."""
    values = [500.0] * 8 + [50.0] * 40
    assert joint(scene(values, running=[Job(20.0, (9.0,), can_stop=False)]), Joint()).stops == ()
    assert joint(scene(values, running=[Job(20.0, (9.0,))], stop=NO_STOPS), Joint()).stops == ()


def test_among_equals_the_owner_with_less_goes_first() -> None:
    """Five equal jobs of one owner, one of another, and two places."""
    jobs = [Job(4.0, (3.0,), owner=7) for _ in range(5)] + [Job(4.0, (3.0,), owner=8)]
    planned = scene([100.0] * 48, jobs, room=[2.0])
    assert goes(joint(planned, Joint()), planned) == [True, False, False, False, False, True]


def test_pools_do_not_mix() -> None:
    """A full pool keeps nobody out of another."""
    jobs = [Job(0.0, (2.0,), pool=0), Job(0.0, (2.0,), pool=0), Job(0.0, (2.0,), pool=1)]
    planned = scene([100.0] * 48, jobs, room=[1.0, 1.0])
    assert goes(joint(planned, Joint()), planned) == [True, False, True]


def sure(values: Sequence[float]) -> Band:
    """A band of no width."""
    return Band(np.array(values), np.array(values))


job_rows = st.builds(
    Job,
    slack=st.floats(0, 30),
    rests=st.tuples(st.floats(0.1, 60)),
    units=st.integers(1, 4).map(float),
    owner=st.integers(0, 3),
)
intensities = st.lists(st.floats(10, 900), min_size=30, max_size=40)


@settings(deadline=None, max_examples=25)
@given(values=intensities, waiting=st.lists(job_rows, max_size=12), running=st.lists(job_rows, max_size=3))
def test_never_more_units_than_there_are(values: list[float], waiting: list[Job], running: list[Job]) -> None:
    """Those that run on and those that start fit into the pool, if those that ran did."""
    room = max(8.0, sum(job.units for job in running))
    planned = scene(values, waiting, running, room=[room])
    placement = joint(planned, QUICK)
    stopped = {stop.job for stop in placement.stops}
    used = sum(job.units for index, job in enumerate(running) if index + len(waiting) not in stopped)
    used += sum(job.units for job, go in zip(waiting, goes(placement, planned), strict=True) if go)
    assert used <= room + 1e-6


@settings(deadline=None, max_examples=25)
@given(values=intensities, waiting=st.lists(job_rows, min_size=1, max_size=12))
def test_no_plan_past_a_bound(values: list[float], waiting: list[Job]) -> None:
    """With or without room, no job is withheld past its latest start."""
    for room in (float("inf"), 6.0):
        planned = scene(values, waiting, room=[room])
        starts = joint(planned, QUICK).starts
        assert (starts <= np.maximum(planned.waiting.latest, planned.now + 1.0) + 1e-3).all()


@settings(deadline=None, max_examples=25)
@given(values=intensities, waiting=st.lists(job_rows, min_size=1, max_size=8))
def test_the_same_scene_gives_the_same_placement(values: list[float], waiting: list[Job]) -> None:
    """Nothing is drawn by lot, and the jobs' order in the queue is all that breaks ties."""
    planned = scene(values, waiting, room=[5.0])
    first, again = joint(planned, QUICK), joint(planned, QUICK)
    np.testing.assert_array_equal(first.starts, again.starts)
    assert first.stops == again.stops


@settings(deadline=None, max_examples=25)
@given(values=intensities, job=job_rows)
def test_never_worse_than_not_to_wait(values: list[float], job: Job) -> None:
    """Where there is room for all, a job that is made to wait finds a window that is no dirtier."""
    whole = float(round(min(job.rests[0], 8.0)) or 1)
    planned = scene(values, [Job(float(int(job.slack)), (whole,))], stop=NO_STOPS)
    start = hours(joint(planned, QUICK), planned)[0]
    series = planned.forecasts[0]
    assert series is not None
    begins = planned.now + np.array([0.0, round(start) * HOUR])
    now, then = series.means(begins, whole * HOUR)
    assert np.isnan(then) or then <= now + 0.01 * np.mean(values)


def test_the_hour_that_everybody_wants_has_a_price() -> None:
    """And without iterations there is none."""
    planned = scene(DAY, [Job(9.0, (4.0,)) for _ in range(8)], room=[2.0])
    found = joint(planned, Joint()).scarcity
    none = joint(planned, Joint(search=Search(iterations=0))).scarcity
    assert found is not None
    assert none is not None
    assert found.g_per_kwh[0, 8:12].min() > 0
    assert not none.g_per_kwh.any()


@pytest.mark.parametrize("now", [0.0, 0.25, 0.9])
def test_prices_are_kept_within_their_slot(now: float) -> None:
    """They are searched for anew only once they are old."""
    jobs = [Job(9.0, (4.0,)) for _ in range(8)]
    first = joint(scene(DAY, jobs, room=[2.0]), Joint()).scarcity
    second = joint(scene(DAY, jobs, room=[2.0], now=now, scarcity=first), Joint()).scarcity
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.g_per_kwh, second.g_per_kwh)


def test_each_choice_is_explained_in_a_line() -> None:
    """Who waits, who may not, and who has no forecast."""
    jobs = [Job(12.0, (2.0,)), Job(0.0, (2.0,)), Job(0.0, (2.0,)), Job(0.0, (2.0,))]
    planned = scene(DAY, jobs, room=[4.0])
    said = joint(planned, Joint(explain=True)).reasons
    assert said[0].startswith("100 g/kWh then, 300 now")
    assert said[1:] == ("it may wait no longer",) * 3
    assert joint(scene(None, jobs), Joint(explain=True)).reasons == ("no usable forecast",) * 4


@settings(deadline=None, max_examples=60)
@given(
    values=intensities,
    width=st.floats(0, 300),
    growth=st.floats(0, 20),
    running=st.lists(job_rows, min_size=1, max_size=4),
    waiting=st.lists(job_rows, max_size=4),
)
def test_every_stop_is_one_that_the_band_supports(
    values: list[float], width: float, growth: float, running: list[Job], waiting: list[Job]
) -> None:
    """Where there is room, some hour ahead is surely cleaner than now, unlucky as both may be."""
    middle = np.array(values)
    miss = width + growth * np.arange(len(middle))
    band = Band(np.maximum(middle - miss, 0.0), middle + miss)
    stops = joint(scene(values, waiting, running, band=band), QUICK).stops
    assert not stops or band.high[1:].min() < band.low[0]


@settings(deadline=None, max_examples=25)
@given(
    values=st.lists(st.integers(10, 900).map(float), min_size=30, max_size=40),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8),
    slack=st.integers(0, 12),
)
def test_a_plan_is_never_worse_than_not_to_wait_under_the_forecast_it_used(
    values: list[float], lengths: list[int], slack: int
) -> None:
    """All starts that it names together, against everybody at once; a hundredth is what equals may cost."""
    jobs = [Job(float(slack), (float(length),)) for length in lengths]
    planned = scene(values, jobs, stop=NO_STOPS, band=sure(values))
    starts = [round(hour) for hour in hours(joint(planned, QUICK), planned)]
    so_far = np.cumsum([0.0, *values])
    ours, theirs = (
        sum(so_far[start + length] - so_far[start] for start, length in zip(begun, lengths, strict=True))
        for begun in (starts, [0] * len(jobs))
    )
    assert ours <= 1.01 * theirs
