"""What can go wrong with one node's disk and database, beyond the tree in `tercet.errors`.

TercetError
  StorageError     the node's own trouble, not the caller's; the same request may succeed later
    DiskFull       no space left
    DatabaseLost   the database cannot be reached, or stopped answering
  Busy             something else is under way there; try again
  InputError
    NotFound       there is no dataset, version, upload, job or kept result of that name
      Gone         there was, and it has been withdrawn, replaced or has expired
"""

from __future__ import annotations

from tercet.errors import InputError, TercetError

WHICH = "see which there are: tercet datasets (in Python net.datasets())"
"""The hint where a dataset is not there."""


class StorageError(TercetError):
    """The node's disk or database failed; nothing was half done."""


class DiskFull(StorageError):
    """No space is left for what was to be stored."""


class DatabaseLost(StorageError):
    """The catalogue's database cannot be reached."""


class Busy(TercetError):
    """Another change of the same thing is under way."""


class NotFound(InputError):
    """Nothing is stored under that name."""


class Gone(NotFound):
    """What was stored under that name has been withdrawn, replaced or has expired."""
