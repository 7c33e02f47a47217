"""The daemon's cycles, one for each line that is read, as the account that runs this: its report as JSON.

Run by the measurements beside it: ``python cycles.py CONFIG``. ``fetch`` asks the sources, ``cycle`` cycles.
"""

import json
import logging
import sys
import time
from pathlib import Path

from carbonslurm import wiring
from carbonslurm.app.fetch import fetch_all
from carbonslurm.app.telling import Memory
from carbonslurm.config import load


def main() -> None:
    """Do what each line says."""
    logging.disable(logging.INFO)  # a line for each action is the journal's business, and not measured here
    config = load(Path(sys.argv[1]))
    with wiring.ledger(config) as book:
        cycle = wiring.cycle(config, book, Memory(), observe=False)
        print("{}", flush=True)
        for line in sys.stdin:
            found: dict[str, object] = {}
            start = time.perf_counter()
            if line.strip() == "fetch":
                fetch_all(wiring.carbon_sources(config), book, wiring.now())
            else:
                report = cycle.run()
                found = {"actions": report.actions, "refused": report.refused, "error": report.error}
            print(json.dumps(found | {"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
