"""A job at the three nodes: sent, waited for, its sealed results fetched, compared and put together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.client.nodes import NodeClient, Nodes
from tercet.engine.commands import Done
from tercet.errors import IntegrityError, PartyError, PlanError, ProtocolViolation, Refused, TercetError, Timeout
from tercet.federation.api import REFUSED_HINT, JobInfo, JobReport
from tercet.federation.boxes import boxes_bytes, read_boxes
from tercet.federation.identity import BOX_OVERHEAD_BYTES
from tercet.federation.sealing import open_result
from tercet.node.refusals import raised
from tercet.plan.types import Type
from tercet.protocols.reveal import TAG_BYTES, TAGS_BYTES, put_together, reveal_bytes
from tercet.ring import ring
from tercet.sharing import PARTIES, Party

POLL_S = 10
"""How long a node is asked to wait with its answer; then it is asked again."""
GRACE_S = 15.0
"""After the deadline the nodes themselves say what became of the job."""
OTHERS_S = 3.0
"""When one node says that a job failed, the others are heard for so long: one may know better why."""
_ERROR_BYTES = 1 << 20


class Held(PlanError):
    """An operator has to let the job through first: `job` names it, `nodes` hold it. Ask for its result later."""

    def __init__(self, message: str, *, job: str, nodes: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.job = job
        self.nodes = tuple(nodes)


def submit(nodes: Nodes, job: str, bundle: bytes) -> list[JobInfo]:
    """Send a bundle to all three. Raises Refused naming node and rule, or what else a node answers; then it is off."""
    answers = nodes.try_each(lambda node: node.post("/v1/jobs", bundle, JobInfo, patient=True))
    errors = [answer for answer in answers if isinstance(answer, TercetError)]
    if errors:
        cancel(nodes, job)
        raise next((error for error in errors if isinstance(error, Refused)), errors[0])
    return [answer for answer in answers if isinstance(answer, JobInfo)]


def cancel(nodes: Nodes, job: str) -> None:
    """Have a job given up, as far as the nodes can be reached."""
    nodes.quietly(lambda node: node.request("POST", f"/v1/jobs/{job}/cancel", timeout=5.0))


def check_held(nodes: Nodes, job: str, infos: Sequence[JobInfo]) -> None:
    """Raise Held if a node waits for its operator."""
    holding = [info for info in infos if info.state == "held" or info.decision.verdict == "held"]
    if holding and all(info.state in ("held", "queued") for info in infos):
        names = [info.decision.node for info in holding]
        rules = sorted({info.decision.rule for info in holding if info.decision.rule})
        rule = f" (rule {', '.join(rules)})" if rules else ""
        raise Held(
            f"job {job} is held by {' and '.join(names)}{rule}",
            job=job,
            nodes=names,
            hint="its operator can let it through with `tercet node approve`; then fetch the result of the job",
        )


def await_end(
    nodes: Nodes,
    job: str,
    deadline: float,
    *,
    progress: Callable[[float], None] | None = None,
    wait_if_held: bool = False,
) -> list[JobInfo]:
    """Follow a job at all three nodes to its end. Raises why it failed, Timeout or Unreachable naming a node, Held."""
    stop = threading.Event()
    seconds = 1 if progress is not None else POLL_S

    def follow(node: NodeClient) -> JobInfo:
        while True:
            left = deadline + GRACE_S - time.time()
            if left <= 0:
                message = f"node {node.name} has not ended job {job} by its deadline"
                raise Timeout(message, party=int(node.party), job=job, hint="allow more time, or ask for less")
            patience = max(0, min(seconds, round(left)))
            info = node.get(f"/v1/jobs/{job}?wait={patience}", JobInfo, timeout=patience + node.timeout)
            if info.final or stop.is_set():
                return info
            if not wait_if_held:
                check_held(nodes, job, [info])
            if progress is not None:
                progress(info.progress)

    futures = [nodes.start(follow, client) for client in nodes.clients]
    try:
        return _ends(futures)
    except Held:
        raise
    except BaseException:
        stop.set()
        cancel(nodes, job)
        raise
    finally:
        stop.set()


def _ends(futures: Sequence[Future[JobInfo]]) -> list[JobInfo]:
    pending = set(futures)
    failures: list[TercetError] = []
    give_up = None
    while pending:
        left = None if give_up is None else max(0.0, give_up - time.monotonic())
        done, pending = wait(pending, left, FIRST_COMPLETED)
        for future in done:
            failure = _failure(future)
            if failure is not None:
                failures.append(failure)
        if failures and give_up is None:
            give_up = time.monotonic() + OTHERS_S
        if give_up is not None and (not done or time.monotonic() > give_up):
            break
    if failures:
        raise min(failures, key=_weight)
    return [future.result() for future in futures]


def _failure(future: Future[JobInfo]) -> TercetError | None:
    try:
        info = future.result()
    except TercetError as error:
        return error
    return None if info.state == "done" else failure_of(info)


def _weight(error: TercetError) -> int:
    """What says more about the cause comes first: a refusal, a named fault, and last that somebody was not heard."""
    kinds: tuple[type[TercetError], ...] = (Held, Refused, IntegrityError, PlanError)
    for weight, kind in enumerate(kinds):
        if isinstance(error, kind):
            return weight
    if isinstance(error, PartyError):
        return 9 if type(error) is PartyError else 8
    return 7


def failure_of(info: JobInfo) -> TercetError:
    """Why a job that ended otherwise than well did so, as one node tells it."""
    if info.error is not None:
        node = info.error.node or info.decision.node
        error = raised(409, info.error, node, _NO_PARTY)
        if isinstance(error, PartyError):
            error.party = None
        return error
    if info.state == "refused":
        reason = "; ".join(info.decision.reasons) or "the policy does not allow it"
        return Refused(reason, node=info.decision.node, rule=info.decision.rule, hint=REFUSED_HINT)
    return PlanError(f"job {info.job} was {info.state} at {info.decision.node}")


_NO_PARTY = Party.P1
"""`raised` wants a number; the node's name says who it is."""


def fetch(nodes: Nodes, job: str, outputs: Mapping[int, Type]) -> dict[int, NDArray[Any]]:
    """The words (packed bits) of revealed outputs: opened, compared, put together on this machine alone.

    Raises IntegrityError naming the two nodes whose copies of a component differ.
    """

    rings = {index: None if t.is_bool else ring(t.ring) for index, t in outputs.items()}
    due = {index: BOX_OVERHEAD_BYTES + reveal_bytes(rings[index], t.size) for index, t in outputs.items()}
    sealed = nodes.each(lambda node: _boxes(node, job, due))
    words = {}
    for index, here in rings.items():
        parts = []
        for party, found in zip(PARTIES, sealed, strict=True):
            part = open_result(nodes.member, job, index, party, found[index])
            parts.append(np.frombuffer(bytearray(part), np.uint8))
        _check_tags(nodes, parts, index)
        words[index] = put_together(parts, here, f"output {index}")
    return words


def _boxes(node: NodeClient, job: str, due: Mapping[int, int]) -> dict[int, memoryview]:
    """One node's boxes, which are exactly those that are due (output to length)."""
    # an error is an answer, too, and may be longer than small results
    most = max(_ERROR_BYTES, boxes_bytes(list(due.values())))
    data = node.request("GET", f"/v1/jobs/{job}/results", most=most)
    try:
        found = read_boxes(data)
    except ProtocolViolation as error:
        message = f"node {node.name} answers with no boxes of job {job}: {error.message}"
        raise ProtocolViolation(message, party=int(node.party), job=job, hint=error.hint) from None
    sent = {index: len(box) for index, box in found.items()}
    if sent != due:
        index = min(index for index in {*sent, *due} if sent.get(index) != due.get(index))
        message = (
            f"node {node.name} sent {sent.get(index, 0)} bytes for output {index} where {due.get(index, 0)} are due"
        )
        raise ProtocolViolation(message, party=int(node.party), job=job)
    return found


def _check_tags(nodes: Nodes, parts: Sequence[NDArray[np.uint8]], index: int) -> None:
    tags = [bytes(part[-TAGS_BYTES:]) for part in parts]
    for party in PARTIES:
        # component `party` is the second of `prev`, and the first of `party`
        if tags[party.prev - 1][TAG_BYTES:] != tags[party - 1][:TAG_BYTES]:
            raise IntegrityError(
                f"nodes {nodes[party.prev].name} and {nodes[party].name} hold different copies of component "
                f"{int(party)} of output {index}",
                hint="one of them is faulty or lying; do not use the result",
            )


def done_of(job: bytes, report: JobReport) -> Done:
    """A node's report as the engine's."""
    return Done(
        job,
        report.seconds,
        report.waiting_s,
        np.array(report.index, np.uint32),
        np.array(report.rounds, np.uint32),
        np.array(report.nbytes, np.uint64),
        np.array(report.compute_s, np.float64),
    )


__all__ = ["Held", "await_end", "cancel", "check_held", "done_of", "failure_of", "fetch", "submit"]
