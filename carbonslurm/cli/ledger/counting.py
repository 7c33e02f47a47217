"""How many rows of what: the answer of the commands that move whole tables."""

import json
from collections.abc import Mapping


def told(rows: Mapping[str, int], where: str, *, as_json: bool) -> str:
    """Say how many rows of each table were written to a place."""
    if as_json:
        return json.dumps({"where": where, "rows": dict(rows)})
    named = [f"{count} {name}" for name, count in rows.items() if count]
    return f"{where}: {sum(rows.values())} rows: {', '.join(named) or 'none'}"
