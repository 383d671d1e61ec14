"""Faults at three real nodes while people work with them, and the account of what came of it.

    with World(folder, seed) as world:
        world.round(kills, "append")        # strike at a random instant, mend, wait, check everything
    world.account.lines                     # fault, action, times, outcomes, seconds

Randomness is drawn from the seed; instants depend on the machine as well, so a failure is found again by many rounds
rather than by one. What failed names fault, action, victims and instant.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from faults.actions import MAIN, UPLOADS_AT_FIRST, Actions
from faults.blows import Blow, Fault
from faults.checks import Broken, Chains, check_all, defects, settle
from faults.guarded import Guarded, make_guarded
from faults.ledger import Fate, Ledger
from tercet.errors import TercetError

END_S = 60.0
"""Within this time after the fault every action must have ended."""
USUAL_S = {"create": 0.3, "append": 0.3, "columns": 0.3, "withdraw": 0.1, "refresh": 0.5, "job": 0.5, "keep": 0.6}
"""How long actions take about, in relation to each other; how fast this machine is they show."""


@dataclass
class Line:
    """One line of the account."""

    fault: str
    action: str
    times: int = 0
    acknowledged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    visible: int = 0
    """Visible, though the answer was lost."""
    ended_s: float = 0.0
    recovered_s: float = 0.0


@dataclass
class Account:
    """The table of faults, actions and outcomes."""

    lines: dict[tuple[str, str], Line] = field(default_factory=dict)

    def line(self, fault: str, action: str) -> Line:
        return self.lines.setdefault((fault, action), Line(fault, action))


class Attempt(threading.Thread):
    """One action, tried in a thread of its own."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: BaseException | None = None
        self.seconds = 0.0

    def run(self) -> None:
        began = time.monotonic()
        try:
            self._work()
        except BaseException as error:
            self.error = error
        self.seconds = time.monotonic() - began


class World:
    """Three nodes, what they were told, and what was done to them."""

    def __init__(self, folder: Path, seed: int, account: Account | None = None, nodes: Guarded | None = None) -> None:
        self.nodes = nodes or make_guarded(folder)
        self.ledger = Ledger()
        self.actions = Actions(self.nodes, self.ledger, seed)
        self.chains = Chains()
        self.account = account or Account()
        self.draw = random.Random(seed)
        self._usual = dict(USUAL_S)

    def __enter__(self) -> Self:
        try:
            self.nodes.start()
            settle(self.nodes)
            began = time.monotonic()
            self.actions.prepare()
            pace = (time.monotonic() - began) / (UPLOADS_AT_FIRST * USUAL_S["create"])
            self._usual = {action: pace * seconds for action, seconds in USUAL_S.items()}
            settle(self.nodes)
            self.check()
        except BaseException:
            self.nodes.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.nodes.close()

    def check(self, *touched: str) -> None:
        """Everything that must hold when all is at rest."""
        there = set(self.ledger.datasets())
        names = [name for name in dict.fromkeys((MAIN, *touched)) if name in there or name == MAIN]
        check_all(self.nodes, self.ledger, self.actions, self.chains, names)
        if found := defects(self.nodes):
            raise Broken("\n".join(found))

    def round(self, fault: str, blow: Fault, action: str) -> Line:
        """Strike while somebody does something; mend; then everything must hold. Raises Broken."""
        work = self.actions.kinds[action]()
        before = len(self.ledger.pieces)
        instant = self.draw.uniform(0, 1.2 * self._usual[action])
        what = blow(self)
        try:
            return self._round(fault, what, action, work, instant, before)
        except (AssertionError, TercetError) as error:
            raise Broken(
                f"{fault}: {what.words}, {instant:.3f} s into {action}: {type(error).__name__}: {error}"
            ) from error

    def _round(
        self, fault: str, blow: Blow, action: str, work: Callable[[], None], instant: float, before: int
    ) -> Line:
        attempt = Attempt(work)
        attempt.start()
        attempt.join(instant)
        finished = not attempt.is_alive()
        blow.strike()
        struck = time.monotonic()
        if blow.lasts_s:
            attempt.join(blow.lasts_s)
            time.sleep(max(0.0, struck + blow.lasts_s - time.monotonic()))
        mended = time.monotonic()
        blow.mend()
        attempt.join(END_S)
        if attempt.is_alive():
            raise Broken(f"the action did not end within {END_S:g} s")
        if attempt.error is not None and not isinstance(attempt.error, TercetError):
            raise attempt.error
        settle(self.nodes)
        recovered = time.monotonic() - mended
        unknown = [piece for piece in self.ledger.pieces if piece.fate is Fate.MAYBE]
        was_in = [piece for piece in unknown if piece.upload]
        self.check(*(piece.dataset for piece in self.ledger.pieces[before:]))
        if finished and attempt.error is None:
            self._usual[action] += 0.3 * (attempt.seconds - self._usual[action])
        line = self.account.line(fault, action)
        line.times += 1
        if attempt.error is None:
            line.acknowledged += 1
        else:
            line.refused[type(attempt.error).__name__] += 1
            line.visible += sum((piece.fate is Fate.IN) != (piece in was_in) for piece in unknown)
        line.ended_s = max(line.ended_s, attempt.seconds)
        line.recovered_s = max(line.recovered_s, recovered)
        return line
