"""The list of supported Slurms, and that the documents say the same."""

import re
from pathlib import Path

import pytest

from carbonslurm.errors import ConfigError, UsageError
from matrix.versions import Version, chosen, own_suite, read_versions

ROOT = Path(__file__).parents[2]
LIST = read_versions((ROOT / "tests" / "slurm" / "versions.toml").read_text(encoding="utf-8"))
TWO = [Version("old", "Debian 1"), Version("new", "Debian 2", "old")]
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'


def test_the_list_is_read_in_its_order() -> None:
    text = '[old]\ndebian = "Debian 1"\n[new]\ndebian = "Debian 2"\nlibrary_from = "old"\n'
    assert read_versions(text) == TWO


@pytest.mark.parametrize(
    "text", ["[", "[a]\n", '["a b"]\ndebian = "x"', '[a]\ndebian = "x"\nslurm = "1"', "a = 1"]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="the list of Slurms"):
        read_versions(text)


def test_all_are_chosen_where_none_is_named() -> None:
    assert chosen(TWO, []) == TWO
    assert chosen(TWO, ["new"]) == TWO[1:]
    assert chosen(TWO, ["new", "old"]) == TWO


def test_a_name_that_is_not_in_the_list_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match='"older" is not among the supported Slurms: old, new'):
        chosen(TWO, ["older"])


@pytest.mark.parametrize(
    ("text", "suite"),
    [
        (DEBIAN, "bookworm"),
        (DEBIAN.replace("bookworm\n", '"bookworm"\n'), "bookworm"),
        (DEBIAN.replace("ID=debian", "ID=ubuntu"), None),
        ("ID=debian\n", None),
        ("", None),
    ],
)
def test_a_machine_says_which_suite_it_runs(text: str, suite: str | None) -> None:
    assert own_suite(text) == suite


def test_the_supported_slurms_of_the_install_guide_are_the_list() -> None:
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    table = text.partition("## Supported versions")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (Debian [^|]+?) \((\w+)\) \|", table, flags=re.MULTILINE)
    assert rows == [(version.debian, version.suite) for version in LIST]
