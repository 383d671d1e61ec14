"""Is this person enrolled? Iris codes by masked Hamming distance, embeddings by cosine; templates nobody holds."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace, plain_or_secret
from tercet.learn.model import SecretModel

IRIS_SHAPE = (16, 200, 4)
"""Rows, columns (angles) and bits of an iris code: 12,800 bits."""
_FINEST = 1000
"""The largest denominator of a threshold."""


def iris_code(bits: ArrayLike, mask: ArrayLike) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Plain bits and mask (true where the iris was seen), of one shape, as an owner shares them: (code, mask).

    The code is 1 for a bit 0, -1 for a bit 1 and 0 where nothing was seen; the mask is 1 or 0. Raises InputError for
    shapes that differ.
    """
    seen, found = np.asarray(mask, dtype=bool), np.asarray(bits, dtype=bool)
    if seen.shape != found.shape:
        raise InputError(f"bits have shape {found.shape} and the mask {seen.shape}", hint="pass a mask for each bit")
    return np.where(seen, 1 - 2 * found.astype(np.int8), 0).astype(np.int8), seen.astype(np.int8)


def rotations(template: ArrayLike, most: int = 15, shape: tuple[int, int, int] = IRIS_SHAPE) -> NDArray[Any]:
    """(2 most + 1, bits): a plain code or mask (bits,), turned by -most to most columns, for eyes that are tilted.

    Bits stand in rows, then columns, then bits of a place, as many as `shape` says. Raises InputError for others.
    """
    found = np.asarray(template)
    if found.shape != (int(np.prod(shape)),):
        raise InputError(f"a template of shape {found.shape} has no {shape[0]} x {shape[1]} places of {shape[2]} bits")
    if not 0 <= 2 * most < shape[1]:
        raise InputError(f"{most} columns each way, of {shape[1]}", hint="turn by less than a half")
    grid = found.reshape(shape)
    return np.stack([np.roll(grid, turn, axis=1).reshape(-1) for turn in range(-most, most + 1)])


def unit_vectors(embeddings: ArrayLike, frac_bits: int = 10) -> NDArray[np.int16]:
    """Plain embeddings (n, d), or one (d,), scaled to length 1 and rounded to multiples of 2^-frac_bits, as the
    integers that an owner shares.

    A cosine of two of them is off by s (1 + s / 4) at most, with s = 2^-frac_bits sqrt(d), as a rule by half of
    2^-frac_bits. Raises InputError for a vector of length 0 and for 14 bits or more.
    """
    found = np.asarray(embeddings, dtype=np.float64)
    if not 1 <= frac_bits < 14:
        raise InputError(f"frac_bits={frac_bits}", hint="pass 1 to 13")
    length = np.linalg.norm(found, axis=-1, keepdims=True)
    if not np.isfinite(found).all() or not length.all():
        raise InputError("an embedding has no direction: its length is 0, or it holds what is no number")
    scaled: NDArray[np.int16] = np.rint(found / length * 2**frac_bits).astype(np.int16)
    return scaled


class IrisGallery(SecretModel):
    """Iris codes that are enrolled, and whether a probe is one of them: of secret or NumPy arrays.

    Two codes match if fewer than `threshold` of the bits that both masks let through differ; a pair without any such
    bit does not. The threshold, from 0 to 0.5, is taken as the nearest fraction with a denominator up to 1,000. A probe
    whose mask lets less than `least` of its bits through matches nobody, and what its code says where its mask is 0
    does not count: else a probe of one bit would read that bit of a template. `fit(codes, masks)` keeps templates
    (n, bits) as `iris_code` makes them, shared with bounds (-1, 1) and (0, 1); `save` keeps them at the parties, where
    no one holds them. Exact. Nothing is revealed but what you reveal of `enrolled`, one bit, or of `matches`, one bit a
    person.
    """

    fitted: ClassVar[tuple[str, ...]] = ("codes_", "masks_")

    def __init__(self, threshold: float = 0.32, least: float = 0.5) -> None:
        self.threshold = threshold
        self.least = least

    def fit(self, codes: Any, masks: Any) -> IrisGallery:
        """Keep templates and masks, (n, bits) each. Raises InputError for what does not fit."""
        self._factors()
        self.codes_, self.masks_ = _templates(codes, masks, None)
        return self

    def near(self, codes: Any, masks: Any) -> Any:
        """(n, r): whether an enrolled template and one of r probes (r, bits), as of `rotations`, match.

        Two matrix products and a comparison of each result: for 12,800 bits about 195 bits a party and pair, beside a
        word for each bit of the probes. Three rounds and those of two comparisons. Raises InputError for shapes and
        bounds that do not fit.
        """
        self.check_fitted()
        of_dot, of_seen = self._factors()
        bits = self.codes_.shape[1]
        codes, masks = _templates(codes, masks, bits)
        own, xp = array_namespace(masks), array_namespace(self.codes_, codes)
        hidden = (own.sum(masks, axis=1) < math.ceil(Fraction(self.least) * bits)) * 1
        dot = xp.matmul(self.codes_, xp.matrix_transpose(codes * masks))
        seen = xp.matmul(self.masks_, xp.matrix_transpose(masks))
        # of `seen` bits (seen - dot) / 2 differ, which is to be below threshold * seen; dots are `bits` at most
        return dot * of_dot > seen * of_seen + hidden * (of_dot * bits)

    def matches(self, codes: Any, masks: Any) -> Any:
        """(n,): whether an enrolled template matches any of r probes (r, bits); as `near`."""
        near = self.near(codes, masks)
        return array_namespace(near).any(near, axis=1)

    def enrolled(self, codes: Any, masks: Any) -> Any:
        """One bool: whether any enrolled template matches any of r probes (r, bits); log2(n r) rounds after `near`."""
        near = self.near(codes, masks)
        return array_namespace(near).any(near)

    def _factors(self) -> tuple[int, int]:
        """Integers p and q with 1 - 2 threshold = q / p."""
        threshold = self.threshold
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 0.5:
            raise InputError(f"threshold={threshold!r}", hint="pass the part of bits that may differ, from 0 to 0.5")
        least = self.least
        if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= 1:
            raise InputError(f"least={least!r}", hint="pass the part of its bits that a probe has to show, from 0 to 1")
        kept = 1 - 2 * Fraction(threshold).limit_denominator(_FINEST)
        return kept.denominator, kept.numerator


class FaceGallery(SecretModel):
    """Embeddings that are enrolled, such as of faces, and whether a probe is one of them: of secret or NumPy arrays.

    Two vectors match if the cosine of their angle is at least `threshold`. `fit(vectors)` keeps vectors (n, d) as
    `unit_vectors` makes them, of the same `frac_bits`, shared with bounds of (-2^frac_bits, 2^frac_bits). Exact for
    these. A probe that is longer than any that `unit_vectors` makes matches nobody. Nothing is revealed but what you
    reveal of `enrolled`, one bit, or of `matches`, one bit a person.
    """

    fitted: ClassVar[tuple[str, ...]] = ("vectors_",)

    def __init__(self, threshold: float = 0.4, frac_bits: int = 10) -> None:
        self.threshold = threshold
        self.frac_bits = frac_bits

    def fit(self, vectors: Any) -> FaceGallery:
        """Keep vectors (n, d). Raises InputError for shapes, bounds and thresholds that do not fit."""
        threshold = self.threshold
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not -1 <= threshold <= 1:
            raise InputError(f"threshold={threshold!r}", hint="pass a cosine, from -1 to 1")
        self.vectors_ = self._checked(vectors, None)
        return self

    def near(self, vectors: Any) -> Any:
        """(n, r): whether an enrolled vector and one of r probes (r, d) match; a matrix product and comparisons."""
        self.check_fitted()
        d, unit = self.vectors_.shape[1], 2**self.frac_bits
        vectors = self._checked(vectors, d)
        own, xp = array_namespace(vectors), array_namespace(self.vectors_, vectors)
        least = math.ceil(Fraction(self.threshold) * unit**2)
        # roundings move a vector by half of sqrt(d) at most; dots of any two are d unit^2 at most
        longest = unit**2 + math.isqrt(d * unit**2) + d // 4 + 1
        long = (own.sum(vectors * vectors, axis=1) > longest) * 1
        return xp.matmul(self.vectors_, xp.matrix_transpose(vectors)) >= long * (d * unit**2 + 1 - least) + least

    def matches(self, vectors: Any) -> Any:
        """(n,): whether an enrolled vector matches any of r probes (r, d)."""
        near = self.near(vectors)
        return array_namespace(near).any(near, axis=1)

    def enrolled(self, vectors: Any) -> Any:
        """One bool: whether any enrolled vector matches any of r probes (r, d)."""
        near = self.near(vectors)
        return array_namespace(near).any(near)

    def _checked(self, vectors: Any, length: int | None) -> Any:
        top = 2**self.frac_bits
        return _integers(vectors, "vectors", length, -top, top, f"tercet.biometrics.unit_vectors(x, {self.frac_bits})")


def _templates(codes: Any, masks: Any, bits: int | None) -> tuple[Any, Any]:
    codes = _integers(codes, "codes", bits, -1, 1, "tercet.biometrics.iris_code")
    masks = _integers(masks, "masks", bits, 0, 1, "tercet.biometrics.iris_code")
    if codes.shape != masks.shape:
        raise InputError(f"codes have shape {codes.shape} and masks {masks.shape}", hint="pass a mask for each code")
    return codes, masks


def _integers(values: Any, what: str, length: int | None, lo: int, hi: int, maker: str) -> Any:
    """Secret or plain integers (n, length) within bounds."""
    found = plain_or_secret(values, what)
    if found.ndim != 2 or 0 in found.shape or (length is not None and found.shape[1] != length):
        wanted = "bits" if length is None else length
        raise InputError(f"{what} have shape {found.shape}", hint=f"pass (n, {wanted}); of one template, x[None]")
    if isinstance(found, SecretArray):
        whole, (least, most) = not found.frac_bits, found.bounds
    else:
        # sums of many outgrow the small types that templates come in
        whole, least, most = found.dtype.kind in "biu", found.min(), found.max()
        found = found.astype(np.int64)
    if not whole or least < lo or most > hi:
        raise InputError(
            f"{what} are no integers from {lo} to {hi}: they lie in [{least}, {most}]",
            hint=f"make them with {maker}, and share them with bounds=({lo}, {hi})",
        )
    return found
