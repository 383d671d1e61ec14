"""The parts of vectors/: made by another implementation, taken and refused by this one."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from tercet.errors import InputError
from tercet.ring import pack_bits, ring
from tercet.sharing import PARTIES, BitShare, Party, Upload, check_doubly_held, expand_seed
from tercet.store.keys import KeyValues
from tercet.store.part import Part, assemble, explicit_component
from tercet.store.schema import Schema, StoredForm
from three_stores import cut, opened, part_digests, part_value, texts
from vector_files import vectors

WORDS = {
    "bad_length": "came as|this is no part: 0 bytes|header of another length|has .* bytes for 6 rows|too large",
    "bad_version": "a part of version 3",
    "malformed": "begins otherwise|party 4|unknown form|no name|a seed beside|padding|offsets|no UTF-8",
    "wrong_component": "is words and the others are seeds",
    "wrong_party": "here is party 2",
    "wrong_upload": "another upload",
    "wrong_schema": "not those of the schema",
}


def stored(vector: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """The columns of an `ok` vector as words, packed bits and keys."""
    found: dict[str, Any] = {}
    for name, form in schema.stored:
        values = vector["values"][name]
        if form is StoredForm.BITS:
            found[name] = pack_bits(np.array(values, np.bool_))
        elif form is StoredForm.KEY_TEXT:
            found[name] = texts(values)
        elif form is StoredForm.KEY_INTEGER:
            found[name] = np.array([int(value) for value in values], np.int64)
        else:
            numbers = np.array([int(value) for value in values], object)
            found[name] = ring(form.ring_bits).from_ints(numbers)
    return found


@pytest.mark.parametrize("vector", vectors("part"))
def test_parts(vector: dict[str, Any]) -> None:
    schema, upload = Schema.parse(vector["schema"]), bytes.fromhex(vector["upload"])
    if vector["expect"] == "ok":
        check_ok(vector, schema, upload)
        return
    with pytest.raises(InputError, match=WORDS[vector["expect"]]):
        part = Part.decode(base64.b64decode(vector["part_base64"]))
        part.header.check(schema, Party(vector["party"]), upload)


def check_ok(vector: dict[str, Any], schema: Schema, upload: bytes) -> None:
    bodies = [base64.b64decode(part) for part in vector["parts_base64"]]
    parts = [Part.decode(body) for body in bodies]
    for part, party in zip(parts, PARTIES, strict=True):
        part.header.check(schema, party, upload)
        assert [digest.hex() for digest in part_digests(part)] == [
            vector["digests_hex"][party - 1],
            vector["digests_hex"][party.next - 1],
        ]
    check_doubly_held([part_digests(part) for part in parts], "the vector")
    expected = stored(vector, schema)
    pieces: dict[str, Upload | KeyValues] = {}
    for name, form in schema.stored:
        if not form.secret:
            pieces[name] = expected[name]
            assert list(part_value(parts[0], name).tolist()) == list(expected[name].tolist())
            continue
        values = [part_value(part, name) for part in parts]
        total = opened(values)
        same = cut(total, vector["rows"]) if isinstance(values[0], BitShare) else total
        np.testing.assert_array_equal(same, expected[name])
        pieces[name] = rebuilt(vector, name, expected[name])
    again = assemble(
        schema, pieces, vector["rows"], upload, vector["chunk"], bytes.fromhex(vector["part"]),
        [bytes.fromhex(salt) for salt in vector["salts_hex"]],
    )  # fmt: skip
    assert [b"".join(buffers) for buffers in again] == bodies


def rebuilt(vector: dict[str, Any], name: str, words: Any) -> Upload:
    """What an owner splits with the seeds of the vector."""
    explicit = explicit_component(vector["chunk"])
    components: list[Any] = [seed and bytes.fromhex(seed) for seed in vector["seeds_hex"][name]]
    rest = words
    for seed in filter(None, components):
        stream = np.frombuffer(expand_seed(seed, words.nbytes), words.dtype)
        form = Schema.parse(vector["schema"]).stored_form(name)
        rest = rest ^ stream if form is StoredForm.BITS else ring(form.ring_bits).sub(rest, stream)
    components[explicit - 1] = rest.view(np.uint8).data
    return Upload((components[0], components[1], components[2]), explicit)
