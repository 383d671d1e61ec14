"""The owner's routes without a browser and without nodes: what is refused before anything is read or sent."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tercet.client.sources import Source, file_identity
from tercet.client.upload import UploadReport
from tercet.web.local import SESSION_HEADER, Serving, Site
from tercet.web.owner import routes
from tercet.web.owner.files import DroppedFiles
from tercet.web.owner.uploads import UploadWish, carry_out
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


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def noted(path: Path) -> str:
        hashed.append(path)
        return file_identity(path)

    monkeypatch.setattr("tercet.web.owner.files.file_identity", noted)
    monkeypatch.setattr("tercet.client.sources.file_identity", noted)
    files = DroppedFiles(tmp_path)
    file = files.begin("rows.csv", 8)
    file.path.write_bytes(b"age\n1\n2\n")
    file.received = 8
    sources = []

    def sent(_: Any, source: Source, **options: Any) -> UploadReport:
        assert options["state"].name.startswith(file_identity(file.path)[:32])
        sources.append(source.identity())
        return UploadReport("rows", "0" * 32, 2, 0, 2, 100, 0.1, 1)

    monkeypatch.setattr("tercet.web.owner.uploads.upload", sent)
    person: Any = SimpleNamespace(nodes=None, identity=tmp_path / "owner.pem")
    columns: Any = [{"name": "age", "kind": "integer", "lo": 0, "hi": 9}]
    wish = UploadWish(file=file.id, dataset="rows", mode="create", columns=columns, send=True)
    task: Any = SimpleNamespace(tell=lambda **_: None)
    for _ in range(2):
        assert carry_out(person, file, wish, task)["sent"]
    assert sources == [f"{file_identity(file.path)} {{}}"] * 2
    assert hashed == [file.path]
