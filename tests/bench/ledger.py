"""The ledger at a million runs: bin/bench ledger.

Runs of three years on three partitions, each in a zone of its own with hourly intensities, one in twenty
a flexible job; on a file of SQLite's, and on a private PostgreSQL. ``--runs`` takes fewer.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

HOUR, DAY = 3600, 86_400
END = datetime(2026, 11, 1, tzinfo=UTC)
YEARS = 3
FIRST = END - timedelta(days=365 * YEARS)
ZONES = {"gpu": "GB", "cpu": "FR", "long": "DE"}
COLUMNS = (
    "Cluster|JobIDRaw|JobID|Submit|Eligible|Start|End|State|ExitCode|User|UID|Account|Partition|QOS|Timelimit|"
    "AllocTRES|ReqTRES|ConsumedEnergyRaw|AdminComment"
)
STATES = ("COMPLETED",) * 16 + ("FAILED", "TIMEOUT", "CANCELLED by 1000", "NODE_FAIL")


def lines(count: int) -> Iterator[str]:
    """Make what sacct prints of so many runs, in order of submission."""
    chance = random.Random(1)  # noqa: S311  # the same runs each time
    yield COLUMNS
    step = (END - FIRST).total_seconds() / count
    for number in range(count):
        submit = int(FIRST.timestamp() + number * step)
        waited = chance.randrange(1, 3 * HOUR)
        start = submit + waited
        end = start + int(min(chance.lognormvariate(8, 1.5), 2 * DAY)) + 1
        user = int(200 * chance.random() ** 2)
        partition = chance.choice(("gpu", "gpu", "cpu", "long"))
        gpus = chance.choice((1, 1, 2, 4)) if partition == "gpu" else 0
        held = f"gres/gpu:a100={gpus},gres/gpu={gpus}," if gpus else ""
        tres = f"billing=8,cpu={8 * max(gpus, 1)},{held}mem=64G,node=1"
        tag = f"carbon:v=1,flex=43200,latest={submit + 12 * HOUR},by=owner" if number % 20 == 0 else ""
        yield (
            f"bench|{number + 1}|{number + 1}|{submit}|{submit}|{start}|{end}|{chance.choice(STATES)}|0:0|"
            f"user{user:03}|{5000 + user}|group{user % 40:02}|{partition}|normal|2-00:00:00|{tres}|{tres}|"
            f"|{tag}"
        )
