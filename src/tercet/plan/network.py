"""Network profiles: how long rounds and bytes take; the variants of operations are chosen by it."""

from __future__ import annotations

from dataclasses import dataclass

from tercet.protocols.cost import Cost


@dataclass(frozen=True, slots=True)
class Network:
    """Round-trip time in seconds, bandwidth of one party's link in bit/s."""

    name: str
    rtt_s: float
    bandwidth_bps: float

    def seconds(self, cost: Cost) -> float:
        """Time on the wire: a round costs half a round trip."""
        return cost.rounds * self.rtt_s / 2 + cost.bytes_per_party * 8 / self.bandwidth_bps


LAN = Network("lan", 0.0001, 10e9)
WAN = Network("wan", 0.04, 100e6)
PROFILES = {network.name: network for network in (LAN, WAN)}
