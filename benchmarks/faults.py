"""Does faults to three real nodes while people work with them, and prints what came of it.

    python benchmarks/faults.py [--times 200] [--seed S] [--only NAME,...] [--folder PATH]

`--times` is how often nodes are killed; faults of other kinds are done a tenth as often, those that need a hand to put
them right a hundredth. After each, everything is checked: the three nodes agree or say who does not, nothing that was
acknowledged is lost, nothing is half visible, nothing is left over, the audit chains hold, and the next job gives the
exact sum. The first thing that does not hold ends the run with status 1, and leaves the folder for a look.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

# in place of this folder, in which this file itself would be found as `faults`
sys.path.remove(str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults.campaign import FAULTS, NotHere, run
from faults.checks import Broken
from faults.harness import Account, Line
from faults.ordeals import ORDEALS


def shares(name: str, times: int) -> int:
    """How often a fault is done."""
    if name == "kill":
        return times
    return max(1, times // (100 if name in ORDEALS else 10))


def table(account: Account) -> Table:
    found = Table(
        "fault", "meanwhile", "times", "acknowledged", "refused by name", "lost answers", "ended", "recovered"
    )
    for line in account.lines.values():
        refused = ", ".join(f"{count} {kind}" for kind, count in sorted(line.refused.items()))
        visible = f"{line.visible} done" if line.visible else ""
        found.add_row(
            line.fault,
            line.action,
            str(line.times),
            str(line.acknowledged),
            refused,
            visible,
            f"{line.ended_s:.1f} s",
            f"{line.recovered_s:.1f} s",
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--only", default="", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    names = given.only.split(",") if given.only else list(FAULTS)
    unknown = sorted(set(names) - set(FAULTS))
    if unknown or given.times < 1:
        parser.error(f"no fault is called {', '.join(unknown)}" if unknown else "--times is at least 1")
    console = Console(width=None if sys.stdout.isatty() else 150)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="tercet-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"seed {given.seed}, in {folder}")
    account, began = Account(), time.monotonic()

    def told(line: Line) -> None:
        console.print(f"{time.monotonic() - began:7.1f} s  {line.fault}, {line.action}: {line.times}", highlight=False)

    broken: Broken | None = None
    for name in names:
        try:
            run(folder, name, shares(name, given.times), given.seed, account, told)
        except NotHere as error:
            console.print(f"{name} is left out: {error}")
        except Broken as error:
            broken = error
            break
    console.print(table(account))
    if broken is not None:
        console.print(f"[bold]does not hold[/bold]: {broken}", highlight=False)
        return 1
    total = sum(line.times for line in account.lines.values())
    console.print(f"{total} faults in {time.monotonic() - began:.0f} s; after each everything held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
