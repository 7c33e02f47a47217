"""carbon-sacct as people know sacct: what it chooses, how it prints it, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from site_books import DAY_G, DAYS, HOSTILE, KW, NIGHT_G, fill

from carbonslurm.cli.carbon_sacct import carbon_sacct
from carbonslurm.cli.program import run as command_line
from carbonslurm.cli.sacct_groups import GROUP_NAMES
from carbonslurm.cli.sacct_meanings import MEANINGS, ONLY_SACCT
from carbonslurm.cli.sacct_output import FIELDS, FOR_FILES

if TYPE_CHECKING:
    from pathlib import Path

Call = Callable[..., tuple[int, str, str]]
YEAR = ("-a", "-S", "2026-01", "-E", "2026-06")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("books"))


@pytest.fixture
def sacct(config: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call it; return its exit code, what it printed, and what it said beside that."""

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            command_line(carbon_sacct, ["--config", str(config), *words], "carbon-sacct")
        shown = capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 0), shown.out, shown.err

    return call


def found(sacct: Call, *words: str) -> dict[str, Any]:
    code, out, _ = sacct(*words, "--json")
    assert code == 0
    return json.loads(out)


def ids(sacct: Call, *words: str) -> list[int]:
    return [run["job_id"] for run in found(sacct, *words)["runs"]]


# --- which runs


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-j", "1003"), [1003]),
        (("-j", "2999"), [3001, 3002]),
        (("-j", "2999_4"), [3001]),
        (("-j", "2999_[4-5]"), [3001, 3002]),
        (("-j", "2999_[0-8:5],1003"), [1003, 3002]),
        (("-j", "2999+1"), [3000]),
        (("-a", "-S", "2026-01-06T00:00Z", "-E", "2026-01-07T00:00Z"), [1005, 2006, 3000]),
        (("-u", "bob", "-S", "2026-01-02", "-E", "2026-01-04T00:00Z"), [2002]),
        (("-a", "-A", "=maths", "-S", "2026-01", "-E", "2026-02"), [3000, 3001, 3002]),
        (("-a", "-r", "north", "-S", "2026-01", "-E", "2026-02"), [3000]),
        (("-a", "-q", "scavenger", "-S", "2026-01", "-E", "2026-02"), []),
        (("-a", "-s", "F", "-S", "2026-01", "-E", "now"), [3000]),
        (("-a", "-s", "failed,timeout", "-S", "2026-01", "-E", "now"), [3000]),
        (("-a", "-s", "R", "-S", "2026-01-06T12:30Z"), [1005, 3000]),
        (("-a", "-M", "blue", "-S", "2026-01", "-E", "2026-02"), []),
        (("-j", "3000,3001", "-s", "F"), [3000]),
        (("-a", "--name", "sweep", "-S", "2026-01-02", "-E", "2026-01-04T00:00Z"), [2002]),
    ],
)
def test_runs_are_chosen_as_by_sacct(sacct: Call, words: tuple[str, ...], expected: list[int]) -> None:
    assert sorted(ids(sacct, *words)) == expected


def test_all_clusters_are_shown_where_asked_for(sacct: Call) -> None:
    window = ("-a", "-S", "2026-01", "-E", "2026-01-03T00:00Z")
    assert ids(sacct, *window, "-L") == ids(sacct, *window, "-M", "all") == ids(sacct, *window)


def test_a_state_without_an_end_looks_at_one_moment_and_says_so(sacct: Call) -> None:
    code, _, said = sacct("-a", "-s", "CD", "-S", "2026-01")
    assert (code, "only one moment is looked at" in said) == (0, True)
    assert "only one moment" not in sacct("-a", "-s", "CD", "-S", "2026-01", "-E", "now")[2]
    assert "only one moment" not in sacct("-a", "-s", "R")[2]


# --- how it is printed


def test_columns_have_sacct_s_widths(sacct: Call) -> None:
    code, out, _ = sacct("-j", "3001", "-o", "jobid%8,user%-5,State%-12,AllocTRES")
    assert code == 0
    head, line = out.splitlines()
    assert head == "   JobID User  State        AllocTRES"
    assert line == "  2999_4 <eve+ COMPLETED    cpu=16,gres/gpu:a100=2,node=1"


def test_parsable_output_divides_and_ends_as_sacct_does(sacct: Call) -> None:
    words = ("-j", "3001", "-n", "-o", "JobIDRaw,User,EmittedG")
    grams = KW * 2 * DAY_G
    assert sacct(*words, "-P")[1] == f"3001|<eve&co>|{grams:.3f}\n"
    assert sacct(*words, "-p")[1] == f"3001|<eve&co>|{grams:.3f}|\n"
    assert sacct(*words, "-P", "--delimiter", ";;")[1] == f"3001;;<eve&co>;;{grams:.3f}\n"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ((), ["1.2 kg", "4 kWh"]),
        (("--units", "K"), ["1.2 kg", "4 kWh"]),
        (("--units", "m"), ["0.0012 t", "0.004 MWh"]),
        (("--noconvert",), ["1200 g", "4000 Wh"]),
    ],
)
def test_amounts_are_in_one_unit_where_asked_for(
    sacct: Call, words: tuple[str, ...], shown: list[str]
) -> None:
    out = sacct("-j", "3001", "-n", "-P", "-o", "Emitted,Energy", *words)[1]
    assert out.strip().split("|") == shown


def test_every_column_prints_something_for_every_run(sacct: Call) -> None:
    code, out, _ = sacct("-j", "3000,2000,1000", "-P", "-o", "ALL")
    head, *lines = out.splitlines()
    assert (code, head.split("|")) == (0, list(FIELDS))
    assert [len(line.split("|")) for line in lines] == [len(FIELDS)] * 3
    by_job = {line.split("|")[1]: dict(zip(FIELDS, line.split("|"), strict=True)) for line in lines}
    assert (by_job["3000"]["Zone"], by_job["3000"]["Emitted"], by_job["3000"]["CarKm"]) == (
        "SE",
        "unknown",
        "unknown",
    )
    waited = by_job["2000"]
    assert (waited["Waited"], waited["Intensity"], waited["Withheld"]) == (
        "07:00:00",
        f"{NIGHT_G:.1f}",
        "yes",
    )
    assert waited["HouseholdDays"] == f"{3 * KW / (2700 / 365):.3g}"


@pytest.mark.parametrize(
    ("word", "column"),
    [
        ("jobn", "JobName"),
        ("STAT", "State"),
        ("elapsedraw", "ElapsedRaw"),
        ("elap", "Elapsed"),
        ("s%4", "State"),
    ],
)
def test_a_column_s_name_may_be_cut_short_as_for_sacct(sacct: Call, word: str, column: str) -> None:
    width = 4 if "%" in word else None
    assert sacct("-j", "1003", "-o", word)[1].split()[0] == column[: (width or 99) - 1] + (
        "+" if width else ""
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("maxrss", "MaxRSS is not in the ledger: join with sacct by Cluster, JobIDRaw and Submit"),
        ("JobID,emited", 'no column "emited" (did you mean Emitted?): carbon-sacct --helpformat lists them'),
        ("frobnicate", 'no column "frobnicate": carbon-sacct --helpformat lists them'),
        (",", "-o: no column is named: carbon-sacct --helpformat lists them"),
        ("JobID%x", 'expected a width such as JobID%20 or User%-12, got "JobID%x"'),
    ],
)
def test_a_column_that_is_not_there_is_one_clear_line(sacct: Call, word: str, said: str) -> None:
    code, out, err = sacct("-j", "1003", "-o", word)
    assert (code, out, err.count("\n")) == (64, "", 1)
    assert said in err


def test_what_sacct_alone_has_is_no_column_of_ours() -> None:
    assert not {name.lower() for name in ONLY_SACCT} & {name.lower() for name in FIELDS}


def test_association_ids_are_refused_in_one_line(sacct: Call) -> None:
    code, _, said = sacct("-x", "12")
    assert (code, "no association ids: use -M, -A, -u and -r" in said) == (64, True)


def test_times_and_nodes_are_sacct_s_own(sacct: Call) -> None:
    fields = "CPUTime,CPUTimeRAW,TimelimitRaw,Planned,Reserved,NodeList,ConsumedEnergy"
    out = sacct("-j", "2000", "-n", "-P", "-o", fields)[1]
    assert out.strip("\n").split("|") == [
        "2-00:00:00",
        "172800",
        "480",
        "00:00:00",
        "00:00:00",
        "unknown",
        "",
    ]


@pytest.mark.parametrize(
    ("word", "shown"),
    [("%s", "1767787200"), ("%Y", "2026"), ("standard", None), ("relative", None), ("", None)],
)
def test_times_are_in_the_form_that_sacct_is_told(
    sacct: Call, monkeypatch: pytest.MonkeyPatch, word: str, shown: str | None
) -> None:
    """So that the columns join with what sacct prints; of 7 January, noon in UTC."""
    words = ("-j", "3001", "-n", "-P", "-o", "Start")
    usual = sacct(*words)[1].strip()
    monkeypatch.setenv("SLURM_TIME_FORMAT", word)
    assert sacct(*words)[1].strip() == (usual if shown is None else shown)


def test_the_format_may_come_from_the_environment(sacct: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBON_SACCT_FORMAT", "JobID,User%20")
    assert sacct("-j", "1003", "-n")[1].split() == ["1003", "ada"]
    assert sacct("-j", "1003", "-n", "-o", "User")[1].strip() == "ada"
    assert sacct("-j", "1003", "-n", "-b")[1].split() == ["1003", "COMPLETED", "0:0"]


def test_csv_is_read_back_and_harmless_in_a_spreadsheet(sacct: Call) -> None:
    rows = list(csv.DictReader(io.StringIO(sacct("-j", "3001", "--csv")[1])))
    assert list(rows[0]) == FOR_FILES.split(",")
    assert (rows[0]["Account"], rows[0]["User"], rows[0]["SavedG"]) == ("'=maths", "<eve&co>", "0.000")


@pytest.mark.parametrize("words", [(), ("-P",), ("-p", "--delimiter", "|"), ("--csv",)])
def test_a_hostile_name_of_a_job_is_one_cell_of_plain_text(sacct: Call, words: tuple[str, ...]) -> None:
    fields = ("-j", "3000,3001", "-o", "JobIDRaw,JobName,State")
    for options in (fields, ("-j", "3000,3001,1003", "--by", "name")):
        _, out, _ = sacct(*options, *words)
        assert all(char.isprintable() for line in out.split("\n") for char in line)
        head, *lines = out.splitlines()
        assert len(lines) == (2 if options is fields else 3)
        if words[:1] in {("-P",), ("-p",)}:
            assert {line.count("|") for line in lines} == {head.count("|")}
        if words == ("--csv",):
            assert not any(cell.startswith("=") for row in csv.reader(lines) for cell in row)


def test_totals_by_what_people_called_their_jobs(sacct: Call) -> None:
    report = found(sacct, *YEAR, "--by", "jobname,user")
    groups = {(it["name"], it["user"]): it for it in report["groups"]}
    assert set(groups) == {
        ("train", "ada"),
        ("sweep", "bob"),
        (HOSTILE, "<eve&co>"),
        ("unknown", "<eve&co>"),
    }
    assert sum(it["emitted_g"] for it in groups.values()) == pytest.approx(report["totals"]["emitted_g"])
    assert sacct("-j", "1003", "--by", "name")[1].split()[0] == "JobName"
    assert found(sacct, "-j", "3002")["runs"][0]["name"] is None
    assert sacct("-j", "3002", "-n", "-o", "JobName")[1].strip() == "unknown"


def test_help_explains_every_column_that_sacct_has_not(sacct: Call) -> None:
    code, out, _ = sacct("--helpformat")
    assert (code, len(out.splitlines())) == (0, len(FIELDS))
    assert set(MEANINGS) <= set(FIELDS)
    assert "EPA-420-F-23-014" in out
    assert "Ofgem" in out


# --- totals


def test_totals_by_several_names_at_once(sacct: Call) -> None:
    report = found(sacct, *YEAR, "--by", "user,month")
    assert report["by"] == ["user", "month"]
    groups = {(it["user"], it["month"]): it for it in report["groups"]}
    assert {user for user, _ in groups} == {"ada", "bob", "<eve&co>"}
    assert sum(it["runs"] for it in groups.values()) == report["totals"]["runs"] == DAYS + DAYS // 2 + 3
    assert sum(it["emitted_g"] for it in groups.values()) == pytest.approx(report["totals"]["emitted_g"])
    night = KW * 3 * NIGHT_G
    bob = [it for (user, _), it in groups.items() if user == "bob"]
    assert sum(it["emitted_g"] for it in bob) == pytest.approx(DAYS // 2 * night)
    assert sum(it["saved_g"] for it in bob) == pytest.approx(DAYS // 2 * KW * 3 * (DAY_G - NIGHT_G))
    assert {it["mean_wait_s"] for it in bob} == {7 * 3600.0}


@pytest.mark.parametrize("name", GROUP_NAMES)
def test_totals_by_any_name_are_all_of_it(sacct: Call, name: str) -> None:
    report = found(sacct, *YEAR, "--by", name)
    assert sum(it["emitted_g"] for it in report["groups"]) == pytest.approx(report["totals"]["emitted_g"])
    assert sum(it["unknown"] for it in report["groups"]) == report["totals"]["unknown"] == 1


def test_totals_say_what_they_are_like_and_by_whose_numbers(sacct: Call) -> None:
    code, out, said = sacct(*YEAR, "--by", "account")
    assert (code, out.splitlines()[-1].split()[0]) == (0, "total")
    assert "EPA-420-F-23-014" in said
    assert "Ofgem" in said
    bare = sacct(*YEAR, "--by", "zone,qos", "--csv")
    assert bare[1].splitlines()[0].startswith("Zone,QOS,Runs,")
    assert bare[2] == ""


# --- what is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "JobID,Karma"), 'no column "Karma"'),
        (("-o", "JobID%"), "expected a width"),
        (("-o", "JobID%0"), "expected a width"),
        (("-S", "soon"), "expected a time"),
        (("-S", "2026-02", "-E", "2026-01"), "lies before"),
        (("-s", "XX"), 'no state "XX"'),
        (("-j", "6_3_1"), "expected job ids"),
        (("-j", "12.batch", "-X"), "-X is about whole jobs"),
        (("-j", "12.batch", "--by", "user"), "--by is about whole jobs"),
        (("-j", "12.0", "--mlflow", "http://localhost"), "--mlflow is about whole jobs"),
        (("--by", "colour"), '"colour" is none of'),
        (("--by", "user", "-o", "JobID"), "leave out -o"),
        (("--by", "user", "-j", "13_4"), "sums up whole jobs"),
        (("--json", "--csv"), "not several"),
        (("--units", "X"), "expected one of K, M, G, T and P"),
        (("-P", "--delimiter", ""), "an empty one"),
        (("--carbon",), "No such option"),
    ],
)
def test_wrong_words_are_one_line_and_64(sacct: Call, words: tuple[str, ...], said: str) -> None:
    code, out, err = sacct(*words)
    assert (code, out, len(err.splitlines())) == (64, "", 1)
    assert said in err


# --- budgets

BUDGETS = """
budgets:
  - {account: maths, kg_per_month: 9, at_end: green}
  - {user: ada, kg_per_month: 40, at_end: flexible, flex: 6h}
  - {partition: north, kg_per_month: 100}
"""


@pytest.fixture(scope="module")
def budgeted(config: Path) -> Path:
    path = config.parent / "budgets.yaml"
    path.write_text(config.read_text() + BUDGETS)
    return path


def budget(budgeted: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        command_line(carbon_sacct, ["--config", str(budgeted), "--budget", *words], "carbon-sacct")
    shown = capsys.readouterr()
    return int(left.value.code or 0), shown.out, shown.err


def test_budgets_say_what_is_used_and_what_follows(
    budgeted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = budget(budgeted, capsys, "-a", "-S", "2026-03-10", "--json")
    found = {it["name"]: it for it in json.loads(out)["budgets"]}
    assert (code, list(found)) == (0, ["maths", "ada", "north"])
    maths, ada = found["maths"], found["ada"]
    assert (maths["month"], maths["limit_g"], maths["at_end"]) == ("2026-03", 9000.0, "green")
    assert maths["used_g"] == pytest.approx(maths["runs"] * KW * 3 * NIGHT_G)
    assert maths["left_g"] == pytest.approx(9000 - maths["used_g"])
    assert maths["used_up"] is (maths["used_g"] >= 9000)
    assert (ada["used_up"], found["north"]["used_g"]) == (True, 0.0)
    lines = budget(budgeted, capsys, "-a", "-S", "2026-03-10")[1].splitlines()
    assert lines[0].split()[:5] == ["Budget", "Month", "Limit", "Used", "Left"]
    assert lines[2].startswith("user ada")
    assert lines[2].endswith("used up: jobs are flexible by default")


def test_budgets_of_others_are_left_out_where_some_are_asked_for(
    budgeted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = budget(budgeted, capsys, "-u", "ada", "-A", "physics", "-r", "gpu", "-S", "2026-03", "-P", "-n")[1]
    assert [line.split("|")[0] for line in out.splitlines()] == ["user ada"]
    code, _, said = budget(budgeted, capsys, "-j", "3")
    assert (code, "stands alone" in said) == (64, True)


def test_where_there_are_no_budgets_that_is_said(sacct: Call) -> None:
    code, _, said = sacct("-a", "--budget")
    assert (code, said.partition(": ")[2]) == (0, "no budgets are configured\n")
