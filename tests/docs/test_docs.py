"""The documents: what they link to is there, what they show can be read, what they name exists."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from carbonslurm.carbon.written import read_csv, read_yaml
from carbonslurm.cli.carbon_sacct import carbon_sacct
from carbonslurm.cli.carbon_sbatch import carbon_sbatch, split
from carbonslurm.cli.carbon_squeue import carbon_squeue
from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.cli.carbonslurmd import carbonslurmd
from carbonslurm.cli.sacct_output import FIELDS
from carbonslurm.config import parse

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LEAST: dict[str, Any] = {
    "cluster": "hpc",
    "ledger": "/var/lib/carbonslurm/ledger.sqlite",
    "zone": "GB",
    "sources": [{"provider": "neso", "zone": "GB"}],
}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    path: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """Where it stands."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Every fenced block of these languages; the empty word is a block of no language."""
    return [block for path in DOCS for block in _blocks(path) if block.language in languages]


def _blocks(path: Path) -> Iterator[Block]:
    opened: tuple[int, str, str] | None = None
    lines: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"( *)```(\w*)$", line)
        if opened is None and fence:
            opened, lines = (number + 1, fence[2], fence[1]), []
        elif opened is not None and fence:
            first, language, indent = opened
            text = "\n".join(each.removeprefix(indent) for each in lines) + "\n"
            yield Block(path, first, language, text)
            opened = None
        elif opened is not None:
            lines.append(line)
    assert opened is None, f"{path}: a block that does not end"


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def spans(path: Path) -> list[str]:
    """What stands between single backticks."""
    return re.findall(r"`([^`\n]+)`", prose(path))


def links(path: Path) -> list[str]:
    """The targets of all links."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(path))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), flags=re.MULTILINE)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in kept}


# --- links


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in links(path):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{path.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{path.name}: {link}"


def test_every_document_is_linked_from_another() -> None:
    linked = {
        (path.parent / link.partition("#")[0]).resolve()
        for path in DOCS
        for link in links(path)
        if not link.startswith(("https://", "#"))
    }
    assert set(DOCS) - linked == {ROOT / "README.md", ROOT / "CHANGELOG.md"}


# --- code


@pytest.mark.parametrize("block", blocks("bash", "sh"), ids=lambda block: block.name)
def test_shell_can_be_read(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", blocks("lua"), ids=lambda block: block.name)
def test_lua_can_be_read(block: Block, tmp_path: Path) -> None:
    compilers = [found for name in ("luac5.1", "luac5.4", "luac") if (found := shutil.which(name))]
    if not compilers:
        pytest.skip("no luac here")
    source = tmp_path / "block.lua"
    source.write_text(block.text)
    for compiler in compilers:
        done = subprocess.run([compiler, "-p", str(source)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.name)
def test_python_can_be_read(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", blocks("yaml", "csv"), ids=lambda block: block.name)
def test_data_is_what_it_shows(block: Block) -> None:
    """In docs/providers.md a provider's file, elsewhere a configuration, or sections of one."""
    if block.language == "csv":
        read_csv(block.text, block.name, None)
    elif block.path.name == "providers.md":
        read_yaml(block.text, block.name)
    else:
        parse(yaml.safe_dump(LEAST | yaml.safe_load(block.text)), block.name)


# --- commands

PROGRAMS: dict[str, click.Command] = {
    "carbonslurm": carbonslurm,
    "carbonslurmd": carbonslurmd,
    "carbon-sbatch": carbon_sbatch,
    "carbon-squeue": carbon_squeue,
    "carbon-sacct": carbon_sacct,
}


def calls() -> list[tuple[str, list[str]]]:
    """Each call of one of our commands in the documents, with where it stands."""
    lines = [(path.name, span) for path in DOCS for span in spans(path)]
    for block in blocks("bash", "sh", ""):
        lines += [(block.name, line.strip()) for line in block.text.splitlines()]
    found = []
    for place, line in lines:
        words = re.sub(r"\s+#.*$", "", line).removeprefix("$ ").split()
        if words[:2] == ["sudo", "-u"]:
            words = words[3:]
        if len(words) > 1 and words[0] in PROGRAMS:
            found.append((place, words))
    return found


def unknown_words(words: list[str]) -> list[str]:
    """The subcommands and options in a call that do not exist."""
    command, rest = PROGRAMS[words[0]], words[1:]
    if command is carbon_sbatch:
        rest = split(rest)[0]
    missing = []
    for word in rest:
        if word.startswith("-"):
            known = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
            missing += [word] if word.partition("=")[0] not in known | {"-h", "--help"} else []
        elif isinstance(command, click.Group):
            if word not in command.commands:
                return [*missing, word]
            command = command.commands[word]
    return missing


def test_commands_and_options_exist() -> None:
    found = calls()
    assert len(found) > 15
    assert [(place, words) for place, words in found if unknown_words(words)] == []


def test_a_command_that_does_not_exist_is_found_out() -> None:
    assert unknown_words(["carbonslurm", "stimulate"]) == ["stimulate"]
    assert unknown_words(["carbon-sacct", "--by", "month", "--carbon"]) == ["--carbon"]
    assert unknown_words(["carbon-sbatch", "--flex", "2h", "--gres=gpu:1"]) == []


def test_columns_shown_exist() -> None:
    """The heads of carbon-sacct's tables are columns of today's, or of its totals."""
    text = (ROOT / "docs" / "quickstart.md").read_text()
    heads = [line.split() for line in text.splitlines() if re.match(r"JobID +User", line)]
    assert heads
    assert all(set(head) <= set(FIELDS) for head in heads)


@pytest.mark.parametrize(("document", "at_least"), [("jobs.md", 26), ("failures.md", 24)])
def test_every_row_names_tests_that_exist(document: str, at_least: int) -> None:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if "`test_" in line]
    named = {
        name
        for row in rows
        for name in re.findall(r"`(test_\w+)`", row.rpartition("|")[0].rpartition(" | ")[2])
    }
    there = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(rows) >= at_least
    assert named - there == set()
