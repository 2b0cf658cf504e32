"""Roll-up: what the edge reports is on disk first, reaches the centre once and in order, after any crash."""

from __future__ import annotations

from wayside.mec.rollup._commands import (
    CommandMark,
    CommandSource,
    HttpCommands,
    KafkaCommands,
    ReceivedCommand,
)
from wayside.mec.rollup._database import OpenEvent, Stored
from wayside.mec.rollup._http import HttpUplink
from wayside.mec.rollup._kafka import KafkaUplink
from wayside.mec.rollup._ledger import EventFacts, EventLedger
from wayside.mec.rollup._make import make_commands, make_uplink
from wayside.mec.rollup._outbox import Outbox, OutboxState
from wayside.mec.rollup._reasons import RollupError, RollupReason
from wayside.mec.rollup._settings import KafkaSettings, LedgerSettings, OutboxSettings, UplinkSettings
from wayside.mec.rollup._uplink import Pending, Uplink, UplinkState

__all__ = [
    "CommandMark",
    "CommandSource",
    "EventFacts",
    "EventLedger",
    "HttpCommands",
    "HttpUplink",
    "KafkaCommands",
    "KafkaSettings",
    "KafkaUplink",
    "LedgerSettings",
    "OpenEvent",
    "Outbox",
    "OutboxSettings",
    "OutboxState",
    "Pending",
    "ReceivedCommand",
    "RollupError",
    "RollupReason",
    "Stored",
    "Uplink",
    "UplinkSettings",
    "UplinkState",
    "make_commands",
    "make_uplink",
]
