from __future__ import annotations

from wayside.observe import Reason, WaysideError


class RsuReason(Reason, stage="rsu"):
    """Why something between the edge and a roadside unit was dropped or refused."""

    AUTH = "auth"
    CONFIG = "config"
    DECODE = "decode"
    DEVICE_ERROR = "device_error"
    EXPIRED = "expired"
    MALFORMED = "malformed"
    NOT_APPROVED = "not_approved"
    OFFLINE = "offline"
    QUEUE_FULL = "queue_full"
    RATE_LIMITED = "rate_limited"
    SUPERSEDED = "superseded"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    UNEXPECTED_ACK = "unexpected_ack"
    UNKNOWN_SOURCE = "unknown_source"
    UNREACHABLE = "unreachable"
    UNSUPPORTED = "unsupported"


class RsuError(WaysideError):
    """Something of a roadside unit, or for one, that was refused; `vendor_code` is the device's own code.

    limit: the limit that was passed, in the unit that `what` names, or None.
    """

    reason: RsuReason

    def __init__(
        self,
        reason: RsuReason,
        what: str,
        *,
        where: str = "",
        advice: str = "",
        limit: int | None = None,
        vendor_code: str = "",
    ) -> None:
        super().__init__(reason, what, where=where, advice=advice)
        self.limit = limit
        self.vendor_code = vendor_code
