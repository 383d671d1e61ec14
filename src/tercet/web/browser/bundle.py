"""The modules of the page as one script, whose hash is that of all of them.

Browsers compare what a page names with its hash, but ask once more, without comparing, for a module that another one
imports. So what is pinned must import nothing. Modules stay as they are, each in a function of its own, behind those
that it needs (of its folder, or of `static`, which all pages share): no minifying, no tool of others, so that people
can read what the page runs.
"""

from __future__ import annotations

import re
from importlib.resources import files

_BROUGHT = re.compile(r'^(import|export) \{ ([^}]*) \} from "(\.|\.\./static)/([a-z]+)\.js";$', re.MULTILINE)
_OWN = re.compile(r"^export (const|class|function|async function) (\w+)", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundled(name: str) -> str:
    """One script that does what the module of that name does, with all that it imports. Writers of pages call it.

    Raises ValueError for a module that imports or exports in another way than those here.
    """
    done: dict[str, str] = {}
    _add(name, done)
    return "\n".join(done.values())


def _add(name: str, done: dict[str, str], folder: str = ".") -> None:
    text = (files("tercet.web.browser") / folder / f"{name}.js").read_text(encoding="utf-8")
    exported: list[str] = []

    def brought(found: re.Match[str]) -> str:
        how, names, folder, module = found.groups()
        if module not in done:
            _add(module, done, folder)
        if how == "export":
            exported.extend(names.split(", "))
        return f"const {{ {names} }} = ${module};"

    def own(found: re.Match[str]) -> str:
        exported.append(found[2])
        return f"{found[1]} {found[2]}"

    text = _OWN.sub(own, _BROUGHT.sub(brought, text))
    if left := _OTHER.search(text):
        raise ValueError(f"{name}.js: {left[0]}")
    done[name] = (
        f"// ---- {name}.js\n\nconst ${name} = (() => {{\n{text}\nreturn {{ {', '.join(exported)} }};\n}})();\n"
    )
