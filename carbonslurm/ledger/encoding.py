"""Facts <-> columns, and nothing else: what goes in comes out the same (tests/ledger/test_encoding.py)."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import RowMapping

from carbonslurm.core.energy import Quality
from carbonslurm.core.footprint import Beside, Figure
from carbonslurm.core.interval import Interval, from_epoch
from carbonslurm.core.job import AccountedRun, AccountedStep, QueuedJob, RunKey, Tres
from carbonslurm.core.nature import Kind, Nature, Scope
from carbonslurm.core.rest import Asked, QuestionKey
from carbonslurm.core.tag import Tag, format_tag, parse_tag

Columns = dict[str, Any]


def tag_text(tag: Tag | None) -> str | None:
    """Return a tag as the hook writes it."""
    return None if tag is None else format_tag(tag)


def read_tag(text: str | None) -> Tag | None:
    """Return the tag that ``tag_text`` wrote."""
    return None if text is None else parse_tag(text)


def gpus_text(gpus: Mapping[str, int]) -> str:
    """Return counts by type as JSON, in one order only, so that equal counts are equal texts."""
    return json.dumps(dict(gpus), sort_keys=True, separators=(",", ":"))


def read_gpus(text: str) -> Mapping[str, int]:
    """Return the counts that ``gpus_text`` wrote."""
    return dict(_decoded(text))


# Few texts in many runs; each run gets a copy of its own.
_decoded = lru_cache(maxsize=1024)(json.loads)


def nature_columns(nature: Nature | None) -> Columns:
    """Return kind and scope, both NULL where there is no nature."""
    return {"kind": nature.kind.value if nature else None, "scope": nature.scope.value if nature else None}


@lru_cache
def read_nature(kind: str | None, scope: str | None) -> Nature | None:
    """Return the nature that ``nature_columns`` wrote."""
    return None if kind is None or scope is None else Nature(Kind(kind), Scope(scope))


def run_columns(run: AccountedRun) -> Columns:
    """Return a run's facts, its key included."""
    return {
        "cluster": run.key.cluster,
        "job_id": run.key.job_id,
        "submitted": run.key.submitted,
        "array_job_id": run.array_job_id,
        "array_task": run.array_task,
        "user_name": run.user,
        "account": run.account,
        "partition": run.partition,
        "qos": run.qos,
        "eligible": run.eligible,
        "started": run.started,
        "ended": run.ended,
        "state": run.state,
        "exit_code": run.exit_code,
        "time_limit": run.time_limit,
        "cpus": run.tres.cpus,
        "nodes": run.tres.nodes,
        "gpus": gpus_text(run.tres.gpus),
        "energy_joules": run.energy_joules,
        "tag": tag_text(run.tag),
        "node_list": run.node_list or None,
        "suspended": run.suspended or None,
        "job_name": run.name,
    }


def read_run(row: RowMapping | Mapping[str, Any]) -> AccountedRun:
    """Return the run that ``run_columns`` wrote."""
    return AccountedRun(
        key=RunKey(row["cluster"], row["job_id"], row["submitted"]),
        array_job_id=row["array_job_id"],
        user=row["user_name"],
        account=row["account"],
        partition=row["partition"],
        qos=row["qos"],
        eligible=row["eligible"],
        started=row["started"],
        ended=row["ended"],
        state=row["state"],
        exit_code=row["exit_code"],
        time_limit=row["time_limit"],
        tres=Tres(row["cpus"], row["nodes"], read_gpus(row["gpus"])),
        energy_joules=row["energy_joules"],
        tag=read_tag(row["tag"]),
        array_task=row["array_task"],
        node_list=row["node_list"] or "",
        suspended=row["suspended"] or timedelta(),
        name=row["job_name"],
    )


def step_columns(step: AccountedStep) -> Columns:
    """Return a step's facts; whose it is stands in ``run``, which is the ledger's number."""
    return {
        "step": step.name,
        "job_name": step.job_name,
        "state": step.state,
        "exit_code": step.exit_code,
        "started": step.started,
        "ended": step.ended,
        "energy_joules": step.energy_joules,
        "cpus": step.tres.cpus,
        "nodes": step.tres.nodes,
        "gpus": gpus_text(step.tres.gpus),
    }


def read_step(row: RowMapping | Mapping[str, Any], run: RunKey) -> AccountedStep:
    """Return the step that ``step_columns`` wrote."""
    return AccountedStep(
        run=run,
        name=row["step"],
        job_name=row["job_name"],
        state=row["state"],
        exit_code=row["exit_code"],
        started=row["started"],
        ended=row["ended"],
        tres=Tres(row["cpus"], row["nodes"], read_gpus(row["gpus"])),
        energy_joules=row["energy_joules"],
    )


def figure_columns(figure: Figure) -> Columns:
    """Return a figure, without its run and time."""
    return {
        "energy_kwh": figure.energy_kwh,
        "energy_method": figure.energy_method,
        "emitted_g": figure.emitted_g,
        "baseline_starts_at": figure.baseline.start,
        "baseline_ends_at": figure.baseline.end,
        "baseline_g": figure.baseline_g,
        "lost": figure.lost,
        **nature_columns(figure.nature),
        "source": figure.source,
        "estimated": figure.estimated,
        "queue_starts_at": figure.queue.start if figure.queue else None,
        "queue_ends_at": figure.queue.end if figure.queue else None,
        "queue_g": figure.queue_g,
        "zone": figure.zone,
        "energy_quality": figure.quality,
        "pue": figure.pue,
    }


def read_figure(row: RowMapping | Mapping[str, Any], beside: Beside | None = None) -> Figure:
    """Return the figure that ``figure_columns`` wrote, with what stands beside it."""
    return Figure(
        energy_kwh=row["energy_kwh"],
        energy_method=row["energy_method"],
        emitted_g=row["emitted_g"],
        baseline=Interval(row["baseline_starts_at"], row["baseline_ends_at"]),
        baseline_g=row["baseline_g"],
        lost=row["lost"],
        nature=read_nature(row["kind"], row["scope"]),
        source=row["source"],
        estimated=row["estimated"],
        queue=Interval(row["queue_starts_at"], row["queue_ends_at"]) if row["queue_starts_at"] else None,
        queue_g=row["queue_g"],
        zone=row["zone"],
        beside=beside,
        quality=Quality(row["energy_quality"]) if row["energy_quality"] else None,
        pue=row["pue"],
    )


def beside_columns(beside: Beside) -> Columns:
    """Return what stands beside a figure, without its figure."""
    return {
        **nature_columns(beside.nature),
        "source": beside.source,
        "emitted_g": beside.emitted_g,
        "baseline_g": beside.baseline_g,
        "queue_g": beside.queue_g,
        "estimated": beside.estimated,
    }


def read_beside(row: RowMapping | Mapping[str, Any]) -> Beside:
    """Return what ``beside_columns`` wrote."""
    return Beside(
        nature=Nature(Kind(row["kind"]), Scope(row["scope"])),
        source=row["source"],
        emitted_g=row["emitted_g"],
        baseline_g=row["baseline_g"],
        queue_g=row["queue_g"],
        estimated=row["estimated"],
    )


def job_columns(job: QueuedJob) -> Columns:
    """Return what is kept of a job when it is first seen; its first eligible time the caller writes."""
    return {
        "cluster": job.key.cluster,
        "job_id": job.key.job_id,
        "first_submitted": job.submitted,
        "last_submitted": job.submitted,
        "user_name": job.user,
        "account": job.account,
        "partition": job.partition,
        "qos": job.qos,
        "tag": tag_text(job.tag),
        "waited": job.waits_for_others,
    }


def asked_columns(key: QuestionKey, asked: Asked) -> Columns:
    """Return what is remembered of asking one question, its key included."""
    return {
        "provider": key.provider,
        "zone": key.zone,
        "question": key.question,
        "asked_at": asked.asked_at,
        "answered_at": asked.answered_at,
        "gave": json.dumps(asked.gave),
        "failures": asked.failures,
        "left_until": asked.left_until,
        "reason": asked.reason,
        "calls": json.dumps([call.timestamp() for call in asked.calls]),
    }


def read_asked(row: RowMapping | Mapping[str, Any]) -> tuple[QuestionKey, Asked]:
    """Return the question and the memory that ``asked_columns`` wrote."""
    key = QuestionKey(row["provider"], row["zone"], row["question"])
    return key, Asked(
        asked_at=row["asked_at"],
        answered_at=row["answered_at"],
        gave=tuple(json.loads(row["gave"])),
        failures=row["failures"],
        left_until=row["left_until"],
        reason=row["reason"],
        calls=tuple(from_epoch(call) for call in json.loads(row["calls"])),
    )
