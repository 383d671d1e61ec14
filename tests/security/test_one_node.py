"""What one node ever had tells nothing of the data.

Three real nodes live through uploads, jobs, a kept result and a refresh. Then everything that each of them has is taken
as a thief would: all files (shares, catalogue and its log, results, logs, keys) from before and after the refresh, and
all writable memory of its processes. What is shown, for each node:

- no value of a secret column, no revealed sum, stands there as bytes or as digits (public keys do: the search works);
- nothing of the component that it must not hold stands there, neither words nor seed;
- bytes of shares are uniform, and alike for two datasets that could not be more different;
- a distinguisher with twenty simple features, trained on one half of many chunks that hold either the least or the
  greatest value, guesses the other half no better than a coin (and perfectly where it is given two nodes' parts);
- old shares of one node and refreshed ones of another give nothing;
- results do not open with any node's keys; logs and answers to bad requests hold no key, seed or word of a share.

What it does not show: that no cleverer test could tell shares apart (that rests on AES and on the splitting, which have
tests of their own), nothing about timing and sizes, and nothing about two nodes together, who know everything.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest

from faults.guarded import started_by
from node.trio_nodes import NAMES, Nodes, assert_ok, make
from security.evidence import Evidence, files_of, memory_of, spellings
from security.measures import Bytes, guesses, homogeneity, luck, uniformity
from tercet.client import orders
from tercet.client.connect import connect
from tercet.client.nodes import Nodes as Client
from tercet.client.upload import upload
from tercet.errors import IntegrityError
from tercet.federation.boxes import open_result, read_boxes
from tercet.federation.identity import Member
from tercet.sharing import PARTIES, Party
from tercet.store.catalogue import Catalogue
from tercet.store.datasets import Datasets
from tercet.store.files import PartFile
from tercet.store.schema import Schema

ROWS, CHUNK_ROWS = 16384, 2048
COINS, COIN_ROWS = 128, 512
IMPROBABLE = 1e-7
KEY = 4_815_162_342_108
"""A public key: found on disks, by design."""
NUMBER, DECIMAL, WIDE = 777_123_456_789, 654_321.0078125, 1_099_511_627_775.125
GREATEST = 2**40
COIN = GREATEST - 12_345
"""Not an end of the range: when a node checks an upload it works out hi - own - next for every value, whatever that is,
and where it is hi, these are the bytes of the third component. That says nothing, but a search would find it."""
SCHEMA = Schema.parse(
    {
        "columns": [
            {"name": "id", "kind": "key", "key": "integer"},
            {"name": "n", "kind": "integer", "lo": -GREATEST, "hi": GREATEST},
            {"name": "d", "kind": "decimal", "lo": -(2**20), "hi": 2**20, "frac_bits": 16},
            {"name": "w", "kind": "decimal", "lo": -(2**50), "hi": 2**50, "frac_bits": 32},
            {"name": "b", "kind": "bool"},
        ]
    }
)
SECRET_COLUMNS = tuple(name for name in SCHEMA.names if name != "id")
COIN_SCHEMA = Schema.parse({"columns": [{"name": "n", "kind": "integer", "lo": -GREATEST, "hi": GREATEST}]})
UNIFORM = ("zeros", "marks")
"""Two datasets of one shape, as different as can be."""


@dataclass
class Lived:
    """Three nodes with a past, and what was taken from them."""

    nodes: Nodes
    coins: list[bool]
    shares: dict[tuple[str, str], list[Bytes]] = field(repr=False)
    """(`old` or `new`, dataset and column): components own and next of each party in turn, as bytes."""
    files: dict[str, Evidence] = field(repr=False)
    memory: dict[str, Evidence] = field(repr=False)
    boxes: dict[str, tuple[str, bytes]] = field(repr=False)
    """By node: a job and what the node sealed of its result."""
    total: int
    answers: list[bytes] = field(repr=False)


def frame(name: str) -> pa.Table:
    marked = name == "marks"
    columns = {"id": np.arange(ROWS) + KEY}
    for column, value in (("n", NUMBER), ("d", DECIMAL), ("w", WIDE), ("b", True)):
        columns[column] = np.full(ROWS, value if marked else type(value)(0))
    return pa.table(columns)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    nodes = make(tmp_path_factory.mktemp("lived"), lanes=1)
    try:
        nodes.start()
        yield live(nodes)
    finally:
        nodes.close()


def live(nodes: Nodes) -> Lived:
    coins = [bool(secrets.randbits(1)) for _ in range(COINS)]
    with Client(nodes.federation, nodes.people["owner"]) as client:
        for name in UNIFORM:
            upload(client, frame(name), dataset=name, schema=SCHEMA, chunk_rows=CHUNK_ROWS, resume=False)
        values = np.repeat([COIN if coin else -COIN for coin in coins], COIN_ROWS)
        upload(client, pa.table({"n": values}), dataset="coins", schema=COIN_SCHEMA, chunk_rows=COIN_ROWS, resume=False)
    shares = shares_of(nodes, "old")
    files = {name: list(files_of(nodes.folder / name)) for name in NAMES}
    boxes = {}
    with connect(nodes.federation, nodes.people["analyst"], profile="lan") as net:
        tables = {name: net.table(name) for name in UNIFORM}
        total = int(tables["marks"]["n"].sum().reveal())
        job = net.jobs()[0].job
        for name in NAMES:
            answer = assert_ok(nodes.request(name, "analyst", "GET", f"/v1/jobs/{job}/results"))
            boxes[name] = job, bytes(read_boxes(answer.content)[0])
        assert int(tables["zeros"]["n"].sum().reveal()) == 0
        assert int((tables["marks"]["d"] > 1.0).sum().reveal()) == ROWS
        net.keep("kept", {"total": tables["marks"]["n"].sum()}, {"model": "total"})
    assert total == ROWS * NUMBER
    with Client(nodes.federation, nodes.people["operator"]) as client:
        orders.refresh(client, "marks")
    shares |= shares_of(nodes, "new")
    answers = bad_requests(nodes)
    for name in NAMES:
        files[name] += files_of(nodes.folder / name)
    memory = {}
    for name in NAMES:
        pid = nodes.processes[name].pid
        try:
            memory[name] = Evidence(name, list(memory_of([pid, *started_by(pid)])))
        except PermissionError:
            memory[name] = Evidence(name)
    return Lived(
        nodes,
        coins,
        shares,
        {name: Evidence(name, found) for name, found in files.items()},
        memory,
        boxes,
        total,
        answers,
    )


def shares_of(nodes: Nodes, when: str) -> dict[tuple[str, str], list[Bytes]]:
    """All shares of all nodes, seeds expanded: what a thief can compute from what lies there."""
    found: dict[tuple[str, str], list[Bytes]] = {}
    for party in PARTIES:
        folder = nodes.folder / nodes.federation.node(party).name / "store"
        catalogue = Catalogue(f"sqlite:///{folder / 'catalogue.sqlite'}")
        try:
            for name in (*UNIFORM, "coins"):
                version = Datasets(catalogue, folder, party).get(name)
                for column in SECRET_COLUMNS if name in UNIFORM else ("n",):
                    share = version.read(column)
                    both = [share.own.reshape(-1).view(np.uint8), share.next.reshape(-1).view(np.uint8)]
                    found.setdefault((when, f"{name}/{column}"), []).extend(both)
        finally:
            catalogue.close()
    return found


def bad_requests(nodes: Nodes) -> list[bytes]:
    """Have the nodes object to parts of real shares in many ways; give their answers."""
    found = []
    upload_id = nodes.begin("objected")
    for name in NAMES:
        path = next((nodes.folder / name / "store" / "parts").glob("rows-*/00000000.part"))
        part = path.read_bytes()
        target = f"/v1/uploads/{upload_id}/chunks/0"
        for content in (part, part[:-1], part[: len(part) // 2], part + part, part[::-1], b"{" + part[:5000]):
            found.append(nodes.request(name, "owner", "PUT", target, content=content).content)
            found.append(nodes.request(name, "owner", "POST", "/v1/uploads", content=content[:50_000]).content)
            found.append(nodes.request(name, "analyst", "POST", "/v1/jobs", content=content[:50_000]).content)
            found.append(nodes.request(name, "nobody", "PUT", target, content=content).content)
            hexadecimal = content[:200].hex()
            found.append(nodes.request(name, "owner", "GET", f"/v1/datasets/{hexadecimal}").content)
    assert all(b'"error"' in answer for answer in found)
    return found


# -- what is searched for


def values(lived: Lived) -> dict[str, bytes]:
    """All secret values and the revealed sum, as they might stand somewhere."""
    found = {}
    for column in ("n", "d", "w"):
        parts = lived.shares["old", f"marks/{column}"]
        if column == "w":
            words = sum(int.from_bytes(bytes(part[:16]), "little") for part in parts[::2]) % 2**128
            found[column] = words.to_bytes(16, "little")
        else:
            found[column] = bytes(sum(part[:8].view(np.uint64) for part in parts[::2]).view(np.uint8))  # type: ignore[union-attr]
    assert int.from_bytes(found["n"], "little") == NUMBER
    assert int.from_bytes(found["w"], "little") == int(WIDE * 2**32)
    for name, number in (("n", NUMBER), ("the sum", lived.total)):
        found[f"{name} in digits"] = str(number).encode()
        found[f"{name} as an integer"] = number.to_bytes(8, "little")
        found[f"{name}, great end first"] = number.to_bytes(8, "big")
    for number in (float(NUMBER), DECIMAL, WIDE, float(lived.total)):
        found[f"{number} as a float"] = np.float64(number).tobytes()
        found[f"{number} in digits"] = repr(number).encode()
    return found


def pieces_of(nodes: Nodes, party: Party) -> dict[str, bytes]:
    """16 bytes of every seed, or of the words, of the component of which this party is `own`, of dataset `marks`."""
    found = {}
    for path in (nodes.folder / nodes.federation.node(party).name / "store" / "parts").glob("*/*.part"):
        header = PartFile.open(path, None, "evidence").header
        data = path.read_bytes()
        for column in header.columns:
            if column.form.secret and column.size > 1024:
                words = data[column.own_at : column.own_at + 16]
                found[f"{path.parent.name}/{header.chunk}/{column.name}"] = (
                    words if header.own_words else column.own_seed
                )
    assert len(found) > 10
    return found


# -- the tests


@pytest.mark.parametrize("name", NAMES)
def test_no_value_is_anywhere(lived: Lived, name: str) -> None:
    files, memory = lived.files[name], lived.memory[name]
    assert files.nbytes > 1 << 20
    # the search works: public keys are there, and names
    public = {"key": (KEY + 1).to_bytes(8, "little"), "name": b"marks"}
    assert any(where.endswith(".part") for where in files.find(public)["key"])
    assert files.find(values(lived)) == {}
    if not memory.pieces:
        pytest.skip("the memory of another process may not be read here")
    assert memory.nbytes > 10 << 20
    assert "name" in memory.find(public)
    assert memory.find(values(lived)) == {}


@pytest.mark.parametrize("party", PARTIES)
def test_a_node_has_nothing_of_the_third_component(lived: Lived, party: Party) -> None:
    name = lived.nodes.federation.node(party).name
    own, third = pieces_of(lived.nodes, party), pieces_of(lived.nodes, party.prev)
    assert lived.files[name].find(own).keys() == own.keys()
    assert lived.files[name].find(third) == {}
    assert lived.memory[name].find(third) == {}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_is_uniform(lived: Lived, name: str) -> None:
    at = NAMES.index(name)
    for when in ("old", "new"):
        for column in SECRET_COLUMNS:
            taken = {one: lived.shares[when, f"{one}/{column}"][2 * at : 2 * at + 2] for one in UNIFORM}
            for one in UNIFORM:
                for component in taken[one]:
                    assert uniformity(component) > IMPROBABLE, (when, one, column)
            assert homogeneity(*(np.concatenate(taken[one]) for one in UNIFORM)) > IMPROBABLE, (when, column)


def test_a_distinguisher_does_no_better_than_chance(lived: Lived) -> None:
    components = [part.reshape(COINS, -1) for part in lived.shares["old", "coins/n"]]
    for at, name in enumerate(NAMES):
        seen = np.concatenate(components[2 * at : 2 * at + 2], axis=1)
        right, trials = guesses(list(seen), lived.coins)
        assert luck(right, trials) > IMPROBABLE, f"node {name}: {right} of {trials}"
    # the same distinguisher, given what two nodes have together
    words = sum(part.view(np.uint64) for part in components[::2])
    right, trials = guesses(list(words.view(np.uint8)), lived.coins)  # type: ignore[union-attr]
    assert right == trials


def test_what_was_stolen_before_a_refresh_does_not_fit_what_is_stolen_after(lived: Lived) -> None:
    old = [part.view(np.uint64) for part in lived.shares["old", "marks/n"]]
    new = [part.view(np.uint64) for part in lived.shares["new", "marks/n"]]
    assert all((new[own] + new[own + 1] + new[(own + 2) % 6 + 1] == NUMBER).all() for own in (0, 2, 4))
    for first in range(3):
        for second in {0, 1, 2} - {first}:
            stolen = {first: old[2 * first], (first + 1) % 3: old[2 * first + 1]}
            later = {second: new[2 * second], (second + 1) % 3: new[2 * second + 1]}
            for mixed in ({**stolen, **later}, {**later, **stolen}):
                guess = mixed[0] + mixed[1] + mixed[2]
                assert not (guess == NUMBER).any()
                assert uniformity(guess.view(np.uint8)) > IMPROBABLE


@pytest.mark.parametrize("party", PARTIES)
def test_results_open_for_their_recipient_only(lived: Lived, party: Party) -> None:
    nodes = lived.nodes
    job, box = lived.boxes[nodes.federation.node(party).name]
    assert len(open_result(nodes.people["analyst"], job, 0, party, box)) > 0
    others = [Member.load(nodes.folder / name / "identity.pem") for name in NAMES]
    for member in (*others, *(nodes.people[person] for person in ("owner", "operator", "nobody"))):
        with pytest.raises(IntegrityError):
            open_result(member, job, 0, party, box)


@pytest.mark.parametrize("name", NAMES)
def test_logs_and_answers_hold_no_secret(lived: Lived, name: str) -> None:
    texts = Evidence(name, [(f"answer {number}", answer) for number, answer in enumerate(lived.answers)])
    texts.pieces += [(where, data) for where, data in lived.files[name].pieces if "part" not in where.split("/")[-1]]
    texts.pieces = [(where, data) for where, data in texts.pieces if where != "identity.pem"]
    assert any("log" in where for where, _ in texts.pieces)
    assert any("catalogue" in where for where, _ in texts.pieces)
    keys = (lived.nodes.folder / name / "identity.pem").read_text().split("-----BEGIN ")
    lines = [
        line for block in keys if "PRIVATE" in block.partition("\n")[0] for line in block.splitlines() if len(line) > 40
    ]
    assert len(lines) >= 2
    spelt = {line: line.encode() for line in lines}
    for party in PARTIES:
        for what, piece in pieces_of(lived.nodes, party).items():
            spelt |= {f"{what} {number}": spelling for number, spelling in enumerate(spellings(piece))}
    assert texts.find(spelt) == {}
