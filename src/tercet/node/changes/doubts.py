"""Settles changes that are prepared and undecided for a while: nodes ask each other for the decision.

One thread in each node. The coordinator aborts what it began and never decided, and tells again the nodes that did not
answer; the others ask it, and each other, about changes that they have prepared. So every change ends after any crash.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from tercet.errors import TercetError
from tercet.node.changes.coordinator import Transactions
from tercet.node.changes.participant import Participant
from tercet.node.changes.verdicts import Verdicts
from tercet.node.parts import NodeContext

_LOOK_S = 0.5


class Doubts:
    """Settles changes that are ready here and not decided. Who calls it: the node, at its start and end."""

    def __init__(
        self, context: NodeContext, participant: Participant, verdicts: Verdicts, transactions: Transactions
    ) -> None:
        self._context = context
        self._participant = participant
        self._verdicts = verdicts
        self._transactions = transactions
        self._seen: dict[str, float] = {}
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._settle_on, name="tercet doubts", daemon=True)

    def start(self) -> None:
        """Start the thread; what is in doubt from before the start is asked about at once."""
        long_ago = time.monotonic() - self._context.settings.timeouts.doubt
        self._seen = dict.fromkeys(self._participant.in_doubt(), long_ago)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is in doubt stays in doubt until the next start."""
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _settle_on(self) -> None:
        usual = min(_LOOK_S, self._context.settings.timeouts.doubt)
        pause = usual
        while not self._wake.is_set():
            try:
                self._settle()
                pause = usual
            except TercetError as error:
                self._context.log.warning("changes not settled", reason=error.message)
                pause = min(2 * pause, 8.0)
            except Exception as error:
                # a defect must not end the thread, or datasets would stay locked
                self._context.log.defect(error)
                pause = min(2 * pause, 8.0)
            self._wake.wait(pause)

    def _settle(self) -> None:
        in_doubt = self._participant.in_doubt()
        self._context.metrics.in_doubt.set(len(in_doubt))
        if self._transactions.coordinates:
            self._transactions.settle(in_doubt)
        else:
            self._ask(in_doubt)

    def _ask(self, in_doubt: Sequence[str]) -> None:
        now = time.monotonic()
        self._seen = {one: self._seen.get(one, now) for one in in_doubt}
        for transaction, since in self._seen.items():
            if now - since >= self._context.settings.timeouts.doubt and self._verdicts.settle(transaction):
                self._context.log.info("doubt settled", transaction=transaction)
