"""Splitting a chunk of rows into the parts of the three nodes: the owner's side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tercet.errors import InputError
from tercet.federation.identifiers import fresh_nonce
from tercet.ring import ring
from tercet.sharing import PARTIES, Party, Upload, fresh_seed, split, split_bits
from tercet.store.keys import KeyValues, Texts, key_buffers
from tercet.store.part import (
    ALIGN,
    MAX_CHUNK_ROWS,
    NEXT_WORDS,
    OWN_WORDS,
    SALT_BYTES,
    content_bytes,
    encode_header,
    explicit_component,
    flags_of,
)
from tercet.store.schema import Schema, StoredForm

Buffers = list[bytes | memoryview]


def split_chunk(
    schema: Schema, columns: Mapping[str, Any], rows: int, upload: bytes, chunk: int, part: bytes | None = None
) -> tuple[Buffers, Buffers, Buffers]:
    """Split one chunk of rows; gives the bytes for nodes 1, 2 and 3, each as a list of buffers to send one by one.

    Called by the owner. `columns` has, for every name of `Schema.stored`, its ring words as `client.encode` makes them
    (packed bits for bools and for validity), or the values of a key column (`keys.key_values`). `rows` is at most
    4,194,304 and the same for all chunks of an upload but the last, which may have fewer; all others a multiple of 64.
    `upload` and `part` are 16 bytes, public; `part` names this splitting of the chunk and is drawn if left out. The
    explicit component is in the lists of its two holders without a copy. Costs 16 bytes a value of 64 bits on the wire,
    all three together.

    Raises InputError if the columns are not those of the schema or have another number of rows.
    """
    explicit = explicit_component(chunk)
    part = fresh_nonce() if part is None else part
    salts = [fresh_seed()[:SALT_BYTES] for _ in PARTIES]
    _check_columns(schema, columns, rows)
    pieces: dict[str, Upload | KeyValues] = {}
    for name, form in schema.stored:
        words = columns[name]
        if not form.secret:
            pieces[name] = words
        elif form is StoredForm.BITS:
            pieces[name] = split_bits(words, explicit)
        else:
            pieces[name] = split(words, ring(form.ring_bits), explicit)
    return assemble(schema, pieces, rows, upload, chunk, part, salts)


def assemble(
    schema: Schema,
    pieces: Mapping[str, Upload | KeyValues],
    rows: int,
    upload: bytes,
    chunk: int,
    part: bytes,
    salts: Sequence[bytes],
) -> tuple[Buffers, Buffers, Buffers]:
    """The three parts of a chunk whose columns are split already; `salts` of components 1, 2 and 3.

    Called by `split_chunk` and, with fixed seeds and salts, for the test vectors.
    """
    explicit = explicit_component(chunk)
    first, second, third = (
        _assemble_for(party, schema, pieces, rows, upload, chunk, part, salts, flags_of(party, explicit))
        for party in PARTIES
    )
    return first, second, third


def _assemble_for(
    party: Party,
    schema: Schema,
    pieces: Mapping[str, Upload | KeyValues],
    rows: int,
    upload: bytes,
    chunk: int,
    part: bytes,
    salts: Sequence[bytes],
    flags: int,
) -> Buffers:
    described: list[tuple[str, StoredForm, int, bytes, bytes]] = []
    contents: Buffers = []
    for name, form in schema.stored:
        piece = pieces[name]
        seeds = [b"", b""]
        stored: Buffers = []
        if isinstance(piece, Upload):
            for at, component in enumerate(piece.part(party)):
                if flags & (OWN_WORDS, NEXT_WORDS)[at]:
                    stored.append(component)
                else:
                    seeds[at] = bytes(component)
            size = content_bytes(form, rows)
        else:
            stored = [*key_buffers(piece)]
            size = sum(len(buffer) for buffer in stored)
        described.append((name, form, size, seeds[0], seeds[1]))
        contents += [buffer for buffer in stored if len(buffer)]
        if stored and size % ALIGN:
            contents.append(bytes(-size % ALIGN))
    own_salt, next_salt = salts[party - 1], salts[party.next - 1]
    return [encode_header(party, flags, upload, part, chunk, rows, (own_salt, next_salt), described), *contents]


def _check_columns(schema: Schema, columns: Mapping[str, Any], rows: int) -> None:
    if not 0 <= rows <= MAX_CHUNK_ROWS:
        raise InputError(f"a chunk has at most {MAX_CHUNK_ROWS:,} rows, this one {rows:,}")
    odd = sorted(set(columns) ^ {name for name, _ in schema.stored})
    if odd:
        raise InputError(f"the columns are not those of the schema: {odd[0]}")
    for name, form in schema.stored:
        values = columns[name]
        if not form.secret:
            fits = len(values) == rows and isinstance(values, Texts) == (form is StoredForm.KEY_TEXT)
        else:
            fits = values.nbytes == content_bytes(form, rows)
        if not fits:
            raise InputError(f"column {name} does not have {rows:,} rows of its kind")
