"""The owner's routes without a browser and without nodes: what is refused before anything is read or sent."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tercet.web.local import SESSION_HEADER, Serving, Site
from tercet.web.owner import routes
from tercet.web.people.tasks import Tasks


def test_one_upload_to_a_dataset_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(routes, "carry_out", lambda *_: {"sent": goes_on.wait(60)})
    member = SimpleNamespace(card=SimpleNamespace(fingerprint="0" * 64))
    person: Any = SimpleNamespace(folder=tmp_path, member=member, tasks=Tasks())
    site = Site({})
    site.api.include_router(routes.router(person), prefix="/api/owner")
    with Serving(site) as serving, httpx.Client(trust_env=False) as client:
        client.base_url = base = httpx.URL(f"http://127.0.0.1:{serving.port}")
        client.headers["origin"] = str(base)
        link = serving.link().partition("#")[2]
        client.headers[SESSION_HEADER] = client.post("/session", json={"link": link}).json()["session"]
        file = client.post("/api/owner/files", json={"name": "rows.csv", "size": 4}).json()["file"]
        wish = {"file": file, "dataset": "rows", "mode": "create", "columns": [], "send": True}
        assert client.post("/api/owner/uploads", json=wish).status_code == 200
        refused = client.post("/api/owner/uploads", json=wish)
        assert refused.status_code == 422 and "under way" in refused.json()["message"]
        for other in ({"send": False}, {"dataset": "others"}):
            assert client.post("/api/owner/uploads", json=wish | other).status_code == 200
        goes_on.set()
        for task in person.tasks.of(routes.KIND):
            task.thread.join(60)
        assert client.post("/api/owner/uploads", json=wish).status_code == 200
