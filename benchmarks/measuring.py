"""How a workload is timed, with Tercet and with a peer."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import tercet as tc
from cases import largest_error
from workloads import Workload


@dataclass(frozen=True)
class Timed:
    """Median seconds, for the caller and at the parties; the last run's cost; a party's peak memory in MB; the largest
    error of its results in last bits, None where they are not compared."""

    whole_s: float
    online_s: float
    cost: tc.Measurement
    peak: float
    error: float | None = None


@dataclass(frozen=True)
class PeerTimed:
    """Median seconds of the peer, and its largest error."""

    seconds: float
    error: float | None = None


def timed(work: Workload, elements: int, processes: bool) -> Timed:
    with tc.local(processes=processes) as net:
        run = work.make(net, elements)
        run()
        whole, online = [], []
        for _ in range(work.repeats):
            with net.measure() as measured:
                began = time.perf_counter()
                results = run()
                whole.append(time.perf_counter() - began)
            online.append(measured.online_s)
        peak = max(peaks(net), default=0.0)
        error = None
        if work.exact is not None:
            arrays = results if isinstance(results, tuple) else (results,)
            error = largest_error([array.reveal() for array in arrays], work.exact(elements))
    return Timed(statistics.median(whole), statistics.median(online), measured, peak, error)


def peaks(net: tc.Session) -> list[float]:
    """Peak resident memory of each party process, in MB (none if the parties are threads)."""
    found = []
    for pid in net.party_pids():
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                found.append(int(line.split()[1]) / 1024)
    return found


def peer_timed(python: str, name: str, elements: int) -> PeerTimed | None:
    """What the peer needs for the workload; None if there is no figure."""
    script = Path(__file__).with_name("peer_spu.py")
    done = subprocess.run([python, str(script), name, str(elements)], capture_output=True, text=True, check=False)
    try:
        return PeerTimed(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError):
        return None
