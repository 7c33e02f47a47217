"""(b) What our hook adds to an sbatch, against a hook that returns at once, on the same Slurm.

slurmctld loads a hook anew when its file is newer than the last look, by whole seconds; so each swap waits
until slurmctld has come to rest with the new one, and then submits a whole block. Blocks alternate, and
their order too (ours first, theirs first), so that a growing queue or a busy minute meets both alike.
Jobs are held: else our hook would win by its planning window alone, since slurmctld at once tries to start a
job that may start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from carbonslurm.sandbox import packages, wait_until
from carbonslurm.sandbox.site import write_site
from slurm_parts.place import FLEXIBLE, drain, meter, place, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from carbonslurm.sandbox.stage import Stage
    from slurm_parts.place import Cost

BLOCK = 25
EMPTY = """\
function slurm_job_submit(job_desc, part_list, submit_uid) return slurm.SUCCESS end
function slurm_job_modify(job_desc, job_rec, part_list, modify_uid) return slurm.SUCCESS end
"""
SETTLES_S = 2.2  # a file's time is set to the next whole second: until that is past, each job loads it anew


def measure(count: int, root: Path | None) -> dict[str, Any]:
    """Time ``count`` submissions under each hook."""
    with place(root) as stage, submitter(stage) as submit:
        drain(stage.sandbox)
        write_site(stage.sandbox)
        hooks = {"ours": (stage.sandbox.hook_directory / "job_submit.lua").read_text(), "empty": EMPTY}
        seconds: dict[str, list[float]] = {name: [] for name in hooks}
        costs: dict[str, list[Cost]] = {name: [] for name in hooks}
        for number in range(count // BLOCK):
            for name in sorted(hooks, reverse=bool(number % 2)):
                swap(stage, hooks[name])
                submit(1)  # loads it
                with meter(stage, stage.user).measuring(costs[name]):
                    seconds[name] += submit(BLOCK)
        return {"slurm": stage.sandbox.slurm_version, **figures(seconds, costs)}


def figures(seconds: Mapping[str, list[float]], costs: Mapping[str, list[Cost]]) -> dict[str, Any]:
    """Medians, and by how much ours is above."""
    found: dict[str, Any] = {"submissions": len(seconds["ours"])}
    for name, times in seconds.items():
        handled = median(cost.handled / cost.calls for cost in costs[name])
        found[name] = {"ms": round(median(times) * 1e3, 3), "handled_ms": round(handled * 1e3, 3)}
    pairs = zip(seconds["ours"], seconds["empty"], strict=True)
    paired = median(ours - empty for ours, empty in pairs)
    above = found["ours"]["ms"] / found["empty"]["ms"] - 1
    return found | {"paired_difference_ms": round(paired * 1e3, 3), "above_percent": round(above * 100, 2)}


def swap(stage: Stage, text: str) -> None:
    """Put a hook in place for the next job."""
    script = stage.sandbox.hook_directory / "job_submit.lua"
    script.write_text(text)
    later = int(time.time()) + 1
    os.utime(script, (later, later))
    settled = time.time() + SETTLES_S
    wait_until(lambda: time.time() > settled, 10)


@contextmanager
def submitter(stage: Stage) -> Iterator[Callable[[int], list[float]]]:
    """A process of the plain user's that submits flexible jobs; a call returns each one's seconds."""
    found = None if stage.sandbox.root else packages.find("sbatch", None)
    sbatch = str(found or stage.sandbox.bin / "sbatch")  # the wrapper is a shell more
    argv = [
        sys.executable,
        str(Path(__file__).with_name("submitter.py")),
        sbatch,
        "--hold",
        *FLEXIBLE,
        "--wrap=true",
    ]
    process = spawn(stage.sandbox, argv, stage.user, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None

    def submit(count: int) -> list[float]:
        print(count, file=process.stdin, flush=True)
        seconds: list[float] = json.loads(process.stdout.readline())
        return seconds

    try:
        yield submit
    finally:
        process.communicate(timeout=60)


def table(found: dict[str, Any]) -> list[str]:
    """Lines for people."""
    lines = [f"(b) {found['submissions']} sbatch under each hook, alternating, Slurm {found['slurm']}"]
    lines.append(f"{'':<28} {'sbatch ms':>10} {'RPC ms':>8}")
    lines += [
        f"{label:<28} {found[name]['ms']:>10.2f} {found[name]['handled_ms']:>8.3f}"
        for name, label in (("ours", "our hook"), ("empty", "returns at once"))
    ]
    above, paired = found["above_percent"], found["paired_difference_ms"]
    return [*lines, f"our median is {above:+.1f} % above; median difference of pairs {paired:+.3f} ms"]
