"""carbon-squeue: why each flexible job waits, its planned start, its bound, and what that is to save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.program import HELP, JobIds, config_option, load_config, run, version_option

if TYPE_CHECKING:
    from datetime import datetime

    from carbonslurm.core.job import QueuedJob
    from carbonslurm.ports import Pause, PlanRow

HEADER = ["JOBID", "PARTITION", "USER", "ST", "GPUS", "START", "BOUND", "G/KWH", "SAVES", "REASON"]
RIGHT = frozenset({4, 7, 8})


@click.command(context_settings=HELP)
@config_option
@click.option("-u", "--user", "users", metavar="USER[,USER]", help="Only jobs of these users.")
@click.option("--me", is_flag=True, help="Only your own jobs.")
@click.option("-j", "--jobs", "ids", type=JobIds(), metavar="ID[,ID]", help="Only these jobs.")
@click.option("-a", "--all", "everything", is_flag=True, help="Jobs that are not flexible too.")
@click.option("-n", "--noheader", is_flag=True, help="No line of headings.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects; times are ISO, UTC.")
@version_option
def carbon_squeue(
    config_path: Path | None,
    users: str | None,
    ids: tuple[tuple[int, int | None], ...] | None,
    *,
    me: bool,
    everything: bool,
    noheader: bool,
    as_json: bool,
) -> None:
    """Show the flexible jobs in the queue: when each is planned to start, until when at the latest, and why.

    \b
    START   planned start, or the begin time that Slurm has for the job
    BOUND   the latest start that we allow ourselves
    G/KWH   mean intensity of the run if it started when planned, beside if it had started now
    SAVES   grams expected to be saved by that

    \b
    Examples:
      carbon-squeue --me
      carbon-squeue -j 42 --json
      scontrol update JobId=42 StartTime=now    your way out: it starts now, and is left alone
    """
    from carbonslurm import wiring

    config = load_config(config_path)
    wanted = _wanted_users(users, me=me)
    queue = wiring.queue(config).snapshot()
    jobs = [job for job in queue.jobs if job.state.value != "ENDED" and _is_wanted(job, wanted, ids)]
    jobs = [job for job in jobs if everything or job.tag is not None]
    book = wiring.reading(config)
    try:
        ids_known = {job.key.job_id for job in jobs} | {_planned_as(job) for job in jobs}
        plans = book.plans(config.cluster, sorted(ids_known))
        pause = book.pause_of(config.cluster)
    finally:
        book.close()
    jobs.sort(key=lambda job: (job.started or job.eligible or job.submitted, job.key.job_id))
    found = [(job, plans.get(job.key.job_id) or plans.get(_planned_as(job))) for job in jobs]
    rows = [(job, _its_own(plan, job)) for job, plan in found]
    click.echo(_as_json(rows) if as_json else _as_table(rows, header=not noheader))
    if pause is not None:
        click.echo(f"carbon-squeue: {_paused(pause)}", err=True)


def _paused(pause: Pause) -> str:
    from carbonslurm.formats.terminal import cleaned
    from carbonslurm.formats.times import local_text

    why = f": {cleaned(pause.reason)}" if pause.reason else ""
    return f"paused since {local_text(pause.since)} by {cleaned(pause.by)}{why}; no job is made to wait"


def _its_own(plan: PlanRow | None, job: QueuedJob) -> PlanRow | None:
    """Slurm uses job ids again: a decision from before the job was submitted was about another one."""
    return None if plan is not None and job.restarts == 0 and plan.at < job.submitted else plan


def _wanted_users(users: str | None, *, me: bool) -> set[str] | None:
    import getpass

    if me:
        return {getpass.getuser()}
    return set(users.split(",")) if users else None


def _is_wanted(
    job: QueuedJob, users: set[str] | None, ids: tuple[tuple[int, int | None], ...] | None
) -> bool:
    if users is not None and job.user not in users:
        return False
    if ids is None:
        return True
    base, _, task = job.spec.partition("_")
    return any(
        number in (job.key.job_id, int(base)) and (wanted is None or task in (str(wanted), ""))
        for number, wanted in ids
    )


def _planned_as(job: QueuedJob) -> int:
    """The id under which it was planned: a task of an array waited under the array's."""
    return int(job.spec.partition("_")[0])


def _reason(job: QueuedJob, plan: PlanRow | None) -> str:
    """Why it is where it is, in one line."""
    if job.tag is None:
        return f"not flexible ({job.reason})" if job.state.value == "PENDING" else "not flexible"
    if job.obstacle is not None:
        return f"left alone: {job.obstacle}"
    if job.held and not _is_kept(job, plan):
        return f"left alone: held ({job.reason})"
    if plan is None and job.tag.begin is not None and job.eligible == job.tag.begin:
        return "waits for its own begin time"
    if plan is None:
        return "not planned yet" if job.state.value == "PENDING" else "started without waiting"
    words = {"leave": "left alone: ", "stop": "stopped: ", "release": ""}.get(plan.verb, "")
    note = {"observed": " (observe mode: not done)", "refused": " (refused by Slurm)"}.get(plan.state, "")
    return f"{words}{plan.reason}{note}"


def _is_kept(job: QueuedJob, plan: PlanRow | None) -> bool:
    """Whether our hold, or the gate, keeps it: then Slurm does not know when it is to start."""
    if plan is None or plan.verb != "withhold" or plan.state in {"refused", "observed"}:
        return False
    return {"hold": job.held_by_user, "gate": job.gated}.get(plan.means, False)


def _start(job: QueuedJob, plan: PlanRow | None) -> datetime | None:
    """When it started, or is to start."""
    if job.started is not None or job.state.value != "PENDING":
        return job.started
    return plan.until if plan is not None and _is_kept(job, plan) else job.eligible


def _as_table(rows: list[tuple[QueuedJob, PlanRow | None]], *, header: bool) -> str:
    from carbonslurm.formats.terminal import columns

    return columns(HEADER if header else [], [_cells(job, plan) for job, plan in rows], RIGHT)


def _cells(job: QueuedJob, plan: PlanRow | None) -> list[str]:
    from carbonslurm.formats.terminal import grams_text
    from carbonslurm.formats.times import local_text

    bound = plan.bound if plan and plan.bound else (job.tag.latest if job.tag else None)
    intensity = ""
    if plan and plan.g_per_kwh_then is not None and plan.g_per_kwh_now is not None:
        intensity = f"{plan.g_per_kwh_then:.0f}/{plan.g_per_kwh_now:.0f}"
    start = _start(job, plan)
    return [
        job.spec,
        job.partition,
        job.user,
        {"PENDING": "PD", "RUNNING": "R", "COMPLETING": "CG", "SUSPENDED": "S"}[job.state.value],
        str(job.tres.gpu_count),
        local_text(start) if start else "N/A",
        local_text(bound) if bound else "N/A",
        intensity,
        grams_text(plan.saving_g) if plan and plan.saving_g is not None else "",
        _reason(job, plan),
    ]


def _as_json(rows: list[tuple[QueuedJob, PlanRow | None]]) -> str:
    import json

    return json.dumps([_object(job, plan) for job, plan in rows], indent=1)


def _object(job: QueuedJob, plan: PlanRow | None) -> dict[str, Any]:
    from carbonslurm.core.interval import iso

    bound = plan.bound if plan and plan.bound else (job.tag.latest if job.tag else None)
    return {
        "job_id": job.key.job_id,
        "spec": job.spec,
        "user": job.user,
        "account": job.account,
        "partition": job.partition,
        "state": job.state.value,
        "gpus": job.tres.gpu_count,
        "flexible": job.tag is not None,
        "start": iso(start) if (start := _start(job, plan)) else None,
        "means": plan.means if plan and plan.verb in {"withhold", "release"} else None,
        "planned": iso(plan.until) if plan and plan.until else None,
        "bound": iso(bound) if bound else None,
        "g_per_kwh_now": plan.g_per_kwh_now if plan else None,
        "g_per_kwh_planned": plan.g_per_kwh_then if plan else None,
        "saving_g": plan.saving_g if plan else None,
        "action": plan.verb if plan else None,
        "action_state": plan.state if plan else None,
        "reason": _reason(job, plan),
    }


def main() -> None:
    """Run carbon-squeue."""
    run(carbon_squeue, name="carbon-squeue")
