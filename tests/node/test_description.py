"""The OpenAPI description against a running node: whatever is sent, no answer is a 5xx, and all are as described."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from requests.adapters import HTTPAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from node.trio_nodes import Nodes, assert_ok
from tercet.federation.identity import Member
from tercet.federation.requests import signed_headers

_EXAMPLES = 8
SKIPPED = ("/readyz", "/v1/admin/backup")
"""Answers 503 while a node is not ready; and would write wherever the test says."""


class Pinned(HTTPAdapter):
    """HTTPS to the one whose certificate this is."""

    def __init__(self, certificate: bytes) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.load_verify_locations(cadata=certificate)
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> Any:
        return super().init_poolmanager(*args, ssl_context=self._context, assert_hostname=False, **more)


class Signed(requests.auth.AuthBase):
    """Signs what is sent, as it is sent."""

    def __init__(self, member: Member, fingerprint: str) -> None:
        self._member, self._fingerprint = member, fingerprint

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        data = body.encode() if isinstance(body, str) else body
        assert request.method is not None
        digest = hashlib.sha256(data).hexdigest()
        headers = signed_headers(self._member, self._fingerprint, request.method, request.path_url, digest, time.time())
        request.headers.update(headers)
        return request


@pytest.fixture(scope="module")
def session(nodes: Nodes) -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.trust_env = False
        found.mount("https://", Pinned(nodes.federation.node(1).card.certificate))
        yield found


def test_no_answer_is_a_defect(nodes: Nodes, session: requests.Session) -> None:
    description = assert_ok(nodes.request("a", None, "GET", "/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=nodes.federation.node(1).url)
    fingerprint = nodes.federation.node(1).fingerprint
    signers = [Signed(nodes.people[person], fingerprint) for person in ("owner", "analyst", "operator")]
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 25
    seen: Counter[int] = Counter()
    for operation in operations:
        if operation.path in SKIPPED:
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=_EXAMPLES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        def ask(case: Any) -> None:
            for signer in signers:
                response = case.call(session=session, auth=signer)
                seen[response.status_code] += 1
                if response.status_code != 429:
                    case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])
                    assert response.status_code < 500

        ask()
    assert seen[200] > 20
    assert seen[403] > 20
    assert seen[422] > 20
    assert seen[429] < sum(seen.values()) / 2
