"""The operator's `policy.toml`: read again when it changes; if it cannot be used, the former stays in force."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tercet.errors import ConfigError, TercetError
from tercet.policy.rules import Policy


class PolicyFile:
    """The policy in force. Thread-safe; `current` reads no file: the node calls `look` twice a second.

    Who calls it: the gate and jobs, at every request. `changed` is called with the new policy before it comes into
    force; if it raises, the one before stays. Raises ConfigError at the start if the file cannot be used.
    """

    def __init__(self, path: Path, changed: Callable[[Policy], None]) -> None:
        self._path = path
        self._changed = changed
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self.fault = ""
        """Why the file as it is now is not in force; empty if it is."""
        self.loaded = time.time()
        """When the policy in force was read, unix seconds."""
        self._policy = self._read()
        changed(self._policy)

    @property
    def current(self) -> Policy:
        """The policy in force now."""
        return self._policy

    @property
    def digest(self) -> str:
        """SHA-256 of the file in force, hexadecimal."""
        return self._policy.digest

    def look(self) -> None:
        """Read the file again if it has changed; never raises."""
        with self._lock:
            try:
                if self._stamp == self._stamp_now():
                    return
                policy = self._read()
                if policy.digest != self._policy.digest:
                    self._changed(policy)
                    self.loaded = time.time()
                self._policy, self.fault = policy, ""
            except ConfigError as error:
                self.fault = error.message
            except OSError as error:
                self.fault = f"cannot read {self._path}: {error.strerror}"
            except TercetError as error:
                # the audit could not record that this policy comes into force: try again at the next look
                self._stamp = None
                self.fault = error.message

    def _stamp_now(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Policy:
        # the stamp is taken first, so that a file that changes while it is read is read again
        with suppress(OSError):
            self._stamp = self._stamp_now()
        return Policy.load(self._path)
