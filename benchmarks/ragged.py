"""Uploads ragged files in fresh processes, from the command line and from Python, and counts how they end.

    python benchmarks/ragged.py [--times 200]

Each must end by itself, with exit status 1 and an error that names the file and what is wrong with it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from node.trio_nodes import trio
from ragged_uploads import counted, runs


def shown(found: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The same, and a line about each fifty."""
    for number, (what, fault) in enumerate(found, 1):
        if fault or not number % 50:
            print(f"{number} done{': ' * bool(fault)}{fault}", flush=True)
        yield what, fault


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tercet-ragged-") as folder:
        place = Path(folder)
        (place / "nodes").mkdir()
        with trio(place / "nodes") as nodes:
            found = runs(nodes.federation, nodes.folder / "owner.pem", place, given.times)
            count, wrong = counted(shown(found))
    for what, times in sorted(count.items()):
        print(f"{what}: {times}")
    print(f"{sum(count.values())} uploads in {time.monotonic() - began:.0f} s, {len(wrong)} ended otherwise")
    for fault in wrong[:10]:
        print(fault)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
