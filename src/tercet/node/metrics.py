"""The metrics of one node for Prometheus: counts, sizes and states, without names of people or columns."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


class Metrics:
    """The metrics of one node, in a registry of its own, as one process may hold several nodes."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "tercet_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "tercet_request_seconds", "Seconds to answer", ["route"], buckets=_SECONDS, registry=registry
        )
        self.received_bytes = Counter("tercet_received_bytes", "Bytes of request bodies", registry=registry)
        self.upload_bytes = Counter("tercet_upload_bytes", "Bytes of chunks stored", registry=registry)
        self.refused = Counter("tercet_refused", "Requests refused before a route", ["reason"], registry=registry)
        self.jobs = Counter("tercet_jobs", "Jobs by how they ended", ["state"], registry=registry)
        self.jobs_now = Gauge("tercet_jobs_now", "Jobs by the state they are in", ["state"], registry=registry)
        self.job_seconds = Histogram("tercet_job_seconds", "Seconds of a job", buckets=_SECONDS, registry=registry)
        self.job_bytes = Counter("tercet_job_bytes", "Bytes that jobs sent to the other nodes", registry=registry)
        self.lanes_busy = Gauge("tercet_lanes_busy", "Lanes that run a job", registry=registry)
        self.lanes = Gauge("tercet_lanes", "Lanes there are", registry=registry)
        self.dataset_rows = Gauge("tercet_dataset_rows", "Visible rows", ["dataset"], registry=registry)
        self.transactions = Counter("tercet_transactions", "Transactions by outcome", ["state"], registry=registry)
        self.in_doubt = Gauge("tercet_transactions_open", "Transactions not yet ended here", registry=registry)
        self.disk_free = Gauge("tercet_disk_free_bytes", "Bytes free in the node's folder", registry=registry)
        self.certificate_days = Gauge(
            "tercet_certificate_days", "Days until a certificate expires", ["node"], registry=registry
        )
        self.peer_up = Gauge("tercet_peer_up", "Whether the other node answered last time", ["node"], registry=registry)
        self.disagreements = Gauge(
            "tercet_disagreements", "Things on which another node does not agree", ["node"], registry=registry
        )

    def render(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)
