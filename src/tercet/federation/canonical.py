"""Canonical JSON: the one text of a value, over which signatures and hashes are computed.

Keys are sorted; there are no spaces, no NaN and no infinity; numbers are as Python writes them. Two forms differ
in characters beyond ASCII only: which one a signature or hash covers is part of the format and never changes.
"""

from __future__ import annotations

import json
from typing import Any


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
