"""Agreement of the three parties: on pair keys at the start of a session, and on the plan before every job."""

from __future__ import annotations

import hashlib
import hmac
import time

from tercet.engine.failure import AGREEMENT_INSTANCE
from tercet.errors import ProtocolViolation, Timeout
from tercet.protocols.sharewise import fingerprint
from tercet.sharing import ALL, PARTIES, SEED_BYTES, TAG_BYTES, Party, SecretMemory, SessionKeys, fresh_seed, joint_seed
from tercet.transport import JOB_BYTES, Address, Element, Endpoint

_KEYS_JOB = b"tercet/agreement"
assert len(_KEYS_JOB) == JOB_BYTES
_SEED_STEP, _CONFIRM_STEP, _PLAN_STEP = 1, 2, 1


def agree_on_keys(endpoint: Endpoint, timeout: float, context: bytes = b"") -> SessionKeys:
    """Draw, exchange and confirm seeds over the authenticated links; every party calls it once a session.

    Each party sends each other one a contribution to the seed that these two share, one to the seed that all three
    share, and a nonce: the third party never sees the former, nor does the client see anything. `context` (public, the
    same at all three: the federation), the certificates of the parties and what their kernels of share-wise functions
    give are bound into all keys. Then each shows the other a tag under either seed, before a seed is used. Two rounds,
    256 bytes a party. Raises ProtocolViolation naming the party whose keys differ, and Timeout.
    """
    me = Party(int(endpoint.me))
    endpoint.open_job(_KEYS_JOB)
    try:
        drawn = {other: fresh_seed() for other in (me.next, me.prev)}
        common, nonce = fresh_seed(), fresh_seed()
        for other, mine in drawn.items():
            endpoint.send(other, Address(_KEYS_JOB, 0, _SEED_STEP), Element.BYTES, mine + common + nonce)
        got = _from_both(endpoint, Address(_KEYS_JOB, 0, _SEED_STEP), 3 * SEED_BYTES, timeout)
        theirs = {other: _cut(message, SEED_BYTES) for other, message in got.items()}
        everyone = {me: (b"", common, nonce), **theirs}
        memory = SecretMemory()
        seeds = {component: memory.room(SEED_BYTES) for component in (me, me.next, ALL)}
        # of two holders, the one that gives the component its number comes first
        joint_seed(seeds[me], drawn[me.prev], theirs[me.prev][0])
        joint_seed(seeds[me.next], theirs[me.next][0], drawn[me.next])
        joint_seed(seeds[ALL], *(everyone[party][1] for party in PARTIES))
        session = hashlib.sha256(
            b"tercet/2 session" + endpoint.binding + hashlib.sha256(context).digest() + fingerprint()
        )
        for party in PARTIES:
            session.update(everyone[party][2])
        keys = SessionKeys(seeds, session.digest(), memory)
        _confirm(endpoint, me, keys, timeout)
        return keys
    finally:
        endpoint.close_job(_KEYS_JOB)


def _confirm(endpoint: Endpoint, me: Party, keys: SessionKeys, timeout: float) -> None:
    """Compare tags under every seed with the other parties that hold it."""
    held_with = {me.prev: me, me.next: me.next}
    for other, component in held_with.items():
        mine = keys.tag(component, me) + keys.tag(ALL, me)
        endpoint.send(other, Address(_KEYS_JOB, 0, _CONFIRM_STEP), Element.BYTES, mine)
    got = _from_both(endpoint, Address(_KEYS_JOB, 0, _CONFIRM_STEP), 2 * TAG_BYTES, timeout)
    for other, component in held_with.items():
        if not hmac.compare_digest(got[other], keys.tag(component, other) + keys.tag(ALL, other)):
            raise ProtocolViolation(
                "it has other keys than this party: another federation, other certificates, other kernels, or a defect",
                party=int(other),
                hint="compare the federation files of the three nodes; nothing was run",
            )


def _cut(message: bytes, length: int) -> list[bytes]:
    return [message[at : at + length] for at in range(0, len(message), length)]


def agree_on_plan(endpoint: Endpoint, job: bytes, plan: bytes | memoryview, timeout: float) -> bytes:
    """Compare (job, plan) with the other parties before anything runs; give the digest. One round, 64 bytes a party.

    Raises ProtocolViolation naming the party that holds another plan: the odd one out where two agree.
    """
    me = Party(int(endpoint.me))
    mine = hashlib.sha256(b"tercet/1 plan" + job + hashlib.sha256(plan).digest()).digest()
    address = Address(job, AGREEMENT_INSTANCE, _PLAN_STEP)
    for other in (me.next, me.prev):
        endpoint.send(other, address, Element.BYTES, mine)
    got = _from_both(endpoint, address, len(mine), timeout)
    following, preceding = got[me.next], got[me.prev]
    if following == preceding == mine:
        return mine
    odd = me if following == preceding else me.prev if following == mine else me.next
    raise ProtocolViolation(
        "it holds another plan for this job than the other two"
        if mine in (following, preceding) or following == preceding
        else "all three parties hold different plans for this job",
        party=int(odd),
        job=job.hex(),
        operation=str(AGREEMENT_INSTANCE),
        hint="nothing was run",
    )


def _from_both(endpoint: Endpoint, address: Address, nbytes: int, timeout: float) -> dict[Party, bytes]:
    """Receive the message of this address from both other parties. Raises Timeout."""
    me = Party(int(endpoint.me))
    wanted = (me.next, me.prev)
    for party in wanted:
        endpoint.expect(party, address, Element.BYTES, nbytes)
    deadline = time.monotonic() + timeout
    got: dict[Party, bytes] = {}
    while True:
        for party in wanted:
            if party not in got and (message := endpoint.take(party, address)) is not None:
                got[party] = message.payload.tobytes()
        if len(got) == len(wanted):
            return got
        left = deadline - time.monotonic()
        if left <= 0:
            raise Timeout(
                f"nothing arrived for {timeout:g} s",
                party=int(next(party for party in wanted if party not in got)),
                job=address.job.hex(),
                operation=str(address.operation),
                step=str(address.step),
            )
        endpoint.progress(left)
