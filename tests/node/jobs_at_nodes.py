"""Questions put to three running nodes over plain HTTP, as a client would: bundles made, sent, followed, opened."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np

from node.trio_nodes import NAMES, Nodes, assert_ok
from plan_trio import array_of
from tercet.array import loop
from tercet.array.core import SecretArray
from tercet.federation.api import DatasetInfo
from tercet.federation.api_jobs import JobInfo, KeptList
from tercet.federation.boxes import open_result, read_boxes
from tercet.federation.bundle import InputRef, JobHeader, OutputRef, RowLink, kept_handle, make_bundle, recipient
from tercet.federation.identity import Member
from tercet.federation.model import fresh_id
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Graph
from tercet.plan.types import Type, read_type, window
from tercet.protocols.reveal import put_together
from tercet.ring import RING64
from tercet.sharing import PARTIES
from tercet.store.schema import Schema

LINK = RowLink(name="lan", rtt_us=100, bandwidth_bits_s=10**9)
Question = Callable[[SecretArray], SecretArray]


class Recording:
    """Where expressions are recorded; runs nothing."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.network = LAN
        self.checked = False


def total(x: SecretArray) -> SecretArray:
    return x.sum()


def squares(x: SecretArray) -> SecretArray:
    return (x * x).sum()


def long_chain(x: SecretArray) -> SecretArray:
    """Some seconds of rounds."""
    a, b, state = x < 2, x < 7, x < 9
    return loop(19_000, lambda s: (s & b) ^ a, state).sum()


class Asked:
    """One job, sent or not."""

    def __init__(
        self,
        nodes: Nodes,
        dataset: str,
        question: Question = total,
        *,
        person: str = "analyst",
        seconds: int = 60,
        keep: str = "",
        job: str | None = None,
        created: float | None = None,
        federation: str | None = None,
        partition_rows: int = 0,
        reads: str = "",
    ) -> None:
        """`reads`: a kept scalar, in place of column x of the dataset."""
        self.nodes = nodes
        self.member: Member = nodes.people[person]
        self.person = person
        self.job = job or fresh_id()
        info = DatasetInfo.model_validate(
            assert_ok(nodes.request("a", person, "GET", f"/v1/datasets/{dataset}")).json()
        )
        home = nodes.federation.id
        ref = InputRef.of_column(home, dataset, info.version, info.manifest, "x")
        kind_of_x = Schema.parse(info.schema_).type("x", info.rows)
        if reads:
            ref, kind_of_x = InputRef.of_kept(home, reads), self.type_of(reads)
        runner: Any = Recording()
        x = array_of(runner, runner.graph.input(ref.handle_bytes, kind_of_x))
        kind = OutputKind.PERSIST if keep else OutputKind.REVEAL
        handle = kept_handle(home, keep) if keep else b""
        self.plan: Plan = compile_plan([Wanted(question(x).undivided, kind, handle)], LAN)
        now = int(time.time() if created is None else created)
        self.header = JobHeader(
            federation=federation or home,
            job=self.job,
            created=now,
            deadline=now + seconds,
            analyst=self.member.card.fingerprint,
            inputs=(ref,),
            outputs=(OutputRef(index=0, keep=keep),) if keep else (),
            recipients=(recipient(self.member.card),),
            network=LINK,
            partition_rows=partition_rows,
            purpose="a test",
        )
        self.bundle = make_bundle(self.member, self.header, self.plan.to_bytes())

    def type_of(self, kept: str) -> Type:
        listed = KeptList.model_validate(assert_ok(self.nodes.request("a", self.person, "GET", "/v1/kept")).json())
        found = next(info for info in listed.kept if info.name == kept)
        return read_type(base64.b64decode(found.arrays[0].label))

    def send(self, *names: str, bundle: bytes | None = None) -> dict[str, httpx.Response]:
        """Send it to the nodes named (all) at once."""
        data = self.bundle if bundle is None else bundle
        with ThreadPoolExecutor(3) as pool:
            sent = {
                name: pool.submit(
                    self.nodes.request,
                    name,
                    self.person,
                    "POST",
                    "/v1/jobs",
                    content=data,
                    headers={"content-type": "application/octet-stream"},
                )
                for name in names or NAMES
            }
            return {name: one.result() for name, one in sent.items()}

    def sent(self) -> Asked:
        """Send it to all three, which take it."""
        for answer in self.send().values():
            assert_ok(answer)
        return self

    def info(self, name: str, wait: float = 0.0) -> JobInfo:
        answer = self.nodes.request(name, self.person, "GET", f"/v1/jobs/{self.job}?wait={wait:g}")
        return JobInfo.model_validate(assert_ok(answer).json())

    def end(self, name: str, timeout: float = 30.0) -> JobInfo:
        """Wait until it is at its end at a node."""
        deadline = time.monotonic() + timeout
        while not (found := self.info(name, 10.0)).final:
            assert time.monotonic() < deadline, f"the job is {found.state} at {name}"
        return found

    def ends(self, timeout: float = 30.0) -> dict[str, JobInfo]:
        with ThreadPoolExecutor(3) as pool:
            found = {name: pool.submit(self.end, name, timeout) for name in NAMES}
            return {name: one.result() for name, one in found.items()}

    def runs(self, name: str = "a", timeout: float = 20.0) -> None:
        """Wait until it runs at a node."""
        deadline = time.monotonic() + timeout
        while self.info(name).state != "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def result(self) -> Any:
        """Wait for its end, fetch the three boxes, open and put them together."""
        found = self.ends()
        assert {info.state for info in found.values()} == {"done"}, {n: (i.state, i.error) for n, i in found.items()}
        parts = []
        kind = self.plan.type_of(self.plan.outputs[0].value)
        for name, party in zip(NAMES, PARTIES, strict=True):
            answer = assert_ok(self.nodes.request(name, self.person, "GET", f"/v1/jobs/{self.job}/results"))
            boxes = read_boxes(answer.content)
            assert list(boxes) == [0]
            parts.append(np.frombuffer(open_result(self.member, self.job, 0, party, boxes[0]), np.uint8))
        return RING64.to_ints(put_together(parts, window(kind), kind.size, "output 0"))
