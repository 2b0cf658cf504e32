"""The wire of T/ITS 0117 units, pure: topics, envelope, management and message bodies."""

from __future__ import annotations

from wayside.rsu.vendors.tits0117.wire.bodies import Context, Transcoded
from wayside.rsu.vendors.tits0117.wire.envelope import Padding, Wrapped, build_envelope, parse_envelope
from wayside.rsu.vendors.tits0117.wire.frames import Slice, body_of, encoded, frames_of, slices_of
from wayside.rsu.vendors.tits0117.wire.layout import MESSAGES, QUERY, Arrived, TopicLayout
from wayside.rsu.vendors.tits0117.wire.management import (
    MAX_SEQ,
    SETTINGS,
    Ack,
    KeyCase,
    Management,
    Rate,
    build_ack,
    build_config,
    build_heartbeat,
    build_info,
    build_log_order,
    build_management,
    build_query,
    read_ack,
    read_body,
    read_json,
    read_management,
    read_time_ms,
    unit_name,
)
from wayside.rsu.vendors.tits0117.wire.raw import MissingKey, read_raw_rsm

__all__ = [
    "MAX_SEQ",
    "MESSAGES",
    "QUERY",
    "SETTINGS",
    "Ack",
    "Arrived",
    "Context",
    "KeyCase",
    "Management",
    "MissingKey",
    "Padding",
    "Rate",
    "Slice",
    "TopicLayout",
    "Transcoded",
    "Wrapped",
    "body_of",
    "build_ack",
    "build_config",
    "build_envelope",
    "build_heartbeat",
    "build_info",
    "build_log_order",
    "build_management",
    "build_query",
    "encoded",
    "frames_of",
    "parse_envelope",
    "read_ack",
    "read_body",
    "read_json",
    "read_management",
    "read_raw_rsm",
    "read_time_ms",
    "slices_of",
    "unit_name",
]
