"""What the Lua hook must know, and whom it knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carbonslurm.wiring.rules import compensates, means

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carbonslurm.config import Config
    from carbonslurm.formats.hook import DefaultRule, HookSettings

WINDOW_CYCLES = 2  # the hook gives the daemon this many cycles to see a job before Slurm may start it


def hook_settings(config: Config) -> HookSettings:
    """Return what the Lua hook must know."""
    from carbonslurm.core.tag import find_tag
    from carbonslurm.formats.hook import DefaultRule, HookSettings

    exclude = config.flexible.exclude
    rules = tuple(
        DefaultRule(
            partition=rule.partition,
            qos=rule.qos,
            account=rule.account,
            tag=find_tag(rule.tag) or f"carbon:{rule.tag}",
        )
        for rule in config.flexible.defaults
    )
    return HookSettings(
        window=config.cycle.interval * WINDOW_CYCLES,
        max_wait=config.policy.max_wait,
        margin=config.policy.margin,
        gpu_only=config.flexible.gpu_only,
        defaults=(*rules, *_by_budgets(config)),
        exclude_users=exclude.users,
        exclude_accounts=exclude.accounts,
        exclude_partitions=exclude.partitions,
        exclude_qos=exclude.qos,
        share=config.flexible.share,
        observe_partitions=config.observe,
        hold_partitions=_partitions_by(config, "hold"),
        gate_partitions=_partitions_by(config, "gate"),
        gate_licence=config.withhold.gate.licence,
        compensates=compensates(config),
        daemon_uid=account_uid(config.slurm.account),
    )


def _by_budgets(config: Config) -> Iterator[DefaultRule]:
    """Yield what makes jobs flexible by a budget; the site's own rules, which hold always, go before."""
    from carbonslurm.core.tag import format_duration
    from carbonslurm.formats.hook import DefaultRule

    for it in config.budgets:
        if it.at_end != "warn":
            tag = f"carbon:flex={format_duration(it.flex or config.policy.max_wait)}"
            yield DefaultRule(tag, it.partition, account=it.account, user=it.user, budget=True)


def rule_for(config: Config, user: str, account: str | None, partition: str | None) -> DefaultRule | None:
    """Return the site's rule for a job that says nothing, as far as its words tell; its QOS is not known."""
    named = {"user": user, "account": account, "partition": partition, "qos": None}
    for rule in hook_settings(config).defaults:
        if all(getattr(rule, name) in {None, value} for name, value in named.items()):
            return rule
    return None


def _partitions_by(config: Config, means: str) -> tuple[str, ...]:
    """Return the partitions in which jobs wait by some means, as the hook reads them."""
    named = config.withhold.partitions
    if config.withhold.by != means:
        return tuple(name for name, word in named.items() if word == means)
    return ("*", *(f"-{name}" for name, word in named.items() if word != means))


def check_holder(config: Config) -> None:
    """Refuse holds by an account whose holds the hook would not mark: no rescue could ever end them.

    Raises:
        ConfigError: this process is not ``slurm.account``, or that is root, and jobs are to be held.
    """
    from carbonslurm.core.means import Means
    from carbonslurm.errors import ConfigError

    if Means.HOLD in means(config).in_use() and account_uid(config.slurm.account) != os.geteuid():
        raise ConfigError(
            f"slurm.account: {config.slurm.account}, but the daemon runs as user {os.geteuid()}: with holds"
            " they must be the same, and not root (docs/actuators.md)"
        )


def account_uid(name: str) -> int | None:
    """Return the uid of the daemon's account; None where there is no such account, and for root.

    root stands for the site's admins, who are never confined.
    """
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid or None
    except KeyError:
        return None
