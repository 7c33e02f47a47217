"""The clock: the one place that asks for the time."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time: the one place that asks for it."""
    return datetime.now(UTC)
