"""How a table is to be read: what its owner says of its layout and of how its values are written.

The options stand in the schema file, under `[reading]`, so that whoever checks or uploads with the schema reads as it
was inferred. They are the owner's and never travel to a node.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from tercet.errors import InputError

LAYOUT = ("delimiter", "encoding", "header", "names", "skip_rows", "sheet")
"""Options about files that are text or sheets; the others are about values, of whatever source."""


def _texts(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError("it is a list of texts")
    return tuple(value) if isinstance(value, list | tuple) else value


_Text = Annotated[str, StringConstraints(max_length=256)]
_Texts = Annotated[tuple[_Text, ...], BeforeValidator(_texts), Field(max_length=4096)]


class Reading(BaseModel):
    """Options of `open_source`, one object for inference, checks and uploads. What stands at None was not said.

    delimiter, encoding: of CSV; found out, and UTF-8. header: whether the first line names the columns; not said, it
    does, unless it looks like data. names: the columns' names, where no line gives them. skip_rows: lines before the
    header, or before the data. sheet: name or number of an Excel sheet. decimal: "." or ",". thousands: what groups
    digits. strip: texts around numbers that are taken off, such as a currency's sign. day_first: whether 03.04.2024 is
    in April. na: the texts that count as missing, instead of those that usually do; an empty field always does.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    encoding: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    header: bool | None = None
    names: _Texts | None = None
    skip_rows: Annotated[int, Field(ge=0, le=1 << 20)] | None = None
    sheet: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", "'", " ", "_"] | None = None
    strip: _Texts | None = None
    day_first: bool | None = None
    na: _Texts | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.thousands is not None and self.thousands == self.decimal:
            raise ValueError("the decimal point and what groups thousands are the same sign")
        if self.delimiter is not None and self.delimiter in '"\r\n\0':
            raise ValueError("a quote or the end of a line does not separate fields")
        return self

    def given(self) -> dict[str, Any]:
        """What was said, as TOML and JSON have it."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.model_dump(exclude_none=True).items()
        }

    def __bool__(self) -> bool:
        return bool(self.given())

    @classmethod
    def of(cls, options: dict[str, Any]) -> Reading:
        """The options as a caller gives them by name. Raises InputError that names the option."""
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = str(first["loc"][0])[:64] if first["loc"] else ""
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                raise InputError(f"there is no reading option {where!r}", hint=f"there are {known}") from None
            what = first["msg"].removeprefix("Value error, ")
            raise InputError(f"reading option {where or 'thousands'}: {what}") from None

    def agreeing(self, remembered: Reading) -> Reading:
        """These options, and those of the schema where nothing is said here. Raises InputError where both differ."""
        before, now = remembered.given(), self.given()
        for name in sorted(before.keys() & now.keys()):
            if before[name] != now[name]:
                raise InputError(
                    f"the schema was made with {name} = {before[name]!r}, and {now[name]!r} is said now",
                    hint="leave the option out, or correct [reading] in the schema",
                )
        return Reading.of(before | now)

    @property
    def point(self) -> str:
        """The decimal point: a comma where that is said, or where points group thousands."""
        return self.decimal or ("," if self.thousands == "." else ".")

    @property
    def groups(self) -> str | None:
        """What may group digits by thousands: what is said; behind a decimal comma, points."""
        return self.thousands or ("." if self.point == "," else None)

    @property
    def values(self) -> Reading:
        """What is said about values, whatever source they come from."""
        return Reading.of({name: value for name, value in self.given().items() if name not in LAYOUT})


AS_IT_IS = Reading()
"""Nothing is said."""
