"""What is meant, told to Slurm: jobs with the same words together, and what became of each written down.

Every intent is in the ledger before this; one without a number is a release that could not be written.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.app.pacing import Pace
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.interval import iso
from carbonslurm.core.means import Means
from carbonslurm.errors import LedgerError, RefusedError, UnavailableError
from carbonslurm.ports import ActionLog, Actuator, Gate, Outcome, OutcomeState, Setting

logger = logging.getLogger(__name__)

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
        no_gate: whether Slurm refused to shut the gate: jobs wait by their begin times instead.
        outage: when the next maintenance of all nodes begins, as last heard.
        outage_asked: when that was.
        paused: an admin's switch, as last read.
        pace: what slurmctld's rate limit leaves us.
    """

    last_failure: datetime | None = None
    unwritten: list[tuple[Action, datetime]] = field(default_factory=list)
    resting: dict[int, datetime] = field(default_factory=dict)
    shut: bool | None = None
    no_gate: bool = False
    outage: datetime | None = None
    outage_asked: datetime | None = None
    paused: bool = False
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells Slurm.

    Attributes:
        gate: None where no partition uses one.
        life: a shut gate opens by itself so long after it was last told.
        timeout: of one call to Slurm.
    """

    actuators: Mapping[Means, Actuator]
    gate: Gate | None
    life: timedelta
    timeout: timedelta
    actions: ActionLog
    memory: Memory
    clock: Callable[[], datetime]

    def turn_gate(self, shut: bool | None) -> str | None:
        """Keep the gate shut, or open it; return what was wrong, if Slurm refuses.

        With nobody behind it, it is left to open by itself.

        Raises:
            UnavailableError: Slurm is away.
        """
        if self.gate is None or shut is None:
            return None
        try:
            if shut:
                self.gate.shut(self.clock() + self.life)
            elif self.memory.shut is not False:
                self.gate.open()
        except RefusedError as error:
            self.memory.shut, self.memory.no_gate = None, True
            return f"the gate cannot be {'shut' if shut else 'opened'}: {error}"
        if shut is not self.memory.shut:
            logger.info("gate %s", "shut" if shut else "open")
        self.memory.shut = shut
        return None

    def tell(self, intents: Sequence[Intent], planned_at: datetime) -> int:
        """Tell Slurm, jobs with the same words together; return how many changes were refused.

        A stop needs nothing here: it is in flight as soon as it is written. A ``leave`` is only a record.
        What was planned too long ago (our host was suspended) is not done: others may have spoken since.

        Raises:
            UnavailableError: Slurm is away; what was told last may have been done.
        """
        refused = 0
        for (verb, means, setting, silent), group in self._batches(intents):
            specs = [action.job.spec for _, action in group]
            actuator = self.actuators[means]
            tell = actuator.release if verb is Verb.RELEASE else actuator.withhold
            if self.clock() - planned_at > OLD_AFTER * self.timeout:
                refused += len(group)
                self._record(group, dict.fromkeys(specs, "planned too long ago"), OutcomeState.REFUSED)
                continue
            try:
                answers = self._silently(specs, verb, means) if silent else tell(specs, setting)
            except UnavailableError as error:
                self._record(group, dict.fromkeys(specs, str(error)), OutcomeState.UNCERTAIN)
                raise
            refused += sum(answer is not None for answer in answers.values())
            self._record(group, answers, OutcomeState.REFUSED)
        return refused

    def _silently(self, specs: Sequence[str], verb: Verb, means: Means) -> Mapping[str, str | None]:
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
                state = OutcomeState.APPLIED if words is None else _unless_partly(action, failed)
                outcomes[number] = Outcome(state, at, words or "")
            elif words is None:
                self.memory.unwritten.append((action, at))
            logger.info("%s", describe(action, words))
        try:
            self.actions.settle(outcomes)
        except LedgerError as error:
            logger.warning("%s", error)


def _unless_partly(action: Action, failed: OutcomeState) -> OutcomeState:
    """Of a refused range some tasks may have been changed, those that had not just started: nobody says."""
    return OutcomeState.UNCERTAIN if "[" in action.job.spec else failed


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
        if action.verb in {Verb.RELEASE, Verb.WITHHOLD}:
            licences = action.job.other_licences if action.means is Means.GATE else ""
            setting = Setting(action.until, action.site_factor, licences)
            groups[action.verb, action.means, setting, action.silent].append((number, action))
    return groups
