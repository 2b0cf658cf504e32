from __future__ import annotations

from wayside.observe import Reason, WaysideError


class SensorReason(Reason, stage="sensors"):
    """Why a scan, one of its objects, or a sensor's connection was refused.

    OBJECT_*: that object alone is dropped, the scan goes on.
    """

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    WRONG_VERSION = "wrong_version"
    UNKNOWN_SENSOR = "unknown_sensor"
    WRONG_SOURCE = "wrong_source"
    BAD_TOKEN = "bad_token"
    FLOOD = "flood"
    DUPLICATE = "duplicate"
    OUT_OF_DATE = "out_of_date"
    STALE = "stale"
    FUTURE = "future"
    TOO_MANY_OBJECTS = "too_many_objects"
    OBJECT_MALFORMED = "object_malformed"
    OBJECT_NOT_FINITE = "object_not_finite"
    OBJECT_OUT_OF_RANGE = "object_out_of_range"
    OBJECT_IMPLAUSIBLE = "object_implausible"


class SensorError(WaysideError):
    """A scan or connection of a sensor that was refused."""

    reason: SensorReason
