"""``carbonslurm forecast sources``: who was asked, what came of it, and who is left alone until when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.forecast.asking import config_option, laid_out, ledger_config, meant_zones, table_options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from carbonslurm.config import Config
    from carbonslurm.core.rest import Asked, QuestionKey

HEADER = [
    "Provider",
    "Zone",
    "Question",
    "LastAsked",
    "LastAnswer",
    "Gave",
    "Failures",
    "NotBefore",
    "Reason",
]
RIGHT = frozenset({6})


@click.command(short_help="Who was asked, and who is left alone.")
@config_option
@click.argument("zones", nargs=-1, metavar="[ZONE]...")
@table_options
def sources(config_path: Path | None, zones: tuple[str, ...], **given: Any) -> int:
    """Show for each configured source when it was asked and answered, and why it is left alone until when.

    \b
    LastAnswer  the last answer that could be believed, and in Gave what it held
    Failures    in a row since
    NotBefore   it is asked again then at the earliest: its provider's own interval, or a rest after a failure

    Exit code 1 where a source did not answer the last time.

    \b
    Examples:
      carbonslurm forecast sources
      carbonslurm forecast sources GB --json
    """
    from carbonslurm import wiring

    config = ledger_config(config_path, "sources")
    meant = meant_zones(config, zones, every=True)
    with wiring.reading(config) as book:
        asked = _of(config, book.asked(), meant)
    if given["as_json"]:
        click.echo(_as_json(asked))
    else:
        rows = [_cells(key, each) for key, each in asked.items()]
        click.echo(laid_out(HEADER, rows, RIGHT, parsable=given["parsable2"], noheader=given["noheader"]))
    return 1 if any(each.failures for each in asked.values()) else 0


def _of(
    config: Config, asked: Mapping[QuestionKey, Asked], zones: tuple[str, ...]
) -> dict[QuestionKey, Asked]:
    """Return what is remembered of the configured sources of some zones, in their order.

    One that was never asked is there too; what is no longer configured is not.
    """
    from carbonslurm.core.rest import NEVER, QuestionKey

    found: dict[QuestionKey, Asked] = {}
    for source in config.sources:
        if source.zone not in zones:
            continue
        name = str(type(source).__struct_config__.tag)
        known = {key: each for key, each in asked.items() if (key.provider, key.zone) == (name, source.zone)}
        found |= known or {QuestionKey(name, source.zone, ""): NEVER}
    return found


def _cells(key: QuestionKey, asked: Asked) -> list[str]:
    return [
        key.provider,
        key.zone,
        key.question,
        _moment(asked.asked_at) or "never",
        _moment(asked.answered_at) or "never",
        ", ".join(asked.gave),
        str(asked.failures),
        _moment(asked.left_until),
        asked.reason or "",
    ]


def _moment(moment: datetime | None) -> str:
    from carbonslurm.formats.times import local_text

    return "" if moment is None else local_text(moment)


def _as_json(asked: Mapping[QuestionKey, Asked]) -> str:
    import json

    from carbonslurm.core.interval import iso

    def said(moment: datetime | None) -> str | None:
        return None if moment is None else iso(moment)

    made = [
        {
            "provider": key.provider,
            "zone": key.zone,
            "question": key.question or None,
            "asked": said(each.asked_at),
            "answered": said(each.answered_at),
            "gave": list(each.gave),
            "failures": each.failures,
            "not_before": said(each.left_until),
            "reason": each.reason,
        }
        for key, each in asked.items()
    ]
    return json.dumps(made, indent=1)
