"""Runs jobs at the three nodes: sends them, waits for their ends, fetches sealed results and combines them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints, ValidationError

from tercet.client.nodes import NodeClient, Nodes
from tercet.errors import (
    ConfigError,
    InputError,
    IntegrityError,
    PartyError,
    PlanError,
    ProtocolViolation,
    Refused,
    TercetError,
    Timeout,
)
from tercet.federation.api_jobs import REFUSED_HINT, Decision, ExplainAnswer, JobInfo, JobList
from tercet.federation.boxes import boxes_bytes, open_result, read_boxes
from tercet.federation.bundle import JobHeader
from tercet.federation.identity import BOX_OVERHEAD_BYTES
from tercet.federation.model import Body, Identifier, faults
from tercet.federation.refusals import error_of
from tercet.federation.statements import check_info
from tercet.plan.record.explain import Explanation
from tercet.plan.types import Type, read_type, window, write_type
from tercet.protocols.reveal import put_together, reveal_bytes
from tercet.sharing import PARTIES, Party

JOBS_FOLDER = ".tercet-jobs"
"""Beside the identity: what is needed to read the results of jobs that are not finished. Nothing secret."""
_SUFFIX = ".job.json"
POLL_S = 10
"""Seconds for which a node may delay its answer about a job that has not ended; then it is asked again."""
GRACE_S = 15.0
"""Seconds that a client waits after the deadline, at which the nodes end the job and report its end."""
OTHERS_S = 3.0
"""Seconds that a client waits for the other nodes after one reported a failure: they may know more of the cause."""
_ERROR_BYTES = 1 << 20
_NO_PARTY = Party.P1
"""`error_of` takes a party; here the name of the node is in the message."""


class TicketOutput(Body):
    """One revealed output: its type in the wire format of plans, in hexadecimal, and the divisor of its integers."""

    index: Annotated[int, Field(ge=0)]
    label: Annotated[str, StringConstraints(max_length=4096)]
    divisor: Annotated[str, StringConstraints(max_length=4096, pattern=r"^-?[0-9]+(/[0-9]+)?$")]

    @property
    def type(self) -> Type:
        return read_type(bytes.fromhex(self.label))

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.divisor)


class Ticket(Body):
    """What is needed to fetch and decode the results of one job later: types and public divisors, nothing secret.

    `about`: see `RemoteSession.asking_about`.
    """

    federation: Identifier
    job: Identifier
    created: int
    deadline: int
    outputs: list[TicketOutput]
    about: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, header: JobHeader, revealed: Mapping[int, tuple[Type, Fraction]], about: Mapping[str, str]) -> Ticket:
        outputs = [
            TicketOutput(index=index, label=write_type(t).hex(), divisor=str(divisor))
            for index, (t, divisor) in sorted(revealed.items())
        ]
        shared = header.model_dump(include={"federation", "job", "created", "deadline"})
        return cls(**shared, outputs=outputs, about=dict(about))


class Tickets:
    """The tickets of a session, also in files of a folder if one is given. A ticket is deleted once it is settled."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._found: dict[str, Ticket] = {}
        self._lock = threading.Lock()
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"jobs cannot be remembered in {folder}: {error.strerror}") from None

    def add(self, ticket: Ticket) -> None:
        """Store the ticket of a job that is about to be sent."""
        with self._lock:
            self._found[ticket.job] = ticket
        if self._folder is not None:
            (self._folder / f"{ticket.job}{_SUFFIX}").write_bytes(ticket.to_json())

    def find(self, job: str) -> Ticket:
        """The ticket of a job. Raises InputError if there is none, or if its file cannot be read."""
        with self._lock:
            if job in self._found:
                return self._found[job]
        path = self._file(job)
        if path is None or not path.exists():
            raise InputError(
                f"there is no ticket of job {job[:64]}",
                hint="use the session that sent the job, or one with the same folder: only these can decode its result",
            )
        try:
            return Ticket.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise InputError(f"{path} is no ticket of a job: {faults(error)}") from None

    def has(self, job: str) -> bool:
        """Whether there is a ticket of a job."""
        with self._lock:
            if job in self._found:
                return True
        path = self._file(job)
        return path is not None and path.exists()

    def _file(self, job: str) -> Path | None:
        return None if self._folder is None or not job.isalnum() else self._folder / f"{job}{_SUFFIX}"

    def settle(self, job: str) -> None:
        """Delete the ticket of a job whose result was delivered."""
        with self._lock:
            self._found.pop(job, None)
        if self._folder is not None:
            (self._folder / f"{job}{_SUFFIX}").unlink(missing_ok=True)


@dataclass(frozen=True)
class NodesExplanation(Explanation):
    """What a plan costs and reveals (`plan.record.explain.Explanation`), and what the policy of each node decides."""

    answers: tuple[ExplainAnswer, ...] = field(repr=False)

    @property
    def decisions(self) -> list[Decision]:
        """What each node would decide."""
        return [answer.decision for answer in self.answers]

    @property
    def texts(self) -> dict[str, str]:
        """What the plan discloses, in each node's words, for people who have to answer for it."""
        return {answer.decision.node: answer.text for answer in self.answers}

    @property
    def allowed(self) -> bool:
        """Whether every node would run it at once."""
        return all(decision.verdict == "accepted" for decision in self.decisions)

    def _summary(self) -> Iterator[tuple[str, str]]:
        yield from super()._summary()
        said: dict[str, list[str]] = {}
        for decision in self.decisions:
            rule = f" by rule {decision.rule}" if decision.rule else ""
            # reasons for an acceptance are in `texts`
            reasons = "" if decision.verdict == "accepted" else f": {decision.because}"
            said.setdefault(f"{decision.verdict}{rule}{reasons}", []).append(decision.node)
        for verdict, nodes in said.items():
            yield "node" if len(nodes) == 1 else "nodes", f"{', '.join(nodes)}: {verdict}"


class Held(PlanError):
    """An operator has to approve job `job` first, at each of `nodes`. Its result can be fetched later."""

    def __init__(self, message: str, *, job: str, nodes: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.job = job
        self.nodes = tuple(nodes)


class Left(PlanError):
    """Nobody waits for a job here any more, and it goes on at the nodes; its result can be fetched later.

    Who follows a job raises it in `progress`.
    """


def submit(nodes: Nodes, job: str, bundle: bytes) -> list[JobInfo]:
    """Send a bundle to all three nodes, and give their answers.

    If a node answers with an error, the job is cancelled at all nodes and the error is raised: Refused (with node and
    rule) before others.
    """
    answers = nodes.try_each(lambda node: node.post("/v1/jobs", bundle, JobInfo, patient=True))
    errors = [
        _refusal_checked(client, answer)
        for client, answer in zip(nodes.clients, answers, strict=True)
        if isinstance(answer, TercetError)
    ]
    if errors:
        cancel(nodes, job)
        raise next((error for error in errors if isinstance(error, Refused)), errors[0])
    return [answer for answer in answers if isinstance(answer, JobInfo)]


def _refusal_checked(node: NodeClient, error: TercetError) -> TercetError:
    """The error that a node answered; IntegrityError in place of a refusal in another node's name."""
    if isinstance(error, Refused) and error.node not in ("", node.name):
        return IntegrityError(
            f"node {node.name} says that {error.node} refuses the job, which only {error.node} can say",
            hint=f"{node.name} is faulty or lying: tell the operators of the other two nodes",
        )
    return error


def signed(nodes: Nodes, node: NodeClient, job: str) -> JobInfo:
    """One job as one node has it. Raises IntegrityError if it is at its end and the node did not sign that."""
    info = node.get(f"/v1/jobs/{job}", JobInfo)
    check_info(info, node.entry.card, nodes.federation, job)
    return info


def listed(nodes: Nodes, state: str | None = None) -> tuple[list[JobInfo], dict[str, dict[str, JobInfo]]]:
    """The caller's jobs, newest first, as the coordinator has them; and where other nodes differ from it.

    The second part has, by job and node, jobs that ended with another state, bundle or grounds at that node. Nodes that
    cannot be reached are left out. Raises what the coordinator answers, and IntegrityError for an end that a node did
    not sign.
    """
    query = f"?state={state}" if state else ""
    answers = nodes.try_each(lambda node: node.get(f"/v1/jobs{query}", JobList).jobs)
    told: dict[str, list[JobInfo]] = {}
    for node, answer in zip(nodes.clients, answers, strict=True):
        if not isinstance(answer, TercetError):
            for info in answer:
                check_info(info, node.entry.card, nodes.federation, info.job)
            told[node.name] = answer
        elif node is nodes.coordinator:
            raise answer
    mine = told.pop(nodes.coordinator.name)
    ends = {info.job: _end_of(info) for info in mine if info.final}
    otherwise: dict[str, dict[str, JobInfo]] = {}
    for name, infos in told.items():
        for info in infos:
            if info.final and ends.get(info.job, _end_of(info)) != _end_of(info):
                otherwise.setdefault(info.job, {})[name] = info
    return mine, otherwise


def _end_of(info: JobInfo) -> tuple[object, ...]:
    return info.state, info.bundle, info.grounds


def cancel(nodes: Nodes, job: str) -> None:
    """Cancel a job at every node that can be reached; raises nothing."""
    nodes.quietly(lambda node: node.request("POST", f"/v1/jobs/{job}/cancel", timeout=5.0))


def check_held(job: str, infos: Sequence[JobInfo]) -> None:
    """Raise Held if an operator has to approve the job at one of the nodes."""
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
    """Wait for the end of a job at all three nodes, and give their signed answers.

    `deadline` in unix seconds; `progress` is called with fractions from 0 to 1. Raises the error of a job that failed;
    Timeout or Unreachable, naming a node; Held, unless `wait_if_held`. If anything but Held or Left is raised, the job
    is cancelled.
    """
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
            check_info(info, node.entry.card, nodes.federation, job)
            if info.final or stop.is_set():
                return info
            if not wait_if_held:
                check_held(job, [info])
            if progress is not None:
                progress(info.progress)

    futures = [nodes.start(follow, client) for client in nodes.clients]
    try:
        return _ends(nodes, futures)
    except (Held, Left):
        raise
    except BaseException:
        stop.set()
        cancel(nodes, job)
        raise
    finally:
        stop.set()


def _ends(nodes: Nodes, futures: Sequence[Future[JobInfo]]) -> list[JobInfo]:
    """Give all three signed ends, or raise the failure that says most of the cause; its hint names silent nodes."""
    pending = set(futures)
    failures: list[TercetError] = []
    give_up = None
    while pending:
        left = None if give_up is None else max(0.0, give_up - time.monotonic())
        done, pending = wait(pending, left, FIRST_COMPLETED)
        failures += [failure for future in done if (failure := _failure(future)) is not None]
        if failures and give_up is None:
            give_up = time.monotonic() + OTHERS_S
        if give_up is not None and (not done or time.monotonic() > give_up):
            break
    if failures:
        error = min(failures, key=_weight)
        ends = zip(nodes.clients, futures, strict=True)
        if silent := [client.name for client, future in ends if not _has_ended(future)]:
            error.hint = "; ".join(filter(None, [error.hint, f"{' and '.join(silent)} has not signed an end of it"]))
        raise error
    return [future.result() for future in futures]


def _has_ended(future: Future[JobInfo]) -> bool:
    return future.done() and future.exception() is None and future.result().final


def _failure(future: Future[JobInfo]) -> TercetError | None:
    try:
        info = future.result()
    except TercetError as error:
        return error
    return None if info.state == "done" else failure_of(info)


def _weight(error: TercetError) -> int:
    """Sort key of failures: those that say more of the cause come first, and a node that does not answer last."""
    if type(error) is PartyError:
        return 9
    kinds: tuple[type[TercetError], ...] = (Held, Left, Refused, IntegrityError, PlanError)
    known = (weight for weight, kind in enumerate(kinds) if isinstance(error, kind))
    return next(known, 8 if isinstance(error, PartyError) else 7)


def failure_of(info: JobInfo) -> TercetError:
    """The exception for a job without a result, from one node's answer, whose signatures `check_info` has verified."""
    if info.error is not None:
        node = info.error.node or info.decision.node
        told = info.error
        if info.end is not None and info.end.signer != node:
            told = told.model_copy(update={"message": f"{told.message} (so says {info.end.signer})"})
        error = error_of(409, told, node, _NO_PARTY)
        if isinstance(error, PartyError):
            error.party = None
        return error
    if info.state == "refused":
        reason = info.decision.because or "the policy does not allow it"
        return Refused(reason, node=info.decision.node, rule=info.decision.rule, hint=REFUSED_HINT)
    return PlanError(f"job {info.job} was {info.state} at {info.decision.node}")


def fetch(nodes: Nodes, job: str, outputs: Mapping[int, Type]) -> dict[int, NDArray[Any]]:
    """Fetch and open the boxes of revealed outputs; give the words (packed bits) of each, by its index in the plan.

    Shares are combined on this machine only. Raises IntegrityError naming the two nodes whose copies of a component
    differ, and ProtocolViolation for boxes that are not as they should be.
    """
    names = [nodes[party].name for party in PARTIES]
    due = {index: BOX_OVERHEAD_BYTES + reveal_bytes(window(t), t.size) for index, t in outputs.items()}
    sealed = nodes.each(lambda node: _boxes(node, job, due))
    words = {}
    for index, t in outputs.items():
        parts = []
        for party, found in zip(PARTIES, sealed, strict=True):
            part = open_result(nodes.member, job, index, party, found[index])
            parts.append(np.frombuffer(bytearray(part), np.uint8))
        words[index] = put_together(parts, window(t), t.size, f"output {index}", names)
    return words


def _boxes(node: NodeClient, job: str, due: Mapping[int, int]) -> dict[int, memoryview]:
    """One node's boxes, by output. Raises ProtocolViolation unless outputs and lengths are those of `due`."""
    # an error may be longer than small results
    most = max(_ERROR_BYTES, boxes_bytes(list(due.values())))
    data = node.request("GET", f"/v1/jobs/{job}/results", most=most)
    try:
        found = read_boxes(data)
    except ProtocolViolation as error:
        message = f"node {node.name} sent results of job {job} that cannot be read: {error.message}"
        raise ProtocolViolation(message, party=int(node.party), job=job, hint=error.hint) from None
    sent = {index: len(box) for index, box in found.items()}
    if sent != due:
        index = min(index for index in {*sent, *due} if sent.get(index) != due.get(index))
        message = (
            f"node {node.name} sent {sent.get(index, 0)} bytes for output {index} where {due.get(index, 0)} are due"
        )
        raise ProtocolViolation(message, party=int(node.party), job=job)
    return found
