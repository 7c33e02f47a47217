"""Predicted lengths on traces: bin/bench lengths DATA. A row for each trace and way of predicting.

Each job is predicted when it is submitted, from the runs that had ended by then: the user's limit; the mean
of the user's last two runs (Tsafrir, Etsion and Feitelson 2007), or the limit where there are none; and
core/runtime.py with the circles limit, everybody, user. Error is the mean of absolute errors; covered is the
share of runs that were no longer than was said.
"""

import argparse
import csv
import gzip
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import numpy as np

from carbonslurm.core.runtime import Runs, assumed, learned

TRACES = ("mit-supercloud-2021", "ricc-2010-may-june")
LAST = 200  # runs of a circle that are looked at
EVERY = 10  # jobs: one of so many is predicted; all are learned from
WARM = 500  # jobs that are only learned from
SHARE = 0.25  # of the limit, where nothing else is known
ASSUMED = 4 * 3600.0
QUANTILES = np.array([0.5, 0.8, 0.9])
NONE = np.array([])


def read(path: Path) -> list[tuple[float, float, str, float, float]]:
    """Submit time, end, user, length and limit of each job that has them, by submit time."""
    rows = []
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            limit = float(row.get("time_limit_s") or 0) or 60 * float(row.get("time_limit_min") or 0)
            if not row["duration_s"] or not row["end_time"] or not limit:
                continue
            submit = datetime.fromisoformat(row["submit_time"]).timestamp()
            end = datetime.fromisoformat(row["end_time"]).timestamp()
            rows.append((submit, end, row["user"], float(row["duration_s"]), limit))
    return sorted(rows)


def predictions(rows: list[tuple[float, float, str, float, float]]) -> list[tuple[float, ...]]:
    """Length, limit, last two, and the quantiles, of one job of EVERY."""
    ends = sorted((end, user, length) for _, end, user, length, _ in rows)
    everybody: list[float] = []
    of: defaultdict[str, list[float]] = defaultdict(list)
    told, found = 0, []
    for index, (submit, _, user, length, limit) in enumerate(rows):
        while told < len(ends) and ends[told][0] <= submit:
            everybody.append(ends[told][2])
            of[ends[told][1]].append(ends[told][2])
            told += 1
        if index < WARM or index % EVERY:
            continue
        own = of[user]
        last_two = min(float(np.mean(own[-2:])), limit) if own else limit
        circles = [Runs(np.array(runs[-LAST:]), NONE) for runs in (everybody, own)]
        curve = learned(circles, assumed(SHARE * limit))
        said = np.minimum(curve.rests(np.zeros(1), QUANTILES)[0], limit)
        found.append((length, limit, last_two, *said.tolist()))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bin/bench lengths", description=__doc__)
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    print("| trace | predicted by | mean error, h | covered |\n|---|---|---|---|")
    names = ("the limit", "the last two runs", *(f"our quantile {quantile:g}" for quantile in QUANTILES))
    for trace in TRACES:
        table = np.array(predictions(read(folder / "jobs" / f"{trace}.csv.gz")))
        length = table[:, 0]
        for name, said in zip(names, table[:, 1:].T, strict=True):
            error, covered = np.abs(said - length).mean() / 3600, np.mean(said >= length)
            print(f"| {trace} | {name} | {error:.2f} | {100 * covered:.0f} % |")


if __name__ == "__main__":
    main()
