"""What is meant, told to Slurm: jobs with the same words together, and what became of each written down.

Every intent is in the ledger before this; one without a number is a release that could not be written.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.app.ageing import Ageing
from carbonslurm.app.judging import Judging
from carbonslurm.app.learning import Learning
from carbonslurm.app.pacing import Pace
from carbonslurm.app.room import Room
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.interval import iso
from carbonslurm.core.means import Means
from carbonslurm.core.situation import Found
from carbonslurm.errors import DataError, LedgerError, RefusedError, UnavailableError
from carbonslurm.ports import (
    ActionLog,
    Actuator,
    Gate,
    HoldReader,
    Outcome,
    OutcomeState,
    Setting,
    SiteFactors,
)

logger = logging.getLogger(__name__)

UNMARKED = "the hook does not mark our holds: slurm_job_modify must call it (docs/install.md)"
OLD_AFTER = 4  # timeouts of a call: one that takes longer than its own ends the cycle

Intent = tuple[int | None, Action]
_Words = tuple[Verb, Means, Setting, bool]


@dataclass(slots=True)
class Memory:
    """What a daemon remembers from cycle to cycle; a restarted one does well without.

    Attributes:
        last_failure: when a snapshot last failed.
        unwritten: releases that were done while the ledger could not be written.
        resting: stops whose last command got no answer, and until when they are left alone.
        shut: whether the gate is shut, as far as we know; None before it was first told.
        may_shut_until: until when a slurmctld that forgets may have it shut again.
        unfit: means that did not work at this Slurm, and when that was seen: for a while jobs wait by their
            begin times instead.
        marks_checked: whether the holds that an earlier daemon left were seen to carry the hook's mark.
        outages: when the next maintenance of a whole partition begins, as last heard.
        outage_asked: when that was.
        paused: an admin's switch, as last read.
        ageing: whether something limits how many jobs age at once, as last heard.
        pace: what slurmctld's rate limit leaves us.
        room: what the nodes leave to jobs, as last heard.
        learning: what past runs teach of lengths, as last read.
        judging: what earlier forecasts said, as last read, and how far the newest are believed.
        found: what joint found last.
        forecasts: whose forecast each zone was last planned by, None where there was no usable one.
    """

    last_failure: datetime | None = None
    unwritten: list[tuple[Action, datetime]] = field(default_factory=list)
    resting: dict[int, datetime] = field(default_factory=dict)
    shut: bool | None = None
    may_shut_until: datetime | None = None
    unfit: dict[Means, datetime] = field(default_factory=dict)
    marks_checked: bool = False
    outages: Mapping[str, datetime] = field(default_factory=dict)
    outage_asked: datetime | None = None
    paused: bool = False
    ageing: Ageing = field(default_factory=Ageing)
    pace: Pace = field(default_factory=Pace)
    room: Room = field(default_factory=Room)
    learning: Learning = field(default_factory=Learning)
    judging: Judging = field(default_factory=Judging)
    found: Found | None = None
    forecasts: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells Slurm.

    Attributes:
        gate: None where no partition uses one.
        holds: what a rescue would see of ours.
        life: a shut gate opens by itself so long after it was last told.
        timeout: of one call to Slurm.
    """

    actuators: Mapping[Means, Actuator]
    gate: Gate | None
    holds: HoldReader
    factors: SiteFactors
    life: timedelta
    timeout: timedelta
    actions: ActionLog
    memory: Memory
    clock: Callable[[], datetime]

    def turn_gate(self, shut: bool | None) -> str | None:
        """Keep the gate shut, or open it; return what was wrong, if Slurm refuses.

        With nobody behind it, it is left to open by itself. A slurmctld that dies may forget that it was
        opened: it is opened anew until it would have opened by itself, whoever shut it last.

        Raises:
            UnavailableError: Slurm is away.
        """
        if self.gate is None or shut is None:
            return None
        now, memory = self.clock(), self.memory
        if shut or memory.may_shut_until is None:
            memory.may_shut_until = now + self.life
        try:
            if shut:
                self.gate.shut(now + self.life)
            elif now < memory.may_shut_until:
                self.gate.open()
        except RefusedError as error:
            self.memory.shut, self.memory.unfit[Means.GATE] = None, self.clock()
            return f"the gate cannot be {'shut' if shut else 'opened'}: {error}"
        if shut is not self.memory.shut:
            logger.info("gate %s", "shut" if shut else "open")
        self.memory.shut = shut
        return None

    def tell(self, intents: Sequence[Intent], planned_at: datetime) -> int:
        """Tell Slurm, jobs with the same words together; return how many changes were refused.

        A stop needs nothing here: it is in flight as soon as it is written. A ``leave`` is only a record, or
        takes back what a job was given for waiting.
        What was planned too long ago (our host was suspended) is not done: others may have spoken since.

        Raises:
            UnavailableError: Slurm is away; what was told last may have been done.
        """
        refused = 0
        for (verb, means, setting, silent), group in self._batches(intents):
            specs = [action.job.spec for _, action in group]
            if self.clock() - planned_at > OLD_AFTER * self.timeout:
                refused += len(group)
                self._record(group, dict.fromkeys(specs, "planned too long ago"), OutcomeState.REFUSED)
                continue
            try:
                say = self._silently if silent else self._aloud
                answers = say(specs, verb, means, setting)
            except UnavailableError as error:
                self._record(group, dict.fromkeys(specs, str(error)), OutcomeState.UNCERTAIN)
                raise
            refused += sum(answer is not None for answer in answers.values())
            self._record(group, answers, OutcomeState.REFUSED)
        return refused

    def _aloud(
        self, specs: Sequence[str], verb: Verb, means: Means, setting: Setting
    ) -> Mapping[str, str | None]:
        if verb is Verb.LEAVE:
            return self.factors.set_factor(specs, setting.site_factor or 0)
        actuator = self.actuators[means]
        if verb is Verb.RELEASE:
            return actuator.release(specs, setting)
        answers = actuator.withhold(specs, setting)
        return self._only_marked(answers, setting) if means is Means.HOLD else answers

    def _only_marked(self, answers: Mapping[str, str | None], setting: Setting) -> Mapping[str, str | None]:
        """Take back at once what we hold without the hook's mark: no rescue could tell that it is ours.

        One that cannot be taken back counts as held: the next cycle gives it a begin time, and releases it.
        """
        bare = self.unmarked([spec for spec, refusal in answers.items() if refusal is None])
        if not bare:
            return answers
        self.memory.unfit[Means.HOLD] = self.clock()
        logger.warning("%s: jobs wait by their begin times instead", UNMARKED)
        before = None if setting.site_factor is None else setting.factor_before
        back = self.actuators[Means.HOLD].release(bare, Setting(site_factor=before))
        return {**answers, **{spec: UNMARKED for spec, refusal in back.items() if refusal is None}}

    def unmarked(self, specs: Sequence[str]) -> list[str]:
        """Return those of our holds that a rescue could not tell from others'.

        Raises:
            UnavailableError: Slurm is away.
        """
        if not specs:
            return []
        try:
            marked = {_number(hold.spec) for hold in self.holds.marked()}
        except DataError as error:  # no rescue can read it, either
            logger.warning("%s", error)
            marked = set()
        return [spec for spec in specs if _number(spec) not in marked]

    def _silently(
        self, specs: Sequence[str], verb: Verb, means: Means, _setting: Setting
    ) -> Mapping[str, str | None]:
        """What the gate, or a hold that stands, has done for these jobs, without a word about any of them."""
        failed = means is Means.GATE and verb is Verb.WITHHOLD and not self.memory.shut
        return dict.fromkeys(specs, "the gate is not shut" if failed else None)

    def _batches(self, intents: Sequence[Intent]) -> Iterator[tuple[_Words, list[Intent]]]:
        """What one call can say: jobs with the same words, as many as its timeout is enough for."""
        size = self.memory.pace.batch(self.timeout)
        for words, group in _together(intents).items():
            for first in range(0, len(group), size):
                yield words, group[first : first + size]

    def _record(
        self, group: Sequence[Intent], answers: Mapping[str, str | None], failed: OutcomeState
    ) -> None:
        at = self.clock()
        outcomes: dict[int, Outcome] = {}
        for number, action in group:
            words = answers.get(action.job.spec)
            if number is not None:
                state = OutcomeState.APPLIED if words is None else _failed(action, failed)
                outcomes[number] = Outcome(state, at, words or "")
            elif words is None:
                self.memory.unwritten.append((action, at))
            logger.info("%s", describe(action, words))
        try:
            self.actions.settle(outcomes)
        except LedgerError as error:
            logger.warning("%s", error)


def _number(spec: str) -> str:
    """The job's number: two listings may write an array's range in two ways."""
    return spec.partition("_")[0]


def _failed(action: Action, failed: OutcomeState) -> OutcomeState:
    """Return what a failure is to the ledger.

    Of a refused range some tasks may have been changed, those that had not just started: nobody says. An
    owner's word stands, whether or not we could take back what we had given.
    """
    return OutcomeState.UNCERTAIN if "[" in action.job.spec or action.final else failed


def describe(action: Action, refusal: str | None = None) -> str:
    """Return an action as one line for the log."""
    until = f" until {iso(action.until)}" if action.until else ""
    by = f" by {action.means}" if action.means is not Means.BEGIN else ""
    end = f" (refused: {refusal})" if refusal else ""
    return f"{action.verb} job {action.job.spec}{by}{until}: {action.reason}{end}"


def _together(intents: Sequence[Intent]) -> Mapping[_Words, list[Intent]]:
    """Group intents by what Slurm is told, in their order."""
    groups: defaultdict[_Words, list[Intent]] = defaultdict(list)
    for number, action in intents:
        leaves = action.verb is Verb.LEAVE and action.site_factor is not None
        if leaves or action.verb in {Verb.RELEASE, Verb.WITHHOLD}:
            licences = action.job.other_licences if action.means is Means.GATE else ""
            setting = Setting(action.until, action.site_factor, action.factor_before, licences)
            groups[action.verb, action.means, setting, action.silent].append((number, action))
    return groups
