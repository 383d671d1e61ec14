"""Three HTTPS servers in threads that answer as they are told, and check every signature."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tercet.federation.federation import Federation, NodeEntry
from tercet.federation.identity import Member
from tercet.federation.requests import RequestGuard
from tercet.transport.identity import tls_context

Answer = tuple[int, Any]
NAMES = ("north", "east", "west")


@dataclass
class FakeNode:
    """One server. `answer` gets (method, target, headers, body) and gives (status, JSON or bytes)."""

    member: Member
    answer: Callable[[str, str, dict[str, str], bytes], Answer]
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0
    close_after: bool = False
    """Close every connection after its first answer without saying so."""
    too_little: int = 0
    """Promise so many bytes more than an answer has, say that the connection ends after it, and end it."""
    server: Any = None

    def start(self) -> None:
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                node.connections += 1

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                guard = RequestGuard(headers["tercet-node"], 0.0)
                signed = headers.get("x-signed-target", self.path)
                guard.check(headers, self.command, signed, hashlib.sha256(body).hexdigest(), time.time())
                node.seen.append((self.command, self.path, headers, body))
                status, answer = node.answer(self.command, self.path, headers, body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data) + node.too_little))
                if node.too_little:
                    self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(data)
                if node.close_after:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None: ...

        self.server = Server(("127.0.0.1", 0), Handler)
        context = tls_context(self.member.identity, [], server=True)
        context.verify_mode = ssl.CERT_NONE
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), name="fake node", daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def fake_nodes(answer: Callable[[str, str, str, bytes], Answer]) -> Iterator[tuple[Federation, dict[str, FakeNode]]]:
    """A federation of three of them; `answer` gets (name of the node, method, target, body)."""
    nodes: dict[str, FakeNode] = {}
    with ExitStack() as stack:
        for name in NAMES:
            member = Member.create(name)
            node = FakeNode(member, lambda method, target, _, body, name=name: answer(name, method, target, body))
            node.start()
            stack.callback(node.server.server_close)
            stack.callback(node.server.shutdown)
            nodes[name] = node
        entries = [
            NodeEntry(
                name=name,
                operator=name,
                url=node.url,
                lanes=f"127.0.0.1:{7000 + at}",
                certificate=node.member.card.pem(),
            )
            for at, (name, node) in enumerate(nodes.items())
        ]
        yield Federation(version=1, id="ab" * 16, name="test", nodes=tuple(entries)), nodes
