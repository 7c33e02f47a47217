"""Emissions, baselines and savings: by hand, and what must hold for every set of runs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.baseline import Attempt, BeginChange, baselines, delay_caused
from carbonslurm.core.energy import Energy, Quality
from carbonslurm.core.footprint import figure, grams, percent_saved
from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)


def between(first: float, last: float) -> Interval:
    return Interval(START + first * HOUR, START + last * HOUR)


def hourly(*values: float, estimated: frozenset[int] = frozenset()) -> Series:
    steps = [Step(between(n, n + 1), value, n in estimated) for n, value in enumerate(values)]
    return Series.from_steps("GB", "toy", NATURE, steps)


DAY = hourly(300, 200, 100, 50, 400, 300)


def at(hours: float) -> datetime:
    return START + hours * HOUR


# --- grams ---


def test_energy_is_spread_evenly_and_each_hour_counts_with_its_own_intensity() -> None:
    assert grams(DAY, between(0, 2), kwh=2) == pytest.approx(300 + 200)
    assert grams(DAY, between(1.5, 3), kwh=3) == pytest.approx(200 + 2 * 100)


def test_unknown_intensity_gives_unknown_grams() -> None:
    assert grams(None, between(0, 1), kwh=1) is None
    assert grams(DAY, between(5, 7), kwh=1) is None


def test_no_energy_emits_nothing_whatever_the_grid_does() -> None:
    assert grams(None, between(0, 1), kwh=0) == 0


# --- baselines ---


def test_a_run_that_waited_has_its_baseline_at_its_first_possible_start() -> None:
    assert baselines([Attempt(between(3, 4), could_start=at(1))]) == [between(1, 2)]


def test_a_run_cannot_have_started_later_without_us() -> None:
    assert baselines([Attempt(between(3, 4), could_start=at(9))]) == [between(3, 4)]


def test_a_stopped_job_would_have_run_in_one_piece_without_the_lost_work() -> None:
    attempts = [
        Attempt(between(0, 2), could_start=at(0), lost=0.5 * HOUR),
        Attempt(between(5, 8), could_start=at(4), lost=0.25 * HOUR, continues=True),
    ]
    assert baselines(attempts) == [between(0, 1.5), between(1.5, 4.25)]


def test_a_job_that_slurm_requeued_starts_its_baseline_anew() -> None:
    attempts = [
        Attempt(between(3, 4), could_start=at(1)),
        Attempt(between(6, 8), could_start=at(5)),
    ]
    assert baselines(attempts) == [between(1, 2), between(5, 7)]


def test_a_second_stop_continues_what_the_first_continued() -> None:
    attempts = [
        Attempt(between(2, 3), could_start=at(0)),
        Attempt(between(5, 6), could_start=at(4), continues=True),
        Attempt(between(8, 9), could_start=at(7), continues=True),
    ]
    assert baselines(attempts) == [between(0, 1), between(1, 2), between(2, 3)]


# --- figures ---


def test_a_saving_by_hand() -> None:
    """One kWh in the hour of 50 instead of the hour of 300."""
    made = figure(
        ran=between(3, 4),
        baseline=between(0, 1),
        energy=Energy(1.0, "modelled", Quality.MODELLED),
        series=DAY,
        lost=timedelta(),
    )
    assert (made.emitted_g, made.baseline_g, made.saved_g) == (50, 300, 250)


def test_a_saving_may_be_negative_and_is_shown_so() -> None:
    made = figure(
        ran=between(4, 5),
        baseline=between(3, 4),
        energy=Energy(1.0, "modelled", Quality.MODELLED),
        series=DAY,
        lost=timedelta(),
    )
    assert made.saved_g == -350


def test_lost_work_counts_against_the_saving() -> None:
    """Two hours at 1 kW of which one was lost: the baseline has the energy of one."""
    made = figure(
        ran=between(0, 2),
        baseline=between(0, 1),
        energy=Energy(2.0, "modelled", Quality.MODELLED),
        series=DAY,
        lost=HOUR,
    )
    assert (made.emitted_g, made.baseline_g) == (500, 300)


@pytest.mark.parametrize("ends", [(5, 7, 0, 2), (0, 2, 5, 7)])
def test_one_unknown_side_makes_the_saving_unknown(ends: tuple[float, float, float, float]) -> None:
    made = figure(
        ran=between(*ends[:2]),
        baseline=between(*ends[2:]),
        energy=Energy(1.0, "modelled", Quality.MODELLED),
        series=DAY,
        lost=timedelta(),
    )
    assert made.saved_g is None


def test_without_a_series_energy_is_known_and_grams_are_not() -> None:
    made = figure(
        ran=between(0, 1),
        baseline=between(0, 1),
        energy=Energy(1.0, "slurm", Quality.MODELLED),
        series=None,
        lost=timedelta(),
    )
    assert (made.energy_kwh, made.emitted_g, made.nature, made.source) == (1.0, None, None, None)


def test_a_run_of_no_length_has_no_baseline_to_save_from() -> None:
    made = figure(
        ran=between(1, 1),
        baseline=between(0, 0),
        energy=Energy(0.0, "modelled", Quality.MODELLED),
        series=DAY,
        lost=timedelta(),
    )
    assert (made.emitted_g, made.baseline_g) == (0, 0)


@pytest.mark.parametrize(
    ("hour", "estimated"),
    [(0, True), (2, False), (4, True), (5, False)],
    ids=["base", "between", "run", "after"],
)
def test_a_figure_is_estimated_only_if_a_value_that_it_used_is(hour: int, estimated: bool) -> None:
    series = hourly(1, 2, 3, 4, 5, 6, estimated=frozenset({hour}))
    made = figure(
        ran=between(4, 5),
        baseline=between(0, 1),
        energy=Energy(1.0, "modelled", Quality.MODELLED),
        series=series,
        lost=timedelta(),
    )
    assert made.estimated is estimated


@pytest.mark.parametrize(
    ("emitted", "baseline", "percent"), [(50, 100, 50), (150, 100, -50), (5, 0, None), (0, 10, 100)]
)
def test_percents_are_of_the_baseline(emitted: float, baseline: float, percent: float | None) -> None:
    assert percent_saved(emitted, baseline) == percent


# --- properties ---

minutes = st.integers(1, 600).map(lambda count: timedelta(minutes=count))


@st.composite
def jobs(draw: st.DrawFn) -> list[Attempt]:
    """The attempts of one job, one behind the other, some stopped by us, some by others."""
    clock = START + draw(minutes)
    attempts: list[Attempt] = []
    for _ in range(draw(st.integers(1, 5))):
        could_start = clock
        start = could_start + draw(minutes)
        length = draw(minutes)
        lost = length * draw(st.sampled_from([0, 0.25, 1]))
        continues = bool(attempts) and draw(st.booleans())
        attempts.append(Attempt(Interval(start, start + length), could_start, lost, continues))
        clock = start + length
    return attempts


@given(jobs())
def test_baselines_and_lost_work_add_up_to_the_runs(attempts: list[Attempt]) -> None:
    made = baselines(attempts)
    assert [one.length + two.lost for one, two in zip(made, attempts, strict=True)] == [
        attempt.ran.length for attempt in attempts
    ]


@given(jobs())
def test_no_baseline_starts_later_than_its_run(attempts: list[Attempt]) -> None:
    assert all(one.start <= two.ran.start for one, two in zip(baselines(attempts), attempts, strict=True))


@given(jobs())
def test_without_stops_and_waits_every_run_is_its_own_baseline(attempts: list[Attempt]) -> None:
    alone = [Attempt(attempt.ran, attempt.ran.start) for attempt in attempts]
    assert baselines(alone) == [attempt.ran for attempt in attempts]


SERIES = hourly(*(float(100 + 37 * n % 400) for n in range(200)))


@given(st.integers(0, 100), minutes, minutes, st.floats(0, 100))
def test_cutting_a_run_in_two_changes_no_grams(
    first: int, one: timedelta, two: timedelta, kwh: float
) -> None:
    start = at(first)
    share = one / (one + two)
    whole = grams(SERIES, Interval(start, start + one + two), kwh)
    left = grams(SERIES, Interval(start, start + one), kwh * share)
    right = grams(SERIES, Interval(start + one, start + one + two), kwh * (1 - share))
    assert whole is not None
    assert left is not None
    assert right is not None
    assert left + right == pytest.approx(whole, abs=1e-6)


@given(jobs(), st.floats(0.001, 50))
def test_energy_of_the_baselines_is_that_of_the_runs_less_the_lost(
    attempts: list[Attempt], kilowatts: float
) -> None:
    """At a flat 100 g/kWh grams are energy: what is saved is minus what the lost work took."""
    flat = Series.from_steps("GB", "toy", NATURE, [Step(between(0, 10_000), 100.0)])
    for attempt, baseline in zip(attempts, baselines(attempts), strict=True):
        kwh = kilowatts * (attempt.ran.length / HOUR)
        made = figure(
            ran=attempt.ran,
            baseline=baseline,
            energy=Energy(kwh, "modelled", Quality.MODELLED),
            series=flat,
            lost=attempt.lost,
        )
        assert made.saved_g == pytest.approx(-100 * kilowatts * (attempt.lost / HOUR), abs=1e-4)


# --- the delay that is ours ---


def change(hour: float, until: float | None) -> BeginChange:
    return BeginChange(at(hour), None if until is None else at(until))


@pytest.mark.parametrize(
    ("changes", "eligible", "started", "hours"),
    [
        ([change(0, 5)], 0, 5, 5),
        ([change(0, 5)], 0, 7, 5),  # the cluster was full, or the array throttled, from 5 to 7
        ([change(0, 5)], 2, 5, 3),  # its dependencies were met at 2
        ([change(0, 5), change(3, 8)], 0, 8, 8),
        ([change(0, 5), change(3, None)], 0, 3, 3),  # we let it go early
        ([change(0, 5), change(2, None)], 0, 99, 2),  # its owner moved it to next week
        ([change(0, 5)], 0, 3, 3),  # its owner started it
        ([change(4, 5)], 0, 5, 1),  # held by its owner until 4
        ([], 0, 5, 0),
        ([change(0, None)], 0, 5, 0),
    ],
)
def test_only_the_delay_that_we_alone_caused_is_ours(
    changes: list[BeginChange], eligible: float, started: float, hours: float
) -> None:
    assert delay_caused(changes, at(eligible), at(started)) == hours * HOUR


@given(
    st.lists(st.tuples(st.floats(0, 9), st.none() | st.floats(0, 20)), max_size=5),
    st.none() | st.floats(0, 9),
    st.floats(9, 30),
)
def test_no_delay_is_longer_than_the_wait(
    made: list[tuple[float, float | None]], eligible: float | None, started: float
) -> None:
    changes = [change(hour, until) for hour, until in sorted(made, key=lambda pair: pair[0])]
    caused = delay_caused(changes, None if eligible is None else at(eligible), at(started))
    first = min((it.at for it in changes), default=at(started))
    assert timedelta() <= caused <= at(started) - first
