"""The policy of a node, `policy.toml`, as strict models; errors name the line.

Nothing is allowed that no rule allows. People are named once, by the fingerprint of their certificate; rules speak of
them by name. A rule is one set of conditions, and a job must satisfy all conditions of a single rule.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Sequence
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError

from tercet.errors import ConfigError
from tercet.federation.model import Body, Digest, Identifier, Line, MemberName, is_dataset_name
from tercet.plan.table.operations import BY_NAME

MAX_LISTED = 10_000
MAX_BYTES = 4 << 20
ALL = "*"
SELF = "self"
_HEADER = re.compile(r"^\s*(\[\[?)([^\]]+)\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


class PersonRole(StrEnum):
    """What a person may be at this node."""

    OWNER = "owner"
    ANALYST = "analyst"
    OPERATOR = "operator"


class OwnerAction(StrEnum):
    """What an owner does to a dataset."""

    CREATE = "create"
    APPEND = "append"
    COLUMNS = "columns"
    WITHDRAW = "withdraw"
    WIDEN = "widen"
    REFRESH = "refresh"
    DROP = "drop"


class AcceptedBounds(StrEnum):
    """Which bounds of a plan are accepted: any, as a false one makes only the analyst's own result wrong, or only those
    that the plan proves or enforces."""

    ANY = "any"
    PROVEN = "proven"


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


Place = tuple[int | str, ...]
"""Where something is in the file: table, number in an array of tables, key."""
Fault = tuple[Place, str]
_Text = Annotated[str, Field(min_length=1, max_length=200)]
_Fingerprint = Annotated[Digest, BeforeValidator(_plain_hex)]
_Names = Annotated[tuple[_Text, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)]
_Count = Annotated[int, Field(ge=0, lt=1 << 62)]


class Person(Body):
    """Somebody who may be let in: a name for rules and reports, and the certificate's fingerprint.

    People of one `organisation` count as one where it is asked whose rows somebody knows.
    """

    name: MemberName
    fingerprint: _Fingerprint
    roles: Annotated[tuple[PersonRole, ...], BeforeValidator(_chosen(PersonRole)), Field(min_length=1, max_length=3)]
    organisation: Line = ""


class Budget(Body):
    """How much a person may have had of each dataset, under all rules together, for this rule to allow more.

    Counted are, within the last `days` days: jobs that depend on the dataset, also through kept results; the
    bits that their revealed results can carry; and arrays kept. A number in [lo, hi] carries as many bits as hi - lo
    has, whatever it turns out to be: 7 of 0..100, 128 of one that fills 128 bits, 1 of a bool.
    """

    days: Annotated[int, Field(ge=1, le=36_500)] = 30
    jobs: _Count | None = None
    bits: _Count | None = None
    kept: _Count = 1000


class Rule(Body):
    """Who may compute what on which data, and what may be revealed; the template says what each field means."""

    name: MemberName
    analysts: Annotated[_Names, Field(min_length=1)]
    datasets: Annotated[_Names, Field(min_length=1)]
    columns: _Names = (ALL,)
    operations: _Names = (ALL,)
    denied_operations: _Names = ()
    min_rows: _Count = 20
    cohort: _Count = 5
    per_row: _Names = ()
    row_weights: bool = False
    combine_datasets: bool = False
    mix_versions: bool = False
    recipients: _Names = (SELF,)
    keep: bool = True
    budget: Budget = Budget()
    hold: bool = False

    def allows_operation(self, name: str) -> bool:
        """Whether plans may use it, going by its own name and that of the operation that it stands for."""
        names = {name, BY_NAME[name].twin_of or name, ALL}
        return bool(names & set(self.operations)) and not names & set(self.denied_operations)

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


class Ownership(Body):
    """Who may change which datasets, and how."""

    people: Annotated[_Names, Field(min_length=1)]
    datasets: Annotated[_Names, Field(min_length=1)]
    may: Annotated[
        tuple[OwnerAction, ...], BeforeValidator(_chosen(OwnerAction)), Field(min_length=1, max_length=len(OwnerAction))
    ]


class Approved(Body):
    """A plan that somebody has read, and that may be run as it is, whatever it reveals.

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


class AcceptedRounding(StrEnum):
    """How the plans of a node's jobs may round."""

    COIN = "coin"
    EXACT = "exact"


class Unchecked(StrEnum):
    """What a node does with jobs on datasets whose values nobody has checked."""

    CHECK = "check"
    REFUSE = "refuse"
    ALLOW = "allow"


class JobLimits(Body):
    """Limits of every job, whichever rule allows it."""

    operations: _Count = 100_000
    runs: _Count = 10_000_000
    revealed_numbers: _Count = 1_000_000
    deadline_s: Annotated[float, Field(gt=0, le=10_000_000)] = 86_400.0
    rounding: Annotated[AcceptedRounding, BeforeValidator(_chosen(AcceptedRounding))] = AcceptedRounding.COIN
    unchecked: Annotated[Unchecked, BeforeValidator(_chosen(Unchecked))] = Unchecked.CHECK
    asserted_bounds: Annotated[AcceptedBounds, BeforeValidator(_chosen(AcceptedBounds))] = AcceptedBounds.ANY


class Policy(Body):
    """All of `policy.toml`. Frozen; a changed file gives another one."""

    version: Annotated[int, Field(ge=1, le=1)]
    people: Annotated[tuple[Person, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = ()
    owners: Annotated[tuple[Ownership, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = ()
    rules: Annotated[tuple[Rule, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = ()
    approved: Annotated[tuple[Approved, ...], BeforeValidator(_listed), Field(max_length=MAX_LISTED)] = ()
    limits: JobLimits = JobLimits()
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
        if wrong := list(policy._references()):
            raise _fault(name, text, wrong)
        return policy

    # -- questions

    def person(self, fingerprint: str) -> Person | None:
        """Who this is; None for a stranger."""
        return self._by_fingerprint.get(fingerprint)

    def cohort(self, fingerprint: str, dataset: str) -> int:
        """How many rows have to meet a condition of this analyst's queries: the most that a rule for them demands."""
        rules = (rule for rule in self.rules if self.is_among(fingerprint, rule.analysts))
        return max(
            (rule.cohort for rule in rules if rule.covers_dataset(dataset)), default=Rule.model_fields["cohort"].default
        )

    def may_see_keys(self, fingerprint: str, dataset: str, column: str) -> bool:
        """Whether a rule lets this analyst work with the public keys of a dataset's rows."""
        rules = (rule for rule in self.rules if self.is_among(fingerprint, rule.analysts))
        return any(rule.covers_dataset(dataset) and rule.covers_column(dataset, column) for rule in rules)

    def as_one(self, fingerprint: str) -> frozenset[str]:
        """Fingerprints of all who know what this person knows: they alone, or everybody of their organisation."""
        person = self.person(fingerprint)
        home = person.organisation if person is not None else ""
        mates = [other.fingerprint for other in self.people if home and other.organisation == home]
        return frozenset([fingerprint, *mates])

    def as_told(self, fingerprint: str) -> str:
        """The words for a person and all who count as one with them, for reasons."""
        person = self.person(fingerprint)
        if person is None:
            return f"{fingerprint[:16]}..."
        return f"{person.name} and others of {person.organisation}" if person.organisation else person.name

    def person_named(self, name: str) -> Person | None:
        """The person of this name."""
        return next((person for person in self.people if person.name == name), None)

    def is_among(self, fingerprint: str, names: Collection[str], *, self_: str = "") -> bool:
        """Whether the person is among `names`: by name, as one of all people, or as the one who asks (`self_`)."""
        person = self.person(fingerprint)
        if SELF in names and fingerprint == self_:
            return True
        return person is not None and (ALL in names or person.name in names)

    def may_change(self, fingerprint: str, action: OwnerAction | str, dataset: str) -> str:
        """Why this person may not do that to a dataset, in a sentence; empty if they may. Called before any change."""
        person = self.person(fingerprint)
        if person is None:
            return f"nobody with the certificate {fingerprint[:16]}... is among the people of this policy"
        if PersonRole.OWNER not in person.roles:
            return f"{person.name} does not have the role of an owner here"
        mine = [o for o in self.owners if ALL in o.people or person.name in o.people]
        if any(action in o.may and (ALL in o.datasets or dataset in o.datasets) for o in mine):
            return ""
        may = "; ".join(f"{_and(o.may)} {_and(o.datasets)}" for o in mine) or "nothing"
        return f"no entry under owners lets {person.name} {action} {dataset}; allowed: {may}"

    @cached_property
    def _by_fingerprint(self) -> dict[str, Person]:
        return {person.fingerprint: person for person in self.people}

    def _references(self) -> Iterator[Fault]:
        """Names that are not known or appear twice."""
        for part, seen in (("people", "name"), ("people", "fingerprint"), ("rules", "name"), ("approved", "name")):
            known: set[str] = set()
            for index, item in enumerate(getattr(self, part)):
                value = getattr(item, seen)
                if value in known:
                    yield (part, index, seen), f"{seen} {value!r} appears twice"
                known.add(value)
        if shared := {rule.name for rule in self.rules} & {plan.name for plan in self.approved}:
            yield ("approved",), f"{_and(sorted(shared))} names a rule as well"
        for index, person in enumerate(self.people):
            if person.name in (SELF, ALL):
                yield ("people", index, "name"), f"{person.name!r} is a reserved word"
        for part, field, words, role in (
            ("owners", "people", {ALL}, PersonRole.OWNER),
            ("rules", "analysts", {ALL}, PersonRole.ANALYST),
            ("rules", "recipients", {ALL, SELF}, None),
            ("approved", "analysts", {ALL}, PersonRole.ANALYST),
            ("approved", "recipients", {ALL, SELF}, None),
        ):
            for _, place, name in self._names(part, field):
                named_ = self.person_named(name)
                if name not in words and named_ is None:
                    yield place, f"{name!r} is not among the people"
                elif named_ is not None and role is not None and role not in named_.roles:
                    yield place, f"{name} does not have the role {role.value!r}"
        for _, place, name in self._names("rules", "operations", "denied_operations"):
            if name not in BY_NAME and name != ALL:
                yield place, f"{name!r} is no operation; see the list of operations"
        for rule, place, name in self._names("rules", "columns", "per_row"):
            dataset, slash, _ = name.partition("/")
            if name != ALL and not slash:
                yield place, f"{name!r} is not of the form dataset/column"
            elif name != ALL and not rule.covers_dataset(dataset):
                yield place, f"{name!r}: {dataset} is not among its datasets"
        for _, place, name in self._names("rules", "datasets"):
            if name != ALL and not is_dataset_name(name):
                yield place, f"{name!r} cannot be the name of a dataset"

    def _names(self, part: str, *fields: str) -> Iterator[tuple[Any, Place, str]]:
        """Every name in these lists of an array of tables, with its table and place."""
        for index, item in enumerate(getattr(self, part)):
            for field in fields:
                yield from ((item, (part, index, field), name) for name in getattr(item, field))


def _fault(name: str, text: str, faults: Sequence[Fault]) -> ConfigError:
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


def line_of(text: str, place: Sequence[int | str]) -> int:
    """The line (from 1) of the key or table at this place, or of what is nearest around it; 0 if nothing is.

    Reads headers and keys only, which is enough for a file of tables and lists: an element inside a list has the line
    of its key.
    """
    best, line = 0, 0
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, content in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(content):
            table = _resolved(_parts(header[2]), counts, header[1] == "[[")
            found = table
        elif key := _KEY.match(content):
            found = (*table, *_parts(key[1]))
        else:
            continue
        depth = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(found, place, strict=False)))
        # of equals the first, as a table may go on below; but nothing that is not on the way there
        if depth > best and (depth == len(found) or depth == len(place)):
            best, line = depth, number
    return line


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(name))


def _resolved(names: tuple[str, ...], counts: dict[Place, int], new: bool) -> Place:
    """A header's name with the number of each table of a list."""
    path: Place = ()
    for index, name in enumerate(names):
        path = (*path, name)
        if index == len(names) - 1 and new:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
