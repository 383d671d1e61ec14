"""What the columns of a dataset mean: the public description that owner, nodes and analysts share.

A schema is written down by the owner (TOML), travels with his upload (JSON) and gives each column its physical type.
Bounds, decimals and categories are public; what they describe is secret, except in columns of kind `key`.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from contextlib import suppress
from datetime import date, datetime
from enum import IntEnum, StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from tercet.errors import ConfigError, InputError
from tercet.plan.types import MAX_FRAC_BITS, Kind, Type, bool_type, smallest_ring

MAX_COLUMNS = 4096
_MAKE = "tercet schema infer FILE --out SCHEMA proposes one"
MAX_CATEGORIES = 1 << 16
MAX_NAME = 64
MAX_ROWS = 1 << 36
DEFAULT_FRAC_BITS = 16
EPOCH = date(1970, 1, 1)
NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}"
"""Names of columns and datasets: what is safe in paths, addresses, SQL and shells."""

Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$", max_length=MAX_NAME)]
Category = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class ColumnKind(StrEnum):
    """What a column's values are to their owner."""

    BOOL = "bool"
    INTEGER = "integer"
    DECIMAL = "decimal"
    CATEGORY = "category"
    DATE = "date"
    KEY = "key"


class KeyType(StrEnum):
    """What the public values of a key column are."""

    TEXT = "text"
    INTEGER = "integer"


class Form(IntEnum):
    """How a column lies in a part."""

    BITS = 1
    WORDS64 = 2
    WORDS128 = 3
    KEY_INTEGER = 4
    KEY_TEXT = 5

    @property
    def secret(self) -> bool:
        return self <= Form.WORDS128

    @property
    def ring_bits(self) -> int:
        """64 or 128; 0 for bits."""
        return {Form.WORDS64: 64, Form.WORDS128: 128}.get(self, 0)


def _as_date(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("a bound is a number or a date YYYY-MM-DD") from None
    if isinstance(value, datetime):
        raise ValueError("a bound is a date without a time of day")
    return value


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Bound = Annotated[int | float | date, BeforeValidator(_as_date)]


class Column(BaseModel):
    """One column; `lo` and `hi` are inclusive and needed for integer, decimal (numbers) and date (dates)."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    name: Name
    kind: Annotated[ColumnKind, Field(strict=False)]
    lo: Bound | None = None
    hi: Bound | None = None
    frac_bits: Annotated[int, Field(ge=1, le=MAX_FRAC_BITS)] | None = None
    categories: Annotated[tuple[Category, ...], BeforeValidator(_as_tuple), Field(max_length=MAX_CATEGORIES)] = ()
    key: Annotated[KeyType, Field(strict=False)] | None = None
    description: Annotated[str, StringConstraints(max_length=500)] = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_bounds()
        if bool(self.categories) != (self.kind is ColumnKind.CATEGORY):
            raise ValueError("a column of kind category, and no other, has a list of categories")
        if len(set(self.categories)) != len(self.categories):
            raise ValueError("a category stands twice in the list")
        if self.frac_bits is not None and self.kind is not ColumnKind.DECIMAL:
            raise ValueError(f"a column of kind {self.kind} has no frac_bits")
        if (self.key is None) == (self.kind is ColumnKind.KEY):
            raise ValueError('a column of kind key, and no other, says key = "text" or key = "integer"')
        if self.kind not in (ColumnKind.BOOL, ColumnKind.KEY):
            lo, hi = self._stored_bounds()
            if smallest_ring(lo, hi) is None:
                raise ValueError(f"bounds [{self.lo}, {self.hi}] do not fit 128 bits; narrow them, or fewer frac_bits")
        return self

    def _check_bounds(self) -> None:
        bounds = (self.lo, self.hi)
        if self.kind not in (ColumnKind.INTEGER, ColumnKind.DECIMAL, ColumnKind.DATE):
            if bounds != (None, None):
                raise ValueError(f"a column of kind {self.kind} has no bounds")
            return
        if self.lo is None or self.hi is None:
            raise ValueError(f"a column of kind {self.kind} has bounds lo and hi")
        if self.kind is ColumnKind.DATE:
            if not all(isinstance(bound, date) for bound in bounds):
                raise ValueError("the bounds of a date are dates YYYY-MM-DD")
        elif any(isinstance(bound, date) for bound in bounds):
            raise ValueError(f"the bounds of a column of kind {self.kind} are numbers")
        elif self.kind is ColumnKind.INTEGER and not all(isinstance(bound, int) for bound in bounds):
            raise ValueError("the bounds of an integer are integers")
        if self.lo > self.hi:  # type: ignore[operator]  # both are numbers or both are dates
            raise ValueError(f"lo = {self.lo} is above hi = {self.hi}")

    @property
    def is_key(self) -> bool:
        return self.kind is ColumnKind.KEY

    @property
    def scale_bits(self) -> int:
        """Fractional bits of the stored integers: 16 unless said otherwise for decimals, 0 for all others."""
        if self.kind is not ColumnKind.DECIMAL:
            return 0
        return DEFAULT_FRAC_BITS if self.frac_bits is None else self.frac_bits

    @property
    def bounds(self) -> tuple[int | float, int | float] | None:
        """The bounds as numbers, as `encode_array` takes them: dates as days, categories as codes; None for others."""
        if self.kind is ColumnKind.CATEGORY:
            return 0, len(self.categories) - 1
        if self.lo is None or self.hi is None:
            return None
        return _number(self.lo), _number(self.hi)

    def _stored_bounds(self) -> tuple[int, int]:
        bounds = self.bounds
        assert bounds is not None
        lo, hi = bounds
        return scaled_bound(lo, self.scale_bits), scaled_bound(hi, self.scale_bits)

    @property
    def form(self) -> Form:
        if self.kind is ColumnKind.BOOL:
            return Form.BITS
        if self.is_key:
            return Form.KEY_TEXT if self.key is KeyType.TEXT else Form.KEY_INTEGER
        return Form.WORDS64 if smallest_ring(*self._stored_bounds()) == 64 else Form.WORDS128

    def type(self, rows: int) -> Type:
        """The physical type of `rows` values, the same as `client.encode` gives to what an analyst shares.

        Raises InputError for a key column, which is public.
        """
        if self.is_key:
            raise InputError(f"column {self.name} is a public key and has no secret type")
        if self.kind is ColumnKind.BOOL:
            return bool_type((rows,))
        lo, hi = self._stored_bounds()
        ring = smallest_ring(lo, hi)
        assert ring is not None
        frac_bits = self.scale_bits
        return Type(Kind.FIXED if frac_bits else Kind.INT, (rows,), ring, frac_bits, frac_bits, lo, hi)


class Schema(BaseModel):
    """The columns of a dataset, in order."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    columns: Annotated[tuple[Column, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=MAX_COLUMNS)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [column.name for column in self.columns]
        # two names that differ in case only are told apart neither by SQL nor by people
        if len({name.lower() for name in names}) != len(names):
            raise ValueError("a column name stands twice (case does not count)")
        if sum(column.is_key for column in self.columns) > 1:
            raise ValueError("more than one column of kind key")
        if all(column.is_key for column in self.columns):
            raise ValueError("no column besides the key")
        return self

    def __getitem__(self, name: str) -> Column:
        """The column of that name. Raises InputError."""
        column = self.by_name.get(name)
        if column is None:
            raise InputError(
                f"there is no column {name[:MAX_NAME]!r}", hint=f"columns are {', '.join(self.names[:20])}"
            )
        return column

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def key(self) -> Column | None:
        """The public key column, if there is one."""
        return next((column for column in self.columns if column.is_key), None)

    def type(self, column: str, rows: int) -> Type:
        """See `Column.type`."""
        return self[column].type(rows)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; what stands at its default is left out."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def canonical(self) -> bytes:
        """The one JSON text of this schema, which hashes are taken over."""
        return canonical_json(self.to_dict())

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.canonical()).hexdigest()

    @classmethod
    def parse(cls, data: Any) -> Schema:
        """Read what `to_dict` or a TOML file gave. Raises InputError that names the column and the defect."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"this is no schema: {_first_defect(error, data)}") from None

    @classmethod
    def load(cls, path: Path) -> Schema:
        """Read a schema file. Raises ConfigError if it cannot be read, InputError if it is none."""
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise ConfigError(f"cannot read the schema {path}: {why}", hint=_MAKE) from None
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path} is no TOML: {error}", hint=f"correct the line named; {_MAKE}") from None
        return cls.parse(data)

    def to_toml(self) -> str:
        data = self.model_dump(mode="python", exclude_defaults=True)
        columns = [{name: _plain(value) for name, value in column.items()} for column in data["columns"]]
        return tomli_w.dumps({"columns": columns})

    def save(self, path: Path) -> None:
        """Write a schema file over whatever is there."""
        path.write_text(self.to_toml(), encoding="utf-8")

    def check_same(self, other: Schema) -> None:
        """Raise InputError naming the first difference; descriptions may differ."""
        for name in self.names:
            if name not in other:
                raise InputError(f"the schemas differ: column {name} is missing")
        for name in other.names:
            if name not in self:
                raise InputError(f"the schemas differ: column {name} is new")
        if self.names != other.names:
            raise InputError("the schemas differ: the columns stand in another order")
        for mine, yours in zip(self.columns, other.columns, strict=True):
            for field in Column.model_fields:
                if field != "description" and getattr(mine, field) != getattr(yours, field):
                    raise InputError(
                        f"the schemas differ: column {mine.name} has another {field}",
                        hint="use the schema of the dataset as it is",
                    )

    def without(self, names: frozenset[str]) -> Schema:
        """The schema that is left when these columns go."""
        return Schema(columns=tuple(column for column in self.columns if column.name not in names))

    def joined(self, other: Schema) -> Schema:
        """This schema followed by the secret columns of the other. Raises InputError where a name is in both."""
        brought = tuple(column for column in other.columns if not column.is_key)
        for column in brought:
            if column.name in self:
                raise InputError(f"the dataset has a column {column.name} already")
        return Schema.parse({"columns": (*self.columns, *brought)})


def scaled_bound(bound: int | float, frac_bits: int) -> int:
    """A bound as a stored integer: rounded as values are, to the nearest, half to even (as `client.encode` does)."""
    if isinstance(bound, int):
        return bound << frac_bits
    if bound.is_integer():
        return int(bound) << frac_bits
    numerator, denominator = bound.as_integer_ratio()
    quotient, rest = divmod(numerator << frac_bits, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient & 1))


def days(value: date) -> int:
    """Days since 1970-01-01: how dates are stored."""
    return (value - EPOCH).days


def canonical_json(data: Any) -> bytes:
    """The one text of JSON data: sorted keys, no spaces, ASCII only; no NaN."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def _number(bound: int | float | date) -> int | float:
    return days(bound) if isinstance(bound, date) else bound


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _first_defect(error: ValidationError, data: Any) -> str:
    """Where and what, without the value, which may be long or someone's."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = [str(part)[:MAX_NAME] for part in first["loc"]]
    if len(where) > 1 and where[0] == "columns" and where[1].isdigit():
        with suppress(KeyError, IndexError, TypeError):
            where[1] = f"{where[1]} ({str(data['columns'][int(where[1])]['name'])[:MAX_NAME]})"
    message = first["msg"].removeprefix("Value error, ")
    return f"{' '.join(where)}: {message}" if where else message
