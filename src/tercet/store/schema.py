"""What the columns of a dataset mean: the public description that owner, nodes and analysts share.

A schema is written down by the owner (TOML), travels with their upload (JSON) and gives each column its physical type.
Bounds, decimals and categories are public; what they describe is secret, except in columns of kind `key`.
"""

from __future__ import annotations

import hashlib
import tomllib
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from tercet.errors import ConfigError, InputError
from tercet.federation.model import ascii_json
from tercet.federation.text import checked_plain, plain
from tercet.plan.types import MAX_FRAC_BITS, Type, ValueKind, bool_type, smallest_ring
from tercet.store.reading import AS_IT_IS, Reading

MAX_COLUMNS = 4096
_MAKE = "tercet schema infer FILE --out SCHEMA proposes one"
_AS_IT_IS = "use the schema of the dataset as it is: the same columns, in its order"
MAX_CATEGORIES = 1 << 16
MAX_NAME = 64
MAX_ROWS = 1 << 36
MAX_SCHEMA_BYTES = 4 << 20
"""The largest size of its canonical text. Nodes store it once, and send it with every description of the dataset."""
MAX_DIGITS = 30
DEFAULT_FRAC_BITS = 16
VALIDITY = "?"
"""Behind the name of a nullable column: the bits that say where a value is. No column's own name can end so."""
EPOCH = date(1970, 1, 1)
NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}"
"""Names of columns and datasets: what is safe in paths, addresses, SQL and shells."""

Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$", max_length=MAX_NAME)]
Category = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(checked_plain)]


class ColumnKind(StrEnum):
    """What a column's values are to their owner."""

    BOOL = "bool"
    INTEGER = "integer"
    DECIMAL = "decimal"
    CATEGORY = "category"
    DATE = "date"
    KEY = "key"

    @property
    def is_number(self) -> bool:
        """Whether values are numbers to people."""
        return self in (ColumnKind.INTEGER, ColumnKind.DECIMAL)

    @property
    def is_summed(self) -> bool:
        """Whether sums and means of values say something: of numbers, and of what is true or false."""
        return self.is_number or self is ColumnKind.BOOL

    @property
    def has_bounds(self) -> bool:
        """Whether a column of the kind says how small and large a value can be."""
        return self.is_number or self is ColumnKind.DATE


class KeyType(StrEnum):
    """What the public values of a key column are."""

    TEXT = "text"
    INTEGER = "integer"


class StoredForm(IntEnum):
    """How a column lies in a part."""

    BITS = 1
    WORDS64 = 2
    WORDS128 = 3
    KEY_INTEGER = 4
    KEY_TEXT = 5

    @property
    def secret(self) -> bool:
        return self <= StoredForm.WORDS128

    @property
    def ring_bits(self) -> int:
        """64 or 128; 0 for bits."""
        return {StoredForm.WORDS64: 64, StoredForm.WORDS128: 128}.get(self, 0)


class StoredColumn(NamedTuple):
    """What parts and segments hold under one name: a column's values, or the validity bits of a nullable one."""

    name: str
    form: StoredForm


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
    """One column; `lo` and `hi` are inclusive and needed for integer, decimal (numbers) and date (dates).

    A decimal has `digits` (its values times 10^digits are stored, exact integers) or `frac_bits` (values are rounded to
    multiples of 2^-frac_bits; 16 where it says neither). A `nullable` column has a secret validity bit beside each
    value; what is stored for a missing value is its lo (False for bools, the first category).
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    name: Name
    kind: Annotated[ColumnKind, Field(strict=False)]
    lo: Bound | None = None
    hi: Bound | None = None
    frac_bits: Annotated[int, Field(ge=1, le=MAX_FRAC_BITS)] | None = None
    digits: Annotated[int, Field(ge=1, le=MAX_DIGITS)] | None = None
    nullable: bool = False
    categories: Annotated[tuple[Category, ...], BeforeValidator(_as_tuple), Field(max_length=MAX_CATEGORIES)] = ()
    key: Annotated[KeyType, Field(strict=False)] | None = None
    description: Annotated[str, StringConstraints(max_length=500), AfterValidator(checked_plain)] = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_bounds()
        if bool(self.categories) != (self.kind is ColumnKind.CATEGORY):
            raise ValueError("a column of kind category, and no other, has a list of categories")
        if len(set(self.categories)) != len(self.categories):
            raise ValueError("a category stands twice in the list")
        if self.frac_bits is not None and self.kind is not ColumnKind.DECIMAL:
            raise ValueError(f"a column of kind {self.kind} has no frac_bits")
        if self.digits is not None and self.kind is not ColumnKind.DECIMAL:
            raise ValueError(f"a column of kind {self.kind} has no digits")
        if self.digits is not None and self.frac_bits is not None:
            raise ValueError("a decimal has digits or frac_bits, not both")
        if self.nullable and self.is_key:
            raise ValueError("a public key names each row, so it is not nullable")
        if self.nullable and len(self.name) == MAX_NAME:
            raise ValueError(f"the name of a nullable column has at most {MAX_NAME - 1} characters")
        if (self.key is None) == (self.kind is ColumnKind.KEY):
            raise ValueError('a column of kind key, and no other, says key = "text" or key = "integer"')
        if not self.is_key:
            lo, hi = self.stored_bounds
            if smallest_ring(lo, hi) is None:
                fewer = "frac_bits" if self.digits is None else "digits"
                raise ValueError(f"bounds [{self.lo}, {self.hi}] do not fit 128 bits; narrow them, or fewer {fewer}")
        return self

    def _check_bounds(self) -> None:
        bounds = (self.lo, self.hi)
        if not self.kind.has_bounds:
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
        """Fractional bits of the stored integers: 16 unless said otherwise for decimals, 0 where they have digits and
        for all others."""
        if self.kind is not ColumnKind.DECIMAL or self.digits is not None:
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

    @property
    def stored_bounds(self) -> tuple[int, int]:
        """The least and the greatest integer that is stored; what a missing value is stored as is the least.

        Raises InputError for a key column.
        """
        if self.kind is ColumnKind.BOOL:
            return 0, 1
        bounds = self.bounds
        if bounds is None:
            raise InputError(f"column {self.name} is a public key, which has no bounds")
        lo, hi = bounds
        if self.digits is not None:
            return _exact_bound(lo, self.digits), _exact_bound(hi, self.digits)
        return scaled_bound(lo, self.scale_bits), scaled_bound(hi, self.scale_bits)

    @property
    def form(self) -> StoredForm:
        if self.kind is ColumnKind.BOOL:
            return StoredForm.BITS
        if self.is_key:
            return StoredForm.KEY_TEXT if self.key is KeyType.TEXT else StoredForm.KEY_INTEGER
        return StoredForm.WORDS64 if smallest_ring(*self.stored_bounds) == 64 else StoredForm.WORDS128

    @property
    def validity(self) -> str:
        """The name under which parts and segments hold the validity bits of a nullable column."""
        return self.name + VALIDITY

    @property
    def stored(self) -> tuple[StoredColumn, ...]:
        """What parts and segments hold of it: its values, and behind them its validity bits if it is nullable."""
        values = StoredColumn(self.name, self.form)
        return (values, StoredColumn(self.validity, StoredForm.BITS)) if self.nullable else (values,)

    def type(self, rows: int) -> Type:
        """The physical type of `rows` values, the same as `client.encode` gives to what an analyst shares.

        Raises InputError for a key column, which is public.
        """
        if self.is_key:
            raise InputError(f"column {self.name} is a public key and has no secret type")
        if self.kind is ColumnKind.BOOL:
            return bool_type((rows,))
        lo, hi = self.stored_bounds
        ring = smallest_ring(lo, hi)
        assert ring is not None
        frac_bits = self.scale_bits
        return Type(ValueKind.FIXED if frac_bits else ValueKind.INT, (rows,), ring, frac_bits, frac_bits, lo, hi)


class Schema(BaseModel):
    """The columns of a dataset, in order."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    columns: Annotated[tuple[Column, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=MAX_COLUMNS)]
    reading: Reading = AS_IT_IS
    """How the owner's table is to be read. It stands in the owner's file only: nodes never see it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [column.name for column in self.columns]
        # SQL does not tell apart names that differ only in case, and people hardly do
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
    def stored(self) -> tuple[StoredColumn, ...]:
        """What parts and segments hold, in order: of each column its values, and the validity bits of nullable ones."""
        return tuple(stored for column in self.columns for stored in column.stored)

    def stored_form(self, name: str) -> StoredForm:
        """How what is stored under this name lies in parts; `name` as `stored` has it. Raises InputError."""
        form = self._forms.get(name)
        return self[name].form if form is None else form  # which names the columns, if there is none of that name

    @cached_property
    def _forms(self) -> dict[str, StoredForm]:
        return dict(self.stored)

    @cached_property
    def key(self) -> Column | None:
        """The public key column, if there is one."""
        return next((column for column in self.columns if column.is_key), None)

    def type(self, column: str, rows: int) -> Type:
        """See `Column.type`."""
        return self[column].type(rows)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; what stands at its default is left out, and so is how the owner's table is read."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"reading"})

    def canonical(self) -> bytes:
        """The one JSON text of this schema, which hashes are taken over."""
        return ascii_json(self.to_dict())

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.canonical()).hexdigest()

    @classmethod
    def parse(cls, data: Any) -> Schema:
        """Read what `to_dict` or a TOML file gave. Raises InputError that names the column and the defect."""
        if isinstance(data, dict) and not data.get("columns"):
            raise InputError("this is no schema: it has no columns, or all are left out", hint=_COLUMNS)
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
        data = self.model_dump(mode="python", exclude_defaults=True, exclude={"reading"})
        columns = [{name: _plain(value) for name, value in column.items()} for column in data["columns"]]
        reading = {"reading": self.reading.given()} if self.reading else {}
        return tomli_w.dumps(reading | {"columns": columns})

    def save(self, path: Path) -> None:
        """Write a schema file over whatever is there."""
        path.write_text(self.to_toml(), encoding="utf-8")

    def check_same(self, other: Schema) -> None:
        """Raise InputError naming the first difference; descriptions may differ."""
        for name in self.names:
            if name not in other:
                raise InputError(f"the schemas differ: column {name} is missing", hint=_AS_IT_IS)
        for name in other.names:
            if name not in self:
                raise InputError(f"the schemas differ: column {name} is new", hint=_AS_IT_IS)
        if self.names != other.names:
            raise InputError("the schemas differ: the columns are in another order", hint=_AS_IT_IS)
        for mine, yours in zip(self.columns, other.columns, strict=True):
            for field in Column.model_fields:
                if field != "description" and getattr(mine, field) != getattr(yours, field):
                    raise InputError(
                        f"the schemas differ: column {mine.name} has another {field}",
                        hint=_AS_IT_IS,
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


def _exact_bound(bound: int | float, digits: int) -> int:
    """A bound times 10^digits, read as the decimal number that it is written as. ValueError if it has more digits."""
    written = Decimal(bound) if isinstance(bound, int) else Decimal(repr(bound))
    exact = Fraction(written) * (10**digits)
    if exact.denominator != 1:
        raise ValueError(f"the bound {bound} has more than {digits} digits behind the point")
    return int(exact)


def days(value: date) -> int:
    """Days since 1970-01-01: how dates are stored."""
    return (value - EPOCH).days


def _number(bound: int | float | date) -> int | float:
    return days(bound) if isinstance(bound, date) else bound


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


_COLUMNS = "describe at least one column in a [[columns]] table; what schema infer left out says why"


def _first_defect(error: ValidationError, data: Any) -> str:
    """Field and defect, without the value, which may be long or private."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = [str(part)[:MAX_NAME] for part in first["loc"]]
    if len(where) > 1 and where[0] == "columns" and where[1].isdigit():
        with suppress(KeyError, IndexError, TypeError):
            where[1] = f"{where[1]} ({str(data['columns'][int(where[1])]['name'])[:MAX_NAME]})"
    message = first["msg"].removeprefix("Value error, ")
    return plain(f"{' '.join(where)}: {message}" if where else message).replace("\n", " ")
