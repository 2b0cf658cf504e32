"""Vehicle's end of the link: an SDK that brings warnings to the driver in time or not at all.

    async with ObuClient(["ws://127.0.0.1:47010/"], vehicle_id="bus-12", token=token) as obu:
        async for warning in obu.warnings(min_severity=Severity.ADVISE):
            show(warning)

`SyncObuClient` is the same for programs without an event loop. Needs the extra `wayside[obu]`.
"""

from __future__ import annotations

from wayside.link import (
    Action,
    Advice,
    AdviceKind,
    Cancel,
    CancelReason,
    Party,
    Place,
    Severity,
    Warning,
    WarningKind,
)
from wayside.obu._advice import SignAdvice, SpeedAdvice
from wayside.obu._client import ObuClient, WarningStream
from wayside.obu._reasons import ObuError, ObuReason
from wayside.obu._sync import SyncObuClient
from wayside.obu._transport import Connection, Connector, websocket_connector
from wayside.obu._types import (
    ObuState,
    ObuStatus,
    ReceivedAdvice,
    ReceivedCancel,
    ReceivedMessage,
    ReceivedWarning,
    StateChange,
)

__all__ = [
    "Action",
    "Advice",
    "AdviceKind",
    "Cancel",
    "CancelReason",
    "Connection",
    "Connector",
    "ObuClient",
    "ObuError",
    "ObuReason",
    "ObuState",
    "ObuStatus",
    "Party",
    "Place",
    "ReceivedAdvice",
    "ReceivedCancel",
    "ReceivedMessage",
    "ReceivedWarning",
    "Severity",
    "SignAdvice",
    "SpeedAdvice",
    "StateChange",
    "SyncObuClient",
    "Warning",
    "WarningKind",
    "WarningStream",
    "websocket_connector",
]
