"""Traces in SWF, the Standard Workload Format of the Parallel Workloads Archive."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from carbonslurm.errors import DataError
from carbonslurm.formats.trace_csv import number_of
from carbonslurm.formats.traced import NO_LENGTH, TracedJob, TracedJobs

_SWF_FIELDS = 18
_SWF_START = re.compile(r";\s*UnixStartTime:\s*([0-9]+)")


def read_swf(text: str, name: str) -> TracedJobs:
    """Read SWF. Fields by the archive's definition, version 2.2; counted from 1 in the standard, from 0 here.

    Raises:
        DataError: "name:line: why".
    """
    began, jobs, left_out = None, [], Counter[str]()
    for number, line in _lines(text):
        if line.startswith(";"):
            found = _SWF_START.match(line)
            began = float(found[1]) if found else began
            continue
        try:
            job = _swf_job(line)
        except DataError as error:
            raise DataError(f"{name}:{number}: {error}") from error
        if job is None:
            left_out[NO_LENGTH] += 1
        else:
            jobs.append(job)
    if began is None:
        return TracedJobs(tuple(jobs), dated=False, left_out=left_out)
    moved = tuple(
        replace(
            job, submitted=began + job.submitted, started=None if job.started is None else began + job.started
        )
        for job in jobs
    )
    return TracedJobs(moved, dated=True, left_out=left_out)


def _swf_job(line: str) -> TracedJob | None:
    fields = line.split()
    if len(fields) != _SWF_FIELDS:
        raise DataError(f"{len(fields)} fields, expected the {_SWF_FIELDS} of SWF")
    values = [number_of(field, f"field {index + 1}") or 0.0 for index, field in enumerate(fields)]
    if values[1] < 0:
        raise DataError("no submit time")
    length, processors = values[3], values[4] if values[4] > 0 else values[7]
    if length <= 0 or processors <= 0:
        return None
    limit = values[8] if values[8] > 0 else None
    user, group, partition = (
        f"{letter}{values[index]:.0f}" if values[index] >= 0 else ""
        for letter, index in (("u", 11), ("g", 12), ("p", 15))
    )
    return TracedJob(
        fields[0],
        values[1],
        length,
        limit,
        processors,
        user=user,
        account=group,
        partition=partition,
        started=values[1] + values[2] if values[2] >= 0 else None,
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()
