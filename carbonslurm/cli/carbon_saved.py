"""carbon-saved: a job says, through its own record, that it has saved its state. For batch scripts.

It stands alone: a job's environment may have scontrol and little else, so nothing but Python's own library is
imported, and where there is no Python one shell line does as much (docs/quickstart.md).
"""

import os
import subprocess
import sys

SAVED = "carbon:saved"  # as formats.look reads it
MAX_COMMENT = 1023  # Slurm refuses more than 1024 bytes with the end mark
TIMEOUT_S = 30
UNAVAILABLE, USAGE = 69, 64  # as in carbonslurm.errors
COMMENT_LINE = "   Comment="

HELP = """\
Usage: carbon-saved

  Say that this job has saved its state, so that carbonslurm need not wait
  for the rest of its grace before it requeues the job. To be called in a
  batch script, or by the program itself, after the checkpoint is written.

  It sets a word in the job's Comment, by scontrol, and keeps what else the
  comment says, its first line, as far as there is room.

Options:
  -V, --version  Show the version and exit.
  -h, --help     Show this message and exit.

  Examples:
    trap './save.sh && carbon-saved' USR1
    python train.py & wait    # with train.py calling carbon-saved by itself
    scontrol update JobId=$SLURM_JOB_ID Comment=carbon:saved:${SLURM_RESTART_COUNT:-0}    # without it
"""


def with_saved(comment: str, restarts: str) -> str:
    """Return a comment that says that this run has saved, with as many of its other words as there is room.

    The mark goes to the end: a tag has to be the first word that begins with carbon:.

    Args:
        comment: what it says now.
        restarts: of this run, which it has to name, since Slurm keeps a comment across requeues.
    """
    mark = f"{SAVED}:{restarts}"
    kept = [word for word in comment.split() if word != SAVED and not word.startswith(f"{SAVED}:")]
    while kept and len(os.fsencode(" ".join([*kept, mark]))) > MAX_COMMENT:
        kept.pop()
    return " ".join([*kept, mark])


def comment_of(shown: str) -> str:
    """Return the first line of the Comment in what ``scontrol show job`` prints."""
    lines = (line for line in shown.splitlines() if line.startswith(COMMENT_LINE))
    comment = next(lines, COMMENT_LINE).removeprefix(COMMENT_LINE)
    return "" if comment == "(null)" else comment


def say(job: str, restarts: str) -> str | None:
    """Tell Slurm; return what it says against it, None where it took it."""
    shown = _scontrol("show", "job", job)
    comment = comment_of(shown.stdout) if shown.returncode == 0 else ""
    told = _scontrol("update", f"JobId={job}", f"Comment={with_saved(comment, restarts)}")
    return None if told.returncode == 0 else (told.stderr.strip().splitlines() or ["scontrol failed"])[-1]


def _scontrol(*words: str) -> subprocess.CompletedProcess[str]:
    argv = ["scontrol", *words]
    return subprocess.run(
        argv, capture_output=True, encoding="utf-8", errors="surrogateescape", check=False, timeout=TIMEOUT_S
    )


def carbon_saved(words: list[str]) -> int:
    """Do what the words ask for; return the exit code."""
    if words in (["-h"], ["--help"]):
        sys.stdout.write(HELP)
        return 0
    if words in (["-V"], ["--version"]):
        from carbonslurm import __version__

        sys.stdout.write(f"carbon-saved {__version__}\n")
        return 0
    job, restarts = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_RESTART_COUNT") or "0"
    if words:
        return _fail(f"No such option: {words[0]}" if words[0].startswith("-") else "takes no words", USAGE)
    if not (job.isdecimal() and restarts.isdecimal()):
        return _fail("not in a job of Slurm: SLURM_JOB_ID is not set", USAGE)
    try:
        problem = say(job, restarts)
    except FileNotFoundError:
        problem = "scontrol: no such command"
    except subprocess.TimeoutExpired:
        problem = f"scontrol: no answer in {TIMEOUT_S} s"
    if problem:
        return _fail(problem, UNAVAILABLE)
    sys.stdout.write(
        f"carbon-saved: job {job} has saved its state: carbon-squeue says whether it will be stopped\n"
    )
    return 0


def _fail(problem: str, code: int) -> int:
    sys.stderr.write(f"carbon-saved: {problem}\n")
    return code


def main() -> None:
    """Run carbon-saved."""
    sys.exit(carbon_saved(sys.argv[1:]))
