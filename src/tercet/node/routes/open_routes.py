"""What everybody may ask: whether the node lives, whether it is ready, who it is, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Response

from tercet.federation.api import Health, Limits, NodeInfo
from tercet.node.metrics import CONTENT_TYPE
from tercet.node.software import software

if TYPE_CHECKING:
    from tercet.node.supervisor import Node


def node_info(node: Node) -> NodeInfo:
    """Who this node is; says nothing about data or people."""
    entry = node.federation.node(node.me)
    return NodeInfo(
        software=software(),
        name=entry.name,
        operator=entry.operator,
        fingerprint=entry.fingerprint,
        certificate=entry.certificate,
        party=int(node.me),
        coordinator=node.federation.coordinator.name,
        federation=node.federation.id,
        federation_name=node.federation.name,
        federation_digest=node.federation.digest,
        started=node.started,
        time=node.now(),
        lanes=node.settings.lanes.count,
        limits=Limits(
            chunk_bytes=node.settings.limits.chunk_bytes,
            bundle_bytes=node.settings.limits.request_bytes,
        ),
    )


def router(node: Node) -> APIRouter:
    """Routes without a signature; the gate counts them by address."""
    routes = APIRouter(tags=["status"])

    @routes.get("/healthz")
    async def healthz() -> Health:
        """Whether the process answers."""
        return Health(ready=True)

    @routes.get("/readyz", responses={503: {"model": Health, "description": "not ready"}})
    def readyz(response: Response) -> Health:
        """Whether this node can take part in a change or a job: catalogue, disk, certificate, the other two nodes."""
        missing = node.missing()
        if missing:
            response.status_code = 503
        return Health(ready=not missing, missing=missing)

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(node.figures(), media_type=CONTENT_TYPE)

    @routes.get("/v1/node")
    async def info() -> NodeInfo:
        """Who this node is, which federation it is of, and what it takes at most."""
        return node_info(node)

    return routes
