"""Values of functions by a peer, in its own environment: `python peer_accuracy.py spu|crypten < arguments.json`.

Reads {function: [arguments]} and prints {function: [results]}, of those functions that the peer has. SPU is its
in-process simulator (ABY3, ring 64, 18 fractional bits), CrypTen one process (ring 64, 16 fractional bits): both with
the settings that they come with.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np


def by_spu(arguments: dict[str, list[float]]) -> dict[str, list[float]]:
    import jax
    import jax.numpy as jnp
    import spu
    from spu.utils.simulation import Simulator, sim_jax

    offered: dict[str, Callable[[Any], Any]] = {
        **{
            name: getattr(jnp, name)
            for name in [
                "exp",
                "exp2",
                "expm1",
                "log",
                "log2",
                "log10",
                "log1p",
                "sqrt",
                "sin",
                "cos",
                "tan",
                "sinh",
                "cosh",
                "tanh",
            ]
        },
        **{name: getattr(jnp, f"arc{name[1:]}") for name in ["asin", "acos", "atan", "asinh", "acosh", "atanh"]},
        **{
            f"special.{name}": getattr(jax.scipy.special, name)
            for name in ["erf", "erfc", "ndtr", "gammaln", "digamma"]
        },
        **{f"nn.{name}": getattr(jax.nn, name) for name in ["relu", "silu", "elu"]},
        "rsqrt": jax.lax.rsqrt,
        "reciprocal": lambda x: 1 / x,
        "special.expit": jax.nn.sigmoid,
        "special.softplus": jax.nn.softplus,
        "special.log_expit": jax.nn.log_sigmoid,
        "nn.gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "nn.gelu(tanh)": lambda x: jax.nn.gelu(x, approximate=True),
    }
    simulator = Simulator.simple(3, spu.ProtocolKind.ABY3, spu.FieldType.FM64)
    found = {}
    for name in offered.keys() & arguments.keys():
        try:
            values = np.asarray(sim_jax(simulator, offered[name])(np.array(arguments[name], np.float64)), np.float64)
        except RuntimeError as error:
            print(f"{name}: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        found[name] = values.tolist()
    return found


def by_crypten(arguments: dict[str, list[float]]) -> dict[str, list[float]]:
    # its converter of ONNX files asks for a module that newer versions of PyTorch do not have, and uses it nowhere here
    module = types.ModuleType("torch.onnx._internal.registration")
    module.registry = None  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    import crypten
    import torch

    crypten.init()
    called = {
        **{name: name for name in ["exp", "log", "sqrt", "reciprocal", "sin", "cos", "tanh"]},
        **{"rsqrt": "inv_sqrt", "special.expit": "sigmoid", "special.erf": "erf", "nn.relu": "relu"},
    }
    found = {}
    for name in called.keys() & arguments.keys():
        x: Any = crypten.cryptensor(torch.tensor(arguments[name], dtype=torch.float64))
        found[name] = getattr(x, called[name])().get_plain_text().double().tolist()
    return found


def main() -> None:
    of = {"spu": by_spu, "crypten": by_crypten}[sys.argv[1]]
    json.dump(of(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
