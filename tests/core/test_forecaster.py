"""Our own forecast: from two days on, better with more, never negative, surer when fresh."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonslurm.core.forecast import Floats, Issue, Kind, Nature, Scope
from carbonslurm.core.forecaster import AHEAD, Model, Outlook, forecast, outgrown, train
from carbonslurm.core.hourly import Hourly, hour_of, start_of
from carbonslurm.errors import DataError

FIRST = hour_of(datetime(2026, 1, 5, tzinfo=UTC))  # a Monday
DAY = 24


def usual(hours: np.ndarray) -> Floats:
    """A grid with solar noons and cleaner weekends."""
    return 300 - 100 * np.cos((hours % DAY - 12) / 12 * np.pi) - 80.0 * ((hours // DAY + 3) % 7 >= 5)


def weather(count: int, seed: int = 1) -> Floats:
    """Errors that last for about a day."""
    made = np.random.default_rng(seed)
    found = np.zeros(count)
    for hour in range(1, count):
        found[hour] = 0.97 * found[hour - 1] + made.normal(0, 0.03)
    return found


def grid(days: int, seed: int = 1) -> Hourly:
    hours = FIRST + np.arange(days * DAY)
    return Hourly(FIRST, usual(hours) * np.exp(weather(len(hours), seed)))


def outlook(history: Hourly, age: int = 0, hours: int = 96) -> Outlook:
    return forecast(train(history), history, start_of(history.after + age), hours)


@pytest.fixture(scope="module")
def year() -> Hourly:
    return grid(230)


@pytest.fixture(scope="module")
def model(year: Hourly) -> Model:
    return train(year)


def test_less_than_two_known_days_are_too_few() -> None:
    short = grid(2).until(FIRST + 47)
    with pytest.raises(DataError, match="47 known hours are too few"):
        train(short)
    with pytest.raises(DataError, match="it takes 48"):
        forecast(train(grid(2)), short, start_of(FIRST + 48))


def test_two_days_are_enough_and_a_repeated_day_goes_on() -> None:
    day = usual(FIRST + np.arange(DAY))
    said = outlook(Hourly(FIRST, np.tile(day, 2)))
    assert said.hours.first == FIRST + 48
    assert said.hours.values == pytest.approx(np.tile(day, 4), rel=1e-6)


@pytest.mark.parametrize("days", [2, 5, 40, 120])
@pytest.mark.parametrize("level", [0.0, 1e-300, 4.0, 700.0])
def test_a_flat_grid_stays_flat(days: int, level: float) -> None:
    said = outlook(Hourly(FIRST, np.full(days * DAY, level)))
    assert said.hours.values == pytest.approx(np.full(96, level), rel=1e-3)


def test_more_history_is_better() -> None:
    """The baseline knows no weekend from another day; a learned map does."""
    errors = []
    for days in (5, 200):
        history = grid(214)
        first = FIRST + 200 * DAY
        model = train(Hourly(first - days * DAY, history.between(first - days * DAY, first)))
        found = []
        for start in range(first, history.after - 96, 5):
            said = forecast(model, history, start_of(start))
            found.append(np.abs(said.hours.values / history.between(start, start + 96) - 1).mean())
        errors.append(np.mean(found))
    assert errors[1] < 0.8 * errors[0]


def test_the_same_history_gives_the_same_forecast(year: Hourly, model: Model) -> None:
    again = train(Hourly(year.first, year.values.copy()))
    assert model.maps
    for mine, other in zip(model.maps, again.maps, strict=True):
        assert np.array_equal(mine.maps, other.maps)
    now = start_of(year.after)
    assert np.array_equal(forecast(model, year, now).hours.values, forecast(again, year, now).hours.values)


def test_a_model_is_outgrown_by_a_fifth_or_by_another_recipe() -> None:
    assert [outgrown(48, known) for known in (48, 57, 58)] == [False, False, True]
    assert [outgrown(34 * DAY, days * DAY) for days in (34, 35)] == [False, True]
    assert [outgrown(35 * DAY, days * DAY) for days in (36, 42)] == [False, True]
    assert [outgrown(200 * DAY, days * DAY) for days in (239, 240)] == [False, True]


def test_nothing_from_the_hour_of_issue_on_is_looked_at(year: Hourly, model: Model) -> None:
    hour = year.after - 100
    later = year.values.copy()
    later[hour - year.first :] = 9999
    now = start_of(hour) + timedelta(minutes=59)
    true, false = (forecast(model, history, now) for history in (year, Hourly(year.first, later)))
    assert true.hours.first == hour
    assert np.array_equal(true.hours.values, false.hours.values)
    assert np.array_equal(true.band.high, false.band.high)


def test_a_revision_is_heard_of(year: Hourly, model: Model) -> None:
    revised = year.values.copy()
    revised[-3:] *= 1.5
    now = start_of(year.after)
    before, after = (forecast(model, history, now) for history in (year, Hourly(year.first, revised)))
    assert (after.hours.values[:3] > before.hours.values[:3]).all()


@pytest.mark.parametrize("days", [4, 40, 150])
def test_an_old_measurement_makes_it_less_sure(days: int) -> None:
    history = grid(days)
    model = train(history)
    for age in (3, 28, 85):
        fresh, old = (forecast(model, history, start_of(history.after + hours)) for hours in (0, age))
        assert old.hours.first == history.after + age
        assert old.origin == history.after
        width = [(said.band.high - said.band.low)[:12] / said.hours.values[:12] for said in (fresh, old)]
        assert width[1].mean() > width[0].mean()


def test_beyond_what_a_model_knows_its_last_day_repeats(year: Hourly, model: Model) -> None:
    said = forecast(model, year, start_of(year.after), hours=AHEAD + 48).hours.values
    assert said[AHEAD:] == pytest.approx(np.tile(said[AHEAD - DAY : AHEAD], 2))


def test_the_band_holds_about_what_it_says(year: Hourly) -> None:
    """Trained on half of it, tried on the rest; 80 % within, give or take what 100 days can tell."""
    half = FIRST + 130 * DAY
    model = train(year.until(half))
    inside = []
    for start in range(half, year.after - 96, 31):
        said = forecast(model, year, start_of(start))
        actual = year.between(start, start + 96)
        inside.append((actual >= said.band.low) & (actual <= said.band.high))
    assert 0.7 < np.mean(inside) < 0.92


def test_a_gap_of_days_is_lived_through(year: Hourly, model: Model) -> None:
    holed = year.values.copy()
    for first, length in ((500, 2), (2000, 11), (3000, 85), (len(holed) - 120, 85)):
        holed[first : first + length] = np.nan
    said, whole = outlook(Hourly(year.first, holed)), forecast(model, year, start_of(year.after))
    assert np.isfinite(said.hours.values).all()
    assert np.abs(said.hours.values / whole.hours.values - 1).mean() < 0.1


def test_a_recent_past_shorter_than_a_window_still_gives_one(year: Hourly, model: Model) -> None:
    recent = Hourly(year.after - 50, year.values[-50:])
    said = forecast(model, recent, start_of(year.after))
    assert np.isfinite(said.hours.values).all()
    assert (said.band.low < said.hours.values).all()


def test_a_naive_moment_is_refused(year: Hourly, model: Model) -> None:
    with pytest.raises(DataError, match="without a zone"):
        forecast(model, year, datetime(2026, 12, 1))  # noqa: DTZ001


def test_it_becomes_an_issue_with_its_band(year: Hourly, model: Model) -> None:
    said = forecast(model, year, start_of(year.after))
    nature = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    now = start_of(year.after)
    issue = Issue(said.hours.series("GB", "own", nature), now, now, said.band)
    assert issue.series.horizon == now + timedelta(hours=96)


# --- for every history ---

values = st.none() | st.just(0.0) | st.floats(0, 3000)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(values, min_size=48, max_size=96),
    st.sampled_from([1, 2, 12, 18]),
    st.integers(0, 200),
)
def test_any_history_gives_finite_numbers_in_order(given: list[float | None], repeat: int, age: int) -> None:
    history = Hourly(FIRST, np.tile([np.nan if value is None else value for value in given], repeat))
    if history.known < 48:
        return
    said = outlook(history, age)
    assert len(said.hours.values) == 96
    assert np.isfinite(said.hours.values).all()
    assert (said.band.low >= 0).all()
    assert (said.band.low <= said.hours.values).all()
    assert (said.hours.values <= said.band.high).all()
    assert (said.band.high <= 1.25 * np.nanmax(history.values) + 1e-6).all()
