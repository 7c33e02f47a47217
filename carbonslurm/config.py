"""The configuration: YAML in, frozen values out, read once.

Every key is here, with its default; docs/config.md lists them. An unknown key, a wrong type or an impossible
value is one ConfigError with the path to it (``policy.threshold: expected a number, got "low"``). Durations
carry their unit (``12h``, ``90s``). Secrets would be file paths; there are none yet.
"""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec

from carbonslurm.core.tag import find_tag, parse_declaration, parse_duration
from carbonslurm.errors import ConfigError, UsageError

DEFAULT_PATH = Path("/etc/carbonslurm/carbonslurm.yaml")
PATH_VARIABLE = "CARBONSLURM_CONFIG"

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Watts = Annotated[float, msgspec.Meta(ge=0, le=100_000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Duration(timedelta):
    """A timedelta that the file spells with units; a type of its own so that the decoder asks for it."""


def duration(**parts: float) -> Duration:
    """Return a Duration, for the defaults below."""
    return Duration(**parts)


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping of the file."""


class NesoSource(Section, frozen=True, tag="neso", tag_field="provider"):
    """The GB operator's API: national, or one of its 17 regions."""

    zone: Name
    region: int | str | None = None
    url: str | None = None


class FileSource(Section, frozen=True, tag="file", tag_field="provider"):
    """A CSV or YAML file of the site's own."""

    zone: Name
    path: Name
    column: str | None = None
    kind: str | None = None
    scope: str | None = None
    horizon: Duration | None = None


Source = NesoSource | FileSource


class CycleConfig(Section, frozen=True):
    """How often the daemon does what."""

    interval: Duration = duration(minutes=1)
    fetch: Duration = duration(minutes=30)
    reconcile: Duration = duration(minutes=5)
    stop_step: Duration = duration(seconds=5)
    updates: Count = 500


class PolicyConfig(Section, frozen=True):
    """When flexible jobs start."""

    name: str = "lowest-window"
    threshold: Annotated[float, msgspec.Meta(ge=0, le=5000)] = 250.0
    max_wait: Duration = duration(hours=24)
    margin: Duration = duration(minutes=5)
    queue_wait: dict[str, Duration] = {}
    min_gain: Share = 0.02
    assumed_length: Duration = duration(hours=4)
    forecast_age: Duration = duration(hours=12)


class DefaultRuleConfig(Section, frozen=True):
    """Jobs that are flexible although their owner said nothing."""

    tag: str
    partition: str | None = None
    qos: str | None = None
    account: str | None = None


class ExcludeConfig(Section, frozen=True):
    """Whose jobs the hook never tags."""

    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()


class FlexibleConfig(Section, frozen=True):
    """Which jobs can be flexible: the settings of the hook."""

    gpu_only: bool = True
    defaults: tuple[DefaultRuleConfig, ...] = ()
    exclude: ExcludeConfig = ExcludeConfig()


class StopConfig(Section, frozen=True):
    """When running jobs are stopped."""

    enabled: bool = True
    min_run: Duration = duration(minutes=30)
    max_stops: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 2
    restart: Duration = duration(minutes=5)
    min_saving: Share = 0.1
    settle: Duration = duration(minutes=1)


class PowerConfig(Section, frozen=True):
    """The power model."""

    gpu_watts: dict[str, Watts] = {}
    other_gpu_watts: Watts = 300.0
    cpu_watts: Watts = 5.0
    gpu_utilisation: Share = 0.7
    cpu_utilisation: Share = 0.5
    node_watts: Watts = 200.0
    node_cpus: Count = 64
    node_gpus: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 4
    pue: Annotated[float, msgspec.Meta(ge=1, le=5)] = 1.3


class SlurmConfig(Section, frozen=True):
    """How to reach Slurm."""

    conf: str | None = None
    path: str | None = None
    timeout: Duration = duration(seconds=30)


class Config(Section, frozen=True):
    """The whole file."""

    cluster: Name
    ledger: Name
    zone: Name
    sources: Annotated[tuple[Source, ...], msgspec.Meta(min_length=1)]
    zones: dict[str, Name] = {}
    cycle: CycleConfig = CycleConfig()
    policy: PolicyConfig = PolicyConfig()
    flexible: FlexibleConfig = FlexibleConfig()
    stop: StopConfig = StopConfig()
    power: PowerConfig = PowerConfig()
    slurm: SlurmConfig = SlurmConfig()


def default_path() -> Path:
    """Return where the configuration is looked for: $CARBONSLURM_CONFIG, else /etc/carbonslurm."""
    return Path(os.environ.get(PATH_VARIABLE, DEFAULT_PATH))


def load(path: Path) -> Config:
    """Read and check the configuration.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong; the message says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise _wrong(f"{path}: {words}") from error
    return parse(text, str(path))


def parse(text: str, origin: str = "configuration") -> Config:
    """Read and check the text of a configuration; the errors of load."""
    import yaml  # noqa: PLC0415 - only the commands that read a configuration pay for it

    try:
        raw = yaml.load(text, _loader(yaml))  # noqa: S506 - a SafeLoader that is stricter still
    except yaml.YAMLError as error:
        raise _wrong(f"{origin}: {_yaml_words(error)}") from error
    try:
        config = msgspec.convert(raw, Config, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise _wrong(_words(str(error), raw)) from error
    _check(config)
    return config


def _loader(yaml: Any) -> Any:
    """Return a loader that refuses a key given twice, where YAML would take the last one in silence."""

    class Strict(yaml.SafeLoader):  # type: ignore[misc]  # the module comes as an argument
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [part.value for part, _ in node.value]
            for index, (part, _) in enumerate(node.value):
                if part.value in keys[:index]:
                    raise yaml.constructor.ConstructorError(
                        None, None, f'the key "{part.value}" is given twice', part.start_mark
                    )
            return super().construct_mapping(node, deep)

    return Strict


def _decode(kind: type, value: Any) -> Any:
    if kind is not Duration:
        raise TypeError(f"no reading for {kind}")
    if not isinstance(value, str):
        raise TypeError(f"expected a duration such as 12h or 90s, got {_shown(value)}")
    try:
        return Duration(seconds=parse_duration(value).total_seconds())
    except UsageError as error:
        raise ValueError(str(error)) from error


# --- messages ---


def _wrong(words: str) -> ConfigError:
    """Return the error; what was written in the file reaches no terminal raw."""
    return ConfigError(
        "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)
    )


_AT = re.compile(r"(?P<what>.*?) - at `(?:key in )?\$(?P<path>.*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")
_MISSING = re.compile(r"Object missing required field `(.+)`")
_EXPECTED = re.compile(r"Expected `(.+?)`(?:, got `.*`)?$")
_LIMIT = re.compile(r"Expected `(\w+)` (.+)$")
_TAG = re.compile(r"Invalid value '(.+)'")
_WORDS = {"float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false"}
_WORDS |= {"object": "a mapping", "array": "a list"}


def _words(message: str, raw: Any) -> str:
    """Turn msgspec's message into ``path: what is wrong``, with the value that was found."""
    match = _AT.match(message)
    what, path = (match["what"], match["path"].lstrip(".")) if match else (message, "")
    for pattern, words in ((_UNKNOWN, "unknown key"), (_MISSING, "missing")):
        found = pattern.match(what)
        if found:
            return f"{_join(path, found[1])}: {words}"
    return f"{path or 'configuration'}: {_expectation(what)}{_got(what, raw, path)}"


def _expectation(what: str) -> str:
    limit = _LIMIT.match(what)
    if limit:
        return f"expected {_named(limit[1])} {limit[2]}"
    expected = _EXPECTED.match(what)
    if expected:
        return "expected " + " or ".join(_named(word) for word in expected[1].split(" | "))
    return f"unknown value {_TAG.match(what)[1]!r}" if _TAG.match(what) else what  # type: ignore[index]


def _got(what: str, raw: Any, path: str) -> str:
    return (
        ""
        if ("got" in what and "Expected" not in what) or _TAG.match(what)
        else f", got {_shown(_at(raw, path))}"
    )


def _named(word: str) -> str:
    return _WORDS.get(word, word)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _at(raw: Any, path: str) -> Any:
    """Follow a path such as ``sources[0].zone`` into the raw value."""
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            raw = raw[int(part)] if isinstance(raw, list) else raw[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return raw


def _shown(value: Any) -> str:
    """Write a value as JSON does, cut; an unquoted NO or 12:30 shows what YAML made of it."""
    return msgspec.json.encode(value, enc_hook=str).decode(errors="replace")[:60]


def _yaml_words(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "not YAML"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


# --- what types cannot say ---


def _check(config: Config) -> None:
    from carbonslurm.core.policies import POLICIES  # noqa: PLC0415 - pulls in numpy

    if config.policy.name not in POLICIES:
        raise _wrong(f'policy.name: expected one of {", ".join(POLICIES)}, got "{config.policy.name}"')
    known = {source.zone for source in config.sources}
    for path, zone in (
        ("zone", config.zone),
        *((f"zones.{name}", zone) for name, zone in config.zones.items()),
    ):
        if zone not in known:
            raise _wrong(f'{path}: no source gives zone "{zone}"')
    for index, rule in enumerate(config.flexible.defaults):
        _check_default(f"flexible.defaults[{index}].tag", rule.tag)


def _check_default(path: str, text: str) -> None:
    tag = find_tag(text) or f"carbon:{text}"
    try:
        parse_declaration(tag)
    except UsageError as error:
        raise _wrong(f"{path}: {error}") from error
