"""What a running part is made of: owned tasks, bounded queues, jittered back-off."""

from __future__ import annotations

from wayside.runtime._backoff import Backoff
from wayside.runtime._files import allow_open_files
from wayside.runtime._queues import BoundedQueue, Full, LatestWins
from wayside.runtime._tasks import TaskOwner

__all__ = ["Backoff", "BoundedQueue", "Full", "LatestWins", "TaskOwner", "allow_open_files"]
