"""The edge on real sockets and a real disk."""

from __future__ import annotations

from wayside.mec.service._service import EdgeService, ServiceSettings

__all__ = ["EdgeService", "ServiceSettings"]
