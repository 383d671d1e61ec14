"""Reads bundles and checks them, before a decision: signature, dates, plan, inputs, outputs, memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tercet.errors import ConfigError, InputError, IntegrityError, PlanError
from tercet.federation.bundle import Bundle, InputRef, kept_handle, read_bundle
from tercet.federation.orders import MAX_AGE_S, MAX_AHEAD_S
from tercet.node.jobs.known import RowKeys, behind_kept, column_source
from tercet.node.parts import NodeContext
from tercet.node.worker.mode import ANY_VALUE_BYTES, RunMode, choose_mode
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.run.language import PlanLanguage, PlanProgram
from tercet.plan.types import Type, bool_type, capacity_bits, write_type
from tercet.policy.disclosure import disclosures
from tercet.policy.persons import Persons
from tercet.policy.request import BudgetUse, InputSource, KeptSource, PolicyRequest, read_terms
from tercet.store.catalogue import FORGOTTEN
from tercet.store.change import KeepArray, KeepChange
from tercet.store.kept import KeptRow
from tercet.store.version import DatasetVersion

_FILE_BYTES = 512
"""What a box or a share file has beside its numbers."""


@dataclass(frozen=True)
class Keep:
    """An output that stays at the nodes: its index among the plan's outputs, handle, name ("" for none) and type."""

    index: int
    handle: str
    name: str
    type: Type


@dataclass(frozen=True)
class Case:
    """A bundle that was read and checked, with everything that a decision needs."""

    bundle: Bundle
    program: PlanProgram = field(repr=False)
    versions: dict[str, DatasetVersion] = field(repr=False)
    columns: dict[bytes, InputRef] = field(repr=False)
    kept: dict[bytes, KeptRow] = field(repr=False)
    keeps: tuple[Keep, ...]
    claimed: frozenset[bytes] = field(repr=False)
    """Inputs whose bounds are claims."""

    @property
    def job(self) -> str:
        return self.bundle.header.job

    @property
    def hash(self) -> str:
        return self.bundle.hash.hex()

    @property
    def stored_bytes(self) -> int:
        """About how much disk its results take here: boxes for every recipient, both components of what is kept."""
        plan, copies = self.program.plan, len(self.bundle.header.recipients)
        found = 0
        for output in plan.outputs:
            kind = plan.type_of(output.value)
            if output.kind is OutputKind.REVEAL:
                found += (-(-capacity_bits(kind) // 8) + _FILE_BYTES) * copies
            else:
                nbytes = -(-kind.size // 8) if kind.is_bool else kind.size * kind.word_bytes
                found += 2 * (nbytes + _FILE_BYTES)
        return found

    def keep_change(self, disclosures: dict[int, Any]) -> KeepChange | None:
        """The change that makes what is kept visible, once the job is done; `disclosures` by index of the output."""
        if not self.keeps:
            return None
        header = self.bundle.header
        lifetimes = {ref.index: ref.lifetime for ref in header.outputs}
        seconds = [lifetimes.get(keep.index) for keep in self.keeps]
        models = {keep.name.partition("/")[0] for keep in self.keeps if "/" in keep.name}
        return KeepChange(
            job=header.job,
            owner=header.analyst,
            arrays=[
                KeepArray(
                    handle=keep.handle,
                    name=keep.name,
                    label=write_type(keep.type).hex(),
                    disclosure=disclosures.get(keep.index),
                )
                for keep in self.keeps
            ],
            expires=None if None in seconds else float(header.created + max(one or 0 for one in seconds)),
            name=models.pop() if header.model is not None and models else "",
            model=header.model,
            datasets={name: version.version for name, version in self.versions.items()},
            inputs={info.handle: info.generation for info in self.kept.values()},
        )


class Admission:
    """Reads bundles at one node. Thread-safe. Who calls it: `Jobs`, when a job comes and when it starts."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    def open(self, data: bytes, analyst: str) -> Bundle:
        """The bundle, if its signature holds and it is meant for now, this federation and this sender.

        Raises PlanError, IntegrityError.
        """
        bundle = read_bundle(data)
        header, now = bundle.header, self._context.now()
        federation = self._context.identity.federation.id
        if header.federation != federation:
            raise PlanError(
                f"the job is for the federation {header.federation[:8]}, this is {federation[:8]}",
                hint="use the federation file of these nodes",
            )
        if header.analyst != analyst:
            raise PlanError("the job was signed by somebody else than who sends it", hint="send your own jobs")
        if not -MAX_AHEAD_S <= now - header.created <= MAX_AGE_S:
            raise IntegrityError(
                f"the job was signed at {_clock(header.created)}, and it is {_clock(now)} here",
                hint="set the clock right, or ask again",
            )
        restored = self._context.store.restored
        if restored is not None and header.created < restored:
            raise IntegrityError(
                f"the job was signed before {self._context.settings.name} was restored from a backup",
                hint="it may have been run in the time that the backup does not know; ask again, with a clock that is "
                "right",
            )
        forgotten = self._context.store.catalogue.fact(FORGOTTEN)
        if forgotten is not None and header.created <= float(forgotten) + MAX_AHEAD_S:
            raise IntegrityError(
                f"the job was signed before others that {self._context.settings.name} has forgotten",
                hint="it may have been one of them; ask again in a few minutes",
            )
        if header.deadline <= now:
            raise IntegrityError(f"the job's deadline was {_clock(header.deadline)}", hint="ask again")
        for card in (bundle.card, *header.recipient_cards):
            try:
                card.check_valid(datetime.fromtimestamp(now, UTC))
            except ConfigError as error:
                raise IntegrityError(error.message, hint=error.hint) from None
        return bundle

    def read(self, bundle: Bundle, before: Case | None = None) -> Case:
        """Decode and check all that the bundle says about plan and data. Raises PlanError, NotFound, Gone.

        `before`: what was read of it earlier. Its plan is not decoded again unless other inputs are claims by now.
        """
        self._check_announced(bundle)
        header = bundle.header
        refs = {ref.handle_bytes: ref for ref in header.inputs}
        kept = {handle: self._kept(ref.kept, header.analyst) for handle, ref in refs.items() if ref.kept is not None}
        versions = self._versions(bundle)
        claimed = {handle for handle, info in kept.items() if info.type.claimed}
        # bounds of values that nobody has checked are claims, also where they are checked before the job starts
        claimed |= {
            handle
            for handle, ref in refs.items()
            if ref.dataset is not None and ref.column in versions[ref.dataset].unchecked_columns
        }
        if before is not None and before.claimed == claimed:
            program = before.program
        else:
            program = PlanLanguage(ANY_VALUE_BYTES).read(bundle.plan, sorted(claimed))
        plan = program.plan
        # each way in which the plan reads an array, not only the last: the bounds of its type count as proven
        wanted = dict.fromkeys(plan.inputs())
        if set(refs) != {handle for handle, _ in wanted}:
            raise PlanError("the job names other inputs than its plan reads")
        for handle, t in wanted:
            ref = refs[handle]
            if ref.kept is not None:
                _check_type(ref.kept, t, kept[handle].type)
            else:
                assert ref.dataset is not None and ref.column is not None
                _check_column(versions[ref.dataset], ref.column, ref.validity, t)
        columns = {handle: ref for handle, ref in refs.items() if ref.kept is None}
        return Case(bundle, program, versions, columns, kept, self._keeps(bundle, program), frozenset(claimed))

    def _check_announced(self, bundle: Bundle) -> None:
        """Check the numbers that the plan's first bytes announce, which decoding verifies, before it is decoded."""
        operations, runs = Plan.announced(bundle.plan)
        most, policy = self._context.settings.limits.job_operations, self._context.policy.current.limits
        for count, limit, what in (
            (runs, most, "runs"),
            (operations, policy.operations, "has"),
            (runs, policy.runs, "runs"),
        ):
            if count > limit:
                raise PlanError(
                    f"the plan {what} {count:,} operations, and {limit:,} are allowed here",
                    hint="ask for less at a time",
                )

    def weigh(self, case: Case) -> RunMode:
        """How the job would be run here. Raises PlanError if it needs more memory than a job may take."""
        rows_of = {handle: case.versions[ref.dataset or ""].rows for handle, ref in case.columns.items()}
        limits = self._context.settings.limits
        return choose_mode(case.program.plan, rows_of, case.bundle.header.partition_rows, limits.job_memory_bytes)

    def _versions(self, bundle: Bundle) -> dict[str, DatasetVersion]:
        found = {}
        for name, (number, manifest) in bundle.header.datasets.items():
            version = self._context.store.datasets.get(name, number)
            if version.manifest != manifest:
                raise PlanError(
                    f"dataset {name} version {number} is another one here ({version.manifest[:8]}) than the job names "
                    f"({manifest[:8]})",
                    hint="look at the dataset again, then ask again",
                )
            found[name] = version
        if any(
            (ref.version, ref.manifest) != bundle.header.datasets.get(ref.dataset or "", (0, None))
            for ref in bundle.header.inputs
            if ref.dataset is not None
        ):
            raise PlanError("the job reads two versions of one dataset")
        return found

    def _kept(self, name: str, analyst: str) -> KeptRow:
        info = self._context.store.kept.get(name, analyst)
        if info.owner != analyst:
            raise PlanError(f"{name} was kept by somebody else", hint="only who kept an array may use it")
        return info

    def _keeps(self, bundle: Bundle, program: PlanProgram) -> tuple[Keep, ...]:
        plan, header = program.plan, bundle.header
        refs = {ref.index: ref for ref in header.outputs}
        if any(index >= len(plan.outputs) or plan.outputs[index].kind is not OutputKind.PERSIST for index in refs):
            raise PlanError("the job says what becomes of an output that its plan does not keep")
        keeps = []
        for index, output in enumerate(plan.outputs):
            if output.kind is not OutputKind.PERSIST:
                continue
            name = refs[index].keep if index in refs else ""
            if name and kept_handle(header.federation, name) != output.handle:
                raise PlanError(f"the handle of {name} is not that of its name")
            handle = output.handle.hex()
            self._check_free(handle, name)
            keeps.append(Keep(index, handle, "" if name == handle else name, plan.type_of(output.value)))
        models = {keep.name.partition("/")[0] for keep in keeps if "/" in keep.name}
        if (header.model is not None) != bool(models) or len(models) > 1:
            raise PlanError("the arrays of a model are kept as model/array, all of one model, with its public part")
        return tuple(keeps)

    def _check_free(self, handle: str, name: str) -> None:
        """Before anything is computed; the change that makes it visible checks again."""
        for known in (handle, name):
            if known and self._context.store.kept.holds(known):
                told = name.partition("/")[0] or handle[:8]  # a model is dropped as a whole
                raise InputError(f"{told} is kept already", hint=f"drop it first (tercet drop {told}), or name another")

    def request(self, case: Case) -> PolicyRequest:
        """What the policy is asked."""
        context, header = self._context, case.bundle.header
        analyst = header.analyst
        recipients = tuple(card.fingerprint for card in header.recipient_cards)
        policy = context.policy.current

        def used(person: str, dataset: str, since: float) -> BudgetUse:
            found = context.store.jobs.used(since, person=person, dataset=dataset, besides=case.job)
            return BudgetUse(found.jobs, found.bits, found.kept)

        return PolicyRequest(
            analyst=analyst,
            recipients=recipients,
            plan=case.program.plan,
            inputs=self._sources(case, frozenset([analyst])),
            kept={keep.index: keep.name or keep.handle for keep in case.keeps},
            used=used,
            learners={
                person: self._sources(case, policy.as_one(person)) for person in dict.fromkeys([analyst, *recipients])
            },
            keys=RowKeys(context, analyst),
            unchecked={
                name: len({segment.upload for segment in version.unchecked})
                for name, version in case.versions.items()
                if version.unchecked
            },
            now=context.now(),
            deadline_s=header.deadline - header.created,
        )

    def _sources(self, case: Case, people: frozenset[str]) -> dict[bytes, InputSource]:
        """The inputs as they are to `people`, who are taken for one person together with the analyst."""
        store, analyst = self._context.store, case.bundle.header.analyst
        inputs: dict[bytes, InputSource] = {}
        for handle, ref in case.columns.items():
            version = case.versions[ref.dataset or ""]
            inputs[handle] = column_source(version, ref.column or "", analyst, people)
        for handle, info in case.kept.items():
            brought = None
            if people != frozenset([analyst]):
                with store.catalogue.read() as connection:
                    brought = behind_kept(connection, info.disclosure, people)
            own, terms = store.kept.own(info, people), read_terms(info.terms)
            inputs[handle] = KeptSource(info.name or info.handle, info.disclosure, info.job, own, terms, brought)
        return inputs


def disclosed(case: Case, request: PolicyRequest) -> dict[int, Any]:
    """What revealing each kept output would say, by index, as it is stored with it."""
    if not case.keeps:
        return {}
    found = disclosures(request.plan, request.inputs, request.kept, persons=Persons(request.keys))
    return {keep.index: found[keep.index].stored() for keep in case.keeps}


def _check_type(what: str, wanted: Type, stored: Type) -> None:
    if not PlanLanguage().accepts(write_type(wanted), write_type(stored)):
        raise PlanError(f"{what} is {stored} here, and the plan reads it as {wanted}")


def stored_name(versions: Mapping[str, DatasetVersion], ref: InputRef) -> str:
    """Under which name the store has what a job reads of a column."""
    column = versions[ref.dataset or ""].schema[ref.column or ""]
    return column.validity if ref.validity else column.name


def _check_column(version: DatasetVersion, name: str, validity: bool, wanted: Type) -> None:
    if name not in version.schema:
        raise PlanError(f"dataset {version.name} has no column {name}")
    if version.schema[name].is_key:
        raise PlanError(f"column {name} of {version.name} is a public key, which no plan reads")
    column = version.schema[name]
    if not validity:
        _check_type(f"column {name} of {version.name}", wanted, column.type(version.rows))
    elif column.nullable:
        _check_type(f"validity of column {name} of {version.name}", wanted, bool_type((version.rows,)))
    else:
        raise PlanError(f"column {name} of {version.name} is not nullable: no value of it is missing")


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
