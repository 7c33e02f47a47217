"""What we did to a job, read back from the intent log: actions, each with what became of it.

The newest outcome of an action counts. No outcome at all means that the daemon died between writing and
knowing: it may have been done, and is taken as done. What observe mode wrote down was never done.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from sqlalchemy import ColumnElement, Connection, select

from carbonslurm.core.action import Verb
from carbonslurm.core.job import JobKey, RunKey
from carbonslurm.core.ownership import Claim
from carbonslurm.core.stop import OVER, Phase
from carbonslurm.core.tag import Checkpoint
from carbonslurm.ledger.database import in_batches
from carbonslurm.ledger.encoding import read_tag
from carbonslurm.ledger.tables import ACTION, CYCLE, OUTCOME
from carbonslurm.ports import OutcomeState

DONE = frozenset({OutcomeState.APPLIED, OutcomeState.CONFIRMED})
# An overridden change stays our claim: only against it can the owner's word be told from Slurm's own doing,
# until the LEAVE that follows it is written.
CLAIMING = frozenset({None, *DONE, OutcomeState.UNCERTAIN, OutcomeState.OVERRIDDEN})
REQUEUED = frozenset({Phase.REQUEUED, Phase.DELAYED, Phase.DONE})
STOP_ENDED = OVER | {
    OutcomeState.REFUSED,
    OutcomeState.OBSERVED,
    OutcomeState.FORGOTTEN,
    OutcomeState.OVERRIDDEN,
}
State = OutcomeState | Phase


@dataclass(frozen=True)
class Deed:
    """One action with its outcomes, oldest first.

    Attributes:
        observed: written down by a cycle that only observed.
    """

    number: int
    job: int
    verb: Verb
    run: RunKey
    restarts: int
    before: datetime | None
    until: datetime | None
    tag: str | None
    final: bool
    intended_at: datetime
    observed: bool
    outcomes: Sequence[tuple[State, datetime]] = field(default=())

    @cached_property
    def state(self) -> State | None:
        """The newest outcome."""
        return self.outcomes[-1][0] if self.outcomes else None

    @cached_property
    def phases(self) -> list[tuple[Phase, datetime]]:
        """The phases of a stop, each with the moment of entering it."""
        return [
            (Phase.INTENDED, self.intended_at),
            *((state, at) for state, at in self.outcomes if isinstance(state, Phase)),
        ]

    @cached_property
    def checkpoint(self) -> Checkpoint | None:
        """How the job had said that it can be stopped."""
        tag = read_tag(self.tag)
        return tag.checkpoint if tag else None

    @property
    def in_flight(self) -> bool:
        """Whether this is a stop that has not come to its end."""
        return self.verb is Verb.STOP and not self.observed and self.state not in STOP_ENDED

    @property
    def stopped(self) -> bool:
        """Whether this is a stop that got as far as the requeue."""
        return self.verb is Verb.STOP and any(phase in REQUEUED for phase, _ in self.phases)

    @property
    def withheld(self) -> bool:
        """Whether this made a job wait."""
        return self.verb is Verb.WITHHOLD and any(state in DONE for state, _ in self.outcomes)

    def entered(self, *wanted: Phase) -> datetime | None:
        """Return when a stop first entered one of these phases."""
        return next((at for phase, at in self.phases if phase in wanted), None)


def claim(deeds: Iterable[Deed]) -> Claim | None:
    """Return our last change of a job's begin time, from its deeds, oldest first."""
    for deed in sorted(deeds, key=lambda deed: deed.number, reverse=True):
        if deed.observed or deed.state in {OutcomeState.OBSERVED, OutcomeState.REFUSED}:
            continue
        if deed.verb is Verb.STOP and deed.state in {Phase.DELAYED, Phase.DONE}:
            return Claim(deed.restarts + 1, deed.until, None, deed.number)
        if deed.verb in {Verb.WITHHOLD, Verb.RELEASE}:
            return _claim(deed) if deed.state in CLAIMING else None
    return None


def _claim(deed: Deed) -> Claim:
    set_to = deed.until if deed.verb is Verb.WITHHOLD else None
    return Claim(deed.restarts, set_to, deed.before, deed.number)


def deeds_of(connection: Connection, jobs: Collection[int]) -> dict[int, list[Deed]]:
    """Return the deeds of jobs, by the number of the job's row, oldest first."""
    found: defaultdict[int, list[Deed]] = defaultdict(list)
    for batch in in_batches(sorted(jobs)):
        for deed in read_deeds(connection, ACTION.c.job.in_(batch)):
            found[deed.job].append(deed)
    return dict(found)


def read_deeds(connection: Connection, which: ColumnElement[bool]) -> list[Deed]:
    """Return the actions that a condition on ``action`` chooses, oldest first."""
    outcomes: defaultdict[int, list[tuple[State, datetime]]] = defaultdict(list)
    behind = select(OUTCOME.c.action, OUTCOME.c.state, OUTCOME.c.at).join(ACTION).where(which)
    for action, state, at in connection.execute(behind.order_by(OUTCOME.c.id)):
        outcomes[action].append((read_state(state), at))
    actions = select(ACTION, CYCLE.c.observe).join(CYCLE, isouter=True).where(which).order_by(ACTION.c.id)
    return [
        Deed(
            number=row.id,
            job=row.job,
            verb=Verb(row.verb),
            run=RunKey(row.cluster, row.job_id, row.submitted),
            restarts=row.restarts,
            before=row.before,
            until=row.until,
            tag=row.tag,
            final=row.final,
            intended_at=row.intended_at,
            observed=bool(row.observe),
            outcomes=tuple(outcomes[row.id]),
        )
        for row in connection.execute(actions)
    ]


def read_state(word: str) -> State:
    """Return an outcome's state; no word is both an outcome and a phase."""
    return OutcomeState(word) if word in set(OutcomeState) else Phase(word)


def job_key(deed: Deed) -> JobKey:
    """Return the job that a deed was about."""
    return JobKey(deed.run.cluster, deed.run.job_id)
