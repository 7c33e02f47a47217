"""carbon-sacct --html and --pdf: files that need nothing else, and say what carbon-sacct says."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from site_books import figure_of, fill, run

from carbonslurm.cli.carbon_sacct import carbon_sacct
from carbonslurm.cli.program import run as command_line
from carbonslurm.cli.report_blocks import Report, Rows
from carbonslurm.cli.report_pdf import write
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger

if TYPE_CHECKING:
    from pathlib import Path

TIME = ("-S", "2026-01", "-E", "2026-05")
VOID = frozenset({"meta", "img", "br"})


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("books"))


def sacct(config: Path, *words: str) -> int:
    with pytest.raises(SystemExit) as left:
        command_line(carbon_sacct, ["--config", str(config), *words], "carbon-sacct")
    return int(left.value.code or 0)


class Page(HTMLParser):
    """What is in a page: its words, its elements, and whether they are closed as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("html") / "all.html"
    assert sacct(config, "-a", *TIME, "--html", str(path)) == 0
    return Page(path.read_text(encoding="utf-8"))


def test_a_page_says_what_carbon_sacct_says(page: Page) -> None:
    assert page.open == []
    for words in (
        "326 kg",
        "1.33 MWh",
        "72 kg (18.1 %)",
        "60 of 183 runs waited",
        "EPA-420-F-23-014",
        "Ofgem",
    ):
        assert words in page.text
    for heading in ("Month by month", "When the jobs ran", "By user", "What may be said, and what not"):
        assert heading in page.text
    assert 'do not write "avoided" or "offset"' in page.text
    assert "Without a figure are 1 of these runs" in page.text


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(page: Page) -> None:
    named = {tag for tag, _ in page.tags}
    assert named.isdisjoint({"script", "link", "iframe", "object", "base", "form"})
    for tag, given in page.tags:
        assert not [name for name in given if name.startswith("on") or name in {"href", "srcset"}], tag
        assert (given.get("src") or "data:image/svg+xml;base64,").startswith("data:image/svg+xml;base64,")


def test_what_people_wrote_is_text_and_nothing_else(page: Page) -> None:
    assert "<eve&co>" in page.text
    assert "eve" not in {tag for tag, _ in page.tags}


def test_charts_are_whole_pictures_with_words_for_who_cannot_see_them(page: Page) -> None:
    images = [given for tag, given in page.tags if tag == "img"]
    assert len(images) == 6
    for given in images:
        assert given["alt"]
        root = ET.fromstring(base64.b64decode((given["src"] or "").partition(",")[2]))  # noqa: S314 - our own
        assert root.tag.endswith("svg")


def test_the_same_figures_make_the_same_files(config: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("1.html", "2.html", "1.pdf", "2.pdf")]
    for html, pdf in (files[::2], files[1::2]):
        assert sacct(config, "-A", "maths", *TIME, "--html", str(html), "--pdf", str(pdf)) == 0
    pages = [re.sub(r"on \d{4}-\d\d-\d\d \d\d:\d\d", "", path.read_text()) for path in files[:2]]
    assert pages[0] == pages[1]
    assert files[2].read_bytes().startswith(b"%PDF-")
    assert files[2].read_bytes().count(b"/Type /Page ") == 2
    assert abs(len(files[2].read_bytes()) - len(files[3].read_bytes())) < 50


def test_a_report_of_nothing_is_one_page_that_says_so(config: Path, tmp_path: Path) -> None:
    html, pdf = tmp_path / "none.html", tmp_path / "none.pdf"
    words = ("-u", "nobody", "-S", "2026-01", "-E", "2026-05")
    assert sacct(config, *words, "--html", str(html), "--pdf", str(pdf)) == 0
    assert "No job started in this time." in Page(html.read_text()).text
    assert pdf.read_bytes().count(b"/Type /Page ") == 1


def test_a_long_table_goes_on_under_its_header(tmp_path: Path) -> None:
    cells = [[f"user{number}", "1"] for number in range(200)]
    write(Report("Long", "many", [Rows(("User", "Runs"), cells)], "foot"), tmp_path / "long.pdf")
    assert (tmp_path / "long.pdf").read_bytes().count(b"/Type /Page ") >= 3


def test_names_in_any_script_and_with_dollars_are_drawn_in_silence(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    config = fill(folder)
    odd = [
        run(5000, 3, 9, 1, user="$x_1$", account="数学"),
        run(5001, 3, 9, 1, user="a" * 80, account="$\\frac$"),
    ]
    with Ledger.open(SqliteFile(folder / "ledger.sqlite"), cluster="green") as book:
        book.keep_runs(odd, odd[0].ended)
        known = book.runs_to_figure("green")
        assert {item.run.key.job_id for item in known} >= {5000, 5001}
        book.keep_figures([(item.key, figure_of(item)) for item in odd], odd[0].ended)
    assert (
        sacct(config, "-a", *TIME, "--html", str(tmp_path / "o.html"), "--pdf", str(tmp_path / "o.pdf")) == 0
    )
    assert "$x_1$" in Page((tmp_path / "o.html").read_text()).text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--html", "x.html", "-j", "3"), 64, "leave out -j"),
        (("--html", "x.html", "-s", "F"), 64, "leave out -s"),
        (("--html", "x.html", "--json"), 64, "leave out other forms"),
        (("--html", "x.html", "--by", "user"), 64, "leave out other forms"),
        (("--html", "same", "--pdf", "same"), 64, "cannot be both"),
        (("--pdf", "/no/such/folder/x.pdf", "-a"), 77, "No such file or directory"),
        (("--html", "/no/such/folder/x.html", "-a"), 77, "No such file or directory"),
        (("--html", "x.html", "-S", "soon"), 64, "expected a time"),
    ],
)
def test_what_cannot_be_is_one_line(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sacct(config, *words) == code
    shown = capsys.readouterr()
    assert (shown.out, len(shown.err.splitlines())) == ("", 1)
    assert said in shown.err
    assert list(tmp_path.iterdir()) == []
