"""Stands in for pyslurm 25.11 where that cannot be: the same names, answered by Slurm's own commands.

It misbehaves as pyslurm and libslurm can, as the file ``fault`` beside it says: ``die`` ends the process as
libslurm's fatal() does, ``hang`` waits without end, ``chatter`` prints to stdout as libslurm's logging does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FAULT = Path(__file__).with_name("fault")
UNSET = frozenset({None, 0, 4294967294})


class PyslurmError(Exception):
    """As pyslurm's."""


class RPCError(PyslurmError):
    """As pyslurm's."""


def ask(*argv: str) -> bytes:
    """Run a command of Slurm's, but misbehave first if that is what is asked for."""
    fault = FAULT.read_text().strip() if FAULT.exists() else ""
    if fault == "die":
        os.write(2, b"pyslurm: fatal: \x1b[31mauth plugin \xff failed\n")
        os._exit(1)
    if fault == "hang":
        signal.pause()
    if fault == "chatter":
        os.write(1, b'{"number": 1, "value": []}\nslurm_load_jobs: debug\n')
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode:
        raise RPCError(done.stderr.decode(errors="replace").strip().removeprefix("slurm_update error: "))
    return done.stdout


def number(value: Any) -> int | None:
    """22.05 writes plain numbers, newer versions {set, infinite, number}."""
    if isinstance(value, dict):
        value = value["number"] if value["set"] and not value["infinite"] else None
    return None if value in UNSET else int(value)


class Job:
    """One job of squeue's JSON, under pyslurm's names."""

    def __init__(self, job_id: int, shown: Mapping[str, Any] | None = None) -> None:
        self.id = job_id
        self._shown = shown or {}

    def __getattr__(self, name: str) -> Any:
        if name not in WORDS:
            raise AttributeError(name)
        return WORDS[name](self._shown)

    def modify(self, changes: JobSubmitDescription) -> None:
        """Update it."""
        factor = [f"SiteFactor={changes.site_factor}"] if changes.site_factor else []
        ask("scontrol", "update", f"JobId={self.id}", f"StartTime=uts{changes.begin_time}", *factor)


def text(name: str) -> Any:
    """Read a text; None where there is none, and an error where it is not UTF-8, as in pyslurm."""

    def read(shown: Mapping[str, Any]) -> str | None:
        found: str = shown.get(name) or ""
        found.encode("utf-8")  # lone surrogates stand for bytes that are not UTF-8
        return found or None

    return read


def state(shown: Mapping[str, Any]) -> str:
    """Give the word that slurm_job_state_string() gives."""
    words = [shown["job_state"]] if isinstance(shown["job_state"], str) else shown["job_state"]
    return "COMPLETING" if "COMPLETING" in words else str(words[0])


def tres(shown: Mapping[str, Any]) -> SimpleNamespace | None:
    """Give the GPUs by their type."""
    given = shown["tres_alloc_str"] if state(shown) == "RUNNING" else shown["tres_req_str"]
    pairs = [item.split("=", 1) for item in (given or "").split(",") if item.startswith("gres/gpu")]
    gres = {name.removeprefix("gres/"): SimpleNamespace(count=int(count)) for name, count in pairs}
    return SimpleNamespace(gres=gres) if given else None


def dependencies(shown: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the jobs that are waited for, by kind."""
    if not shown["dependency"]:
        return None
    out: dict[str, Any] = {"afterok": [], "afterany": [], "singleton": False, "satisfy": "all"}
    for kind, _, job in (item.partition(":") for item in shown["dependency"].split(",")):
        if kind in out:
            out[kind].append(int(job) if job.isdigit() else job)
    return out


WORDS: dict[str, Any] = {
    "array_id": lambda shown: number(shown["array_job_id"]),
    "array_task_id": lambda shown: number(shown["array_task_id"]),
    "array_tasks_waiting": lambda shown: (shown["array_task_string"] or "").split("%")[0] or None,
    "state": state,
    "user_name": text("user_name"),
    "account": text("account"),
    "partition": text("partition"),
    "qos": text("qos"),
    "submit_time": lambda shown: number(shown["submit_time"]),
    "eligible_time": lambda shown: number(shown["eligible_time"]),
    "start_time": lambda shown: number(shown["start_time"]),
    "time_limit": lambda shown: number(shown["time_limit"]),
    "deadline": lambda shown: number(shown["deadline"]),
    "dependencies": dependencies,
    "priority": lambda shown: number(shown["priority"]) or 0,
    "state_reason": text("state_reason"),
    "requeue_count": lambda shown: number(shown["restart_cnt"]) or 0,
    "is_requeueable": lambda shown: bool(shown["requeue"]),
    "is_batch_job": lambda shown: bool(shown["batch_flag"]),
    "reservation": text("resv_name"),
    "heterogeneous_id": lambda shown: number(shown["het_job_id"]),
    "federation_origin": text("federation_origin"),
    "cpus": lambda shown: number(shown["cpus"]),
    "num_nodes": lambda shown: number(shown["node_count"]),
    "tres": tres,
    "licenses": lambda shown: [item for item in (shown.get("licenses") or "").split(",") if item],
    "admin_comment": text("admin_comment"),
}


class Jobs(dict[int, Job]):
    """All jobs by their number."""

    @staticmethod
    def load() -> Jobs:
        """Ask for them."""
        answer = ask("squeue", "--json", "--all", "--states=all")
        told = json.loads(answer.decode("utf-8", errors="surrogateescape"))
        for error in told["errors"]:  # 22.05 says so, and ends with 0
            raise RPCError(error.get("error") or error.get("description"))
        return Jobs({item["job_id"]: Job(item["job_id"], item) for item in told["jobs"]})


@dataclass
class JobSubmitDescription:
    """What a job is to be changed to."""

    begin_time: int | None = None
    site_factor: int | None = None
