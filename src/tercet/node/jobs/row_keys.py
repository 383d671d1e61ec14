"""Public keys of rows, as decisions use them to find which rows of several datasets are of one person."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tercet.errors import NotFound
from tercet.node.parts import NodeContext
from tercet.policy.persons import APART, MAX_NUMBERED, Apart
from tercet.policy.rules import Policy
from tercet.store.keys import KeyValues
from tercet.store.version import DatasetVersion, layout_of

_Answer: TypeAlias = KeyValues | Literal[Apart.APART] | None


class RowKeys:
    """Reads the keys that one analyst may use; those read are remembered, for one request."""

    def __init__(self, context: NodeContext, analyst: str) -> None:
        self._context = context
        self._analyst = analyst
        self._known: dict[tuple[str, str], _Answer] = {}

    def __call__(self, dataset: str, layout: str, versions: frozenset[int]) -> _Answer:
        """The keys of a dataset's rows in this layout; None if there are none.

        APART if they are more than decisions compare, if the version is no more, or if neither a rule nor rows of
        theirs let the analyst use the keys. Raises IntegrityError.
        """
        if (dataset, layout) not in self._known:
            self._known[dataset, layout] = self._read(dataset, layout, versions)
        return self._known[dataset, layout]

    def _read(self, dataset: str, layout: str, versions: frozenset[int]) -> _Answer:
        # a refresh ends the versions before it, and leaves rows where they are
        for number in (*sorted(versions), None):
            try:
                found = self._context.store.datasets.get(dataset, number)
                if layout_of(found.segments) != layout:
                    continue
                column = found.schema.key
                if column is None:
                    return None
                if found.rows > MAX_NUMBERED or not may_see_keys(self._context.policy.current, self._analyst, found):
                    return APART
                return found.read_keys(column.name)
            except NotFound:
                continue
        return APART


def may_see_keys(policy: Policy, person: str, version: DatasetVersion) -> bool:
    """Whether somebody may work with the public keys of a dataset's rows: they own some, or a rule names them."""
    column = version.schema.key
    if column is None:
        return False
    return person in version.owners or policy.may_see_keys(person, version.name, column.name)
