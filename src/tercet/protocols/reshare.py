"""Fresh components for a stored value: a part stolen before and another stolen afterwards do not combine."""

from __future__ import annotations

from tercet.protocols.cost import Cost
from tercet.protocols.message import Planes, Words
from tercet.protocols.scope import Body, Scope
from tercet.ring import Ring, clear_beyond
from tercet.sharing import BitShare, Share


def reshare(scope: Scope, value: Share | BitShare) -> Body[Share | BitShare]:
    """The same value in fresh components. Run by all three parties, each with its part of a flat array.

    One round; each party sends one ring word (64 or 128 bits) a value, or one bit a bit in whole bytes. Exact.

    Party i holds (x_i, x_next(i)) and computes y_i = x_i + z_i, where (z_1, z_2, z_3) is a fresh sharing of zero from
    the pair streams of this job, as in the last step of a product; y_i goes to prev(i), so that (y_i, y_next(i)) is
    party i's part. Bits are XORed, and what lies beyond the last is cleared, so that both holders have equal words.

    Security: semi-honest, one corruption. Party i receives y_next = x_next + z_next, and z_next contains the stream of
    the third component, which it lacks: the message is uniform given all else that it has. Proactive: the z are
    uniform among the triples with sum zero, so the y are uniform among those with the sum of the x, whatever the x
    are. Somebody who had one party's part before and has another's after, with no access to any party in between,
    learns nothing: of the three differences z they know one, and the other two are uniform with a given sum. This needs
    fresh stream keys that nobody keeps, which each job has, and that the old parts are destroyed. A part stolen before
    and another stolen *before* still combine; nothing can help that.

    References: Cramer, Damgård, Ishai, TCC 2005 (sharing of zero); Herzberg et al., Crypto 1995 (proactive sharing);
    Araki et al., CCS 2016 (layout). One deviation, as corruption is semi-honest: no party proves that its z is right,
    and the two holders compare hashes of each new component before the old are given up.
    """
    if not value.own.size:
        return value
    step = scope.step("reshare")
    if isinstance(value, BitShare):
        planes = Planes((), value.count)
        mask = step.zero_bits(value.own.shape)
        mask ^= value.own
        fresh = clear_beyond(mask, value.count)
        received = yield step.reshare(planes, fresh)
        return BitShare(value.count, fresh, received)
    ring = value.ring
    own = ring.add(value.own, step.zero_words(ring, value.own.shape))
    received = yield step.reshare(Words(ring, value.own.shape), own)
    return Share(ring, own, received)


def reshare_cost(ring: Ring | None, count: int) -> Cost:
    """`ring` None stands for packed bits."""
    nbytes = (count + 7) // 8 if ring is None else count * ring.word_bytes
    return Cost(1 if count else 0, 3 * nbytes)
