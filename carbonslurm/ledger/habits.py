"""What runs that are over say of the next one: their lengths, and how punctually planned jobs started."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, select

from carbonslurm.core.action import Verb
from carbonslurm.core.past import EndedRun
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.deeds import DONE
from carbonslurm.ledger.tables import ACTION, FIGURE, OUTCOME, RUN

AT_LIMIT = "TIMEOUT"
OF_THEIR_OWN = ("COMPLETED", AT_LIMIT)
MOST_RUNS = 200
MOST_PLANS = 1000

_SAME_RUN = and_(
    RUN.c.cluster == ACTION.c.cluster,
    RUN.c.job_id == ACTION.c.job_id,
    RUN.c.submitted == ACTION.c.submitted,
)


_CARRIED_OUT = exists().where(
    OUTCOME.c.action == ACTION.c.id, OUTCOME.c.state.in_([str(it) for it in sorted(DONE)])
)


class Habits(Room):
    """Read-only questions."""

    def own_runs(self, cluster: str, user: str, since: datetime) -> Sequence[EndedRun]:
        """Return the newest runs of a user that came to an end of their own, or at their limit.

        Raises:
            LedgerError: it could not be read.
        """
        newest = (
            select(RUN.c.started, RUN.c.ended, RUN.c.time_limit, RUN.c.state)
            .where(RUN.c.user_name == user, RUN.c.ended >= since, RUN.c.cluster == cluster)
            .where(RUN.c.started.is_not(None), RUN.c.state.in_(OF_THEIR_OWN))
            .order_by(RUN.c.ended.desc())
            .limit(MOST_RUNS)
        )
        with self._database.reading() as connection:
            return [
                EndedRun(ended - started, limit, state == AT_LIMIT)
                for started, ended, limit, state in connection.execute(newest)
            ]

    def past_savings(self, cluster: str, user: str, since: datetime) -> Sequence[tuple[float, float]]:
        """Return what the newest runs of a user's that waited were expected to save, and did, in grams.

        What was expected is the last plan's that was carried out. Arrays are left out: their plans are made,
        and their savings expected, for many tasks at once.

        Raises:
            LedgerError: it could not be read.
        """
        plans = select(RUN.c.id, ACTION.c.saving_g, FIGURE.c.baseline_g - FIGURE.c.emitted_g)
        plans = plans.join_from(ACTION, RUN, _SAME_RUN).join(FIGURE, FIGURE.c.id == RUN.c.figure)
        plans = plans.where(ACTION.c.cluster == cluster, ACTION.c.intended_at >= since, _CARRIED_OUT)
        plans = plans.where(ACTION.c.verb == Verb.WITHHOLD.value, ACTION.c.saving_g.is_not(None))
        plans = plans.where(RUN.c.user_name == user, RUN.c.array_job_id.is_(None))
        plans = plans.where(FIGURE.c.baseline_g.is_not(None), FIGURE.c.emitted_g.is_not(None))
        newest = plans.order_by(ACTION.c.id.desc()).limit(MOST_PLANS)
        found: dict[int, tuple[float, float]] = {}
        with self._database.reading() as connection:
            for run, expected, saved in connection.execute(newest):
                found.setdefault(run, (expected, saved))  # a job's last plan is the one that counts
        return list(found.values())

    def past_delays(self, cluster: str, partition: str, since: datetime) -> Sequence[timedelta]:
        """Return how much later than planned jobs that waited started, the newest; of any partition for "".

        Raises:
            LedgerError: it could not be read.
        """
        plans = select(RUN.c.id, RUN.c.started, ACTION.c.until).join_from(ACTION, RUN, _SAME_RUN)
        plans = plans.where(ACTION.c.cluster == cluster, ACTION.c.intended_at >= since, _CARRIED_OUT)
        plans = plans.where(ACTION.c.verb == Verb.WITHHOLD.value, ACTION.c.until.is_not(None))
        plans = plans.where(RUN.c.started.is_not(None))
        plans = plans.where(RUN.c.partition == partition) if partition else plans
        newest = plans.order_by(ACTION.c.id.desc()).limit(MOST_PLANS)
        found: dict[int, timedelta] = {}
        with self._database.reading() as connection:
            for run, started, until in connection.execute(newest):
                found.setdefault(run, started - until)  # a job's last plan is the one that counts
        return list(found.values())
