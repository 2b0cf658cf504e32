from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wayside.obu._reasons import ObuError, ObuReason

if TYPE_CHECKING:
    from wayside.asn1.messages import BasicSafety


def encoded(dialect: str, message: BasicSafety | dict[str, Any] | bytes) -> bytes:
    """Octets of a MessageFrame: given as such, as a wire value, or as a typed message of any dialect.

    The message layer is imported only when it is needed. Raises ObuError BAD_MESSAGE.
    """
    if isinstance(message, bytes | bytearray | memoryview):
        return bytes(message)
    from wayside.asn1 import CodecError, load

    try:
        if isinstance(message, dict | tuple):
            return load(dialect).encode(message)
        from wayside.asn1.translate import to_wire

        value, _lost = to_wire(dialect, message)
        return load(dialect).encode(value)
    except CodecError as error:
        raise ObuError(ObuReason.BAD_MESSAGE, str(error), where=error.where) from None
