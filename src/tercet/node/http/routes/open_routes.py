"""Routes without a signature: liveness, readiness, metrics, and who the node is."""

from __future__ import annotations

from fastapi import APIRouter, Response

from tercet.federation.api import Health, LimitsInfo, NodeInfo
from tercet.node.http.health import HealthMonitor
from tercet.node.metrics import CONTENT_TYPE
from tercet.node.parts import NodeContext, software


def node_info(context: NodeContext) -> NodeInfo:
    """Who this node is; says nothing about data or people."""
    entry = context.identity.federation.node(context.identity.me)
    return NodeInfo(
        software=software(),
        name=entry.name,
        operator=entry.operator,
        fingerprint=entry.fingerprint,
        certificate=entry.certificate,
        party=int(context.identity.me),
        coordinator=context.identity.federation.coordinator.name,
        federation=context.identity.federation.id,
        federation_name=context.identity.federation.name,
        federation_digest=context.identity.federation.digest,
        started=context.started,
        time=context.now(),
        lanes=context.settings.lanes.count,
        limits=LimitsInfo(
            chunk_bytes=context.settings.limits.chunk_bytes,
            bundle_bytes=context.settings.limits.request_bytes,
        ),
    )


def router(context: NodeContext, health: HealthMonitor) -> APIRouter:
    """Routes without a signature; the gate counts them by address."""
    routes = APIRouter(tags=["status"])

    @routes.get("/healthz")
    async def healthz() -> Health:
        """Whether the process answers."""
        return Health(ready=True)

    @routes.get("/readyz", responses={503: {"model": Health, "description": "not ready"}})
    def readyz(response: Response) -> Health:
        """Whether this node can take part in a change or a job: catalogue, disk, certificate, the other two nodes."""
        missing = health.missing()
        if missing:
            response.status_code = 503
        return Health(ready=not missing, missing=missing)

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(health.figures(), media_type=CONTENT_TYPE)

    @routes.get("/v1/node")
    async def info() -> NodeInfo:
        """Who this node is, which federation it is of, and what it takes at most."""
        return node_info(context)

    return routes
