"""carbon-sbatch's words: ours first, then sbatch's, untouched."""

from __future__ import annotations

import getpass
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_books import job as seen_waiting

from carbonslurm.cli.carbon_sbatch import split
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.footprint import Figure
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval, from_epoch
from carbonslurm.core.job import AccountedRun, Queue, RunKey, Tres
from carbonslurm.errors import UsageError
from carbonslurm.formats.sbatch import comment_with, read_limit, read_request, read_words, with_comment
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Outcome, OutcomeState

BIN = Path(sys.executable).parent
SCRIPT = """#!/bin/bash
#SBATCH --time=2:00:00 --gres=gpu:a100:2
# a comment
#SBATCH -p long
#SBATCH --comment="mine, and mine alone"

echo
#SBATCH --time=1
"""


@pytest.fixture
def sbatch(tmp_path: Path) -> dict[str, str]:
    """An sbatch that says what it was given, on stdout and stderr, and ends with 7."""
    fake = tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho told >&2\nexit 7\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    return {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}


def run(env: dict[str, str], *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(BIN / "carbon-sbatch"), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=env, cwd=cwd, timeout=60)


@pytest.mark.parametrize(
    ("words", "own", "theirs"),
    [
        ("--flex 12h --gres=gpu:1 s.sh", "--flex 12h", "--gres=gpu:1 s.sh"),
        ("--flex=12h s.sh --flex 3", "--flex=12h", "s.sh --flex 3"),
        ("--now --full -N 2 s.sh", "--now --full", "-N 2 s.sh"),
        ("-N 2 --flex 12h s.sh", "", "-N 2 --flex 12h s.sh"),
        ("--flex 1h -- --now s.sh", "--flex 1h", "--now s.sh"),
        ("", "", ""),
    ],
)
def test_ours_end_at_the_first_other_word(words: str, own: str, theirs: str) -> None:
    assert split(words.split()) == (own.split(), theirs.split())


@given(st.lists(st.text(max_size=8), max_size=6))
def test_no_word_is_lost_or_moved(words: list[str]) -> None:
    own, theirs = split(words)
    assert own + theirs in (words, [word for word in words if word != "--"]) or "--" in words


def test_the_tag_goes_into_the_comment_and_the_rest_stands(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(
        sbatch, "--flex", "12h", "--checkpoint", "USR1@120", "--gres=gpu:1", "s.sh", "a b", cwd=tmp_path
    )
    assert done.stdout.splitlines() == [
        "--comment=carbon:flex=12h,checkpoint=USR1@120",
        "--gres=gpu:1",
        "s.sh",
        "a b",
    ]
    assert done.returncode == 7
    assert "told" in done.stderr


def test_without_options_of_ours_sbatch_is_called_as_it_is(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(sbatch, "--wrap", "sleep 1", "--comment", "mine", cwd=tmp_path)
    assert done.stdout.splitlines() == ["--wrap", "sleep 1", "--comment", "mine"]


def test_an_own_comment_stays_behind_the_tag(sbatch: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "s.sh").write_text(SCRIPT)
    by_script = run(sbatch, "--flex", "1h", "s.sh", cwd=tmp_path).stdout.splitlines()
    assert by_script == ["--comment=carbon:flex=1h mine, and mine alone", "s.sh"]
    by_word = run(sbatch, "--flex", "1h", "--comment", "other", "s.sh", cwd=tmp_path).stdout.splitlines()
    assert by_word == ["--comment=carbon:flex=1h other", "s.sh"]


def test_a_deadline_is_told_to_the_hook(sbatch: dict[str, str], tmp_path: Path) -> None:
    """It cannot see --deadline, and must leave no window where there is no room."""
    words = ["--flex", "12h", "--deadline=2030-01-01T00:00:00+00:00", "s.sh"]
    comment = run(sbatch, *words, cwd=tmp_path).stdout.splitlines()[0]
    assert comment == "--comment=carbon:flex=12h,finish=1893456000"


def test_finish_by_becomes_an_epoch(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(sbatch, "--finish-by", "2030-01-01T00:00:00Z", "s.sh", cwd=tmp_path)
    assert done.stdout.splitlines()[0] == "--comment=carbon:finish=1893456000"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--flex", "12"], "carbon-sbatch: --flex: expected a duration such as 12h or 1d12h"),
        (["--flex", ""], "carbon-sbatch: --flex: expected a duration such as 12h or 1d12h"),
        (["--flex", "1h", "--length", "x"], "carbon-sbatch: --length: expected a duration"),
        (["--checkpoint", "KILL"], "carbon-sbatch: --checkpoint: "),
        (["--flex", "1h", "--full"], "carbon-sbatch: --full: needs checkpoint"),
        (["--now", "--flex", "1h"], "carbon-sbatch: --now: must stand alone"),
        (["--finish-by", "never"], "carbon-sbatch: --finish-by: expected a time such as"),
        (["--json", "--flex", "1h"], "carbon-sbatch: --json needs --plan"),
    ],
)
def test_a_wrong_tag_is_refused_before_sbatch_is_called(
    sbatch: dict[str, str], tmp_path: Path, words: list[str], told: str
) -> None:
    refused = run(sbatch, *words, "s.sh", cwd=tmp_path)
    assert refused.returncode == 64
    assert refused.stdout == ""
    assert refused.stderr.startswith(told)
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["--flex", "--finish-by", "--checkpoint", "--length", "--restart", "--config"]
)
def test_an_option_without_its_value_is_called_so(sbatch: dict[str, str], tmp_path: Path, name: str) -> None:
    refused = run(sbatch, "--full", name, cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (64, f"carbon-sbatch: {name} needs a value\n")


def test_a_wrong_tag_in_a_plain_comment_is_refused_too(sbatch: dict[str, str], tmp_path: Path) -> None:
    assert run(sbatch, "--comment=carbon:flex=soon", "s.sh", cwd=tmp_path).returncode == 64


def test_an_option_of_ours_among_theirs_gets_a_hint(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(sbatch, "--gres=gpu:1", "--flex=2h", "s.sh", cwd=tmp_path)
    assert done.stdout.splitlines() == ["--gres=gpu:1", "--flex=2h", "s.sh"]
    assert "--flex=2h stands among sbatch's words" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--gres=gpu:1", "s.sh", "--flex=2h", "--plan"],
        ["-J", "--plan", "s.sh"],
        ["--job-name", "--flex", "s.sh"],
        ["--wrap", "--now"],
        ["-N", "2", "--", "s.sh", "--now"],
    ],
)
def test_what_is_a_value_or_the_scripts_own_gets_no_hint(
    sbatch: dict[str, str], tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "s.sh").write_text(SCRIPT)
    done = run(sbatch, *words, cwd=tmp_path)
    assert (done.stdout.splitlines(), done.stderr) == (words, "told\n")


def test_the_scripts_own_arguments_are_not_read_and_not_touched(
    sbatch: dict[str, str], tmp_path: Path
) -> None:
    words = ["--comment=mine", "s.sh", "--comment=its own", "-t", "5"]
    done = run(sbatch, "--flex", "1h", *words, cwd=tmp_path)
    assert done.stdout.splitlines() == ["--comment=carbon:flex=1h mine", *words[1:]]
    assert read_request(words, None) == read_request(words[:2], None)


TAGGED = "#!/bin/bash\n#SBATCH --comment='night carbon:flex=2h,checkpoint=USR1@120 run'\n"


@pytest.mark.parametrize(
    ("words", "comment"),
    [
        ("--length 4m", "carbon:length=4m,flex=2h,checkpoint=USR1@120 night run"),
        ("--flex 3h", "carbon:flex=3h,checkpoint=USR1@120 night run"),
        ("--restart 5m --full", "carbon:full,restart=5m,flex=2h,checkpoint=USR1@120 night run"),
        ("--now", "carbon:now night run"),
    ],
)
def test_a_tag_of_the_scripts_own_is_merged_with_our_options(
    sbatch: dict[str, str], tmp_path: Path, words: str, comment: str
) -> None:
    (tmp_path / "s.sh").write_text(TAGGED)
    done = run(sbatch, *words.split(), "s.sh", cwd=tmp_path)
    assert done.stdout.splitlines() == [f"--comment={comment}", "s.sh"]


def test_a_tag_among_the_words_is_merged_too(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(sbatch, "--length", "4m", "--comm", "carbon:flex=1h mine", "s.sh", cwd=tmp_path)
    assert done.stdout.splitlines() == ["--comment=carbon:length=4m,flex=1h mine", "s.sh"]


def test_an_option_to_wait_replaces_now(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(sbatch, "--flex", "1h", "--comment=carbon:now", "s.sh", cwd=tmp_path)
    assert done.stdout.splitlines()[0] == "--comment=carbon:flex=1h"


def test_what_the_merged_tag_gets_wrong_is_refused(sbatch: dict[str, str], tmp_path: Path) -> None:
    refused = run(sbatch, "--length", "4m", "--comment=carbon:flex=soon", "s.sh", cwd=tmp_path)
    assert refused.returncode == 64
    assert refused.stderr.startswith("carbon-sbatch: flex: expected a duration")


def test_a_tag_without_options_of_ours_is_left_where_it_stands(
    sbatch: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "s.sh").write_text(TAGGED)
    assert run(sbatch, "-N1", "s.sh", cwd=tmp_path).stdout.splitlines() == ["-N1", "s.sh"]


def test_a_finish_is_shown_as_it_was_understood(sbatch: dict[str, str], tmp_path: Path) -> None:
    """A date without a time is its first moment, as for Slurm: its owner may have meant the last."""
    done = run({**sbatch, "TZ": "Europe/London"}, "--finish-by", "2031-07-01", "s.sh", cwd=tmp_path)
    assert done.stderr.splitlines()[0] == "carbon-sbatch: must have ended by 2031-07-01T00:00:00"
    tomorrow = run(sbatch, "--finish-by", "tomorrow", "s.sh", cwd=tmp_path)
    assert tomorrow.stderr.splitlines()[0].endswith("T00:00:00")


def test_a_comment_that_slurm_would_not_take_is_refused(sbatch: dict[str, str], tmp_path: Path) -> None:
    refused = run(sbatch, "--flex", "1h", f"--comment={'é' * 505}", "s.sh", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (64, "")
    assert "the comment is too long: 1025 bytes" in refused.stderr
    tag = "carbon:flex=1h"
    assert len(comment_with(tag, "x" * (1022 - len(tag)))) == 1023
    with pytest.raises(UsageError):
        comment_with(tag, "x" * (1023 - len(tag)))


def test_without_sbatch_the_exit_code_is_the_shells(tmp_path: Path) -> None:
    done = run({**os.environ, "PATH": "/nowhere"}, "--flex", "1h", "s.sh", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (127, "carbon-sbatch: sbatch: no such command\n")


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("30", timedelta(minutes=30)),
        ("30:15", timedelta(minutes=30, seconds=15)),
        ("4:00:00", timedelta(hours=4)),
        ("1-12", timedelta(days=1, hours=12)),
        ("1-12:30", timedelta(days=1, hours=12, minutes=30)),
        ("2-00:00:05", timedelta(days=2, seconds=5)),
        ("UNLIMITED", None),
        ("0", None),
        ("", None),
    ],
)
def test_time_limits_are_read_as_sbatch_reads_them(text: str, limit: timedelta | None) -> None:
    assert read_limit(text) == limit


def test_the_script_speaks_where_the_command_line_is_silent() -> None:
    request = read_request(["--partition=short", "s.sh"], SCRIPT)
    assert request.time == timedelta(hours=2)
    assert request.partition == "short"
    assert request.tres == Tres(cpus=1, nodes=1, gpus={"a100": 2})
    assert request.comment == "mine, and mine alone"


@pytest.mark.parametrize(
    ("words", "gpus"),
    [
        ("--gpus=2", {"": 2}),
        ("-G a100:3", {"a100": 3}),
        ("-G4", {"": 4}),
        ("-G a100:3,h100:1", {"a100": 3, "h100": 1}),
        ("-HG4", {"": 4}),
        ("--gres=gpu", {"": 1}),
        ("--gres=gpu:h100:8", {"h100": 8}),
        ("--gres=shard:4,gpu:h100:2(S:0) -N 2-4", {"h100": 4}),
        ("--gpus-per-node=2 --nodes 3", {"": 6}),
        ("--gpus-per-task=a100:1 -n 4", {"a100": 4}),
        ("--gpus-per-task=1 -N2 --ntasks-per-node=3", {"": 6}),
        ("--gpus-per-socket=2 --sockets-per-node=2 --gres-flags=enforce-binding", {"": 4}),
        ("--gpus-per-socket=2 -B 2:8", {"": 4}),
        ("--tres-per-task=cpu:4,gres/gpu:2 -n2", {"": 4}),
        ("--tres-per-task=cpu=4,gres/gpu:a100=2", {"a100": 2}),
        ("--ntasks-per-gpu=2 -n 5", {"": 3}),
        ("--ntasks-per-gpu=2 --gpus=4", {"": 4}),
        ("--gres=gpu:0", {}),
        ("--gres=mps:50,shard:2", {}),
        ("--gres=none", {}),
        ("s.sh --gpus=2", {}),
        ("", {}),
    ],
)
def test_gpus_are_read_in_every_form(words: str, gpus: dict[str, int]) -> None:
    assert dict(read_request(words.split(), None).tres.gpus) == gpus


def test_options_may_be_abbreviated_as_getopt_takes_them() -> None:
    cut = read_words(["--parti", "long", "--gpus-per-t=1", "--exclusi", "--t", "s.sh", "x"])
    assert [option.name for option in cut.options] == ["partition", "gpus-per-task", "exclusive", "t"]
    assert cut.options[0].value == "long"
    assert cut.script == "x"


def test_the_environment_stands_between_script_and_words() -> None:
    environment = {"SBATCH_PARTITION": "by-env", "SBATCH_TIMELIMIT": "7", "SBATCH_GRES": "gpu:2"}
    request = read_request(["-t", "9"], "#!/bin/sh\n#SBATCH -p by-script\n", environment)
    assert (request.partition, request.time, request.tres.gpu_count) == ("by-env", timedelta(minutes=9), 2)


@given(st.lists(st.text(max_size=12), max_size=6), st.text(max_size=80))
def test_any_words_and_any_script_can_be_read(words: list[str], script: str) -> None:
    read_request(words, script)
    assert with_comment(words, "x")[0] == "--comment=x"


@given(st.lists(st.text(max_size=12), max_size=6))
def test_cutting_loses_no_word(words: list[str]) -> None:
    cut = read_words(words)
    assert [word for option in cut.options for word in option.words] + list(cut.rest) == words


# --- the plan ---

SITE = """\
cluster: toy
ledger: {ledger}
zone: grid
sources: [{{provider: file, zone: grid, path: /srv/grid.csv}}]
"""
FLEXIBLE = ("--flex", "12h", "--gres=gpu:1")
HOUR = timedelta(hours=1)


@pytest.fixture
def site(sbatch: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A site with a forecast: clean from three hours on, for two days."""
    now = from_epoch(int(datetime.now(UTC).timestamp()))
    steps = [
        Step(Interval(now - HOUR, now + 3 * HOUR), 500),
        Step(Interval(now + 3 * HOUR, now + 48 * HOUR), 100),
    ]
    series = Series.from_steps("grid", "file", Nature(Kind.AVERAGE, Scope.LIFECYCLE), steps)
    with Ledger.open(tmp_path / "ledger.sqlite", cluster="toy") as ledger:
        ledger.keep_issue(Issue(series, now, now))
    config = tmp_path / "carbonslurm.yaml"
    config.write_text(SITE.format(ledger=tmp_path / "ledger.sqlite"))
    return {**sbatch, "CARBONSLURM_CONFIG": str(config), "TZ": "UTC"}


def planned(env: dict[str, str], *words: str, cwd: Path) -> dict[str, str]:
    """The table of a plan, its rows by their first column."""
    done = run(env, "--plan", *words, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    width = done.stdout.splitlines()[0].index("20")  # where the first moment stands
    return {line[:width].strip(): line[width:].strip() for line in done.stdout.splitlines()}


@pytest.mark.parametrize(
    ("words", "length"),
    [
        ([*FLEXIBLE], "04:00:00            assumed: no --time was given"),
        ([*FLEXIBLE, "--time=2:00:00"], "02:00:00            the time limit"),
        (["--length", "1h", *FLEXIBLE, "--time=2:00:00"], "01:00:00            as declared"),
    ],
)
def test_a_plan_says_where_its_length_comes_from(
    site: dict[str, str], tmp_path: Path, words: list[str], length: str
) -> None:
    assert planned(site, *words, cwd=tmp_path)["length"] == length


def test_a_plan_waits_for_the_clean_hours(site: dict[str, str], tmp_path: Path) -> None:
    table = planned(site, *FLEXIBLE, "-t60", cwd=tmp_path)
    assert table["planned start"].endswith("100 g/kWh over its run, 500 if now (file)")
    assert table["expected saving"].endswith("80.0 %")


def test_the_grams_of_an_array_are_for_each_task(site: dict[str, str], tmp_path: Path) -> None:
    table = planned(site, *FLEXIBLE, "-t60", "--array=1-9", cwd=tmp_path)
    assert table["as planned"].endswith("100 g/kWh, for each task")


def test_a_plan_heeds_begin_in_script_and_words(site: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "s.sh").write_text("#!/bin/sh\n#SBATCH --begin=2031-01-01T08:00 -t 60\n")
    by_script = planned(site, *FLEXIBLE, "s.sh", cwd=tmp_path)
    assert by_script["planned start"].startswith("2031-01-01T08:00:00")
    assert by_script["latest start"] == "2031-01-01T20:00:00"
    done = run(site, "--plan", "--json", *FLEXIBLE, "-b", "now+5hours", "s.sh", cwd=tmp_path)
    found = {
        name: value for name, value in json.loads(done.stdout).items() if name in {"begin", "planned_start"}
    }
    assert found["begin"] == found["planned_start"]
    assert abs(datetime.fromisoformat(found["begin"]) - datetime.now(UTC) - 5 * HOUR) < HOUR


def test_a_finish_without_room_says_so(site: dict[str, str], tmp_path: Path) -> None:
    words = ["--plan", "--finish-by", "now+1hour", "--gres=gpu:1", "-t120"]
    assert "no room to wait: it must start now" in run(site, *words, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--flex", "1h"], "such a job is not flexible here: it asks for no GPU, and only GPU jobs can wait"),
        ([*FLEXIBLE, "--begin=soon"], "--begin: expected a time such as"),
        (["--gres=gpu:1"], "--plan needs a job that may wait: --flex or --finish-by"),
        (
            ["--comment=carbon:finish=1999999999", "--gres=gpu:1"],
            "a job that must have ended by some time needs",
        ),
    ],
)
def test_what_cannot_be_planned_is_one_line_and_64(
    site: dict[str, str], tmp_path: Path, words: list[str], told: str
) -> None:
    refused = run(site, "--plan", *words, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (64, "")
    assert refused.stderr.startswith(f"carbon-sbatch: {told}")
    assert len(refused.stderr.splitlines()) == 1


def test_where_the_site_lets_all_jobs_wait_no_gpu_is_needed(site: dict[str, str], tmp_path: Path) -> None:
    config = Path(site["CARBONSLURM_CONFIG"])
    config.write_text(config.read_text() + "flexible: {gpu_only: false}\n")
    assert planned(site, "--flex", "12h", "-t60", cwd=tmp_path)


BUDGETS = """
budgets:
  - {user: ada, kg_per_month: 1, at_end: flexible, flex: 6h}
flexible: {defaults: [{account: maths, tag: "flex=12h"}]}
"""


@pytest.mark.parametrize(
    ("who", "words", "reason", "waits"),
    [
        ("ada", [], "flexible by a budget only, and that is not used up", False),
        ("bob", ["--account=maths"], "100 g/kWh over its run, 500 if now (file)", True),
        ("ada", ["--account=maths"], "100 g/kWh over its run, 500 if now (file)", True),
    ],
    ids=["a budget that is not used up", "the site's default", "the default goes before the budget"],
)
def test_a_job_that_says_nothing_is_planned_as_the_site_has_it(
    site: dict[str, str], tmp_path: Path, who: str, words: list[str], reason: str, waits: bool
) -> None:
    config = Path(site["CARBONSLURM_CONFIG"])
    config.write_text(config.read_text() + BUDGETS)
    done = run(site | {"LOGNAME": who}, "--plan", "--json", "--gres=gpu:1", "-t60", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    plan = json.loads(done.stdout)
    assert plan["reason"] == reason
    late = datetime.fromisoformat(plan["planned_start"]) - datetime.now(UTC)
    assert (late > 2 * HOUR) is waits
    assert [it["name"] for it in plan["budgets"]] == (["ada"] if who == "ada" else [])


def test_a_script_that_is_not_there_is_named_and_planned_without(
    site: dict[str, str], tmp_path: Path
) -> None:
    done = run(site, "--plan", *FLEXIBLE, "none.sh", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == (
        "carbon-sbatch: none.sh: no script that can be read: planned without its #SBATCH lines\n"
    )


def test_the_examples_stand_one_to_a_line(sbatch: dict[str, str], tmp_path: Path) -> None:
    lines = run(sbatch, "--help", cwd=tmp_path).stdout.splitlines()
    assert "    carbon-sbatch --now train.sh" in lines
    assert not any("\\b" in line for line in lines)


def test_a_plan_says_what_the_owner_s_past_runs_say(site: dict[str, str], tmp_path: Path) -> None:
    """Six runs of 30 minutes with a limit of two hours: a quarter of it."""
    before = planned(site, *FLEXIBLE, "--time=2:00:00", cwd=tmp_path)
    assert "usual length" not in before
    now = from_epoch(int(datetime.now(UTC).timestamp()))
    runs = [
        AccountedRun(
            key=RunKey("toy", number, now - 24 * HOUR),
            array_job_id=None,
            user=getpass.getuser(),
            account="maths",
            partition="gpu",
            qos="normal",
            eligible=now - 24 * HOUR,
            started=now - 10 * HOUR,
            ended=now - 9.5 * HOUR,
            state="COMPLETED",
            exit_code="0:0",
            time_limit=2 * HOUR,
            tres=Tres(1, 1, {"": 1}),
            energy_joules=None,
            tag=None,
        )
        for number in range(6)
    ]
    with Ledger.open(tmp_path / "ledger.sqlite", cluster="toy") as ledger:
        ledger.keep_runs(runs, now)
    table = planned(site, *FLEXIBLE, "--time=2:00:00", cwd=tmp_path)
    assert table["usual length"].startswith("00:30:00")
    assert "half of 6 runs of yours with this limit took less" in table["usual length"]
    assert table["your limits"].startswith("25 %")
    assert "--length says how long it will take" in table["your limits"]
    declared = planned(site, "--length", "30m", *FLEXIBLE, "--time=2:00:00", cwd=tmp_path)
    assert "--length" not in declared["your limits"]
    done = run(site, "--plan", "--json", *FLEXIBLE, "--time=2:00:00", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert (found["usual_length_s"], found["limit_used"], found["past_runs"]) == (1800.0, 0.25, 6)
    assert found["usual_g_planned"] == pytest.approx(found["g_planned"] / 4)
    assert found["usual_g_now"] == pytest.approx(5 * found["usual_g_planned"])
    assert found["expected_start"] is None


def test_a_plan_says_what_came_of_the_owner_s_past_plans(site: dict[str, str], tmp_path: Path) -> None:
    """Five jobs of which 200 g were expected, and 150 g came about, each."""
    assert "past plans" not in planned(site, *FLEXIBLE, "-t60", cwd=tmp_path)
    now = from_epoch(int(datetime.now(UTC).timestamp()))
    nature = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    span = Interval(now - 2 * HOUR, now - HOUR)
    figure = Figure(1.0, "modelled", 100.0, span, 250.0, timedelta(), nature, "file", False)
    runs = [ended_run(number, now) for number in range(1, 6)]
    jobs = [seen_waiting(run, tag=None) for run in runs]
    with Ledger.open(tmp_path / "ledger.sqlite", cluster="toy") as ledger:
        ledger.note(Queue(now - 9 * HOUR, tuple(jobs)), {job.key: job.submitted for job in jobs})
        waits = [Action(Verb.WITHHOLD, job, "clean then", until=span.start, saving_g=200.0) for job in jobs]
        numbers = ledger.intend(None, waits, now - 9 * HOUR)
        ledger.settle({number: Outcome(OutcomeState.CONFIRMED, now - 9 * HOUR) for number in numbers})
        ledger.keep_runs(runs, now)
        ledger.keep_figures([(run.key, figure) for run in runs], now)
    said = planned(site, *FLEXIBLE, "-t60", cwd=tmp_path)["past plans"]
    assert said.split()[:2] == ["75", "%"]
    assert said.endswith("of the 1 kg that plans of yours expected to save came about, in 5 jobs")
    found = json.loads(run(site, "--plan", "--json", *FLEXIBLE, "-t60", cwd=tmp_path).stdout)
    assert (found["past_plans"], found["past_expected_g"], found["past_saved_g"]) == (5, 1000.0, 750.0)


def ended_run(number: int, now: datetime) -> AccountedRun:
    """A run of the owner's that waited, and ended an hour ago."""
    return AccountedRun(
        key=RunKey("toy", number, now - 10 * HOUR),
        array_job_id=None,
        user=getpass.getuser(),
        account="maths",
        partition="gpu",
        qos="normal",
        eligible=now - 2 * HOUR,
        started=now - 2 * HOUR,
        ended=now - HOUR,
        state="COMPLETED",
        exit_code="0:0",
        time_limit=2 * HOUR,
        tres=Tres(1, 1, {"": 1}),
        energy_joules=None,
        tag=None,
    )


def test_a_plan_says_how_its_budgets_stand_and_is_made_by_them(site: dict[str, str], tmp_path: Path) -> None:
    config = Path(site["CARBONSLURM_CONFIG"])
    config.write_text(
        config.read_text()
        + "policy: {name: no-wait}\nbudgets:\n  - {account: maths, kg_per_month: 0.001, at_end: green}\n"
    )
    words = (*FLEXIBLE, "--account=maths", "-t60")
    before = planned(site, *words, cwd=tmp_path)
    assert before["budget"].startswith("account maths")
    assert before["budget"].endswith("; 1 g left")
    assert "never waits" in before["planned start"]
    now = from_epoch(int(datetime.now(UTC).timestamp()))
    spent = AccountedRun(
        key=RunKey("toy", 9, now - HOUR / 60),
        array_job_id=None,
        user="eve",
        account="maths",
        partition="gpu",
        qos="normal",
        eligible=None,
        started=now - timedelta(seconds=2),
        ended=now,
        state="COMPLETED",
        exit_code="0:0",
        time_limit=None,
        tres=Tres(1, 1, {}),
        energy_joules=None,
        tag=None,
    )
    nature = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    figure = Figure(0.01, "modelled", 3.0, Interval(now - HOUR, now), 3.0, timedelta(), nature, "file", False)
    with Ledger.open(tmp_path / "ledger.sqlite", cluster="toy") as ledger:
        ledger.keep_runs([spent], now)
        ledger.keep_figures([(spent.key, figure)], now)
    after = planned(site, *words, cwd=tmp_path)
    assert after["budget"].endswith("used up: jobs wait for the greenest hours within their bound")
    assert after["planned start"].endswith("the budget of account maths is used up")
    assert "budget" not in planned(site, *FLEXIBLE, "-t60", cwd=tmp_path)
    done = run(site, "--plan", "--json", *words, cwd=tmp_path)
    (budget,) = json.loads(done.stdout)["budgets"]
    assert (budget["name"], budget["used_up"], budget["used_g"]) == ("maths", True, 3.0)
