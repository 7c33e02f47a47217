"""Times sbatch as the account that runs this: ``python submitter.py SBATCH WORD...``.

Each line that is read is a count; the answer is a JSON list of the seconds of so many submissions. Of its own
process, so that nothing but sbatch itself is started in between.
"""

import json
import os
import sys
import time


def main() -> None:
    """Submit as often as each line says."""
    argv = sys.argv[1:]
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    quiet += [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    for line in sys.stdin:
        found = []
        for _ in range(int(line)):
            start = time.perf_counter()
            _, status = os.waitpid(os.posix_spawn(argv[0], argv, os.environ, file_actions=quiet), 0)
            found.append(time.perf_counter() - start)
            if status:
                raise SystemExit("sbatch failed")
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
