"""Tercet: compute together on data nobody may show.

    import tercet as tc

    with tc.local() as net:
        income = net.share([52_000, 71_000, 100_000], bounds=(0, 1_000_000))
        print(income.mean().reveal())

`tc.local` starts three parties, `tc.connect` asks the nodes of a federation; a session's `share` splits arrays among
them; operations on the secret arrays that come back record a plan; `reveal` runs it.
"""

from typing import TYPE_CHECKING, Any

from tercet import array, linear_model
from tercet.array import SecretArray, assume, concat, divide, explain, persist, reveal, stack, where
from tercet.array import loop as repeat
from tercet.client import EmulatedLink, Measurement, Session, load, local
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

if TYPE_CHECKING:
    from tercet.client.connect import connect

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
    "PlanError",
    "ProtocolViolation",
    "Refused",
    "SecretArray",
    "Session",
    "TercetError",
    "Timeout",
    "Unreachable",
    "__version__",
    "array",
    "assume",
    "concat",
    "connect",
    "divide",
    "explain",
    "linear_model",
    "load",
    "local",
    "persist",
    "repeat",
    "reveal",
    "stack",
    "where",
]


def __getattr__(name: str) -> Any:
    # what talks to nodes needs libraries that take longer to load than all the rest
    if name == "connect":
        from tercet.client.connect import connect

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
