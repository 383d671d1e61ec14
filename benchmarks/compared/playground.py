"""What the playground shows of computing on encrypted data: a part of the numbers of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LIBRARIES = {"ckks": "CKKS in TenSEAL", "paillier": "Paillier in phe"}
_QUESTIONS = (
    ("mean", "mean", "the means of {columns} columns, {rows:,} rows"),
    ("count", "comparison", "how many a < b, {rows:,} pairs"),
    ("regression", "moments", "all sums of a regression on {columns} columns, {rows:,} rows"),
)
"""The playground's task, the question here that is nearest to it, and what was asked."""
_DIGITS = 3


def encrypted(numbers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """An entry for each task and library that has answered it; `sent` is with the keys."""
    machine = numbers["machine"]
    return [
        {
            "task": task,
            "library": library,
            "what": what.format(**numbers),
            "seconds": round(answer["answer_s"], _DIGITS),
            "bytes": answer["answer_bytes"],
            "error": float(f"{answer['error']:.{_DIGITS}g}"),
            "encrypting": round(answer["bring_s"], _DIGITS),
            "sent": answer["bring_bytes"] + answer["key_bytes"],
            "machine": f"{machine['cores']} cores of an {machine['processor']} processor",
            "date": numbers["date"],
            "source": "docs/comparison.json",
        }
        for task, question, what in _QUESTIONS
        for way, library in _LIBRARIES.items()
        if (answer := numbers["answers"].get(way, {}).get(question)) is not None
    ]
