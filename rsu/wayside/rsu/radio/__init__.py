"""What US-family units put around a message on its way: PSID, WSMP header, IEEE 1609.2 wrapper.

All of it is pure: octets in, values out, RsuError for what does not fit.
"""

from __future__ import annotations

from wayside.rsu.radio._dot2 import Dot2, peel_dot2, wrap_signed_shape, wrap_unsecured
from wayside.rsu.radio._peel import Form, Peeled, Unchecked, peel
from wayside.rsu.radio._psid import decode_psid, encode_psid
from wayside.rsu.radio._wsmp import Wsm, build_wsmp, parse_wsmp

__all__ = [
    "Dot2",
    "Form",
    "Peeled",
    "Unchecked",
    "Wsm",
    "build_wsmp",
    "decode_psid",
    "encode_psid",
    "parse_wsmp",
    "peel",
    "peel_dot2",
    "wrap_signed_shape",
    "wrap_unsecured",
]
