"""Homomorphic encryption: one server computes on ciphertexts, one key holder opens the result.

CKKS by TenSEAL, with parameters of 128 bits by the tables of HomomorphicEncryption.org (2018), and Paillier by phe with
moduli of 3072 bits (128 bits by NIST SP 800-57). Both in one process: the bytes are those of what is serialised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compared.questions import LIMIT, MOST, Answer, Data, sigmoid, solved, timed

SHALLOW = (8192, [60, 40, 60], 40)
"""Degree of the polynomials, bits of the moduli, bits of the scale: for one product."""
DEEP = (16384, [60, *[35] * 9, 60], 35)
"""For nine products one after another."""
SIGMOID_RANGE = 8
SIGMOID = np.polynomial.Chebyshev.interpolate(sigmoid, 7, [-SIGMOID_RANGE, SIGMOID_RANGE])
SIGN = (
    [0, 4589 / 1024, 0, -16577 / 1024, 0, 25614 / 1024, 0, -12860 / 1024],
    [0, 4589 / 1024, 0, -16577 / 1024, 0, 25614 / 1024, 0, -12860 / 1024],
    [0, 35 / 16, 0, -35 / 16, 0, 21 / 16, 0, -5 / 16],
)
"""Polynomials which one after another come near the sign of -1 to 1 (Cheon, Kim and Kim, 2020): g, g and f of n = 3."""
PAILLIER_BITS = 3072
PACKED_BITS = 48
"""Of each number in a plaintext of Paillier's: a row of numbers is one ciphertext."""
FRAC_BITS = 24


@dataclass
class Scheme:
    """A context of TenSEAL with its secret key, and what its public keys cost."""

    context: Any
    key_s: float
    key_bytes: int
    slots: int

    @staticmethod
    def make(degree: int, moduli: Sequence[int], scale: int) -> Scheme:
        import tenseal

        def keys() -> Any:
            context = tenseal.context(
                tenseal.SCHEME_TYPE.CKKS, poly_modulus_degree=degree, coeff_mod_bit_sizes=list(moduli)
            )
            context.global_scale = 2.0**scale
            context.generate_galois_keys()
            return context

        key_s, context = timed(keys)
        return Scheme(context, key_s, len(context.serialize(save_secret_key=False)), degree // 2)

    def encrypted(self, columns: np.ndarray[Any, Any]) -> list[list[Any]]:
        """A list of ciphertexts for each column of a matrix, filled up with zeros, which add nothing to sums here."""
        import tenseal

        filled = np.pad(columns, ((0, -len(columns) % self.slots), (0, 0)))
        parts = range(0, len(filled), self.slots)
        return [
            [tenseal.ckks_vector(self.context, column[at : at + self.slots]) for at in parts] for column in filled.T
        ]


def size(ciphertexts: Sequence[Sequence[Any]]) -> int:
    return sum(len(one.serialize()) for column in ciphertexts for one in column)


def summed(parts: Sequence[Any]) -> Any:
    """The sum of all values of several ciphertexts, as one value."""
    first, *others = [part.sum() for part in parts]
    for other in others:
        first = first + other
    return first


def by_ckks(data: Data, deep: bool = True) -> dict[str, Answer]:
    """All questions, or those that need one product at most, whose keys are made in a moment."""
    a, b = data.pair
    z = np.column_stack([np.ones(data.rows), data.x, data.y])
    scheme = Scheme.make(*SHALLOW)
    answers = {
        "mean": answered(data, "mean", scheme, [data.x], mean),
        "moments": answered(data, "moments", scheme, [z], by_sums),
    }
    if deep:
        scheme = Scheme.make(*DEEP)
        weights = np.repeat(data.weights[None], scheme.slots, axis=0)
        labelled = np.column_stack([data.label, data.x])
        answers["step"] = answered(data, "step", scheme, [labelled, weights], step)
        answers["comparison"] = answered(data, "comparison", scheme, [np.column_stack([a, b]) / MOST], comparison)
    return answers


def answered(data: Data, name: str, scheme: Scheme, matrices: list[np.ndarray[Any, Any]], ask: Any) -> Answer:
    """`ask` gives the ciphertexts that the key holder gets, and what they make of the opened numbers."""
    bring_s, secret = timed(lambda: [column for matrix in matrices for column in scheme.encrypted(matrix)])

    def answer() -> tuple[list[Any], Any]:
        sent, made = ask(data, secret)
        return sent, made([one.decrypt()[0] for one in sent])

    answer_s, (sent, found) = timed(answer)
    return Answer(
        bring_s,
        size(secret),
        answer_s,
        size([sent]),
        data.error(name, found),
        key_s=scheme.key_s,
        key_bytes=scheme.key_bytes,
    )


def mean(data: Data, columns: list[list[Any]]) -> tuple[list[Any], Any]:
    return [summed(column) for column in columns], lambda opened: np.array(opened) / data.rows


def by_sums(data: Data, columns: list[list[Any]]) -> tuple[list[Any], Any]:
    """The key holder learns all sums of products, and solves in plain: there is no division."""
    upper = np.triu_indices(len(columns))
    sent = []
    for i, j in zip(*upper, strict=True):
        products = [left * right for left, right in zip(columns[i], columns[j], strict=True)]
        sent.append(summed(products))

    def made(opened: list[float]) -> Any:
        sums = np.zeros((len(columns), len(columns)))
        sums[upper] = opened
        return solved(sums + np.triu(sums, 1).T)

    return sent, made


def step(data: Data, columns: list[list[Any]]) -> tuple[list[Any], Any]:
    """With a polynomial in place of the sigmoid. The key holder subtracts the slope from the weights."""
    label, *rest = columns
    x, weights = rest[: data.columns], rest[data.columns :]
    polynomial = SIGMOID.convert(kind=np.polynomial.Polynomial).coef.tolist()
    slopes: list[list[Any]] = [[] for _ in x]
    for part in range(len(label)):
        products = [column[part] * weight[0] for column, weight in zip(x, weights, strict=True)]
        score = products[0]
        for product in products[1:]:
            score = score + product
        residual = score.polyval(polynomial) - label[part]
        for slope, column in zip(slopes, x, strict=True):
            slope.append(column[part] * residual)
    return [summed(slope) for slope in slopes], lambda opened: data.weights - np.array(opened) / data.rows


def comparison(data: Data, columns: list[list[Any]]) -> tuple[list[Any], Any]:
    """Signs by polynomials, near 0 and 1 only where a and b are far enough apart."""
    parts = []
    for a, b in zip(*columns, strict=True):
        sign = b - a
        for polynomial in SIGN:
            sign = sign.polyval(polynomial)
        parts.append(sign)
    return [summed(parts)], lambda opened: (data.rows + opened[0]) / 2


def undecided(data: Data) -> dict[str, float]:
    """How many pairs the polynomials for signs, without encryption, leave off 0 and 1 by more than a tenth, and the
    largest difference of such a pair as a part of the range."""
    a, b = data.pair
    difference = (b - a) / MOST
    sign = difference
    for polynomial in SIGN:
        sign = np.polynomial.Polynomial(polynomial)(sign)
    off = np.abs((sign - np.sign(difference)) / 2) > 0.1
    return {"pairs": int(off.sum()), "within": float(np.abs(difference[off]).max(initial=0))}


def by_paillier(data: Data, part: int, bits: int = PAILLIER_BITS) -> dict[str, Answer]:
    """The mean of `part` rows, each one ciphertext. Paillier adds ciphertexts and multiplies none."""
    from phe import generate_paillier_keypair

    key_s, (public, private) = timed(lambda: generate_paillier_keypair(n_length=bits))
    rows = data.x[:part]
    scaled = np.rint((rows + LIMIT) * 2**FRAC_BITS).astype(np.int64)

    def packed(row: np.ndarray[Any, Any]) -> int:
        return sum(int(value) << PACKED_BITS * at for at, value in enumerate(row))

    bring_s, secret = timed(lambda: [public.raw_encrypt(packed(row)) for row in scaled])

    def added() -> int:
        total = 1
        for one in secret:
            total = total * one % public.nsquare
        return total

    def opened() -> Any:
        numbers = private.raw_decrypt(total)
        fields = [numbers >> PACKED_BITS * at & ((1 << PACKED_BITS) - 1) for at in range(data.columns)]
        return np.array(fields) / 2**FRAC_BITS / part - LIMIT

    add_s, total = timed(added)
    open_s, found = timed(opened)
    error = float(np.max(np.abs(found - rows.mean(axis=0))))
    times, each = data.rows / part, 2 * bits // 8
    answer_s = add_s * times + open_s
    return {"mean": Answer(bring_s * times, data.rows * each, answer_s, each, error, key_s, bits // 8, part=part)}
