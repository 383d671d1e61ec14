"""What a secret array does not do, and what to do instead."""

from __future__ import annotations

from decimal import Decimal
from numbers import Number
from typing import Any, NoReturn

from numpy.typing import NDArray


class Refusals:
    """The part of `SecretArray` that says no: TypeError with the way that leads on."""

    __slots__ = ()

    def _refuse(self, what: str, instead: str) -> NoReturn:
        raise TypeError(f"a secret array {what}; {instead}")

    def _beside(self, other: Any, *, compared: bool) -> Any:
        """What is said of an operand that is no number here: TypeError, or NotImplemented, which asks the other side.

        == and != never ask on: without an answer, Python would compare identities, and one plain False would stand
        for every element. None alone is nothing, as everywhere in Python.
        """
        if isinstance(other, Number | Decimal):
            self._refuse(f"takes no {type(other).__name__} beside it", "convert it with float()")
        if compared and other is not None:
            self._refuse(f"compares with numbers, not with {type(other).__name__}", "pass ints, floats or arrays")
        return NotImplemented

    def __bool__(self) -> bool:  # noqa: PLE0304
        self._refuse(
            "has no truth value here", "choose with tc.where(condition, a, b), combine with & | ~, or reveal() it first"
        )

    def __float__(self) -> float:
        self._refuse("is no float here", "reveal() it first")

    def __int__(self) -> int:
        self._refuse("is no int here", "reveal() it first")

    def __complex__(self) -> complex:
        self._refuse("is no complex number here", "reveal() it first")

    def __index__(self) -> int:  # noqa: PLE0305
        self._refuse("is no index", "indices are public: choose with tc.where, or reveal() it first")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        self._refuse(
            "does not turn into a NumPy array by itself",
            "reveal() it, or use the functions of its __array_namespace__(); beside a pandas table write "
            "table.to_numpy() @ x",
        )

    def __dlpack__(self, **kwargs: Any) -> NoReturn:
        self._refuse("has no memory that can be exported", "reveal() it first")

    def __dlpack_device__(self) -> NoReturn:
        self._refuse("has no memory that can be exported", "reveal() it first")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self._refuse("is not pickled", "persist() it in its session")

    def __format__(self, spec: str) -> str:
        if spec:
            self._refuse(f"has no digits that {spec!r} could format", "reveal() it first")
        return str(self)

    def __round__(self, digits: Any = None) -> NoReturn:
        self._refuse("is not rounded by round()", "use tercet.array.round, floor or ceil, or reveal() it first")

    def __contains__(self, value: object) -> bool:
        self._refuse("answers no membership question here", "use tercet.array.any(x == value)")

    def __setitem__(self, key: Any, value: Any) -> None:
        self._refuse(
            "is never changed in place", "build the new array: tc.where(public_mask, value, x), or concat of its parts"
        )
