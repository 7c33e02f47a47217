"""Times sbatch as the account that runs this: ``python submitter.py SBATCH WORD...``.

Each line that is read is a count of pairs, of a job named "ours" and one named "empty", the one first and the
other first by turns; the answer is a JSON list of [name, seconds]. Of its own process, so that nothing but
sbatch itself is started in between.
"""

import json
import os
import sys
import time

NAMES = ("ours", "empty")


def main() -> None:
    """Submit as many pairs as each line says."""
    for line in sys.stdin:
        names = [name for pair in range(int(line)) for name in NAMES[:: -1 if pair % 2 else 1]]
        print(json.dumps([[name, submit(name)] for name in names]), flush=True)


def submit(name: str) -> float:
    """Submit one job; how long it took."""
    argv = [sys.argv[1], f"--job-name={name}", *sys.argv[2:]]
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    start = time.perf_counter()
    _, status = os.waitpid(os.posix_spawn(argv[0], argv, os.environ, file_actions=quiet), 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit("sbatch failed")
    return seconds


if __name__ == "__main__":
    main()
