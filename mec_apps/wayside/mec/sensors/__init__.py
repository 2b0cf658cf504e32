"""Roadside sensors: scans as they arrive, checked and stamped."""

from __future__ import annotations

from wayside.mec.sensors._scan import VULNERABLE, Detection, ParticipantClass, Scan

__all__ = ["VULNERABLE", "Detection", "ParticipantClass", "Scan"]
