"""`RemoteSession`, a session with three nodes: the interface of local sessions, with stored tables and saved models."""

from __future__ import annotations

import base64
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tercet.array.core import SecretArray, secret_array
from tercet.array.dtypes import decoded
from tercet.array.results import keep
from tercet.client import asking, orders
from tercet.client.asking import NodesExplanation, Ticket, Tickets
from tercet.client.base import BaseSession, record_of, revealed_types
from tercet.client.encode import decode_words, encode_array, stored_values
from tercet.client.nodes import Nodes
from tercet.client.orders import ReceiptLine
from tercet.client.table import Table
from tercet.client.upload import UploadReport, upload, upload_private
from tercet.client.upload_notes import Mode, UploadNotes
from tercet.errors import InputError, IntegrityError, PlanError, TercetError
from tercet.federation.api import ChangeOutcome, DatasetInfo
from tercet.federation.api_jobs import ExplainAnswer, JobInfo, KeptInfo
from tercet.federation.bundle import InputRef, JobHeader, OutputRef, RowLink, column_handle, kept_handle, make_bundle
from tercet.federation.bundle import recipient as recipient_entry
from tercet.federation.identity import Card
from tercet.federation.model import fresh_id
from tercet.learn.model import SecretModel
from tercet.learn.reasons import KNOWN
from tercet.plan.network import Network
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Recorded
from tercet.plan.types import Type, bool_type, read_type
from tercet.store.schema import Schema

if TYPE_CHECKING:
    from tercet.client.query import Answer


@dataclass(frozen=True, slots=True)
class _Column:
    """A column (or its validity bits) of a dataset version, as an input of plans."""

    dataset: str
    version: int
    manifest: str
    column: str
    validity: bool


class RemoteSession(BaseSession):
    """One person's session with three nodes; made by `tercet.connect`. Use it in `with`, or call `close`.

    Jobs of several threads run side by side. Every job may raise Refused (naming node and rule), asking.Held,
    Unreachable or Timeout (naming the node), IntegrityError (naming the two nodes that differ).
    """

    def __init__(
        self,
        nodes: Nodes,
        network: Network,
        *,
        deadline: float,
        lifetime: float,
        checked: bool,
        rounding: str,
        bounds: str,
        purpose: str,
        recipients: Sequence[Card],
        remember: Path | None,
        progress: Callable[[float], None] | None,
    ) -> None:
        super().__init__(network, checked=checked, rounding=rounding, bounds=bounds, keeps_exactly=True)
        self.nodes = nodes
        """The three nodes, for requests for which this class has no method."""
        self.purpose = purpose
        """The purpose of the questions, in the analyst's words; every node writes it into its audit."""
        self.wait_if_held = False
        """Whether to wait for jobs that an operator has to approve; if not, asking.Held is raised."""
        self._deadline_s = deadline
        self._lifetime_s = lifetime
        self._recipients = [recipient_entry(card) for card in (nodes.member.card, *recipients)]
        self._progress = progress
        self._tickets = Tickets(remember)
        self._lock = threading.RLock()
        self._columns: dict[tuple[bytes, Type], _Column] = {}
        self._kept: dict[bytes, str] = {}
        self._saving: tuple[dict[bytes, str], Mapping[str, Any]] | None = None
        self._private: list[str] = []
        self._uploads = UploadNotes()
        self._about: dict[str, str] = {}
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"RemoteSession({state}, {self.nodes.federation.name}, {self.nodes.member.name})"

    def close(self) -> None:
        """End the session and withdraw what `share` stored. May be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for name in self._private:
            with suppress(TercetError):
                orders.withdraw(self.nodes, name)
        self.nodes.close()

    # -- data

    def table(self, name: str) -> Table:
        """A dataset as it is now: its columns are secret arrays of this session.

        Raises InputError if there is none, IntegrityError naming the node that has another version.
        """
        found = orders.dataset(self.nodes, name)
        self.cohort = max(self.cohort, found.cohort)
        return Table(self, found)

    def query(self, sql: str) -> Answer:
        """Ask one SELECT of aggregates over one dataset, or two joined by their public keys, as one job.

        `tercet query --help` lists what is offered. The Answer has `names`, `rows` (None for NULL, NOT_SHOWN for what
        rests on too few rows) and a `note` that says how many groups are not shown. Raises InputError for what is not
        offered, and what a job raises.
        """
        from tercet.client.query import ask

        return ask(self, sql)

    def datasets(self) -> list[DatasetInfo]:
        """All datasets that you may see."""
        return orders.datasets(self.nodes)

    def upload(
        self,
        source: Any,
        *,
        dataset: str,
        schema: Schema | Path | str | None = None,
        mode: Mode = "create",
        **options: Any,
    ) -> UploadReport:
        """Split a frame or file among the nodes; see `tercet.client.upload.upload` for the options. Owners call it.

        `schema`: a Schema, or the path of its file; not needed to append rows. `again=True` uploads the same content
        once more; otherwise that is refused (notes about files are kept beside them, about frames in this session).
        """
        if isinstance(schema, Path | str):
            schema = Schema.load(Path(schema))
        return upload(self.nodes, source, dataset=dataset, schema=schema, mode=mode, memory=self._uploads, **options)

    def widen(self, dataset: str, schema: Schema | Path | str) -> ChangeOutcome:
        """Agree to wider bounds for a dataset in which you have rows. Owners call it.

        `schema`: a Schema with these bounds, or the path of its file. The bounds change once all owners of rows have
        agreed; see `tercet.client.orders.widen`.
        """
        return orders.widen(self.nodes, dataset, schema if isinstance(schema, Schema) else Schema.load(Path(schema)))

    def withdraw(self, dataset: str, *, upload: str | None = None) -> ChangeOutcome:
        """Delete your rows of a dataset at all three nodes, or those of one upload. Owners call it."""
        return orders.withdraw(self.nodes, dataset, upload=upload)

    def receipts(self, dataset: str) -> list[ReceiptLine]:
        """Every job that used a dataset, and the nodes that report it. Owners call it."""
        return orders.receipts(self.nodes, dataset)

    def share(self, values: Any, bounds: tuple[Any, Any] | None = None, frac_bits: int | None = None) -> SecretArray:
        """Split an array among the nodes for this session; `encode_array` says what is accepted.

        It becomes a dataset of yours, which `close` withdraws; the nodes' policies must name you as an owner.
        """
        encoded = encode_array(values, bounds, frac_bits)
        name, info = upload_private(self.nodes, encoded, values)
        with self._lock:
            self._private.append(name)
        flat: SecretArray = self.column(info, Schema.parse(info.schema_), "values")
        return flat.reshape(encoded.type.shape)

    def column(self, info: DatasetInfo, schema: Schema, column: str) -> SecretArray:
        """A stored column as a secret array of shape (rows,). Tables call it."""
        found = schema.type(column, info.rows)
        claimed = any(column in segment.columns and not segment.checked for segment in info.segments)
        return self._input_array(info, column, replace(found, claimed=claimed and not found.is_bool), validity=False)

    def validity(self, info: DatasetInfo, column: str) -> SecretArray:
        """Which rows of a nullable column have a value, as secret bools of shape (rows,). Tables call it."""
        return self._input_array(info, column, bool_type((info.rows,)), validity=True)

    def keys(self, info: DatasetInfo) -> list[int | str]:
        """The public keys of a table's rows; all three nodes have the same. Tables call it."""
        return orders.keys(self.nodes, info)

    def _input_array(self, info: DatasetInfo, column: str, t: Type, *, validity: bool) -> SecretArray:
        handle = column_handle(self.nodes.federation.id, info.name, column, validity=validity)
        with self._lock:
            self._columns[handle, t] = _Column(info.name, info.version, info.manifest, column, validity)
            return secret_array(self, self.graph.input(handle, t))

    # -- models

    def keep(self, name: str, arrays: Mapping[str, SecretArray], model: Mapping[str, Any]) -> dict[str, SecretArray]:
        """See `BaseSession.keep`; the nodes keep it until it is deleted."""
        names = {kept_handle(self.nodes.federation.id, f"{name}/{key}"): f"{name}/{key}" for key in arrays}
        description = {**model, "divisors": {key: str(array.divisor) for key, array in arrays.items()}}
        with self._lock:
            self._saving = names, description
            try:
                found = keep(list(arrays.values()), list(names))
            finally:
                self._saving = None
        return dict(zip(arrays, found, strict=True))

    def load(self, name: str) -> SecretModel:
        """See `BaseSession.load`. Raises IntegrityError if the nodes keep different arrays under that name."""
        infos = self.nodes.each(lambda node: node.get(f"/v1/kept/{name}", KeptInfo))
        if len({(info.job, tuple((a.handle, a.label) for a in info.arrays)) for info in infos}) > 1:
            raise IntegrityError(f"the nodes do not keep the same {name}", hint="ask their operators")
        info = infos[0]
        if info.model is None or any(other.model != info.model for other in infos):
            raise InputError(f"{name} is no model that all nodes have alike", hint="save it with model.save(net, name)")
        description = dict(info.model)
        divisors = description.pop("divisors", {})
        arrays = {}
        for array in info.arrays:
            key = array.name.rpartition("/")[2]
            handle, t = bytes.fromhex(array.handle), read_type(base64.b64decode(array.label))
            arrays[key] = secret_array(self, self._named(handle, t, f"{name}/{key}"), _divisor(divisors, key))
        return self._rebuilt(description, arrays)

    def kept(self) -> list[KeptInfo]:
        """Your kept arrays and models."""
        return orders.kept(self.nodes)

    def drop(self, name: str) -> ChangeOutcome:
        """Delete a kept array, or a model with its arrays, at all three nodes."""
        return orders.drop(self.nodes, name)

    # -- jobs

    def jobs(self, *, state: str | None = None) -> list[JobInfo]:
        """Your jobs, newest first, as the coordinator has them; `told_otherwise` says where other nodes differ."""
        return asking.listed(self.nodes, state)[0]

    def told_otherwise(self) -> dict[str, dict[str, JobInfo]]:
        """Those of your newest jobs about whose end another node differs from the coordinator, by job and node.

        Empty if all nodes are honest and no job was interrupted."""
        return asking.listed(self.nodes)[1]

    def job(self, job: str) -> list[JobInfo]:
        """One job, as each of the three nodes has it."""
        return self.nodes.each(lambda node: asking.signed(self.nodes, node, job))

    def cancel(self, job: str) -> None:
        """Cancel a job at all three nodes."""
        asking.cancel(self.nodes, job)

    def ticket(self, job: str) -> Ticket:
        """The ticket of a job of this session, or of one with the same `remember`. Raises InputError without one."""
        return self._tickets.find(job)

    def has_ticket(self, job: str) -> bool:
        """Whether there is a ticket of a job: its result was not delivered, and can be read here."""
        return self._tickets.has(job)

    def fetch(self, job: str, *, wait: bool = True) -> tuple[Any, ...]:
        """The values that an earlier job reveals, as `reveal` gives them; for jobs that were held.

        With `wait`, wait for its end. Raises Held while it is held (unless `wait_if_held`), PlanError if it has not
        ended and `wait` is False, InputError for a job without a ticket.
        """
        ticket = self._tickets.find(job)
        infos = self.job(job) if not wait else self._await(job, ticket.deadline)
        unfinished = next((info for info in infos if not info.final), None)
        if unfinished is not None:
            raise PlanError(f"job {job} is {unfinished.state} at {unfinished.decision.node}", hint="ask again later")
        failed = next((info for info in infos if info.state != "done"), None)
        if failed is not None:
            raise asking.failure_of(failed)
        types = {output.index: output.type for output in ticket.outputs}
        words = asking.fetch(self.nodes, job, types)
        values = []
        for output in ticket.outputs:
            plain = decoded(stored_values(words[output.index], output.type), output.type, output.fraction)
            values.append(plain if plain.dtype == object else plain[()])
        return tuple(values)

    @contextmanager
    def asking_about(self, **facts: str) -> Iterator[None]:
        """Store these facts (a query's text, for example) with the jobs run inside: `ticket(job).about` has them."""
        before, self._about = self._about, {**self._about, **facts}
        try:
            yield
        finally:
            self._about = before

    def explain(self, plan: Plan) -> NodesExplanation:
        """What a plan costs and reveals, and what each node's policy decides; nothing is run, and no budget is used."""
        bundle = make_bundle(self.nodes.member, self._header(fresh_id(), plan, None), plan.to_bytes())
        found = self.nodes.each(lambda node: node.post("/v1/explain", bundle, ExplainAnswer, patient=True))
        return NodesExplanation(plan, self.network, tuple(found), reasons=KNOWN)

    def run(self, wanted: Sequence[Wanted]) -> list[Any]:
        """Compile and run one plan at the nodes. Secret arrays call it to reveal and to persist."""
        placed = self._placed(wanted)
        divisors = [want.divisor for want in placed]
        return self._taken(placed, self._ask(compile_plan(placed, self.network), stored_values, divisors))

    def _run(self, plan: Plan, decode: Callable[[NDArray[Any], Type], Any] = decode_words) -> list[Any]:
        return self._ask(plan, decode, [Fraction(1)] * len(plan.outputs))

    def _ask(self, plan: Plan, decode: Callable[[NDArray[Any], Type], Any], divisors: Sequence[Fraction]) -> list[Any]:
        if self._closed:
            raise ValueError("this session is closed; connect again")
        job, began = fresh_id(), time.perf_counter()
        header = self._header(job, plan, self._saving)
        bundle = make_bundle(self.nodes.member, header, plan.to_bytes())
        revealed = revealed_types(plan)
        self._tickets.add(
            Ticket.of(header, {index: (t, divisors[index]) for index, t in revealed.items()}, self._about)
        )
        infos = self._ended(job, bundle, header.deadline)
        words = asking.fetch(self.nodes, job, revealed) if revealed else {}
        reports = [info.report for info in infos if info.report is not None]
        if reports:
            self._note(record_of(plan, job, reports, time.perf_counter() - began))
        self._tickets.settle(job)
        return [
            decode(words[index], revealed[index]) if index in revealed else None for index in range(len(plan.outputs))
        ]

    def _ended(self, job: str, bundle: bytes, deadline: float) -> list[JobInfo]:
        """Send a job and wait for its end. An interrupt, or any other foreign exception, cancels the job."""
        try:
            infos = asking.submit(self.nodes, job, bundle)
            if not self.wait_if_held:
                asking.check_held(job, infos)
            return self._await(job, deadline)
        except TercetError:
            raise  # it is cancelled already, or held
        except BaseException:
            asking.cancel(self.nodes, job)
            raise

    def _await(self, job: str, deadline: float) -> list[JobInfo]:
        return asking.await_end(self.nodes, job, deadline, progress=self._progress, wait_if_held=self.wait_if_held)

    def _header(self, job: str, plan: Plan, saving: tuple[Mapping[bytes, str], Mapping[str, Any]] | None) -> JobHeader:
        # while one thread saves a model, another may prepare a job, whose outputs have other handles
        mine = saving is not None and any(output.handle in saving[0] for output in plan.outputs)
        names, model = saving if mine and saving is not None else ({}, None)
        outputs = [
            OutputRef(index=index, keep=names[output.handle])
            if output.handle in names
            else OutputRef(index=index, lifetime=max(1, round(self._lifetime_s)))
            for index, output in enumerate(plan.outputs)
            if output.kind is OutputKind.PERSIST
        ]
        now = int(time.time())
        return JobHeader(
            federation=self.nodes.federation.id,
            job=job,
            created=now,
            deadline=now + max(1, math.ceil(self._deadline_s)),
            analyst=self.nodes.member.card.fingerprint,
            inputs=tuple(self._input(handle, t) for handle, t in plan.inputs()),
            outputs=tuple(outputs),
            recipients=tuple(self._recipients),
            network=_link(self.network),
            purpose=self.purpose,
            model=None if model is None else dict(model),
        )

    def _input(self, handle: bytes, t: Type) -> InputRef:
        federation = self.nodes.federation.id
        with self._lock:
            column = self._columns.get((handle, t))
            if column is not None:
                return InputRef.of_column(
                    federation, column.dataset, column.version, column.manifest, column.column, validity=column.validity
                )
            return InputRef.of_kept(federation, self._kept[handle])

    def _stored(self, handle: bytes, t: Type) -> Recorded:
        saving = self._saving
        name = saving[0].get(handle) if saving is not None else None
        return self._named(handle, t, name or handle.hex())

    def _named(self, handle: bytes, t: Type, name: str) -> Recorded:
        with self._lock:
            self._kept[handle] = name
            return self.graph.input(handle, t)


def _divisor(divisors: Any, key: str) -> Fraction:
    try:
        return Fraction(str(divisors[key]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        raise InputError("what is kept is no model: its description is broken") from None


def _link(network: Network) -> RowLink:
    name = "".join(c if c.isalnum() or c in " _-" else "-" for c in network.name.lower())[:32] or "network"
    rtt, bandwidth = round(network.rtt_s * 1e6), max(1, round(network.bandwidth_bps))
    return RowLink(name=name, rtt_us=min(rtt, 10**9), bandwidth_bits_s=min(bandwidth, 10**15))
