"""How moments are shown to people."""

from __future__ import annotations

from datetime import UTC, datetime


def shown(seconds: float) -> str:
    """Unix seconds as a date and time of day in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
