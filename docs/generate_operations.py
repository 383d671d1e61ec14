"""Writes docs/operations.md from the operations table; with --check only says whether the page is up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tercet.plan.table.attributes import (
    NONE,
    Approximation,
    Attributes,
    Axes,
    BitCount,
    BitRange,
    Bounds,
    Contraction,
    Convolution,
    Dividing,
    DividingWithin,
    DrawnIntegers,
    DrawnLines,
    DrawNumber,
    Height,
    MatrixProduct,
    Normalisation,
    PieceTable,
    Powering,
    PublicBase,
    RingBits,
    Rounding,
    Shift,
    StatedBounds,
    Undoing,
)
from tercet.plan.table.operation import Call, Flow, Operation
from tercet.plan.table.operations import CONSTANT, INPUT, OPERATIONS
from tercet.plan.table.ops_angles import ARCS, HYPERBOLIC
from tercet.plan.table.ops_functions import LOGARITHMS, POWERS, ROOTS, SINES, TAIL_OPERATIONS
from tercet.plan.types import Type, ValueKind, bool_type, limit, permutation_type

PAGE = Path(__file__).parent / "operations.md"
COUNT = 30_000
FRAC_BITS = 16
RINGS = (64, 128)
PER_ELEMENT = ("divide_whole", "normalise", "bits", "count")
"""Operations whose costs are shown for each element that they take, not for each that they give."""

INTRODUCTION = f"""\
# Operations

<!-- made by docs/generate_operations.py from tercet.plan.table.operations; do not edit -->

A plan consists of these operations and of nothing else. Every entry of the table in
`tercet.plan.table.operations` has a type rule (kinds, shape, scale and proven range), an exact cost rule, the code that
runs at each party, and its meaning in plain NumPy, which is what tests compare it with. `explain()` adds the costs up
before a run; tests assert that they equal what the transport counts.

Users do not call these by name: the functions and operators of `SecretArray` record them.

*Bits* are what one party sends for each element of the result (mean of the three), *rounds* the longest chain of
messages that wait for each other. Both are shown for {COUNT:,} elements in the ring 2^64 and in the ring 2^128; what is
compared fills the ring as far as its headroom permits, and costs less where bounds are narrower. Where an operation has
several variants the plan takes the one that the network profile makes quickest. Variants that are called provable, and
the shuffle in three passes, are there for a malicious mode; they cost more.
"""


def fixed(ring: int, *shape: int, nominal: int = FRAC_BITS, frac_bits: int = FRAC_BITS) -> Type:
    top = limit(ring) - 1
    return Type(ValueKind.FIXED, shape, ring, frac_bits, nominal, -top, top)


def small(ring: int, *shape: int) -> Type:
    """Values whose products, summed over a hundred, stay within the headroom."""
    return Type(ValueKind.FIXED, shape, ring, FRAC_BITS, FRAC_BITS, -(1 << 24), 1 << 24)


def whole(ring: int, bits: int, *shape: int) -> Type:
    """Integers of so many bits that are not negative."""
    return Type(ValueKind.INT, shape, ring, 0, 0, 0, (1 << bits) - 1)


Example = tuple[str, list[Type], Attributes]


def real(ring: int, power: bool) -> Example:
    """Of a function: exponents from -5 to 5, else numbers below 2^20."""
    frac = FRAC_BITS if ring == 64 else 40
    lo, hi = (-5, 5) if power else (0, 1 << 20)
    argument = Type(ValueKind.FIXED, (COUNT,), ring, frac, frac, lo << frac, hi << frac)
    said = f"from {lo} to {hi}" if power else "below 2^20"
    return f"{said}; 16 fractional bits, and 40", [argument], Approximation(frac, frac)


def logistic(ring: int) -> Example:
    """Of the logistic function of numbers from -100 to 100."""
    argument = Type(ValueKind.FIXED, (COUNT,), ring, FRAC_BITS, FRAC_BITS, -100 << FRAC_BITS, 100 << FRAC_BITS)
    attrs = Height(FRAC_BITS, FRAC_BITS, out_bits=40, height=1 << 40)
    return "from -100 to 100; 16 fractional bits", [argument], attrs


def unit(ring: int) -> Example:
    """Of a function of numbers from 0 to 1."""
    frac = FRAC_BITS if ring == 64 else 40
    argument = Type(ValueKind.FIXED, (COUNT,), ring, frac, frac, 0, 1 << frac)
    return "16 fractional bits, and 40", [argument], Approximation(frac, frac)


def tail(ring: int) -> Example:
    """Of a function that has a limit: numbers from 0 to 3."""
    frac = FRAC_BITS if ring == 64 else 40
    argument = Type(ValueKind.FIXED, (COUNT,), ring, frac, frac, 0, 3 << frac)
    return "16 fractional bits, and 40", [argument], Approximation(frac, frac)


def binades(ring: int, name: str) -> Example:
    """Of a function by binades: numbers from 1 to 1024, or of erfinv from a last bit to 1."""
    frac = FRAC_BITS if ring == 64 else 40
    lo, hi = (1, 1 << frac) if name == "erfinv" else (1 << frac, 1024 << frac)
    argument = Type(ValueKind.FIXED, (COUNT,), ring, frac, frac, lo, hi)
    said = "up to 1" if name == "erfinv" else "from 1 to 1024"
    return f"{said}; 16 fractional bits, and 40", [argument], Approximation(frac, frac)


def in_pieces(ring: int, pieces: int, degree: int) -> Example:
    """Of a polynomial in pieces of one length, from 0 to 8."""
    frac = FRAC_BITS if ring == 64 else 40
    argument = Type(ValueKind.FIXED, (COUNT,), ring, frac, frac, 0, 8 << frac)
    ends = tuple((8 << frac) * k // pieces for k in range(pieces + 1))
    attrs = PieceTable(
        frac,
        frac,
        out_bits=29 if ring == 64 else 58,
        ends=ends,
        coefficients=tuple((k + j) % 3 << frac for j in range(pieces) for k in range(degree + 1)),
    )
    said = f"{pieces} pieces" if pieces > 1 else "one piece"
    return f"{said}, degree {degree}; 16 fractional bits, and 40", [argument], attrs


def dividing(ring: int) -> tuple[list[Type], Dividing]:
    """Of a quotient: numbers up to 100 by such above 1."""
    frac = FRAC_BITS if ring == 64 else 40
    dividend = Type(ValueKind.FIXED, (COUNT,), ring, frac, frac, -100 << frac, 100 << frac)
    divisor = Type(ValueKind.FIXED, (COUNT,), ring, frac, frac, 1 << frac, 100 << frac)
    return [dividend, divisor], Dividing(frac, frac, frac)


def whole_numbers(ring: int) -> list[Type]:
    """A dividend and a divisor."""
    return [Type(ValueKind.INT, (COUNT,), ring, 0, 0, *ends) for ends in ((-(1 << 20), 1 << 20), (1, 1000))]


def examples(ring: int) -> dict[str, list[Example]]:
    """For each operation that sends something: how the example is called, its inputs and attributes."""
    few, many = small(ring, COUNT), fixed(ring, COUNT)
    bits, double = bool_type((COUNT,)), fixed(ring, COUNT, frac_bits=2 * FRAC_BITS)
    matrix = small(ring, 100, 100)
    wide, high = (
        Type(ValueKind.INT, shape, ring, 0, 0, -(1 << 24), 1 << 24) for shape in ((10, 100_000), (100_000, 10))
    )
    trits = [Type(ValueKind.INT, shape, ring, 0, 0, -1, 1) for shape in ((300, 1024), (1024, 100))]
    shift = f"shift {FRAC_BITS}"
    given = dividing(ring)[1]
    within = DividingWithin(given.dividend_bits, given.divisor_bits, given.frac_bits, limit=1)
    table = small(ring, 100, 300)
    images, kernels = small(ring, 4, 3, 32, 32), small(ring, 16, 3, 5, 5)
    sides = (1, 1), (2, 2), (2, 2), (1, 1)
    rounded = Type(double.kind, double.shape, ring, 32, 16, -(1 << 40), 1 << 40)
    return {
        "multiply": [("", [few, few], Shift()), (shift, [few, few], Shift(FRAC_BITS))],
        "multiply_within": [("", [few, few], StatedBounds(-(1 << 30), 1 << 30))],
        "contract": [("", [table] * 2, Contraction((0,))), (shift, [table] * 2, Contraction((0,), FRAC_BITS))],
        "matmul": [
            ("100 x 100", [matrix] * 2, MatrixProduct()),
            (f"100 x 100, {shift}", [matrix] * 2, MatrixProduct(FRAC_BITS)),
            *(
                [("10 x 100,000 x 10 of 25 bits, modulo 2^128", [wide, high], MatrixProduct(wide=True))]
                if ring == 64
                else []
            ),
        ],
        "matmul_narrow": [("300 x 1,024 x 100 of -1, 0 and 1", trits, NONE)] if ring == 64 else [],
        "convolve": [
            (f"4 x 3 x 32 x 32 by 16 x 3 x 5 x 5{also}", [images, kernels], Convolution(0, *sides, shift=bits))
            for also, bits in (("", 0), (f", {shift}", FRAC_BITS))
        ],
        "rescale": [(shift, [double], Shift(FRAC_BITS))],
        "round": [(f"{shift}, nearest", [rounded], Rounding(16, nearest=True))],
        "lift": [("", [many], NONE)] if ring == 64 else [],
        "quotient": [("up to 100 by 1 to 100; 16 fractional bits, and 40", *dividing(ring))],
        "quotient_within": [("at most 1", dividing(ring)[0], within)],
        "divide_whole": [("below 2^20 by 1 to 1,000", whole_numbers(ring), NONE)],
        "normalise": [
            ("each x, below 2^60", [Type(ValueKind.INT, (COUNT,), ring, 0, 0, 0, (1 << 60) - 1)], Normalisation())
        ],
        **{name: [real(ring, name in POWERS)] for name in (*POWERS, *LOGARITHMS, *ROOTS)},
        **{name: [real(ring, True)] for name in (*SINES, "tan", *HYPERBOLIC)},
        "logistic": [logistic(ring)] if ring == 64 else [],
        **{name: [unit(ring)] for name in ARCS},
        "sinc": [real(ring, False)],
        "atan_ratio": [(said, 2 * argument, attrs) for said, argument, attrs in [real(ring, False)]],
        **{name: [tail(ring)] for name in TAIL_OPERATIONS},
        **{f"binades_{name}": [binades(ring, name)] for name in ("gammaln", "digamma", "log_ndtr", "erfinv")},
        "piecewise": [in_pieces(ring, 1, 8), in_pieces(ring, 8, 1), in_pieces(ring, 8, 3)],
        "whole_power": [
            ("below 64 to powers of up to 7", [whole(ring, 6, COUNT), whole(64, 3, COUNT)], Powering(0, 3))
        ],
        "public_power": [
            ("2 to powers of up to 31, and 63", [whole(64, ring // 64 + 4, COUNT)], PublicBase(2, ring // 64 + 4))
        ],
        "and": [("", [bits, bits], NONE)],
        "negative": [("", [many], NONE)],
        "less": [("", [many, many], NONE)],
        "is_zero": [("", [many], NONE)],
        "number": [("", [bits], RingBits(ring))],
        "inject": [("", [bits, many], NONE)],
        "clip": [("", [many], Bounds(-1000, 1000))],
        "bits": [("32 of each x", [many], BitCount(32))],
        "upper_bits": [("6 of 32 of each x", [many], BitRange(26, 32))],
        "count": [("each bit of one line", [bits], Axes((0,)))],
        "select": [("of 8 rows", [bool_type((8, COUNT))] * 2, Contraction((0,)))],
        "order_statistics": [
            (
                "both middle elements of one line, 32 bits",
                [bool_type((32, 1, 1, COUNT)), Type(ValueKind.INT, (2, 1, 1), 64, 0, 0, COUNT // 2 - 1, COUNT // 2)],
                Contraction((3,)),
            )
        ],
        "lookup": [
            (
                f"{1 << width:,} entries of {width} bits",
                [whole(ring, width, COUNT), whole(ring, width, 1 << width, 1)],
                NONE,
            )
            for width in (8, 16)
        ],
        "sort": [
            (f"one line, keys of {width} bits", [bool_type((width, 1, COUNT)), small(ring, 1, 1, COUNT)], NONE)
            for width in (8, 32)
        ]
        + [("1,000 lines of 30, keys of 8 bits", [bool_type((8, 1000, 30)), small(ring, 1, 1000, 30)], NONE)],
        "sort_order": [("one line, keys of 32 bits", [bool_type((32, 1, COUNT))], NONE)] if ring == 64 else [],
        "ranks": [("one line, keys of 32 bits", [bool_type((32, 1, COUNT))], NONE)] if ring == 64 else [],
        "sums_up_to": [
            (
                "one column and one limit, keys of 32 bits",
                [bool_type((32, 2, COUNT)), whole(ring, 20, 1, COUNT)],
                NONE,
            )
        ],
        "draw_order": [("one line", [], DrawnLines(1, COUNT, 0))] if ring == 64 else [],
        "draw_integers": [("of 16 bits", [], DrawnIntegers((COUNT,), 0, 16, ring))],
        "shuffle": [("one line", [small(ring, 1, 1, COUNT)], DrawNumber(0))],
        "move": [
            (name, [permutation_type(1, COUNT), small(ring, 1, 1, COUNT)], Undoing(back))
            for name, back in (("there", False), ("and back", True))
        ],
        **(
            {
                "invert_order": [("", [permutation_type(1, COUNT)], NONE)],
                "compose_orders": [("", [permutation_type(1, COUNT)] * 2, NONE)],
                "order_places": [("", [permutation_type(1, COUNT)], Undoing())],
            }
            if ring == 64
            else {"invert_order": [], "compose_orders": [], "order_places": []}
        ),
    }


def cost_rows(operation: Operation[Any]) -> Iterable[str]:
    """The operation's lines: one for each example and variant."""
    if operation.rows is Flow.LOOP:
        yield f"| `{operation.name}` | the sum of its passes | | |"
        return
    by_ring = [examples(ring).get(operation.name) for ring in RINGS]
    if by_ring[0] is None:
        raise SystemExit(f"{Path(__file__).name}: give an example of the operation {operation.name!r}")
    first = True
    for place, (case, *_) in enumerate(by_ring[0]):
        for number, variant in enumerate(operation.variants):
            figures = []
            for found in by_ring:
                if not found or place >= len(found):
                    figures.append("")
                    continue
                _, inputs, attrs = found[place]
                out = operation.infer(inputs, attrs)
                call = Call(tuple(inputs), attrs, out, number)
                if not variant.fits(call):
                    figures.append("")
                    continue
                cost = operation.cost(call)
                results = COUNT if operation.name in PER_ELEMENT else out.size
                figures.append(f"{8 * cost.bytes_per_party / results:,.1f} in {cost.rounds}")
            if not any(figures):
                continue
            name = f"`{operation.name}`" if first else ""
            first = False
            shown = ", ".join(filter(None, [case, variant.name if operation.has_choice else ""]))
            yield f"| {name} | {shown} | {' | '.join(figures)} |"


def table(operations: Iterable[Operation[Any]]) -> Iterable[str]:
    yield "| code | operation | meaning | error | protocol |"
    yield "|---:|---|---|---|---|"
    for op in operations:
        meaning = op.summary.replace("|", r"\|")
        error = f"{op.error}; {op.takes}" if op.takes else op.error
        yield f"| {op.code} | `{op.name}` | {meaning} | {error} | {op.protocol} |"


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
