"""Writes the pages of docs/reference from the code; with --check only says whether they are up to date."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- made by docs/generate_reference.py; do not edit -->"


# -- Python


def python_page() -> str:
    """Everything that `import tercet` gives, with its docstring."""
    import tercet
    from tercet import linalg, nn, special, stats

    lines = ["# Python reference", "", MADE, "", "What `import tercet as tc` gives.", ""]
    public = {name: getattr(tercet, name) for name in tercet.__all__ if not name.startswith("_")}
    errors = {name: each for name, each in public.items() if inspect.isclass(each) and issubclass(each, Exception)}
    classes = {name: each for name, each in public.items() if inspect.isclass(each) and name not in errors}
    functions = {name: each for name, each in public.items() if inspect.isfunction(each)}
    values = {name: each for name, each in public.items() if isinstance(each, tercet.Network)}
    lines += ["## Functions", ""]
    for name, function in sorted(functions.items()):
        lines += entry(f"tc.{name}", function, "###")
    lines += ["## Special functions", "", "`tercet.special`, in the manner of SciPy.", ""]
    for name in special.__all__:
        lines += entry(f"tc.special.{name}", getattr(special, name), "###")
    lines += ["## Activations, convolutions, pools", "", "`tercet.nn`, in the manner of torch.", ""]
    for name in nn.__all__:
        lines += entry(f"tc.nn.{name}", getattr(nn, name), "###")
    lines += ["## Linear algebra", "", "`tercet.linalg`, in the manner of NumPy.", ""]
    for name in linalg.__all__:
        lines += entry(f"tc.linalg.{name}", getattr(linalg, name), "###")
    lines += ["## Ranks and modes", "", "`tercet.stats`, in the manner of SciPy.", ""]
    for name in stats.__all__:
        lines += entry(f"tc.stats.{name}", getattr(stats, name), "###")
    for place in sorted(set(tercet._MODULES) - {"array", "linalg", "nn", "special", "stats"}):
        module = import_module(f"tercet.{place}")
        lines += [f"## `tercet.{place}`", "", text(module.__doc__ or ""), ""]
        for name in module.__all__:
            each = getattr(module, name)
            lines += class_entry(name, each) if inspect.isclass(each) else entry(name, each, "###")
    lines += ["## Classes", ""]
    for name, each in sorted(classes.items()):
        lines += class_entry(f"tc.{name}", each)
    lines += ["## Values", "", *(f"- `tc.{name}`: `{value!r}`" for name, value in sorted(values.items())), ""]
    lines += ["## Errors", "", "All come from `tc.TercetError`, with `message` and `hint`.", ""]
    lines += ["| error | is a | meaning |", "|---|---|---|"]
    for name, each in errors.items():
        lines.append(f"| `{name}` | `{each.__bases__[0].__name__}` | {first_line(each)} |")
    return "\n".join(lines) + "\n"


def class_entry(name: str, each: type) -> Iterator[str]:
    yield from entry(name, each, "###")
    for attribute, member in sorted(vars_of(each).items()):
        if isinstance(member, property):
            if member.__doc__:
                yield from (f"**`.{attribute}`** {text(member.__doc__)}", "")
        elif callable(member) or isinstance(member, classmethod | staticmethod):
            function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            if function.__doc__:
                yield from entry(f".{attribute}", function, "####")


def vars_of(each: type) -> dict[str, Any]:
    """The public members that a class and its bases in this package define."""
    found: dict[str, Any] = {}
    for base in reversed(each.__mro__):
        # what all models have stands once, at tercet.models
        common = base.__module__ in ("tercet.learn.model", "tercet.learn.kinds") and base is not each
        if base.__module__.startswith("tercet") and not common:
            found.update({name: member for name, member in vars(base).items() if not name.startswith("_")})
    return found


def entry(name: str, each: Any, level: str) -> Iterator[str]:
    yield f"{level} {name}"
    yield ""
    if signature := signature_of(each):
        yield from ("```python", f"{name}{signature}", "```", "")
    if each.__doc__:
        yield from (text(each.__doc__), "")


def signature_of(each: Any) -> str:
    if inspect.isclass(each) and (issubclass(each, tuple) or each.__init__ is object.__init__):
        return ""
    try:
        signature = inspect.signature(each)
    except (TypeError, ValueError):
        return ""
    kept = [parameter for name, parameter in signature.parameters.items() if name != "self"]
    return str(signature.replace(parameters=kept)).replace("'", "")


def text(docstring: str) -> str:
    """A docstring as Markdown: indented parts become code."""
    lines, code = [], False
    for line in inspect.cleandoc(docstring).splitlines():
        indented = line.startswith("    ")
        if indented and not code:
            lines += ["", "```text"]
        elif code and line and not indented:
            lines.append("```")
            lines.append("")
        code = indented or (code and not line)
        lines.append(line)
    if code:
        lines.append("```")
    return "\n".join(lines)


def first_line(each: Any) -> str:
    return (each.__doc__ or "").strip().partition("\n")[0]


# -- command line


CLI = f"""\
# Command line

{MADE}

Every command has `--help`; what it says is collected here. Commands print errors as `tercet: error:` and
`tercet: hint:` on standard error. Where `--json` is offered, standard output is JSON and nothing else.

| exit status | meaning |
|---:|---|
| 0 | done |
| 1 | an error |
| 2 | the command line cannot be read |
| 3 | refused by a node's policy |
| 4 | held until an operator approves |
| 130 | interrupted |
"""


def cli_page() -> str:
    """The help of every command, in a form that does not depend on how the terminal shows it."""
    import typer.main

    from tercet.cli.app import app

    return "\n".join([CLI, *command_entries(typer.main.get_command(app), "tercet")]) + "\n"


def command_entries(command: Any, name: str) -> Iterator[str]:
    children = getattr(command, "commands", {})
    shown = [parameter for parameter in command.params if not getattr(parameter, "is_eager", False)]
    if command.help and name != "tercet":
        yield from (f"## {name}", "", text(command.help.replace("\b\n", "")), "")
    if shown:
        yield from ("| | |", "|---|---|", *map(parameter_row, shown), "")
    if command.epilog:
        yield from ("```sh", *(line.strip() for line in command.epilog.splitlines()[2:]), "```", "")
    for child, inner in children.items():
        yield from command_entries(inner, f"{name} {child}")


def parameter_row(parameter: Any) -> str:
    """What an argument or option is called, and means."""
    names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else ""
    value = "" if getattr(parameter, "is_flag", False) else parameter.metavar or parameter.name.upper()
    told = (parameter.help or "").replace("|", r"\|")
    default = parameter.default
    if default not in (None, "", False, ()) and not callable(default):
        told += f" Default: `{getattr(default, 'value', default)}`."
    return f"| `{' '.join(filter(None, (names, value)))}` | {told} |"


# -- HTTP


HTTP = f"""\
# HTTP interface

{MADE}

The whole description in OpenAPI 3.1 is at `/openapi.json` of every node. How requests are signed, with examples to
check a client against, is in `vectors/`.
"""


def http_page() -> str:
    """Every route of a node, from its OpenAPI description."""
    description = openapi()
    lines = [HTTP, description["info"]["description"].strip()]
    lines += ["", "| route | what | takes | gives |", "|---|---|---|---|"]
    for path, methods in description["paths"].items():
        for method, route in methods.items():
            told = (route.get("description") or route.get("summary") or "").strip().splitlines()
            takes, gives = body_name(route.get("requestBody")), answer_name(route.get("responses", {}))
            what = told[0].replace("|", r"\|") if told else ""
            lines.append(f"| `{method.upper()} {path}` | {what} | {takes} | {gives} |")
    lines += ["", "## Bodies", ""]
    for name, schema in sorted(description["components"]["schemas"].items()):
        lines += body_entry(name, schema)
    return "\n".join(lines) + "\n"


def openapi() -> dict[str, Any]:
    from tercet.node.http.app import describe, make_routers
    from tercet.node.settings import NodeSettings

    # routes are only described here: what they would ask of a node is never called
    rooms: Any = MagicMock()
    rooms.context.settings = NodeSettings(name="node")
    return describe(make_routers(rooms))


def body_name(body: dict[str, Any] | None) -> str:
    return content_name((body or {}).get("content", {}))


def answer_name(responses: dict[str, Any]) -> str:
    return next((content_name(each.get("content", {})) for status, each in responses.items() if status < "3"), "")


def content_name(content: dict[str, Any]) -> str:
    for kind, each in content.items():
        schema = each.get("schema", {})
        return type_name(schema) if kind == "application/json" and schema else f"`{kind}`"
    return ""


def body_entry(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield from (f"### {name}", "")
    if told := schema.get("description"):
        yield from (text(told), "")
    if not schema.get("properties"):
        return
    yield from ("| field | type | |", "|---|---|---|")
    needed = schema.get("required", ())
    for field, inner in schema["properties"].items():
        rest = "" if field in needed else "may be left out"
        yield f"| `{field}` | {type_name(inner)} | {rest} |"
    yield ""


def type_name(schema: dict[str, Any]) -> str:
    """The type of a field, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return " or ".join(type_name(each) for each in schema[word])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    if kind == "string" and (pattern := schema.get("pattern")):
        digits = re.fullmatch(r"\^\[0-9a-f\]\{(\d+)\}\$", pattern)
        return f"{digits[1]} hexadecimal digits" if digits else "text"
    if kind == "object" and isinstance(inner := schema.get("additionalProperties"), dict) and inner:
        return f"map to {type_name(inner)}"
    return {"string": "text", "null": "nothing", "object": "JSON"}.get(kind, str(kind))


PAGES = {"python.md": python_page, "cli.md": cli_page, "http.md": http_page}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is not up to date")
    check = parser.parse_args().check
    stale = []
    for name, make in PAGES.items():
        page, wanted = FOLDER / name, make()
        if not page.exists() or page.read_text(encoding="utf-8") != wanted:
            stale.append(name)
            if not check:
                FOLDER.mkdir(exist_ok=True)
                page.write_text(wanted, encoding="utf-8")
    if check and stale:
        sys.exit(f"{', '.join(stale)} not up to date: run docs/generate_reference.py")


if __name__ == "__main__":
    main()
