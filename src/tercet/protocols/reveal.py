"""Output to a recipient outside the three parties."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.protocols.message import Bytes
from tercet.protocols.scope import Scope
from tercet.ring import Ring
from tercet.sharing import BitShare, Purpose, Share, check_doubly_held, word_count

TAG_BYTES = 32
TAGS_BYTES = 2 * TAG_BYTES
_TAG_KEY_BYTES = 32


def reveal_bytes(ring: Ring | None, size: int) -> int:
    """How many bytes each party sends for one output; `ring` None stands for packed bits."""
    return TAGS_BYTES + (8 * word_count(size) if ring is None else size * ring.word_bytes)


def reveal(scope: Scope, value: Share | BitShare) -> Bytes:
    """What one party sends to the recipient of an output: its fresh summand, then two tags. No message among parties.

    Called at every party. Sends 64 (128) bits an element, or a bit each, and 64 bytes; the recipient waits one round.

    Party i sends z_i = x_i + alpha_i, where (alpha_1, alpha_2, alpha_3) is a fresh sharing of zero from the pair
    streams (protocols page 2.1), and tags t_k = HMAC-SHA256(K_k, x_k) for its components k = i and k = next(i), under a
    key K_k drawn from the stream of component k, which parties k and prev(k) alone know.

    Why this is safe (semi-honest parties, and any recipient). The recipient's view is (z_1, z_2, z_3) and three tags,
    each twice. alpha is uniform among the triples with sum zero, since any two of its entries differ by streams that
    are independent and unknown to the recipient; so z is uniform among the triples with sum x, whatever the components
    were: it is simulated from x alone. That matters where components are not random to the recipient, as when it was
    itself the owner of an input, or when a protocol left a component at a public value. The keys K_k are drawn for
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
        own, following = _cleared(value.own, value.count), _cleared(value.next, value.count)
        message = np.empty(own.nbytes + TAGS_BYTES, np.uint8)
        masked = message[: own.nbytes].view(np.uint64)
        np.bitwise_xor(own, _cleared(draw.zero_bits(own.shape), value.count), out=masked)
    else:
        ring = value.ring
        flat = value.flat()
        own, following = flat.own, flat.next
        message = np.empty(own.nbytes + TAGS_BYTES, np.uint8)
        ring.add(own, draw.zero_words(ring, own.shape), out=message[: own.nbytes].view(ring.dtype))
    tags = b""
    for component, words in ((scope.party, own), (scope.party.next, following)):
        key = np.empty(_TAG_KEY_BYTES, np.uint8)
        scope.streams.fill(component, scope.instance, tag.number, Purpose.COIN, key)
        tags += hmac.digest(key.tobytes(), words.view(np.uint8).data, hashlib.sha256)
    message[own.nbytes :] = np.frombuffer(tags, np.uint8)
    return message


def put_together(parts: Sequence[Bytes], ring: Ring | None, what: str) -> NDArray[Any]:
    """The plain words (packed bits for `ring` None) from what the three parties sent, in the order of their numbers.

    Called by the recipient. Raises IntegrityError naming two parties whose copies of a component differ.
    """
    tags = [bytes(part[-TAGS_BYTES:]) for part in parts]
    check_doubly_held([(tag[:TAG_BYTES], tag[TAG_BYTES:]) for tag in tags], what)
    words = [part[:-TAGS_BYTES].view(np.uint64 if ring is None else ring.dtype) for part in parts]
    if ring is None:
        return np.asarray(words[0] ^ words[1] ^ words[2])
    total = ring.add(words[0], words[1])
    return ring.add(total, words[2], out=total)


def _cleared(packed: NDArray[np.uint64], count: int) -> NDArray[np.uint64]:
    """A flat copy without the bits beyond the first `count`."""
    flat = packed.reshape(-1)[: word_count(count)].copy()
    if count % 64:
        flat[-1] &= np.uint64((1 << count % 64) - 1)
    return flat
