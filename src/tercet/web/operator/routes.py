"""The operator's routes, below /api/operator: about their own node, asked on its machine with its identity."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from tercet.client import orders
from tercet.client.nodes import NodeClient, Nodes
from tercet.client.own_node import audit_entries
from tercet.errors import ConfigError, TercetError
from tercet.federation.api import DatasetInfo, DatasetList
from tercet.federation.api_admin import AuditPage, NodeStatus, OperatorReason, PolicyInfo
from tercet.federation.api_jobs import JobInfo, JobList
from tercet.federation.federation import Federation
from tercet.federation.identity import Card, Member
from tercet.federation.model import DatasetName, Identifier, Line
from tercet.node.settings import NodeSettings
from tercet.policy.rules import Policy
from tercet.policy.sentences import sentences
from tercet.store.audit import Entry, verify
from tercet.web.operator.today import today
from tercet.web.people.person import PersonHere
from tercet.web.people.tasks import Task

_ENTRIES = 50
_SHOWN_JOBS = 200


class _Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: Line = ""


def router(person: PersonHere) -> APIRouter:
    """Routes of the operator's page. Each raises ConfigError where `tercet web` was not told which node is theirs."""
    routes = APIRouter()
    _add_state(routes, person)
    _add_work(routes, person)
    _add_audit(routes, person)
    return routes


def _settings(person: PersonHere) -> NodeSettings:
    if person.settings is None:
        raise ConfigError("no node of yours is named", hint="start with it: tercet web --node FOLDER")
    return person.settings


def _all_datasets(own: NodeClient) -> list[DatasetInfo]:
    return own.get("/v1/admin/datasets", DatasetList).datasets


def _add_state(routes: APIRouter, person: PersonHere) -> None:
    @routes.get("/status")
    def status() -> dict[str, Any]:
        """How the node is, its jobs and datasets, and what is to be done."""
        settings = _settings(person)
        with person.own_node() as own:
            found = own.get("/v1/admin/status", NodeStatus)
            jobs = own.get("/v1/admin/jobs", JobList).jobs
            datasets = _all_datasets(own)
        held = [job for job in jobs if job.state == "held"]
        return {
            "status": found.model_dump(mode="json"),
            "least_free_bytes": settings.limits.free_bytes,
            "today": today(found, held, datasets),
            "jobs": [_job(job) for job in jobs[:_SHOWN_JOBS]],
            "datasets": [_dataset(one) for one in datasets],
            "certificates": [
                {"name": card.name, "until": card.not_after.timestamp(), "days": card.days_left()}
                for card in Federation.load(settings.federation_path).cards
            ],
        }

    @routes.get("/policy")
    def policy() -> dict[str, Any]:
        """The policy file, its sentences, and what is wrong with it."""
        path = _settings(person).policy_path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {path}: {type(error).__name__}", hint="look at its permissions") from None
        told: dict[str, Any] = {"path": str(path), "text": text, "sentences": [], "error": ""}
        try:
            told["sentences"] = [
                {"line": one.line, "text": one.text} for one in sentences(Policy.parse(text, path.name), text)
            ]
        except TercetError as error:
            told["error"] = error.message
        return told

    @routes.post("/policy/reload")
    def reload() -> PolicyInfo:
        """Have the node read its policy file again."""
        with person.own_node() as own:
            return own.post("/v1/admin/policy/reload", None, PolicyInfo)


def _job(job: JobInfo) -> dict[str, Any]:
    shown = {
        "job", "analyst_name", "purpose", "datasets", "charged", "state", "explanation", "progress",
        "waiting_for", "created", "started", "finished",
    }  # fmt: skip
    return {
        **job.model_dump(mode="json", include=shown),
        "rule": job.decision.rule,
        "verdict": job.decision.verdict,
        "because": list(dict.fromkeys(job.decision.reasons)),
        "rests_on": {name: list(grounds.words()) for name, grounds in sorted(job.grounds.items())},
        "error": "" if job.error is None else job.error.message,
    }


def _dataset(one: DatasetInfo) -> dict[str, Any]:
    shown = {"name", "rows", "version", "created", "changed", "refreshed", "changing"}
    return {**one.model_dump(mode="json", include=shown), "owners": one.owners, "columns": len(one.schema_["columns"])}  # type: ignore[arg-type]


def _add_work(routes: APIRouter, person: PersonHere) -> None:
    @routes.post("/jobs/{job}/{verdict}")
    def rule(job: Identifier, verdict: Literal["approve", "deny"], body: _Verdict) -> dict[str, Any]:
        """Let a held job through at this node, or refuse it."""
        _settings(person)
        with person.own_node() as own:
            found = own.post(f"/v1/admin/jobs/{job}/{verdict}", OperatorReason(reason=body.reason), JobInfo)
        return _job(found)

    @routes.post("/datasets/{name}/refresh")
    def refresh(name: DatasetName) -> dict[str, Any]:
        """Draw new shares of a dataset, at all three nodes, by an order that this node signs."""
        settings = _settings(person)
        member = Member.load(settings.identity_path)
        with Nodes(Federation.load(settings.federation_path), member) as nodes:
            outcome = orders.refresh(nodes, name)
        return {"version": outcome.version, "unsigned": outcome.unsigned}


def _add_audit(routes: APIRouter, person: PersonHere) -> None:
    @routes.get("/audit")
    def audit(before: Annotated[int | None, Query(ge=1, lt=1 << 62)] = None) -> dict[str, Any]:
        """Entries of the record, newest first: those before a number, or the last ones."""
        _settings(person)
        with person.own_node() as own:
            head = own.get("/v1/admin/audit?after=0&limit=1", AuditPage).head
            last = head.number if before is None else before - 1
            first = max(0, last - _ENTRIES)
            page = own.get(f"/v1/admin/audit?after={first}&limit={max(1, last - first)}", AuditPage)
        entries = [Entry.model_validate(one) for one in page.entries][: last - first]
        shown = {"number", "time", "kind", "details"}
        return {
            "entries": [one.model_dump(mode="json", include=shown) for one in reversed(entries)],
            "more": first > 0,
        }

    @routes.post("/audit/verify")
    def check() -> dict[str, Any]:
        """Check the whole record, a task: each entry bound to the one before, and signed by this node."""
        settings = _settings(person)
        cards = _cards(settings)

        def verified(task: Task) -> dict[str, Any]:
            entries = []
            with person.own_node() as own:
                for one in audit_entries(own):
                    entries.append(Entry.model_validate(one))
                    if len(entries) % 500 == 0:
                        task.tell(entries=len(entries))
            return {"entries": len(entries), "defects": verify(entries, cards)[:_ENTRIES]}

        return person.tasks.start("audit", verified).facts


def _cards(settings: NodeSettings) -> list[Card]:
    """The node's certificate, and the earlier ones that `tercet node rotate` left beside it."""
    federation = Federation.load(settings.federation_path)
    now = federation.node(federation.party(settings.name)).card
    earlier = [Card.load(path) for path in sorted(settings.base.glob(f"{settings.name}.*.card.pem"))]
    return [now, *(card for card in earlier if card.name == now.name and card != now)]
