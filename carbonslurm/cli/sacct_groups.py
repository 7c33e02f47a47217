"""By what carbon-sacct sums up: the words of ``--by``."""

from __future__ import annotations

import click

GROUP_NAMES: tuple[str, ...] = ("user", "account", "partition", "qos", "name", "cluster", "state", "month")
GROUP_NAMES += ("zone", "nature", "method", "quality", "source")
ALIASES = {"jobname": "name"}


class GroupNames(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """By what to sum up: several names with commas between them."""

    name = "groups"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Read the names, each once."""
        words = [ALIASES.get(word, word) for word in str(value).lower().split(",")]
        names = tuple(dict.fromkeys(words))
        for name in names:
            if name not in GROUP_NAMES:
                self.fail(f'"{name[:40]}" is none of {", ".join(GROUP_NAMES)}', param, ctx)
        return names
