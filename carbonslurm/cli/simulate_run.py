"""What ``simulate`` and ``replay`` have in common: words that are read, and policies that are run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from carbonslurm.sim.comparison import Run, Setting
    from carbonslurm.sim.trace import MaxWait


def chosen_policies(names: str, *, several_zones: bool = False) -> list[str]:
    """Read names of policies; ``all`` is every one, and those that choose a place where there are several.

    Raises:
        UsageError: there is no such policy, or it is nothing with one zone.
    """
    from carbonslurm.errors import UsageError
    from carbonslurm.sim.placing import PLACING
    from carbonslurm.sim.registry import POLICIES

    known = [*POLICIES, *(PLACING if several_zones else [])]
    chosen = known if names == "all" else [name.strip() for name in names.split(",")]
    for name in chosen:
        if name in PLACING and not several_zones:
            raise UsageError(f"--policy: {name} chooses among zones: give simulate --carbon ZONE=FILE, twice")
        if name not in known:
            raise UsageError(f"--policy: no {name[:40]}; there are {', '.join(known)}")
    return chosen


def check_size(capacity: float | None, cluster: Path | None, watts: float | None) -> None:
    """See that the size of a cluster and the power of a unit make sense.

    Raises:
        UsageError: they do not.
    """
    from carbonslurm.errors import UsageError

    if capacity is not None and cluster is not None:
        raise UsageError("--capacity and --cluster both say how large the cluster is: give one")
    if capacity is not None and not capacity > 0:
        raise UsageError("--capacity: expected more than 0")
    if watts is not None and not 0 < watts < float("inf"):
        raise UsageError("--power-w: expected more than 0")


def read_max_wait(text: str) -> MaxWait:
    """Read ``12h``, or ``short=6h,long=24h``.

    Raises:
        UsageError: neither.
    """
    from carbonslurm.errors import UsageError
    from carbonslurm.sim.parameters import duration
    from carbonslurm.sim.trace import MaxWait

    if "=" not in text:
        both = duration(text, "--max-wait")
        return MaxWait(both, both)
    parts = dict(part.strip().partition("=")[::2] for part in text.split(","))
    if set(parts) != {"short", "long"}:
        raise UsageError(f'--max-wait: expected 12h or short=6h,long=24h, got "{text[:60]}"')
    return MaxWait(duration(parts["short"], "--max-wait"), duration(parts["long"], "--max-wait"))


def read_anchor(text: str | None) -> datetime | None:
    """Read when a trace of offsets begins; without a zone it is UTC.

    Raises:
        UsageError: it is no time.
    """
    from carbonslurm.errors import UsageError

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f'--anchor: expected a time such as 2022-01-01T00:00Z, got "{text[:40]}"') from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def lived(setting: Setting, name: str) -> Run:
    """Run one policy, and show how far it is where a person looks."""
    from time import perf_counter

    from carbonslurm.sim.comparison import run

    with _progress(len(setting.trace), name) as tell:
        return run(setting, name, perf_counter, tell)


def _progress(jobs: int, name: str) -> AbstractContextManager[Callable[[int], None]]:
    """Show how far a run is, where a person looks."""
    import sys
    from contextlib import contextmanager, nullcontext

    import click

    if not sys.stderr.isatty():
        return nullcontext(lambda _: None)

    @contextmanager
    def shown():  # type: ignore[no-untyped-def]  # noqa: ANN202 - its type is the enclosing function's
        with click.progressbar(length=jobs, label=name.ljust(18), file=sys.stderr) as bar:
            yield bar.update

    return shown()
