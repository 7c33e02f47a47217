"""The house: who may import whom (docs: the design's section 4), and what importing may do."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "carbonslurm"
TESTS = ROOT / "tests"

INNER = frozenset({"errors", "core", "formats", "ports"})
ADAPTERS = frozenset({"slurm", "carbon", "energy", "ledger", "sim"})
BELOW_WIRING = INNER | ADAPTERS | {"app", "config"}

# Room -> the rooms it may import from, besides itself.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "core": frozenset({"errors"}),
    "ports": frozenset({"errors", "core"}),
    "app": frozenset({"errors", "core", "ports"}),
    "formats": frozenset({"errors", "core"}),
    "config": frozenset({"errors", "core"}),
    **dict.fromkeys(ADAPTERS, INNER),
    "wiring": BELOW_WIRING,
    "monitor": BELOW_WIRING | {"wiring"},
    **dict.fromkeys(("daemon", "cli", "sandbox"), BELOW_WIRING | {"wiring", "daemon", "cli", "sandbox"}),
}
FOREIGN = {"core": frozenset({"numpy"}), "formats": frozenset({"msgspec"}), "ports": frozenset[str]()}
FOREIGN |= {"app": frozenset(), "errors": frozenset()}

MODULES = sorted(PACKAGE.rglob("*.py"))
TEST_MODULES = sorted(TESTS.rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path) -> Iterator[str]:
    """Every module that is imported anywhere in a file, in functions and for types only too."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}:{node.lineno}: a relative import"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _rooms_imported(path: Path) -> set[str]:
    names = [name.split(".") for name in _imports(path)]
    return {parts[1] for parts in names if parts[0] == "carbonslurm" and len(parts) > 1} - {"__version__"}


def _module_names() -> list[str]:
    names = [
        path.relative_to(ROOT).with_suffix("").parts for path in MODULES if "migrations" not in path.parts
    ]
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in names]


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_point_one_way(path: Path) -> None:
    room = _room(path)
    if room == "__init__":
        assert _rooms_imported(path) == {"monitor"}  # for types, and on demand: see below
        return
    assert room in MAY_IMPORT, f"{room} is not in the design: say what it may import"
    assert _rooms_imported(path) - {room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", [path for path in MODULES if _room(path) in FOREIGN], ids=_name)
def test_the_inner_rooms_need_nothing_else(path: Path) -> None:
    foreign = {name.split(".")[0] for name in _imports(path)} - set(sys.stdlib_module_names)
    assert foreign - {"carbonslurm"} <= FOREIGN[_room(path)]


IMPURE = {"logging", "random", "secrets", "time", "os", "pathlib", "subprocess", "socket", "threading", "sys"}


@pytest.mark.parametrize("path", [path for path in MODULES if _room(path) in {"core", "formats"}], ids=_name)
def test_the_pure_rooms_import_nothing_that_reaches_the_world(path: Path) -> None:
    assert not {name.split(".")[0] for name in _imports(path)} & IMPURE


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_only_wiring_asks_what_time_it_is(path: Path) -> None:
    clocks = {"now", "utcnow", "today"}
    asked = [
        node.lineno
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in clocks
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"datetime", "date"}
    ]
    assert not asked or _room(path) == "wiring", f"{_name(path)}: lines {asked}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    words = ast.get_docstring(_tree(path))
    assert words
    assert words.strip()


def test_importing_any_module_prints_nothing() -> None:
    code = "import importlib\n" + "".join(f"importlib.import_module({name!r})\n" for name in _module_names())
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_the_package_imports_nothing_of_it_until_the_monitor_is_asked_for() -> None:
    code = (
        "import sys, carbonslurm\n"
        "print(*[name for name in sys.modules if name.startswith('carbonslurm.')], 'numpy' in sys.modules)\n"
        "from carbonslurm import CarbonMonitor\n"
        "print(CarbonMonitor.__module__, 'pandas' in sys.modules, 'httpx' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\ncarbonslurm.monitor.monitor False False\n"


@pytest.mark.parametrize("path", TEST_MODULES, ids=_name)
def test_no_test_mocks_or_patches(path: Path) -> None:
    imported = {part for name in _imports(path) for part in name.split(".")}
    assert not imported & {"mock", "MagicMock", "pytest_mock"}
    named = {node.id for node in ast.walk(_tree(path)) if isinstance(node, ast.Name)}
    asked = {node.arg for node in ast.walk(_tree(path)) if isinstance(node, ast.arg)}
    assert not (named | asked) & {"mocker", "patch", "MagicMock"}


@pytest.mark.parametrize("path", TEST_MODULES, ids=_name)
def test_no_test_sets_attributes_of_modules_it_did_not_make(path: Path) -> None:
    """pytest's monkeypatch may set the environment and the working folder, which processes own; no more."""
    allowed = {"setenv", "delenv", "chdir", "syspath_prepend"}
    used = [
        node.attr
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "monkeypatch"
    ]
    assert set(used) <= allowed


@pytest.mark.parametrize("path", TEST_MODULES, ids=_name)
def test_no_test_sleeps(path: Path) -> None:
    """A test that waits, waits for a condition with a deadline: ``sandbox.waiting`` does for real Slurm."""
    calls = [node.func for node in ast.walk(_tree(path)) if isinstance(node, ast.Call)]
    named = [func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls]
    assert "sleep" not in named


@pytest.mark.parametrize("path", TEST_MODULES, ids=_name)
def test_no_test_is_expected_to_fail(path: Path) -> None:
    """What does not work is mended, or said in the documents: a run must not count it as skipped."""
    names = {node.attr for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute)}
    assert "xfail" not in names
