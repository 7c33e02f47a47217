"""From the file to the values: YAML, types, and what types cannot say."""

import os
from pathlib import Path
from typing import Any

import msgspec

from carbonslurm.config.addresses import check_ledger
from carbonslurm.config.sections import Config, Duration
from carbonslurm.config.words import shown, words_for, wrong, yaml_words
from carbonslurm.core.policy_names import NAMES
from carbonslurm.core.tag import find_tag, parse_declaration, parse_duration
from carbonslurm.errors import UsageError

DEFAULT_PATH = Path("/etc/carbonslurm/carbonslurm.yaml")
PATH_VARIABLE = "CARBONSLURM_CONFIG"


def default_path() -> Path:
    """Return where the configuration is looked for: $CARBONSLURM_CONFIG, else /etc/carbonslurm."""
    return Path(os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)


def load(path: Path) -> Config:
    """Read and check the configuration.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong; the message says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise wrong(f"{path}: {words}") from error
    return parse(text, str(path))


def parse(text: str, origin: str = "configuration") -> Config:
    """Read and check the text of a configuration; the errors of load."""
    import yaml  # noqa: PLC0415 - only the commands that read a configuration pay for it

    try:
        raw = yaml.load(text, _loader(yaml))  # noqa: S506 - a SafeLoader that is stricter still
    except yaml.YAMLError as error:
        raise wrong(f"{origin}: {yaml_words(error)}") from error
    try:
        config = msgspec.convert(raw, Config, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise wrong(words_for(str(error), raw)) from error
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
        raise TypeError(f"expected a duration such as 12h or 90s, got {shown(value)}")
    try:
        return Duration(seconds=parse_duration(value).total_seconds())
    except UsageError as error:
        raise ValueError(str(error)) from error


def _check(config: Config) -> None:
    if config.policy.name not in NAMES:
        raise wrong(f'policy.name: expected one of {", ".join(NAMES)}, got "{config.policy.name}"')
    known = {source.zone for source in config.sources}
    for path, zone in (
        ("zone", config.zone),
        *((f"zones.{name}", zone) for name, zone in config.zones.items()),
    ):
        if zone not in known:
            raise wrong(f'{path}: no source gives zone "{zone}"')
    if config.policy.forecast_age < config.cycle.fetch:
        raise wrong("policy.forecast_age: shorter than cycle.fetch, so every forecast would grow too old")
    _check_paths(config)
    _check_machines(config)
    _check_power(config)
    _check_prometheus(config)
    _check_budgets(config)
    for index, rule in enumerate(config.flexible.defaults):
        _check_default(f"flexible.defaults[{index}].tag", rule.tag)


def _check_budgets(config: Config) -> None:
    """Each is of one owner, and each owner has one; waiting no longer than anybody may."""
    seen = set()
    for index, budget in enumerate(config.budgets):
        path = f"budgets[{index}]"
        owners = [it for it in (budget.user, budget.account, budget.partition) if it is not None]
        if len(owners) != 1:
            raise wrong(f"{path}: expected one of user, account and partition, got {len(owners)} of them")
        owner = (budget.user, budget.account, budget.partition)
        if owner in seen:
            raise wrong(f"{path}: {owners[0]} has a budget already")
        seen.add(owner)
        if budget.flex is not None and budget.at_end == "warn":
            raise wrong(f"{path}.flex: nobody waits where a budget's end is only warned of")
        if budget.flex is not None and budget.flex > config.policy.max_wait:
            raise wrong(f"{path}.flex: longer than policy.max_wait")


def _check_paths(config: Config) -> None:
    """A relative path would mean another file for each folder that a command is called in."""
    check_ledger(config)
    paths = {"slurm.conf": config.slurm.conf, "slurm.path": config.slurm.path}
    paths["ledger_password_file"] = config.ledger_password_file
    paths["ledger_reader_password_file"] = config.ledger_reader_password_file
    paths |= {
        f"sources[{number}].path": getattr(it, "path", None) for number, it in enumerate(config.sources)
    }
    for name, path in paths.items():
        if path is not None and not Path(path).is_absolute():
            raise wrong(f'{name}: expected an absolute path, got "{path}"')


def _check_power(config: Config) -> None:
    from carbonslurm.core.devices import PROCESSORS, cpu_watts  # noqa: PLC0415 - only who names one pays

    named = {"power.cpu_type": config.power.cpu_type}
    named |= {f"machines[{index}].cpu_type": it.cpu_type for index, it in enumerate(config.machines)}
    for path, processor in named.items():
        if processor is not None and cpu_watts(processor) is None:
            raise wrong(f'{path}: "{processor}" is none of {", ".join(PROCESSORS)}: give power.cpu_watts')
    steps = config.power.pue
    if not isinstance(steps, float):
        days = [step.since for step in steps]
        if not days or sorted(set(days)) != days:
            raise wrong("power.pue: expected a number, or values in order of their days, at least one")


def _check_prometheus(config: Config) -> None:
    """A login is a user with a password; a token is something else."""
    meters = config.energy.prometheus
    if meters is None:
        return
    if not meters.url.startswith(("http://", "https://")) or "@" in meters.url:
        raise wrong("energy.prometheus.url: expected http:// or https://, without a password")
    if (meters.user is None) != (meters.password_file is None):
        raise wrong("energy.prometheus: user and password_file go together")
    if meters.user is not None and meters.token_file is not None:
        raise wrong("energy.prometheus: expected token_file, or user and password_file, not both")
    names = [query.name for query in meters.queries]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise wrong(f'energy.prometheus.queries: two are called "{twice}"')


def _check_machines(config: Config) -> None:
    """The nodes of a partition are one group's: otherwise its queue could not be told."""
    groups: dict[str, int] = {}
    for index, machines in enumerate(config.machines):
        for name in machines.partitions:
            if name in groups:
                raise wrong(
                    f'machines[{index}].partitions: "{name}" is in machines[{groups[name]}], too: '
                    "name partitions that share nodes together"
                )
            groups[name] = index


def _check_default(path: str, text: str) -> None:
    tag = find_tag(text) or f"carbon:{text}"
    try:
        declared = parse_declaration(tag)
    except UsageError as error:
        raise wrong(f"{path}: {str(error).removeprefix('carbon: ')}") from error
    if declared.checkpoint is not None:
        raise wrong(
            f"{path}: checkpoint is for owners to say: a job that does not trap the signal dies of it"
        )
    if declared.now or declared.finish is not None:
        raise wrong(f"{path}: a default says how long jobs may wait, such as flex=12h")
