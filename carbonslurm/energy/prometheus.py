"""Energy from Prometheus, or whatever speaks its API: the site's own PromQL, one number for each run.

The question is an instant query at the run's end. Into it go, by ``$name`` (``$$`` for a dollar sign):

    $job      Slurm's job id (JobIDRaw: of a task of an array its own)
    $start    Unix seconds, as $end; $seconds is how long it ran, whole and at least 1
    $hosts    its nodes as a regular expression: ``node1|node2``

The answer is a scalar, or a vector of one sample, in the unit that the site names: joules, kWh, or watts (the
mean over the run). An empty vector, or a value that is no number, is no measurement. Several samples are
refused: only the site knows whether they are to be added. Nothing of a user's goes into a query.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from string import Template

import httpx
import msgspec

from carbonslurm.core.energy import Covers, Measurement
from carbonslurm.core.job import AccountedRun
from carbonslurm.core.units import kwh_from_joules, kwh_from_watts
from carbonslurm.errors import ConfigError, DataError, RefusedError, UnavailableError
from carbonslurm.formats.hostlist import hosts
from carbonslurm.formats.terminal import cleaned

PLACEHOLDERS = frozenset({"job", "start", "end", "seconds", "hosts"})
LARGEST_ANSWER = 1_000_000  # bytes; one number needs a few hundred
_HOST = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL of the site's.

    Attributes:
        name: for figures: ``dcgm``, ``ceems``.
        promql: with placeholders.
        unit: joules, kwh or watts.
        covers: what the meters see.
        partitions: where they are; empty for all.

    Raises:
        ConfigError: a placeholder is none that we know.
    """

    name: str
    promql: str
    unit: str
    covers: Covers
    partitions: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        template = Template(self.promql)
        if not template.is_valid():
            raise ConfigError(f"{self.name}: query: a $ that begins no placeholder: write $$")
        if unknown := sorted(set(template.get_identifiers()) - PLACEHOLDERS):
            known = ", ".join(f"${name}" for name in sorted(PLACEHOLDERS))
            raise ConfigError(f"{self.name}: query: ${unknown[0]} is none of {known}")

    @property
    def asks_for_hosts(self) -> bool:
        """Whether it names the nodes."""
        return "hosts" in Template(self.promql).get_identifiers()


def question(query: Query, run: AccountedRun) -> dict[str, str]:
    """Return the form of an instant query about an ended run.

    Raises:
        DataError: the run has not ended, or its nodes are asked for and not known.
    """
    if run.started is None or run.ended is None:
        raise DataError("it has not run to its end")
    nodes = sorted(hosts(run.node_list)) if query.asks_for_hosts else []
    if query.asks_for_hosts and (not nodes or not all(_HOST.fullmatch(node) for node in nodes)):
        raise DataError("its nodes are not known")
    start, end = run.started.timestamp(), run.ended.timestamp()
    words = {
        "job": str(run.key.job_id),
        "start": f"{start:.3f}",
        "end": f"{end:.3f}",
        "seconds": str(max(round(end - start), 1)),
        "hosts": "|".join(re.escape(node).replace("\\", "\\\\") for node in nodes),
    }
    return {"query": Template(query.promql).substitute(words), "time": f"{end:.3f}"}


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815 - the API's own name
    result: object


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""


class _Sample(msgspec.Struct):
    value: tuple[float, str]


def read_answer(body: bytes) -> float | None:
    """Return the number in an answer, None where there is none.

    Raises:
        DataError: it is no answer of Prometheus', or more than one number.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
        if answer.status != "success" or answer.data is None:
            raise DataError(f'Prometheus says: "{shown(answer.error)}"')
        kind, result = answer.data.resultType, answer.data.result
        if kind == "scalar":
            value = msgspec.convert(result, tuple[float, str])[1]
        elif kind == "vector":
            samples = msgspec.convert(result, list[_Sample])
            if len(samples) > 1:
                raise DataError(f"{len(samples)} samples instead of one: say in the query how they add up")
            value = samples[0].value[1] if samples else "NaN"
        else:
            raise DataError(f"a {shown(kind)} instead of one number: use a function such as sum_over_time")
        number = float(value)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        raise DataError("not an answer of Prometheus'") from error
    return number if isfinite(number) else None


def shown(text: str) -> str:
    """Return what the other side says, as far as it may be shown."""
    return cleaned(" ".join(text.split()))[:200]


@dataclass(frozen=True, slots=True)
class PrometheusSource:
    """ports.EnergySource over one query.

    Attributes:
        url: of the server, without the path of the API.
        query: the site's.
        headers: makes what says who we are, anew for each question.
        timeout: of one question.
    """

    url: str
    query: Query
    headers: Callable[[], Mapping[str, str]]
    timeout: timedelta

    @property
    def name(self) -> str:
        """Of the query."""
        return f"prometheus:{self.query.name}"

    @property
    def partitions(self) -> frozenset[str]:
        """Of the query."""
        return self.query.partitions

    def measure(self, run: AccountedRun, now: datetime) -> Measurement | None:  # noqa: ARG002 - of the port
        """Return what was measured of an ended run, None where there is nothing of it."""
        form = question(self.query, run)
        value = read_answer(self._ask(form))
        if value is None or run.started is None or run.ended is None:
            return None
        return Measurement(self.name, self.query.covers, self._kwh(value, run.ended - run.started))

    def answers(self) -> str:
        """Ask whether somebody is there who knows us, and say so in a line.

        Raises:
            DataError, RefusedError, UnavailableError: nobody, or somebody else.
        """
        if read_answer(self._ask({"query": "vector(1)"})) != 1:
            raise DataError("it does not know what one is: no Prometheus")
        where = ", ".join(sorted(self.query.partitions)) or "all partitions"
        return f"answers; {self.query.covers} of the runs in {where}"

    def _kwh(self, value: float, length: timedelta) -> float:
        match self.query.unit:
            case "joules":
                return kwh_from_joules(value)
            case "watts":
                return kwh_from_watts(value, length)
        return value

    def _ask(self, form: Mapping[str, str]) -> bytes:
        """Ask; 400 and 422 are Prometheus' own words about a query, which its body says better."""
        address = f"{self.url.rstrip('/')}/api/v1/query"
        try:
            answer = httpx.post(
                address, data=dict(form), headers=dict(self.headers()), timeout=self.timeout.total_seconds()
            )
        except httpx.TimeoutException as error:
            raise UnavailableError("no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(f"cannot be reached: {shown(str(error))}") from error
        if answer.status_code in {400, 422}:
            return answer.content[:LARGEST_ANSWER]
        if 400 <= answer.status_code < 500:
            raise RefusedError(f"HTTP {answer.status_code}")
        if answer.status_code != 200 or len(answer.content) > LARGEST_ANSWER:
            raise UnavailableError(f"HTTP {answer.status_code}, {len(answer.content)} bytes")
        return answer.content
