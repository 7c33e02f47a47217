"""What something costs: wall time, and CPU time of this process or of its children."""

import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 5


def said(name: str, wall: float, processor: float, more: str = "") -> None:
    """Print a line."""
    print(f"{name:<58} {wall:8.2f} s   CPU {processor:8.2f} s   {more}", flush=True)


def command(name: str, *words: str, runs: int = 0) -> None:
    """Run a command once; print how long it took, and its memory."""
    begun = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall, processor = time.perf_counter() - begun, used.ru_utime + used.ru_stime
    if child.returncode:
        raise SystemExit(f"{name}: code {child.returncode}")
    rate = f"{runs / wall:,.0f} runs/s, by CPU {runs / processor:,.0f}, " if runs else ""
    said(name, wall, processor, f"{rate}{used.ru_maxrss / 1024:.0f} MB")


def family(pid: int) -> float:
    """Return the seconds of CPU time that a server and its children have taken, those that ended included."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # a process that has just ended
            fields = stat.read_text().rpartition(")")[2].split()
            if pid in {int(stat.parent.name), int(fields[1])}:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians, in seconds."""

    wall: float
    processor: float

    def over(self, other: "Cost") -> str:
        """Say how many times another's cost this is."""
        return f"{self.wall / other.wall:.2f} times by wall, {self.processor / other.processor:.2f} by CPU"


def often(
    name: str,
    *words: str,
    environment: Mapping[str, str] | None = None,
    servers: Callable[[], float] = lambda: 0.0,
) -> Cost:
    """Run a command several times; print the medians, and return them.

    Args:
        name: of what is measured.
        words: the command.
        environment: that it sees; None for ours.
        servers: the CPU time that servers behind it have taken, which is added to its own.
    """
    walls, processors = [], []
    for _ in range(ROUNDS):
        begun, before, theirs = time.perf_counter(), os.times(), servers()
        subprocess.run(
            words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        after = os.times()
        walls.append(time.perf_counter() - begun)
        processors.append(sum(after[2:4]) - sum(before[2:4]) + servers() - theirs)
    cost = Cost(statistics.median(walls), statistics.median(processors))
    said(name, cost.wall, cost.processor, f"median of {ROUNDS}")
    return cost


def timed(
    name: str, work: Callable[[], object], times: int = 1, servers: Callable[[], float] = lambda: 0.0
) -> None:
    """Do some work in this process; print the medians, the CPU time of servers behind it included."""
    walls, processors = [], []
    for _ in range(times):
        begun, used, theirs = time.perf_counter(), time.process_time(), servers()
        work()
        walls.append(time.perf_counter() - begun)
        processors.append(time.process_time() - used + servers() - theirs)
    said(name, statistics.median(walls), statistics.median(processors))
