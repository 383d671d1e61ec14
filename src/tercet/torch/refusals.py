"""What is said of a torch program that cannot run: where it stands in the user's code, and what to write instead."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch

from tercet.errors import PlanError

_OURS = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))
_KEPT_WELL = ("sgd", "optimizer", "swa_utils", "lr_scheduler")
"""Modules of `torch.optim` whose state 16 fractional bits hold."""


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def where() -> str:
    """The line of the user's code that is running and the path of the module in its model, in brackets; "" if none."""
    lines = [
        f"{frame.f_code.co_filename}:{frame.f_lineno}"
        for frame in _frames()
        if not frame.f_code.co_filename.startswith((*_OURS, "<frozen"))
    ]
    modules = [
        frame.f_locals["self"]
        for frame in _frames()
        if frame.f_code.co_name == "_call_impl" and isinstance(frame.f_locals.get("self"), torch.nn.Module)
    ]
    paths = [name for name, one in modules[-1].named_modules() if one is modules[0] and name] if modules else []
    said = ", ".join([*lines[:1], *paths[:1]])
    return f" ({said})" if said else ""


def hidden_elsewhere() -> PlanError:
    """The error for an operation on a tensor that is minus infinity at public places."""
    return PlanError(
        f"a secret tensor with masked places of minus infinity goes to softmax alone{where()}",
        hint="mask with a finite number, or multiply by the mask",
    )


def no_rule(name: str, instead: str = "") -> PlanError:
    """The error for an operation that is neither in the table nor made of others that are."""
    return PlanError(
        f"no rule for {name} on a secret tensor{where()}",
        hint=instead
        or "write it with operations that the deep-learning guide lists, or reveal() what it takes, if that may be",
    )


def turns_plain(what: str, instead: str) -> NoReturn:
    """TypeError: a secret tensor would become plain."""
    raise TypeError(f"a secret tensor {what}{where()}; {instead}")


def check_loading() -> None:
    """TypeError if torch loads a plain state into a secret module: its numbers would be constants of a public plan."""
    if any(frame.f_code.co_name == "_load_from_state_dict" for frame in _frames()):
        raise TypeError("a plain state would make a secret module public; load it into a plain one, and share that")


def check_optimiser() -> None:
    """PlanError if an optimiser of torch is at work whose state 16 fractional bits cannot hold."""
    for frame in _frames():
        module: Any = frame.f_globals.get("__name__", "")
        if isinstance(module, str) and module.startswith("torch.optim."):
            name = module.removeprefix("torch.optim.")
            if name not in _KEPT_WELL:
                raise PlanError(
                    f"of torch.optim SGD alone is offered on secret parameters, not {name}{where()}: running means of "
                    "squared gradients round to 0 at 16 fractional bits, and steps by their roots explode",
                    hint="use torch.optim.SGD, with momentum if you like",
                )
            return
