"""How moments are shown to people: in UTC where several people compare them, else in the zone of this machine."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_time(when: float) -> str:
    """Unix seconds as a date and time of day in UTC, to the second."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M:%S} UTC"


def local_time(when: float) -> str:
    """Unix seconds as a date and time of day in this machine's zone, to the minute."""
    return f"{datetime.fromtimestamp(when, UTC).astimezone():%Y-%m-%d %H:%M %Z}".rstrip()
