"""joint under forecasts that are wrong: what must hold whatever they say."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traces import DAY, HOUR, START, J, hourly, simulated, trace_of

from carbonslurm.core.forecast import Band, Issue, Series
from carbonslurm.core.interval import from_epoch
from carbonslurm.sim.foresight import Issued, Judged, Own, Perfect, Persistence

WEEKS = 24 * 21
jobs = st.lists(
    st.builds(
        J,
        at=st.integers(0, 24).map(float),
        length=st.integers(1, 16).map(lambda half: half / 2),
        units=st.integers(1, 3).map(float),
    ),
    min_size=1,
    max_size=8,
)
values = st.lists(st.integers(1, 900), min_size=24, max_size=60)
few = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])


def day_after_day(steps: list[int], start: float = START) -> Series:
    return hourly(np.resize(np.array(steps, dtype=float), WEEKS).tolist(), start)


def issued(said: list[int], width: int | None) -> Issued:
    """One forecast for all that comes, with a band so wide or with none."""
    series = day_after_day(said, START - DAY)
    band = None if width is None else Band(np.maximum(series.values - width, 0.0), series.values + width)
    moment = from_epoch(START - DAY)
    return Issued([Issue(series, moment, moment, band)])


@few
@given(
    work=jobs,
    came=values,
    said=values,
    width=st.sampled_from([None, 0, 50, 400]),
    wait=st.integers(0, 12),
    units=st.sampled_from([3.0, 5.0, float("inf")]),
)
def test_promises_hold_where_there_is_room_and_work_is_conserved(
    work: list[J], came: list[int], said: list[int], width: int | None, wait: int, units: float
) -> None:
    truth, trace = day_after_day(came), trace_of(work)
    done = simulated("joint", work, truth, wait_h=wait, units=units, foresight=issued(said, width))
    outcome = done.outcome
    lasted = np.bincount(outcome.run_job, outcome.run_end - outcome.run_start, minlength=len(trace))
    np.testing.assert_allclose(lasted, trace.length + outcome.lost, rtol=0, atol=1e-3)
    if np.isinf(units):
        waited = outcome.end - trace.arrival - trace.length
        assert waited.max() <= wait * HOUR + 600.0
        assert (outcome.first_start <= trace.arrival + wait * HOUR + 600.0).all()


@few
@given(came=values, said=values, work=jobs)
def test_who_is_late_is_late_for_want_of_room(came: list[int], said: list[int], work: list[J]) -> None:
    """One pool that holds everybody at once: nobody is, whatever was forecast."""
    room = sum(job.units for job in work)
    done = simulated("joint", work, day_after_day(came), wait_h=6, units=room, foresight=issued(said, None))
    assert (done.outcome.first_start <= trace_of(work).arrival + 6 * HOUR + 600.0).all()


def test_a_forecast_that_lies_each_day_is_found_out() -> None:
    """It calls the dirty noon clean; after two weeks of that nobody waits for it, nor stops for it."""
    day = [100] * 10 + [400] * 4 + [100] * 10
    truth = day_after_day(day)
    lies = [400] * 10 + [100] * 4 + [400] * 10
    moments = [from_epoch(START + hour * HOUR) for hour in range(WEEKS - 96)]
    issues = []
    for place, moment in enumerate(moments):
        series = hourly(np.roll(lies * 4, -place).astype(float).tolist(), START + place * HOUR)
        issues.append(Issue(series, moment, moment))
    work = [J(14 * 24 + hour, 3) for hour in range(8)]
    done = simulated("joint", work, truth, wait_h=12, foresight=Issued(issues))
    fooled = simulated("lowest-window", work, truth, wait_h=12, foresight=Issued(issues))
    assert done.row.relative == pytest.approx(1.0, abs=0.2)
    assert fooled.row.relative is not None
    assert fooled.row.relative > 2
    assert done.row.stops == 0


def test_the_truth_is_believed_and_what_has_a_past_is_judged_by_it() -> None:
    draw = np.random.default_rng(1)
    truth = hourly((300 + 100 * np.sin(np.arange(WEEKS) / 4) + draw.normal(0, 60, WEEKS)).tolist())
    now = START + 15 * DAY
    certain = Judged(Perfect(truth), truth).at(now)
    assert certain is not None
    assert certain[0] is truth
    for forecast in (Persistence(truth), Own(truth)):
        plain, judged = forecast.at(now), Judged(forecast, truth).at(now)
        assert plain is not None
        assert judged is not None
        assert judged[1] is not None
        ahead = truth.means(now + HOUR * np.arange(48), HOUR)
        misses = [
            np.abs(found[0].means(now + HOUR * np.arange(48), HOUR) - ahead).mean()
            for found in (plain, judged)
        ]
        assert misses[1] < 1.1 * misses[0]
        no_past = Judged(forecast, truth).at(START + 2.5 * DAY)
        assert no_past is not None
        assert no_past[1] is None or isinstance(forecast, Own)
