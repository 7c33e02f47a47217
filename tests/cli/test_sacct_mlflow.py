"""carbon-sacct --mlflow, against a small server that keeps what MLflow's keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from site_books import DAY_G, KW, NIGHT_G, fill
from werkzeug import Request, Response

from carbonslurm.cli.carbon_sacct import carbon_sacct
from carbonslurm.cli.program import run as command_line
from carbonslurm.formats.mlflow import API

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_httpserver import HTTPServer

Call = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("books"))


class Tracking:
    """Experiments and runs, as far as our questions reach them; refuses who has not said who he is."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.points: list[tuple[str, str, float, int]] = []

    def answer(self, request: Request) -> Response:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return Response(json.dumps({"message": "who are\nyou?"}), 401)
        path = request.path.removeprefix(API).strip("/").replace("-", "_").replace("/", "_")
        words = request.get_json() if request.method == "POST" else dict(request.args)
        found = getattr(self, path)(words)
        missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such thing"}
        return Response(json.dumps(missing if found is None else found), 404 if found is None else 200)

    def experiments_get_by_name(self, words: dict[str, Any]) -> dict[str, Any] | None:
        number = self.experiments.get(words["experiment_name"])
        return {"experiment": {"experiment_id": number}} if number else None

    def experiments_create(self, words: dict[str, Any]) -> dict[str, Any]:
        self.experiments[words["name"]] = "7"
        return {"experiment_id": "7"}

    def runs_search(self, words: dict[str, Any]) -> dict[str, Any]:
        assert words["experiment_ids"] == ["7"]
        _, _, wanted = words["filter"].partition(" = ")
        return {
            "runs": [
                {"info": {"run_id": name}}
                for name, run in self.runs.items()
                if f"'{run['tags'].get('carbonslurm.run')}'" == wanted
            ]
        }

    def runs_create(self, words: dict[str, Any]) -> dict[str, Any]:
        name = f"run{len(self.runs)}"
        self.runs[name] = {"tags": {tag["key"]: tag["value"] for tag in words["tags"]}, "metrics": {}}
        return {"run": {"info": {"run_id": name}}}

    def runs_log_batch(self, words: dict[str, Any]) -> dict[str, Any] | None:
        run = self.runs.get(words["run_id"])
        if run is None:
            return None
        run["tags"] |= {tag["key"]: tag["value"] for tag in words["tags"]}
        for metric in words["metrics"]:
            point = (words["run_id"], metric["key"], metric["value"], metric["timestamp"])
            self.points += [] if point in self.points else [point]
            run["metrics"][metric["key"]] = metric["value"]
        return {}

    def runs_update(self, words: dict[str, Any]) -> dict[str, Any]:
        self.runs[words["run_id"]]["status"] = words["status"]
        return {}


@pytest.fixture
def tracking(httpserver: HTTPServer) -> Tracking:
    made = Tracking()
    httpserver.expect_request(any_question()).respond_with_handler(made.answer)
    return made


def any_question() -> Any:
    import re

    return re.compile(f"{API}/.*")


@pytest.fixture
def log(config: Path, httpserver: HTTPServer, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call it with this server; return its exit code and what it said."""

    def call(*words: str, url: str = "") -> tuple[int, str]:
        argv = ["--config", str(config), "--mlflow", url or httpserver.url_for("/"), *words]
        with pytest.raises(SystemExit) as left:
            command_line(carbon_sacct, argv, "carbon-sacct")
        shown = capsys.readouterr()
        assert shown.out == ""
        return int(left.value.code or 0), shown.err

    return call


def test_each_run_is_written_once_however_often_it_is_said(tracking: Tracking, log: Call) -> None:
    for _ in range(2):
        code, said = log("-j", "2000,1000")
        assert (code, len(said.splitlines())) == (0, 2)
    assert sorted(run["tags"]["carbonslurm.job_id"] for run in tracking.runs.values()) == ["1000", "2000"]
    by_job = {run["tags"]["carbonslurm.job_id"]: run for run in tracking.runs.values()}
    night = by_job["2000"]
    assert night["metrics"]["carbon/emitted_g"] == pytest.approx(KW * 3 * NIGHT_G)
    assert night["metrics"]["carbon/saved_g"] == pytest.approx(KW * 3 * (DAY_G - NIGHT_G))
    assert (night["status"], night["tags"]["carbonslurm.withheld"]) == ("FINISHED", "true")
    assert night["tags"]["carbonslurm.source"] == "neso"
    assert len(tracking.points) == len({point[:2] for point in tracking.points})


def test_totals_go_to_a_run_that_is_there(tracking: Tracking, log: Call) -> None:
    tracking.runs["training"] = {"tags": {"owner": "ada"}, "metrics": {"loss": 0.1}}
    assert log("-j", "2000,1000", "--mlflow-run", "training")[0] == 0
    metrics = tracking.runs["training"]["metrics"]
    assert metrics["carbon/emitted_g"] == pytest.approx(KW * (3 * NIGHT_G + 4 * DAY_G))
    assert (metrics["loss"], tracking.runs["training"]["tags"]) == (0.1, {"owner": "ada"})
    code, said = log("-j", "2000", "--mlflow-run", "elsewhere")
    assert (code, 'there is no run "elsewhere"' in said) == (77, True)


def test_who_we_are_comes_from_mlflow_s_own_environment(
    tracking: Tracking, log: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking.token = "mine"  # noqa: S105 - made up
    code, said = log("-j", "2000")
    assert (code, said) == (77, "carbon-sacct: MLflow: 401 who are you?\n")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mine")
    assert log("-j", "2000")[0] == 0


def test_what_is_no_server_is_said_in_one_line(log: Call, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/page/api/2.0/mlflow/experiments/get-by-name").respond_with_data("<html>")
    for words, url, code, part in (
        (("-j", "2000"), "file:///tmp/mlruns", 64, "expected the http(s) address"),
        (("-j", "2000"), "http://127.0.0.1:1", 69, "MLflow: "),
        (("-j", "2000"), httpserver.url_for("/page"), 65, "is not JSON"),
        (("-j", "3000"), "", 77, "none of these jobs has a figure yet"),
        ((), "", 64, "takes jobs (-j)"),
        (("-j", "2000", "--json"), "", 64, "no other form of output"),
    ):
        found, said = log(*words, url=url)
        assert (found, len(said.splitlines())) == (code, 1)
        assert part in said
