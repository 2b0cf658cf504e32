from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wayside.observe import WaysideError
from wayside.obu._reasons import ObuError, ObuReason

# A wire value is a pair in the CSAE dialects and a dict in J2735.
WireValue = dict[str, Any] | tuple[str, Any]

if TYPE_CHECKING:
    from wayside.asn1.messages import BasicSafety


def encoded(dialect: str, message: BasicSafety | WireValue | bytes) -> bytes:
    """Octets of a MessageFrame: given as such, as a wire value, or as a typed message of any dialect.

    The message layer is imported only when it is needed. Raises ObuError BAD_MESSAGE.
    """
    if isinstance(message, bytes | bytearray | memoryview):
        return bytes(message)
    from wayside.asn1 import load

    try:
        if isinstance(message, dict | tuple):
            return load(dialect).encode(message)
        from wayside.asn1.translate import to_wire

        value, _lost = to_wire(dialect, message)
        return load(dialect).encode(value)
    except WaysideError as error:  # of the codec or the translator
        raise ObuError(ObuReason.BAD_MESSAGE, error.what, where=error.where) from None
