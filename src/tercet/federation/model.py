"""What everything from outside is built of: canonical JSON, names and identifiers, strict models.

Canonical JSON is the one text of a value, over which signatures and hashes are computed: keys are sorted; there are no
spaces, no NaN and no infinity; numbers are as Python writes them. Two forms differ in characters beyond ASCII only:
which one a signature or hash covers is part of the format and never changes.
"""

from __future__ import annotations

import json
import re
import secrets
from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from tercet.errors import PlanError
from tercet.federation.text import checked_plain, plain


def canonical_json(data: Any) -> bytes:
    """UTF-8 without escapes: what members sign and send each other (orders, bundles, votes, ends, federation files).

    Raises ValueError for NaN, infinity and what is no JSON, RecursionError for what is nested too deeply.
    """
    return _text(data, ascii_only=False)


def ascii_json(data: Any) -> bytes:
    """The same with all beyond ASCII escaped: what a node hashes and stores (schemas, manifests, the audit chain)."""
    return _text(data, ascii_only=True)


def _text(data: Any, *, ascii_only: bool) -> bytes:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=ascii_only, allow_nan=False)
    return text.encode()


ID_BYTES = 16

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$"
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"

MemberName = Annotated[str, StringConstraints(pattern=_NAME)]
"""A node or a person, as shown in logs, rules and paths: letters, digits, `. _ @ -`."""

DatasetName = Annotated[str, StringConstraints(pattern=rf"^{_PART}$")]
"""A dataset: letters, digits, `. _ -`; it stands in paths and addresses."""

KeptName = Annotated[str, StringConstraints(pattern=rf"^{_PART}(/{_PART})?$")]
"""A kept array, or a model, or `model/array`."""

ColumnName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
    AfterValidator(checked_plain),
]
"""A column: any text of one line that people can see."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""16 bytes in hexadecimal: a federation, upload, job, transaction or handle."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal: a fingerprint, a manifest, a hash."""

Line = Annotated[
    str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$"), AfterValidator(checked_plain)
]
"""Text of one line that people can see."""


def is_dataset_name(name: str) -> bool:
    """Whether nodes take it as a `DatasetName`. Clients, before they send."""
    return re.fullmatch(_PART, name) is not None


def fresh_id() -> str:
    """16 random bytes in hexadecimal, for an upload, a job, a transaction or a federation. Anyone."""
    return secrets.token_hex(ID_BYTES)


def fresh_nonce() -> bytes:
    """16 random bytes for one request."""
    return secrets.token_bytes(ID_BYTES)


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
