"""Labels: the types of stored arrays as bytes, with the mark of claimed bounds, which storing does not remove."""

from __future__ import annotations

from dataclasses import replace

from tercet.codec import Reader, Writer
from tercet.plan.plan import put_type, take_type
from tercet.plan.types import Type


def write_type(t: Type) -> bytes:
    """A type as plans write it, and whether its bounds are claimed: the label under which an array is stored."""
    out = Writer()
    put_type(out, t)
    return out.count(t.claimed).take()


def read_type(data: bytes | memoryview) -> Type:
    """Read what `write_type` wrote. Raises PlanError."""
    reader = Reader(data, "type")
    found = take_type(reader)
    claimed = reader.count(1) == 1
    reader.end()
    return replace(found, claimed=claimed)
