"""bin/test --matrix [NAME...] [-- WORDS]: one line per version, and whether all is well as the exit code."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import FrameType

from carbonslurm.errors import CarbonslurmError, RefusedError
from matrix.children import Children
from matrix.entering import Place
from matrix.outcome import Outcome, summary
from matrix.roots import Workshop
from matrix.running import Runner, copy_tree, shares
from matrix.versions import Version, chosen, own_suite, read_versions

TOP = Path(__file__).parents[2]
_TAIL = 60


def main(words: list[str]) -> int:
    """Run the versions side by side; return the exit code."""
    cut = words.index("--") if "--" in words else len(words)
    arguments = _parser().parse_args(words[:cut])
    try:
        listed = read_versions((TOP / "tests" / "slurm" / "versions.toml").read_text(encoding="utf-8"))
        own = _own() or "here"
        versions = [Version(own, "this machine")] if arguments.here else chosen(listed, arguments.names)
        _check_rights()
        tree = TOP / ".matrix" / "tree"
        copy_tree(TOP, tree)
        workshop = Workshop(_folder(), tuple(arguments.packages.split()), tree, Children(), _say)
        files = {
            f"tests/slurm/{path.name}": path.stat().st_size for path in tree.glob("tests/slurm/test_*.py")
        }
        parts = [given] if (given := words[cut + 1 :]) else shares(files, arguments.parts)
        runner = Runner(TOP, own, workshop, parts)
        outcomes = _run(runner, versions, arguments.at_once)
    except CarbonslurmError as error:
        print(f"bin/test --matrix: {error}", file=sys.stderr)
        return error.exit_code
    print()
    for outcome in (outcomes[version.suite] for version in versions):
        for line in outcome.again:
            print(f"{outcome.suite}: failed, and passed when it was run again: {line}")
        for line in outcome.failed:
            print(f"{outcome.suite}: failed: {line}")
    for version in versions:
        print(outcomes[version.suite].line())
    print(summary(list(outcomes.values())))
    return 0 if all(outcome.good for outcome in outcomes.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/test --matrix",
        description="Run tests/slurm on every supported Slurm.",
        epilog="Words after -- go to pytest, in place of tests/slurm.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--here", action="store_true", help="only this machine's own Slurm, listed or not")
    parser.add_argument("--packages", default="", help="of Debian, that make a Slurm, with blanks between")
    parser.add_argument("--at-once", type=int, default=3, help="how many run side by side (default: 3)")
    parser.add_argument("--parts", type=int, default=1, help="sessions side by side in each (default: 1)")
    return parser


def _check_rights() -> None:
    """Raises: RefusedError: we are not root, or root may not make namespaces here."""
    if os.geteuid() != 0:
        raise RefusedError("only root can enter root folders: run it as root or with sudo")
    tried = subprocess.run(Place(None).argv(["true"]), capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise RefusedError(f"this machine lets root make no namespaces: {tried.stderr.strip()}")


def _run(runner: Runner, versions: Sequence[Version], at_once: int) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    signal.signal(signal.SIGTERM, _ended)
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(runner.run, version) for version in versions]
        try:
            for future in as_completed(futures):
                outcome = future.result()
                outcomes[outcome.suite] = outcome
                _report(outcome)
        finally:
            for future in futures:
                future.cancel()
            runner.workshop.children.end()
    return outcomes


def _ended(number: int, frame: FrameType | None) -> None:
    """Leave by the way on which everything is ended."""
    raise SystemExit(128 + number)


def _own() -> str | None:
    return own_suite(Path("/etc/os-release").read_text(encoding="utf-8"))


def _folder() -> Path:
    """Where roots are kept: CARBONSLURM_ROOTS, or the caller's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CARBONSLURM_ROOTS") or cache / "carbonslurm" / "roots")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _report(outcome: Outcome) -> None:
    """Say how it went; where badly, with the end of what the tests said."""
    for log in (log for log in outcome.logs if log.exists()):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        _say("\n".join(f"{outcome.suite}| {line}" for line in lines[-_TAIL:]))
        _say(f"{outcome.suite}: all of it is in {log}")
    _say(outcome.line())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
