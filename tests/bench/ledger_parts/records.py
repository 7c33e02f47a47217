"""The runs that are measured with: of three years, as sacct prints them, and as the queue showed some."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from carbonslurm.core.job import JobKey, JobState, QueuedJob, Tres
from carbonslurm.core.tag import FlexibleBy, Tag

HOUR, DAY = 3600, 86_400
END = datetime(2026, 11, 1, tzinfo=UTC)
YEARS = 3
FIRST = END - timedelta(days=365 * YEARS)
FLEXIBLE = 20  # one run in so many
LIMIT_MINUTES = 2 * 24 * 60
USERS, ACCOUNTS = 200, 40
FIRST_UID = 5000
STATES = ("COMPLETED",) * 16 + ("FAILED", "TIMEOUT", "CANCELLED by 1000", "NODE_FAIL")
COLUMNS = (
    "Cluster|JobIDRaw|JobID|Submit|Eligible|Start|End|State|ExitCode|User|UID|Account|Partition|QOS|Timelimit|"
    "AllocTRES|ReqTRES|ConsumedEnergyRaw|AdminComment"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One run; moments in Unix seconds."""

    job_id: int
    submit: int
    start: int
    end: int
    state: str
    user: int
    partition: str
    gpus: int
    tag: str

    @property
    def account(self) -> int:
        """The number of the account that its user is in."""
        return self.user % ACCOUNTS

    @property
    def cpus(self) -> int:
        """What it held."""
        return 8 * max(self.gpus, 1)


def records(count: int) -> Iterator[Record]:
    """Make so many runs, in order of submission; the same ones each time."""
    chance = random.Random(1)  # noqa: S311  # not for secrets
    step = (END - FIRST).total_seconds() / count
    for number in range(count):
        submit = int(FIRST.timestamp() + number * step)
        start = submit + chance.randrange(1, 3 * HOUR)
        end = start + int(min(chance.lognormvariate(8, 1.5), 2 * DAY)) + 1
        user = int(USERS * chance.random() ** 2)
        partition = chance.choice(("gpu", "gpu", "cpu", "long"))
        gpus = chance.choice((1, 1, 2, 4)) if partition == "gpu" else 0
        tag = f"carbon:v=1,flex=43200,latest={submit + 12 * HOUR},by=owner" if number % FLEXIBLE == 0 else ""
        yield Record(number + 1, submit, start, end, chance.choice(STATES), user, partition, gpus, tag)


def lines(count: int) -> Iterator[str]:
    """Print them as sacct does, with a line of headings."""
    yield COLUMNS
    for it in records(count):
        held = f"gres/gpu:a100={it.gpus},gres/gpu={it.gpus}," if it.gpus else ""
        tres = f"billing=8,cpu={it.cpus},{held}mem=64G,node=1"
        yield (
            f"bench|{it.job_id}|{it.job_id}|{it.submit}|{it.submit}|{it.start}|{it.end}|{it.state}|0:0|"
            f"{user_name(it.user)}|{FIRST_UID + it.user}|{account_name(it.account)}|{it.partition}|normal|"
            f"2-00:00:00|{tres}|{tres}||{it.tag}"
        )


def user_name(number: int) -> str:
    """Name a user."""
    return f"user{number:03}"


def account_name(number: int) -> str:
    """Name an account."""
    return f"group{number:02}"


def job(number: int, submitted: datetime) -> QueuedJob:
    """Make a flexible job as the queue shows it."""
    at = submitted.replace(microsecond=0)
    return QueuedJob(
        key=JobKey("bench", number + 1),
        spec=str(number + 1),
        state=JobState.PENDING,
        user="user000",
        account="group00",
        partition="gpu",
        qos="normal",
        submitted=at,
        eligible=at,
        started=None,
        time_limit=timedelta(days=2),
        deadline=None,
        needs=(),
        held=False,
        reason="None",
        restarts=0,
        requeueable=True,
        tag=Tag(timedelta(hours=12), FlexibleBy.OWNER),
        tres=Tres(8, 1, {"a100": 1}),
    )
