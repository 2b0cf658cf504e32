from __future__ import annotations

from typing import NamedTuple

from wayside.asn1.messages import Light
from wayside.clock import MonoNs, UtcNs


class SignalKey(NamedTuple):
    """A signal group of an intersection; intersection as `region-id`."""

    intersection: str
    group: int


class SignalNow(NamedTuple):
    """Light of a group now, and when it may change (UTC; None unknown).

    heard: when the controller's input last arrived. source: "spat" or "tscbm".
    """

    light: Light
    min_end: UtcNs | None
    max_end: UtcNs | None
    likely_end: UtcNs | None
    heard: MonoNs
    source: str


class SignalTable:
    """Signal states of one step. A group whose input is older than the site allows is not in it."""

    def __init__(self, states: dict[SignalKey, SignalNow], stale: frozenset[SignalKey] = frozenset()) -> None:
        self._states = states
        self._sorted: list[tuple[SignalKey, SignalNow]] | None = None
        self.stale = stale

    def get(self, key: SignalKey) -> SignalNow | None:
        """State of a group; None when unknown or stale: the app then falls silent."""
        return self._states.get(key)

    def items(self) -> list[tuple[SignalKey, SignalNow]]:
        """All groups with a fresh state."""
        if self._sorted is None:
            self._sorted = sorted(self._states.items())
        return self._sorted
