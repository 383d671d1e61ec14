"""`tercet.connect`: a session with the three nodes of a federation file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tercet.client.base import COIN, STATED
from tercet.client.nodes import TIMEOUT_S, Nodes
from tercet.client.remote import RemoteSession
from tercet.errors import ConfigError
from tercet.federation.federation import Federation
from tercet.federation.identity import Card, Member
from tercet.plan.network import PROFILES, Network

DEADLINE_S = 3600.0
LIFETIME_S = 86_400.0


def connect(
    federation: Federation | Path | str,
    identity: Member | Path | str,
    *,
    profile: Network | str = "wan",
    timeout: float = TIMEOUT_S,
    deadline: float = DEADLINE_S,
    lifetime: float = LIFETIME_S,
    checked: bool = False,
    rounding: str = COIN,
    bounds: str = STATED,
    purpose: str = "",
    recipients: Sequence[Card] = (),
    via: str | None = None,
    remember: Path | str | None = None,
    progress: Callable[[float], None] | None = None,
) -> RemoteSession:
    """Connect with the three nodes of a federation file, as the person of an identity file.

    profile: "lan", "wan" or a Network; plans are made for it. timeout: seconds for which a node may be silent.
    deadline: seconds that a job may take. lifetime: seconds for which `persist` keeps an array at the nodes. checked:
    whether every run also verifies the bounds that `tercet.assume` asserts. rounding: "coin", or "exact" for plans that
    always round to the nearest (dearer; some nodes demand it; kept arrays are rounded so in any case). bounds:
    "stated", or "enforced": values whose bounds a plan does not prove are clipped to them under sharing (two
    comparisons a value; some nodes demand it). purpose: why you ask, for the nodes' audit. recipients: other people for
    whom results are sealed, too. via: the one node through which all requests go. remember: a folder for notes about
    jobs whose results were not fetched yet. progress: called with numbers from 0 to 1.

    Costs a round trip to each node. Raises ConfigError for files that cannot be used, or if a node is of another
    federation; Unreachable and Timeout naming the node.
    """
    if isinstance(profile, str):
        if profile not in PROFILES:
            raise ConfigError(f"profile {profile!r} is not known", hint=f"use {', '.join(PROFILES)}, or a Network")
        profile = PROFILES[profile]
    if min(timeout, deadline, lifetime) <= 0:
        raise ConfigError("timeout, deadline and lifetime are positive")
    known = federation if isinstance(federation, Federation) else Federation.load(Path(federation))
    member = identity if isinstance(identity, Member) else Member.load(Path(identity))
    nodes = Nodes(known, member, timeout=timeout, via=via)
    try:
        check_same_federation(nodes)
    except BaseException:
        nodes.close()
        raise
    return RemoteSession(
        nodes,
        profile,
        deadline=deadline,
        lifetime=lifetime,
        checked=checked,
        rounding=rounding,
        bounds=bounds,
        purpose=purpose,
        recipients=recipients,
        remember=None if remember is None else Path(remember),
        progress=progress,
    )


def check_same_federation(nodes: Nodes) -> None:
    """Raise ConfigError naming a node that has another federation file. With `via`, only that node is asked."""
    for client, info in nodes.doors():
        if info.federation_digest != nodes.federation.digest:
            raise ConfigError(
                f"node {client.name} works with another federation file ({info.federation_digest[:16]}) than yours "
                f"({nodes.federation.digest[:16]})",
                hint="compare `tercet federation show` with its operator",
            )
