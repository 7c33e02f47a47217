"""A real Prometheus on loopback, with what meters said of a few jobs backfilled into it."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from carbonslurm.core.job import AccountedRun, RunKey, Tres
from carbonslurm.errors import UnavailableError
from carbonslurm.sandbox.loopback import free_ports
from carbonslurm.sandbox.waiting import wait_until

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVERY = 30  # seconds between two readings


def _readings(name: str, labels: str, watts: Callable[[int], float], seconds: int = 3600) -> list[str]:
    first = int(NOON.timestamp())
    moments = range(0, seconds + 1, EVERY)
    return [f"{name}{{{labels}}} {watts(moment):g} {first + moment}" for moment in moments]


def _exposition() -> str:
    """Job 42 for an hour on two GPUs of n1 and n2, 300 W and 200 W; the nodes' meters beside it.

    Job 43 ran on n3 from noon to half past, and its meter was read until then only.
    """
    power = [
        *_readings("DCGM_FI_DEV_POWER_USAGE", 'Hostname="n1",gpu="0",hpc_job="42"', lambda _: 300),
        *_readings("DCGM_FI_DEV_POWER_USAGE", 'Hostname="n2",gpu="1",hpc_job="42"', lambda _: 200),
        *_readings("DCGM_FI_DEV_POWER_USAGE", 'Hostname="n3",gpu="0",hpc_job="43"', lambda _: 250, 1800),
    ]
    energy = [
        *_readings("node_energy_joules_total", 'nodename="n1"', lambda at: 1e9 + 700 * at),
        *_readings("node_energy_joules_total", 'nodename="n2"', lambda at: 2e9 + 500 * at),
        *_readings("node_energy_joules_total", 'nodename="n20"', lambda at: 9000 * at),
    ]
    ceems = [
        *_readings("uuid:ceems_host_power_watts:pue", 'hostname="n1",uuid="42"', lambda _: 260),
        *_readings("uuid:ceems_gpu_power_watts:pue", 'hostname="n1",gpuuuid="a",uuid="42"', lambda _: 520),
        *_readings("uuid:ceems_host_power_watts:pue", 'hostname="n3",uuid="43"', lambda _: 130, 1800),
    ]
    return "\n".join(
        [
            "# TYPE DCGM_FI_DEV_POWER_USAGE gauge",
            *power,
            "# TYPE node_energy_joules counter",
            *energy,
            "# TYPE uuid:ceems_host_power_watts:pue gauge",
            *(line for line in ceems if "host" in line.split("{")[0]),
            "# TYPE uuid:ceems_gpu_power_watts:pue gauge",
            *(line for line in ceems if "gpu_power" in line),
            "# EOF\n",
        ]
    )


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; skipped where the programs are not installed."""
    server, tool = shutil.which("prometheus"), shutil.which("promtool")
    if server is None or tool is None:
        pytest.skip("prometheus and promtool are not installed (Debian's package prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    (folder / "meters.txt").write_text(_exposition())
    backfill = [tool, "tsdb", "create-blocks-from", "openmetrics", "meters.txt", "data"]
    subprocess.run(backfill, cwd=folder, check=True, capture_output=True, timeout=60)
    (port,) = free_ports(1, "127.0.0.1")
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                server,
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "GOMAXPROCS": "1"},
        )
    try:
        wait_until(lambda: _is_ready(address, process, folder), 60, "Prometheus to be ready")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _is_ready(address: str, process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    if process.poll() is not None:
        raise UnavailableError(f"Prometheus ended: {(folder / 'log').read_text()[-500:]}")
    try:
        return httpx.get(f"{address}/-/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def make_run() -> Callable[..., AccountedRun]:
    """Job 42, from noon on for an hour, on n1 and n2."""

    def make(job_id: int = 42, hours: float = 1, **facts: Any) -> AccountedRun:
        run = AccountedRun(
            key=RunKey("green", job_id, NOON),
            array_job_id=None,
            user="ada",
            account="physics",
            partition="gpu",
            qos="normal",
            eligible=NOON,
            started=NOON,
            ended=NOON + hours * HOUR,
            state="COMPLETED",
            exit_code="0:0",
            time_limit=None,
            tres=Tres(8, 2, {"a100": 2}),
            energy_joules=None,
            tag=None,
            node_list="n[1-2]",
        )
        return replace(run, **facts)

    return make
