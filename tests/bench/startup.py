"""What a command costs before it does anything: bin/bench startup.

Each figure is the median of several runs, beside the time of a bare ``python -c pass`` measured in between,
so that a slow minute of the machine shows in both.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from carbonslurm.core.footprint import Figure
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, RunKey, Tres
from carbonslurm.ledger.writing import Ledger

BIN = Path(sys.executable).parent
ROUNDS = 15
RUNS = 1000
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
CONFIG = "cluster: bench\nledger: {ledger}\nzone: GB\nsources: [{{provider: neso, zone: GB}}]\n"


def seconds(*words: str) -> float:
    """Run a command once; how long it took."""
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def compare(name: str, *words: str) -> None:
    """Print the median of a command, of bare Python in the same minutes, and the difference."""
    pairs = [(seconds(*words), seconds(sys.executable, "-c", "pass")) for _ in range(ROUNDS)]
    command, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    shown = [f"{value * 1000:6.0f} ms" for value in (command, bare, command - bare)]
    print(f"{name:<34} {shown[0]}   python {shown[1]}   above it {shown[2]}")


def fill(ledger: Ledger, end: datetime) -> None:
    """Write a thousand runs of ten minutes with their figures."""
    runs = [run(end - timedelta(minutes=20 + number)) for number in range(RUNS)]
    ledger.keep_runs(runs, end)
    ledger.keep_figures([(item.key, figure(item)) for item in runs], end)


def run(submitted: datetime) -> AccountedRun:
    """Make a run of ten minutes on a GPU."""
    return AccountedRun(
        key=RunKey("bench", int(submitted.timestamp()) % 1_000_000, submitted),
        array_job_id=None,
        user="games",
        account="research",
        partition="main",
        qos="normal",
        eligible=submitted,
        started=submitted,
        ended=submitted + timedelta(minutes=10),
        state="COMPLETED",
        exit_code="0:0",
        time_limit=timedelta(hours=1),
        tres=Tres(cpus=4, nodes=1, gpus={"a100": 1}),
        energy_joules=None,
        tag=None,
    )


def figure(item: AccountedRun) -> Figure:
    """Make its figure."""
    ran = Interval(item.started or item.key.submitted, item.ended or item.key.submitted)
    return Figure(0.07, "modelled", 14.0, ran, 21.0, timedelta(), NATURE, "neso", estimated=False)


def main() -> None:
    """Measure."""
    for name in ("carbon-sbatch", "carbon-squeue", "carbon-sacct", "carbonslurm", "carbonslurmd"):
        compare(f"{name} --help", str(BIN / name), "--help")
    with tempfile.TemporaryDirectory() as folder:
        path, config = Path(folder) / "ledger.sqlite", Path(folder) / "config.yaml"
        config.write_text(CONFIG.format(ledger=path))
        with Ledger.open(path, cluster="bench") as ledger:
            fill(ledger, datetime.now(UTC))
        words = [str(BIN / "carbon-sacct"), "--config", str(config), "-a", "-S", "now-2days"]
        compare(f"carbon-sacct, {RUNS} runs", *words)
        compare(f"carbon-sacct --json, {RUNS} runs", *words, "--json")
        compare(f"carbon-sacct --by user, {RUNS} runs", *words, "--by", "user")


if __name__ == "__main__":
    main()
