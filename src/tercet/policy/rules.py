"""What an operator lets happen at his node: `policy.toml` as strict models, read with errors that name the line.

Nothing is allowed that no rule allows. People are named once, by the fingerprint of their certificate; rules speak of
them by name. A rule is one set of conditions, and a job must satisfy all conditions of a single rule.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError

from tercet.errors import ConfigError
from tercet.federation.identifiers import DatasetName, Digest, Identifier, Line, MemberName
from tercet.federation.model import Model
from tercet.plan.table import BY_NAME
from tercet.policy.template import TEMPLATE
from tercet.policy.toml_lines import line_of

MAX_LISTED = 10_000
MAX_BYTES = 4 << 20
ALL = "*"
SELF = "self"


class Role(StrEnum):
    """What a person may be at this node."""

    OWNER = "owner"
    ANALYST = "analyst"
    OPERATOR = "operator"


class Action(StrEnum):
    """What an owner does to a dataset."""

    CREATE = "create"
    APPEND = "append"
    COLUMNS = "columns"
    WITHDRAW = "withdraw"
    REFRESH = "refresh"
    DROP = "drop"


class Bounds(StrEnum):
    """Whose word is taken for bounds that the types of a plan do not prove."""

    ANY = "any"
    REASONED = "reasoned"
    NONE = "none"


def _plain_hex(value: Any) -> Any:
    return value.replace(":", "").replace(" ", "").lower() if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    # TOML has lists; a frozen model keeps tuples
    return tuple(value) if isinstance(value, list) else value


def _chosen(kind: type[StrEnum]) -> Callable[[Any], Any]:
    """Text of the file as a member of the enumeration; lists of it, too."""

    def choose(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(choose(item) for item in value)
        if isinstance(value, str) and value not in tuple(kind):
            raise ValueError(f"{value!r} is none of {', '.join(kind)}")
        return kind(value) if isinstance(value, str) else value

    return choose


_Text = Annotated[str, Field(min_length=1, max_length=200)]
_Fingerprint = Annotated[Digest, BeforeValidator(_plain_hex)]
_Names = Annotated[tuple[_Text, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)]
_Count = Annotated[int, Field(ge=0, lt=1 << 62)]


class Person(Model):
    """Somebody who may be let in: a name for rules and reports, and the certificate's fingerprint."""

    name: MemberName
    fingerprint: _Fingerprint
    roles: Annotated[tuple[Role, ...], BeforeValidator(_chosen(Role)), Field(min_length=1, max_length=3)]


class Budget(Model):
    """How much an analyst may ask of each dataset under a rule, within so many days back from now."""

    days: Annotated[int, Field(ge=1, le=36_500)] = 30
    jobs: _Count | None = None
    numbers: _Count | None = None


class Rule(Model):
    """Who may compute what on which data, and what may become plain; see the template for what each field means."""

    name: MemberName
    analysts: Annotated[_Names, Field(min_length=1)]
    datasets: Annotated[_Names, Field(min_length=1)]
    columns: _Names = (ALL,)
    operations: _Names = (ALL,)
    denied_operations: _Names = ()
    min_rows: _Count = 20
    per_row: _Names = ()
    row_weights: bool = False
    combine_datasets: bool = False
    mix_versions: bool = False
    recipients: _Names = (SELF,)
    keep: bool = True
    budget: Budget = Budget()
    hold: bool = False

    def covers_dataset(self, dataset: str) -> bool:
        return ALL in self.datasets or dataset in self.datasets

    def covers_column(self, dataset: str, column: str) -> bool:
        return named(self.columns, dataset, column)

    def shows_rows_of(self, dataset: str, column: str) -> bool:
        """Whether single rows of this column may be revealed."""
        return named(self.per_row, dataset, column)


def named(columns: Collection[str], dataset: str, column: str) -> bool:
    """Whether `dataset/column`, `dataset/*` or `*` is among the names."""
    return ALL in columns or f"{dataset}/{ALL}" in columns or f"{dataset}/{column}" in columns


class Ownership(Model):
    """Who may change which datasets, and how."""

    people: Annotated[_Names, Field(min_length=1)]
    datasets: Annotated[_Names, Field(min_length=1)]
    may: Annotated[tuple[Action, ...], BeforeValidator(_chosen(Action)), Field(min_length=1, max_length=len(Action))]


class Approved(Model):
    """A plan that may be run as it is, whatever it reveals: somebody has read it.

    Its hash covers the columns that go in, by dataset and name, and their types with the number of rows; of a kept
    array the name only, so `kept_by` says which jobs have kept what may go in.
    """

    name: MemberName
    plan: _Fingerprint
    kept_by: Annotated[tuple[Identifier, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = ()
    analysts: Annotated[_Names, Field(min_length=1)]
    recipients: _Names = (SELF,)
    budget: Budget = Budget()
    note: Line = ""


class Limits(Model):
    """What every job must keep to, whichever rule allows it."""

    operations: _Count = 100_000
    runs: _Count = 10_000_000
    revealed_numbers: _Count = 1_000_000
    deadline_s: Annotated[float, Field(gt=0, le=10_000_000)] = 86_400.0
    asserted_bounds: Annotated[Bounds, BeforeValidator(_chosen(Bounds))] = Bounds.ANY


class Policy(Model):
    """All of `policy.toml`. Frozen; a changed file gives another one."""

    version: Annotated[int, Field(ge=1, le=1)]
    people: Annotated[tuple[Person, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = ()
    owners: Annotated[tuple[Ownership, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = ()
    rules: Annotated[tuple[Rule, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = ()
    approved: Annotated[tuple[Approved, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = ()
    limits: Limits = Limits()
    digest: Annotated[str, Field(exclude=True)] = ""
    """SHA-256 of the text, for the audit."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check a file. Called when the node starts and when the file changes. Raises ConfigError."""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                f"cannot read the policy {path}: {error.strerror}", hint="`tercet node init` writes a first one"
            ) from None
        if len(data) > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES >> 20} MiB", hint="is that the policy?")
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: byte {error.start} is no UTF-8", hint="save the file as UTF-8") from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str = "policy.toml") -> Self:
        """Read and check a policy's text. Raises ConfigError with the line of everything that is wrong."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{name} is no TOML: {_lower(str(error))}", hint="see the guide for operators") from None
        if "digest" in data:
            raise ConfigError(f"{name}, line {line_of(text, ('digest',))}: digest: extra inputs are not permitted")
        try:
            policy = cls.model_validate({**data, "digest": sha256(text.encode()).hexdigest()})
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            raise _fault(
                name, text, [(fault["loc"], _lower(fault["msg"]).removeprefix("value error, ")) for fault in faults]
            ) from None
        wrong = policy._references()
        if wrong:
            raise _fault(name, text, wrong)
        return policy

    # -- questions

    def person(self, fingerprint: str) -> Person | None:
        """Who this is; None for a stranger."""
        return self._by_fingerprint.get(fingerprint)

    def person_named(self, name: str) -> Person | None:
        """The person of this name."""
        return next((person for person in self.people if person.name == name), None)

    def is_among(self, fingerprint: str, names: Collection[str], *, self_: str = "") -> bool:
        """Whether the person is named: by name, as one of all people, or as himself."""
        person = self.person(fingerprint)
        if SELF in names and fingerprint == self_:
            return True
        return person is not None and (ALL in names or person.name in names)

    def may_change(self, fingerprint: str, action: Action | str, dataset: str) -> str:
        """Why this person may not do that to a dataset, in a sentence; empty if he may. Called before any change."""
        person = self.person(fingerprint)
        if person is None:
            return f"nobody with the certificate {fingerprint[:16]}... is among the people of this policy"
        if Role.OWNER not in person.roles:
            return f"{person.name} has not the role of an owner here"
        mine = [o for o in self.owners if ALL in o.people or person.name in o.people]
        if any(action in o.may and (ALL in o.datasets or dataset in o.datasets) for o in mine):
            return ""
        may = "; ".join(f"{_and(o.may)} {_and(o.datasets)}" for o in mine) or "nothing"
        return f"no entry under owners lets {person.name} {action} {dataset}; allowed: {may}"

    @cached_property
    def _by_fingerprint(self) -> dict[str, Person]:
        return {person.fingerprint: person for person in self.people}

    def _references(self) -> list[tuple[tuple[int | str, ...], str]]:
        """Names that stand for nothing or stand twice, each with its place in the file."""
        wrong: list[tuple[tuple[int | str, ...], str]] = []
        for part, seen in (("people", "name"), ("people", "fingerprint"), ("rules", "name"), ("approved", "name")):
            values: dict[str, int] = {}
            for index, item in enumerate(getattr(self, part)):
                value = getattr(item, seen)
                if value in values:
                    wrong.append(((part, index, seen), f"{seen} {value!r} stands twice"))
                values.setdefault(value, index)
        if shared := {rule.name for rule in self.rules} & {plan.name for plan in self.approved}:
            wrong.append((("approved",), f"{_and(sorted(shared))} names a rule as well"))
        for index, person in enumerate(self.people):
            if person.name in (SELF, ALL):
                wrong.append((("people", index, "name"), f"{person.name!r} has a meaning of its own"))
        for part, field, words in (
            ("owners", "people", {ALL}),
            ("rules", "analysts", {ALL}),
            ("rules", "recipients", {ALL, SELF}),
            ("approved", "analysts", {ALL}),
            ("approved", "recipients", {ALL, SELF}),
        ):
            wanted = {"people": Role.OWNER, "analysts": Role.ANALYST}.get(field)
            for index, item in enumerate(getattr(self, part)):
                for name in getattr(item, field):
                    person_ = self.person_named(name)
                    if name not in words and person_ is None:
                        wrong.append(((part, index, field), f"{name!r} is not among the people"))
                    elif person_ is not None and wanted is not None and wanted not in person_.roles:
                        wrong.append(((part, index, field), f"{name} has not the role {wanted.value!r}"))
        for index, rule in enumerate(self.rules):
            for field in ("operations", "denied_operations"):
                for name in getattr(rule, field):
                    if name not in BY_NAME and name != ALL:
                        wrong.append((("rules", index, field), f"{name!r} is no operation; see the list of operations"))
            for field in ("columns", "per_row"):
                for name in getattr(rule, field):
                    dataset, slash, _ = name.partition("/")
                    if name != ALL and not slash:
                        wrong.append((("rules", index, field), f"{name!r} is not of the form dataset/column"))
                    elif name != ALL and not rule.covers_dataset(dataset):
                        wrong.append((("rules", index, field), f"{name!r}: {dataset} is not among its datasets"))
            for name in rule.datasets:
                if name != ALL and not _is_dataset(name):
                    wrong.append((("rules", index, "datasets"), f"{name!r} cannot be the name of a dataset"))
        return wrong


class _Dataset(Model):
    name: DatasetName


def _is_dataset(name: str) -> bool:
    try:
        _Dataset(name=name)
    except ValidationError:
        return False
    return True


def _fault(name: str, text: str, faults: list[tuple[tuple[int | str, ...], str]]) -> ConfigError:
    lines = []
    for place, message in faults[:5]:
        line = line_of(text, place)
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in place)
        lines.append(f"line {line}: {where}: {message}" if line else f"{where}: {message}")
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    return ConfigError(f"{name}, {'; '.join(lines)}{more}", hint="correct it; the policy before stays in force")


def _and(names: Collection[str]) -> str:
    return ", ".join("all" if name == ALL else str(name) for name in names)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


__all__ = [
    "ALL",
    "SELF",
    "TEMPLATE",
    "Action",
    "Approved",
    "Bounds",
    "Budget",
    "Limits",
    "Ownership",
    "Person",
    "Policy",
    "Role",
    "Rule",
    "named",
]
