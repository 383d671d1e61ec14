"""What the three parties agree on: pair keys at session start, and the plan before every job."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping

from tercet.engine.failure import AGREEMENT_INSTANCE
from tercet.errors import ProtocolViolation, Timeout
from tercet.sharing import PARTIES, SEED_BYTES, Party, SessionKeys, fresh_seed
from tercet.transport import JOB_BYTES, Address, Element, Endpoint

_KEYS_JOB = b"tercet/agreement"
assert len(_KEYS_JOB) == JOB_BYTES
_SEED_STEP, _NONCE_STEP, _PLAN_STEP = 1, 2, 1


def agree_on_keys(endpoint: Endpoint, timeout: float) -> SessionKeys:
    """Draw and exchange seeds and nonces over the authenticated links; every party calls it once a session.

    Party i draws the seed of component i and a nonce; the seed goes to prev(i), which shares that component, and to
    nobody else: the third party never sees it, nor does the client. The nonces go to both. One round, 96 bytes a party.
    """
    me = Party(int(endpoint.me))
    endpoint.open_job(_KEYS_JOB)
    try:
        seed, nonce = fresh_seed(), fresh_seed()
        endpoint.send(me.prev, Address(_KEYS_JOB, 0, _SEED_STEP), Element.BYTES, seed)
        for other in (me.next, me.prev):
            endpoint.send(other, Address(_KEYS_JOB, 0, _NONCE_STEP), Element.BYTES, nonce)
        wanted = [(me.next, _SEED_STEP), (me.next, _NONCE_STEP), (me.prev, _NONCE_STEP)]
        got = _gather(
            endpoint, {(party, step): (Address(_KEYS_JOB, 0, step), SEED_BYTES) for party, step in wanted}, timeout
        )
        nonces = {me: nonce, me.next: got[me.next, _NONCE_STEP], me.prev: got[me.prev, _NONCE_STEP]}
        return SessionKeys(
            {me: seed, me.next: got[me.next, _SEED_STEP]}, (nonces[PARTIES[0]], nonces[PARTIES[1]], nonces[PARTIES[2]])
        )
    finally:
        endpoint.close_job(_KEYS_JOB)


def agree_on_plan(endpoint: Endpoint, job: bytes, plan: bytes | memoryview, timeout: float) -> None:
    """Compare (job, plan) with the other parties before anything runs. One round, 64 bytes a party.

    Raises ProtocolViolation naming the party that holds another plan: the odd one out where two agree.
    """
    me = Party(int(endpoint.me))
    mine = hashlib.sha256(b"tercet/1 plan" + job + hashlib.sha256(plan).digest()).digest()
    address = Address(job, AGREEMENT_INSTANCE, _PLAN_STEP)
    for other in (me.next, me.prev):
        endpoint.send(other, address, Element.BYTES, mine)
    got = _gather(endpoint, {(other, _PLAN_STEP): (address, len(mine)) for other in (me.next, me.prev)}, timeout)
    following, preceding = got[me.next, _PLAN_STEP], got[me.prev, _PLAN_STEP]
    if following == preceding == mine:
        return
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


def _gather(
    endpoint: Endpoint, wanted: Mapping[tuple[Party, int], tuple[Address, int]], timeout: float
) -> dict[tuple[Party, int], bytes]:
    """Receive one message of each address."""
    for (party, _), (address, nbytes) in wanted.items():
        endpoint.expect(party, address, Element.BYTES, nbytes)
    deadline = time.monotonic() + timeout
    got: dict[tuple[Party, int], bytes] = {}
    while True:
        for (party, step), (address, _) in wanted.items():
            if (party, step) not in got and (message := endpoint.take(party, address)) is not None:
                got[party, step] = message.payload.tobytes()
        if len(got) == len(wanted):
            return got
        left = deadline - time.monotonic()
        if left <= 0:
            party, step = next(key for key in wanted if key not in got)
            address = wanted[party, step][0]
            raise Timeout(
                f"nothing arrived for {timeout:g} s",
                party=int(party),
                job=address.job.hex(),
                operation=str(address.operation),
                step=str(step),
            )
        endpoint.progress(left)
