"""Orders: what an operator's commands do at the edge, once each, and what of it outlives a restart."""

from __future__ import annotations

from wayside.mec.orders._orders import Orders
from wayside.mec.orders._reasons import OrderReason

__all__ = ["OrderReason", "Orders"]
