"""What we cost Slurm: bin/bench slurm. On private sandboxes, of this machine's Slurm or of one in a folder.

  cycle    one cycle over 5,000 pending flexible jobs, against a loop of scontrol show and update
  hook     sbatch with our hook, against a hook that returns at once
  release  from threshold crossing to the last of 1,000 withheld jobs released, actuator by actuator

Figures are medians; what is compared was measured in the same run.
"""

import argparse
import json
from pathlib import Path

from slurm_parts import hook, one_cycle, release


def main() -> None:
    """Measure what is asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument(
        "parts", nargs="*", default=["cycle", "hook", "release"], help="cycle, hook, release; all by default"
    )
    asked.add_argument("--json", action="store_true", help="print one JSON object in place of tables")
    asked.add_argument("--root", type=Path, help="a folder made by debootstrap, whose Slurm is used")
    asked.add_argument("--jobs", type=int, default=5000, help="of the part cycle")
    asked.add_argument("--updates", type=int, default=500, help="cycle.updates, but for the part hook")
    asked.add_argument("--submissions", type=int, default=500, help="of the part hook, under each hook")
    asked.add_argument("--gated", type=int, default=1000, help="jobs of the part release")
    asked.add_argument("--by", default=",".join(release.BY), help="actuators of the part release")
    given = asked.parse_args()
    by = tuple(given.by.split(","))
    parts = {
        "cycle": (lambda: one_cycle.measure(given.jobs, given.updates, given.root), one_cycle.table),
        "hook": (lambda: hook.measure(given.submissions, given.root), hook.table),
        "release": (lambda: release.measure(given.gated, given.updates, by, given.root), release.table),
    }

    found = {}
    for name in given.parts:
        measure, table = parts[name]
        found[name] = measure()
        if not given.json:
            print("\n".join(table(found[name])), end="\n\n", flush=True)
    if given.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
