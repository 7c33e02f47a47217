"""``carbonslurm ledger import``: what a site kept of sacct, into the ledger."""

from __future__ import annotations

import gzip
import io
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.ledger.place import cluster_of, path_option, place_of
from carbonslurm.cli.program import config_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from typing import TextIO

    from carbonslurm.app.importing import ImportReport
    from carbonslurm.core.accounted import Accounted
    from carbonslurm.ledger.place import Place

GZIP = b"\x1f\x8b"


@click.command("import", short_help="Read a dump of sacct, or an export, into the ledger.")
@config_option
@path_option
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--sacct", "sacct", metavar="FILE", help="What sacct printed; - for the input.")
@click.option("--cluster", help="Whose runs these are.  [default: the configuration's cluster]")
@click.option("--columns", metavar="NAME[,NAME]", help="Of a file without a first line that names them.")
@click.option("--delimiter", help="Between the fields.  [default: |, or a comma]")
@click.option("--timezone", metavar="ZONE", help="In which local times are written, such as Europe/Berlin.")
@click.option("--json", "as_json", is_flag=True, help="The counts as an object.")
def import_(
    config_path: Path | None,
    path: Path | None,
    *,
    folder: Path | None,
    sacct: str | None,
    cluster: str | None,
    columns: str | None,
    delimiter: str | None,
    timezone: str | None,
    as_json: bool,
) -> None:
    """Read what a site kept of sacct, and say what became of every row; or an export of a ledger.

    FOLDER is what carbonslurm ledger export wrote: all of it goes into an empty ledger, or nothing.

    FILE is sacct -P with any columns (JobIDRaw, Submit, Start, End and State among them), CSV, or sacct
    --json; gzipped or not. Ask for it like this, so that times are exact and requeued attempts are there:

    \b
      SLURM_TIME_FORMAT=%s sacct -a -D -P -S 2024-01-01 -E now -o Cluster,JobIDRaw,JobID,Submit,Eligible,
        Start,End,State,ExitCode,User,UID,Account,Partition,QOS,Timelimit,AllocTRES,ReqTRES,
        ConsumedEnergyRaw,NodeList,ElapsedRaw,AdminComment,JobName

    Rows that are no runs are set aside: carbonslurm ledger aside. The same file again changes nothing. The
    daemon works the figures out.

    \b
    Examples:
      carbonslurm ledger import --sacct dump.txt.gz
      carbonslurm ledger import --sacct old.txt --timezone Europe/Berlin
      sacct ... | carbonslurm ledger import --sacct -
      carbonslurm ledger import exported/
    """
    from carbonslurm import wiring
    from carbonslurm.app.importing import keep_all
    from carbonslurm.errors import UsageError
    from carbonslurm.ledger.writing import Ledger

    if (folder is None) == (sacct is None):
        raise UsageError("name a folder that ledger export wrote, or --sacct FILE")
    if folder is not None:
        _import_folder(folder, place_of(config_path, path), as_json=as_json)
        return
    assert sacct is not None  # noqa: S101  # told above
    whose = cluster_of(config_path, path, cluster)
    with _opened(sacct) as lines:
        pieces = _pieces(lines, sacct, whose, columns, delimiter, _zone(timezone))
        with Ledger.open(place_of(config_path, path), cluster=whose) as book:
            report = keep_all(pieces, book, wiring.now)
    click.echo(_json(report) if as_json else _words(report))


def _import_folder(folder: Path, where: Path | Place, *, as_json: bool) -> None:
    from carbonslurm.cli.ledger.counting import told
    from carbonslurm.ledger.exporting import fill_from
    from carbonslurm.ledger.writing import Ledger

    with Ledger.open(where) as book:
        click.echo(told(fill_from(folder, book), str(where), as_json=as_json))


def _words(report: ImportReport) -> str:
    told = f"{report.changed} new or changed"
    aside = f"{report.newly_aside} new"
    return (
        f"{report.rows} rows: {report.runs} runs ({told}), {report.steps} steps, "
        f"{report.aside} set aside ({aside})"
    )


def _json(report: ImportReport) -> str:
    import json
    from dataclasses import asdict

    return json.dumps(asdict(report))


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    """Open a file, gzipped or not, or the input; a byte that is no text becomes a mark."""
    from carbonslurm.errors import RefusedError

    if name == "-":
        yield _text(sys.stdin.buffer)
        return
    try:
        with Path(name).open("rb") as raw:
            zipped = raw.peek(2)[:2] == GZIP
            yield _text(gzip.GzipFile(fileobj=raw) if zipped else raw)
    except (OSError, EOFError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise RefusedError(f"{name}: {words}") from error


def _text(raw: Any) -> TextIO:
    return io.TextIOWrapper(raw, "utf-8", "replace", "\n")


def _zone(name: str | None) -> tzinfo | None:
    from zoneinfo import ZoneInfo

    from carbonslurm.errors import UsageError

    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"--timezone {name}: nobody knows it here; such as Europe/Berlin or UTC") from error


def _pieces(
    lines: TextIO,
    name: str,
    cluster: str,
    columns: str | None,
    delimiter: str | None,
    zone: tzinfo | None,
) -> Iterator[Accounted]:
    from itertools import chain

    from carbonslurm import wiring
    from carbonslurm.app.importing import PIECE
    from carbonslurm.errors import UsageError
    from carbonslurm.formats import sacct_file
    from carbonslurm.formats.sacct import Reading

    named = columns.split(",") if columns else None
    found = sacct_file.rows_of(sacct_file.without_ends(lines), name, delimiter, named)
    rest = iter(found.rows)
    first = list(next(rest, ()))
    if first and zone is None and sacct_file.has_local_times(first, found.columns):
        raise UsageError(f"{name}: its times are local ones: say where, such as --timezone Europe/Berlin")
    reading = Reading(found.columns, cluster, None if found.epochs else zone, wiring.now())
    rows = chain([first], rest) if first else ()
    for piece in reading.pieces(rows, PIECE):
        yield reading.read(piece)
