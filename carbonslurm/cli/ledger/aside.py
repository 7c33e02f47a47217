"""``carbonslurm ledger aside``: the rows of sacct that are no runs, each with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carbonslurm.cli.ledger.place import path_option, place_of
from carbonslurm.cli.program import config_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.ports import AsideRow

HEADER = ["Cluster", "JobID", "Submit", "Read", "Mended", "Reason"]


@click.command(short_help="List rows of sacct that are no runs, with the reasons.")
@config_option
@path_option
@click.option("--all", "everything", is_flag=True, help="Also rows of which a later reading made runs.")
@click.option("-P", "--parsable2", is_flag=True, help="Columns divided by |, for programs.")
@click.option("-n", "--noheader", is_flag=True, help="No line of headings.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects, with the rows as printed.")
def aside(
    config_path: Path | None,
    path: Path | None,
    *,
    everything: bool,
    parsable2: bool,
    noheader: bool,
    as_json: bool,
) -> None:
    """List the rows of sacct that are no runs, each with its reason: they are in no figure.

    A runaway job is mended in Slurm (sacctmgr show runawayjobs); the next reading then makes a run of it, and
    it leaves this list. What stays is of no use to any figure, and no harm.

    \b
    Examples:
      carbonslurm ledger aside
      carbonslurm ledger aside --json
    """
    from carbonslurm.formats.terminal import columns, divided
    from carbonslurm.ledger.reading import Reading

    with Reading.open(place_of(config_path, path, to_read=True)) as book:
        rows = book.aside(mended=everything)
    if as_json:
        click.echo(_json(rows))
        return
    header = [] if noheader else HEADER
    cells = [_cells(row) for row in rows]
    text = divided(header, cells) if parsable2 else columns(header, cells)
    if text:
        click.echo(text)


def _cells(row: AsideRow) -> list[str]:
    from carbonslurm.core.interval import iso

    item = row.item
    submitted = iso(item.submitted) if item.submitted else "unknown"
    job = item.job or "unknown"
    mended = "yes" if row.mended else "no"
    return [item.cluster, job, submitted, iso(row.recorded_at), mended, item.reason]


def _json(rows: Sequence[AsideRow]) -> str:
    import json

    from carbonslurm.core.interval import iso

    return json.dumps(
        [
            {
                "cluster": row.item.cluster,
                "job": row.item.job,
                "submitted": iso(row.item.submitted) if row.item.submitted else None,
                "read": iso(row.recorded_at),
                "mended": row.mended,
                "reason": row.item.reason,
                "row": row.item.row,
            }
            for row in rows
        ]
    )
