"""The vectors: what they say is what happens, here and in JavaScript; they are those that the generator makes."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import shutil
import subprocess
import sys
import time
from functools import cache
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tercet.errors import IntegrityError, PlanError, TercetError
from tercet.federation.boxes import open_part, part_context, result_context
from tercet.federation.bundle import read_bundle
from tercet.federation.identity import KeyPurpose, Member, labelled
from tercet.federation.orders import SignedOrder, read_order
from tercet.federation.requests import BadRequest, RequestGuard, signed_bytes
from tercet.sharing import Party
from tercet.transport.identity import Identity
from vector_files import FOLDER, members, vectors

NODE = shutil.which("node")
JAVASCRIPT = pytest.mark.skipif(NODE is None, reason="Node.js is not installed: JavaScript is not checked")

WORDS = {
    "bad_version": "version",
    "bad_length": "bytes",
    "malformed": "this is no|canonical|no member|another analyst",
}
"""What an error says, where its class is not telling."""


@cache
def member(name: str) -> Member:
    """The member with the keys that the vectors give them."""
    entry = members()[name]
    key = serialization.load_der_private_key(base64.b64decode(entry["signing_key_pkcs8_base64"]), None)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    opener = X25519PrivateKey.from_private_bytes(bytes.fromhex(entry["seal_key_private_hex"]))
    return Member._join(Identity(base64.b64decode(entry["certificate_base64"]), pem), opener)


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize("name", members())
def test_members(name: str) -> None:
    entry, card = members()[name], member(name).card
    assert (card.name, card.fingerprint) == (name, entry["fingerprint"])
    assert card.seal_key.hex() == entry["seal_key_public_hex"]


@pytest.mark.parametrize("vector", vectors("request"))
def test_request(vector: dict[str, Any]) -> None:
    headers = lower(vector["headers"])
    body = hashlib.sha256(bytes.fromhex(vector["body_hex"])).hexdigest()
    guard = RequestGuard(vector["node"], vector["started"])
    if vector["signed_hex"] is not None:
        message = signed_bytes(
            *(headers["tercet-node"], vector["method"], vector["target"]),
            *(headers[f"tercet-{name}"] for name in ("date", "nonce", "content-sha256")),
        )
        assert labelled(KeyPurpose.REQUEST, message).hex() == vector["signed_hex"]
    try:
        card = guard.check(headers, vector["method"], vector["target"], body, vector["now"])
        outcome = "ok"
        assert card.name == vector["signer"]
    except BadRequest as error:
        outcome = error.reason.value
    assert outcome == vector["expect"]


@pytest.mark.parametrize("vector", vectors("order"))
def test_order(vector: dict[str, Any]) -> None:
    signed = SignedOrder.model_validate(vector["signed_order"])
    assert labelled(KeyPurpose.ORDER, signed.order.encode()).hex() == vector["signed_hex"]
    try:
        order, card = read_order(signed, vector["federation"], vector["now"])
        outcome = "ok"
        assert card.name == vector["signer"]
        assert order.to_bytes().decode() == signed.order
    except IntegrityError as error:
        telling = {"signature": "bad_signature", "for the federation": "wrong_federation", "signed at": "stale"}
        outcome = next(name for words, name in telling.items() if words in error.message)
    except PlanError:
        outcome = "malformed"
    assert outcome == vector["expect"]


@pytest.mark.parametrize("vector", vectors("box"))
def test_box(vector: dict[str, Any]) -> None:
    purpose, context, box = (
        KeyPurpose(vector["purpose"]),
        bytes.fromhex(vector["context_hex"]),
        bytes.fromhex(vector["box_hex"]),
    )
    assert labelled(purpose, context).hex() == vector["info_hex"]
    try:
        data = member(vector["recipient"]).open(purpose, context, box)
    except IntegrityError:
        assert vector["expect"] in ("bad_tag", "bad_length")
        assert (len(box) < 48) == (vector["expect"] == "bad_length")
        return
    assert vector["expect"] == "ok"
    assert data.hex() == vector["plaintext_hex"]
    about = vector["about"]
    if purpose is KeyPurpose.PART:
        assert part_context(about["upload"], about["chunk"]) == context
    else:
        assert result_context(about["job"], about["output"], Party(about["party"])) == context


@pytest.mark.parametrize("vector", vectors("bundle"))
def test_bundle(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["bundle_hex"])
    if vector["expect"] == "ok":
        bundle = read_bundle(data)
        assert json.loads(bundle.header.to_bytes()) == vector["header"]
        assert bundle.plan.hex() == vector["plan_hex"]
        assert bundle.hash.hex() == vector["hash_hex"]
        assert bundle.card.name == vector["analyst"]
        return
    kind: type[TercetError] = IntegrityError if vector["expect"] == "bad_signature" else PlanError
    with pytest.raises(kind, match=WORDS.get(vector["expect"], "signature")):
        read_bundle(data)


def test_every_vector_says_what_it_expects() -> None:
    """One defect a file, named by it: kind_expect_name.json."""
    files = sorted(FOLDER.glob("*.json"))
    for path in files:
        contents = json.loads(path.read_text(encoding="utf-8"))
        assert contents["description"]
        if contents["kind"] != "members":
            assert path.name.startswith(f"{contents['kind']}_{contents['expect']}_")
    classes = {path.name.split("_")[0] for path in files}
    assert classes >= {"request", "order", "box", "bundle"}


def test_the_files_are_those_that_are_made() -> None:
    try:
        ec.generate_private_key(ec.SECP256R1()).sign(b"", ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    except UnsupportedAlgorithm:
        pytest.skip("this build of cryptography cannot sign deterministically")
    done = subprocess.run(
        [sys.executable, str(FOLDER / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_generators_boxes_follow_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9180, appendix A.1.1."""
    monkeypatch.syspath_prepend(str(FOLDER))
    hpke = importlib.import_module("making.hpke")
    sender = X25519PrivateKey.from_private_bytes(
        bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
    )
    recipient = bytes.fromhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")
    shared, key, nonce = hpke.schedule(sender, recipient, b"Ode on a Grecian Urn")
    assert shared.hex() == "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc"
    assert key.hex() == "4531685d41d65f03dc48f6b8302c05b0"
    assert nonce.hex() == "56d890e5accaaf011cff4b7d"


@JAVASCRIPT
def test_javascript_agrees() -> None:
    assert NODE is not None
    done = subprocess.run([NODE, str(FOLDER / "check.mjs")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["box"] == len(vectors("box"))
    assert counts["order"] == len(vectors("order"))
    signed = [param for param in vectors("request") if param.values[0]["signed_hex"] is not None]
    assert counts["request"] == len(signed) > 10


@JAVASCRIPT
def test_what_javascript_makes_is_taken_here() -> None:
    assert NODE is not None
    started = time.time()
    done = subprocess.run(
        [NODE, str(FOLDER / "check.mjs"), "--make"], capture_output=True, text=True, timeout=60, check=True
    )
    made = json.loads(done.stdout)
    now, node = time.time(), member("hospital-a")
    request = made["request"]
    body = hashlib.sha256(bytes.fromhex(request["body_hex"])).hexdigest()
    guard = RequestGuard(node.card.fingerprint, started)
    assert (
        guard.check(lower(request["headers"]), request["method"], request["target"], body, now) == member("anna").card
    )
    order, card = read_order(SignedOrder.model_validate(made["order"]), "00112233445566778899aabbccddeeff", now)
    assert (order.action.action, card) == ("withdraw", member("anna").card)
    box = made["box"]
    assert open_part(node, box["upload"], box["chunk"], bytes.fromhex(box["box_hex"])).hex() == box["plaintext_hex"]
