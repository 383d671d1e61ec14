"""Prints how fast three nodes work: `python benchmarks/nodes.py [--rows 10000000] [--columns 10] [--quick]`.

Three node processes with their workers and the client share this machine's cores. Uploads are timed from the call
until the data is visible at all three nodes; jobs from the question to the plain answer. The same questions are asked
of three parties without nodes (`tc.local(processes=True)`) for comparison: they hold the data in memory, all six
components of it, while the nodes have it on disk, and remember for a while what columns add up to.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
from rich.console import Console
from rich.table import Table

import tercet as tc
from tercet.linear_model import LinearRegression
from tercet.node import processes
from tercet.node.trial import NODES, create, launch
from tercet.store.schema import Schema

FEW_ROWS = 1_000_000
"""For what need not be large."""
TRIVIAL_JOBS = 20
REPEATS = 3


@dataclass(frozen=True)
class Row:
    """One line of the table; `target` as the issue has it."""

    work: str
    figure: str
    target: str = ""
    peak: str = ""


def frame(rows: int, columns: int, seed: int = 1) -> pyarrow.Table:
    """Columns x0, x1, ... of decimals in [-100, 100], and y, a noisy linear function of them."""
    rng = np.random.default_rng(seed)
    data = {f"x{k}": rng.uniform(-100, 100, rows) for k in range(columns - 1)}
    y = sum((k + 1) * 0.1 * x for k, x in enumerate(data.values())) + rng.normal(0, 1, rows)
    return pyarrow.table({**data, "y": np.clip(y, -1000, 1000)})


def schema(columns: int) -> Schema:
    """The schema of `frame`."""
    names = {f"x{k}": 100 for k in range(columns - 1)} | {"y": 1000}
    return Schema.parse(
        {"columns": [{"name": name, "kind": "decimal", "lo": -hi, "hi": hi} for name, hi in names.items()]}
    )


def narrow(rows: int, columns: int, values: int, seed: int = 1) -> tuple[pyarrow.Table, Schema]:
    """Columns of whole numbers below `values`, and their schema."""
    rng = np.random.default_rng(seed)
    data = pyarrow.table({f"x{k}": rng.integers(0, values, rows) for k in range(columns)})
    described = [{"name": name, "kind": "integer", "lo": 0, "hi": values - 1} for name in data.column_names]
    return data, Schema.parse({"columns": described})


@contextmanager
def three_nodes() -> Iterator[Path]:
    """Three nodes on loopback in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="tercet-bench-") as name:
        folder = Path(name)
        try:
            with processes.starter() as starter:
                starter.load()  # while keys are made, as `tercet up` does
                create(folder, 7700, {"owner": ["owner"], "analyst": ["analyst", "owner"], "operator": ["operator"]})
                launch(folder, lambda _: None, starter)
            yield folder
        finally:
            processes.stop([folder / node for node in NODES])


def session(folder: Path, person: str) -> Any:
    return tc.connect(folder / "federation.toml", folder / f"{person}.pem", profile="lan")


def trees(folder: Path) -> dict[str, list[int]]:
    """The processes of each node: the supervisor, the server that forks its workers, and these."""
    found = {}
    for node in NODES:
        process = processes.running(folder / node)
        assert process is not None
        found[node] = [process.pid, *started_by(process.pid)]
    return found


def started_by(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found + [further for child in found for further in started_by(child)]


def forget_peaks(folder: Path) -> None:
    for pids in trees(folder).values():
        for pid in pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mb(folder: Path) -> str:
    """The largest sum, over a node's processes, of their peak memory since `forget_peaks`.

    Pages that processes share, as those that are forked do, count for each.
    """

    def of(pid: int) -> float:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0.0

    return f"{max(sum(of(pid) for pid in pids) for pids in trees(folder).values()):,.0f} MB"


def timed(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), result


def means(table: Any, names: list[str]) -> Callable[[], Any]:
    return lambda: tc.reveal(*(table[name].mean() for name in names))


def fit(features: Any, target: Any) -> Any:
    model = LinearRegression().fit(features, target)
    return tc.reveal(model.coef_, model.intercept_)


def processor_s(folder: Path) -> tuple[float, float]:
    """Processor time so far, seconds: of this process and the supervisors; and of the workers, which check uploads."""

    def of(pid: int) -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    found = list(trees(folder).values())
    here = time.process_time() + sum(of(supervisor) for supervisor, *_ in found)
    return here, sum(of(worker) for _, *workers in found for worker in workers)


def uploads(folder: Path, rows: int, columns: int) -> Iterator[Row]:
    data, declared = frame(rows, columns), schema(columns)
    path = folder / "data.csv"
    pyarrow.csv.write_csv(data, path)
    kinds: list[tuple[str, Any, Schema, str]] = [
        ("Arrow", data, declared, "5 M values/s"),
        ("CSV", path, declared, "2 M values/s"),
        *((f"Arrow, of {values} values each", *narrow(rows, columns, values), "") for values in (101, 2)),
    ]
    with session(folder, "owner") as net:
        for number, (kind, source, ranges, target) in enumerate(kinds):
            before = processor_s(folder)
            seconds, report = timed(lambda s=source, n=number, r=ranges: net.upload(s, dataset=f"up-{n}", schema=r))
            sending, checking = (now - then for now, then in zip(processor_s(folder), before, strict=True))
            rate = report.values / seconds / 1e6
            yield Row(
                f"upload, {rows:,} x {columns} from {kind}",
                f"{rate:.1f} M values/s ({seconds:.2f} s, {report.nbytes / 1e6:.0f} MB sent); processor time "
                f"{sending:.1f} s, and {checking:.1f} s for its check ({checking / sending:.2f} times)",
                target,
            )
            net.withdraw(f"up-{number}")
    path.unlink()


def trivial(folder: Path) -> Row:
    with session(folder, "owner") as owner:
        owner.upload(frame(100, 2), dataset="small", schema=schema(2))
    with session(folder, "analyst") as net:
        small = net.table("small")
        small["y"].sum().reveal()
        seconds = [timed(small["y"].sum().reveal)[0] for _ in range(TRIVIAL_JOBS)]
    figure = f"{statistics.median(seconds) * 1000:.0f} ms (slowest of {TRIVIAL_JOBS}: {max(seconds) * 1000:.0f})"
    return Row("trivial job, asked to answered", figure, "300 ms")


def large(folder: Path, rows: int, columns: int) -> Iterator[Row]:
    """The mean of every column and a regression, streamed from disk."""
    names = [f"x{k}" for k in range(columns - 1)]
    dataset = f"rows-{rows}"
    with session(folder, "owner") as owner:
        data = frame(rows, columns)
        seconds, report = timed(lambda: owner.upload(data, dataset=dataset, schema=schema(columns)))
        plain_means = [float(np.mean(data[name].to_numpy())) for name in (*names, "y")]
        yield Row(f"upload, {rows:,} x {columns} from Arrow", f"{report.values / seconds / 1e6:.1f} M values/s")
        truth = np.arange(1, columns) * 0.1
    with session(folder, "analyst") as net:
        table = net.table(dataset)
        for what, work in (
            ("mean of every column", means(table, [*names, "y"])),
            ("linear regression", lambda: fit(table[names], table["y"])),
        ):
            forget_peaks(folder)
            with net.measure() as measured:
                seconds, found = timed(work)
            if what.startswith("mean"):
                worst = max(abs(a - b) for a, b in zip(found, plain_means, strict=True))
            else:
                worst = float(np.abs(found[0] - truth).max())
            yield Row(
                f"{what}, {rows:,} x {columns}",
                f"{seconds:.2f} s, {measured.rounds} rounds, {measured.bytes_per_party / 1e6:.2f} MB a party, "
                f"off by {worst:.1e}",
                "2,000 MB",
                peak_mb(folder),
            )


def overhead(folder: Path, rows: int, columns: int) -> Iterator[Row]:
    """The same questions of nodes and of parties without nodes, in turn."""
    names = [f"x{k}" for k in range(columns - 1)]
    data = frame(rows, columns)
    dataset = f"compared-{rows}"
    with session(folder, "owner") as owner:
        sent, _ = timed(lambda: owner.upload(data, dataset=dataset, schema=schema(columns)))
    with session(folder, "analyst") as net, tc.local(processes=True) as local:
        table = net.table(dataset)
        bounds = {name: 1000 if name == "y" else 100 for name in (*names, "y")}
        began = time.perf_counter()
        shared = {name: local.share(data[name].to_numpy(), bounds=(-hi, hi)) for name, hi in bounds.items()}
        means(shared, [*names, "y"])()
        brought = time.perf_counter() - began
        first, _ = timed(means(table, [*names, "y"]))
        yield Row(
            f"mean of every column, {rows:,} x {columns}, the first time",
            f"{sent:.2f} s to upload, {first:.2f} s (parties without nodes: {brought:.2f} s for both)",
        )
        import tercet.array as xp

        matrix = xp.stack([shared[name] for name in names], axis=1)
        pairs: tuple[tuple[str, Callable[[], Any], Callable[[], Any]], ...] = (
            ("mean of every column", means(table, [*names, "y"]), means(shared, [*names, "y"])),
            (
                "linear regression",
                lambda: fit(table[names], table["y"]),
                lambda: fit(matrix, shared["y"]),
            ),
        )
        for what, nodes, plain in pairs:
            for work in (nodes, plain):
                work()
            taken: list[tuple[float, float]] = [(timed(nodes)[0], timed(plain)[0]) for _ in range(REPEATS)]
            ratio = statistics.median(a / b for a, b in taken)
            there, here = (statistics.median(side) for side in zip(*taken, strict=True))
            yield Row(
                f"{what}, {rows:,} x {columns}, again, against parties without nodes",
                f"{ratio:.2f} times ({there:.2f} s, {here:.2f} s in memory)",
                "1.3 times",
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows")
    options = parser.parse_args()
    rows = options.rows // 100 if options.quick else options.rows
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table("work", "measured", "target", "peak memory of a node", title=f"three nodes on {os.cpu_count()} cores")
    few = min(rows, FEW_ROWS)
    with console.status("starting three nodes") as status:
        began = time.perf_counter()
        with three_nodes() as folder:
            table.add_row("three nodes, from nothing to ready", f"{time.perf_counter() - began:.1f} s", "", "")

            def add(row: Row) -> None:
                status.update(row.work)
                table.add_row(row.work, row.figure, row.target, row.peak)

            add(trivial(folder))
            columns = options.columns
            for step in (
                uploads(folder, few, columns),
                large(folder, rows, columns),
                *(overhead(folder, count, columns) for count in sorted({few, rows})),
            ):
                for row in step:
                    add(row)
    console.print(table)


if __name__ == "__main__":
    main()
