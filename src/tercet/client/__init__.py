"""Sessions, by which owners share data and analysts run plans; with parties on this machine, or with three nodes."""

from tercet.client.base import JobRecord, Measurement, OperationRow, load
from tercet.client.encode import Encoded, encode_array
from tercet.client.local import EmulatedLink, local
from tercet.client.session import Session

__all__ = [
    "EmulatedLink",
    "Encoded",
    "JobRecord",
    "Measurement",
    "OperationRow",
    "Session",
    "encode_array",
    "load",
    "local",
]
