"""An analyst's own arrays: a dataset of one column under his name, for as long as his session lasts."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from tercet.client import orders
from tercet.client.encode import Encoded, as_numbers
from tercet.client.nodes import Nodes
from tercet.client.upload import upload
from tercet.errors import InputError
from tercet.federation.api import DatasetInfo
from tercet.federation.identifiers import fresh_id
from tercet.plan.types import Kind
from tercet.store.schema import Column, ColumnKind, Schema

COLUMN = "values"


def upload_private(nodes: Nodes, encoded: Encoded, values: Any) -> tuple[str, DatasetInfo]:
    """Split an array among the nodes as a dataset of its own, flat; (its name, what the nodes have)."""
    if not encoded.type.size:
        raise InputError("an array without elements is not shared with nodes", hint="leave it out")
    schema = Schema(columns=(_column(encoded),))
    name = f"private-{nodes.member.card.fingerprint[:8]}-{fresh_id()[:16]}"
    flat = as_numbers(values).reshape(-1)
    array = pa.array([str(int(value)) for value in flat]) if flat.dtype == object else pa.array(flat)
    upload(nodes, {COLUMN: array}, dataset=name, schema=schema)
    return name, orders.dataset(nodes, name)


def _column(encoded: Encoded) -> Column:
    """The column whose type is that of the array."""
    t, (lo, hi) = encoded.type, encoded.bounds
    if t.is_bool:
        return Column(name=COLUMN, kind=ColumnKind.BOOL)
    if t.kind is Kind.INT:
        return Column(name=COLUMN, kind=ColumnKind.INTEGER, lo=math.ceil(lo), hi=math.floor(hi))
    return Column(name=COLUMN, kind=ColumnKind.DECIMAL, lo=lo, hi=hi, frac_bits=t.frac_bits)


__all__ = ["COLUMN", "upload_private"]
