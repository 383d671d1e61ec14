"""Tensors and modules become secret, and loops of training run what they recorded."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any, Protocol

import torch

from tercet.array import SecretArray, persist
from tercet.errors import PlanError
from tercet.torch.cells import HIDDEN, Range, TensorCell, held_within
from tercet.torch.refusals import hidden_elsewhere
from tercet.torch.tensor import SecretTensor, secret_tensor


class Sharing(Protocol):
    """A session, local or with nodes."""

    def share(
        self, values: Any, bounds: tuple[Any, Any] | None = None, frac_bits: int | None = None
    ) -> SecretArray: ...


def share(
    net: Sharing,
    value: Any,
    bounds: Range | None = None,
    *,
    within: Range | None = None,
    frac_bits: int | None = None,
) -> Any:
    """Split a tensor's numbers among the parties of a session: a secret tensor; of a module a copy, whose parameters
    and buffers of real numbers are secret.

    bounds: of every number, as of `net.share`; public. within: bounds that the caller vouches for, of this tensor (or
    these parameters) and of all real numbers that are worked out with it, also derivatives; plans say so, policies may
    refuse it, and checked runs verify it. Without it bounds grow from layer to layer, and deep networks are refused.
    Costs an upload of each number. InputError for numbers outside of the bounds, TypeError for what is neither,
    PlanError for parameters that lie in the same memory without being the same one.
    """
    if isinstance(value, torch.nn.Module):
        return _shared_module(net, value, bounds, within, frac_bits)
    if isinstance(value, SecretTensor) or not isinstance(value, torch.Tensor):
        raise TypeError(f"share takes a plain torch tensor or module, not {type(value).__name__}")
    return _shared(net, value, bounds, within, frac_bits)


def _shared(
    net: Sharing, value: torch.Tensor, bounds: Range | None, within: Range | None, frac_bits: int | None
) -> SecretTensor:
    plain = value.detach()
    numbers = (plain.to(torch.float64) if plain.is_floating_point() else plain).numpy()
    array = net.share(numbers, bounds=None if plain.dtype == torch.bool else bounds, frac_bits=frac_bits)
    made = secret_tensor(
        array, torch.empty_strided(plain.shape, plain.stride(), dtype=plain.dtype, device="meta"), within
    )
    made.requires_grad_(value.requires_grad)
    return made


def _shared_module(net: Sharing, module: Any, bounds: Range | None, within: Range | None, frac_bits: int | None) -> Any:
    made = copy.deepcopy(module)
    _check_memory(module)
    done: dict[int, Any] = {}
    for one in made.modules():
        for places, parameter in ((one._parameters, True), (one._buffers, False)):
            for name, value in places.items():
                if value is None or not value.is_floating_point():
                    continue
                if id(value) not in done:
                    secret = _shared(net, value.detach(), bounds, within, frac_bits)
                    if parameter:
                        secret._cell.kept = bounds
                    kept = torch.nn.Parameter(secret, requires_grad=value.requires_grad) if parameter else secret
                    done[id(value)] = kept, value  # held, so that no other gets its id
                places[name] = done[id(value)][0]
        if isinstance(one, torch.nn.RNNBase):
            one._flat_weights = [getattr(one, name) for name in one._flat_weights_names]
    return made


def _check_memory(module: torch.nn.Module) -> None:
    """PlanError for two parameters in the same memory: torch trains them as one, and secrets have no memory."""
    spans = sorted(
        (one.data_ptr(), one.data_ptr() + one.itemsize * (1 + _last(one)), name)
        for name, one in module.named_parameters()
        if one.numel() and not isinstance(one, SecretTensor)
    )
    for (_, end, name), (start, _, other) in itertools.pairwise(spans):
        if start < end:
            raise PlanError(
                f"the parameters {name} and {other} are in the same memory, and would become two",
                hint="give both modules the same parameter, or each its own",
            )


def _last(x: torch.Tensor) -> int:
    return sum((n - 1) * stride for n, stride in zip(x.shape, x.stride(), strict=True))


def wrap(array: SecretArray, *, within: Range | None = None) -> SecretTensor:
    """A secret array as a torch tensor: of float32, int64 or bool by its kind; `within` as of `share`. Costs nothing.
    TypeError for anything else."""
    if type(array) is not SecretArray:
        raise TypeError(f"wrap takes a secret array of numbers or bools, not {type(array).__name__}")
    name = array.dtype.name
    dtype = torch.bool if name == "bool" else torch.int64 if name.startswith("int") else torch.float32
    return secret_tensor(array, torch.empty(array.shape, dtype=dtype, device="meta"), within)


def flush(*things: Any, checked: bool | None = None) -> None:
    """Run what is recorded for modules, optimisers and secret tensors, and keep it as shares, in one plan.

    Without it the plan of a training loop grows with every step. Parameters keep the bounds with which they were
    shared: that they do is vouched for, as by `tercet.assume`. Gradients of parameters that changed since the last
    flush are dropped (`p.grad` is None), those of others are kept, too, as are the tensors that views are of. Costs
    what was recorded and some 80 bits for each number that is kept. TypeError for other things; PlanError for masked
    places of minus infinity; InputError for bounds that do not hold in a checked run.
    """
    tensors = [one for thing in things for one in _tensors(thing)]
    if any(HIDDEN in one._cell.facts for one in tensors):
        raise hidden_elsewhere()
    cells: dict[int, TensorCell] = {id(one._cell.whole): one._cell.whole for one in tensors}
    secret = [cell for cell in cells.values() if isinstance(cell.value, SecretArray)]
    if not secret:
        return
    wanted = [held_within(cell.value, cell.kept or cell.within) for cell in secret]
    for cell, array in zip(secret, persist(*wanted, checked=checked), strict=True):
        cell.settle(array)


def _tensors(thing: Any) -> Iterator[SecretTensor]:
    if isinstance(thing, SecretTensor):
        yield thing
    elif isinstance(thing, torch.nn.Module):
        for parameter in thing.parameters():
            if isinstance(parameter, SecretTensor) and not parameter._cell.is_settled():
                parameter.grad = None
            elif isinstance(parameter.grad, SecretTensor):  # of a step that is still to come
                yield parameter.grad
        yield from (one for one in (*thing.parameters(), *thing.buffers()) if isinstance(one, SecretTensor))
    elif isinstance(thing, torch.optim.Optimizer):
        for state in thing.state.values():
            yield from (value for value in state.values() if isinstance(value, SecretTensor))
    else:
        raise TypeError(f"flush takes modules, optimisers and secret tensors, not {type(thing).__name__}")
