"""What a cycle writes into the ledger: its record, what is meant before it is done, and what became of it.

Where the ledger cannot be written nothing is withheld or stopped; releases go without a number, and are
written as soon as they can be.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.app.seeing import is_gone
from carbonslurm.app.telling import Intent, Memory, describe
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.job import JobKey
from carbonslurm.core.ownership import UNKNOWN, Known
from carbonslurm.errors import LedgerError
from carbonslurm.ports import ActionLog, CycleLog, CycleReport, Outcome, OutcomeState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Writing:
    """The ledger's side of a cycle; see Cycle for the parts."""

    actions: ActionLog
    cycles: CycleLog
    memory: Memory
    clock: Callable[[], datetime]

    def begin(self, *, observe: bool) -> int | None:
        """Open the record of a cycle; None where it cannot be written."""
        try:
            return self.cycles.begin_cycle(self.clock(), observe=observe)
        except LedgerError as error:
            logger.warning("%s", error)
            return None

    def end(self, number: int | None, report: CycleReport) -> None:
        """Close the record."""
        if number is None:
            return
        try:
            self.cycles.end_cycle(number, self.clock(), report)
        except LedgerError as error:
            logger.warning("%s", error)

    def intend(self, number: int | None, wanted: Sequence[Action]) -> tuple[list[Intent], tuple[str, ...]]:
        """Write the actions; where that fails only releases are left, without a number."""
        if not wanted:
            return [], ()
        try:
            numbers = self.actions.intend(number, wanted, self.clock())
        except LedgerError as error:
            return releases(wanted, error)
        return list(zip(numbers, wanted, strict=True)), ()

    def watch(self, number: int | None, wanted: Sequence[Action]) -> None:
        """Write what would be done; what stands there already is no news."""
        if not wanted:
            return
        try:
            self.actions.observe(number, wanted, self.clock())
        except LedgerError as error:
            logger.warning("%s", error)
            return
        for action in wanted:
            logger.info("would %s", describe(action))

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """Write what became of actions."""
        try:
            self.actions.settle(outcomes)
        except LedgerError as error:
            logger.warning("%s", error)

    def write_late_releases(self) -> LedgerError | None:
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

    def give_up_forgotten(
        self, intents: Sequence[Intent], known: Mapping[JobKey, Known], at: datetime
    ) -> None:
        """Let new claims take the place of forgotten ones.

        Only now: until its new claim is written, the forgotten one is all that tells what Slurm shows from
        the owner's word.
        """
        gone: dict[int, Outcome] = {}
        for number, action in intents:
            claim = known.get(action.job.key, UNKNOWN).claim(action.means, action.job.restarts)
            lost = action.verb is not Verb.LEAVE and is_gone(action.job, claim)
            if claim is not None and number is not None and lost:
                gone[claim.action] = Outcome(OutcomeState.FORGOTTEN, at)
        self.settle(gone)


def releases(wanted: Sequence[Action], error: LedgerError) -> tuple[list[Intent], tuple[str, ...]]:
    """Return what is left of a plan that cannot be written: the releases, without a number."""
    releases: list[Intent] = [(None, action) for action in wanted if action.verb is Verb.RELEASE]
    return releases, (f"nothing withheld or stopped: {error}",)
