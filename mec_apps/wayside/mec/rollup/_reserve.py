from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Laid in only where this many times its size is free, so that it does not fill the disk itself.
_FREE_TIMES = 4


class Reserve:
    """Room on the disk that is kept for deleting: SQLite writes to its log before it makes room.

    Without it nothing could leave an outbox on a full disk, and nothing behind the first page be sent.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def lay_in(self) -> None:
        """Take the room, where there is enough besides; does nothing when it is there."""
        if self._path.exists():
            return
        with contextlib.suppress(OSError):
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < _FREE_TIMES * self._size:
                return
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)

    def spend(self) -> bool:
        """Give the room back to the disk; False when there was none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
