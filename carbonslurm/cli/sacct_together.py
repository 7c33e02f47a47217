"""Which of carbon-sacct's words exclude each other."""

from __future__ import annotations

import click


def check(given: dict[str, object], by: tuple[str, ...]) -> None:
    """Refuse words that exclude each other."""
    if given["associations"]:
        raise click.UsageError("-x: the ledger has no association ids: use -M, -A, -u and -r")
    ways = [name for name in ("as_json", "as_csv", "parsable", "parsable2") if given[name]]
    if (given["html"] or given["pdf"]) and (ways or by or given["fields"] or given["brief"]):
        raise click.UsageError("--html and --pdf are reports of their own: leave out other forms of output")
    if len(ways) > 1 and ways != ["parsable", "parsable2"]:
        raise click.UsageError("one of --json, --csv, -p and -P, not several")
    if given["budget"] and (by or given["mlflow"] or given["html"] or given["pdf"] or given["ids"]):
        raise click.UsageError("--budget stands alone: leave out -j, --by, --html, --pdf and --mlflow")
    if given["mlflow"] and (ways or by or not given["ids"]):
        raise click.UsageError("--mlflow takes jobs (-j) and no other form of output")
    if given["mlflow_run"] and not given["mlflow"]:
        raise click.UsageError("--mlflow-run needs --mlflow")
    if by and (given["fields"] or given["brief"]):
        raise click.UsageError("--by has columns of its own: leave out -o and -b")
    if not given["delimiter"]:
        raise click.UsageError("--delimiter: expected a text, got an empty one")
