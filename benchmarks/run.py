"""Prints how fast Tercet is on this machine: `run.py [GROUP] [--quick] [--threads-only] [--peer PYTHON]`.

GROUP is one of `GROUPS`: what the engine is made of (the default), functions, ordering, models, statistics,
biometrics, or networks. Times are medians of several runs, with parties and client sharing this machine's cores:
`whole` is what the caller waits, from the expression to the shares or the result; `online` is from the plan's arrival
to its end at the slowest party, which is what is told of peers that compile apart, and what the targets are about.
`--peer` names a
Python that can import a peer (SecretFlow SPU's simulator), which is then timed in turn with Tercet, so that noise hits
both alike. `of peer` is our online time as a part of the peer's, beside it the same for the target and the peer's time
where the target was set. The peer here is one process without TLS, there it was three: for bulk work that matters
little, for many rounds much. Our processes talk TLS over sockets of the machine, as local sessions do; nodes talk TLS
over TCP, which costs a message 8 us more. Parties of a local session share this machine, so that small arrays are not
cut (decision 015).

Functions and ordering stand beside 1 M comparisons of the same run, which tells machines apart: `of 1 M <` is
our online time as a part of theirs, beside it what the targets make of it. Their largest error is in last bits.
Networks are run on secret weights and images; their largest error is that of the results beside float64.
Biometrics are told as pairs of template and probe a second and core of one party's processor time, as peers do.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

import tercet as tc
from biometrics import BIOMETRICS, Matching
from cases import FRAC_BITS
from functions import FUNCTIONS
from measuring import PeerTimed, Timed, peer_timed, timed
from models import MODELS
from networks import NETWORKS
from ordering import ORDERING
from statistical import STATISTICS
from workloads import WORKLOADS, Workload

WAN = tc.EmulatedLink(0.04, 100e6)
GROUPS = {
    "engine": WORKLOADS,
    "functions": FUNCTIONS,
    "ordering": ORDERING,
    "models": MODELS,
    "statistics": STATISTICS,
    "biometrics": BIOMETRICS,
    "networks": NETWORKS,
}
WHOLE = ("models", "statistics", "networks")
"""Groups whose targets are about what the caller waits."""
LAST_BITS = 1 << FRAC_BITS
YARDSTICK = next(work for work in WORKLOADS if work.name.startswith("comparisons"))


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", nargs="?", default="engine", choices=tuple(GROUPS), help="what is timed")
    parser.add_argument("--quick", action="store_true", help="a tenth of the elements, for a look")
    parser.add_argument("--threads-only", action="store_true", help="parties as threads only")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--peer", default="", help="a Python that can import spu and jax")
    options = parser.parse_args(arguments)
    console = Console(width=170)
    if options.group in WHOLE:
        whole(console, options)
        return 0
    if options.group == "biometrics":
        matching(console, options)
        return 0
    if options.group != "engine":
        beside_comparisons(console, options)
        return 0
    engine(console, options)
    if options.only or options.threads_only:
        return 0
    seconds, rounds = comparisons_on_a_slow_link()
    console.print(
        f"10,000 comparisons, 40 ms round trip, 100 Mbit/s: {seconds:.3f} s in {rounds} rounds (target 0.2, 3)"
    )
    console.print(f"import tercet: {import_seconds():.3f} s (target 0.3)")
    console.print(f"three processes from nothing to the first product: {start_to_first_product():.2f} s (target 1.2)")
    return 0


def each(
    console: Console, options: argparse.Namespace, show: Callable[[Workload, int, PeerTimed | None], None]
) -> None:
    """Calls `show` for every chosen workload, with its number of elements and what the peer needs."""
    for work in GROUPS[options.group]:
        if options.only not in work.name:
            continue
        elements = work.elements // 10 if options.quick and work.elements > 1000 else work.elements
        with console.status(work.name):
            show(work, elements, peer_timed(options.peer, work.name, elements) if options.peer else None)


def engine(console: Console, options: argparse.Namespace) -> None:
    """Times and memory of each workload, with processes and with threads."""
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

    def show(work: Workload, elements: int, peer: PeerTimed | None) -> None:
        for processes in (False,) if options.threads_only else (True, False):
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

    each(console, options, show)
    console.print(table)


def whole(console: Console, options: argparse.Namespace) -> None:
    """Each workload by itself: what the caller waits, cost, memory, the largest error (relative above 1) where it is
    known, and the peer's time as published or measured."""
    processes = not options.threads_only
    table = Table(
        "work",
        "rows",
        "whole s",
        "target",
        "online s",
        "bytes a party",
        "rounds",
        "peak MB",
        "largest error",
        "peer s",
        "of peer",
    )

    def show(work: Workload, elements: int, peer: PeerTimed | None) -> None:
        found = timed(work, elements, processes)
        full = elements == work.elements
        peer_s = peer.seconds if peer is not None else work.peer_s if full else None
        table.add_row(
            work.name,
            f"{elements:,}",
            f"{found.whole_s:.3f}",
            f"{work.target_s}" if full and work.target_s is not None else "",
            f"{found.online_s:.3f}",
            f"{found.cost.bytes_per_party:,.0f}",
            str(found.cost.rounds),
            f"{found.peak:.0f}" if found.peak else "",
            "" if found.error is None else f"{found.error / LAST_BITS:.1e}",
            "" if peer_s is None else f"{peer_s:g} {'' if peer is not None else work.peer}".strip(),
            "" if peer_s is None else f"{found.whole_s / peer_s:.2f}",
        )

    each(console, options, show)
    console.print(table)


def matching(console: Console, options: argparse.Namespace) -> None:
    """Pairs of templates and probes (rotations counted) a second and core of a party, beside what a peer published."""
    table = Table(
        "work",
        "enrolled",
        "whole s",
        "core s a party",
        "pairs/s a core",
        "published",
        "of published",
        "bytes a party",
        "rounds",
        "peak MB",
    )

    def show(work: Workload, elements: int, peer: PeerTimed | None) -> None:
        assert isinstance(work, Matching)
        found = timed(work, elements, not options.threads_only)
        rate = elements * work.pairs / found.cpu_s if found.cpu_s else 0
        table.add_row(
            work.name,
            f"{elements:,}",
            f"{found.whole_s:.3f}",
            f"{found.cpu_s:.3f}" if rate else "",
            f"{rate:,.0f}" if rate else "",
            "" if work.published is None else f"{work.published:,}",
            f"{rate / work.published:.2f}" if rate and work.published is not None else "",
            f"{found.cost.bytes_per_party:,.0f}",
            str(found.cost.rounds),
            f"{found.peak:.0f}" if found.peak else "",
        )

    each(console, options, show)
    console.print(table)


def beside_comparisons(console: Console, options: argparse.Namespace) -> None:
    """Each workload beside 1 M comparisons: times, cost and error, and the peer's."""
    processes = not options.threads_only
    with console.status(YARDSTICK.name):
        unit = timed(YARDSTICK, YARDSTICK.elements, processes).online_s
    console.print(f"1 M comparisons: {unit:.4f} s online (target {YARDSTICK.target_s})")
    table = Table(
        "work",
        "elements",
        "whole s",
        "online s",
        "target",
        "of 1 M <",
        "target",
        "bytes a party",
        "rounds",
        "largest error",
        "peer s",
        "of peer",
        "target",
        "peer's error",
    )

    def show(work: Workload, elements: int, peer: PeerTimed | None) -> None:
        found = timed(work, elements, processes)
        full = elements == work.elements and work.target_s is not None
        assert YARDSTICK.target_s is not None
        table.add_row(
            work.name,
            f"{elements:,}",
            f"{found.whole_s:.4f}",
            f"{found.online_s:.4f}",
            f"{work.target_s}" if full else "",
            f"{found.online_s / unit:.2f}",
            f"{work.target_s / YARDSTICK.target_s:.2f}" if full and work.target_s is not None else "",
            f"{found.cost.bytes_per_party:,.0f}",
            str(found.cost.rounds),
            "" if found.error is None else f"{found.error:.2f}",
            *(against(peer, found, work, full) if peer is not None else ()),
            *(() if peer is None or peer.error is None else (f"{peer.error:,.1f}",)),
        )

    each(console, options, show)
    console.print(table)


def against(peer: PeerTimed | None, found: Timed, work: Workload, full: bool) -> tuple[str, ...]:
    """The peer's seconds; ours as a part of them, online; and, for the `full` size, the target of what it took then."""
    if peer is None:
        return ()
    aim = f"{work.target_s / work.peer_s:.2f}" if work.target_s and work.peer_s and full else ""
    return f"{peer.seconds:.4f}", f"{found.online_s / peer.seconds:.2f}", aim


if __name__ == "__main__":
    sys.exit(main())
