"""Traces out of Slurm's accounting: a run a job."""

from collections.abc import Sequence
from datetime import UTC

from carbonslurm.core.job import AccountedRun
from carbonslurm.errors import DataError
from carbonslurm.formats import sacct
from carbonslurm.formats.sacct_rows import COLUMNS
from carbonslurm.formats.traced import NO_LENGTH, UNREAD, TracedJob, TracedJobs


def read_sacct(text: str, name: str) -> TracedJobs:
    """Read what ``sacct -P`` printed, with its header.

    Raises:
        DataError: "name:1: why".
    """
    header = text.splitlines()[0].split("|")
    dated = text.splitlines()[1].split("|") if "\n" in text.strip() else []
    if missing := _missing(header):
        raise DataError(f"{name}:1: no column {missing} in the header of sacct")
    epochs = dict(zip(header, dated, strict=False)).get("Submit", "").isdigit()
    cluster = dict(zip(header, dated, strict=False)).get("Cluster", "trace")
    try:
        runs, unread = sacct.read_runs(text, "|", cluster, None, None if epochs else UTC)
    except DataError as error:
        raise DataError(f"{name}:1: {error}") from error
    kept = [job for run in runs if (job := traced_run(run)) is not None]
    left_out = {UNREAD: len(unread), NO_LENGTH: len(runs) - len(kept)}
    counted = {why: count for why, count in left_out.items() if count}
    return TracedJobs(tuple(kept), True, counted, tuple(line for line in unread if line != sacct.STEP))


def _missing(header: Sequence[str]) -> str:
    """Return which columns of sacct a trace needs and this one lacks."""
    lacking = [column for column in ("Start", "End") if column not in header]
    if not {"AllocTRES", "ReqTRES", *COLUMNS["cpus"]} & set(header):
        lacking.append("AllocTRES (or AllocCPUS)")
    return ", ".join(lacking)


def traced_run(run: AccountedRun) -> TracedJob | None:
    """Return a run of sacct as a job of a trace; None for one that never ran, or has not ended."""
    if run.started is None or run.ended is None or run.ended <= run.started:
        return None
    kinds = [kind for kind in run.tres.gpus if kind]
    return TracedJob(
        str(run.key.job_id),
        run.key.submitted.timestamp(),
        (run.ended - run.started).total_seconds(),
        None if run.time_limit is None else run.time_limit.total_seconds(),
        float(run.tres.cpus) or None,
        float(sum(run.tres.gpus.values())),
        float(run.tres.nodes) or None,
        run.user,
        run.account,
        run.partition,
        kinds[0] if len(kinds) == 1 else "",
        run.qos,
        started=run.started.timestamp(),
        eligible=None if run.eligible is None else run.eligible.timestamp(),
        tag=run.tag,
    )
