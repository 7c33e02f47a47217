"""One cycle: read the queue, plan, write what is meant, do it, record what became of it.

The order is the safety. An intent is in the ledger before Slurm hears of it, so that after a crash anywhere
the next cycle knows what may be ours. If the ledger cannot be written nothing is withheld or stopped; letting
jobs go needs no permission. If Slurm is away the cycle is recorded as failed and the next one goes on.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from carbonslurm.app.fetch import usable_forecasts
from carbonslurm.app.pacing import Pace
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.interval import iso
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.ownership import (
    UNKNOWN,
    Claim,
    Known,
    back_before,
    first_eligible,
    is_ours_still,
    lacks_before,
    with_before,
)
from carbonslurm.core.planner import PlanRules, Situation, plan
from carbonslurm.core.stop import ControllerFacts, controller_settled
from carbonslurm.errors import CarbonslurmError, LedgerError, UnavailableError
from carbonslurm.ports import (
    ActionLog,
    Actuator,
    CycleLog,
    CycleReport,
    IntensityArchive,
    JobBook,
    Outcome,
    OutcomeState,
    QueueReader,
)

logger = logging.getLogger(__name__)

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CycleRules:
    """The site's choices for cycles.

    Attributes:
        plan: how to plan.
        forecast_age: a forecast older than this is not used.
        updates: the most jobs that one cycle changes; fewer where slurmctld limits rates.
        observe: write what would be done, and do nothing.
        timeout: of one call to Slurm.
    """

    plan: PlanRules
    forecast_age: timedelta = timedelta(hours=12)
    updates: int = 500
    observe: bool = False
    timeout: timedelta = timedelta(seconds=30)


@dataclass(slots=True)
class Memory:
    """What a daemon remembers from cycle to cycle; a restarted one does well without.

    Attributes:
        last_failure: when a snapshot last failed.
        unwritten: releases that were done while the ledger could not be written.
        resting: stops whose last command got no answer, and until when they are left alone.
        pace: what slurmctld's rate limit leaves us.
    """

    last_failure: datetime | None = None
    unwritten: list[tuple[Action, datetime]] = field(default_factory=list)
    resting: dict[int, datetime] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Cycle:
    """The parts of a cycle, and its story in ``run``."""

    queue: QueueReader
    actuator: Actuator
    archive: IntensityArchive
    actions: ActionLog
    jobs: JobBook
    cycles: CycleLog
    rules: CycleRules
    clock: Callable[[], datetime]
    memory: Memory = field(default_factory=Memory)

    def run(self) -> CycleReport:
        """Carry out one cycle; whatever fails is in the report, not raised."""
        number = self._begin()
        try:
            report = self._steps(number)
        except CarbonslurmError as error:
            if isinstance(error, UnavailableError):
                self.memory.last_failure = self.clock()
            report = CycleReport(error=str(error))
        self._end(number, report)
        return report

    def _steps(self, number: int | None) -> CycleReport:
        pace = self.memory.pace
        pace.begin()
        queue = self.queue.snapshot()
        late = self._write_late_releases()
        known = self._recall(queue)
        wanted = self._plan(queue, known)
        chosen = pace.choose(wanted, self.rules.updates, self.queue.controller, queue.taken_at)
        intents, notes = self._intend(number, chosen) if late is None else _releases(chosen, late)
        refused = 0 if self.rules.observe else self._carry_out(intents, known, queue.taken_at)
        return CycleReport(
            pending=len(queue.pending()),
            flexible=sum(job.tag is not None for job in queue.pending()),
            running=len(queue.running()),
            actions=len(intents),
            refused=refused,
            notes=(*queue.unread, *notes, *_left_over(wanted, chosen)),
        )

    # --- what is ours ---

    def _recall(self, queue: Queue) -> Mapping[JobKey, Known]:
        """Bring the ledger's memory of these jobs up to this snapshot."""
        known = dict(self.actions.known(queue))
        self._check_claims(queue, known)
        waiting = self.jobs.seen_waiting(queue)
        for job in queue.jobs:
            if job.tag is not None:
                before = self._complete(job, known.get(job.key, UNKNOWN), queue)
                first = first_eligible(job, before, job.key in waiting, queue.taken_at)
                known[job.key] = replace(before, first_eligible=first)
        try:
            self.jobs.note(queue, {key: item.first_eligible for key, item in known.items()})
        except LedgerError as error:
            logger.warning("%s", error)
        return known

    def _complete(self, job: QueuedJob, known: Known, queue: Queue) -> Known:
        if not lacks_before(job, known.claim):
            return known
        return with_before(job, known, self._controller(queue).requeue_delay)

    def _check_claims(self, queue: Queue, known: Mapping[JobKey, Known]) -> None:
        """Confirm what Slurm shows as we set it: each cycle anew, since a slurmctld that dies may forget."""
        shown: dict[int, Outcome] = {}
        for job in queue.jobs:
            claim = known.get(job.key, UNKNOWN).claim
            if claim is not None and is_ours_still(job, claim):
                shown[claim.action] = Outcome(OutcomeState.CONFIRMED, queue.taken_at)
        self._settle(shown)

    # --- deciding ---

    def _plan(self, queue: Queue, known: Mapping[JobKey, Known]) -> list[Action]:
        zones = self.rules.plan.zones.all()
        states = usable_forecasts(self.archive, zones, queue.taken_at, self.rules.forecast_age)
        may_stop = self._may_stop(queue)
        situation = Situation(
            now=queue.taken_at,
            queue=queue,
            forecasts={zone: state.series for zone, state in states.items()},
            known=known,
            may_stop=may_stop,
            stops_begun=self._stops_begun(queue) if may_stop else 0,
            controller_started=self._controller_started(queue, known),
        )
        return plan(situation, self.rules.plan)

    def _controller_started(self, queue: Queue, known: Mapping[JobKey, Known]) -> datetime | None:
        """Asked only where one of our changes is gone: did slurmctld crash, or did the owner speak?"""
        gone = any(_is_gone(job, known.get(job.key, UNKNOWN).claim) for job in queue.jobs)
        return self._controller(queue).started if gone else None

    def _may_stop(self, queue: Queue) -> bool:
        """A slurmctld that has only just come back may not have heard of jobs that ended meanwhile."""
        if not any(job.tag and job.tag.checkpoint for job in queue.running()):
            return False
        return controller_settled(self._controller(queue), self.memory.last_failure, queue.taken_at)

    def _stops_begun(self, queue: Queue) -> int:
        clusters = {job.key.cluster for job in queue.running()}
        return sum(self.actions.stops_begun(name, queue.taken_at - HOUR) for name in clusters)

    def _controller(self, queue: Queue) -> ControllerFacts:
        return self.memory.pace.controller(self.queue.controller, queue.taken_at)

    # --- writing ---

    def _begin(self) -> int | None:
        try:
            return self.cycles.begin_cycle(self.clock(), observe=self.rules.observe)
        except LedgerError as error:
            logger.warning("%s", error)
            return None

    def _end(self, number: int | None, report: CycleReport) -> None:
        if number is None:
            return
        try:
            self.cycles.end_cycle(number, self.clock(), report)
        except LedgerError as error:
            logger.warning("%s", error)

    def _intend(
        self, number: int | None, wanted: Sequence[Action]
    ) -> tuple[list[tuple[int | None, Action]], tuple[str, ...]]:
        """Write the actions; where that fails only releases are left, without a number."""
        if not wanted:
            return [], ()
        try:
            numbers = self.actions.intend(number, wanted, self.clock())
        except LedgerError as error:
            return _releases(wanted, error)
        if self.rules.observe:
            self._settle(dict.fromkeys(numbers, Outcome(OutcomeState.OBSERVED, self.clock())))
            for action in wanted:
                logger.info("would %s", describe(action))
        return list(zip(numbers, wanted, strict=True)), ()

    def _settle(self, outcomes: Mapping[int, Outcome]) -> None:
        try:
            self.actions.settle(outcomes)
        except LedgerError as error:
            logger.warning("%s", error)

    def _write_late_releases(self) -> LedgerError | None:
        """Write releases that were done unwritten, before what Slurm shows is taken for the owner's word.

        Until that is possible, further jobs may be released, and nothing else is done.
        """
        try:
            while self.memory.unwritten:
                action, at = self.memory.unwritten[0]
                number = self.actions.intend(None, [action], at)[0]
                self.actions.settle({number: Outcome(OutcomeState.APPLIED, at, "written late")})
                self.memory.unwritten.pop(0)
        except LedgerError as error:
            return error
        return None

    # --- acting ---

    def _carry_out(
        self, intents: Sequence[tuple[int | None, Action]], known: Mapping[JobKey, Known], at: datetime
    ) -> int:
        """Let new claims take the place of forgotten ones, then tell Slurm.

        Only now: until its new claim is written, the forgotten one is all that tells what Slurm shows from
        the owner's word.
        """
        gone: dict[int, Outcome] = {}
        for number, action in intents:
            claim = known.get(action.job.key, UNKNOWN).claim
            lost = action.verb is not Verb.LEAVE and _is_gone(action.job, claim)
            if claim is not None and number is not None and lost:
                gone[claim.action] = Outcome(OutcomeState.FORGOTTEN, at)
        self._settle(gone)
        return self._apply(intents)

    def _apply(self, intents: Sequence[tuple[int | None, Action]]) -> int:
        """Tell Slurm, jobs with the same new begin time together; return how many it refused.

        A stop needs nothing here: it is in flight as soon as it is written. A ``leave`` is only a record.
        """
        refused = 0
        for until, group in _by_begin_time(intents, self.memory.pace.batch(self.rules.timeout)):
            specs = [action.job.spec for _, action in group]
            try:
                answers = (
                    self.actuator.release(specs) if until is None else self.actuator.withhold(specs, until)
                )
            except UnavailableError as error:
                self._record(group, dict.fromkeys(specs, str(error)), OutcomeState.UNCERTAIN)
                raise
            refused += sum(answer is not None for answer in answers.values())
            self._record(group, answers, OutcomeState.REFUSED)
        return refused

    def _record(
        self,
        group: Sequence[tuple[int | None, Action]],
        answers: Mapping[str, str | None],
        failed: OutcomeState,
    ) -> None:
        at = self.clock()
        outcomes: dict[int, Outcome] = {}
        for number, action in group:
            words = answers.get(action.job.spec)
            if number is not None:
                state = OutcomeState.APPLIED if words is None else failed
                outcomes[number] = Outcome(state, at, words or "")
            elif words is None:
                self.memory.unwritten.append((action, at))
            logger.info("%s", describe(action, words))
        self._settle(outcomes)


def _releases(
    wanted: Sequence[Action], error: LedgerError
) -> tuple[list[tuple[int | None, Action]], tuple[str, ...]]:
    """What is left of a plan that cannot be written: the releases, without a number."""
    releases: list[tuple[int | None, Action]] = [
        (None, action) for action in wanted if action.verb is Verb.RELEASE
    ]
    return releases, (f"nothing withheld or stopped: {error}",)


def _is_gone(job: QueuedJob, claim: Claim | None) -> bool:
    """Whether Slurm shows the value from before our change, and not ours."""
    return back_before(job, claim) and not is_ours_still(job, claim)


def describe(action: Action, refusal: str | None = None) -> str:
    """Return an action as one line for the log."""
    until = f" until {iso(action.until)}" if action.until else ""
    end = f" (refused: {refusal})" if refusal else ""
    return f"{action.verb} job {action.job.spec}{until}: {action.reason}{end}"


def _by_begin_time(
    intents: Sequence[tuple[int | None, Action]], size: int
) -> Iterator[tuple[datetime | None, list[tuple[int | None, Action]]]]:
    """Gather what one call can say: jobs with the same new begin time, at most ``size`` of them."""
    groups: defaultdict[datetime | None, list[tuple[int | None, Action]]] = defaultdict(list)
    for number, action in intents:
        if action.verb is Verb.RELEASE:
            groups[None].append((number, action))
        elif action.verb is Verb.WITHHOLD:
            groups[action.until].append((number, action))
    for until, group in groups.items():
        for first in range(0, len(group), size):
            yield until, group[first : first + size]


def _left_over(wanted: Sequence[Action], chosen: Sequence[Action]) -> tuple[str, ...]:
    rest = len(wanted) - len(chosen)
    return (f"{rest} changes left for the next cycle",) if rest else ()
