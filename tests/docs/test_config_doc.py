"""docs/config.md: every key of the configuration, its type and its default, and no key that is not there."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
from msgspec import inspect

from carbonslurm import wiring
from carbonslurm.config import Config, load
from carbonslurm.core.tag import format_duration

ROOT = Path(__file__).parents[2]
Row = tuple[str, str, str]


def tables() -> dict[str, list[list[str]]]:
    """Heading -> the rows of the table below it."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in (ROOT / "docs" / "config.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| `"):
            found.setdefault(heading, []).append([cell.strip() for cell in line.split("|")[1:-1]])
    return found


SIMPLE: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.StrType: "text",
    inspect.CustomType: "duration",
    inspect.StructType: "mapping",
}


def words(kind: inspect.Type) -> str:  # noqa: PLR0911 - one for each type
    """A type in the words of the document."""
    match kind:
        case inspect.FloatType(ge=0, le=1):
            return "share"
        case inspect.IntType() | inspect.FloatType():
            name = "whole number" if isinstance(kind, inspect.IntType) else "number"
            return name if kind.ge is None else f"{name}, {kind.ge} to {kind.le}"
        case inspect.LiteralType():
            return " or ".join(f"`{value}`" for value in kind.values)
        case inspect.VarTupleType():
            return "list of text" if isinstance(kind.item_type, inspect.StrType) else "list"
        case inspect.DictType():
            return f"mapping of {words(kind.key_type)} to {words(kind.value_type)}"
        case inspect.UnionType():
            return " or ".join(words(each) for each in kind.types if not isinstance(each, inspect.NoneType))
    return SIMPLE[type(kind)]


def default(field: inspect.Field) -> str:
    """A default in the words of the document."""
    if isinstance(field.type, inspect.StructType):
        return "as below"
    if field.required:
        return "required"
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return "none" if value is None else f"`{written(value)}`"


def written(value: object) -> str:
    """A value as the file has it."""
    match value:
        case timedelta():
            return format_duration(value)
        case float():
            return f"{value:g}"
        case str():
            return value
    return json.dumps(value)


def rows(struct: inspect.StructType, prefix: str) -> Iterator[Row]:
    """Every key of a section and of the mappings and lists in it, without the sections of the top level."""
    for field in struct.fields:
        path = f"{prefix}{field.encode_name}"
        yield path, words(field.type), default(field)
        section = field.type
        if isinstance(section, inspect.UnionType):  # a mapping that may be left out
            section = next((it for it in section.types if isinstance(it, inspect.StructType)), section)
        if isinstance(section, inspect.StructType) and prefix:
            yield from rows(section, f"{path}.")
        inner = field.type.item_type if isinstance(field.type, inspect.VarTupleType) else None
        if isinstance(inner, inspect.StructType) and prefix:
            yield from rows(inner, f"{path}[].")


def expected() -> dict[str, list[Row]]:
    whole = inspect.type_info(Config)
    assert isinstance(whole, inspect.StructType)
    found = {"Top level": list(rows(whole, ""))}
    for field in whole.fields:
        if isinstance(field.type, inspect.StructType):
            found[field.name] = list(rows(field.type, f"{field.name}."))
        elif isinstance(inner := getattr(field.type, "item_type", None), inspect.StructType):
            found[field.name] = list(rows(inner, f"{field.name}[]."))
        elif field.name == "sources":
            assert isinstance(field.type, inspect.VarTupleType)
            assert isinstance(field.type.item_type, inspect.UnionType)
            for source in field.type.item_type.types:
                assert isinstance(source, inspect.StructType)
                provider = ("sources[].provider", "text", "required")
                found[f"sources: {source.tag}"] = [provider, *rows(source, "sources[].")]
    return found


def documented() -> dict[str, list[Row]]:
    return {
        name: [(key.strip("`"), kind, value) for key, kind, value, _ in rows]
        for name, rows in tables().items()
    }


def test_every_key_with_its_type_and_default_and_no_other() -> None:
    assert documented() == expected()


def test_every_key_has_a_meaning() -> None:
    assert all(len(row) == 4 and row[3] for rows in tables().values() for row in rows)


def test_the_example_is_a_configuration() -> None:
    config = load(ROOT / "docs" / "example.yaml")
    wiring.plan_rules(config)
    wiring.hook_settings(config)
    assert len(wiring.carbon_sources(config)) == 4


def test_the_example_agrees_with_the_unit() -> None:
    """The unit's StateDirectory is the one folder that the daemon may write."""
    unit = (ROOT / "systemd" / "carbonslurmd.service").read_text()
    state = next(line for line in unit.splitlines() if line.startswith("StateDirectory="))
    folder = Path("/var/lib") / state.removeprefix("StateDirectory=")
    assert Path(load(ROOT / "docs" / "example.yaml").ledger).parent == folder
