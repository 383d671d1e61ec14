"""Moments as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def local_time(when: float) -> str:
    """Unix seconds as a time of this machine's zone, to the minute."""
    return f"{datetime.fromtimestamp(when, UTC).astimezone():%Y-%m-%d %H:%M %Z}".rstrip()
