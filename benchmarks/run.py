"""Prints how fast Tercet is on this machine: `python benchmarks/run.py [--quick] [--threads-only] [--peer PYTHON]`.

Times are medians of several runs, with parties and client sharing this machine's cores: `whole` is what the caller
waits, from the expression to the shares or the result; `online` is from the plan's arrival to its end at the slowest
party, which is what is told of peers that compile apart, and what the targets are about. `--peer` names a Python that
can import a peer (SecretFlow SPU's simulator), which is then timed in turn with Tercet, so that noise hits both alike.
`of peer` is our online time as a part of the peer's, beside it the same for the target and the peer's time where the
target was set. The peer here is one process without TLS, there it was three: for bulk work that matters little, for
many rounds much. Parties of a local session share this machine, so that small arrays are not cut (decision 015).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import tercet as tc
from workloads import WORKLOADS, Workload

WAN = tc.EmulatedLink(0.04, 100e6)


@dataclass(frozen=True)
class Timed:
    """Median seconds, for the caller and at the parties; the last run's cost; a party's peak memory in MB."""

    whole_s: float
    online_s: float
    cost: tc.Measurement
    peak: float


def timed(work: Workload, elements: int, processes: bool) -> Timed:
    with tc.local(processes=processes) as net:
        run = work.make(net, elements)
        run()
        whole, online = [], []
        for _ in range(work.repeats):
            with net.measure() as measured:
                began = time.perf_counter()
                run()
                whole.append(time.perf_counter() - began)
            online.append(measured.online_s)
        peak = max(peaks(net), default=0.0)
    return Timed(statistics.median(whole), statistics.median(online), measured, peak)


def peaks(net: tc.Session) -> list[float]:
    """Peak resident memory of each party process, in MB (none if the parties are threads)."""
    found = []
    for pid in net.party_pids():
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                found.append(int(line.split()[1]) / 1024)
    return found


def start_to_first_product() -> float:
    began = time.perf_counter()
    with tc.local(processes=True) as net:
        (net.share([3], bounds=(0, 9)) * net.share([4], bounds=(0, 9))).reveal()
        return time.perf_counter() - began


def import_seconds() -> float:
    return statistics.median(
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    )


IMPORT = "import time; t = time.perf_counter(); import tercet; print(time.perf_counter() - t)"


def comparisons_on_a_slow_link() -> tuple[float, int]:
    rng = np.random.default_rng(1)
    with tc.local(processes=True, link=WAN, profile="wan") as net:
        x, y = (net.share(rng.integers(-(2**62) + 1, 2**62, 10_000), bounds=(-(2**62) + 1, 2**62 - 1)) for _ in "xy")
        less = x < y
        less.persist()
        with net.measure() as measured:
            began = time.perf_counter()
            (x < y).persist()
            return time.perf_counter() - began, measured.rounds


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the elements, for a look")
    parser.add_argument("--threads-only", action="store_true", help="parties as threads only")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--peer", default="", help="a Python that can import spu and jax")
    options = parser.parse_args(arguments)
    console = Console(width=170)
    table = Table(
        "work",
        "parties",
        "whole s",
        "online s",
        "target",
        "elements/s",
        "bytes a party",
        "rounds",
        "peak MB",
        "peer s",
        "of peer",
        "target",
    )
    for work in WORKLOADS:
        if options.only not in work.name:
            continue
        elements = work.elements // 10 if options.quick and work.elements > 1000 else work.elements
        peer = peer_seconds(options.peer, work.name, elements) if options.peer else None
        for processes in (False,) if options.threads_only else (True, False):
            with console.status(work.name):
                found = timed(work, elements, processes)
            table.add_row(
                work.name if processes or options.threads_only else "",
                "TLS processes" if processes else "threads",
                f"{found.whole_s:.4f}",
                f"{found.online_s:.4f}",
                f"{work.target_s}" if processes and elements == work.elements else "",
                f"{elements / found.whole_s:,.0f}",
                f"{found.cost.bytes_per_party:,.0f}",
                str(found.cost.rounds),
                f"{found.peak:.0f}" if found.peak else "",
                *(against(peer, found, work, elements == work.elements) if processes or options.threads_only else ()),
            )
    console.print(table)
    if options.only or options.threads_only:
        return 0
    seconds, rounds = comparisons_on_a_slow_link()
    console.print(
        f"10,000 comparisons, 40 ms round trip, 100 Mbit/s: {seconds:.3f} s in {rounds} rounds (target 0.2, 3)"
    )
    console.print(f"import tercet: {import_seconds():.3f} s (target 0.3)")
    console.print(f"three processes from nothing to the first product: {start_to_first_product():.2f} s (target 1.2)")
    return 0


def against(peer: float | None, found: Timed, work: Workload, full: bool) -> tuple[str, ...]:
    """The peer's seconds; ours as a part of them, online; and, for the `full` size, the target of what it took then."""
    if peer is None:
        return ()
    aim = f"{work.target_s / work.peer_s:.2f}" if work.target_s and work.peer_s and full else ""
    return f"{peer:.4f}", f"{found.online_s / peer:.2f}", aim


def peer_seconds(python: str, name: str, elements: int) -> float | None:
    """What the peer needs for the workload; None if there is no figure."""
    script = Path(__file__).with_name("peer_spu.py")
    done = subprocess.run([python, str(script), name, str(elements)], capture_output=True, text=True, check=False)
    try:
        return float(json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError):
        return None


if __name__ == "__main__":
    sys.exit(main())
