"""Traces of jobs that ran once, in four spellings, read into one shape.

- *ours*: CSV with the columns ``job_id``, ``submit_time`` (or ``submit_offset_s``), ``duration_s`` (or start
  and end) and at least one of ``cpus``, ``gpus``, ``nodes``; ``user``, ``partition``, ``time_limit_s``,
  ``time_limit_min``, ``data_gb`` and others where the source has them. Empty is unknown.
- *GAIA's*: CSV with ``arrival_time`` and ``length`` in seconds, and ``cpus``.
- *SWF*, of the Parallel Workloads Archive: 18 numbers a line, ``;`` before comments, -1 for unknown.
- *sacct -P*, with its header; one run a row, steps left out. CPUs are read from AllocTRES, or from AllocCPUS
  or NCPUS where that is missing.

Times without a zone are taken as UTC. A row that cannot be read is refused with the file and the line. One
that can, but is of no run (never started, no length, cancelled while it waited), is left out and counted.
"""

import re

from carbonslurm.errors import DataError
from carbonslurm.formats.trace_csv import read_csv
from carbonslurm.formats.trace_sacct import read_sacct
from carbonslurm.formats.trace_swf import read_swf
from carbonslurm.formats.traced import NO_LENGTH, UNREAD, TracedJob, TracedJobs

__all__ = ["NO_LENGTH", "UNREAD", "TracedJob", "TracedJobs", "read_trace"]


def read_trace(text: str, name: str) -> TracedJobs:
    """Read a trace in any of the four spellings, told apart by its first line.

    Raises:
        DataError: "name:line: why".
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise DataError(f"{name}:1: no jobs")
    if "|" in first:
        return read_sacct(text, name)
    if first.startswith(";") or re.fullmatch(r"\s*-?[0-9.]+(\s+-?[0-9.]+)+\s*", first):
        return read_swf(text, name)
    return read_csv(text, name)
