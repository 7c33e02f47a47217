"""Energy from Prometheus: the question, the reading, and a real server asked with the documents' recipes."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carbonslurm import wiring
from carbonslurm.config import parse
from carbonslurm.core.energy import ABOVE, BELOW, Covers, Measurement
from carbonslurm.energy.prometheus import PrometheusSource, Query, question, read_answer
from carbonslurm.errors import ConfigError, DataError, RefusedError, UnavailableError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DOC = Path(__file__).parents[2] / "docs" / "energy.md"
Make = Callable[..., Any]


def source(url: str, promql: str, unit: str = "watts", covers: Covers = Covers.GPUS) -> PrometheusSource:
    return PrometheusSource(url, Query("test", promql, unit, covers), dict, timedelta(seconds=10))


# --- the question


def test_a_run_s_facts_go_into_the_query(make_run: Make) -> None:
    promql = 'm{job="$job",host=~"($hosts)"}[${seconds}s] @ $end - $start, "^x$$"'
    asked = question(Query("q", promql, "watts", Covers.GPUS), make_run())
    start = NOON.timestamp()
    filled = f'm{{job="42",host=~"(n1|n2)"}}[3600s] @ {start + 3600:.3f} - {start:.3f}, "^x$"'
    assert asked == {"query": filled, "time": f"{start + 3600:.3f}"}


def test_a_dot_in_a_host_s_name_is_no_wildcard(make_run: Make) -> None:
    asked = question(Query("q", '"$hosts"', "watts", Covers.GPUS), make_run(node_list="n1.example"))
    assert asked["query"] == '"n1\\\\.example"'


@pytest.mark.parametrize(
    ("facts", "promql", "said"),
    [
        ({"ended": None}, "$job", "not run to its end"),
        ({"started": None}, "$job", "not run to its end"),
        ({"node_list": ""}, "$hosts", "nodes are not known"),
        ({"node_list": 'n1"}'}, "$hosts", "nodes are not known"),
    ],
)
def test_what_is_not_known_cannot_be_asked(
    make_run: Make, facts: dict[str, Any], promql: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        question(Query("q", promql, "watts", Covers.GPUS), make_run(**facts))


@pytest.mark.parametrize(("promql", "said"), [("$user", r"\$user is none of \$end"), ("x{a=~'b$'}", "write")])
def test_a_placeholder_that_there_is_not_is_refused(promql: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Query("q", promql, "watts", Covers.GPUS)


# --- the reading


def vector(*values: str) -> bytes:
    result = [{"metric": {}, "value": [1.5, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (vector("500"), 500),
        (vector("1.5e3"), 1500),
        (vector(), None),
        (vector("NaN"), None),
        (vector("+Inf"), None),
        (b'{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}', 7),
    ],
)
def test_one_number_or_none(body: bytes, number: float | None) -> None:
    assert read_answer(body) == number


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (vector("1", "2"), "2 samples instead of one"),
        (b'{"status":"error","error":"parse error\\u001b[2J"}', r'Prometheus says: "parse error\?\[2J"'),
        (
            b'{"status":"success","data":{"resultType":"matrix","result":[]}}',
            "a matrix instead of one number",
        ),
        (vector("many"), "not an answer"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{}]}}', "not an answer"),
        (b"<html>", "not an answer"),
        (b"", "not an answer"),
    ],
)
def test_what_is_no_single_number_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_answer(body)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(
        lambda it: json.dumps({"status": "success", "data": {"resultType": "vector", "result": it}}).encode()
    )
)
def test_any_answer_is_a_number_none_or_refused(body: bytes) -> None:
    try:
        found = read_answer(body)
    except DataError:
        return
    assert found is None or abs(found) < float("inf")


# --- the wire


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"status":"error","error":"bad"}', DataError),
        (422, b'{"status":"error","error":"too many samples"}', DataError),
        (401, b"who are you", RefusedError),
        (404, b"", RefusedError),
        (503, b"", UnavailableError),
        (302, b"", UnavailableError),
        (200, b" " * 1_000_001, UnavailableError),
    ],
)
def test_every_failure_has_its_name(
    httpserver: HTTPServer, make_run: Make, status: int, body: bytes, error: type[Exception]
) -> None:
    httpserver.expect_request("/api/v1/query").respond_with_data(body, status=status)
    with pytest.raises(error):
        source(httpserver.url_for("/"), "$job").measure(make_run(), NOON)


def test_nobody_there_is_unavailable(make_run: Make) -> None:
    with pytest.raises(UnavailableError):
        source("http://127.0.0.1:9", "$job").measure(make_run(), NOON)


CONFIG = """
cluster: green
ledger: /var/lib/carbonslurm/ledger.sqlite
zone: GB
sources: [{{provider: neso, zone: GB}}]
energy:
  prometheus:
    url: {url}
    {login}
    queries: [{{name: q, query: "$job", unit: kwh, covers: nodes}}]
"""


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ("", None),
        ("token_file: {folder}/s", "Bearer secret"),
        ("{{user: ada, password_file: {folder}/s}}", "Basic"),
    ],
)
def test_we_say_who_we_are(
    httpserver: HTTPServer, make_run: Make, tmp_path: Path, login: str, header: str | None
) -> None:
    (tmp_path / "s").write_text("secret\n")
    (tmp_path / "s").chmod(0o600)
    words = login.format(folder=tmp_path).strip("{}").replace(", ", "\n    ")
    seen: list[str | None] = []

    def answer(request: Request) -> Response:
        seen.append(request.headers.get("Authorization"))
        return Response(vector("2.5"))

    httpserver.expect_request("/api/v1/query", method="POST").respond_with_handler(answer)
    config = parse(CONFIG.format(url=httpserver.url_for("/"), login=words))
    (asked,) = wiring.energy_sources(config)
    assert asked.measure(make_run(), NOON) == Measurement("prometheus:q", Covers.NODES, 2.5)
    assert seen[0] == header if header != "Basic" else str(seen[0]).startswith("Basic YWRhOn")


# --- a real Prometheus


def recipes() -> dict[str, dict[str, Any]]:
    """The queries that docs/energy.md shows, by name."""
    text = DOC.read_text(encoding="utf-8")
    shown = [
        yaml.safe_load(block) for block in text.split("```yaml\n")[1:] for block in [block.split("```")[0]]
    ]
    queries = [query for block in shown for query in block["energy"].get("prometheus", {}).get("queries", [])]
    return {query["name"]: query for query in queries}


def recipe(url: str, name: str) -> PrometheusSource:
    it = recipes()[name]
    return PrometheusSource(
        url, Query(name, it["query"], it["unit"], Covers(it["covers"])), dict, timedelta(seconds=30)
    )


@pytest.mark.parametrize(
    ("name", "covers", "kwh"),
    [("dcgm", Covers.GPUS, 0.5), ("node-meters", Covers.NODES, 1.2), ("ceems", Covers.NODES, 0.78 / 1.3)],
)
def test_the_documents_recipes_on_a_real_prometheus(
    prometheus: str, make_run: Make, name: str, covers: Covers, kwh: float
) -> None:
    measured = recipe(prometheus, name).measure(make_run(), NOON)
    assert measured == Measurement(f"prometheus:{name}", covers, pytest.approx(kwh, rel=0.01))


def test_a_meter_that_was_read_for_the_run_only_counts_as_long_as_the_run(
    prometheus: str, make_run: Make
) -> None:
    """Watts are a mean over the readings that there are, times the length of the run."""
    run = make_run(43, 0.5, node_list="n3")
    measured = recipe(prometheus, "dcgm").measure(run, NOON)
    assert measured is not None
    assert measured.kwh == pytest.approx(0.125, rel=0.02)
    without_gpus = recipe(prometheus, "ceems").measure(run, NOON)
    assert without_gpus is not None
    assert without_gpus.kwh == pytest.approx(0.065 / 1.3, rel=0.02)


def test_a_run_without_readings_has_no_measurement(prometheus: str, make_run: Make) -> None:
    assert all(
        recipe(prometheus, name).measure(make_run(99, node_list="n9"), NOON) is None for name in recipes()
    )


def test_doctor_hears_whether_it_is_there(prometheus: str) -> None:
    """Once for each query; nobody's files, Slurm or ledger are needed for it."""
    text = CONFIG.format(url=prometheus, login="timeout: 5s")
    assert [look() for look in meters(text)] == ["answers; nodes of the runs in all partitions"]


def meters(text: str) -> list[Callable[[], str]]:
    looks = wiring.doctor(parse(text)).looks
    return [look.take for look in looks if look.name == "meters q"]


def test_doctor_hears_of_somebody_else(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/query").respond_with_data(vector("2"))
    (look,) = meters(CONFIG.format(url=httpserver.url_for("/"), login=""))
    with pytest.raises(DataError, match="no Prometheus"):
        look()


def test_what_it_says_of_a_wrong_query_is_shown(prometheus: str, make_run: Make) -> None:
    with pytest.raises(DataError, match=r"Prometheus says: .*parse error"):
        source(prometheus, "sum(").measure(make_run(), NOON)


def test_several_series_are_for_the_site_to_add_up(prometheus: str, make_run: Make) -> None:
    with pytest.raises(DataError, match="2 samples"):
        source(prometheus, 'DCGM_FI_DEV_POWER_USAGE{hpc_job="$job"}').measure(make_run(), NOON)


def test_the_limits_of_belief_named_are_the_code_s() -> None:
    words = " ".join(DOC.read_text(encoding="utf-8").split())
    assert f"at most {ABOVE:g} times what the devices draw" in words
    assert f"at least {BELOW:g} times what the model expects" in words
