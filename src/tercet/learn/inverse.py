"""The inverse of a secret matrix of moments or information: estimates, steps, errors and forms from one LDL'."""

from __future__ import annotations

from typing import Any, Protocol

from tercet.array import numeric
from tercet.learn.reasons import INVERSE
from tercet.learn.solve import RING_BITS, ROOT_BITS, ROOT_FRAC_BITS, WORKING_BITS, Normalised, diagonal, scaled, solve

DIAGONAL_BITS = 36
"""Diagonals are scaled as far as 2^-36 of the largest that there may be."""
HALF = DIAGONAL_BITS // 2
STEP_FRAC_BITS = 60
COARSE_FRAC_BITS = 30
FINE_FRAC_BITS = 58
"""Of what scaled inverses are multiplied by: scales may be as small as 2^-18."""
FORM_BITS = 22
"""Terms of a quadratic form are held below 2^22."""
FORM_FRAC_BITS = 36


class Inverted(Protocol):
    """What errors and cohorts ask of an inverse, however it came."""

    d: int
    aliased: Any

    def root_diagonal(self, xp: Any) -> Any: ...

    def along(self, xp: Any, direction: Any) -> Any: ...

    def whole(self, xp: Any, bits: int, frac_bits: int) -> Any: ...


class Inverse:
    """M^-1 for M = `matrix[:d, :d]`, positive semidefinite, entries in [-1, 1] at 48 fractional bits.

    With `scale`, M may have any diagonal: it is brought into [1/4, 1) by secret powers of two, elements below 2^-36
    counting as 2^-36. Columns of which 2^-24 of their own is left by those before them are aliased: zero in all that
    follows. What stands beyond d are other variables (an outcome): `coef` and `rest` are those of their regressions.
    """

    def __init__(self, xp: Any, matrix: Any, d: int, *, scale: bool = True) -> None:
        self.scale: Normalised | None = None
        if scale:
            whole = numeric.times_power(matrix, DIAGONAL_BITS, 0)
            self.scale = Normalised(numeric.at_precision(diagonal(xp, whole), 0))
            down, across = (xp.expand_dims(self.scale.factor, axis=axis) for axis in (1, 0))
            stored, finer = numeric.as_integers(whole)
            matrix = scaled(stored, down, across, self.scale.bits + finer)
        self.d = d
        self._solved = solve(xp, matrix[:, :], d, inverse=True)
        self.aliased = self._solved.aliased
        self.inverse = self._solved.inverse
        """That of the scaled matrix."""

    @property
    def _half(self) -> int:
        return 0 if self.scale is None else self.scale.bits // 2

    def coef(self, xp: Any) -> Any:
        """M^-1 times the moments with the first other variable: (d,), at 48 fractional bits, held below 2^12."""
        found = self._solved.solution[:, 0]
        if self.scale is None:
            return found
        d = self.d
        found = numeric.times_power(found * self.scale.factor[:d] * self.scale.complement[d], -self._half, 48)
        return numeric.held(found, -(1 << ROOT_BITS), 1 << ROOT_BITS, WORKING_BITS)

    def rest(self, xp: Any) -> Any:
        """What of the first other variable's square is left; not negative."""
        found = self._solved.rest[0, 0]
        if self.scale is not None:
            last = self.scale.complement[self.d]
            found = numeric.times_power(found * last * last, -DIAGONAL_BITS, 84)
        return xp.maximum(found, 0.0)

    def times(self, xp: Any, vector: Any) -> Any:
        """M^-1 g of a vector g within [-2, 2], with a relative error of 2^-30: a step."""
        inverse = numeric.at_precision(self.inverse, COARSE_FRAC_BITS)
        if self.scale is None:
            found = xp.matmul(inverse, numeric.at_precision(vector, FINE_FRAC_BITS))
            return numeric.at_precision(found, STEP_FRAC_BITS)
        factor = self.scale.factor[: self.d]
        weighed = numeric.times_power(vector * factor, -self._half, FINE_FRAC_BITS)
        found = xp.matmul(inverse, numeric.at_precision(weighed, FINE_FRAC_BITS))
        found = numeric.at_precision(found, FINE_FRAC_BITS + 6) * factor
        return numeric.times_power(found, DIAGONAL_BITS - self._half, STEP_FRAC_BITS)

    def root_diagonal(self, xp: Any) -> Any:
        """The roots of the diagonal of M^-1, at 44 fractional bits."""
        most = 1 << ROOT_FRAC_BITS + 2 * ROOT_BITS
        inside = numeric.bounded(diagonal(xp, self.inverse), 0, most, INVERSE)
        roots = numeric.bounded(xp.sqrt(inside), 0, 1 << ROOT_FRAC_BITS + ROOT_BITS, INVERSE)
        if self.scale is None:
            return roots
        roots = numeric.times_power(roots * self.scale.factor[: self.d], HALF - self._half, ROOT_FRAC_BITS)
        return numeric.at_precision(roots, ROOT_FRAC_BITS)

    def along(self, xp: Any, direction: Any, more: float = 0.0) -> Any:
        """The root of t' M^-1 t + `more` for t (d,) below 2^16, at 44 fractional bits."""
        finer = 0
        if self.scale is not None:
            finer = HALF
            direction = numeric.times_power(direction * self.scale.factor[: self.d], -self._half, FORM_FRAC_BITS + HALF)
        direction = numeric.at_precision(direction, FORM_FRAC_BITS + finer)
        root_bits = min(ROOT_FRAC_BITS, RING_BITS - FORM_FRAC_BITS - HALF - 17 - ROOT_BITS - self.d.bit_length())
        terms = xp.matmul(numeric.at_precision(self._solved.root, root_bits), direction)
        most = FORM_BITS - finer
        terms = numeric.held(terms, -(1 << most), 1 << most, FORM_FRAC_BITS + finer)
        form = numeric.times_power(xp.sum(terms * terms), 2 * finer, ROOT_FRAC_BITS)
        return numeric.at_precision(xp.sqrt(numeric.at_precision(form, ROOT_FRAC_BITS) + more), ROOT_FRAC_BITS)

    def whole(self, xp: Any, bits: int, frac_bits: int) -> Any:
        """M^-1, held below 2^bits."""
        found = self.inverse
        if self.scale is not None:
            across, down = (xp.expand_dims(self.scale.factor[: self.d], axis=axis) for axis in (0, 1))
            found = numeric.times_power(found * across * down, DIAGONAL_BITS - 2 * self._half, frac_bits)
        return numeric.held(found, -(1 << bits), 1 << bits, frac_bits)
