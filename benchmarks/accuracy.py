"""Measures the error of every function over its whole range and writes `docs/accuracy.md` with its plots.

`python benchmarks/accuracy.py [--only NAME] [--write] [--spu PYTHON] [--crypten PYTHON]`: each function runs in a local
session with shares of stored integers at 16, 20, 24 and 40 fractional bits, is kept (so that it is what further
computations see), and compared with mpmath. Without `--write` it prints the table. With `--only` it writes the rows
and plots of these functions anew and leaves the others as they are. `--models` does NIST's sets and models in place
of functions (`certified.py`). `--spu` and `--crypten` name Pythons that can
import these; their errors on the same arguments stand beside ours.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import certified
import tercet as tc
from truths import SCALES, Real, functions, points

DENSE = 400
PEER_BITS = 16
"""The scale on which errors of all are compared."""
COMMON = (1 / 64, 8.0)
"""Sizes of arguments that every peer is made for."""
DOCS = Path(__file__).resolve().parent.parent / "docs"


@dataclass
class Measured:
    """Errors in last bits, relative to results above 1 (and to what the function allows), by argument."""

    real: Real
    frac_bits: int
    arguments: np.ndarray[Any, Any]
    errors: np.ndarray[Any, Any]

    @property
    def largest(self) -> float:
        return float(np.max(np.abs(self.errors)))

    @property
    def mean(self) -> float:
        return float(np.mean(self.errors))


def measured(net: tc.Session, real: Real, frac_bits: int) -> Measured:
    stored = points(real, frac_bits, DENSE)
    values = [value / 2**frac_bits for value in stored]
    x = net.share(np.array(values), bounds=real.range(frac_bits), frac_bits=frac_bits)
    found = real.ours(x).persist().reveal()
    return Measured(real, frac_bits, np.array(values), errors(real, frac_bits, values, found))


def errors(real: Real, frac_bits: int, values: list[float], found: Any) -> np.ndarray[Any, Any]:
    wrong = []
    with mpmath.workdps(60):
        for value, result in zip(values, np.asarray(found, dtype=np.float64), strict=True):
            true = real.true(mpmath.mpf(value))
            size = max(1, abs(true)) * real.allowed(true)
            error = mpmath.ldexp(mpmath.mpf(float(result)) - true, frac_bits) / size
            wrong.append(float(error) if mpmath.isfinite(error) else np.inf)
    return np.array(wrong)


def by_peer(kind: str, python: str, arguments: dict[str, list[float]]) -> dict[str, list[float]]:
    script = Path(__file__).with_name("peer_accuracy.py")
    done = subprocess.run(
        [python, str(script), kind], input=json.dumps(arguments), stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def compared(found: list[Measured], peers: dict[str, str]) -> dict[str, dict[str, tuple[float, float]]]:
    """The largest errors of each peer, and of NumPy in float32, on our arguments at 16 bits: over all, and over those
    of common sizes. In units of 2^-16."""
    ours = {m.real.name: m for m in found if m.frac_bits == PEER_BITS}
    arguments = {name: m.arguments.tolist() for name, m in ours.items()}
    table: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in ours}
    for name, m in ours.items():
        table[name]["tercet"] = largest_errors(m, m.errors)
        if m.real.float32 is not None:
            with np.errstate(all="ignore"):
                plain = m.real.float32(m.arguments.astype(np.float32))
            table[name]["float32"] = largest_errors(m, errors(m.real, PEER_BITS, arguments[name], plain))
    for kind, python in peers.items():
        for name, results in by_peer(kind, python, arguments).items():
            table[name][kind] = largest_errors(ours[name], errors(ours[name].real, PEER_BITS, arguments[name], results))
    return table


def largest_errors(m: Measured, wrong: np.ndarray[Any, Any]) -> tuple[float, float]:
    size = np.abs(m.arguments)
    common = np.abs(wrong[(size >= COMMON[0]) & (size <= COMMON[1])])
    return float(np.max(np.abs(wrong))), float(np.max(common, initial=0))


def shown(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else ", ".join(map(number_text, pair))


def number_text(number: float) -> str:
    if not np.isfinite(number):
        return "not finite"
    return f"{number:.2f}" if number < 1000 else f"{number:.1e}"


def range_text(real: Real) -> str:
    def one(low: float, high: float) -> str:
        return f"{end_text(low)} to {end_text(high)}"

    more = "".join(f"; {bits} bits: {one(*ends)}" for bits, ends in (real.narrow or {}).items())
    return one(real.low, real.high) + more


def end_text(end: float) -> str:
    exponent = np.log2(abs(end)) if end else 0.5
    return f"{'-' if end < 0 else ''}2^{int(exponent)}" if exponent == int(exponent) and exponent > 10 else f"{end:g}"


def rows(found: list[Measured]) -> Iterator[tuple[Real, list[Measured]]]:
    for real in dict.fromkeys(m.real.name for m in found):
        of = [m for m in found if m.real.name == real]
        yield of[0].real, of


def printed(found: list[Measured]) -> Table:
    table = Table("function", "range", *(f"{bits} bits" for bits in SCALES), "mean")
    for real, of in rows(found):
        mean = max((m.mean for m in of), key=abs)
        table.add_row(real.name, range_text(real), *(f"{m.largest:.2f}" for m in of), f"{mean:+.3f}")
    return table


def plotted(of: list[Measured], path: Path) -> None:
    """The largest error of each stretch of arguments, a line for each scale."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "accuracy", "font.size": 8, "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 1.9), layout="constrained")
    for m in of:
        low, high = float(m.arguments[0]), float(m.arguments[-1])
        linear = max(1e-3, max(abs(low), abs(high)) / 1e4)
        wide = max(abs(low), abs(high)) > 50
        place = np.arcsinh(m.arguments / linear) if wide else m.arguments
        stretch = np.clip(((place - place[0]) / (place[-1] - place[0]) * 80).astype(int), 0, 79)
        at, most = [], []
        for k in np.unique(stretch):
            inside = stretch == k
            at.append(float(np.median(m.arguments[inside])))
            most.append(float(np.max(np.abs(m.errors[inside]))))
        axes.plot(at, most, linewidth=1, label=f"{m.frac_bits} bits")
        if wide:
            axes.set_xscale("symlog", linthresh=linear)
    axes.axhline(2, color="tab:red", linestyle=":", linewidth=1)
    axes.set(ylim=(0, 2.7), ylabel="last bits", title=of[0].real.name)
    axes.legend(ncols=4, fontsize=6, loc="upper center", frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def file_of(real: Real) -> str:
    kept = "".join(c if c.isalnum() else "_" for c in real.name).strip("_")
    return f"{kept}.svg"


def kept_rows(part: str) -> dict[str, str]:
    """The rows of a table of the page, by the function."""
    return {line.split("`")[1]: line for line in part.splitlines() if line.startswith("| `")}


def page(found: list[Measured], beside: dict[str, dict[str, tuple[float, float]]], before: str = "") -> str:
    """The page, with the rows of what was not measured as they were before."""
    errors_before, _, beside_before = before.partition("## Beside others")
    table, others = kept_rows(errors_before), kept_rows(beside_before)
    for real, of in rows(found):
        mean = max((m.mean for m in of), key=abs)
        cells = [f"`{real.name}`", range_text(real), *(f"{m.largest:.2f}" for m in of), f"{mean:+.3f}"]
        table[real.name] = "| " + " | ".join(cells) + " |"
    for name, of_peers in beside.items():
        if len(of_peers) > 1 or name in others:
            # of a peer that was not asked what it was before
            old = others.get(name, "|" * 6).split("|")[2:-1]
            new = [shown(of_peers.get(k)) for k in ("tercet", "float32", "spu", "crypten")]
            cells = [f"`{name}`", *(one or kept.strip() for one, kept in zip(new, old, strict=True))]
            others[name] = "| " + " | ".join(cells) + " |"
    known = [real for real in functions() if real.name in table]
    text = [
        "# Accuracy of functions",
        "",
        "Measured by `benchmarks/accuracy.py`, which writes this page. Every function ran in a session of three",
        "parties with shares of stored numbers: both ends of its range, 0, a few last bits, powers of two and their",
        f"neighbours, {DENSE} evenly spread numbers and as many spread over all sizes. Its result was kept, which",
        "rounds it by a coin as within a plan, and compared with mpmath. Revealed at once it is the nearest number.",
        "",
        "An error is in last bits of the array's scale (1 is 2^-16 at 16 fractional bits), relative to results above",
        "1. Two are the most that is promised; for `tan`, two times (1 + tan^2).",
        "",
        "| function | range | 16 bits | 20 | 24 | 40 | largest mean |",
        "|---|---|---|---|---|---|---|",
    ]
    text += [table[real.name] for real in known]
    text += [
        "",
        "## Beside others",
        "",
        "Two largest errors in units of 2^-16, relative to results above 1: over the whole range above, and over",
        "arguments of sizes from 1/64 to 8. Ours at 16 bits; NumPy with 32-bit floats; SecretFlow SPU 0.9.5 (ABY3,",
        "64-bit ring, 18 fractional bits); CrypTen 0.4.1 (16 fractional bits). The last two are as they come.",
        "",
        "| function | Tercet | float32 | SPU | CrypTen |",
        "|---|---|---|---|---|",
    ]
    text += [others[real.name] for real in known if real.name in others]
    text += [
        "",
        "## Over the range",
        "",
        "The largest error of each of 80 stretches of the range; dotted: two last bits.",
    ]
    text += ["", *(f"![error of {real.name}](accuracy/{file_of(real)})" for real in known)]
    return "\n".join(text) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="functions whose name contains this")
    parser.add_argument("--write", action="store_true", help="write docs/accuracy.md and its plots")
    parser.add_argument("--spu", help="a Python that can import spu and jax")
    parser.add_argument("--crypten", help="a Python that can import crypten")
    parser.add_argument("--models", action="store_true", help="NIST's sets and models in place of functions")
    given = parser.parse_args()
    console = Console()
    path = DOCS / "accuracy.md"
    if given.models:
        with tc.local() as net:
            text = certified.section(net)
        if given.write:
            path.write_text(path.read_text().partition(certified.HEADING)[0].rstrip() + "\n\n" + text)
        console.print(text, markup=False)
        return
    chosen = [real for real in functions() if given.only in real.name]
    with tc.local() as net:
        work = [(real, bits) for real in chosen for bits in SCALES]
        found = [measured(net, *pair) for pair in track(work, "functions", console=console)]
    peers = {kind: python for kind in ("spu", "crypten") if (python := getattr(given, kind))}
    beside = compared(found, peers)
    console.print(printed(found))
    if not given.write:
        console.print(beside)
        return
    (DOCS / "accuracy").mkdir(exist_ok=True)
    for real, of in rows(found):
        plotted(of, DOCS / "accuracy" / file_of(real))
    kept, heading, models = path.read_text().partition(certified.HEADING)
    text = page(found, beside, kept if given.only else "")
    path.write_text(text + (f"\n{heading}{models}" if heading else ""))


if __name__ == "__main__":
    main()
