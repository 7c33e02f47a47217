"""carbon-sacct --budget: how the site's budgets stand, of a month so far or of one that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carbonslurm.cli.sacct_layout import Table
from carbonslurm.core.allowance import AtEnd, OwnerKind
from carbonslurm.formats.terminal import grams_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.core.allowance import Allowance, Standing
    from carbonslurm.ports import RunFilter

WORDS = {
    AtEnd.WARN: "nothing changes",
    AtEnd.FLEXIBLE: "jobs are flexible by default",
    AtEnd.GREEN: "jobs wait for the greenest hours within their bound",
}


def chosen(standings: Sequence[Standing], wanted: RunFilter) -> list[Standing]:
    """Leave out budgets of others than those that were asked for."""
    names = {
        OwnerKind.USER: wanted.users,
        OwnerKind.ACCOUNT: wanted.accounts,
        OwnerKind.PARTITION: wanted.partitions,
    }
    return [it for it in standings if not (mine := names[it.allowance.kind]) or it.allowance.name in mine]


def table(standings: Sequence[Standing], *, bare: bool, prefix: str | None) -> Table:
    """Return a line a budget; ``bare`` has grams as numbers, for programs."""
    header = ["Budget", "Month", *(f"{it}{'G' if bare else ''}" for it in ("Limit", "Used", "Left"))]
    header += ["UsedPct", "Runs", "Unknown", "AtEnd", "Now"]

    def amount(grams: float) -> str:
        return f"{grams:.3f}" if bare else grams_text(grams, prefix)

    cells = [
        [
            it.allowance.owner,
            it.month,
            *map(amount, (it.allowance.grams, it.used_g, it.left_g)),
            f"{100 * it.share:.1f}",
            str(it.runs),
            str(it.unknown),
            str(it.allowance.at_end),
            now_words(it),
        ]
        for it in standings
    ]
    return Table(header, cells, frozenset(range(2, 8)), texts=frozenset({0}))


def now_words(standing: Standing) -> str:
    """Say what follows from how a budget stands."""
    return f"used up: {WORDS[standing.allowance.at_end]}" if standing.is_used_up else ""


def objects(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """Return budgets as objects."""
    return [
        {
            **owner_object(it.allowance),
            "month": it.month,
            "used_g": it.used_g,
            "left_g": it.left_g,
            "used_percent": 100 * it.share,
            "used_up": it.is_used_up,
            "runs": it.runs,
            "unknown": it.unknown,
        }
        for it in standings
    ]


def owner_object(allowance: Allowance) -> dict[str, Any]:
    """Return whose a budget is, and what it is."""
    return {
        "kind": str(allowance.kind),
        "name": allowance.name,
        "limit_g": allowance.grams,
        "at_end": str(allowance.at_end),
    }
