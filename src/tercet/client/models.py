"""Saved models: `model.save(net, "risk")` keeps one, `tercet.load("risk", net)` gives it back; never opened."""

from __future__ import annotations

from tercet.client.base import BaseSession
from tercet.learn.model import Model


def load(name: str, session: BaseSession) -> Model:
    """A model that was saved under this name in the session, or at the nodes it is connected with. Analysts call it.

    Fitted as it was, its arrays still secret: `predict` runs under sharing. Raises InputError if there is none.
    """
    return session.load(name)
