"""Run a command once with its output into a file: ``python -I -S measured.py FILE COMMAND WORD...``.

Prints its seconds and the most memory that it held in MB. A small process of its own, since a child counts
the memory of the process that started it as its own.
"""

import os
import sys
import time


def main() -> None:
    """Run it."""
    target, *argv = sys.argv[1:]
    out = (os.POSIX_SPAWN_OPEN, 1, target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    start = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[out])
    _, status, usage = os.wait4(pid, 0)
    print(time.perf_counter() - start, usage.ru_maxrss / 1024)
    sys.exit(status != 0)


if __name__ == "__main__":
    main()
