"""Canonical JSON keeps its bytes: signatures and audit chains that exist depend on them."""

from __future__ import annotations

import hashlib

import pytest

from tercet.federation.model import ascii_json, canonical_json

VALUE = {"z": [1, -2.5, True, None, 1e20], "a": {"Größe": 'x\n"y" \u2028', "A": 2**62}, "": "\U0001f600"}


def test_the_bytes_are_those_that_were_signed_before() -> None:
    text = '{"":"\U0001f600","a":{"A":4611686018427387904,"Größe":"x\\n\\"y\\" \u2028"},"z":[1,-2.5,true,null,1e+20]}'
    assert canonical_json(VALUE) == text.encode()
    assert hashlib.sha256(canonical_json(VALUE)).hexdigest().startswith("a1f4fb3bd95f2dd2")


def test_the_bytes_are_those_that_were_hashed_before() -> None:
    text = (
        r'{"":"\ud83d\ude00","a":{"A":4611686018427387904,"Gr\u00f6\u00dfe":"x\n\"y\" \u2028"},'
        r'"z":[1,-2.5,true,null,1e+20]}'
    )
    assert ascii_json(VALUE) == text.encode()
    assert hashlib.sha256(ascii_json(VALUE)).hexdigest().startswith("200240e2442f599f")


def test_what_is_plain_ascii_is_the_same_in_both() -> None:
    assert canonical_json({"b": [1.5], "a": "x"}) == ascii_json({"b": [1.5], "a": "x"}) == b'{"a":"x","b":[1.5]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_has_no_text(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": value})
    with pytest.raises(ValueError, match="not JSON compliant"):
        ascii_json([value])
