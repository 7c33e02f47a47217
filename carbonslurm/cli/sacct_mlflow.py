"""carbon-sacct --mlflow: the figures of jobs to an MLflow tracking server, by its REST API.

Each of Slurm's runs becomes a run of the experiment "carbonslurm", written once, however often it is said;
or the totals of the jobs asked for go to a run that is there already, such as that of a training
(``--mlflow-run``, MLFLOW_RUN_ID in a job's script). Who we are says MLflow's own environment:
MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

from carbonslurm.cli.program import say
from carbonslurm.errors import DataError, RefusedError, UnavailableError, UsageError
from carbonslurm.formats import mlflow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from carbonslurm.cli.sacct_output import View
    from carbonslurm.ports import RunRow

TIMEOUT_S = 30.0
MISSING = "RESOURCE_DOES_NOT_EXIST"
LONGEST_COMPLAINT = 200


class Tracking:
    """An MLflow tracking server.

    Args:
        address: http or https.

    Raises:
        UsageError: it is another address.
    """

    def __init__(self, address: str) -> None:
        import httpx

        if not address.startswith(("http://", "https://")):
            raise UsageError(
                f'--mlflow: expected the http(s) address of a tracking server, got "{address[:60]}"'
            )
        headers, auth = {}, None
        if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
            headers["Authorization"] = f"Bearer {token}"
        elif user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
            auth = httpx.BasicAuth(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))
        try:
            self._client = httpx.Client(
                base_url=address.rstrip("/") + mlflow.API, headers=headers, auth=auth, timeout=TIMEOUT_S
            )
        except httpx.InvalidURL as error:
            raise UsageError(f"--mlflow: {error}") from error

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def ask(self, method: str, path: str, **words: Any) -> Any:
        """Ask one question; None where what it is about is not there.

        Raises:
            UnavailableError: no answer came.
            RefusedError: the answer was no.
            DataError: the answer is none of MLflow's.
        """
        import httpx

        try:
            answer = self._client.request(method, path, **words)
        except httpx.HTTPError as error:
            raise UnavailableError(f"MLflow: {error or type(error).__name__}") from error
        try:
            found = answer.json()
        except ValueError as error:
            raise DataError(f"MLflow: answer {answer.status_code} is not JSON") from error
        if answer.is_success:
            return found
        return _refused(answer, found)

    def experiment(self) -> str:
        """Return the id of our experiment, which is made where it is not there."""
        words = {"experiment_name": mlflow.EXPERIMENT}
        found = self.ask("GET", "/experiments/get-by-name", params=words)
        if found is not None:
            return mlflow.read_id(found, "experiment", "experiment_id")
        made = self.ask("POST", "/experiments/create", json={"name": mlflow.EXPERIMENT})
        return mlflow.read_id(made, "experiment_id")


def _refused(answer: httpx.Response, found: Any) -> None:
    said = found if isinstance(found, dict) else {}
    if said.get("error_code") == MISSING:
        return
    words = " ".join(str(said.get("message") or answer.reason_phrase).split())[:LONGEST_COMPLAINT]
    raise RefusedError(f"MLflow: {answer.status_code} {words}")


def log_runs(server: Tracking, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write each of Slurm's runs that has ended as a run of its own; return MLflow's ids.

    Args:
        server: where to.
        runs: as carbon-sacct --json has them.
    """
    experiment = server.experiment()
    return [_log_run(server, experiment, run) for run in runs if run["start"] and run["end"]]


def _log_run(server: Tracking, experiment: str, run: Mapping[str, Any]) -> str:
    name = mlflow.run_name(run)
    begins, ends = (datetime.fromisoformat(run[key]) for key in ("start", "end"))
    found = mlflow.read_first_run(server.ask("POST", "/runs/search", json=mlflow.search(experiment, name)))
    if found is None:
        made = mlflow.new_run(experiment, name, f"job {run['job_id']}", begins)
        found = mlflow.read_id(server.ask("POST", "/runs/create", json=made), "run", "info", "run_id")
    figures = mlflow.batch(found, mlflow.metrics_of(run), mlflow.tags_of(run), ends)
    server.ask("POST", "/runs/log-batch", json=figures)
    server.ask("POST", "/runs/update", json=mlflow.ended(found, run["state"], ends))
    return found


def log_totals(server: Tracking, run_id: str, totals: Mapping[str, Any], at: datetime) -> None:
    """Write totals to a run that is there.

    Raises:
        RefusedError: there is no such run.
    """
    question = mlflow.batch(run_id, mlflow.metrics_of(totals), {}, at)
    if server.ask("POST", "/runs/log-batch", json=question) is None:
        raise RefusedError(f'MLflow: there is no run "{run_id[:60]}"')


def log(rows: Sequence[RunRow], given: Mapping[str, object], view: View) -> None:
    """Write runs, or their totals where ``mlflow_run`` is given, and say which runs of MLflow those are.

    Raises:
        RefusedError: none of them has a figure, or the server said no.
    """
    from carbonslurm.app.report import sums_of, total
    from carbonslurm.cli.sacct_totals import run_object, totals_object

    ended = [row for row in rows if row.run.started and row.run.ended and row.figure]
    if not ended:
        raise RefusedError("--mlflow: none of these jobs has a figure yet")
    server = Tracking(str(given["mlflow"]))
    try:
        if given["mlflow_run"]:
            newest = max(row.run.ended for row in ended if row.run.ended)
            whole = totals_object(total(sums_of(ended)))
            log_totals(server, str(given["mlflow_run"]), whole, newest)
            say(f"the totals of {len(ended)} runs are in run {given['mlflow_run']} of MLflow")
            return
        for row in ended:
            (made,) = log_runs(server, [run_object(row, view)])
            say(f"job {row.run.shown_id}: run {made} of MLflow")
    finally:
        server.close()
