"""Roll-up: what the edge reports is on disk first, reaches the centre once and in order, after any crash."""

from __future__ import annotations

from wayside.mec.rollup._database import OpenEvent, Stored
from wayside.mec.rollup._ledger import EventFacts, EventLedger
from wayside.mec.rollup._outbox import Outbox, OutboxState
from wayside.mec.rollup._reasons import RollupError, RollupReason
from wayside.mec.rollup._settings import LedgerSettings, OutboxSettings, UplinkSettings
from wayside.mec.rollup._uplink import HttpUplink, UplinkState

__all__ = [
    "EventFacts",
    "EventLedger",
    "HttpUplink",
    "LedgerSettings",
    "OpenEvent",
    "Outbox",
    "OutboxSettings",
    "OutboxState",
    "RollupError",
    "RollupReason",
    "Stored",
    "UplinkSettings",
    "UplinkState",
]
