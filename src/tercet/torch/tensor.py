"""SecretTensor: a tensor to torch's autograd, modules and optimisers, that holds a secret array in place of memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils._mode_utils import no_dispatch
from torch.utils._pytree import tree_map

from tercet.array import SecretArray, explain, reveal
from tercet.plan.record.explain import Explanation
from tercet.torch.cells import HIDDEN, Held, OfCells, Range, Rule, TensorCell, WithFacts, held_within, value_of
from tercet.torch.kinds import as_kind
from tercet.torch.refusals import check_loading, check_optimiser, hidden_elsewhere, no_rule, turns_plain, where
from tercet.torch.table import RULES
from tercet.torch.table_moves import by_strides

_INSTEAD = "tc.reveal(x) makes it plain, for everybody in the session to see"
_CHOOSE = f"choose with torch.where(condition, a, b); {_INSTEAD}"
_SAME = ("aten::detach", "aten::alias")
"""Views of all elements as they are."""


def _refused(what: str, instead: str = _INSTEAD) -> Callable[..., Any]:
    return lambda x, *args, **kwargs: turns_plain(what, instead)


class SecretTensor(torch.Tensor):
    """A torch tensor whose numbers the parties of a session hold as shares.

    Made by `tercet.torch.share` and `wrap`, and by torch's operations on others; these record a plan, as those on
    secret arrays do, and nothing runs before something is revealed. `tc.reveal(x)` gives NumPy, `x.reveal()` torch.
    """

    _cell: TensorCell

    @staticmethod
    def __new__(cls, cell: TensorCell, like: Any) -> SecretTensor:
        made: SecretTensor = torch.Tensor._make_wrapper_subclass(
            cls, like.shape, strides=like.stride(), dtype=like.dtype, device="cpu", requires_grad=False
        )
        made._cell = cell
        return made

    def __init__(self, cell: TensorCell, like: Any) -> None:
        pass

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _lowered(func, args, kwargs or {})

    # ---- for Tercet ----

    def __tercet_array__(self) -> Held:
        """What `tc.reveal`, `tc.persist` and `tc.explain` take for it."""
        return self.array

    @property
    def array(self) -> Held:
        """The secret array; or a NumPy array, of zeros and ones that torch made beside secrets."""
        return _as_arrays(self)

    def reveal(self, *, checked: bool | None = None) -> torch.Tensor:
        """Run what is needed and make this tensor plain, of its dtype; as `tc.reveal`."""
        return torch.as_tensor(np.asarray(reveal(self, checked=checked))).to(self.dtype)

    def explain(self) -> Explanation:
        """What revealing this tensor costs and shows to whom; nothing runs."""
        return explain(self)

    def __repr__(self, *, tensor_contents: object = None) -> str:
        value = self._cell.value
        shape = ", ".join(map(str, self.shape))
        if not isinstance(value, SecretArray):
            return f"SecretTensor({shape}; public so far)"
        low, high = value.bounds
        said = "bool" if value.dtype.name == "bool" else f"{value.dtype.name}, bounds {low:g} to {high:g}"
        return f"SecretTensor({shape}; {said})"

    # ---- what it does not do ----

    __bool__ = _refused("has no truth value here", _CHOOSE)
    __float__ = _refused("is no float here")
    __int__ = _refused("is no int here")
    __complex__ = _refused("is no complex number here")
    __index__ = _refused("is no index")
    __array__ = _refused("does not turn into a NumPy array by itself")
    __contains__ = _refused("answers no membership question here", _CHOOSE)
    __reduce_ex__ = _refused("is not pickled or saved", "keep its array in the session")
    __dlpack__ = _refused("has no memory that can be exported")
    share_memory_ = _refused("has no memory that processes could share", "keep its array in the session")
    item = _refused("has no number here")
    tolist = _refused("becomes no list here")
    numpy = _refused("does not turn into a NumPy array by itself")

    def is_shared(self) -> bool:
        """False: there is no memory."""
        return False

    def __format__(self, spec: str) -> str:
        return repr(self)

    @property
    def data(self) -> Any:
        """The same tensor to torch, without autograd. What is assigned is secret, too: TypeError if it is not."""
        return torch.Tensor.data.__get__(self)

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, SecretTensor):
            raise TypeError(f"a plain tensor is no data of a secret one{where()}; share it, or write x.copy_(value)")
        torch.Tensor.data.__set__(self, value)  # shape, strides and dtype
        value._cell.inherit(self._cell)
        self._cell = value._cell

    def __deepcopy__(self, memo: Any) -> SecretTensor:
        # never changed in place, the array is as good as its copy
        made = SecretTensor(self._cell.twin(), self)
        if isinstance(self, torch.nn.Parameter):
            made = torch.nn.Parameter(made, self.requires_grad)
        elif self.requires_grad and self.is_leaf:
            made.requires_grad_()
        memo[id(self)] = made
        if self.is_leaf and self.grad is not None:
            made.grad = copy.deepcopy(self.grad, memo)
        return made


def secret_tensor(value: Held, like: Any, within: Range | None = None) -> SecretTensor:
    """An array as a secret tensor of another's shape, strides and dtype."""
    return SecretTensor(TensorCell(held_within(value, within), within), like)


# ---- one operation of torch ----


def _lowered(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What an operation gives, by its rule in the table, or by those of the operations that torch makes it of."""
    schema = func._schema
    name = schema.name
    written = [at for at, one in enumerate(schema.arguments) if one.alias_info is not None and one.alias_info.is_write]
    if written:
        check_optimiser()
        if name == "aten::copy_" and not isinstance(args[1], SecretTensor):
            check_loading()
        if written != [0] or not name.endswith("_") or not isinstance(args[0], SecretTensor):
            return _written_elsewhere(func, name, args, kwargs, written)
    rule = RULES.get(name.removeprefix("aten::"))
    if rule is None and written:
        rule = RULES.get(name.removeprefix("aten::")[:-1])
    if name == "aten::as_strided":
        rule = _by_strides(args[0])
    if rule is None:
        return _decomposed(func, name, args, kwargs)
    if name in _SAME:
        return SecretTensor(args[0]._cell, args[0])
    result = _applied(rule, args, kwargs)
    if name == "aten::_local_scalar_dense":
        return result
    if written and torch.Tag.inplace_view in func.tags and name != "aten::detach_":
        return _reshaped_in_place(func, rule, args, kwargs)
    if written:
        noted = result if isinstance(result, WithFacts) else WithFacts(result)
        if HIDDEN in noted.facts:
            raise hidden_elsewhere()
        value = as_kind(noted.value, args[0].dtype, "writing")
        if tuple(value.shape) != tuple(args[0].shape):
            raise ValueError(
                f"{name} would write numbers of shape {tuple(value.shape)} into a tensor of shape "
                f"{tuple(args[0].shape)}{where()}; write y = y + x, or the like"
            )
        args[0]._cell.write(held_within(value, _narrowest(args, kwargs, args[0].dtype)), noted.facts)
        return args[0]
    views = any(one.alias_info is not None for one in schema.returns) and isinstance(args[0], SecretTensor)
    return _wrapped(func, args, kwargs, result, partial(_applied, rule) if views else None)


def _by_strides(x: SecretTensor) -> Rule:
    """The rule of `as_strided`, which counts in memory and not along axes. PlanError for a view of a part."""
    if x._cell.is_part():
        raise no_rule("aten::as_strided of a part of another tensor", "clone it before, or write it with slices")
    return partial(by_strides, tuple(x.stride()))


def _reshaped_in_place(func: Any, rule: Rule, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """`squeeze_` and its like: the tensor becomes a view of what it was."""
    cell = _as_whole_cells(args[0])

    def move(base: Held) -> Held:
        return _applied(rule, [base, *args[1:]], kwargs)

    value = move(cell.value)
    with no_dispatch():  # torch's own kernel changes the shape and strides that the tensor says it has
        func(*args, **kwargs)
    if tuple(args[0].shape) != value.shape:
        raise no_rule(f"{func._schema.name} to this shape")
    args[0]._cell = cell.view(move, value)
    return args[0]


def _written_elsewhere(
    func: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], written: Sequence[int]
) -> Any:
    if isinstance(RULES.get(name.removeprefix("aten::")), OfCells):  # it writes what it has to
        return _wrapped(func, args, kwargs, _applied(RULES[name.removeprefix("aten::")], args, kwargs), None)
    target = args[0] if written == [0] and args else None
    if isinstance(target, torch.Tensor) and not isinstance(target, SecretTensor):
        raise TypeError(
            f"{name} would write secrets into a plain tensor{where()}; begin with one made from a secret, as "
            "torch.zeros_like(x), or write y = y + x"
        )
    raise no_rule(f"{name} with out=" if func._schema.is_mutable and "out" in kwargs else name)


def _applied(rule: Rule, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if not isinstance(rule, OfCells):
        return rule(*tree_map(_as_arrays, list(args)), **tree_map(_as_arrays, dict(kwargs)))
    given = _as_cells if rule.hidden else _as_whole_cells
    return rule.function(*tree_map(given, list(args)), **tree_map(given, dict(kwargs)))


def _as_cells(x: Any) -> Any:
    if isinstance(x, SecretTensor):
        return x._cell
    if not isinstance(x, torch.Tensor):
        return x
    plain = x.detach()
    return (plain.to(torch.float64) if plain.is_floating_point() else plain).numpy()


def _as_whole_cells(x: Any) -> Any:
    cell = _as_cells(x)
    if isinstance(cell, TensorCell) and HIDDEN in cell.facts:
        raise hidden_elsewhere()
    return cell


def _as_arrays(x: Any) -> Any:
    return value_of(_as_whole_cells(x))


def _narrowest(args: Any, kwargs: Any, dtype: torch.dtype) -> Range | None:
    """The bounds that results of these arguments are vouched to have: real numbers, and no places, counts or bools."""
    found: list[Range] = []
    if not dtype.is_floating_point:
        return None

    def note(x: Any) -> Any:
        if isinstance(x, SecretTensor) and x._cell.within is not None:
            found.append(x._cell.within)
        return x

    tree_map(note, (list(args), dict(kwargs)))
    return (max(low for low, _ in found), min(high for _, high in found)) if found else None


def _wrapped(func: Any, args: Any, kwargs: Any, result: Any, again: Callable[[Any, Any], Any] | None) -> Any:
    """Results as tensors, of the shapes, strides and dtypes that torch gives them; `again` for views."""
    likes = _likes(func, args, kwargs)

    def one(value: Any, like: Any, at: int | None) -> Any:
        if value is None:
            return None
        noted = value if isinstance(value, WithFacts) else WithFacts(value)
        plain = noted.value if isinstance(noted.value, SecretArray) else np.asarray(noted.value)
        like = _like(plain) if like is None else like
        if tuple(like.shape) != plain.shape:
            raise no_rule(f"{func._schema.name} of these shapes")
        if again is None:
            within = _narrowest(args, kwargs, like.dtype) if isinstance(plain, SecretArray) else None
            held = held_within(as_kind(plain, like.dtype, f"{func._schema.name} of"), within)
            return SecretTensor(TensorCell(held, within, noted.facts), like)

        def move(base: Held) -> Held:
            found = again([base, *args[1:]], kwargs)
            return found if at is None else found[at]

        return SecretTensor(args[0]._cell.view(move, plain), like)

    if isinstance(result, tuple | list):
        each = likes if isinstance(likes, tuple | list) else [None] * len(result)
        found = [one(value, like, at) for at, (value, like) in enumerate(zip(result, each, strict=True))]
        return found if isinstance(result, list) else tuple(found)
    return one(result, likes, None)


def _likes(func: Any, args: Any, kwargs: Any) -> Any:
    """What torch gives for tensors without numbers; None where it needs numbers."""

    def meta(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
        return x

    try:
        return func(*tree_map(meta, list(args)), **{**tree_map(meta, dict(kwargs))})
    except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
        return None


def _like(value: Held) -> Any:
    kind = value.dtype.name if isinstance(value, SecretArray) else str(value.dtype)
    dtype = torch.bool if kind == "bool" else torch.int64 if kind.startswith("int") else torch.float32
    return torch.empty(value.shape, dtype=dtype, device="meta")


def _decomposed(func: Any, name: str, args: Any, kwargs: Any) -> Any:
    """An operation without rule, of those that torch itself makes it of. PlanError if it makes it of none."""
    found = func.decompose(*args, **kwargs)
    if found is not NotImplemented:
        return found
    from torch._decomp import decomposition_table  # it loads SymPy and more: only who needs it waits

    if func not in decomposition_table:
        raise no_rule(name)
    found = decomposition_table[func](*args, **kwargs)
    if found is NotImplemented:
        raise no_rule(name)
    return found
