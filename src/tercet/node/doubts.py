"""What keeps changes going when nobody is at them: nodes that have one ready ask what became of it.

One thread a node. The coordinator gives up what it began and never decided, and tells again who did not hear; the
others ask it about what they have had ready for a while. Both sides so come to an end after any crash.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tercet.errors import ProtocolViolation, TercetError
from tercet.federation.api_peer import TransactionState
from tercet.node.participant import read_answer

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_LOOK_S = 0.5


class Doubts:
    """Settles changes that are ready here and not decided. Who calls it: the node, at its start and end."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._seen: dict[str, float] = {}
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._settle_on, name="tercet doubts", daemon=True)

    def start(self) -> None:
        """Settle now and from now on; what is in doubt from before has waited long enough."""
        long_ago = time.monotonic() - self._node.settings.timeouts.doubt
        self._seen = dict.fromkeys(self._node.participant.in_doubt(), long_ago)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is in doubt stays so until the next start."""
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _settle_on(self) -> None:
        usual = min(_LOOK_S, self._node.settings.timeouts.doubt)
        pause = usual
        while not self._wake.is_set():
            try:
                self._settle()
                pause = usual
            except TercetError as error:
                self._node.log.warning("changes not settled", reason=error.message)
                pause = min(2 * pause, 8.0)
            except Exception as error:
                # a defect here must not end the thread: changes would stay locked
                self._node.log.defect(error)
                pause = min(2 * pause, 8.0)
            self._wake.wait(pause)

    def _settle(self) -> None:
        node = self._node
        in_doubt = node.participant.in_doubt()
        node.metrics.in_doubt.set(len(in_doubt))
        if node.transactions.coordinates:
            node.transactions.settle(in_doubt)
        else:
            self._ask(in_doubt)

    def _ask(self, in_doubt: Sequence[str]) -> None:
        node, now = self._node, time.monotonic()
        self._seen = {one: self._seen.get(one, now) for one in in_doubt}
        coordinator = node.federation.party(node.federation.coordinator.name)
        for transaction, since in self._seen.items():
            if now - since < node.settings.timeouts.doubt:
                continue
            answer = node.peers.call(coordinator, "GET", f"/peer/transactions/{transaction}")
            try:
                told = TransactionState.model_validate(answer)
            except ValidationError:
                raise ProtocolViolation("the coordinator did not say what became of a change") from None
            if told.state == "committed":
                node.participant.commit(transaction, [read_answer(one) for one in told.answers])
            elif told.state != "prepared":
                node.participant.abort(transaction, "the coordinator gave it up")
            else:
                continue
            node.log.info("doubt settled", transaction=transaction, state=told.state)
