"""MQTT 3.1.1 packets: octets from values and back. Pure; client and broker share it.

Source: OASIS MQTT Version 3.1.1, sections 2 and 3. QoS 0 and 1; QoS 2 is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu.mqtt._topics import check_filter, check_topic

PROTOCOL_LEVEL = 4
MAX_REMAINING = 268_435_455


class Will(msgspec.Struct, frozen=True):
    """What the broker publishes for a client that vanishes without a DISCONNECT."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """First packet of a client. keep_alive_s: 0..65535, 0 off. level: protocol level, 4 for MQTT 3.1.1."""

    client_id: str
    keep_alive_s: int = 60
    clean_session: bool = True
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    level: int = PROTOCOL_LEVEL


class ConnAck(msgspec.Struct, frozen=True):
    """Answer to Connect. code: 0 taken; 1 level, 2 client id, 3 unavailable, 4 user or password, 5 rights."""

    code: int
    session_present: bool = False


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """One message under a topic. packet_id: 1..65535 at QoS 1, 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    duplicate: bool = False
    packet_id: int = 0


class PubAck(msgspec.Struct, frozen=True):
    """A QoS 1 message was taken."""

    packet_id: int


class Subscribe(msgspec.Struct, frozen=True):
    """Wish for the messages of filters, each with the highest QoS wanted."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


class SubAck(msgspec.Struct, frozen=True):
    """Answer to Subscribe: QoS granted a filter, 0x80 refused."""

    packet_id: int
    codes: tuple[int, ...]


class Unsubscribe(msgspec.Struct, frozen=True):
    """End of subscriptions."""

    packet_id: int
    filters: tuple[str, ...]


class UnsubAck(msgspec.Struct, frozen=True):
    """Answer to Unsubscribe."""

    packet_id: int


class PingReq(msgspec.Struct, frozen=True):
    """A client's sign of life."""


class PingResp(msgspec.Struct, frozen=True):
    """Answer to PingReq."""


class Disconnect(msgspec.Struct, frozen=True):
    """A client's clean end: its will is not published."""


Packet = (
    Connect
    | ConnAck
    | Publish
    | PubAck
    | Subscribe
    | SubAck
    | Unsubscribe
    | UnsubAck
    | PingReq
    | PingResp
    | Disconnect
)


def build_packet(packet: Packet) -> bytes:
    """Octets of a packet. Raises RsuError TOO_LARGE, MALFORMED for a topic or text that cannot be sent."""
    match packet:
        case Connect():
            return _framed(0x10, _connect(packet))
        case ConnAck():
            return _framed(0x20, bytes((packet.session_present, packet.code)))
        case Publish():
            check_topic(packet.topic)
            flags = 0x30 | packet.duplicate << 3 | packet.qos << 1 | packet.retain
            number = _number(packet.packet_id) if packet.qos else b""
            return _framed(flags, _text(packet.topic) + number + packet.payload)
        case PubAck():
            return _framed(0x40, _number(packet.packet_id))
        case Subscribe():
            wanted = b"".join(_text(check_filter(name)) + bytes((qos,)) for name, qos in packet.filters)
            return _framed(0x82, _number(packet.packet_id) + wanted)
        case SubAck():
            return _framed(0x90, _number(packet.packet_id) + bytes(packet.codes))
        case Unsubscribe():
            names = b"".join(_text(check_filter(name)) for name in packet.filters)
            return _framed(0xA2, _number(packet.packet_id) + names)
        case UnsubAck():
            return _framed(0xB0, _number(packet.packet_id))
        case PingReq():
            return b"\xc0\x00"
        case PingResp():
            return b"\xd0\x00"
        case Disconnect():
            return b"\xe0\x00"


class PacketReader:
    """Cuts a stream into packets. limit_bytes: of one packet; a larger one is refused by its header alone.

    passed_over: takes packet id (0 at QoS 0) and octets of a larger message, which is then skipped unread,
    so that one sender's message does not end the stream for all.
    """

    def __init__(self, limit_bytes: int, passed_over: Callable[[int, int], None] | None = None) -> None:
        self._limit = min(limit_bytes, MAX_REMAINING)
        self._passed_over = passed_over
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> list[Packet]:
        """Packets that are complete with these octets. Raises RsuError MALFORMED, TOO_LARGE, UNSUPPORTED:
        the stream cannot be read on then."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._buffer += data[skipped:]
        packets: list[Packet] = []
        at = 0
        while (head := self._head(at)) is not None:
            first, start, length = head
            if length > self._limit:
                if not self._pass_over(first, start, length):
                    break
                end = start + length
                at = min(end, len(self._buffer))
                self._skip = end - at
                continue
            if len(self._buffer) < start + length:
                break
            packets.append(_parse(first, bytes(self._buffer[start : start + length])))
            at = start + length
        del self._buffer[:at]
        return packets

    def _head(self, at: int) -> tuple[int, int, int] | None:
        """First octet, start of the body and its length; None while the header is not complete."""
        if at < len(self._buffer):
            _check_first(self._buffer[at])
        length = shift = 0
        for i in range(at + 1, min(at + 5, len(self._buffer))):
            octet = self._buffer[i]
            length |= (octet & 0x7F) << shift
            shift += 7
            if not octet & 0x80:
                passes = self._passed_over is not None and self._buffer[at] >> 4 == 3
                if length > self._limit and not passes:
                    raise RsuError(RsuReason.TOO_LARGE, f"packet of {length} octets", limit=self._limit)
                return self._buffer[at], i + 1, length
        if len(self._buffer) >= at + 5:
            raise _malformed("a length of more than four octets", "header")
        return None

    def _pass_over(self, first: int, start: int, length: int) -> bool:
        """Whether a large message's topic and number are there; then it is told."""
        topic = int.from_bytes(self._buffer[start : start + 2], "big")
        head = min(2 + topic + (2 if first & 0x06 else 0), length)
        if len(self._buffer) < start + max(head, 2):
            return False
        found = _publish(first & 0x0F, _Cursor(bytes(self._buffer[start : start + head])))
        if self._passed_over is not None:
            self._passed_over(found.packet_id, length)
        return True


def _check_first(first: int) -> None:
    """What is no packet is refused by its first octet, however long it says it is."""
    kind, flags = first >> 4, first & 0x0F
    if kind in (0, 5, 6, 7, 15):
        raise RsuError(RsuReason.UNSUPPORTED, f"packet kind {kind} (QoS 2 or none of MQTT 3.1.1)")
    if kind == 3:
        if flags >> 1 & 3 > 1:
            raise RsuError(RsuReason.UNSUPPORTED, f"QoS {flags >> 1 & 3}")
    elif flags != (2 if kind in (8, 10) else 0):
        raise _malformed(f"flags {flags:#x} of packet {kind}", "header")


def _parse(first: int, body: bytes) -> Packet:
    kind = first >> 4
    cursor = _Cursor(body)
    packet: Packet
    match kind:
        case 1:
            packet = _read_connect(cursor)
        case 3:
            packet = _publish(first & 0x0F, cursor)
        case 2:
            flag, code = cursor.octet(), cursor.octet()
            packet = ConnAck(code, bool(flag & 1))
        case 4:
            packet = PubAck(cursor.packet_id())
        case 8:
            number, wanted = cursor.packet_id(), []
            while cursor.left:
                name = check_filter(cursor.text())
                wanted.append((name, cursor.octet()))
                if wanted[-1][1] > 2:
                    raise _malformed(f"QoS {wanted[-1][1]}", name)
            packet = Subscribe(number, tuple(wanted))
        case 9:
            packet = SubAck(cursor.packet_id(), tuple(cursor.rest()))
        case 10:
            number, names = cursor.packet_id(), []
            while cursor.left:
                names.append(check_filter(cursor.text()))
            packet = Unsubscribe(number, tuple(names))
        case 11:
            packet = UnsubAck(cursor.packet_id())
        case 12:
            packet = PingReq()
        case 13:
            packet = PingResp()
        case _:
            packet = Disconnect()
    if cursor.left or (isinstance(packet, Subscribe | Unsubscribe) and not packet.filters):
        raise _malformed(f"length of packet {kind}", "body")
    return packet


def _publish(flags: int, cursor: _Cursor) -> Publish:
    qos = flags >> 1 & 3
    topic = check_topic(cursor.text())
    packet_id = cursor.packet_id() if qos else 0
    return Publish(
        topic=topic,
        payload=cursor.rest(),
        qos=qos,
        retain=bool(flags & 1),
        duplicate=bool(flags & 8),
        packet_id=packet_id,
    )


def _connect(packet: Connect) -> bytes:
    will = packet.will
    flags = packet.clean_session << 1
    tail = _text(packet.client_id)
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
        tail += _text(check_topic(will.topic)) + _octets(will.payload)
    if packet.username is not None:
        flags |= 0x80
        tail += _text(packet.username)
        if packet.password is not None:
            flags |= 0x40
            tail += _octets(packet.password)
    return _text("MQTT") + bytes((packet.level, flags)) + _number(packet.keep_alive_s) + tail


def _read_connect(cursor: _Cursor) -> Connect:
    if cursor.text() not in ("MQTT", "MQIsdp"):
        raise _malformed("no MQTT", "protocol name")
    level, flags, keep_alive_s = cursor.octet(), cursor.octet(), cursor.number()
    if flags & 1 or (flags & 0x40 and not flags & 0x80):
        raise _malformed(f"connect flags {flags:#04x}", "flags")
    client_id, will = cursor.text(), None
    if flags & 0x04:
        topic, payload, qos = check_topic(cursor.text()), cursor.octets(), flags >> 3 & 3
        if qos > 1:
            raise RsuError(RsuReason.UNSUPPORTED, f"will with QoS {qos}")
        will = Will(topic, payload, qos, bool(flags & 0x20))
    elif flags & 0x38:
        raise _malformed("a will's flags without a will", "flags")
    username = cursor.text() if flags & 0x80 else None
    password = cursor.octets() if flags & 0x40 else None
    return Connect(
        client_id=client_id,
        keep_alive_s=keep_alive_s,
        clean_session=bool(flags & 2),
        username=username,
        password=password,
        will=will,
        level=level,
    )


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise _malformed(f"{count} octets where {self.left} are left", f"octet {self._at}")
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        return self.take(self.left)

    def octet(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def packet_id(self) -> int:
        number = self.number()
        if not number:
            raise _malformed("packet id 0", f"octet {self._at - 2}")
        return number

    def octets(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            return self.octets().decode("utf-8")
        except UnicodeDecodeError:
            raise _malformed("no UTF-8", f"octet {self._at}") from None


def _framed(first: int, body: bytes) -> bytes:
    if len(body) > MAX_REMAINING:
        raise RsuError(RsuReason.TOO_LARGE, f"packet of {len(body)} octets", limit=MAX_REMAINING)
    head, rest = bytearray((first,)), len(body)
    while rest > 0x7F:
        head.append(rest & 0x7F | 0x80)
        rest >>= 7
    head.append(rest)
    return bytes(head) + body


def _number(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _octets(data: bytes) -> bytes:
    if len(data) > 0xFFFF:
        raise RsuError(RsuReason.TOO_LARGE, f"field of {len(data)} octets", limit=0xFFFF)
    return _number(len(data)) + data


def _text(text: str) -> bytes:
    return _octets(text.encode("utf-8"))


def _malformed(what: str, where: str) -> RsuError:
    return RsuError(RsuReason.MALFORMED, f"MQTT: {what}", where=where)
