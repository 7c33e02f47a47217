"""What the past says of a job that is about to be submitted: its owner's lengths, its partition's delays."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.past import Habit, Kept, Punctuality, habit, kept, punctuality
from carbonslurm.ports import HabitReader

REMEMBERED = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Prospects:
    """None where too little is known."""

    habit: Habit | None
    punctuality: Punctuality | None
    kept: Kept | None


def prospects(
    reader: HabitReader, cluster: str, user: str, partition: str, limit: timedelta | None, now: datetime
) -> Prospects:
    """Look back.

    Args:
        reader: the ledger.
        cluster: where.
        user: whose job it is.
        partition: an empty text for the default one, for which any partition's delays stand.
        limit: its time limit, None where it is left to Slurm.
        now: the moment of submission.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    since = now - REMEMBERED
    return Prospects(
        habit(reader.own_runs(cluster, user, since), limit),
        punctuality(reader.past_delays(cluster, partition, since)),
        kept(reader.past_savings(cluster, user, since)),
    )
