"""Output to a recipient outside the three parties."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from tercet.protocols.message import Fields
from tercet.protocols.scope import Scope
from tercet.ring import (
    Array,
    Bytes,
    Ring,
    as_bits,
    bytes_of,
    bytes_view,
    clear_beyond,
    cleared,
    empty_bytes,
    word_count,
)
from tercet.sharing import BitShare, Party, Purpose, Share, check_doubly_held

TAG_BYTES = 32
TAGS_BYTES = 2 * TAG_BYTES
_TAG_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Window:
    """What is opened of a ring word x: x - lo modulo 2^bits. What lies above stays secret, whatever x is."""

    ring: Ring
    lo: int
    bits: int

    def nbytes(self, size: int) -> int:
        """How many bytes `size` such remainders are."""
        return Fields(self.bits, size).nbytes

    def pack(self, words: Array) -> Bytes:
        """The remainders of words from which `lo` is taken, without gaps."""
        return Fields(self.bits, words.size).pack(words) if self.bits else empty_bytes(0)

    def unpack(self, payload: Bytes, size: int) -> Array:
        """What `pack` packed."""
        return Fields(self.bits, size, self.ring).unpack(payload) if self.bits else self.ring.zeros((size,))

    def lowest(self, size: int) -> Array:
        """`lo` as so many ring words; a view."""
        return self.ring.constant(self.lo, (size,))


def reveal_bytes(window: Window | None, size: int) -> int:
    """How many bytes each party sends for one output; `window` None stands for packed bits."""
    return TAGS_BYTES + (8 * word_count(size) if window is None else window.nbytes(size))


def reveal(scope: Scope, value: Share | BitShare, window: Window | None) -> Bytes:
    """What one party sends to the recipient of an output: its fresh summand, then two tags. No message among parties.

    Called at every party. Of each element it sends the `window.bits` that are opened (or one, of bits), and 64 bytes;
    the recipient waits one round.

    Party i sends z_i = x_i + alpha_i modulo 2^bits, where (alpha_1, alpha_2, alpha_3) is a fresh sharing of zero from
    the pair streams (protocols page 2.1) and party 1 has taken the public `lo` off; and tags t_k = HMAC-SHA256(K_k,
    x_k) for its components k = i and k = next(i), under a key K_k drawn from the stream of component k, which parties k
    and prev(k) alone know.

    Why this is safe (semi-honest parties, and any recipient). The recipient's view is (z_1, z_2, z_3) and three tags,
    each twice. alpha is uniform among the triples with sum zero, since any two of its entries differ by streams that
    are independent and unknown to the recipient; so z, whose reduction modulo 2^bits each party does alone, is uniform
    among the triples with sum x - lo modulo 2^bits, whatever the components were: it is simulated from that remainder.
    So an output says no more than its window's bits, also where x lies outside the bounds that the window was made of.
    That matters where components are not random to the recipient, as when it was itself the owner of an input, or when
    a protocol left a component at a public value. The keys K_k are drawn for
    this output and used once each; HMAC is a PRF, so the tags are simulated by random strings. The parties see
    nothing new. Taken together with the next output's, the views stay independent, as instance numbers differ.

    What the tags show. Both holders of component k must have sent the same t_k, else they hold different copies, by
    a defect or because one deviates, and the result is not used. The recipient compares strings and cannot tell x_k
    from them. This is not protection from a malicious party, which may send another z_i.

    Bits beyond the last of a packed array carry no meaning, and are cleared before they are tagged or sent.

    References: Araki et al., CCS 2016 (output); compare_view after Furukawa et al., Eurocrypt 2017, here with keyed
    tags instead of hashes, so that a recipient who guesses a component cannot confirm it.
    """
    draw, tag = scope.step("mask"), scope.step("tags")
    if isinstance(value, BitShare):
        own, following = cleared(value.own, value.count), cleared(value.next, value.count)
        message = empty_bytes(own.nbytes + TAGS_BYTES)
        as_bits(message[: own.nbytes])[:] = own ^ clear_beyond(draw.zero_bits(own.shape), value.count)
    else:
        if window is None or window.ring is not value.ring:
            raise ValueError("a window of another ring than the value's")
        flat = value.flat()
        own, following = flat.own, flat.next
        message = _opened(window, own, draw.zero_words(value.ring, own.shape), lower=scope.party is Party.P1)
    tags = b""
    for component, words in ((scope.party, own), (scope.party.next, following)):
        key = tag.component_bytes(component, _TAG_KEY_BYTES, Purpose.COIN)
        tags += hmac.digest(key.tobytes(), bytes_view(words).data, hashlib.sha256)
    message[-TAGS_BYTES:] = bytes_of(tags)
    return draw.reveal(message)


def _opened(window: Window, own: Array, zero: Array, *, lower: bool) -> Bytes:
    """A message with this party's summand of the remainders, and room for the tags."""
    ring, nbytes = window.ring, window.nbytes(own.size)
    ring.add(own, zero, out=zero)
    if lower:
        ring.sub(zero, window.lowest(own.size), out=zero)
    message = empty_bytes(nbytes + TAGS_BYTES)
    message[:nbytes] = window.pack(zero)
    return message


def put_together(
    parts: Sequence[Bytes], window: Window | None, size: int, what: str, nodes: Sequence[str] | None = None
) -> Array:
    """The `size` plain words (packed bits for no window) that the three parties sent, in the order of their numbers.

    Called by the recipient. A word that was outside its window comes out as the one inside it with the
    same remainder. Raises IntegrityError naming two parties, by their `nodes` if given, whose copies of a component
    differ.
    """
    tags = [bytes(part[-TAGS_BYTES:]) for part in parts]
    check_doubly_held([(tag[:TAG_BYTES], tag[TAG_BYTES:]) for tag in tags], what, nodes)
    if window is None:
        bits = [as_bits(part[:-TAGS_BYTES]) for part in parts]
        return bits[0] ^ bits[1] ^ bits[2]
    ring = window.ring
    words = [window.unpack(part[:-TAGS_BYTES], size) for part in parts]
    total = ring.add(words[0], words[1])
    ring.add(total, words[2], out=total)
    if window.bits < ring.bits:
        ring.low(total, window.bits, out=total)
    return ring.add(total, window.lowest(size), out=total)
