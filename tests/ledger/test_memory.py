"""What is ours: the intent log read back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.job import Queue
from carbonslurm.core.ownership import Compensation, Known
from carbonslurm.core.stop import Phase
from carbonslurm.errors import DataError
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Outcome, OutcomeState

Hours = Callable[[float], datetime]
STANDING = [OutcomeState.APPLIED, OutcomeState.CONFIRMED, OutcomeState.UNCERTAIN, OutcomeState.OVERRIDDEN]


def _do(
    ledger: Ledger, verb: Verb, job: Any, at: datetime, *states: OutcomeState | Phase, **more: Any
) -> int:
    cycle = ledger.begin_cycle(at, observe=more.pop("observe", False))
    (number,) = ledger.intend(cycle, [Action(verb, job, "a reason", **more)], at)
    for state in states:
        if isinstance(state, Phase):
            ledger.advance_stop(number, state, at)
        else:
            ledger.settle({number: Outcome(state, at)})
    return number


def _known(ledger: Ledger, job: Any) -> Known:
    return ledger.known(Queue(job.submitted, (job,)))[job.key]


def _change(known: Known) -> tuple[object, ...]:
    """What our last change was: restarts, begin time set, the one before, the action's number."""
    (claim,) = known.claims
    return (claim.restarts, claim.set_to, claim.before, claim.action)


@pytest.mark.parametrize("states", [[], *([state] for state in STANDING)])
def test_a_withhold_is_our_claim_once_written(
    ledger: Ledger, make_job: Any, clock: Hours, states: list[OutcomeState]
) -> None:
    """Unsettled too: it may have been applied before the daemon died."""
    number = _do(ledger, Verb.WITHHOLD, make_job(), clock(0), *states, until=clock(5))
    assert _change(_known(ledger, make_job())) == (0, clock(5), clock(0), number)


def test_a_release_claims_that_nothing_is_set(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    _do(ledger, Verb.WITHHOLD, make_job(), clock(0), OutcomeState.CONFIRMED, until=clock(5))
    number = _do(ledger, Verb.RELEASE, make_job(eligible=clock(5)), clock(1), OutcomeState.APPLIED)
    assert _change(_known(ledger, make_job())) == (0, None, clock(5), number)


def test_what_slurm_refused_leaves_the_claim_before_it(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    number = _do(ledger, Verb.WITHHOLD, make_job(), clock(0), OutcomeState.CONFIRMED, until=clock(5))
    _do(ledger, Verb.WITHHOLD, make_job(eligible=clock(5)), clock(1), OutcomeState.REFUSED, until=clock(6))
    assert _change(_known(ledger, make_job())) == (0, clock(5), clock(0), number)


def test_what_slurm_forgot_uncovers_the_claim_before_it(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    _do(ledger, Verb.WITHHOLD, make_job(), clock(0), OutcomeState.CONFIRMED, until=clock(5))
    _do(
        ledger,
        Verb.WITHHOLD,
        make_job(),
        clock(1),
        OutcomeState.APPLIED,
        OutcomeState.FORGOTTEN,
        until=clock(6),
    )
    (claim,) = _known(ledger, make_job()).claims
    assert claim.set_to == clock(5)


def test_what_was_only_observed_is_never_ours(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    cycle = ledger.begin_cycle(clock(0), observe=True)
    for verb in (Verb.WITHHOLD, Verb.STOP):
        ledger.observe(cycle, [Action(verb, make_job(), "a reason", until=clock(5))], clock(0))
    assert _known(ledger, make_job()) == Known(watched=(Verb.STOP, clock(5), 0))
    assert ledger.stops_in_flight("green") == []


def test_hands_off_is_for_this_job_and_for_good(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    _do(ledger, Verb.LEAVE, make_job(), clock(0))
    assert not _known(ledger, make_job()).hands_off
    _do(ledger, Verb.LEAVE, make_job(), clock(0), final=True)
    assert _known(ledger, make_job()).hands_off
    assert _known(ledger, make_job(restarts=1, submitted=clock(3))).hands_off
    reused = make_job(submitted=clock(9))
    assert ledger.known(Queue(clock(9), (reused,))) == {}


def test_a_stop_goes_through_its_phases(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    job = make_job(started=clock(1))
    number = _do(ledger, Verb.STOP, job, clock(2), until=clock(6))
    (stop,) = ledger.stops_in_flight("green")
    assert (stop.action, stop.key, stop.phase) == (number, job.key, Phase.INTENDED)
    assert (stop.restart_at, stop.checkpoint, stop.signalled_at) == (clock(6), job.tag.checkpoint, None)

    ledger.advance_stop(number, Phase.SIGNALLED, clock(3))
    ledger.advance_stop(number, Phase.SIGNALLED, clock(4))
    (stop,) = ledger.stops_in_flight("green")
    assert (stop.phase, stop.signalled_at) == (Phase.SIGNALLED, clock(3))
    assert (_known(ledger, job).stopping, _known(ledger, job).stops) == (True, 0)

    ledger.advance_stop(number, Phase.REQUEUED, clock(4))
    assert (_known(ledger, job).stopping, _known(ledger, job).stops) == (True, 1)
    assert _known(ledger, job).claims == ()

    ledger.advance_stop(number, Phase.DELAYED, clock(4))
    assert _change(_known(ledger, job)) == (1, clock(6), None, number)

    ledger.settle({number: Outcome(OutcomeState.CONFIRMED, clock(5))})
    ledger.advance_stop(number, Phase.DONE, clock(5))
    ledger.settle({number: Outcome(OutcomeState.CONFIRMED, clock(6))})
    known = _known(ledger, job)
    assert (known.stopping, known.stops) == (False, 1)
    assert _change(known) == (1, clock(6), None, number)
    assert ledger.stops_in_flight("green") == []
    assert ledger.stops_in_flight("blue") == []

    ledger.settle({number: Outcome(OutcomeState.FORGOTTEN, clock(7))})
    assert _known(ledger, job).claims == ()


@pytest.mark.parametrize("phase", [Phase.ENDED, Phase.ABANDONED])
def test_a_stop_that_came_to_nothing_counts_as_none(
    ledger: Ledger, make_job: Any, clock: Hours, phase: Phase
) -> None:
    _do(ledger, Verb.STOP, make_job(), clock(2), Phase.SIGNALLED, phase, until=clock(6))
    assert _known(ledger, make_job()) == Known()


def test_a_confirmation_repeated_each_cycle_is_written_once(
    ledger: Ledger, make_job: Any, clock: Hours
) -> None:
    number = _do(ledger, Verb.WITHHOLD, make_job(), clock(0), OutcomeState.APPLIED, until=clock(5))
    for hour in range(1, 5):
        ledger.settle({number: Outcome(OutcomeState.CONFIRMED, clock(hour))})
    (deed,) = _deeds(ledger)
    assert deed.outcomes == ((OutcomeState.APPLIED, clock(0)), (OutcomeState.CONFIRMED, clock(1)))


def _deeds(ledger: Ledger) -> Any:
    from carbonslurm.ledger.deeds import read_deeds
    from carbonslurm.ledger.tables import ACTION

    with ledger._database.reading() as connection:  # noqa: SLF001
        return read_deeds(connection, ACTION.c.id > 0)


def test_intents_are_written_all_or_none(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    good = Action(Verb.WITHHOLD, make_job(), "a reason", until=clock(5))
    bad = Action(Verb.WITHHOLD, make_job(8), "a reason", until=datetime(2026, 11, 22, 5))  # noqa: DTZ001
    with pytest.raises(DataError, match="time without a zone"):
        ledger.intend(None, [good, bad], clock(0))
    with pytest.raises(ValueError, match="needs a restart time"):
        ledger.intend(None, [good, Action(Verb.STOP, make_job(8), "a reason")], clock(0))
    assert ledger.actions("green", clock(0)) == []
    assert ledger.known(Queue(clock(0), (make_job(), make_job(8)))) == {}


def test_intents_are_numbered_in_order(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    wanted = [Action(Verb.WITHHOLD, make_job(job), "a reason", until=clock(5)) for job in (9, 7, 8, 7)]
    numbers = ledger.intend(None, wanted, clock(0))
    assert sorted(numbers) == list(numbers)
    assert [row.key.job_id for row in ledger.actions("green", clock(0))] == [9, 7, 8, 7]
    assert _change(_known(ledger, make_job())) == (0, clock(5), clock(0), numbers[3])


@pytest.mark.parametrize(("changed", "started", "is_its"), [(0, None, True), (0, 1, True), (2, 1, False)])
def test_a_task_with_a_record_of_its_own_had_what_its_array_had_before_it_started(
    ledger: Ledger, make_job: Any, clock: Hours, changed: int, started: int | None, is_its: bool
) -> None:
    waiting = make_job(spec="7_[1-4]")
    _do(ledger, Verb.WITHHOLD, waiting, clock(changed), OutcomeState.APPLIED, until=clock(5))
    task = make_job(9, spec="7_3", started=None if started is None else clock(started))
    known = ledger.known(Queue(clock(3), (task,)))[task.key]
    assert bool(known.claims) == is_its
    assert not known.hands_off


def test_a_change_in_the_second_in_which_a_task_started_was_its(
    ledger: Ledger, make_job: Any, clock: Hours
) -> None:
    """Slurm says when it started to the second, and its owner may have started it just after our change."""
    told = clock(0) + timedelta(milliseconds=200)
    _do(ledger, Verb.WITHHOLD, make_job(spec="7_[1-4]"), told, OutcomeState.APPLIED, until=clock(5))
    task = make_job(9, spec="7_3", started=clock(0))
    assert ledger.known(Queue(clock(1), (task,)))[task.key].claims


def test_what_we_did_to_a_task_is_none_of_its_array(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    rest, task = make_job(spec="7_[1-2]"), make_job(9, spec="7_3", started=clock(1))
    _do(ledger, Verb.STOP, task, clock(2), Phase.SIGNALLED, until=clock(6))
    _do(ledger, Verb.LEAVE, make_job(10, spec="7_4"), clock(2), final=True)
    known = ledger.known(Queue(clock(3), (rest, task)))
    assert known[task.key].stopping
    assert not known.get(rest.key, Known()).stopping
    assert not known[task.key].hands_off


def test_the_stops_of_the_last_hour_are_counted_whatever_became_of_them(
    ledger: Ledger, make_job: Any, clock: Hours
) -> None:
    _do(ledger, Verb.STOP, make_job(1), clock(0), Phase.ENDED, until=clock(6))
    _do(ledger, Verb.STOP, make_job(2), clock(2), Phase.ABANDONED, until=clock(6))
    _do(ledger, Verb.STOP, make_job(3), clock(2), until=clock(6))
    _do(ledger, Verb.STOP, make_job(4), clock(2), observe=True, until=clock(6))
    _do(ledger, Verb.WITHHOLD, make_job(5), clock(2), until=clock(6))
    assert ledger.stops_begun("green", clock(1)) == 2
    assert ledger.stops_begun("blue", clock(1)) == 0


# --- what was given for waiting ---


def test_what_a_job_was_given_is_what_slurm_took_last(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    assert Known().compensation is None
    _do(ledger, Verb.WITHHOLD, make_job(), clock(0), OutcomeState.CONFIRMED, until=clock(5), site_factor=500)
    assert _known(ledger, make_job()).compensation == Compensation(500, 0)
    _do(ledger, Verb.RELEASE, make_job(), clock(1), OutcomeState.APPLIED)
    assert _known(ledger, make_job()).compensation == Compensation(500, 0)
    _do(ledger, Verb.LEAVE, make_job(restarts=1), clock(2), OutcomeState.APPLIED, site_factor=0)
    assert _known(ledger, make_job()).compensation == Compensation(0, 1)


@pytest.mark.parametrize("states", [[], [OutcomeState.UNCERTAIN]])
@pytest.mark.parametrize(("told", "most"), [(20, 500), (900, 900)])
def test_where_an_answer_is_missing_it_may_have_the_most(
    ledger: Ledger, make_job: Any, clock: Hours, states: list[OutcomeState], told: int, most: int
) -> None:
    _do(ledger, Verb.WITHHOLD, make_job(), clock(0), OutcomeState.CONFIRMED, until=clock(5), site_factor=500)
    _do(ledger, Verb.LEAVE, make_job(), clock(1), *states, final=True, site_factor=told)
    assert _known(ledger, make_job()).compensation == Compensation(most, 0, settled=False)


@pytest.mark.parametrize("states", [[OutcomeState.REFUSED], [OutcomeState.APPLIED, OutcomeState.FORGOTTEN]])
def test_what_was_refused_or_forgotten_was_not_given(
    ledger: Ledger, make_job: Any, clock: Hours, states: list[OutcomeState]
) -> None:
    _do(ledger, Verb.WITHHOLD, make_job(), clock(0), *states, until=clock(5), site_factor=500)
    assert _known(ledger, make_job()).compensation is None


def test_a_task_has_what_its_array_was_given(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    array = make_job(7, spec="7_[0-3]")
    _do(ledger, Verb.WITHHOLD, array, clock(0), OutcomeState.CONFIRMED, until=clock(5), site_factor=500)
    assert _known(ledger, make_job(10, spec="7_3")).compensation == Compensation(500, 0)
