"""What we did to a job, read back from the intent log: actions, each with what became of it.

The newest outcome of an action counts. No outcome at all means that the daemon died between writing and
knowing: it may have been done, and is taken as done. What observe mode wrote down was never done. A stop has
phases, and among them the outcomes of the begin time that it set at its end: the newest of each kind counts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from sqlalchemy import ColumnElement, Connection, select

from carbonslurm.core.action import Verb
from carbonslurm.core.job import JobKey, RunKey
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import Claim, Compensation
from carbonslurm.core.stop import OVER, Phase, Seen
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
NEVER_DONE = frozenset({OutcomeState.OBSERVED, OutcomeState.REFUSED})
# A change that Slurm forgot leaves the one before it standing: that is the value that Slurm is back at.
WITHOUT_EFFECT = NEVER_DONE | {OutcomeState.FORGOTTEN}
State = OutcomeState | Phase


@dataclass(frozen=True)
class Deed:
    """One action with its outcomes, oldest first.

    Attributes:
        observed: written down by a cycle that only observed.
        silent: a stop whose job showed no acknowledgement before its grace was over.
    """

    number: int
    job: int
    verb: Verb
    run: RunKey
    spec: str
    restarts: int
    before: datetime | None
    until: datetime | None
    tag: str | None
    means: Means
    site_factor: int | None
    final: bool
    intended_at: datetime
    observed: bool
    silent: bool = False
    outcomes: Sequence[tuple[State, datetime]] = field(default=())

    @cached_property
    def state(self) -> OutcomeState | None:
        """The newest outcome, phases aside."""
        return next((state for state, _ in reversed(self.outcomes) if isinstance(state, OutcomeState)), None)

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
        return self.verb is Verb.STOP and self.begun and self.phases[-1][0] not in OVER

    @property
    def begun(self) -> bool:
        """Whether this was to be done, and not refused."""
        return not self.observed and self.state not in NEVER_DONE

    @property
    def changed_job(self) -> bool:
        """Whether this made, or may have made, the job wait or go, whatever became of that."""
        if self.observed or self.state in WITHOUT_EFFECT or self.verb is Verb.LEAVE:
            return False
        return self.verb is not Verb.STOP or self.phases[-1][0] in {Phase.DELAYED, Phase.DONE}

    @property
    def stopped(self) -> bool:
        """Whether this is a stop that got as far as the requeue."""
        return self.verb is Verb.STOP and any(phase in REQUEUED for phase, _ in self.phases)

    @property
    def changed_at(self) -> datetime:
        """When the begin time was last set by this: a stop sets it at its end."""
        return self.entered(Phase.DELAYED, Phase.DONE) or self.intended_at

    @property
    def withheld(self) -> bool:
        """Whether this made a job wait."""
        return self.verb is Verb.WITHHOLD and any(state in DONE for state, _ in self.outcomes)

    def entered(self, *wanted: Phase) -> datetime | None:
        """Return when a stop first entered one of these phases."""
        return next((at for phase, at in self.phases if phase in wanted), None)


def claims(deeds: Iterable[Deed]) -> tuple[Claim, ...]:
    """Return our last change of a job by each means, from its deeds, oldest first."""
    newest: dict[Means, Deed] = {}
    for deed in sorted(deeds, key=lambda deed: deed.number):
        if deed.changed_job:
            newest[deed.means] = deed
    return tuple(_claim(deed) for deed in newest.values() if deed.state in CLAIMING)


def compensation(deeds: Iterable[Deed]) -> Compensation | None:
    """Return the site factor that a job has as far as we know, from its deeds; None where it never had any.

    While nobody knows whether Slurm took our last word, the job may have that or what it had before.
    """
    found: Compensation | None = None
    for deed in sorted(deeds, key=lambda deed: deed.number):
        if deed.site_factor is None or not deed.begun or deed.state is OutcomeState.FORGOTTEN:
            continue
        if deed.state in DONE or found is None:
            found = Compensation(deed.site_factor, deed.restarts, settled=deed.state in DONE)
        elif deed.site_factor > found.factor:
            found = Compensation(deed.site_factor, deed.restarts, settled=False)
        else:
            found = replace(found, settled=False)
    return found


def _claim(deed: Deed) -> Claim:
    if deed.verb is Verb.STOP:
        return Claim(deed.restarts + 1, deed.until, None, deed.number, deed.changed_at, settled=True)
    return Claim(
        restarts=deed.restarts,
        set_to=deed.until if deed.verb is Verb.WITHHOLD else None,
        before=deed.before,
        action=deed.number,
        at=deed.changed_at,
        settled=deed.state in DONE,
        means=deed.means,
        site_factor=deed.site_factor,
    )


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
    silent: dict[int, bool] = {}
    behind = select(OUTCOME.c.action, OUTCOME.c.state, OUTCOME.c.at, OUTCOME.c.detail)
    behind = behind.join(ACTION).where(which).order_by(OUTCOME.c.id)
    for action, state, at, detail in connection.execute(behind):
        outcomes[action].append((read_state(state), at))
        if state in REQUEUED:
            silent.setdefault(action, detail == Seen.OUT_OF_GRACE)
    actions = select(ACTION, CYCLE.c.observe).join(CYCLE, isouter=True).where(which).order_by(ACTION.c.id)
    return [
        Deed(
            number=row.id,
            job=row.job,
            verb=Verb(row.verb),
            run=RunKey(row.cluster, row.job_id, row.submitted),
            spec=row.spec,
            restarts=row.restarts,
            before=row.before,
            until=row.until,
            tag=row.tag,
            means=Means(row.means),
            site_factor=row.site_factor,
            final=row.final,
            intended_at=row.intended_at,
            observed=bool(row.observe),
            silent=silent.get(row.id, False),
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
