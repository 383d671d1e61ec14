"""Public key columns: integers or text, stored plain in a part."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import InputError
from tercet.store.schema import StoredForm

MAX_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of text: value i is data[offsets[i]:offsets[i + 1]] in UTF-8, as Arrow's large_string."""

    offsets: NDArray[np.int64] = field(repr=False)
    data: NDArray[np.uint8] = field(repr=False)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def tolist(self) -> list[str]:
        data, offsets = self.data.tobytes(), self.offsets.tolist()
        return [data[start:stop].decode() for start, stop in pairwise(offsets)]

    def __getitem__(self, rows: slice) -> Texts:
        """A run of values."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError("runs only")
        stop = max(start, stop)
        offsets = self.offsets[start : stop + 1]
        return Texts(offsets - offsets[0], self.data[int(offsets[0]) : int(offsets[-1])])


KeyValues = NDArray[np.int64] | Texts
"""The values of a key column: integers, or texts."""


def key_buffers(values: KeyValues) -> list[memoryview]:
    """The contents of a key column in a part, without a copy."""
    if isinstance(values, Texts):
        return [values.offsets.view(np.uint8).data, values.data.data]
    return [np.ascontiguousarray(values).view(np.uint8).data]


def read_keys(content: memoryview, form: StoredForm, rows: int, name: str) -> KeyValues:
    """Views of the contents of a key column that was checked before. Raises InputError for a secret column."""
    if form is StoredForm.KEY_INTEGER:
        return np.frombuffer(content, np.int64)
    if form is not StoredForm.KEY_TEXT:
        raise InputError(f"column {name} is secret")
    split = 8 * (rows + 1)
    return Texts(np.frombuffer(content[:split], np.int64), np.frombuffer(content[split:], np.uint8))


def check_keys(content: memoryview, form: StoredForm, rows: int, name: str) -> None:
    """Raise InputError unless the contents are those of a key column: offsets that rise to the end, whole UTF-8."""
    if form is StoredForm.KEY_INTEGER:
        return
    texts = read_keys(content, form, rows, name)
    assert isinstance(texts, Texts)
    lengths = np.diff(texts.offsets)
    if texts.offsets[0] != 0 or texts.offsets[-1] != texts.data.size or (lengths < 0).any():
        raise InputError(f"the offsets of key column {name} do not fit its text")
    if (lengths > MAX_KEY_BYTES).any():
        raise InputError(f"a key of column {name} has more than {MAX_KEY_BYTES} bytes")
    starts = texts.offsets[:-1][lengths > 0]
    try:
        # if the whole is UTF-8, and no value begins inside a character, every value is UTF-8
        bytes(texts.data.data).decode()
        broken = bool(((texts.data[starts] & 0xC0) == 0x80).any())
    except UnicodeDecodeError:
        broken = True
    if broken:
        raise InputError(f"key column {name} has text that is no UTF-8")


def as_arrow(values: KeyValues) -> Any:
    """The keys as an Arrow array, without a copy."""
    # imported here, because nodes start faster without it
    import pyarrow as pa

    if isinstance(values, Texts):
        offsets = np.ascontiguousarray(values.offsets)
        return pa.LargeStringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(values.data))
    return pa.array(values)
