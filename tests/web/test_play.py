"""The playground's routes: what they give comes from real parties, and adds up. Without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product as pairs
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from scipy.stats import chisquare
from sklearn.datasets import load_diabetes

import tercet.web.play
from tercet.errors import InputError
from tercet.protocols.product import Elementwise
from tercet.protocols.scope import ProtocolRole
from tercet.ring import RING64
from tercet.sharing import PARTIES, Party
from tercet.web.local import SESSION_HEADER, Serving
from tercet.web.play.multiply import party_of, products
from tercet.web.play.parties import share_out
from tercet.web.play.site import play_site
from tercet.web.play.steal import patients

FOLDER = Path(tercet.web.play.__file__).parent / "static"
CLOCK = 1 << 64


class Caller:
    def __init__(self, client: httpx.Client, session: str) -> None:
        self.client, self.session = client, session

    def __call__(self, path: str, **body: Any) -> Any:
        answer = self.client.post(f"/api/{path}", json=body, headers={SESSION_HEADER: self.session})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, **body: Any) -> Any:
        answer = self.client.post(f"/api/{path}", json=body, headers={SESSION_HEADER: self.session})
        assert answer.status_code == 422, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    with play_site() as site, Serving(site) as serving:
        yield serving


@pytest.fixture(scope="module")
def call(serving: Serving) -> Iterator[Caller]:
    base = f"http://127.0.0.1:{serving.port}"
    with httpx.Client(base_url=base, headers={"origin": base}, trust_env=False, timeout=120) as client:
        link = serving.link().partition("#")[2]
        yield Caller(client, client.post("/session", json={"link": link}).json()["session"])


def opened(held: list[list[str]]) -> int:
    """What three servers have, put together; both holders of each component have the same."""
    for party in PARTIES:
        assert held[party - 1][1] == held[party.next - 1][0]
    total = sum(int(own) for own, _ in held) % CLOCK
    return total - CLOCK if total >= CLOCK // 2 else total


@pytest.mark.parametrize("number", [0, 52_000, -1, 2**63 - 1, -(2**63)])
def test_a_number_is_split_anew_each_time(call: Caller, number: int) -> None:
    first, second = (call("split", number=str(number))["servers"] for _ in range(2))
    assert opened(first) == opened(second) == number
    assert all(a != b for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("number", ["", "1.5", "x", str(2**63), None])
def test_what_is_no_number_is_refused(call: Caller, number: Any) -> None:
    assert "number" in call.refused("split", number=number)["message"]


def test_components_of_many_splittings_are_flat(call: Caller) -> None:
    for counts in call("split/many", number=900, count=8_000)["counts"]:
        assert sum(counts) == 8_000
        assert chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize(("operation", "result"), [("add", 5), ("subtract", 9), ("times", -14)])
def test_what_servers_do_alone_takes_no_message(call: Caller, operation: str, result: int) -> None:
    answer = call("alone", a=7, b=-2, operation=operation)
    assert (opened(answer["a"]), opened(answer["b"]), opened(answer["result"])) == (7, -2, result)
    assert (answer["together"], answer["messages"]) == (str(result), 0)


def test_a_product_from_nine_and_three_messages(call: Caller) -> None:
    workers = set()
    for _ in range(3):
        answer = call("multiply", a=-123, b=45)
        a, b = ([int(own) for own, _ in answer[name]] for name in "ab")
        for one in answer["table"]:
            assert int(one["value"]) == a[one["row"] - 1] * b[one["column"] - 1] % CLOCK
            held = {one["by"], one["by"] % 3 + 1}
            assert {one["row"], one["column"]} <= held, "a server cannot have computed this"
        assert sum(int(one["value"]) for one in answer["table"]) % CLOCK == -5535 % CLOCK
        assert opened(answer["result"]) == -5535 and answer["together"] == "-5535"
        assert len(answer["messages"]) == 3
        for message in answer["messages"]:
            mask, lacks = message["mask"], Party(message["to"])
            assert mask in (message["from"], message["from"] % 3 + 1)
            assert mask not in (lacks, lacks.next)
        workers.add(tuple(one["by"] for one in answer["table"]))
    assert len(workers) == 3, "the work changes from product to product"


def test_the_table_is_what_the_kernels_add_up() -> None:
    """Who adds up what is said by the table; here the protocol's own functions say it, without masks."""
    for solo in PARTIES:
        a, b = share_out([12345]), share_out([-678])
        table = products(a, b, solo)
        form, none = Elementwise(RING64, (1,)), RING64.zeros((1,))
        kernels = {ProtocolRole.A: form.a, ProtocolRole.B: form.b, ProtocolRole.D: form.d}
        for role, kernel in kernels.items():
            party = party_of(role, solo)
            masks = (none.copy(), none.copy()) if role is ProtocolRole.D else (none.copy(),)
            own = sum(int(one["value"]) for one in table if one["by"] == party) % CLOCK
            assert int(kernel(a[party], b[party], *masks)[0]) == own


def test_growth_is_planned_or_refused(call: Caller) -> None:
    small = call("growth", bound=1000, factors=2)
    assert (small["ring"], small["together"], small["wrapped"]) == (64, "1000000", "1000000")
    wide = call("growth", bound=10**10, factors=2)
    assert (wide["ring"], wide["together"]) == (128, str(10**20))
    assert wide["wrapped"] != wide["together"]
    assert "overflow" in call("growth", bound=10**10, factors=5)["refused"]


def test_two_servers_of_one_period_are_plain_and_of_two_periods_noise(call: Caller) -> None:
    plain = [int(one) for one in call("steal/share", column="progression")["plain"]]
    assert plain == patients("progression") and len(plain) == 442

    def loot(server: int) -> dict[int, np.ndarray]:
        taken = call("steal/take", server=server)
        return {
            server: np.array([int(one) for one in taken["own"]], np.uint64),
            server % 3 + 1: np.array([int(one) for one in taken["next"]], np.uint64),
        }

    def together(parts: dict[int, np.ndarray]) -> list[int]:
        return (parts[1] + parts[2] + parts[3]).astype(np.int64).tolist()

    before = loot(1)
    assert together(before | loot(2)) == plain
    for part in before.values():
        found = call("steal/test", numbers=[str(one) for one in part])
        assert found["p"] > 1e-6
        assert found["p"] == pytest.approx(chisquare(np.bincount(part >> np.uint64(60), minlength=16)).pvalue)
    assert call("steal/test", numbers=[str(one) for one in plain])["p"] < 1e-100
    assert call("steal/refresh") == {"messages": 3, "epoch": 1}
    after = loot(2)
    assert not np.any(after[2] == before[2])
    assert not np.any(np.array(together(before | {3: after[3]})) == plain)
    assert together(after | loot(3)) == plain


def test_values_of_ones_own(call: Caller) -> None:
    values = [str(one) for one in range(-30, 30)]
    assert call("steal/share", values=values)["plain"] == values
    assert call.refused("steal/share", values=["1"] * 49)
    assert call.refused("steal/share", values=values, column="bmi")
    assert call.refused("steal/share")


def test_patients_are_those_of_scikit_learn() -> None:
    data = load_diabetes(scaled=False)
    assert patients("progression") == data.target.astype(int).tolist()
    np.testing.assert_allclose(np.array(patients("bmi")) / 10, data.data[:, 2], atol=0.05)
    np.testing.assert_allclose(patients("pressure"), data.data[:, 3], atol=0.5)


@pytest.mark.parametrize("columns", [1, 2])
def test_a_line_and_a_plane_are_those_in_plain(call: Caller, columns: int) -> None:
    rng = np.random.default_rng(columns)
    rows = rng.uniform(-50, 100, (30, columns))
    y = rows @ [2.0, -0.5][:columns] + 3 + rng.normal(0, 4, 30)
    points = np.column_stack([rows, y])
    answer = call("regress", owners=[part.tolist() for part in np.array_split(points, 3)])
    for figure in ("params", "bse", "rsquared"):
        np.testing.assert_allclose(answer["shared"][figure], answer["plain"][figure], rtol=1e-4, atol=1e-4)
    assert answer["cost"]["rounds"] > 10 and answer["cost"]["bytes_per_party"] > 1000
    assert "standard errors" in answer["revealed"]


def test_points_that_no_line_goes_through_are_refused(call: Caller) -> None:
    assert "coordinates" in call.refused("regress", owners=[[[1, 2], [1, 2, 3]]])["message"]
    assert "too few" in call.refused("regress", owners=[[[1, 2], [2, 3]], []])["message"]
    assert call.refused("regress", owners=[[[1, 1e9], [2, 3], [3, 4]]])
    assert call.refused("regress", owners=[[[1], [2], [3]]])
    assert call.refused("regress", owners=[])


def test_a_thief_of_nothing_is_told_so() -> None:
    from tercet.web.play.steal import Vault

    with pytest.raises(InputError, match="hold nothing"):
        Vault().part(Party.P1)


def test_every_text_that_scripts_ask_for_is_there() -> None:
    """Chapters take all words from one file, which has a part for each, with the three that the frame shows."""
    texts = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))
    chapters = {path.stem for path in (FOLDER / "chapters").glob("*.js")}
    assert chapters == texts.keys() - {"frame"}
    ways = texts["cost"]["ways"]
    assert "machine" in ways["here"]["sees"], "three parties on one machine hide nothing from its owner"
    assert all("two collude" in ways[name]["sees"] for name in ("lan", "wan", "continents"))
    for key in chapters:
        assert {"short", "title", "lead"} <= texts[key].keys()


def test_every_text_is_asked_for_and_there() -> None:
    texts = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))
    frame = (FOLDER / "play.js").read_text(encoding="utf-8")
    assert set(re.findall(r"\btexts\.frame\.(\w+)", frame)) == texts["frame"].keys()
    for path in (FOLDER / "chapters").glob("*.js"):
        script, mine = path.read_text(encoding="utf-8"), texts[path.stem].keys()
        asked = set(re.findall(r"\btexts\.(\w+)", script.replace("texts.js", "")))
        assert asked <= mine, path.name
        unasked = {one for one in mine - asked - {"short", "title", "lead"} if not re.search(rf"\b{one}\b", script)}
        assert not unasked, path.name


def words_of(script: str) -> list[str]:
    """Literals of a script that somebody could read: of several words, or one with a capital that is no key."""
    found: list[str] = []
    _code(re.sub(r"\b(closest|matches|querySelector(All)?)\(\".*?\"\)", "", script), 0, found)
    words = re.compile(r"[A-Za-z]{3,},? [A-Za-z]{2,}|[A-Z][a-z]+[.:!?]?")
    return [text for text in found if words.search(text) and (" " in text or words.fullmatch(text)) and text != "Enter"]


_TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[`{}]""", re.DOTALL)


def _code(script: str, at: int, found: list[str]) -> int:
    """Collect the literals of code from a place on, to the brace that closes it; give the place behind that."""
    depth = 0
    while token := _TOKEN.search(script, at):
        at, text = token.end(), token[0]
        if text == "`":
            at = _template(script, at, found)
        elif text[0] in "\"'":
            found.append(text[1:-1])
        elif text in "{}":
            depth += 1 if text == "{" else -1
            if depth < 0:
                break
    return at


def _template(script: str, at: int, found: list[str]) -> int:
    text = ""
    while part := re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{)", re.DOTALL).match(script, at):
        text, at = text + part[0][: -len(part[1])], part.end()
        if part[1] == "`":
            found.append(text)
            return at
        text, at = text + "0", _code(script, at, found)
    raise AssertionError(f"a literal without an end: {text}")


def test_words_of_a_script_are_found() -> None:
    script = 'h("p", "Split it"); // words here\nh("b", `Server ${one(`one of ${them} rows`)}`); "Enter", "Next";'
    assert words_of(script) == ["Split it", "one of 0 rows", "Server 0", "Next"]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.js")), ids=lambda path: path.stem)
def test_scripts_have_no_words_of_their_own(path: Path) -> None:
    """They stand in texts.json, so that a translation is one file more."""
    assert words_of(path.read_text(encoding="utf-8")) == []


def test_assets_are_small_and_ask_nobody() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    for path, scheme in pairs(files, ("http://", "https://")):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert scheme not in text, path.name
