"""The `tercet` command."""

from __future__ import annotations


def main() -> None:
    """Entry point; the command line's own imports wait until it is called."""
    from tercet.cli.app import app
    from tercet.process import forbid_core_dumps

    forbid_core_dumps()
    app()


__all__ = ["main"]
