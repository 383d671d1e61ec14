"""Deletes results that nobody has fetched in time, and jobs that ended long ago."""

from __future__ import annotations

import time

from tercet.node.jobs.results import Results
from tercet.node.parts import NodeContext

_BOXES_S = 600.0
_JOBS_S = 86_400.0


class Retention:
    """Who calls it: `Jobs`, at its start and then every second or so.

    A bundle whose job was forgotten is refused all the same: it is taken for `MAX_AGE_S` after it was signed
    (`Admission.open`), and a job's row outlives that by the least that `limits.keep_jobs_days` may be. Were this
    node's clock far ahead for once, so that today's jobs go, nothing is taken that was signed before the last of them.
    """

    def __init__(self, context: NodeContext, results: Results) -> None:
        self._context = context
        self._results = results
        self._boxes_at = self._jobs_at = 0.0

    def look(self) -> None:
        """Delete what is due to go."""
        now = time.monotonic()
        if now >= self._boxes_at:
            self._boxes_at = now + _BOXES_S
            self._results.tidy()
        if now >= self._jobs_at:
            self._jobs_at = now + _JOBS_S
            self.forget()

    def forget(self) -> None:
        """Delete bundles, decisions and boxes of old jobs; audit entries, receipts and what budgets count stay."""
        context = self._context
        days = context.settings.limits.keep_jobs_days
        forgotten = context.store.jobs.forget(context.now() - days * 86_400)
        for job in forgotten:
            self._results.drop(job)
        if forgotten:
            context.log.info("old jobs forgotten", jobs=len(forgotten), days=days)
