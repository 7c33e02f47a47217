"""How good our own forecast is: bin/bench forecast DATA, a folder with carbon/ and forecasts/, else skipped.

regions   nine grids, 181 issues of 2021, beside last value, seasonal naive and the shipped weather-driven
          forecasts; what deciding by ours saves
others    other zones and years
polls     from a live API's polls, with old values, gaps and revisions
cost      seconds to train and to forecast
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = (
    "1"  # one core, whatever the machine has; numpy reads it when it is imported
)

import argparse
import json
from pathlib import Path

from forecast_parts import cost, polls, regions

PARTS = ("regions", "others", "polls", "cost")


def main() -> None:
    """Measure what is asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("data", nargs="?", type=Path, help="the folder with carbon/ and forecasts/")
    asked.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all by default")
    asked.add_argument("--json", action="store_true", help="print one JSON object in place of tables")
    asked.add_argument("--retrain", type=int, default=14, metavar="DAYS", help="a model is kept so long; 14")
    given = asked.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        asked.error(f"no such part: {', '.join(sorted(unknown))}")
    if given.data is None or not (given.data / "carbon/carboncast").is_dir():
        print(
            "bin/bench forecast: skipped: it takes a folder with carbon/carboncast and forecasts/carboncast"
        )
        return
    measures = {
        "regions": (lambda: regions.measure(given.data, given.retrain, hourly=True), regions.table),
        "others": (lambda: regions.measure_others(given.data, given.retrain), regions.table),
        "polls": (lambda: polls.measure(given.data, given.retrain), polls.table),
        "cost": (lambda: cost.measure(given.data), cost.table),
    }
    found = {}
    for name in given.parts or PARTS:
        measure, table = measures[name]
        found[name] = measure()
        if not given.json:
            print("\n".join(table(found[name])), end="\n\n", flush=True)
    if given.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
