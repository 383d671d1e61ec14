"""Columns with missing values, as tables of nodes give them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array.nullable import NullableArray
from tercet.client.session import Session


def with_gaps(net: Session, values: Any, there: Any, bounds: tuple[float, float] = (-1000, 1000)) -> Any:
    """A secret column of these values, where `there` says so; elsewhere stands something else."""
    filled = np.where(there, values, np.asarray(bounds[1]).astype(np.asarray(values).dtype))
    return NullableArray.of_values(net.share(filled, bounds=bounds), net.share(there))
