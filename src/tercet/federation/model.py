"""Base classes of all that comes from outside as JSON or TOML: strict types, no unknown fields, immutable."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tercet.errors import PlanError
from tercet.federation.canonical import canonical_json
from tercet.federation.text import plain

_SHOWN_FAULTS = 3


class Body(BaseModel):
    """Refuses unknown fields and other types than those declared; cannot be changed once made."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    def to_json(self) -> bytes:
        """JSON for a body, under the names that others read."""
        return self.model_dump_json(by_alias=True).encode()


class Shown(Body):
    """A model that people look at in a notebook: one line of what matters, not every field."""

    @abstractmethod
    def _facts(self) -> Iterator[str]:
        """What the line says, in order."""

    def __repr__(self) -> str:
        line = f"{type(self).__name__}({', '.join(self._facts())})"
        # a node's words must neither steer a terminal nor break the line
        return plain(" ".join(line.split("\n")))

    def __str__(self) -> str:
        return repr(self)


class Canonical(Body):
    """A model that is read from its canonical text only, so that what decodes re-encodes identically."""

    @classmethod
    def from_bytes(cls, data: bytes, what: str) -> Self:
        """Read canonical JSON. Raises PlanError for anything else."""
        try:
            value = cls.model_validate_json(data)
            again = value.to_bytes()
        except ValidationError as error:
            raise PlanError(f"this is no {what}: {faults(error)}") from None
        except (ValueError, RecursionError) as error:
            raise PlanError(f"this is no {what}: {type(error).__name__}") from None
        if again != data:
            raise PlanError(
                f"the {what} is not in canonical form", hint="sort the keys, leave no spaces, escape nothing needlessly"
            )
        return value

    def to_bytes(self) -> bytes:
        """The canonical text."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))


def faults(error: ValidationError) -> str:
    """What is wrong with an input, in a line that shows places and rules and no values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, fault['loc'])) or 'all of it'}: {_lower(fault['msg'])}" for fault in found]
    more = f"; and {len(lines) - _SHOWN_FAULTS} more" if len(lines) > _SHOWN_FAULTS else ""
    return "; ".join(lines[:_SHOWN_FAULTS]) + more


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
