"""How a workload is timed, with Tercet and with a peer."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    cpu_s: float = 0.0
    """Median seconds of processor time of a party, the mean of the three; 0 if they are threads."""


@dataclass(frozen=True)
class PeerTimed:
    """Median seconds of the peer, and its largest error."""

    seconds: float
    error: float | None = None


def timed(work: Workload, elements: int, processes: bool) -> Timed:
    with tc.local(processes=processes) as net:
        run = work.make(net, elements)
        run()
        whole, online, used = [], [], []
        for _ in range(work.repeats):
            before = processor_seconds(net)
            with net.measure() as measured:
                began = time.perf_counter()
                results = run()
                whole.append(time.perf_counter() - began)
            online.append(measured.online_s)
            used.append((processor_seconds(net) - before) / 3)
        peak = max(peaks(net), default=0.0)
        error = None
        if work.exact is not None:
            arrays = results if isinstance(results, tuple) else (results,)
            error = largest_error([_plain(array) for array in arrays], work.exact(elements))
    cpu_s = statistics.median(used)
    return Timed(statistics.median(whole), statistics.median(online), measured, peak, error, cpu_s)


def _plain(result: Any) -> Any:
    return result.reveal() if hasattr(result, "reveal") else result


def processor_seconds(net: tc.Session) -> float:
    """Of all party processes since they began, in ticks of 10 ms (0 if the parties are threads)."""
    ticks = 0
    for pid in net.party_pids():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


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
