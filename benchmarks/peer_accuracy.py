"""Values of functions by a peer, in its own environment: `python peer_accuracy.py spu|crypten < arguments.json`.

Reads {function: [arguments]} and prints {function: [results]}, of those functions that the peer has. SPU is its
in-process simulator (ABY3, ring 64, 18 fractional bits), CrypTen one process (ring 64, 16 fractional bits): both with
the settings that they come with.
"""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import numpy as np

# what each is called there; "x" is the argument
SPU = {
    "exp": "jnp.exp(x)",
    "exp2": "jnp.exp2(x)",
    "expm1": "jnp.expm1(x)",
    "log": "jnp.log(x)",
    "log2": "jnp.log2(x)",
    "log10": "jnp.log10(x)",
    "log1p": "jnp.log1p(x)",
    "sqrt": "jnp.sqrt(x)",
    "rsqrt": "jax.lax.rsqrt(x)",
    "reciprocal": "1 / x",
    "sin": "jnp.sin(x)",
    "cos": "jnp.cos(x)",
    "tan": "jnp.tan(x)",
    "asin": "jnp.arcsin(x)",
    "acos": "jnp.arccos(x)",
    "atan": "jnp.arctan(x)",
    "sinh": "jnp.sinh(x)",
    "cosh": "jnp.cosh(x)",
    "tanh": "jnp.tanh(x)",
    "asinh": "jnp.arcsinh(x)",
    "acosh": "jnp.arccosh(x)",
    "atanh": "jnp.arctanh(x)",
    "special.expit": "jax.nn.sigmoid(x)",
    "special.softplus": "jax.nn.softplus(x)",
    "special.log_expit": "jax.nn.log_sigmoid(x)",
    "special.erf": "jax.scipy.special.erf(x)",
    "special.erfc": "jax.scipy.special.erfc(x)",
    "special.ndtr": "jax.scipy.special.ndtr(x)",
    "special.gammaln": "jax.scipy.special.gammaln(x)",
    "special.digamma": "jax.scipy.special.digamma(x)",
    "nn.relu": "jax.nn.relu(x)",
    "nn.silu": "jax.nn.silu(x)",
    "nn.elu": "jax.nn.elu(x)",
    "nn.gelu": "jax.nn.gelu(x, approximate=False)",
    "nn.gelu(tanh)": "jax.nn.gelu(x, approximate=True)",
}
CRYPTEN = {
    "exp": "x.exp()",
    "log": "x.log()",
    "sqrt": "x.sqrt()",
    "rsqrt": "x.inv_sqrt()",
    "reciprocal": "x.reciprocal()",
    "sin": "x.sin()",
    "cos": "x.cos()",
    "tanh": "x.tanh()",
    "special.expit": "x.sigmoid()",
    "special.erf": "x.erf()",
    "nn.relu": "x.relu()",
}


def by_spu(arguments: dict[str, list[float]]) -> dict[str, list[float]]:
    import jax
    import jax.numpy as jnp
    import spu
    from spu.utils.simulation import Simulator, sim_jax

    simulator = Simulator.simple(3, spu.ProtocolKind.ABY3, spu.FieldType.FM64)
    found = {}
    for name, expression in SPU.items():
        if name not in arguments:
            continue
        function = eval(f"lambda x: {expression}", {"jax": jax, "jnp": jnp})  # of the table above
        try:
            values = np.asarray(sim_jax(simulator, function)(np.array(arguments[name], np.float64)), np.float64)
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
    found = {}
    for name, expression in CRYPTEN.items():
        if name in arguments:
            function = eval(f"lambda x: {expression}")  # of the table above
            x: Any = crypten.cryptensor(torch.tensor(arguments[name], dtype=torch.float64))
            found[name] = function(x).get_plain_text().double().tolist()
    return found


def main() -> None:
    of = {"spu": by_spu, "crypten": by_crypten}[sys.argv[1]]
    json.dump(of(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
