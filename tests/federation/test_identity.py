"""Members, cards, signatures and boxes."""

from __future__ import annotations

import os
import ssl
import stat
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federations import member
from tercet.errors import ConfigError, IntegrityError
from tercet.federation.identity import (
    BOX_OVERHEAD_BYTES,
    MAX_CERTIFICATE_BYTES,
    SEAL_URI,
    Card,
    KeyPurpose,
    Member,
    decode_base64url,
    encode_base64url,
    expiring,
)
from tercet.transport.identity import Identity, tls_context

ANNA, BEN = "anna", "ben"


def test_a_member_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "anna.pem"
    member(ANNA).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Member.load(path)
    assert again == member(ANNA)
    assert again.name == ANNA
    box = again.card.seal(KeyPurpose.RESULT, b"c", b"data")
    assert again.open(KeyPurpose.RESULT, b"c", box) == b"data"
    member(ANNA).card.verify(KeyPurpose.JOB, b"m", again.sign(KeyPurpose.JOB, b"m"))


def test_no_key_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "anna.pem"
    member(ANNA).save(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"exists"):
        member(BEN).save(path)
    assert path.read_bytes() == before


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "anna.pem"
    member(ANNA).save(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"chmod 600"):
        Member.load(path)
    card = tmp_path / "anna.card.pem"
    card.write_text(member(ANNA).card.pem())
    card.chmod(0o644)
    with pytest.raises(ConfigError, match=r"not a card"):
        Member.load(card)


def test_files_that_are_no_identity(tmp_path: Path) -> None:
    card, whole = tmp_path / "card.pem", tmp_path / "whole.pem"
    member(ANNA).save(whole)
    card.write_text(member(ANNA).card.pem())
    card.chmod(0o600)
    assert Card.load(card) == Card.load(whole) == member(ANNA).card
    with pytest.raises(ConfigError, match=r"0 signing and 0 seal keys"):
        Member.load(card)
    with pytest.raises(ConfigError, match=r"cannot read"):
        Member.load(tmp_path / "nothing.pem")
    # the keys of one with the certificate of another
    blocks = whole.read_text().split("-----BEGIN PRIVATE KEY-----")
    card.write_text("-----BEGIN PRIVATE KEY-----".join([member(BEN).card.pem(), *blocks[1:]]))
    with pytest.raises(ConfigError, match=r"not the one of the certificate of ben"):
        Member.load(card)
    card.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ConfigError):
        Member.load(card)
    card.write_bytes(b"\xff" * 70_000)
    with pytest.raises(ConfigError, match=r"too long"):
        Card.load(card)


@pytest.mark.parametrize("name", ["", "-a", "a" * 64, "two words", "a/b", "a\n", "ü", "a\0"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError, match=r"name"):
        Member.create(name)


def test_a_card_is_its_certificate() -> None:
    card = member(ANNA).card
    assert card == Card.from_pem(card.pem()) == Card.from_certificate(card.certificate)
    assert hash(card) == hash(Card.from_pem(card.pem()))
    assert card != member(BEN).card
    assert card.fingerprint == sha256(member(ANNA).identity.certificate).hexdigest()
    assert Member.create(ANNA).card != card


def test_certificates_that_are_no_members() -> None:
    with pytest.raises(ConfigError, match=r"binds 0 seal keys"):
        Card.from_certificate(Identity.create("plain").certificate)
    two = [SEAL_URI + encode_base64url(bytes(32)), SEAL_URI + encode_base64url(bytes([1]) * 32)]
    with pytest.raises(ConfigError, match=r"binds 2 seal keys"):
        Card.from_certificate(Identity.create("two", uris=two).certificate)
    with pytest.raises(ConfigError, match=r"seal key .* is broken"):
        Card.from_certificate(Identity.create("short", uris=[SEAL_URI + "AAAA"]).certificate)
    with pytest.raises(ConfigError, match=r"no subject"):
        Card.from_certificate(Identity.create("two words", uris=two[:1]).certificate)
    with pytest.raises(ConfigError, match=r"no certificate"):
        Card.from_certificate(b"nonsense")
    with pytest.raises(ConfigError, match=r"longer"):
        Card.from_certificate(bytes(MAX_CERTIFICATE_BYTES + 1))
    for text in ("", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----", "-----END CERTIFICATE-----"):
        with pytest.raises(ConfigError):
            Card.from_pem(text)


@given(st.integers(0, 1000), st.integers(1, 255))
def test_a_damaged_certificate_is_another_member_or_none(at: int, change: int) -> None:
    data = bytearray(member(ANNA).card.certificate)
    data[at % len(data)] ^= change
    try:
        card = Card.from_certificate(bytes(data))
    except ConfigError:
        return
    assert card.fingerprint != member(ANNA).card.fingerprint


def test_expiry() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    card = Member.create(ANNA, start=start, valid_for=timedelta(days=90)).card
    assert card.not_after == start + timedelta(days=90)
    assert card.days_left(start) == 90
    assert card.days_left(start + timedelta(days=89, hours=1)) == 0
    assert card.days_left(start + timedelta(days=90, seconds=1)) == -1
    card.check_valid(start)
    with pytest.raises(ConfigError, match=r"expired on 2026-04-01 00:00"):
        card.check_valid(start + timedelta(days=91))
    with pytest.raises(ConfigError, match=r"is valid from"):
        card.check_valid(start - timedelta(days=1))
    assert expiring([card], start) == []
    assert expiring([card], start + timedelta(days=80)) == ["the certificate of anna ends on 2026-04-01, in 10 days"]
    assert expiring([card], start + timedelta(days=100)) == ["the certificate of anna ended on 2026-04-01"]
    assert member(ANNA).card.days_left() in (1094, 1095)


def test_signatures_are_for_one_purpose_message_and_member() -> None:
    signature = member(ANNA).sign(KeyPurpose.JOB, b"message")
    assert len(signature) == 64
    card = member(ANNA).card
    card.verify(KeyPurpose.JOB, b"message", signature)
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    for who, purpose, message, sent in (
        (member(BEN).card, KeyPurpose.JOB, b"message", signature),
        (card, KeyPurpose.REQUEST, b"message", signature),
        (card, KeyPurpose.JOB, b"other", signature),
        (card, KeyPurpose.JOB, b"message", flipped),
        (card, KeyPurpose.JOB, b"message", bytes(64)),
        (card, KeyPurpose.JOB, b"message", b"\xff" * 64),
        (card, KeyPurpose.JOB, b"message", signature[:-1]),
        (card, KeyPurpose.JOB, b"message", signature + b"\0"),
    ):
        with pytest.raises(IntegrityError, match=r"signature"):
            who.verify(purpose, message, sent)


def test_purposes_cannot_be_mistaken_for_each_other() -> None:
    """No purpose's label begins another's: the zero byte behind it settles where the message begins."""
    assert all("\0" not in purpose and purpose.isascii() for purpose in KeyPurpose)
    assert len({purpose.value for purpose in KeyPurpose}) == len(KeyPurpose)


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_boxes_open_for_one_member_purpose_and_context(data: bytes, context: bytes) -> None:
    box = member(ANNA).card.seal(KeyPurpose.PART, context, data)
    assert len(box) == len(data) + BOX_OVERHEAD_BYTES
    assert member(ANNA).open(KeyPurpose.PART, context, box) == data
    for who, purpose, other, sent in (
        (member(BEN), KeyPurpose.PART, context, box),
        (member(ANNA), KeyPurpose.RESULT, context, box),
        (member(ANNA), KeyPurpose.PART, context + b"\0", box),
        (member(ANNA), KeyPurpose.PART, context, box[:-1]),
        (member(ANNA), KeyPurpose.PART, context, box + b"\0"),
        (member(ANNA), KeyPurpose.PART, context, b""),
    ):
        with pytest.raises(IntegrityError, match=r"does not open"):
            who.open(purpose, other, sent)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_box_does_not_open(at: int, change: int) -> None:
    box = bytearray(member(ANNA).card.seal(KeyPurpose.PART, b"", b"some data"))
    box[at % len(box)] ^= change
    with pytest.raises(IntegrityError):
        member(ANNA).open(KeyPurpose.PART, b"", box)


@pytest.mark.parametrize("key", [bytes(32), bytes([1]) + bytes(31)])
def test_nothing_is_sealed_to_a_key_that_everybody_knows(key: bytes) -> None:
    """Points of small order give the same secret whatever the other side's key is."""
    with pytest.raises(ConfigError, match=r"seal key"):
        Card.from_certificate(Identity.create("mallory", uris=[SEAL_URI + encode_base64url(key)]).certificate)
    point = bytes(key) + bytes(16)
    with pytest.raises(IntegrityError):
        member(ANNA).open(KeyPurpose.PART, b"", point)


def test_large_boxes_are_quick() -> None:
    """64 MiB take 0.06 s each way where nothing else runs."""
    data = os.urandom(1 << 20) * 64
    start = time.process_time()
    box = member(ANNA).card.seal(KeyPurpose.PART, b"", memoryview(data))
    assert member(ANNA).open(KeyPurpose.PART, b"", box) == data
    assert time.process_time() - start < 2


@given(st.binary(max_size=50))
def test_base64url_has_one_text(data: bytes) -> None:
    text = encode_base64url(data)
    assert decode_base64url(text) == data
    for other in (text + "=", text + "\n", " " + text, text.replace("_", "/") + "/", text + "ü"):
        try:
            assert encode_base64url(decode_base64url(other)) == other != text
        except ValueError:
            continue


def test_no_secret_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "anna.pem"
    member(ANNA).save(path)
    shown = repr(member(ANNA)) + str(member(ANNA)) + repr(member(ANNA).card)
    for line in path.read_text().splitlines():
        assert line.startswith("-----") or line not in shown
    assert "PRIVATE" not in shown


def test_tls_accepts_a_members_certificate() -> None:
    """Handshake in memory, both sides pinned."""
    server = tls_context(member(ANNA).identity, [member(BEN).card.certificate], server=True)
    client = tls_context(member(BEN).identity, [member(ANNA).card.certificate], server=False)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    a = server.wrap_bio(to_server, to_client, server_side=True)
    b = client.wrap_bio(to_client, to_server)
    waiting = {a, b}
    for _ in range(10):
        for side in tuple(waiting):
            try:
                side.do_handshake()
                waiting.discard(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    assert a.getpeercert(True) == member(BEN).card.certificate
    assert b.getpeercert(True) == member(ANNA).card.certificate
