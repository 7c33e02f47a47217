"""What the commands of the group have in common: options, the zones that are meant, and who is asked.

With a configuration the ledger is read, as any user may. Without one the providers that need no key are asked
directly, which is said.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carbonslurm.cli import program
from carbonslurm.cli.program import config_option, load_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from carbonslurm.app.direct import Direct
    from carbonslurm.app.outlook import Outlook
    from carbonslurm.cli.program import Command
    from carbonslurm.config import Config
    from carbonslurm.core.choice import ForecastRules
    from carbonslurm.core.interval import Interval
    from carbonslurm.ports import KnownCarbon


NAME_A_ZONE = "name a zone, e.g. carbonslurm forecast show GB"
LONG = timedelta(days=30)  # of history, which takes a while to ask for


@dataclass(frozen=True, slots=True)
class Asked:
    """Who answers, and about which zones.

    Attributes:
        config: None where there is none, and providers were asked directly.
        zones: those that are meant.
        rules: how old a forecast may be to decide by, and whose comes first.
        failures: of each zone of which nothing could be had, why, in one line each.
    """

    config: Config | None
    known: KnownCarbon
    zones: tuple[str, ...]
    now: datetime
    rules: ForecastRules
    failures: dict[str, list[str]] = field(default_factory=dict)

    def cause(self, zone: str) -> str | None:
        """Return why nothing could be had of a zone, in one line; None where it was not asked for in vain."""
        return "; ".join(self.failures.get(zone, [])) or None

    def look(self, zone: str, window: Interval, source: str | None = None) -> Outlook:
        """Return what is known and expected of a zone."""
        from carbonslurm.app.outlook import outlook

        found = outlook(self.known, zone, self.now, window, self.rules, source)
        if found.nature is None and zone in self.failures:
            return replace(found, trouble=self.cause(zone))
        return found


def say(words: str) -> None:
    """Tell the user something on stderr."""
    program.say(words, "carbonslurm")


def window_options(start: str, end: str) -> Callable[[Command], Command]:
    """Give a command -S and -E, as Slurm's commands have them; the words say the defaults."""

    def add(command: Command) -> Command:
        command = click.option("-E", "--endtime", metavar="TIME", help=f"Until then.  [default: {end}]")(
            command
        )
        return click.option("-S", "--starttime", metavar="TIME", help=f"From then on.  [default: {start}]")(
            command
        )

    return add


def table_options(command: Command) -> Command:
    """Give a command -P, -n and --json."""
    command = click.option(
        "--json", "as_json", is_flag=True, callback=_one_form, help="An object; times are ISO, UTC."
    )(command)
    command = click.option("-n", "--noheader", is_flag=True, help="No line of headings.")(command)
    return click.option(
        "-P", "--parsable2", is_flag=True, callback=_one_form, help="Columns divided by |, for programs."
    )(command)


def _one_form(context: click.Context, option: click.Parameter, value: bool) -> bool:
    """Refuse -P and --json at once: whichever is read second sees the first."""
    from carbonslurm.errors import UsageError

    other = "as_json" if option.name == "parsable2" else "parsable2"
    if value and context.params.get(other):
        raise UsageError("--json and -P are two forms: say one")
    return value


source_option = click.option(
    "--source",
    metavar="NAME",
    help="The forecast of this source.  [default: the one that jobs are planned by]",
)


@contextmanager
def asked(
    config_path: Path | None, zones: Sequence[str], *, every: bool = False, history: timedelta | None = None
) -> Iterator[Asked]:
    """Open what is known, and close it behind the command.

    Args:
        config_path: None for the default place.
        zones: as the user named them; none for the site's default, or all with ``every``.
        every: what no zone means.
        history: how far back measured values are wanted where providers are asked directly.

    Raises:
        UsageError: there is no such zone.
        ConfigError: there is no configuration, and no zone that could be asked about without.
        LedgerError: the ledger cannot be read.
    """
    from carbonslurm import wiring
    from carbonslurm.core.interval import Interval

    now = wiring.now()
    if zones and not has_config(config_path):
        providers = wiring.direct(dict.fromkeys(zones))
        in_vain: dict[str, list[str]] = {}
        if history is not None and history > LONG:
            say("no configuration here: providers are asked, for so much history in many pieces")
        for zone in providers.zones:
            failures = providers.ask(zone)
            failures += providers.ask_history(zone, Interval(now - history, now)) if history else []
            if failures and not providers.shelf.sources(zone):
                in_vain[zone] = [line.removeprefix(f"{zone}: ") for line in dict.fromkeys(failures)]
                continue
            for line in dict.fromkeys(failures):
                say(line)
        yield Asked(None, providers.shelf, providers.zones, now, providers.rules, in_vain)
        return
    config = site_config(config_path, NAME_A_ZONE)
    meant = meant_zones(config, zones, every=every)
    with wiring.reading(config) as book:
        yield Asked(config, book, meant, now, wiring.forecast_rules(config))


def direct(config_path: Path | None, zone: str | None) -> Direct:
    """Return the providers of one zone, to be asked directly; without ZONE, of the site's default.

    Raises:
        UsageError: there is no such zone.
        ConfigError: there is no configuration, and no zone that could be asked about without.
    """
    from carbonslurm import wiring

    if zone and not has_config(config_path):
        return wiring.direct([zone])
    config = site_config(config_path, NAME_A_ZONE)
    return wiring.direct(meant_zones(config, [zone] if zone else [], every=False), config)


def meant_zones(config: Config, zones: Sequence[str], *, every: bool) -> tuple[str, ...]:
    """Return the zones that are meant, each once.

    Raises:
        UsageError: one of them is not configured.
    """
    from carbonslurm.errors import UsageError

    configured = tuple(dict.fromkeys(source.zone for source in config.sources))
    for zone in zones:
        if zone not in configured:
            raise UsageError(f'no zone "{zone[:40]}" here: configured are {", ".join(configured)}')
    return tuple(dict.fromkeys(zones)) or (configured if every else (config.zone,))


def site_config(path: Path | None, otherwise: str) -> Config:
    """Read the configuration.

    Args:
        path: None for the default place.
        otherwise: what is said where there is none, behind where it was looked for.

    Raises:
        ConfigError: there is none, or it is wrong.
    """
    from carbonslurm import config
    from carbonslurm.errors import ConfigError

    if not has_config(path):
        places = f"{config.default_path()}, ${config.PATH_VARIABLE}"
        raise ConfigError(f"there is no configuration here ({places}): {otherwise}")
    found: Config = load_config(path)
    return found


def ledger_config(path: Path | None, command: str) -> Config:
    """Read the configuration for a command that is nothing without a ledger.

    Raises:
        ConfigError: there is none, or it is wrong.
    """
    return site_config(path, f"{command} needs one, for the cluster's ledger that it names")


def has_config(path: Path | None) -> bool:
    """Whether there is a configuration, or one was named."""
    import os

    from carbonslurm import config

    return path is not None or bool(os.environ.get(config.PATH_VARIABLE)) or config.default_path().exists()


def read_window(start: str | None, end: str | None, now: datetime, default: Interval) -> Interval:
    """Return the window that -S and -E name.

    Raises:
        UsageError: a time cannot be read, or the end does not lie behind the start.
    """
    from carbonslurm.core.interval import Interval
    from carbonslurm.errors import UsageError
    from carbonslurm.formats.times import read_moment

    since = read_moment(start, now) if start else default.start
    until = read_moment(end, now) if end else default.end
    if until <= since:
        raise UsageError(f"--endtime {end or 'now'} does not lie behind --starttime {start or ''}".rstrip())
    return Interval(since, until)


def laid_out(
    header: list[str], rows: list[list[str]], right: frozenset[int], *, parsable: bool, noheader: bool
) -> str:
    """Lay out a table as squeue does, or with | between the columns."""
    from carbonslurm.formats.terminal import columns, divided

    head = [] if noheader else header
    return divided(head, rows) if parsable else columns(head, rows, right)


__all__ = [
    "Asked",
    "asked",
    "config_option",
    "direct",
    "has_config",
    "laid_out",
    "ledger_config",
    "meant_zones",
    "read_window",
    "say",
    "site_config",
    "source_option",
    "table_options",
    "window_options",
]
