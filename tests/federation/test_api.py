"""Bodies of the interface: strict, closed, bounded; what is sent is what is read."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from tercet.federation import api, api_admin, api_jobs, api_peer
from tercet.federation.model import Body, Shown

MODULES = (api, api_admin, api_jobs, api_peer)


def bodies() -> list[type[Body]]:
    found = [
        value
        for module in MODULES
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, Body) and value.__module__ == module.__name__
    ]
    assert len(found) > 30
    return found


def names(body: type) -> str:
    return body.__name__


@pytest.mark.parametrize("body", bodies(), ids=names)
def test_bodies_are_strict_and_closed(body: type[Body]) -> None:
    assert body.model_config.get("extra") == "forbid"
    assert body.model_config.get("strict") and body.model_config.get("frozen")
    assert body.__doc__
    with pytest.raises(ValidationError):
        body.model_validate({"surprise": 1})


def unbounded(kind: Any) -> bool:
    """Whether a JSON schema lets text of any length through."""
    if isinstance(kind, dict):
        if kind.get("type") == "string" and "enum" not in kind and "const" not in kind:
            return "maxLength" not in kind and "pattern" not in kind
        return any(unbounded(value) for key, value in kind.items() if key not in ("default", "title"))
    return isinstance(kind, list) and any(unbounded(value) for value in kind)


@pytest.mark.parametrize("body", bodies(), ids=names)
def test_texts_have_limits(body: type[Body]) -> None:
    schema = body.model_json_schema()
    # the public JSON inside is read by the floor above, which limits it
    text = json.dumps(schema).replace('"$ref": "#/$defs/JsonValue"', '"const": 0')
    assert not unbounded(json.loads(text))


def plain(kind: Any) -> bool:
    """Whether strict validation takes it from a decoded JSON document as well as from JSON itself."""
    if get_origin(kind) in (list, dict, types.UnionType) or get_args(kind):
        return get_origin(kind) not in (tuple, set, frozenset) and all(
            plain(inner) for inner in get_args(kind) if isinstance(inner, type) or get_origin(inner)
        )
    return kind in (str, int, float, bool, dict, list, type(None)) or (
        isinstance(kind, type) and issubclass(kind, BaseModel)
    )


@pytest.mark.parametrize("body", bodies(), ids=names)
def test_bodies_are_of_what_json_has(body: type[Body]) -> None:
    """The web framework validates decoded JSON, in which strict models find no tuple, date or enumeration."""
    for name, field in body.model_fields.items():
        assert plain(field.annotation), f"{name}: {field.annotation}"


def test_a_body_comes_back() -> None:
    begin = api.UploadBegin(upload="0a" * 16, dataset="patients", schema_={"columns": [{"name": "age"}]}, mode="create")
    assert json.loads(begin.to_json())["schema"] == {"columns": [{"name": "age"}]}
    assert api.UploadBegin.model_validate_json(begin.to_json()) == begin
    assert api.UploadBegin.model_validate(json.loads(begin.to_json())) == begin


def test_numbers_of_chunks() -> None:
    state = api.UploadState(
        upload="0a" * 16,
        dataset="patients",
        mode="append",
        state="open",
        owner="0b" * 32,
        rows=7,
        chunks={"0": "0c" * 16, "10": "0d" * 16},
        created=1.0,
    )
    assert state.parts == {0: "0c" * 16, 10: "0d" * 16}
    with pytest.raises(ValidationError):
        api.UploadState.model_validate(state.model_dump() | {"chunks": {"x": "0c" * 16}})


def test_an_error_is_told_from_other_answers() -> None:
    body = api.ErrorBody(error="refused", message="no", rule="min-rows", node="hospital-a")
    assert api.error_fields(json.loads(body.to_json())) == body
    for other in (None, [], "text", {"detail": "Not Found"}, {"error": "x" * 100, "message": ""}):
        assert api.error_fields(other) is None


def test_the_tables_name_bodies_that_are_there() -> None:
    there = {body.__name__ for body in bodies()}
    used = set()
    for module in MODULES:
        for line in (module.__doc__ or "").splitlines():
            if re.match(r"\| (GET|POST|PUT|DELETE) ", line):
                cells = line.split("|")[2:4]
                used |= set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)*\b", " ".join(cells)))
    used -= {
        "Prometheus",
        "Tercet",
        "Sealed",
        "C",
        "SignedOrder",
        "CommitUpload",
        "Withdraw",
        "Widen",
        "Refresh",
        "DropKept",
    }
    assert len(used) > 20
    assert used <= there, used - there


class Words(Shown):
    text: str

    def _facts(self) -> Iterator[str]:
        yield self.text


def test_the_words_of_a_node_do_not_steer_a_terminal() -> None:
    assert repr(Words(text="größe \x1b]0;no\x07 \u202e\n")) == "Words(größe \\x1b]0;no\\x07 \\u202e )"


def test_reasons_stand_in_lines_of_their_own_and_none_twice() -> None:
    assert api_jobs.in_lines([]) == ""
    assert api_jobs.in_lines(["output 1 reveals"]) == "output 1 reveals"
    assert api_jobs.in_lines(["output 1 reveals", "output 2 reveals", "output 1 reveals"]) == (
        "\n  output 1 reveals\n  output 2 reveals"
    )
