"""The edge's end of the vehicle link: sessions over WebSocket, one mailbox a vehicle, nothing of the world.

`LinkServer.send` never waits: a frame is written when the vehicle's socket would take it, otherwise it waits
in a bounded mailbox where emergencies overtake, newer replaces older, and what has expired is not written.
A vehicle that stops reading is cut without harm to the others, and finds what it missed when it returns.
"""

from __future__ import annotations

from wayside.mec.linkserver._outgoing import OnWritten, Outgoing, SessionInfo
from wayside.mec.linkserver._reasons import LinkServerReason
from wayside.mec.linkserver._registry import Admission, Registry
from wayside.mec.linkserver._server import LinkServer, OnMessage, OnReceipt, OnSession
from wayside.mec.linkserver._session import Session

__all__ = [
    "Admission",
    "LinkServer",
    "LinkServerReason",
    "OnMessage",
    "OnReceipt",
    "OnSession",
    "OnWritten",
    "Outgoing",
    "Registry",
    "Session",
    "SessionInfo",
]
