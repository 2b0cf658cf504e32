from __future__ import annotations

from wayside.observe import Reason, WaysideError


class CloudReason(Reason, stage="cloud"):
    """Why the centre refused a request, a record or a browser."""

    UNAUTHORIZED = "unauthorized"
    WRONG_TYPE = "wrong_type"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    BUSY = "busy"
    ID_CONFLICT = "id_conflict"
    SITE_LIMIT = "site_limit"
    SITE_TAKEN = "site_taken"
    STORE_FAILED = "store_failed"
    CLIENT_LIMIT = "client_limit"
    FOREIGN_ORIGIN = "foreign_origin"
    UNREACHABLE = "unreachable"
    READ_ONLY = "read_only"
    COMMAND_LIMIT = "command_limit"
    UNKNOWN_SITE = "unknown_site"
    BAD_CONFIG = "bad_config"
    BROKER_UNREACHABLE = "broker_unreachable"


class CloudError(WaysideError):
    """The centre cannot do what was asked."""

    reason: CloudReason
