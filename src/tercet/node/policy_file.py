"""The operator's `policy.toml`, read anew when it changes; one that cannot be used changes nothing but the status."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tercet.errors import ConfigError
from tercet.policy.rules import Policy

_LOOK_S = 0.5
"""The file's time stamp is looked at no more often than this."""


class PolicyFile:
    """The policy in force. Thread-safe; `current` costs a clock reading, and a `stat` now and then.

    Who calls it: the gate and jobs, at every request. `changed` is called with (old, new, digest) when a new policy
    comes into force; what it raises keeps the old one. Raises ConfigError at the start if the file cannot be used.
    """

    def __init__(self, path: Path, changed: Callable[[Policy | None, Policy, str], None]) -> None:
        self._path = path
        self._changed = changed
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._looked = 0.0
        self._digest = ""
        self.fault = ""
        """Why the file as it is now is not in force; empty if it is."""
        self.loaded = time.time()
        """When the policy in force was read, unix seconds."""
        self._policy = self._read()
        changed(None, self._policy, self._digest)

    @property
    def current(self) -> Policy:
        """The policy in force now."""
        if time.monotonic() - self._looked >= _LOOK_S:
            self.look()
        return self._policy

    @property
    def digest(self) -> str:
        """SHA-256 of the file in force, hexadecimal."""
        return self._digest

    def look(self) -> None:
        """Read the file anew if it is another one; never raises."""
        with self._lock:
            self._looked = time.monotonic()
            try:
                if self._stamp == self._stamp_now():
                    return
                before, digest = self._policy, self._digest
                policy = self._read()
                if self._digest != digest:
                    try:
                        self._changed(before, policy, self._digest)
                    except BaseException:
                        self._stamp, self._digest = None, digest
                        raise
                self._policy, self.fault, self.loaded = policy, "", time.time()
            except ConfigError as error:
                self.fault = error.message
            except OSError as error:
                self.fault = f"cannot read {self._path}: {error.strerror}"

    def _stamp_now(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Policy:
        try:
            self._stamp = self._stamp_now()
            data = self._path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"cannot read the policy {self._path}: {error.strerror}", hint="tercet node init makes one"
            ) from None
        policy = Policy.load(self._path)
        self._digest = hashlib.sha256(data).hexdigest()
        return policy
