"""``sacct --json`` as sites keep it -> the rows that sacct's text would have, from 21.08 to 26.05.

Numbers are plain in old versions and ``{set, infinite, number}`` in newer ones, states a word or a list; what
is not set is an empty field. From there on each row goes the way of all rows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from carbonslurm.errors import DataError
from carbonslurm.formats.sacct import FIELDS

Json = Mapping[str, Any]
COLUMNS = (*FIELDS, "TimelimitRaw")


def read_rows(raw: bytes) -> Iterator[list[str]]:
    """Return the rows of each job and of its steps, in the order of COLUMNS.

    Raises:
        DataError: it is not JSON, or has no list of jobs.
    """
    repaired = raw.decode("utf-8", errors="replace").encode()  # one bad byte of a user's text spoils all
    try:
        jobs = msgspec.json.decode(repaired)["jobs"]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise DataError(f"sacct --json: {error}") from error
    if not isinstance(jobs, list):
        raise DataError("sacct --json: jobs is no list")
    for job in jobs:
        fields = _job(job) if isinstance(job, dict) else {}
        yield [fields.get(name, "") for name in COLUMNS]
        for step in _list(fields and job.get("steps")):
            yield [(fields | _step(fields["JobIDRaw"], step)).get(name, "") for name in COLUMNS]


def _job(job: Json) -> dict[str, str]:
    times, tres = _part(job, "time"), _part(job, "tres")
    allocated = _list(tres.get("allocated"))
    user = job.get("user") or _part(job, "association").get("user")
    return {
        "Cluster": _text(job.get("cluster")),
        "JobIDRaw": _number(job.get("job_id")),
        "JobID": _shown(job),
        "Submit": _number(times.get("submission")),
        "Eligible": _number(times.get("eligible")),
        "Start": _number(times.get("start")),
        "End": _number(times.get("end")),
        "State": _word(_part(job, "state").get("current")),
        "ExitCode": _number(_part(job, "exit_code").get("return_code")) + ":0",
        "User": _text(user),
        "Account": _text(job.get("account")),
        "Partition": _text(job.get("partition")),
        "QOS": _text(job.get("qos")),
        "TimelimitRaw": _number(times.get("limit")),
        "ElapsedRaw": _number(times.get("elapsed")),
        "AllocTRES": _tres(allocated),
        "ReqTRES": _tres(_list(tres.get("requested"))),
        "ConsumedEnergyRaw": next(
            (_number(item.get("count")) for item in allocated if item.get("type") == "energy"), ""
        ),
        "JobName": _text(job.get("name")),
        "AdminComment": _text(_part(job, "comment").get("administrator")),
    }


def _step(job: str, step: Json) -> dict[str, str]:
    times, named = _part(step, "time"), _part(step, "step")
    name = _text(named.get("id")).rpartition(".")[2]  # "10.batch", or "batch" in old versions
    return {
        "JobIDRaw": f"{job}.{name}",
        "Start": _number(times.get("start")),
        "End": _number(times.get("end")),
        "ElapsedRaw": _number(times.get("elapsed")),
        "State": _word(step.get("state")),
        "ExitCode": _exit(_part(step, "exit_code")),
        "JobName": _text(named.get("name")),
        "AllocTRES": _tres(_list(_part(step, "tres").get("allocated"))),
        "ReqTRES": "",
        "ConsumedEnergyRaw": _number(_part(_part(step, "statistics"), "energy").get("consumed")),
    }


def _exit(given: Json) -> str:
    """Write how a step ended as sacct's text does, ``code:signal``."""
    signal = _part(given, "signal")
    number = _number(signal.get("id", signal.get("signal_id")))
    return f"{_number(given.get('return_code')) or 0}:{number or 0}"


def _shown(job: Json) -> str:
    array = _part(job, "array")
    base, task = _number(array.get("job_id")), _number(array.get("task_id"))
    return f"{base}_{task}" if base not in {"", "0"} and task else _number(job.get("job_id"))


def _tres(items: list[Any]) -> str:
    """Write a list of TRES as sacct's text does."""
    words = []
    for item in items:
        name, count = _text(item.get("name")), _number(item.get("count"))
        if count.isdigit() and item.get("type") != "energy":
            words.append(f"{item.get('type')}{'/' if name else ''}{name}={count}")
    return ",".join(words)


def _part(given: Json, name: str) -> Json:
    part = given.get(name)
    return part if isinstance(part, dict) else {}


def _list(given: Any) -> list[Any]:
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def _text(given: Any) -> str:
    return "" if given is None else str(given)


def _word(given: Any) -> str:
    return _text(given[0] if isinstance(given, list) and given else given)


def _number(given: Any) -> str:
    """Return a number in any of its shapes as text; infinite is UNLIMITED, not set is nothing."""
    if isinstance(given, dict):
        if given.get("infinite"):
            return "UNLIMITED"
        given = given.get("number") if given.get("set") else None
    return "" if given is None else str(given)
