"""Multiplies 10^8 fixed-point numbers over their whole declared range and looks for one large error.

`python benchmarks/exactness.py [--millions 100]`: every product is compared with the exact one; an error of a last bit
or more is counted. Prints the largest error and the mean error, both in last bits.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from rich.console import Console
from rich.progress import track

import tercet as tc

BATCH = 1_000_000
FRAC_BITS = 16
BOUND = 2**30
"""Stored integers reach 2^30, so that products reach 2^60, close to the most that ring 2^64 truncates."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, default=100)
    millions = parser.parse_args().millions
    console = Console()
    rng = np.random.default_rng(1)
    largest, total, wrong = 0.0, 0.0, 0
    bounds = (-(BOUND / 2**FRAC_BITS), BOUND / 2**FRAC_BITS)
    with tc.local() as net:
        for _ in track(range(millions), "products", console=console):
            x, y = (rng.integers(-BOUND, BOUND + 1, BATCH) for _ in "xy")
            shared = [net.share(v / 2**FRAC_BITS, bounds=bounds, frac_bits=FRAC_BITS) for v in (x, y)]
            product = (shared[0] * shared[1]).persist().reveal()
            stored = (product * 2**FRAC_BITS).astype(np.int64)
            # exact integers: z = stored * 2^16 - x y is the error in units of 2^-16 of a last bit
            error = (stored * 2**FRAC_BITS - x * y) / 2**FRAC_BITS
            largest = max(largest, float(np.abs(error).max()))
            total += float(error.sum())
            wrong += int((np.abs(error) >= 1).sum())
    count = millions * BATCH
    console.print(
        f"{count:,} products: {wrong} errors of a last bit or more, largest {largest:.4f}, mean {total / count:+.2e}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
