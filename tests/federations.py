"""Members and federations for tests: keys are made once a test session."""

from __future__ import annotations

from functools import cache

from tercet.federation.federation import Federation, NodeEntry
from tercet.federation.identity import Member

NODE_NAMES = ("hospital-a", "hospital-b", "university")
FEDERATION_ID = "00112233445566778899aabbccddeeff"


@cache
def member(name: str) -> Member:
    """A member of this name, the same one whenever it is asked for."""
    return Member.create(name)


def entry(name: str, *, port: int = 8443, lanes: int = 9443, host: str = "127.0.0.1") -> NodeEntry:
    return NodeEntry(
        name=name,
        operator=f"Operator of {name}",
        url=f"https://{host}:{port}",
        lanes=f"{host}:{lanes}",
        certificate=member(name).card.pem(),
    )


def federation(
    ports: tuple[int, int, int] = (8443, 8444, 8445), lanes: tuple[int, int, int] = (9100, 9200, 9300)
) -> Federation:
    nodes = tuple(entry(name, port=port, lanes=lane) for name, port, lane in zip(NODE_NAMES, ports, lanes, strict=True))
    return Federation(version=1, id=FEDERATION_ID, name="Test", nodes=nodes)
