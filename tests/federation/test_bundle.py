"""Job bundles: what was signed comes back, and nothing else passes."""

from __future__ import annotations

import hashlib
import json
import struct
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from federations import FEDERATION_ID, member
from tercet.errors import IntegrityError, PlanError, TercetError
from tercet.federation.bundle import (
    MAX_DATASETS,
    Bundle,
    InputRef,
    JobHeader,
    OutputRef,
    RowLink,
    column_handle,
    kept_handle,
    make_bundle,
    read_bundle,
    recipient,
)
from tercet.federation.identity import SIGNATURE_BYTES, KeyPurpose

HEAD = struct.Struct("<8sIIII")
MANIFEST = "ab" * 32
PLAN = b"tercet-plan of sorts"


def header(**changes: Any) -> JobHeader:
    anna = member("anna").card
    fields: dict[str, Any] = {
        "federation": FEDERATION_ID,
        "job": "0f" * 16,
        "created": 1_800_000_000,
        "deadline": 1_800_000_600,
        "analyst": anna.fingerprint,
        "inputs": (
            InputRef.of_column(FEDERATION_ID, "patients", 3, MANIFEST, "größe (cm)"),
            InputRef.of_kept(FEDERATION_ID, "risk/coef"),
            InputRef.of_column(FEDERATION_ID, "patients", 3, MANIFEST, "größe (cm)", validity=True),
        ),
        "outputs": (OutputRef(index=0), OutputRef(index=1, keep="risk2/coef", lifetime=86_400)),
        "recipients": (recipient(anna), recipient(member("ben").card)),
        "network": RowLink(name="lan", rtt_us=100, bandwidth_bits_s=10**10),
        "purpose": "mean height, study 12 — “pilot”",
        "model": {"kind": "LinearRegression", "features": ["age"], "scale": [0.1, -0.0, 1e300], "n": None},
    }
    return JobHeader(**fields | changes)


@cache
def bundle() -> bytes:
    return make_bundle(member("anna"), header(), PLAN)


def test_round_trip() -> None:
    got = read_bundle(bundle())
    assert got.header == header()
    assert got.plan == PLAN
    assert got.card == member("anna").card
    assert got.data == bundle()
    assert got.hash == hashlib.sha256(bundle()[:-SIGNATURE_BYTES]).digest()
    assert got.header.recipient_cards == (member("anna").card, member("ben").card)
    assert got.header.datasets == {"patients": (3, MANIFEST)}
    assert got.header.network.rtt_s == 0.0001


names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,20}", fullmatch=True)
columns = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")), min_size=1, max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.tuples(names, columns), unique=True, max_size=4),
    st.lists(names, unique=True, max_size=3),
    st.dictionaries(st.text(max_size=9), json_values, max_size=3) | st.none(),
    st.binary(max_size=100),
    st.integers(1, 1 << 32),
)
def test_every_header_comes_back(
    read: list[tuple[str, str]], kept: list[str], model: dict[str, Any] | None, plan: bytes, created: int
) -> None:
    inputs = [InputRef.of_column(FEDERATION_ID, name, 1, MANIFEST, column) for name, column in read]
    inputs += [InputRef.of_kept(FEDERATION_ID, name) for name in kept]
    made = header(inputs=tuple(inputs), model=model, created=created, deadline=created + 1)
    data = make_bundle(member("anna"), made, plan)
    got = read_bundle(data)
    assert (got.header, got.plan) == (made, plan)
    assert (
        got.header.to_bytes()
        == made.to_bytes()
        == json.dumps(json.loads(made.to_bytes()), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


def test_the_same_is_signed_the_same_and_the_hash_is_that_of_what_is_signed() -> None:
    again = make_bundle(member("anna"), header(), PLAN)
    assert again == bundle()  # signatures are deterministic (RFC 6979)
    assert read_bundle(again).hash == read_bundle(bundle()).hash
    assert read_bundle(make_bundle(member("anna"), header(job="1f" * 16), PLAN)).hash != read_bundle(bundle()).hash


def refused(data: bytes) -> TercetError:
    try:
        got = read_bundle(data)
    except (IntegrityError, PlanError) as error:
        return error
    raise AssertionError(f"accepted: {got}")


def test_every_flipped_byte_is_refused() -> None:
    """Every byte of head, header and signature, and every seventh of the rest, with one bit and with all."""
    size = len(bundle())
    at = {*range(400), *range(size - 80, size), *range(0, size, 7)}
    for index in sorted(at):
        for change in (1, 0xFF):
            data = bytearray(bundle())
            data[index] ^= change
            refused(bytes(data))


@given(st.data())
def test_changes_are_refused(data: st.DataObject) -> None:
    original = bundle()
    cut = original[: data.draw(st.integers(0, len(original) - 1))]
    extended = original + data.draw(st.binary(min_size=1, max_size=40))
    at = data.draw(st.integers(0, len(original)))
    inserted = original[:at] + data.draw(st.binary(min_size=1, max_size=4)) + original[at:]
    for changed in (cut, extended, inserted):
        if changed != original:
            refused(changed)


@given(st.binary(max_size=200), st.lists(st.integers(0, (1 << 32) - 1), min_size=3, max_size=3))
def test_noise_is_refused(noise: bytes, lengths: list[int]) -> None:
    refused(noise)
    refused(HEAD.pack(b"tercetJB", 1, *lengths) + noise)
    refused(HEAD.pack(b"tercetJB", 2, *lengths) + noise)


def signed_anyhow(text: bytes, plan: bytes = PLAN) -> bytes:
    """A bundle around any text as header, with a signature that holds."""
    anna = member("anna")
    head = HEAD.pack(b"tercetJB", 1, len(text), len(plan), len(anna.card.certificate))
    signed = head + text + plan + anna.card.certificate
    return signed + anna.sign(KeyPurpose.JOB, signed)


def test_a_bundle_of_another_version_says_so() -> None:
    data = bundle()[:8] + struct.pack("<I", 2) + bundle()[12:]
    assert "version 2" in refused(data).message


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b" " + text,
        lambda text: text.replace(b":", b": ", 1),
        lambda text: text.replace(b'"lan"', b'"l\\u0061n"'),
        lambda text: text.replace(b'"version":1}', b'"version":1,"version":1}'),
        lambda text: text.replace(b'"rtt_us":100', b'"rtt_us":1e2'),
        lambda text: text.replace(b'"rtt_us":100', b'"rtt_us":100.0'),
        lambda text: text.replace(b'"created":', b'"created":0'),
        lambda text: json.dumps(json.loads(text)).encode(),
        lambda text: text.replace(b',"version":1}', b"}"),
        lambda text: text.replace(b'"partition_rows":0,', b""),
        lambda text: text.replace(b"1e+300", b"1e300"),
    ],
)
def test_a_header_has_one_text(change: Any) -> None:
    text = header().to_bytes()
    read_bundle(signed_anyhow(text))
    assert change(text) != text
    assert isinstance(refused(signed_anyhow(change(text))), PlanError)


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"null", b"[" * 100_000, b'{"model":' * 1000, b"\xff\xfe", b'{"a":NaN}', b'"\\ud800"', b"1" * 10_000],
)
def test_texts_that_are_no_header(text: bytes) -> None:
    assert isinstance(refused(signed_anyhow(text)), PlanError)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"1e999", b"1" * 5000, b"[" * 500 + b"]" * 500, b'"\\ud800"'])
def test_strange_values_in_a_model(value: bytes) -> None:
    text = header(model={"x": 1}).to_bytes().replace(b'{"x":1}', b'{"x":' + value + b"}")
    assert isinstance(refused(signed_anyhow(text)), PlanError)


def changed_text(**fields: Any) -> bytes:
    data = json.loads(header().to_bytes()) | fields
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


COLUMN = json.loads(header().to_bytes())["inputs"][0]


@pytest.mark.parametrize(
    "fields",
    [
        {"federation": "ff" * 16},
        {"federation": "00"},
        {"job": "0F" * 16},
        {"created": -1},
        {"deadline": 1_800_000_000},
        {"deadline": 1_900_000_000},
        {"deadline": True},
        {"analyst": "ab" * 32},
        {"security": "malicious"},
        {"version": 2},
        {"recipients": []},
        {"recipients": ["AAAA"]},
        {"recipients": ["*"]},
        {"recipients": [recipient(member("anna").card)] * 2},
        {"inputs": [COLUMN, COLUMN]},
        {"inputs": [COLUMN | {"handle": "ab" * 16}]},
        {"inputs": [COLUMN | {"kept": "x"}]},
        {"inputs": [COLUMN | {"column": None}]},
        {"inputs": [COLUMN | {"dataset": "../x"}]},
        {"inputs": [COLUMN | {"column": "a\nb"}]},
        {"inputs": [COLUMN | {"version": 1.5}]},
        {"outputs": [{"index": 0, "keep": "", "lifetime": None}] * 2},
        {"outputs": [{"index": -1, "keep": "", "lifetime": None}]},
        {"outputs": [{"index": 0, "keep": "a/b/c", "lifetime": None}]},
        {"outputs": [{"index": 0, "keep": "", "lifetime": 0}]},
        {"purpose": "two\nlines"},
        {"purpose": "x" * 501},
        {"extra": 1},
        {"network": {"name": "lan", "rtt_us": 1, "bandwidth_bits_s": 0}},
    ],
)
def test_headers_that_are_refused(fields: dict[str, Any]) -> None:
    assert isinstance(refused(signed_anyhow(changed_text(**fields))), PlanError)


def test_lengths_have_limits() -> None:
    for lengths in ((5 << 20, 0, 0), (0, 257 << 20, 0), (0, 0, 5000)):
        assert "are allowed" in refused(HEAD.pack(b"tercetJB", 1, *lengths)).message


def test_one_signs_in_ones_own_name() -> None:
    with pytest.raises(PlanError, match="another analyst"):
        make_bundle(member("ben"), header(), PLAN)


def test_handles_are_derived() -> None:
    handle = column_handle(FEDERATION_ID, "patients", "age")
    assert len(handle) == 16
    assert handle == column_handle(FEDERATION_ID, "patients", "age")
    others = {
        column_handle("ff" * 16, "patients", "age"),
        column_handle(FEDERATION_ID, "patient", "sage"),
        column_handle(FEDERATION_ID, "patients", "Age"),
        column_handle(FEDERATION_ID, "patients", "age", validity=True),
        kept_handle(FEDERATION_ID, "patients"),
    }
    assert len(others) == 5 and handle not in others
    with pytest.raises(ValidationError, match="not both"):
        InputRef(handle="0a" * 16, kept="risk", validity=True)
    assert kept_handle(FEDERATION_ID, "0a" * 16) == bytes.fromhex("0a" * 16)
    assert len(kept_handle(FEDERATION_ID, "zz" * 16)) == 16


def test_a_bundle_shows_no_plan() -> None:
    got = read_bundle(bundle())
    assert isinstance(got, Bundle)
    assert "of sorts" not in repr(got)


def test_python_callers_are_checked_too() -> None:
    with pytest.raises(ValidationError):
        header(created="1800000000")


def test_one_recipient_written_in_two_ways_is_one() -> None:
    """The last character before the padding holds bits that base64 ignores."""
    text = next(r for k in range(50) if (r := recipient(member(f"m{k}").card)).endswith("="))
    place = len(text.rstrip("=")) - 1
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = text[:place] + alphabet[alphabet.index(text[place]) ^ 1] + text[place + 1 :]
    with pytest.raises(PlanError, match="named twice"):
        _ = header(recipients=(text, other)).recipient_cards


def test_datasets_of_a_job_are_bounded() -> None:
    def reading(count: int) -> JobHeader:
        return header(inputs=tuple(InputRef.of_column(FEDERATION_ID, f"d{k}", 1, MANIFEST, "x") for k in range(count)))

    reading(MAX_DATASETS)
    with pytest.raises(ValidationError, match="datasets"):
        reading(MAX_DATASETS + 1)
