"""Every error has an answer, and the answer is the same error again at the node that asked."""

from __future__ import annotations

import inspect

import pytest

from tercet import errors
from tercet.errors import IntegrityError, PartyError, Refused, TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.refusals import KINDS, HttpError, conflict, error_body, error_of
from tercet.sharing import Party

CLASSES = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, TercetError)]


def made(kind: type[TercetError]) -> TercetError:
    if kind is Refused:
        return Refused("not allowed", node="a", rule="r1", hint="do this")
    return kind("went wrong", hint="do this")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_is_told_and_comes_back(kind: type[TercetError]) -> None:
    status, body = error_body(made(kind), "a")
    assert 400 <= status < 600
    assert body.node == "a"
    assert body.hint == "do this"
    if kind in (TercetError,):
        return
    again = error_of(status, ErrorBody.model_validate_json(body.to_json()), "a", Party.P1)
    assert type(again) is kind or kind in (PartyError,)
    assert "a: " in again.message or again.message == "not allowed" or "a: " in getattr(again, "reason", "")
    assert again.hint == "do this"


def test_a_refusal_names_node_and_rule() -> None:
    status, body = error_body(Refused("too few rows", node="b", rule="least rows"), "a")
    assert (status, body.node, body.rule, body.error) == (403, "b", "least rows", "refused")
    again = error_of(status, body, "a", Party.P1)
    assert isinstance(again, Refused)
    assert (again.node, again.rule) == ("b", "least rows")


def test_what_was_turned_away_keeps_its_status() -> None:
    status, body = error_body(conflict("no such thing"), "a")
    again = error_of(status, body, "a", Party.P1)
    assert isinstance(again, HttpError)
    assert again.status == 409


def test_no_kind_stands_behind_one_that_takes_it() -> None:
    for place, (_, _, base) in enumerate(KINDS):
        assert not any(issubclass(base, earlier) for _, _, earlier in KINDS[:place]), base


def test_an_answer_is_never_longer_than_a_body_may_be() -> None:
    _, body = error_body(IntegrityError("x" * 1_000_000, hint="y" * 1_000_000), "a")
    assert len(body.to_json()) < 5000
