from __future__ import annotations

from wayside.observe import Reason, WaysideError


class SignalReason(Reason, stage="signals"):
    """Why what was heard of a signal was not used.

    TSCBM_*: datagram that is none. UNKNOWN_CONTROLLER: no intersection of the site has this address.
    OTHER_SOURCE: the site takes this intersection from elsewhere. OLD: not newer than what is known.
    CONTRADICTION: a phase shows lights that exclude each other. FULL: more intersections or groups than the
    board holds.
    """

    TSCBM_LENGTH = "tscbm_length"
    TSCBM_HEADER = "tscbm_header"
    TSCBM_BLOCKS = "tscbm_blocks"
    TSCBM_TIME = "tscbm_time"
    UNKNOWN_CONTROLLER = "unknown_controller"
    OTHER_SOURCE = "other_source"
    OLD = "old"
    CONTRADICTION = "contradiction"
    FULL = "full"


class SignalError(WaysideError):
    """A datagram of a signal controller that was refused."""

    reason: SignalReason
