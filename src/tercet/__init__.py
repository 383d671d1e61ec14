"""Tercet: compute together on data nobody may show.

    import tercet as tc

    with tc.local() as net:
        income = net.share([52_000, 71_000, 100_000], bounds=(0, 1_000_000))
        print(income.mean().reveal())

`tc.local` starts three parties, `tc.connect` asks the nodes of a federation; a session's `share` splits arrays among
them; operations on the secret arrays that come back record a plan; `reveal` runs it.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tercet import (
        array,
        calibration,
        cluster,
        compose,
        decomposition,
        discriminant_analysis,
        ensemble,
        feature_selection,
        impute,
        isotonic,
        linalg,
        linear_model,
        metrics,
        mixture,
        model_selection,
        models,
        naive_bayes,
        neighbors,
        nn,
        pipeline,
        preprocessing,
        special,
        stats,
        svm,
        tree,
    )
    from tercet.array import (
        Permutation,
        SecretArray,
        acos,
        acosh,
        asin,
        asinh,
        assume,
        atan,
        atan2,
        atanh,
        cbrt,
        concat,
        cos,
        cosh,
        divide,
        exp,
        exp2,
        explain,
        expm1,
        float_power,
        hypot,
        log,
        log1p,
        log2,
        log10,
        logaddexp,
        logaddexp2,
        loop,
        masked_invalid,
        persist,
        pow,
        reveal,
        rsqrt,
        shuffle,
        sin,
        sinc,
        sinh,
        sqrt,
        stack,
        tan,
        tanh,
        valid,
        where,
    )
    from tercet.client.base import Measurement, load
    from tercet.client.connect import connect
    from tercet.client.local import EmulatedLink, local
    from tercet.client.session import Session
    from tercet.errors import (
        ConfigError,
        InputError,
        IntegrityError,
        PartyError,
        PlanError,
        ProtocolViolation,
        Refused,
        TercetError,
        Timeout,
        Unreachable,
    )
    from tercet.plan.network import LAN, WAN, Network

__version__ = "0.1.0"

__all__ = [
    "LAN",
    "WAN",
    "ConfigError",
    "EmulatedLink",
    "InputError",
    "IntegrityError",
    "Measurement",
    "Network",
    "PartyError",
    "Permutation",
    "PlanError",
    "ProtocolViolation",
    "Refused",
    "SecretArray",
    "Session",
    "TercetError",
    "Timeout",
    "Unreachable",
    "__version__",
    "acos",
    "acosh",
    "array",
    "asin",
    "asinh",
    "assume",
    "atan",
    "atan2",
    "atanh",
    "calibration",
    "cbrt",
    "cluster",
    "compose",
    "concat",
    "connect",
    "cos",
    "cosh",
    "decomposition",
    "discriminant_analysis",
    "divide",
    "ensemble",
    "exp",
    "exp2",
    "explain",
    "expm1",
    "feature_selection",
    "float_power",
    "hypot",
    "impute",
    "isotonic",
    "linalg",
    "linear_model",
    "load",
    "local",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "loop",
    "masked_invalid",
    "metrics",
    "mixture",
    "model_selection",
    "models",
    "naive_bayes",
    "neighbors",
    "nn",
    "persist",
    "pipeline",
    "pow",
    "preprocessing",
    "reveal",
    "rsqrt",
    "shuffle",
    "sin",
    "sinc",
    "sinh",
    "special",
    "sqrt",
    "stack",
    "stats",
    "svm",
    "tan",
    "tanh",
    "tree",
    "valid",
    "where",
]


_ERRORS = (
    *("ConfigError", "InputError", "IntegrityError", "PartyError", "PlanError", "ProtocolViolation", "Refused"),
    *("TercetError", "Timeout", "Unreachable"),
)
_FUNCTIONS = (
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos"),
    *("cosh", "exp", "exp2", "expm1", "hypot", "log", "log10", "log1p", "log2"),
    *("float_power", "logaddexp", "logaddexp2", "pow", "rsqrt", "sin", "sinc", "sinh", "sqrt", "tan", "tanh"),
)
_PLACES = {
    **dict.fromkeys(_ERRORS, "tercet.errors"),
    **dict.fromkeys(("LAN", "WAN", "Network"), "tercet.plan.network"),
    **dict.fromkeys(("EmulatedLink", "local"), "tercet.client.local"),
    **dict.fromkeys(_FUNCTIONS, "tercet.array"),
    **dict.fromkeys(
        ("Permutation", "SecretArray", "assume", "concat", "divide", "explain", "loop", "persist", "reveal", "shuffle"),
        "tercet.array",
    ),
    **dict.fromkeys(
        ("masked_invalid", "stack", "valid", "where"),
        "tercet.array",
    ),
    "Measurement": "tercet.client.base",
    "Session": "tercet.client.session",
    "connect": "tercet.client.connect",
    "load": "tercet.client.base",
}
_MODULES = (
    "array",
    "biometrics",
    "calibration",
    "cluster",
    "compose",
    "decomposition",
    "discriminant_analysis",
    "ensemble",
    "feature_selection",
    "impute",
    "isotonic",
    "linalg",
    "linear_model",
    "metrics",
    "mixture",
    "model_selection",
    "models",
    "naive_bayes",
    "neighbors",
    "nn",
    "pipeline",
    "plot",
    "preprocessing",
    "special",
    "stats",
    "svm",
    "tree",
)


def __getattr__(name: str) -> Any:
    # each part is loaded when it is first asked for: nodes and commands need few of them, and `connect` needs
    # libraries that take longer to load than all the rest
    if name in _MODULES:
        return import_module(f"tercet.{name}")
    if name not in _PLACES:
        instead = _elsewhere(name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{instead}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def _elsewhere(name: str) -> str:
    """Where a name stands that is none of the top level, if what offers functions has been loaded by now."""
    if "tercet.array" not in sys.modules or name.startswith("_"):
        return ""
    if name in import_module("tercet.array").__all__:
        return f"; there is tercet.array.{name}, which NumPy's function calls too"
    found = [
        module for module in ("special", "stats", "nn", "linalg") if name in import_module(f"tercet.{module}").__all__
    ]
    return f"; there is tercet.{found[0]}.{name}" if found else ""


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
