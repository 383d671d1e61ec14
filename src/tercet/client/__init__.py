"""Sessions: what an owner and an analyst hold in their hands."""

from tercet.client.encode import Encoded, encode_array
from tercet.client.local import EmulatedLink, local
from tercet.client.measurement import JobRecord, Measurement, OperationRow
from tercet.client.models import load
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
