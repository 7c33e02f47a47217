"""(b) What our hook adds to an sbatch, against a hook that returns at once, on the same Slurm.

One file holds both: a job named "empty" meets a hook that returns at once, any other ours. So jobs are
compared in pairs, one right after the other, and a busy second of the machine meets both. (To swap the file
costs seconds each time, since slurmctld compares whole ones: whole blocks would be compared with others.)
Jobs are held: else our hook would win by its planning window alone, since slurmctld at once tries to start a
job that may start.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from carbonslurm.sandbox import packages, wait_until
from carbonslurm.sandbox.site import reload_hook, write_site
from slurm_parts.place import FLEXIBLE, drain, place, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carbonslurm.sandbox.stage import Stage

WARM_UP = 20  # pairs, in which the hook is loaded
BOTH = """
local ours = slurm_job_submit
function slurm_job_submit(job_desc, part_list, submit_uid)
  if job_desc.name == "empty" then return slurm.SUCCESS end
  return ours(job_desc, part_list, submit_uid)
end
"""
Timed = list[tuple[str, float]]
HANDLED = re.compile(r"_slurm_rpc_submit_batch_job: JobId=\d+ .*usec=(\d+)")


def measure(count: int, root: Path | None) -> dict[str, Any]:
    """Time ``count`` submissions under each hook."""
    with place(root) as stage, submitter(stage) as submit:
        drain(stage.sandbox)
        write_site(stage.sandbox)
        script = stage.sandbox.hook_directory / "job_submit.lua"
        script.write_text(script.read_text() + BOTH)
        reload_hook(stage.sandbox)
        loaded = script.stat().st_mtime + 1
        wait_until(lambda: time.time() > loaded, 10)
        submit(WARM_UP)
        before = len(handled(stage))
        timed = submit(count)
        usec = handled(stage)[before:]
        return {"slurm": stage.sandbox.slurm_version, **figures(timed, usec)}


def figures(timed: Timed, usec: list[int]) -> dict[str, Any]:
    """Medians, and by how much ours is above."""
    found: dict[str, Any] = {"submissions": len(timed) // 2}
    by_name = {name: [seconds for own, seconds in timed if own == name] for name in ("ours", "empty")}
    for name, seconds in by_name.items():
        own = [it for it, (whose, _) in zip(usec, timed, strict=True) if whose == name]
        found[name] = {"ms": round(median(seconds) * 1e3, 3), "handled_ms": round(median(own) / 1e3, 3)}
    pairs = zip(by_name["ours"], by_name["empty"], strict=True)
    paired = median(ours - empty for ours, empty in pairs)
    above = found["ours"]["ms"] / found["empty"]["ms"] - 1
    return found | {"paired_difference_ms": round(paired * 1e3, 3), "above_percent": round(above * 100, 2)}


def handled(stage: Stage) -> list[int]:
    """What slurmctld says of each submission that it took, in microseconds, in their order."""
    log = (stage.sandbox.log / "slurmctld.log").read_text(errors="replace")
    return [int(usec) for usec in HANDLED.findall(log)]


@contextmanager
def submitter(stage: Stage) -> Iterator[Callable[[int], Timed]]:
    """A process of the plain user's that submits pairs of flexible jobs; a call returns their seconds."""
    found = None if stage.sandbox.root else packages.find("sbatch", None)
    sbatch = str(found or stage.sandbox.bin / "sbatch")  # the wrapper is a shell more
    words = [sbatch, "--hold", *FLEXIBLE, "--wrap=true"]
    argv = [sys.executable, str(Path(__file__).with_name("submitter.py")), *words]
    process = spawn(stage.sandbox, argv, stage.user, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None

    def submit(count: int) -> Timed:
        print(count, file=process.stdin, flush=True)
        return [(name, seconds) for name, seconds in json.loads(process.stdout.readline())]

    try:
        yield submit
    finally:
        process.communicate(timeout=60)


def table(found: dict[str, Any]) -> list[str]:
    """Lines for people."""
    lines = [f"(b) {found['submissions']} sbatch under each hook, in pairs, Slurm {found['slurm']}"]
    lines.append(f"{'':<28} {'sbatch ms':>10} {'RPC ms':>8}")
    lines += [
        f"{label:<28} {found[name]['ms']:>10.2f} {found[name]['handled_ms']:>8.3f}"
        for name, label in (("ours", "our hook"), ("empty", "returns at once"))
    ]
    above, paired = found["above_percent"], found["paired_difference_ms"]
    return [*lines, f"our median is {above:+.1f} % above; median difference of pairs {paired:+.3f} ms"]
