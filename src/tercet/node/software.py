"""Which program this is, as nodes tell it each other and their operators."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_NAME = "tercet"


def software() -> str:
    """Name and version; a source tree that was not installed has no version."""
    try:
        return f"{_NAME} {version(_NAME)}"
    except PackageNotFoundError:
        return f"{_NAME} (not installed)"
