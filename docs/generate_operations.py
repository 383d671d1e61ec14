"""Writes docs/operations.md from the operations table; with --check only says whether the page is up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from tercet.plan.operation import WIDE, Attrs, Call, Operation
from tercet.plan.table import CONSTANT, INPUT, OPERATIONS
from tercet.plan.types import Kind, Type, bool_type, limit

PAGE = Path(__file__).parent / "operations.md"
COUNT = 30_000
FRAC_BITS = 16
RINGS = (64, 128)
BY_THEIR_BODY = ("repeat",)
"""Operations whose cost is that of a plan inside them."""

INTRODUCTION = f"""\
# Operations

<!-- made by docs/generate_operations.py from tercet.plan.table; do not edit -->

A plan consists of these operations and of nothing else. Every entry of the table in `tercet.plan.table` has a type
rule (kinds, shape, scale and proven range), an exact cost rule, the code that runs at each party, and its meaning in
plain NumPy, which is what tests compare it with. `explain()` adds the costs up before a run; tests assert that they
equal what the transport counts.

Users do not call these by name: the functions and operators of `SecretArray` record them.

*Bits* are what one party sends for each element of the result (mean of the three), *rounds* the longest chain of
messages that wait for each other. Both are shown for {COUNT:,} elements in the ring 2^64 and in the ring 2^128; what is
compared fills the ring as far as its headroom permits, and costs less where bounds are narrower. Where an operation has
two variants the first needs fewer bytes, the second fewer rounds; the plan takes the one that the network profile makes
quicker.
"""


def fixed(ring: int, *shape: int, nominal: int = FRAC_BITS, frac_bits: int = FRAC_BITS) -> Type:
    top = limit(ring) - 1
    return Type(Kind.FIXED, shape, ring, frac_bits, nominal, -top, top)


def small(ring: int, *shape: int) -> Type:
    """Values whose products, summed over a hundred, stay within the headroom."""
    return Type(Kind.FIXED, shape, ring, FRAC_BITS, FRAC_BITS, -(1 << 24), 1 << 24)


def examples(ring: int) -> dict[str, list[tuple[str, list[Type], Attrs]]]:
    """For each operation that sends something: how the example is called, its inputs and attributes."""
    few, many = small(ring, COUNT), fixed(ring, COUNT)
    bits, double = bool_type((COUNT,)), fixed(ring, COUNT, frac_bits=2 * FRAC_BITS)
    matrix = small(ring, 100, 100)
    large = Type(Kind.INT, (100, 100), ring, 0, 0, -(1 << 28), 1 << 28)
    variants = {"fewer bytes": 0, "fewer rounds": 1}
    shift = f"shift {FRAC_BITS}"
    return {
        "multiply": [("", [few, few], (0,)), (shift, [few, few], (FRAC_BITS,))],
        "multiply_within": [("", [few, few], (-(1 << 30), 1 << 30, 0))],
        "contract": [("", [small(ring, 100, 300)] * 2, (0, 0)), (shift, [small(ring, 100, 300)] * 2, (FRAC_BITS, 0))],
        "matmul": [
            ("100 x 100", [matrix] * 2, (0,)),
            (f"100 x 100, {shift}", [matrix] * 2, (FRAC_BITS,)),
            *([("100 x 100 of 29 bits, modulo 2^128", [large] * 2, (WIDE,))] if ring == 64 else []),
        ],
        "rescale": [(f"{shift}, {name}", [double], (FRAC_BITS, code)) for name, code in variants.items()],
        "round": [(f"{shift}, nearest", [Type(double.kind, double.shape, ring, 32, 16, -(1 << 40), 1 << 40)], (16, 1))],
        "lift": [(name, [many], (code,)) for name, code in variants.items()] if ring == 64 else [],
        "normalise": [("each x, below 2^60", [Type(Kind.INT, (COUNT,), ring, 0, 0, 0, (1 << 60) - 1)], (0,))],
        "and": [("", [bits, bits], ())],
        "negative": [(name, [many], (code,)) for name, code in variants.items()],
        "less": [(name, [many, many], (code,)) for name, code in variants.items()],
        "is_zero": [(name, [many], (code,)) for name, code in variants.items()],
        "number": [(name, [bits], (ring, code)) for name, code in variants.items()],
        "inject": [(name, [bits, many], (code,)) for name, code in variants.items()],
    }


def cost_rows(operation: Operation) -> Iterable[str]:
    if operation.name in BY_THEIR_BODY:
        yield f"| `{operation.name}` | the sum of its passes | | |"
        return
    by_ring = [examples(ring).get(operation.name) for ring in RINGS]
    if by_ring[0] is None:
        raise SystemExit(f"{Path(__file__).name}: give an example of the operation {operation.name!r}")
    for place, (case, *_) in enumerate(by_ring[0]):
        figures = []
        for found in by_ring:
            if not found or place >= len(found):
                figures.append("")
                continue
            _, inputs, attrs = found[place]
            out = operation.infer(inputs, attrs)
            cost = operation.cost(Call(tuple(inputs), attrs, out))
            results = COUNT if operation.name == "normalise" else out.size
            figures.append(f"{8 * cost.bytes_per_party / results:,.1f} in {cost.rounds}")
        name = f"`{operation.name}`" if place == 0 else ""
        yield f"| {name} | {case} | {' | '.join(figures)} |"


def table(operations: Iterable[Operation]) -> Iterable[str]:
    yield "| code | operation | meaning | error | protocol |"
    yield "|---:|---|---|---|---|"
    for op in operations:
        meaning = op.summary.replace("|", r"\|")
        yield f"| {op.code} | `{op.name}` | {meaning} | {op.error} | {op.protocol} |"


def page() -> str:
    given = [op for op in OPERATIONS if op in (INPUT, CONSTANT)]
    local = [op for op in OPERATIONS if op.local and op not in given]
    talking = [op for op in OPERATIONS if not op.local]
    lines = [INTRODUCTION, "## What is given", "", *table(given), "", "## What each party does alone", ""]
    lines += ["No message, no round.", "", *table(local), "", "## What the parties do together", ""]
    lines += [*table(talking), "", "### What it costs", ""]
    lines += ["| operation | case | ring 2^64: bits in rounds | ring 2^128: bits in rounds |", "|---|---|---:|---:|"]
    lines += [row for op in talking for row in cost_rows(op)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is not up to date")
    wanted = page()
    if not parser.parse_args().check:
        PAGE.write_text(wanted, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted:
        sys.exit(f"{PAGE.name} is not up to date: run docs/generate_operations.py")


if __name__ == "__main__":
    main()
