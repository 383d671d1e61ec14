"""Wider bounds: every owner of rows agrees, at three stores alike; what is stored stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tercet.errors import InputError, NotFound
from tercet.federation.orders import Wider
from tercet.store.change import WidenChange
from tercet.store.dataset_changes import agreements, widened, widenings
from tercet.store.schema import Schema
from three_stores import OTHER, OWNER, ThreeStores

SCHEMA = Schema.parse(
    {
        "columns": [
            {"name": "id", "kind": "key", "key": "text"},
            {"name": "temp", "kind": "integer", "lo": 0, "hi": 20},
            {"name": "rain", "kind": "decimal", "lo": 0, "hi": 5, "digits": 2},
            {"name": "site", "kind": "category", "categories": ["a", "b"]},
            {"name": "day", "kind": "date", "lo": "2020-01-01", "hi": "2029-12-31"},
            {"name": "wet", "kind": "bool"},
            {"name": "gap", "kind": "integer", "lo": 0, "hi": 9, "nullable": True},
        ]
    }
)
WIDER = [Wider(column="temp", lo="-5"), Wider(column="rain", hi="99.5"), Wider(column="site", categories=["c"])]


def rows(first: int, count: int = 70) -> dict[str, Any]:
    numbers = np.arange(first, first + count)
    return {
        "id": [f"p{number}" for number in numbers],
        "temp": numbers % 20,
        "rain": numbers % 500,
        "site": numbers % 2,
        "day": 18300 + numbers % 30,
        "wet": numbers % 2 == 0,
        "gap": numbers % 9,
        "gap?": numbers % 3 > 0,
    }


def agree(dataset: str, owner: str, columns: list[Wider] | None = None) -> WidenChange:
    return WidenChange(dataset=dataset, owner=owner, columns=WIDER if columns is None else columns)


def test_all_owners_agree_and_then_it_holds(stores: ThreeStores) -> None:
    stores.upload("w", rows(0), schema=SCHEMA)
    stores.upload("w", rows(100), schema=SCHEMA, mode="append", owner=OTHER)
    before = {name: stores.values("w", name) for name in ("temp", "rain", "site", "gap", "gap?")}
    noted = stores.do(agree("w", OWNER))
    assert noted.version == 0
    assert [version.version for version in stores.versions("w")] == [2, 2, 2]
    assert all(agreements(node.datasets, "w") == [[OWNER]] for node in stores.nodes)
    assert stores.do(agree("w", OWNER)).version == 0  # again changes nothing
    made = stores.do(agree("w", OTHER))
    assert made.version == 3
    assert not any(agreements(node.datasets, "w") for node in stores.nodes)
    schema = stores.versions("w")[0].schema
    assert (schema["temp"].lo, schema["temp"].hi, schema["rain"].hi) == (-5, 20, 99.5)
    assert schema["site"].categories == ("a", "b", "c")
    for name, values in before.items():
        np.testing.assert_array_equal(stores.values("w", name), values)
    # rows that only the wider bounds hold can come now, and the older version is still there
    more = rows(200) | {"temp": np.full(70, -5), "site": np.full(70, 2)}
    assert stores.upload("w", more, schema=schema, mode="append").version == 4
    assert stores.nodes[0].datasets.get("w", 2).schema == SCHEMA


def test_other_bounds_are_another_proposal(stores: ThreeStores) -> None:
    stores.upload("w", rows(0), schema=SCHEMA)
    stores.upload("w", rows(100), schema=SCHEMA, mode="append", owner=OTHER)
    stores.do(agree("w", OWNER))
    assert stores.do(agree("w", OTHER, [Wider(column="temp", lo="-6")])).version == 0
    assert sorted(agreements(stores.nodes[0].datasets, "w")) == [[OWNER], [OTHER]]
    # who alone has rows alone decides
    stores.withdraw("w", OTHER)
    assert stores.do(agree("w", OWNER)).version == 4
    assert agreements(stores.nodes[0].datasets, "w") == []


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ([Wider(column="temp", lo="1")], "would be narrower: 1 to 20 do not hold 0 to 20"),
        ([Wider(column="temp", hi="19")], "narrower"),
        ([Wider(column="temp", hi="20.5")], "no integer"),
        ([Wider(column="rain", hi="5.125")], "are not valid"),
        ([Wider(column="day", hi="2030")], "no date"),
        ([Wider(column="site", categories=["a"])], "are not valid"),
        ([Wider(column="site", hi="3")], "has no bounds"),
        ([Wider(column="temp", categories=["x"])], "no categories"),
        ([Wider(column="wet", hi="2")], "has nothing to widen"),
        ([Wider(column="id", hi="2")], "has nothing to widen"),
        ([Wider(column="gap", lo="-1")], "stands where a value is missing"),
        ([Wider(column="temp", hi=str(2**70))], "need 128 bits, and what is stored has 64"),
        ([Wider(column="nothing", hi="2")], "no column 'nothing'"),
        ([Wider(column="temp", hi="21"), Wider(column="temp", hi="22")], "twice"),
    ],
)
def test_what_cannot_be_widened(quick_stores: ThreeStores, columns: list[Wider], match: str) -> None:
    quick_stores.upload("w", rows(0), schema=SCHEMA)
    with pytest.raises(InputError, match=match):
        quick_stores.prepare(agree("w", OWNER, columns))
    assert quick_stores.versions("w")[0].version == 1


def test_who_may_not_agree(stores: ThreeStores) -> None:
    stores.upload("w", rows(0), schema=SCHEMA)
    with pytest.raises(InputError, match="this owner has none"):
        stores.prepare(agree("w", OTHER))
    with pytest.raises(NotFound, match="no dataset other"):
        stores.prepare(agree("other", OWNER))


def test_an_aborted_agreement_leaves_nothing(stores: ThreeStores) -> None:
    stores.upload("w", rows(0), schema=SCHEMA)
    transaction, _ = stores.prepare(agree("w", OWNER))
    for node in stores.nodes:
        node.changes.abort(transaction, "as a test")
    assert stores.versions("w")[0].version == 1
    assert stores.do(agree("w", OWNER)).version == 2


def test_an_order_says_what_two_schemas_differ_in() -> None:
    wider = widened(SCHEMA, WIDER)
    assert widenings(SCHEMA, wider) == WIDER
    with pytest.raises(InputError, match="nothing is wider"):
        widenings(SCHEMA, SCHEMA)
    with pytest.raises(InputError, match="column wet is missing"):
        widenings(SCHEMA, SCHEMA.without(frozenset(["wet"])))
    fewer = Schema.parse(
        {"columns": [*SCHEMA.columns[:3], SCHEMA["site"].model_copy(update={"categories": ("a", "c")})]}
    )
    with pytest.raises(InputError, match="a category of column site is missing"):
        widenings(Schema.parse({"columns": SCHEMA.columns[:4]}), fewer)
    other = Schema.parse({"columns": [SCHEMA["temp"], SCHEMA["rain"].model_copy(update={"digits": 3})]})
    with pytest.raises(InputError, match="column rain has another digits"):
        widenings(Schema.parse({"columns": SCHEMA.columns[1:3]}), other)
