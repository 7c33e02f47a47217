"""Which jobs of a site's past are taken as flexible, in the words of ``--flexible``.

``all``; ``tagged``, those that carried our tag, each for as long as it said; ``partition=``, ``account=``,
``user=``, ``qos=`` with names; ``limit=4h..2d`` by time limit, either end open. Of several all must hold.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from carbonslurm.errors import UsageError
from carbonslurm.formats.traced import TracedJob
from carbonslurm.sim.parameters import duration

Rule = Callable[[TracedJob], bool]
NAMED = ("partition", "account", "user", "qos")
FORMS = "all, tagged, partition=NAME,... (or account, user, qos), or limit=4h..2d"


def read_flexible(words: Sequence[str]) -> tuple[Rule, bool]:
    """Read the words; return the rule that they make, and whether tags say for how long jobs may wait.

    Raises:
        UsageError: one cannot be read.
    """
    rules = [_rule(word.strip()) for word in words]
    return lambda job: all(rule(job) for rule in rules), "tagged" in words


def _rule(word: str) -> Rule:
    name, mark, value = word.partition("=")
    if word == "all":
        return lambda _: True
    if word == "tagged":
        return lambda job: job.tag is not None
    if mark and value and name in NAMED:
        names = frozenset(value.split(","))
        return lambda job: getattr(job, name) in names
    if mark and name == "limit" and ".." in value:
        return _limits(value)
    raise UsageError(f'--flexible: expected {FORMS}, got "{word[:40]}"')


def _limits(value: str) -> Rule:
    least, _, most = value.partition("..")
    low = duration(least, "--flexible limit").total_seconds() if least else 0.0
    high = duration(most, "--flexible limit").total_seconds() if most else float("inf")
    return lambda job: (
        (float("inf") if job.limit is None else job.limit) >= low
        and (high == float("inf") or (job.limit is not None and job.limit <= high))
    )


def declared_wait(job: TracedJob, arrival: float) -> timedelta | None:
    """Return how long a job's own tag lets it wait; None where it has none."""
    if job.tag is None:
        return None
    if job.tag.finish is None or job.limit is None:
        return job.tag.flex
    slack = job.tag.finish.timestamp() - job.limit - arrival
    return max(min(job.tag.flex, timedelta(seconds=slack)), timedelta())
