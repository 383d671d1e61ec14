"""Times one workload on SecretFlow SPU's in-process simulator (ABY3, ring 64): `python peer_spu.py NAME ELEMENTS`.

Runs in an environment of its own (`pip install spu==0.9.5 jax==0.4.34 jaxlib==0.4.34`). Prints the median seconds and,
of functions, the largest error in last bits of 16 fractional bits. The inputs are shared before the clock starts, and
results stay shared, as with Tercet.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import spu
import spu.api as spu_api
from spu.utils.simulation import Simulator, sim_jax

from cases import BY_NAME, largest_error

FUNCTIONS = {
    "exp": jnp.exp,
    "exp of x <= 0": jnp.exp,
    "sqrt": jnp.sqrt,
    "log": jnp.log,
    "expit": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "sin and cos": lambda x: (jnp.sin(x), jnp.cos(x)),
    "softmax, rows of 1,000": lambda x: jax.nn.softmax(x, axis=1),
}

ORDERING = {
    "sort, keys of 32 bits": jnp.sort,
    "sort, keys of 62 bits": jnp.sort,
    "median of 100,000": jnp.median,
    "median of 1,000,000": jnp.median,
    "max": jnp.max,
    "argmax": jnp.argmax,
}


def functions(name: str, n: int) -> tuple[Any, list[Any]]:
    rng = np.random.default_rng(1)
    if name.startswith("integer products"):
        return lambda x, y: x * y, [rng.integers(-(2**30), 2**30, n) for _ in range(2)]
    if name.startswith("fixed-point products"):
        return lambda x, y: x * y, [rng.uniform(-100, 100, n) for _ in range(2)]
    if name.startswith("comparisons"):
        return lambda x, y: x < y, [rng.integers(-(2**61), 2**61, n) for _ in range(2)]
    if name.startswith("matrix product") and "fixed" in name:
        return lambda x, y: x @ y, [rng.uniform(-10, 10, (n, n)) for _ in range(2)]
    if name.startswith("X'X"):
        return lambda x, y: (x.T @ x, x.T @ y), [rng.uniform(-8, 8, (n, 10)), rng.uniform(-8, 8, n)]
    if name.startswith("divisions"):
        return lambda x, y: jnp.divide(x, y), [rng.uniform(0, 1000, n), rng.uniform(1, 1000, n)]
    if "dependent products" in name:
        return lambda x: jax.lax.fori_loop(0, n, lambda _, value: value * x, x), [np.ones(1, np.int64)]
    if name in ORDERING:
        bits = 62 if "62 bits" in name else 32
        return ORDERING[name], [rng.integers(-(1 << bits - 1), 1 << bits - 1, n)]
    if name in FUNCTIONS:
        return FUNCTIONS[name], [BY_NAME[name].input(n)]
    raise SystemExit(f"no such workload here: {name}")


def main() -> None:
    name, n = sys.argv[1], int(sys.argv[2])
    function, inputs = functions(name, n)
    simulator = Simulator.simple(3, spu.ProtocolKind.ABY3, spu.FieldType.FM64)
    secure = sim_jax(simulator, function)
    spent: list[float] = []
    original = spu_api.Runtime.run

    def timed(self: Any, executable: Any) -> None:
        began = time.perf_counter()
        original(self, executable)
        spent.append(time.perf_counter() - began)

    spu_api.Runtime.run = timed
    for _ in range(4):
        results = secure(*inputs)
    runs = [max(spent[i : i + 3]) for i in range(0, len(spent), 3)]
    error = None
    if name in BY_NAME:
        error = largest_error(
            results if isinstance(results, tuple | list) else (results,), BY_NAME[name].exact(*inputs)
        )
    print(json.dumps({"seconds": statistics.median(runs[1:]), "error": error}))


if __name__ == "__main__":
    main()
