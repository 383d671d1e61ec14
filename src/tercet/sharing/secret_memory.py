"""Memory for keys: not swapped out, not dumped, wiped at the end, as far as Python permits.

What is kept here is under our control. Copies that are not: OpenSSL's own (which it wipes), TLS buffers, and the
`bytes` in which Python hands over what came from the operating system or from a peer, until it uses their memory again.
"""

from __future__ import annotations

import ctypes
import mmap


class SecretMemory:
    """One page for keys. The owner of the keys holds it, and calls `wipe` when they are no longer needed."""

    __slots__ = ("_page", "_used", "locked")

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._page.madvise(mmap.MADV_DONTDUMP)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        # refused where a process may lock nothing: a key could then reach swap space, which is to be encrypted anyway
        self.locked = ctypes.CDLL(None).mlock(ctypes.c_void_p(start), ctypes.c_size_t(mmap.PAGESIZE)) == 0
        self._used = 0

    def __repr__(self) -> str:
        return f"SecretMemory({self._used} bytes used)"

    def room(self, size: int) -> memoryview:
        """The next `size` bytes, zeros. Raises ValueError if the page is full."""
        if self._used + size > mmap.PAGESIZE:
            raise ValueError(f"{size} bytes of key are more than is left of a page")
        view = memoryview(self._page)[self._used : self._used + size]
        self._used += size
        return view

    def wipe(self) -> None:
        """Overwrite everything with zeros; views that were given out are then of zeros, too."""
        self._page[:] = bytes(mmap.PAGESIZE)

    def __del__(self) -> None:
        page = getattr(self, "_page", None)
        if page is not None:
            page[:] = bytes(mmap.PAGESIZE)
