"""Types of names and identifiers of members, datasets and jobs, and how fresh identifiers are drawn."""

from __future__ import annotations

import re
import secrets
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from tercet.federation.text import checked_plain

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
