"""Chapter "Malice": a server that lies in a real run, two that put together what they store, and a forged audit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tercet.array.core import SecretArray
from tercet.array.results import explain, reveal
from tercet.client.session import Session
from tercet.errors import InputError, Refused, TercetError
from tercet.federation.federation import Federation
from tercet.federation.identity import KeyPurpose, Member
from tercet.plan.plan import Plan
from tercet.plan.table.operation import Security
from tercet.ring import Bytes
from tercet.sharing import PARTIES, Share
from tercet.store.audit import JOB_KIND, Chain, Entry, cross_check, verify
from tercet.store.catalogue import Catalogue
from tercet.store.datasets import Datasets
from tercet.store.schema import Schema
from tercet.web.play.trial_nodes import TrialNodes
from tercet.web.play.wire import ANSWERS, Wired, wired

INCOMES = (41_000, 52_000, 58_000, 63_000, 71_000, 99_000, 38_000, 84_000)
LIMIT = 60_000
_BOUNDS = (0, 200_000)
_TIMEOUT_S = 5.0
_DATASET, _COLUMN = "incomes", "income"
_MOST_MESSAGES = 1_000


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class LieAsked(_Asked):
    """Which message a server changes on its way: that number of its own, in an honest run; and which bit of it."""

    server: Annotated[int, Field(ge=1, le=3)]
    message: Annotated[int, Field(ge=0, lt=_MOST_MESSAGES)]
    bit: Annotated[int, Field(ge=0, lt=1 << 20)] = 13


class ForgeryAsked(_Asked):
    """What is done to a copy of a node's audit. `rewrite`: edit, and sign all from there on with the node's key."""

    node: Annotated[int, Field(ge=1, le=3)]
    way: Literal["edit", "remove", "cut", "rewrite"]


# -- a server that lies


def _question(net: Session) -> tuple[SecretArray, SecretArray]:
    """The sum of the incomes, and how many are above the limit."""
    incomes = net.share(np.array(INCOMES), bounds=_BOUNDS)
    return incomes.sum(), (incomes > LIMIT).sum()


def _run(change: Callable[[Wired, Bytes], Bytes]) -> tuple[list[int], Plan]:
    with wired(change, _TIMEOUT_S, Session) as net:
        wanted = _question(net)
        plan = explain(*wanted).plan
        return [int(value) for value in reveal(*wanted)], plan


class _Heard:
    """Notes messages by sender, in the order in which each sends; three threads write at once."""

    def __init__(self, lie: LieAsked | None = None) -> None:
        self.messages: dict[int, list[Wired]] = {int(party): [] for party in PARTIES}
        self._lie = lie
        self._lock = threading.Lock()

    def __call__(self, message: Wired, payload: Bytes) -> Bytes:
        with self._lock:
            own = self.messages[message.sender]
            own.append(message)
            number = len(own) - 1
        if self._lie is None or (message.sender, number) != (self._lie.server, self._lie.message):
            return payload
        changed = payload.copy()
        bit = self._lie.bit % (8 * changed.size)
        changed[bit // 8] ^= 1 << bit % 8
        return changed


def honest() -> dict[str, Any]:
    """A run without a lie: what comes out, and which messages each server sends."""
    heard = _Heard()
    values, plan = _run(heard)
    return {
        "incomes": INCOMES,
        "limit": LIMIT,
        "sum": values[0],
        "above": values[1],
        "messages": {
            server: [
                {"to": message.to, "for": _purpose(plan, message.operation), "bytes": message.nbytes} for message in own
            ]
            for server, own in heard.messages.items()
        },
        "modes": [mode.name for mode in Security],
    }


def _purpose(plan: Plan, operation: int) -> str:
    return "answer" if operation >= ANSWERS else plan.listed[plan.place_of(operation)][0].operation.name


def lied(lie: LieAsked) -> dict[str, Any]:
    """The same run with one bit of one message flipped: `caught`, `wrong`, or `harmless` where nothing changes."""
    heard = _Heard(lie)
    try:
        values, _ = _run(heard)
    except TercetError as error:
        return {"outcome": "caught", "said": error.message, "sum": None, "above": None}
    finally:
        if len(heard.messages[lie.server]) <= lie.message:
            raise InputError(f"server {lie.server} sends no message {lie.message + 1}", hint="choose an earlier one")
    true = [sum(INCOMES), sum(income > LIMIT for income in INCOMES)]
    outcome = "harmless" if values == true else "wrong"
    return {"outcome": outcome, "said": "", "sum": values[0], "above": values[1]}


# -- two that collude, at real nodes


class Ward:
    """The incomes as a dataset at three real nodes, uploaded when it is first asked for, and what an analyst got."""

    def __init__(self, nodes: TrialNodes) -> None:
        self.nodes = nodes
        self._lock = threading.Lock()
        self._uploaded = False
        self._asked: dict[str, Any] | None = None

    def ready(self) -> Federation:
        """The nodes' federation, once they have the dataset."""
        federation = self.nodes.started()
        with self._lock:
            if not self._uploaded:
                schema = {"columns": [{"name": _COLUMN, "kind": "integer", "lo": _BOUNDS[0], "hi": _BOUNDS[1]}]}
                with self.nodes.session("owner") as net:
                    net.upload({_COLUMN: list(INCOMES)}, dataset=_DATASET, schema=Schema.parse(schema))
                self._uploaded = True
        return federation

    def asked(self) -> dict[str, Any]:
        """What an analyst gets at these nodes: the mean; and for a single income, the refusal of a node's policy.

        Two jobs, once: nothing else comes of asking again.
        """
        self.ready()
        with self._lock:
            if self._asked is None:
                self._asked = _asked_honestly(self.nodes)
            return self._asked

    def stored(self) -> list[Share]:
        """What each node has of the column on its disk, as who owns the machine reads it."""
        found = []
        for party, node in zip(PARTIES, self.ready().nodes, strict=True):
            settings = self.nodes.settings(node.name)
            with closing(Catalogue(settings.database_url)) as catalogue:
                share = Datasets(catalogue, settings.folder_path, party).get(_DATASET).read(_COLUMN)
            assert isinstance(share, Share), "a column of numbers"
            found.append(share)
        return found


def colluded(shares: Sequence[Share], together: Sequence[int]) -> list[list[int]]:
    """What these servers make of their disks: the incomes where they have all three components, else the parts."""
    known = {}
    for server in together:
        known[server] = shares[server - 1].flat().own
        known[server % 3 + 1] = shares[server - 1].flat().next
    words = shares[0].ring
    if len(known) < len(PARTIES):
        return [[int(value) for value in words.to_ints(part)] for _, part in sorted(known.items())]
    total = words.add(words.add(known[1], known[2]), known[3])
    return [[int(value) for value in words.to_ints(total)]]


def _asked_honestly(nodes: TrialNodes) -> dict[str, Any]:
    with nodes.session("analyst", "the playground: a mean, and one income") as net:
        income = net.table(_DATASET)[_COLUMN]
        mean = float(income.mean().reveal())
        try:
            income[0].reveal()
        except Refused as refused:
            return {"mean": mean, "refused": refused.message, "node": refused.node, "rule": refused.rule}
    raise InputError("the nodes revealed a single value, which their policy forbids")


# -- a forged audit


def chains_of(ward: Ward) -> dict[str, list[Entry]]:
    """The audits of the nodes after some jobs, so that there is something to forge."""
    ward.asked()
    return ward.nodes.audits()


def forged(entries: Sequence[Entry], way: str, member: Member) -> tuple[list[Entry], int]:
    """A copy of an audit, forged in that way; and the number of the entry that it is about."""
    at = next(index for index, entry in enumerate(entries) if entry.kind == JOB_KIND)
    if way == "cut":
        return list(entries[:at]), entries[at].number
    if way == "remove":
        return [entry for index, entry in enumerate(entries) if index != at], entries[at].number
    details = {**entries[at].details, "purpose": "nothing to see here"}
    changed = [*entries[:at], entries[at].model_copy(update={"details": details}), *entries[at + 1 :]]
    return (_signed_anew(changed, at, member) if way == "rewrite" else changed), entries[at].number


def _signed_anew(entries: Sequence[Entry], start: int, member: Member) -> list[Entry]:
    """All entries from there on with hashes that fit each other, and the node's own signatures."""
    made = list(entries[:start])
    for entry in entries[start:]:
        bound = entry.model_copy(update={"prev": made[-1].hash if made else entry.prev})
        digest = bound.computed_hash()
        signature = member.sign_text(KeyPurpose.AUDIT, bytes.fromhex(digest))
        made.append(bound.model_copy(update={"hash": digest, "signature": signature}))
    return made


def malice_routes(nodes: TrialNodes) -> APIRouter:
    """The routes of the chapter, below /api/."""
    routes, ward = APIRouter(prefix="/api/malice"), Ward(nodes)

    @routes.get("/honest")
    def run() -> dict[str, Any]:
        return honest()

    @routes.post("/lie")
    def lie(asked: LieAsked) -> dict[str, Any]:
        return lied(asked)

    @routes.post("/collude")
    def collude(asked: Annotated[list[Literal[1, 2, 3]], Field(min_length=1, max_length=2)]) -> dict[str, Any]:
        shares = ward.stored()
        return {"seen": colluded(shares, asked), "complete": len(set(asked)) > 1, **ward.asked()}

    @routes.get("/audit")
    def audit() -> dict[str, Any]:
        chains = chains_of(ward)
        return {
            "nodes": [
                {
                    "node": name,
                    "entries": [
                        {"number": entry.number, "time": entry.time, "kind": entry.kind, "hash": entry.hash}
                        for entry in entries
                    ],
                }
                for name, entries in chains.items()
            ]
        }

    @routes.post("/forge")
    def forge(asked: ForgeryAsked) -> dict[str, Any]:
        federation, chains = ward.ready(), chains_of(ward)
        node = federation.nodes[asked.node - 1]
        member = Member.load(nodes.settings(node.name).identity_path)
        copy, number = forged(chains[node.name], asked.way, member)
        others: list[Chain] = [
            ([one.card], copy if one.name == node.name else chains[one.name]) for one in federation.nodes
        ]
        return {
            "node": node.name,
            "number": number,
            "alone": verify(copy, [node.card]),
            "together": cross_check(others),
        }

    return routes
