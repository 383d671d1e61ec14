"""What a process does to itself: forbids core dumps, takes a name, forks a child that inherits no descriptors."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_STANDARD_FDS = (0, 1, 2)
_MOST_NAME_BYTES = 15


def forbid_core_dumps() -> None:
    """See to it that this process leaves no image of its memory when it crashes, and that no debugger of the same user
    attaches. For whoever owns the process (a node, a worker, a party, the command line) to call at its start."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # the limit does not hold for cores that the kernel pipes to a program; this does
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def set_name(name: str) -> None:
    """Set the name that `ps -o comm` and `/proc/PID/comm` show: at most 15 bytes; the command line stays."""
    # only for whoever looks at the list of processes
    with suppress(OSError), open("/proc/self/comm", "wb") as file:
        file.write(name.encode()[:_MOST_NAME_BYTES])


def fork(run: Callable[[], int], keep: Collection[int]) -> int:
    """Fork this process; give the child's process id.

    The child closes all descriptors but 0, 1, 2 and those of `keep`, calls `run` and ends with its result as exit
    status; nothing of the caller's stack is unwound there, and no exit handler runs. Memory is shared until one side
    writes to it. The child has the parent's layout of memory (ASLR) and seed of string hashes, and everything that the
    parent had in memory: fork before there are secrets. Random numbers differ, as OpenSSL and `os.urandom` take care
    of forks, and Tercet has no other generator.

    Raises RuntimeError if this process has several Python threads: the child would inherit the locks that they hold.
    Raises OSError if the system has no process to give.
    """
    if threading.active_count() > 1:
        raise RuntimeError("a process is not forked once it has threads")
    # what is buffered here would be written twice
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        # what the parent had is never collected here: finalizers of its sockets would close descriptors of this process
        gc.freeze()
        close_descriptors(keep)
        status = run()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def close_descriptors(keep: Collection[int]) -> None:
    """Close all descriptors of this process but 0, 1, 2 and those of `keep`."""
    begin = 0
    for fd in sorted({*_STANDARD_FDS, *keep}):
        if fd > begin:  # an empty range would be taken for all (Python 3.11)
            os.closerange(begin, fd)
        begin = fd + 1
    os.closerange(begin, os.sysconf("SC_OPEN_MAX"))
