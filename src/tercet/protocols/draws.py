"""Random values that nobody knows: uniform bits and integers, from the streams of the job (docs/security/draws.md).

Each component of a sharing is known to two parties, and each two parties have a stream that the third lacks: three
draws are a sharing of a uniform value, without a message.
"""

from __future__ import annotations

from tercet.protocols.bit_sums import BitSum, bit_sums, bit_sums_cost
from tercet.protocols.cost import NOTHING, Cost
from tercet.protocols.scope import Body, Scope
from tercet.ring import Ring, as_bits, word_count
from tercet.sharing import BitShare, Purpose, Share


def random_bits(scope: Scope, count: int, lead: tuple[int, ...] = ()) -> BitShare:
    """`count` uniform bits for each place of the leading axes, independent of each other and of all else.

    Run by all three parties; no message. Exact: each component is uniform, and so is the value given any two of them.
    Semi-honest, one corruption, as far as AES in counter mode is uniform. Source: protocols page §1.3 (PRSS, Cramer,
    Damgard, Ishai, TCC 2005).
    """
    step = scope.step("random bits")
    shape = (*lead, word_count(count))
    nbytes = 8 * word_count(count)
    for length in lead:
        nbytes *= length
    own, following = (
        as_bits(step.component_bytes(component, nbytes, Purpose.OUTPUT)).reshape(shape)
        for component in (scope.party, scope.party.next)
    )
    return BitShare(count, own, following)


def random_integers(scope: Scope, ring: Ring, count: int, bits: int) -> Body[Share]:
    """`count` uniform integers from 0 to 2^bits - 1, flat. Run by all three parties.

    Random bits, each times its power of two, as one sum of cross terms: two rounds, and 64 to 128 bits with some 22 for
    each bit. Exact. Semi-honest, one corruption, as `bit_sums`. `bits`: at least 1, and fewer than the ring has.
    """
    if not count:
        return Share.empty(ring, (0,))
    (found,) = yield from bit_sums(scope, ring, random_bits(scope, count, (bits,)), [_weights(bits)])
    return found


def random_integers_cost(ring: Ring, count: int, bits: int) -> Cost:
    """Of `random_integers`, exact."""
    return bit_sums_cost(ring, count, [_weights(bits)]) if count else NOTHING


def _weights(bits: int) -> BitSum:
    return 0, [1 << place for place in range(bits)]
