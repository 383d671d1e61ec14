"""Secret permutations as objects, and shuffles: who holds one holds an order that nobody has to know."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tercet.array import movement
from tercet.array.core import SecretArray, secret_array, session_of
from tercet.array.ordering import from_lines, key_planes, riding
from tercet.array.runner import Runner
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted
from tercet.plan.record.graph import Recorded
from tercet.plan.table.attributes import DrawnLines, DrawNumber, Undoing
from tercet.plan.types import MAX_ELEMENTS


class Permutation:
    """A secret permutation p of n places: p.apply(x) is what NumPy calls x[p]. Nobody sees p.

    Made by `argsort`, by a session's `permutation(n)`, by `invert` and `compose`, and in no other way: plans have a
    type for it that nodes check, so that no array of numbers can stand in its place. Like a secret array it is an
    expression until it is used; `persist` keeps it at the parties. What is opened in its use are shuffled places,
    uniform whatever p is (docs/security/shuffles.md). To a policy what it has moved is single rows.
    """

    __slots__ = ("_axis", "_node", "_session", "_shape", "_undone")
    __hash__ = None  # type: ignore[assignment]

    _node: Recorded
    _session: Runner
    _undone: bool
    _shape: tuple[int, ...] | None
    """Of a permutation of each line, the shape of the arrays that it moves, along `_axis`; None of one for all."""
    _axis: int

    def __init__(self) -> None:
        raise TypeError("a secret permutation is made by Permutation.argsort(keys) or session.permutation(n)")

    @classmethod
    def _new(
        cls,
        session: Runner,
        node: Recorded,
        undone: bool = False,
        shape: tuple[int, ...] | None = None,
        axis: int = 0,
    ) -> Permutation:
        # the node says where elements go, the inverse of p; or, undone, it is p
        made = object.__new__(cls)
        made._session, made._node, made._undone, made._shape, made._axis = session, node, undone, shape, axis
        return made

    def _like(self, node: Recorded, undone: bool) -> Permutation:
        return Permutation._new(self._session, node, undone, self._shape, self._axis)

    @classmethod
    def argsort(cls, keys: Any, *, axis: int = -1, descending: bool = False) -> Permutation:
        """The permutation that sorts a secret line of keys, or several of which the last counts first; stable. Of keys
        of several axes, that of each line along an axis: it then moves arrays of their shape.

        Costs as a sort without what rides along: about 8 w bits an element, party and digit of two or three bits, with
        w = log2(n + 1). Exact. TypeError for keys that are not secret, ValueError where shapes differ.
        """
        several = list(keys) if isinstance(keys, list | tuple) else [keys]
        if not several or not all(isinstance(key, SecretArray) for key in several):
            raise TypeError("argsort takes a secret line of keys, or a list of such lines")
        shape = several[0].shape
        if any(key.shape != shape for key in several) or not shape:
            raise ValueError(f"keys are lines of one length; the shapes are {[key.shape for key in several]}")
        session, place = session_of(*several), movement.normal_axis(axis, len(shape))
        planes = key_planes(several, descending, place)
        if planes is None:
            # all are alike: one bit that is set nowhere keeps their order
            planes = _no_bits(several[0]._ranked()[0], (math.prod(shape) // max(shape[place], 1), shape[place]))
        node = planes.graph.node("sort_order", (planes,))
        return cls._new(session, node, shape=shape if len(shape) > 1 else None, axis=place)

    @classmethod
    def drawn(cls, session: Runner, n: int) -> Permutation:
        """A uniform permutation, drawn anew by every job that uses it; `session.permutation(n)` draws one and keeps it.

        Two rounds, 4 w bits an element in all, with w = log2(n + 1). Exact: each is as likely.
        """
        if isinstance(n, bool | np.bool_) or not isinstance(n, int | np.integer) or not 0 <= n <= MAX_ELEMENTS:
            raise TypeError(f"a permutation has a public number of places, from 0 on, not {n!r}")
        graph = session.graph
        return cls._new(session, graph.node("draw_order", (), DrawnLines(1, int(n), graph.draw_number())))

    def __len__(self) -> int:
        return self._node.type.shape[1]

    def __repr__(self) -> str:
        lines = "" if self._shape is None else f"{self._node.type.shape[0]} lines of "
        return f"Permutation({lines}{len(self)} places, secret)"

    def __iter__(self) -> NoReturn:
        raise TypeError("a secret permutation has no items; its places as secret integers are p.indices()")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            said = ": its places are p.indices(), which reveal() shows" if name in ("reveal", "explain") else ""
            raise AttributeError(f"'Permutation' object has no attribute {name!r}{said}")

    def __index__(self) -> NoReturn:
        raise TypeError("a secret permutation is no index; what NumPy calls x[p] is p.apply(x)")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a secret permutation is no array; its places as secret integers are p.indices()")

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("secret permutations are not compared; compare their places, p.indices() == q.indices()")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret permutation is not pickled: persist() it in its session")

    def __copy__(self) -> Permutation:
        return self

    def __deepcopy__(self, memo: Any) -> Permutation:
        return self

    def apply(self, *arrays: SecretArray, axis: int | None = None) -> Any:
        """x[p] along an axis, the first one if none is given; of several secret arrays, which ride along in one pass, a
        tuple. A permutation of each line moves arrays of its shape, as numpy.take_along_axis does.

        Three rounds (of an inverse, five); 4 words in all for each element, and 7 w bits a place with w = log2(n + 1).
        Bounds are those of x. Exact. TypeError for arrays that are not secret, ValueError where lengths differ.
        """
        return self._applied(arrays, axis, Undoing(self._undone))

    def invert(self) -> Permutation:
        """The permutation that undoes it: p.invert().apply(p.apply(x)) is x. Free."""
        return self._like(self._node, not self._undone)

    def compose(self, then: Permutation) -> Permutation:
        """p and then another: p.compose(q).apply(x) is q.apply(p.apply(x)), x[p][q].

        Five rounds, 11 w bits a place in all; as many again in three rounds for each of the two that is an inverse.
        """
        if not isinstance(then, Permutation):
            raise TypeError(f"compose takes a secret permutation, not {type(then).__name__}")
        mine, other = (p._shape or (len(p),) for p in (self, then))
        if then._session is not self._session or mine != other or then._axis != self._axis:
            raise ValueError(f"permutations of one session, shape and axis are composed, not {mine} and {other}")
        nodes = (self._plain_node(), then._plain_node())
        return self._like(nodes[0].graph.node("compose_orders", nodes), False)

    def indices(self) -> SecretArray:
        """p as secret integers, as NumPy's argsort gives it; costs as `apply` of one array."""
        places = self._node.graph.node("order_places", (self._node,), Undoing(self._undone))
        shape = self._shape or (len(self),)
        return secret_array(self._session, from_lines(places, shape, self._axis))

    def persist(self) -> Permutation:
        """Compute it now and keep it at the parties, so that every later job uses the same; those drawn differ else."""
        (kept,) = self._session.run([Wanted(self._node, OutputKind.PERSIST)])
        return self._like(kept, self._undone)

    def _plain_node(self) -> Recorded:
        return self._node.graph.node("invert_order", (self._node,)) if self._undone else self._node

    def _applied(self, arrays: tuple[SecretArray, ...], axis: int | None, undoing: Undoing) -> Any:
        fronts, place = _fronts(arrays, 0 if axis is None else axis, "apply")
        if self._shape is not None:
            return self._applied_to_lines(arrays, axis, undoing)
        if any(x.shape[0] != len(self) for x in fronts):
            raise ValueError(f"a permutation of {len(self)} places, arrays of {[x.shape[0] for x in fronts]}")
        if session_of(*arrays) is not self._session:
            raise ValueError("the permutation and the arrays are of different sessions")
        if len(self) < 2:
            return arrays[0] if len(arrays) == 1 else arrays
        found = riding(fronts, lambda rows: rows.graph.node("move", (self._node, rows), undoing))
        return _backs(found, place)

    def _applied_to_lines(self, arrays: tuple[SecretArray, ...], axis: int | None, undoing: Undoing) -> Any:
        assert self._shape is not None
        own = axis is None or movement.normal_axis(axis, len(self._shape)) == self._axis
        if not own or any(x.shape != self._shape for x in arrays):
            raise ValueError(
                f"a permutation of each line moves arrays of its shape {self._shape} along axis {self._axis}, not "
                f"{[x.shape for x in arrays]}"
            )
        if session_of(*arrays) is not self._session:
            raise ValueError("the permutation and the arrays are of different sessions")
        found = riding(arrays, lambda rows: rows.graph.node("move", (self._node, rows), undoing), self._axis)
        return found[0] if len(found) == 1 else found


def shuffle(*arrays: SecretArray, axis: int = 0) -> Any:
    """Secret arrays in a common random order along an axis, each order as likely, that nobody knows: no party, no
    analyst. A new array, or a tuple of several that ride along in one pass.

    Two rounds, 4 words in all for each element. Exact; bounds are those of the arrays. Every job draws anew: `persist`
    what several jobs are to see in one order. To a policy the result is single rows. TypeError for arrays that are not
    secret (of public ones, use a session's `permutation`), ValueError where lengths differ.
    """
    fronts, place = _fronts(arrays, axis, "shuffle")
    session_of(*arrays)
    if fronts[0].shape[0] < 2:
        return arrays[0] if len(arrays) == 1 else arrays
    number = fronts[0].device.graph.draw_number()
    found = riding(fronts, lambda rows: rows.graph.node("shuffle", (rows,), DrawNumber(number)))
    return _backs(found, place)


def _fronts(arrays: tuple[SecretArray, ...], axis: int, what: str) -> tuple[tuple[SecretArray, ...], int]:
    """The arrays with the axis in front, and which it was."""
    if not arrays or not all(isinstance(x, SecretArray) for x in arrays):
        kinds = ", ".join(type(x).__name__ for x in arrays) or "nothing"
        raise TypeError(f"{what} takes secret arrays, not {kinds}; session.share(x, bounds=(lo, hi)) makes one")
    if any(not x.ndim for x in arrays):
        raise ValueError(f"{what} takes arrays of one axis at least")
    places = [movement.normal_axis(axis, x.ndim) for x in arrays]
    fronts = tuple(_turned(x, at, 0) for x, at in zip(arrays, places, strict=True))
    if len(set(places)) > 1 or len({x.shape[0] for x in fronts}) > 1:
        raise ValueError(f"{what} takes arrays of one length along one axis, not of {[x.shape for x in arrays]}")
    return fronts, places[0]


def _backs(found: tuple[SecretArray, ...], place: int) -> Any:
    turned = tuple(_turned(x, 0, place) for x in found)
    return turned[0] if len(turned) == 1 else turned


def _turned(x: SecretArray, source: int, target: int) -> SecretArray:
    order = [at for at in range(x.ndim) if at != source]
    order.insert(target, source)
    return x._moved(lambda a: movement.permute(a, order))


def _no_bits(key: SecretArray, lines: tuple[int, int]) -> Recorded:
    """One plane of secret bits, of lines and places, that are all False."""
    own = movement.reshape(key.undivided, (1, *lines))
    own = own if own.type.is_bool else own.graph.node("negative", (own,))
    return own.graph.node("xor", (own, own))
