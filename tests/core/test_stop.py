"""Stops: when one pays, and the table of how it is done, walked along every path."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import JobKey, JobState, QueuedJob
from carbonslurm.core.stop import (
    OVER,
    TABLE,
    Command,
    ControllerFacts,
    Phase,
    Seen,
    Sight,
    StopInFlight,
    StopRules,
    controller_settled,
    see,
    step,
)
from carbonslurm.core.tag import Checkpoint, FlexibleBy, Tag
from carbonslurm.core.worth import worth_stopping
from carbonslurm.sim.job import SimulatedJob, Submission

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
CHECKPOINT = Checkpoint("USR1", 2 * MINUTE, full=False, restart=None)
TAG = Tag(flex=12 * HOUR, by=FlexibleBy.OWNER, checkpoint=CHECKPOINT)
RULES = StopRules(restart=5 * MINUTE, min_saving=0.1, settle=MINUTE)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)


def hourly(*values: float) -> Series:
    steps = [
        Step(Interval(NOW + number * HOUR, NOW + (number + 1) * HOUR), value)
        for number, value in enumerate(values)
    ]
    return Series.from_steps("GB", "toy", NATURE, steps)


def a_run(checkpoint: Checkpoint | None = CHECKPOINT) -> QueuedJob:
    wants = Submission(9 * HOUR, tag=replace(TAG, checkpoint=checkpoint))
    job = SimulatedJob(JobKey("toy", 1), wants, NOW - HOUR, NOW - HOUR).queued()
    return replace(job, state=JobState.RUNNING, started=NOW - HOUR)


# --- when it pays ---


def test_a_stop_pays_by_hand() -> None:
    """Two hours left at 600; from hour three on it is 60. Lost: 2 min at 600 and 5 min of loading at 60."""
    series = hourly(600, 600, 600, *[60] * 9)
    worth = worth_stopping(a_run(), 2 * HOUR, NOW + 12 * HOUR, series, NOW, RULES)
    assert worth is not None
    assert worth.restart_at == NOW + 3 * HOUR
    assert (worth.g_per_kwh_now, worth.g_per_kwh_then) == (600, 60)
    going_on, stopping = 2 * 600, 2 / 60 * 600 + (2 + 5 / 60) * 60
    assert worth.saved_g_per_w == pytest.approx((going_on - stopping) / 1000)


def test_a_run_that_is_nearly_over_is_left_alone() -> None:
    series = hourly(600, 600, 600, *[60] * 9)
    for rest, stops in ((RULES.min_run, True), (RULES.min_run - MINUTE, False)):
        worth = worth_stopping(a_run(), rest, NOW + 12 * HOUR, series, NOW, RULES)
        assert (worth is not None) is stops


def test_the_tags_own_restart_time_counts() -> None:
    series = hourly(600, 600, 600, *[60] * 9)
    slow = a_run(replace(CHECKPOINT, restart=HOUR))
    worth = worth_stopping(slow, 2 * HOUR, NOW + 12 * HOUR, series, NOW, RULES)
    assert worth is not None
    assert worth.saved_g_per_w == pytest.approx((1200 - 20 - 180) / 1000)


@pytest.mark.parametrize(
    ("rest", "bound", "series"),
    [
        pytest.param(2 * HOUR, NOW + 12 * HOUR, hourly(*[600] * 12), id="no cleaner hour"),
        pytest.param(2 * HOUR, NOW + 12 * HOUR, hourly(100, 100, 100, *[90] * 9), id="saves too little"),
        pytest.param(2 * HOUR, NOW + 2 * MINUTE, hourly(*[600] * 3, *[60] * 9), id="cannot be back in time"),
        pytest.param(timedelta(), NOW + 12 * HOUR, hourly(*[600] * 3, *[60] * 9), id="nothing left to run"),
        pytest.param(-HOUR, NOW + 12 * HOUR, hourly(*[600] * 3, *[60] * 9), id="longer than predicted"),
        pytest.param(20 * HOUR, NOW + 12 * HOUR, hourly(*[600] * 3, *[60] * 9), id="past the horizon"),
        pytest.param(2 * HOUR, NOW + 12 * HOUR, hourly(*[0] * 12), id="nothing to save from"),
    ],
)
def test_a_stop_that_does_not_pay_is_none(rest: timedelta, bound: datetime, series: Series) -> None:
    assert worth_stopping(a_run(), rest, bound, series, NOW, RULES) is None


def test_a_job_that_cannot_checkpoint_is_never_stopped() -> None:
    series = hourly(600, 600, 600, *[60] * 9)
    assert worth_stopping(a_run(None), 2 * HOUR, NOW + 12 * HOUR, series, NOW, RULES) is None


@given(
    values=st.lists(st.floats(0, 900), min_size=4, max_size=30),
    rest=st.integers(1, 900),
    bound=st.integers(0, 1800),
    share=st.floats(0, 0.5),
)
def test_a_worthy_stop_restarts_within_its_bound_and_saves_its_share(
    values: list[float], rest: int, bound: int, share: float
) -> None:
    series, left = hourly(*values), rest * MINUTE
    rules = replace(RULES, min_saving=share)
    worth = worth_stopping(a_run(), left, NOW + bound * MINUTE, series, NOW, rules)
    if worth is None:
        return
    assert NOW + CHECKPOINT.grace + RULES.settle <= worth.restart_at <= NOW + bound * MINUTE
    going_on = (series.mean(Interval(NOW, NOW + left)) or 0) * (left / HOUR) / 1000
    assert worth.saved_g_per_w >= share * going_on - 1e-9


# --- a slurmctld that is freshly back ---


@pytest.mark.parametrize(
    ("up", "silent", "settled"),
    [
        (HOUR, None, True),
        (4 * MINUTE, None, False),  # started within SlurmdTimeout
        (HOUR, 4 * MINUTE, False),  # did not answer within it
        (HOUR, HOUR, True),
        (5 * MINUTE, None, False),  # just at it: not yet
    ],
)
def test_slurmctld_must_have_been_there_for_longer_than_its_slurmds_may_be_silent(
    up: timedelta, silent: timedelta | None, settled: bool
) -> None:
    facts = ControllerFacts(NOW - up, slurmd_timeout=5 * MINUTE)
    last_failure = None if silent is None else NOW - silent
    assert controller_settled(facts, last_failure, NOW) is settled


# --- the table ---

PHASES = [phase for phase in Phase if phase not in OVER]


def test_every_phase_that_is_not_over_reaches_an_end() -> None:
    for phase in PHASES:
        assert TABLE[phase, Seen.ENDED] == (Command.NOTHING, Phase.ENDED)
        assert TABLE[phase, Seen.AGAIN_RUNNING] == (Command.NOTHING, Phase.ENDED)


def test_what_is_over_stays_over() -> None:
    assert not [phase for phase, _ in TABLE if phase in OVER]


def test_a_requeue_is_told_only_to_a_job_that_is_seen_running() -> None:
    told = {seen for (_, seen), (command, _) in TABLE.items() if command is Command.REQUEUE}
    assert told <= {Seen.RUNNING, Seen.SAVED, Seen.OUT_OF_GRACE}


def test_a_begin_time_is_told_only_to_a_job_that_waits_again() -> None:
    told = {seen for (_, seen), (command, _) in TABLE.items() if command is Command.DELAY}
    assert told == {Seen.AGAIN_WAITING, Seen.AGAIN_FORGOTTEN}


def test_a_signal_is_told_only_once() -> None:
    told = {key for key, (command, _) in TABLE.items() if command is Command.SIGNAL}
    assert told == {(Phase.INTENDED, Seen.RUNNING)}
    assert not [key for key, (_, phase) in TABLE.items() if phase is Phase.INTENDED]


def test_phases_never_go_back() -> None:
    order = [*PHASES, Phase.DONE, Phase.ENDED, Phase.ABANDONED]
    assert all(order.index(after) >= order.index(before) for (before, _), (_, after) in TABLE.items())


def stop_in(phase: Phase, signalled: datetime | None = None) -> StopInFlight:
    return StopInFlight(
        action=1,
        key=JobKey("toy", 1),
        spec="1",
        restarts=0,
        checkpoint=CHECKPOINT,
        restart_at=NOW + 3 * HOUR,
        phase=phase,
        signalled_at=signalled,
    )


def sight(state: JobState, restarts: int = 0, eligible: datetime | None = NOW, saved: bool = False) -> Sight:
    return Sight(state, restarts, eligible, NOW - HOUR, saved)


@pytest.mark.parametrize(
    ("shown", "seen"),
    [
        (None, Seen.ENDED),
        (sight(JobState.ENDED), Seen.ENDED),
        (sight(JobState.ENDED, restarts=1), Seen.ENDED),
        (sight(JobState.RUNNING), Seen.RUNNING),
        (sight(JobState.RUNNING, saved=True), Seen.SAVED),
        (sight(JobState.COMPLETING), Seen.LEAVING),
        (sight(JobState.SUSPENDED), Seen.SUSPENDED),
        (sight(JobState.COMPLETING, restarts=1), Seen.AGAIN_WAITING),
        (sight(JobState.PENDING, restarts=1), Seen.AGAIN_WAITING),
        (sight(JobState.PENDING, restarts=1, eligible=NOW + 3 * HOUR), Seen.AGAIN_DELAYED),
        (sight(JobState.RUNNING, restarts=1), Seen.AGAIN_RUNNING),
    ],
)
def test_what_slurm_shows_is_read_against_the_run_that_was_meant(shown: Sight | None, seen: Seen) -> None:
    assert see(stop_in(Phase.SIGNALLED, NOW), shown, NOW) is seen


def test_a_grace_is_over_only_after_the_signal() -> None:
    late = NOW + CHECKPOINT.grace
    assert see(stop_in(Phase.SIGNALLED, NOW), sight(JobState.RUNNING), late - MINUTE) is Seen.RUNNING
    assert see(stop_in(Phase.SIGNALLED, NOW), sight(JobState.RUNNING), late) is Seen.OUT_OF_GRACE
    assert see(stop_in(Phase.INTENDED), sight(JobState.RUNNING), late + HOUR) is Seen.RUNNING


def test_a_word_from_before_the_signal_acknowledges_nothing() -> None:
    assert see(stop_in(Phase.INTENDED), sight(JobState.RUNNING, saved=True), NOW) is Seen.RUNNING


@pytest.mark.parametrize("phase", [Phase.INTENDED, Phase.SIGNALLED])
def test_a_stop_whose_restart_has_come_is_abandoned_and_the_job_runs_on(phase: Phase) -> None:
    """The daemon was away for hours: stopping now would only lose work."""
    back = NOW + 3 * HOUR
    told = step(stop_in(phase, NOW), sight(JobState.RUNNING), back)
    assert told == (Command.NOTHING, Phase.ABANDONED, Seen.TOO_LATE)


def test_a_requeue_that_slurm_lost_is_told_again_however_late() -> None:
    told = step(stop_in(Phase.REQUEUED, NOW), sight(JobState.RUNNING), NOW + 3 * HOUR)
    assert told == (Command.REQUEUE, Phase.REQUEUED, Seen.OUT_OF_GRACE)


def test_a_signal_that_may_have_been_sent_is_not_sent_again() -> None:
    """Killed, or the disk full, between the signal and its note."""
    stop = stop_in(Phase.SIGNALLING, NOW)
    assert step(stop, sight(JobState.RUNNING), NOW) == (Command.NOTHING, Phase.SIGNALLING, Seen.RUNNING)
    late = NOW + CHECKPOINT.grace
    assert step(stop, sight(JobState.RUNNING), late)[:2] == (Command.NOTHING, Phase.ABANDONED)
    assert step(stop, sight(JobState.RUNNING, saved=True), NOW)[:2] == (Command.REQUEUE, Phase.REQUEUED)


def test_a_suspended_job_is_left_to_whoever_suspended_it() -> None:
    told = step(stop_in(Phase.SIGNALLED, NOW), sight(JobState.SUSPENDED), NOW)
    assert told == (Command.NOTHING, Phase.ABANDONED, Seen.SUSPENDED)


def test_a_requeue_that_a_dead_slurmctld_forgot_is_told_again() -> None:
    told = step(stop_in(Phase.DELAYED, NOW), sight(JobState.RUNNING), NOW + CHECKPOINT.grace)
    assert told == (Command.REQUEUE, Phase.DELAYED, Seen.OUT_OF_GRACE)


def test_a_begin_time_that_a_dead_slurmctld_forgot_is_set_again() -> None:
    stop = replace(stop_in(Phase.DELAYED, NOW - MINUTE), delayed_at=NOW)
    waits = sight(JobState.PENDING, restarts=1, eligible=NOW + MINUTE)
    crashed = step(stop, waits, NOW, NOW + timedelta(seconds=3))
    assert crashed == (Command.DELAY, Phase.DELAYED, Seen.AGAIN_FORGOTTEN)
    saved = NOW + timedelta(seconds=-9)  # the state that it came back with may be older than our word
    assert step(stop, waits, NOW, saved)[0] is Command.DELAY
    for started in (NOW - MINUTE, None):
        spoken = step(stop, waits, NOW, started)
        assert spoken == (Command.NOTHING, Phase.DONE, Seen.AGAIN_WAITING)


# --- every path ---

SIGHTS = [
    None,
    sight(JobState.ENDED),
    sight(JobState.RUNNING),
    sight(JobState.RUNNING, saved=True),
    sight(JobState.COMPLETING),
    *(
        sight(state, restarts=1, eligible=eligible)
        for state, eligible in product(
            (JobState.COMPLETING, JobState.PENDING, JobState.RUNNING), (NOW, NOW + 3 * HOUR)
        )
    ),
]


def walked(path: list[tuple[Sight | None, int]]) -> Iterator[tuple[Command, Phase, Sight | None]]:
    """Follow a stop along what Slurm shows, some seconds apart, until it is over."""
    stop, now = stop_in(Phase.INTENDED), NOW
    for shown, seconds in path:
        now += timedelta(seconds=seconds)
        command, phase, _ = step(stop, shown, now)
        signalled = now if command is Command.SIGNAL else stop.signalled_at
        stop = replace(stop, phase=phase, signalled_at=signalled)
        yield command, phase, shown
        if phase in OVER:
            return


paths = st.lists(st.tuples(st.sampled_from(SIGHTS), st.integers(1, 200)), min_size=1, max_size=12)


@given(paths)
def test_on_every_path_the_rules_hold(path: list[tuple[Sight | None, int]]) -> None:
    steps = list(walked(path))
    commands = [command for command, _, _ in steps]
    assert commands.count(Command.SIGNAL) <= 1
    for command, _, shown in steps:
        if command in {Command.SIGNAL, Command.REQUEUE}:
            assert shown is not None
            assert (shown.state, shown.restarts) == (JobState.RUNNING, 0)
        if command is Command.DELAY:
            assert shown is not None
            assert shown.restarts == 1
    if Command.REQUEUE in commands:
        assert Command.SIGNAL in commands[: commands.index(Command.REQUEUE)]


@given(paths, st.sampled_from([sight(JobState.ENDED), None, sight(JobState.RUNNING, restarts=1)]))
def test_every_path_ends_once_the_job_ended_or_runs_again(
    path: list[tuple[Sight | None, int]], last: Sight | None
) -> None:
    assert [phase for _, phase, _ in walked([*path, (last, 1)])][-1] in OVER


@given(paths)
def test_a_job_that_waits_again_as_planned_ends_the_stop(path: list[tuple[Sight | None, int]]) -> None:
    last = sight(JobState.PENDING, restarts=1, eligible=NOW + 3 * HOUR)
    assert [phase for _, phase, _ in walked([*path, (last, 1)])][-1] in OVER
