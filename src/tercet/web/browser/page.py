"""Writes the folder of a page that stands alone: HTML, style, modules, and what the page is about as JSON.

No script stands in the page, and no third party is asked for anything. The page names the hash of every other file, and
browsers refuse those that differ; so the hash of `index.html` pins all of it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from tercet.errors import ConfigError, InputError
from tercet.federation.federation import Federation
from tercet.federation.model import is_dataset_name
from tercet.store.schema import Schema
from tercet.web.browser.bundle import bundled

INDEX = "index.html"
SETTINGS = "settings.json"
SUMS = "SHA256SUMS"
_SCRIPT, _STYLE, _ICON, _TEMPLATE = "page.js", "page.css", "icon.svg", "page.html"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' {nodes}; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_ADDRESS = re.compile(
    r"(?:https://(?:[A-Za-z0-9.\-]+|\[[0-9a-fA-F:]+\])|http://(?:127\.0\.0\.1|localhost))(?::[0-9]{1,5})?"
)
_UTF8 = ("utf-8", "utf8", "utf-8-sig")


@dataclass(frozen=True)
class Page:
    """What a page is about. `via`: the node through which all requests go. `addresses`: of nodes, by name, where
    browsers find them elsewhere than the federation file says. Raises InputError, ConfigError."""

    federation: Federation
    dataset: str
    schema: Schema
    form: bool = False
    file: bool = True
    title: str = ""
    about: str = ""
    via: str | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_dataset_name(self.dataset):
            raise InputError(
                f"{self.dataset[:80]!r} is no name for a dataset", hint="take letters without accents, digits, . _ -"
            )
        for name in (*self.addresses, *([self.via] if self.via is not None else [])):
            self.federation.party(name)
        for address in self.doors:
            # they stand in the page's policy, where a space or semicolon would begin something else
            if not _ADDRESS.fullmatch(address):
                raise ConfigError(
                    f"{address[:100]!r} cannot be where a browser finds a node",
                    hint="it is https://host or https://host:port, with nothing behind: --at NODE=URL",
                )
        reading = self.schema.reading
        if reading.sheet is not None or (reading.encoding or "utf-8").lower() not in _UTF8:
            raise InputError(
                "the schema says how a spreadsheet, or a file in another encoding, is read, and the page reads CSV in "
                "UTF-8",
                hint="take sheet and encoding out of [reading] in the schema, and have files saved so",
            )

    def url(self, name: str) -> str:
        """Where browsers find a node."""
        return self.addresses.get(name) or self.federation.node(self.federation.party(name)).url

    @property
    def doors(self) -> list[str]:
        """The addresses that the page asks."""
        names = [node.name for node in self.federation.nodes] if self.via is None else [self.via]
        return [self.url(name) for name in names]

    def settings(self) -> dict[str, Any]:
        """What the script of the page reads."""
        nodes = [
            {
                "name": node.name,
                "operator": node.operator,
                "url": self.url(node.name),
                "fingerprint": node.fingerprint,
                "key": base64.b64encode(node.card.verify_key).decode(),
                "seal": node.card.seal_key.hex(),
            }
            for node in self.federation.nodes
        ]
        reading = {"reading": self.schema.reading.given()} if self.schema.reading else {}
        return {
            "federation": {
                "id": self.federation.id,
                "name": self.federation.name,
                "nodes": nodes,
                "via": self.via,
            },
            "dataset": self.dataset,
            "schema": self.schema.to_dict() | reading,
            "form": self.form,
            "file": self.file,
        }


def write_page(page: Page, folder: Path) -> dict[str, str]:
    """Write the folder of a page; the SHA-256 of each file by its name, the page itself first.

    The command line calls it. They also stand in `SHA256SUMS`, as `sha256sum` reads them. The files take about 80 kB.
    Raises ConfigError if the folder is there and not empty, or cannot be written.
    """
    ours = files("tercet.web.browser")
    contents = {_STYLE: (ours / _STYLE).read_bytes()}
    contents[_SCRIPT] = bundled("page").encode()
    contents[SETTINGS] = json.dumps(page.settings(), indent=1, ensure_ascii=False).encode() + b"\n"
    template = Template((ours / _TEMPLATE).read_text(encoding="utf-8"))
    index = template.substitute(_places(page, contents)).encode()
    contents = {INDEX: index, **dict(sorted(contents.items()))}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    contents[SUMS] = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty", hint="name a new folder for the page")
        for name, data in contents.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise ConfigError(f"cannot write the page into {folder}: {error.strerror}") from None
    return sums


def _places(page: Page, contents: Mapping[str, bytes]) -> dict[str, str]:
    """What stands in the template's places, escaped."""
    text = html.escape
    nodes = page.federation.nodes
    via = "" if page.via is None else f", asked through {page.via}"
    return {
        "policy": text(_POLICY.format(nodes=" ".join(page.doors)), quote=True),
        "title": text(page.title or f"Send data to {page.dataset}"),
        "about": f"<p>{text(page.about)}</p>" if page.about else "",
        # browsers compare no icon with a hash, so it stands in the page itself
        "icon": base64.b64encode((files("tercet.web.browser") / _ICON).read_bytes()).decode(),
        "style": _integrity(contents[_STYLE]),
        "settings": _integrity(contents[SETTINGS]),
        "script": _integrity(contents[_SCRIPT]),
        "nodes": "\n".join(
            f"<li><strong>{text(node.name)}</strong>, run by {text(node.operator)}"
            f"{via if node.name != page.via else ''}</li>"
            for node in nodes
        ),
        "fingerprints": "\n".join(
            f"<dt>{text(node.name)}, {text(page.url(node.name))}</dt><dd><code>{node.fingerprint}</code></dd>"
            for node in nodes
        ),
    }


def _integrity(data: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode()
