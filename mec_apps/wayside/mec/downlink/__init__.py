"""What goes out over the RSUs: maps, objects, events, signs and signal states as messages of each dialect.

Composition only; how far a message comes on its way to a device is the delivery's business.
"""

from __future__ import annotations

from wayside.mec.downlink._events import compose_events
from wayside.mec.downlink._numbers import MessageCounts, Numbers
from wayside.mec.downlink._objects import ObjectComposer
from wayside.mec.downlink._reasons import DownlinkReason
from wayside.mec.downlink._rules import DownlinkRules
from wayside.mec.downlink._sender import Downlink, Downlinks
from wayside.mec.downlink._signals import compose_signals
from wayside.mec.downlink._signs import compose_signs

__all__ = [
    "Downlink",
    "DownlinkReason",
    "DownlinkRules",
    "Downlinks",
    "MessageCounts",
    "Numbers",
    "ObjectComposer",
    "compose_events",
    "compose_signals",
    "compose_signs",
]
