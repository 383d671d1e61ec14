"""What a node makes of a bundle before it decides: signature, dates, plan, inputs, outputs, memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tercet.errors import ConfigError, InputError, IntegrityError, PlanError
from tercet.federation.bundle import Bundle, InputRef, kept_handle, read_bundle
from tercet.federation.orders import MAX_AGE_S, MAX_AHEAD_S
from tercet.node.language import PlanLanguage, PlanProgram, write_type
from tercet.node.mode import Mode, choose_mode
from tercet.plan.plan import OutputKind
from tercet.plan.types import Type
from tercet.policy.disclosure import datasets_behind, disclosures
from tercet.policy.request import ColumnSource, KeptSource, PolicyRequest, Source, Used
from tercet.store.catalogue import FORGOTTEN, RESTORED
from tercet.store.change import KeepChange, KeptArray
from tercet.store.errors import NotFound
from tercet.store.kept import KeptInfo
from tercet.store.version import DatasetVersion

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_ANY_VALUE_BYTES = 1 << 50
"""Values of a streamed plan never are in memory whole; what is, is held against the job's limit by `choose_mode`."""

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
    """A bundle whose form is right: everything that a decision rests on."""

    bundle: Bundle
    program: PlanProgram = field(repr=False)
    versions: dict[str, DatasetVersion] = field(repr=False)
    columns: dict[bytes, InputRef] = field(repr=False)
    kept: dict[bytes, KeptInfo] = field(repr=False)
    keeps: tuple[Keep, ...]

    @property
    def job(self) -> str:
        return self.bundle.header.job

    @property
    def hash(self) -> str:
        return self.bundle.hash.hex()

    def revealed(self) -> list[int]:
        """Indices of the outputs that go to the recipients."""
        return [index for index, result in enumerate(self.program.results) if result.revealed]

    @property
    def stored_bytes(self) -> int:
        """About how much disk its results take here: boxes for every recipient, both components of what is kept."""
        plan, copies = self.program.plan, len(self.bundle.header.recipients)
        found = 0
        for output in plan.outputs:
            kind = plan.operations[output.value].type
            nbytes = -(-kind.size // 8) if kind.is_bool else kind.size * kind.word_bytes
            found += (nbytes + _FILE_BYTES) * (copies if output.kind is OutputKind.REVEAL else 2)
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
                KeptArray(
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
        )


class Admission:
    """Reads bundles at one node. Thread-safe. Who calls it: `Jobs`, when a job comes and when it starts."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def open(self, data: bytes, analyst: str) -> Bundle:
        """The bundle, if its signature holds and it is meant for now, this federation and this sender.

        Raises PlanError, IntegrityError.
        """
        bundle = read_bundle(data)
        header, now = bundle.header, self._node.now()
        if header.federation != self._node.federation.id:
            raise PlanError(
                f"the job is for the federation {header.federation[:8]}, this is {self._node.federation.id[:8]}",
                hint="use the federation file of these nodes",
            )
        if header.analyst != analyst:
            raise PlanError("the job was signed by somebody else than who sends it", hint="send your own jobs")
        if not -MAX_AHEAD_S <= now - header.created <= MAX_AGE_S:
            raise IntegrityError(
                f"the job was signed at {_clock(header.created)}, and it is {_clock(now)} here",
                hint="set the clock right, or ask again",
            )
        restored = self._node.catalogue.fact(RESTORED)
        if restored is not None and header.created < float(restored):
            raise IntegrityError(
                f"the job was signed before {self._node.settings.name} was restored from a backup",
                hint="it may have been run in the time that the backup does not know; ask again",
            )
        forgotten = self._node.catalogue.fact(FORGOTTEN)
        if forgotten is not None and header.created <= float(forgotten) + MAX_AHEAD_S:
            raise IntegrityError(
                f"the job was signed before others that {self._node.settings.name} has forgotten",
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

    def read(self, bundle: Bundle) -> Case:
        """Decode and check all that the bundle says about plan and data. Raises PlanError, NotFound, Gone."""
        node, header = self._node, bundle.header
        program = PlanLanguage(_ANY_VALUE_BYTES).read(bundle.plan)
        plan, limits = program.plan, node.settings.limits
        if plan.numbers > limits.job_operations:
            raise PlanError(
                f"the plan runs {plan.numbers:,} operations, and {limits.job_operations:,} are allowed here",
                hint="ask for less at a time",
            )
        refs = {ref.handle_bytes: ref for ref in header.inputs}
        wanted = dict(plan.inputs())
        if set(refs) != set(wanted):
            raise PlanError("the job names other inputs than its plan reads")
        versions = self._versions(bundle)
        columns: dict[bytes, InputRef] = {}
        kept: dict[bytes, KeptInfo] = {}
        for handle, ref in refs.items():
            if ref.kept is not None:
                kept[handle] = self._kept(ref.kept, header.analyst)
                _check_type(ref.kept, wanted[handle], kept[handle].type)
            else:
                assert ref.dataset is not None and ref.column is not None
                _check_column(versions[ref.dataset], ref.column, wanted[handle])
                columns[handle] = ref
        return Case(bundle, program, versions, columns, kept, self._keeps(bundle, program))

    def weigh(self, case: Case) -> Mode:
        """How the job would be run here. Raises PlanError if it needs more memory than a job may take."""
        rows_of = {handle: case.versions[ref.dataset or ""].rows for handle, ref in case.columns.items()}
        limits = self._node.settings.limits
        return choose_mode(case.program.plan, rows_of, case.bundle.header.partition_rows, limits.job_memory_bytes)

    def _versions(self, bundle: Bundle) -> dict[str, DatasetVersion]:
        found = {}
        for name, (number, manifest) in bundle.header.datasets.items():
            version = self._node.datasets.get(name, number)
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

    def _kept(self, name: str, analyst: str) -> KeptInfo:
        info = self._node.kept.get(name)
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
            keeps.append(Keep(index, handle, "" if name == handle else name, plan.operations[output.value].type))
        models = {keep.name.partition("/")[0] for keep in keeps if "/" in keep.name}
        if (header.model is not None) != bool(models) or len(models) > 1:
            raise PlanError("the arrays of a model are kept as model/array, all of one model, with its public part")
        return tuple(keeps)

    def _check_free(self, handle: str, name: str) -> None:
        """Before anything is computed; the change that makes it visible checks again."""
        for known in (handle, name):
            if known and self._is_kept(known):
                told = name.partition("/")[0] or handle[:8]  # a model is dropped as a whole
                raise InputError(f"{told} is kept already", hint=f"drop it first (tercet drop {told}), or name another")

    def _is_kept(self, name: str) -> bool:
        try:
            self._node.kept.get(name)
        except NotFound:
            return False
        return True

    def request(self, case: Case) -> PolicyRequest:
        """What the policy is asked."""
        node, header = self._node, case.bundle.header
        inputs: dict[bytes, Source] = {}
        for handle, ref in case.columns.items():
            version = case.versions[ref.dataset or ""]
            inputs[handle] = ColumnSource(version.name, ref.column or "", version.rows, _layout(version))
        for handle, info in case.kept.items():
            inputs[handle] = KeptSource(info.name or info.handle, info.disclosure, info.job)
        analyst = header.analyst
        # what is kept may be of another version, in which rows of others were
        kept = frozenset[str]().union(*(datasets_behind(inputs[handle]) for handle in case.kept))

        def used(rule: str, dataset: str, since: float) -> Used:
            found = node.jobs_store.used(since, rule=rule, analyst=analyst, dataset=dataset, besides=case.job)
            return Used(found.jobs, found.numbers)

        return PolicyRequest(
            analyst=analyst,
            recipients=tuple(card.fingerprint for card in header.recipient_cards),
            plan=case.program.plan,
            inputs=inputs,
            kept={keep.index: keep.name or keep.handle for keep in case.keeps},
            used=used,
            own=frozenset(name for name, version in case.versions.items() if _is_own(version, analyst)) - kept,
            now=node.now(),
            deadline_s=header.deadline - header.created,
        )


def disclosed(case: Case, request: PolicyRequest) -> dict[int, Any]:
    """What revealing each kept output would say, by index, as it is stored with it."""
    if not case.keeps:
        return {}
    found = disclosures(request.plan, request.inputs, request.kept, own=request.own)
    return {keep.index: found[keep.index].stored() for keep in case.keeps}


def _is_own(version: DatasetVersion, analyst: str) -> bool:
    """Whether all rows and columns came from who asks."""
    return all(segment.owner == analyst for segment in version.segments)


def _layout(version: DatasetVersion) -> str:
    """Names the numbering of a version's rows: a refresh or a joined column leaves it as it is."""
    digest = hashlib.sha256(b"tercet layout")
    for segment in version.segments:
        if segment.base == segment.segment:
            digest.update(f" {segment.segment} {segment.rows}".encode())
    return digest.hexdigest()


def _check_type(what: str, wanted: Type, stored: Type) -> None:
    if not PlanLanguage().accepts(write_type(wanted), write_type(stored)):
        raise PlanError(f"{what} is {stored} here, and the plan reads it as {wanted}")


def _check_column(version: DatasetVersion, name: str, wanted: Type) -> None:
    if name not in version.schema:
        raise PlanError(f"dataset {version.name} has no column {name}")
    if version.schema[name].is_key:
        raise PlanError(f"column {name} of {version.name} is a public key, which no plan reads")
    _check_type(f"column {name} of {version.name}", wanted, version.schema.type(name, version.rows))


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
