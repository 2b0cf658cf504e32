"""Conformance checks of this vendor's own wire."""

from __future__ import annotations

from wayside.rsu import J2735_IDS, DeliveryState, Faults, RsuReason, Tx, downlink
from wayside.rsu.conformance import Bench, Check, Pair, check, ended_as, expect
from wayside.rsu.radio import Form, build_wsmp
from wayside.rsu.vendors.usdot_rsu41.config import ANY
from wayside.rsu.vendors.usdot_rsu41.emulator import UsdotRsu41Emulator


def _emulator(pair: Pair) -> UsdotRsu41Emulator:
    emulator = pair.emulator
    if not isinstance(emulator, UsdotRsu41Emulator):
        raise TypeError("these checks are for the emulator of this class")
    return emulator


@check("emulator")
async def text_is_exact(bench: Bench) -> None:
    """The text is right to the octet: lines, order, P-encoded PSID, upper-case hex, last LF."""
    async with bench.pair() as pair:
        envelope = bench.frames("MAP")[0]
        octets = envelope.uper or b""
        pair.adapter.send(downlink(bench.clock, "MAP", octets, dialect=envelope.dialect), ttl_ms=5_000)
        signed = Tx(channel=180, priority=3, sign=True)
        pair.adapter.send(
            downlink(bench.clock, "MAP", octets, dialect=envelope.dialect, tx=signed),
            ttl_ms=5_000,
            key="signed",
        )
        await pair.until("two texts", lambda: len(_emulator(pair).texts) == 2)
        for text, priority, channel, sign in zip(
            _emulator(pair).texts, (7, 3), (183, 180), ("False", "True"), strict=True
        ):
            wanted = (
                f"Version=0.7\nType=MAP\nPSID=0xE0000017\nPriority={priority}\nTxMode=CONT\nTxChannel={channel}\n"
                f"TxInterval=0\nDeliveryStart=\nDeliveryStop=\nSignature={sign}\nEncryption=False\n"
                f"Payload={octets.hex().upper()}\n"
            ).encode()
            expect(text == wanted, f"the text is {text[:160]!r}…")


@check("emulator")
async def one_packet_unless_fragments_are_allowed(bench: Bench) -> None:
    """The limit keeps a text within one packet, and rises only where fragments are allowed."""
    for fragmentation, limit in ((False, 658), (True, 1_400)):
        async with bench.pair(fragmentation=fragmentation) as pair:
            found = pair.adapter.capabilities.limit_bytes("SPAT")
            expect(found == limit, f"limit {found} with fragmentation {fragmentation}")
            spat = bench.frames("SPAT")[0]
            octets = (spat.uper or b"").ljust(limit, b"\0")
            full = downlink(bench.clock, "SPAT", octets, dialect=spat.dialect)
            delivery = pair.adapter.send(full, ttl_ms=5_000)
            await pair.until("the largest text", lambda p=pair: bool(_emulator(p).texts))  # type: ignore[misc]
            size = len(_emulator(pair).texts[0])
            expect(fragmentation or size <= 1_472, f"{size} octets; {ended_as(delivery)}")


@check("emulator")
async def a_message_without_psid_is_refused(bench: Bench) -> None:
    """A message for which no PSID is configured is UNSUPPORTED, and goes out once there is one."""
    frame = bytes((0, J2735_IDS["RSM"], 1, 0))
    for psids, state in (({}, DeliveryState.UNSUPPORTED), ({"RSM": 0x83}, DeliveryState.SENT)):
        async with bench.pair(psid_by_message=psids) as pair:
            message = downlink(bench.clock, "RSM", frame, dialect="j2735-2024")
            delivery = pair.adapter.send(message, ttl_ms=5_000)
            await pair.until(f"RSM {state}", lambda d=delivery, s=state: d.state is s)  # type: ignore[misc]


@check("emulator")
async def an_unknown_address_is_not_heard(bench: Bench) -> None:
    """Datagrams from an address that is not configured are dropped and counted."""
    async with bench.pair(uplink_sources=["127.0.0.9"]) as pair:
        pair.emulator.send_up(bench.frames("SPAT")[0].uper or b"")
        await pair.until("a refusal", lambda: pair.adapter.status().refused == 1)
        expect(pair.counters.dropped(RsuReason.UNKNOWN_SOURCE) == 1, "refused for another reason")
        expect(pair.adapter.status().last_heard_s is None, "it counts as a sign of life")


@check("emulator")
async def version_2_headers_are_read(bench: Bench) -> None:
    """A WSMP header of version 2, and extension elements in either version, are read, not searched around."""
    async with bench.pair() as pair:
        octets = bench.frames("SPAT")[0].uper or b""
        for version in (2, 3):
            before = len(pair.envelopes)
            datagram = build_wsmp(octets, 0x82, channel=183, data_rate=12, tx_power_dbm=-5, version=version)
            _emulator(pair).send_datagram(datagram)
            await pair.until(f"version {version}", lambda n=before: len(pair.envelopes) > n)  # type: ignore[misc]
            got = pair.envelopes[-1]
            expect(got.form == Form.WSMP and got.uper == octets, f"version {version}: came as {got.form}")
            expect((got.psid, got.tx.channel) == (0x82, 183), f"version {version}: {got.psid}, {got.tx}")


@check("emulator")
async def an_unknown_header_is_searched_and_flagged(bench: Bench) -> None:
    """A message behind a strange header is found and flagged; or refused where so configured."""
    octets = bench.frames("SPAT")[0].uper or b""
    strange = b"\xee\xff\xc1" + octets
    async with bench.pair() as pair:
        _emulator(pair).send_datagram(strange)
        await pair.until("the message", lambda: bool(pair.envelopes))
        expect(pair.envelopes[0].flags.header_searched, "not flagged")
        expect(pair.envelopes[0].uper == octets, "other octets")
    async with bench.pair(header_search=False) as pair:
        _emulator(pair).send_datagram(strange)
        await pair.until("a refusal", lambda: pair.adapter.status().refused == 1)


@check("emulator")
async def a_wrong_port_or_psid_is_flagged(bench: Bench) -> None:
    """A message on another message's port, or under another's PSID, arrives and is flagged."""
    octets = bench.frames("SPAT")[0].uper or b""
    async with bench.pair(uplink_ports={"SPAT": 0, "MAP": 0}) as pair:
        pair.emulator.faults = Faults(wrong_port=1.0)
        pair.emulator.send_up(octets)
        await pair.until("the message", lambda: bool(pair.envelopes))
        expect(pair.envelopes[0].flags.type_mismatch, "the port is not flagged")
    async with bench.pair(uplink_ports={ANY: 0}) as pair:
        pair.emulator.faults = Faults(wrong_type=1.0)
        pair.emulator.send_up(octets)
        await pair.until("the message", lambda: bool(pair.envelopes))
        expect(pair.envelopes[0].flags.psid_mismatch, "the PSID is not flagged")
        expect(not pair.envelopes[0].flags.type_mismatch, "a port for any message is flagged")


@check("emulator")
async def a_large_datagram_is_refused(bench: Bench) -> None:
    """A datagram over the configured size is dropped unread and counted."""
    async with bench.pair(max_datagram_bytes=1_024) as pair:
        _emulator(pair).send_datagram((bench.frames("SPAT")[0].uper or b"").ljust(1_025, b"\0"))
        await pair.until("a refusal", lambda: pair.adapter.status().refused == 1)
        expect(pair.counters.dropped(RsuReason.TOO_LARGE) == 1, "refused for another reason")


CHECKS: tuple[Check, ...] = (
    text_is_exact,
    one_packet_unless_fragments_are_allowed,
    a_message_without_psid_is_refused,
    an_unknown_address_is_not_heard,
    version_2_headers_are_read,
    an_unknown_header_is_searched_and_flagged,
    a_wrong_port_or_psid_is_flagged,
    a_large_datagram_is_refused,
)
