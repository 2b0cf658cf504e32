"""Conformance checks of this vendor's own wire."""

from __future__ import annotations

from typing import Any

from wayside.rsu import DeliveryState, DeviceState, Faults, RsuError, RsuReason
from wayside.rsu.conformance import Bench, Check, Pair, check, ended_as, expect
from wayside.rsu.vendors.tits0117.adapter import Tits0117
from wayside.rsu.vendors.tits0117.emulator import Tits0117Emulator
from wayside.rsu.vendors.tits0117.faults import AckMode, Tits0117Faults


def _emulator(pair: Pair) -> Tits0117Emulator:
    emulator = pair.emulator
    if not isinstance(emulator, Tits0117Emulator):
        raise TypeError("these checks are for the emulator of this class")
    return emulator


def _adapter(pair: Pair) -> Tits0117:
    adapter = pair.adapter
    if not isinstance(adapter, Tits0117):
        raise TypeError("these checks are for the adapter of this class")
    return adapter


@check("emulator")
async def an_unapproved_unit_is_parked(bench: Bench) -> None:
    """A unit that registers waits for approval: nothing of it is taken, nothing sent to it, until then."""
    async with bench.pair(approved=False) as pair:
        spat = bench.frames("SPAT")[0]
        _emulator(pair).register()
        await pair.until("PENDING", lambda: pair.adapter.state is DeviceState.PENDING_APPROVAL)
        pair.emulator.send_up(spat.uper or b"")
        await pair.until("a refusal", lambda: pair.counters.dropped(RsuReason.NOT_APPROVED) == 1)
        delivery = pair.adapter.send(spat, ttl_ms=5_000)
        await pair.until("a refusal down", lambda: delivery.state is DeliveryState.REJECTED)
        expect(delivery.reason is RsuReason.NOT_APPROVED, ended_as(delivery))
        expect(not _emulator(pair).approved and not pair.on_air and not pair.envelopes, "it was let in")
        _adapter(pair).approve()
        await pair.until("its orders", lambda: _emulator(pair).approved)
        pair.emulator.send_up(spat.uper or b"")
        await pair.until("the message", lambda: len(pair.envelopes) == 1)
        expect(pair.adapter.state is DeviceState.ONLINE, f"approved, but {pair.adapter.state}")


@check("emulator")
async def registering_twice_changes_nothing(bench: Bench) -> None:
    """A unit that registers again is the same unit: no event, no second order within ten seconds."""
    async with bench.pair() as pair:
        _emulator(pair).register()
        await pair.until("ONLINE", lambda: pair.adapter.state is DeviceState.ONLINE)
        events = len(pair.events)
        for _ in range(5):
            _emulator(pair).register()
        repeated = 5
        await pair.until(
            "all of them", lambda: pair.counters.value("rsu_registration", "repeated") >= repeated
        )
        expect(len(pair.events) == events, f"events {pair.events[events:]}")


@check("emulator")
async def a_stranger_is_not_heard(bench: Bench) -> None:
    """What another unit sends under a shared topic is counted and no sign of life of this one."""
    async with bench.pair(esn="ANOTHER", unit_id="other") as pair:
        _emulator(pair).beat()
        await pair.until("a refusal", lambda: pair.adapter.status().refused >= 1)
        expect(pair.counters.dropped(RsuReason.UNKNOWN_SOURCE) >= 1, "refused for another reason")
        expect(pair.adapter.status().last_heard_s is None, "it counts as a sign of life")


@check("emulator")
async def three_missed_heartbeats_are_offline(bench: Bench) -> None:
    """The unit beats as told; it is OFFLINE after three beats that did not come, and comes back."""
    async with bench.pair(hb_rate_s=2) as pair:
        await pair.until("its orders", lambda: _emulator(pair).management.hb_rate_s == 2)
        await pair.pass_time(9.0)
        beats = pair.counters.value("rsu_report", "HB")
        expect(beats >= 3, f"{beats} heartbeats in 9 s")
        expect(pair.adapter.state is DeviceState.ONLINE, f"it beats, but is {pair.adapter.state}")
        pair.emulator.faults = Tits0117Faults(no_beats=True)
        await pair.pass_time(5.0)
        expect(pair.adapter.state is DeviceState.ONLINE, f"{pair.adapter.state} before three beats")
        await pair.pass_time(3.0)
        expect(pair.adapter.state is DeviceState.OFFLINE, f"silent, but {pair.adapter.state}")
        pair.emulator.faults = Faults()
        await pair.pass_time(2.5)
        await pair.until("ONLINE", lambda: pair.adapter.state is DeviceState.ONLINE)


async def _map_under(bench: Bench, pair: Pair, mode: AckMode) -> Any:
    pair.emulator.faults = Tits0117Faults(ack=mode)
    delivery = pair.adapter.send(bench.frames("MAP")[0], ttl_ms=20_000, key=mode)
    await pair.until("the map on the air", lambda: bool(pair.on_air))
    return delivery


@check("emulator")
async def only_the_units_own_word_acknowledges(bench: Bench) -> None:
    """A MAP is ACKED by the right sequence number alone, in whatever form; never where nothing confirms."""
    async with bench.pair() as pair:
        confirms = "MAP" in pair.adapter.capabilities.ack_by_message
        modes: tuple[AckMode, ...] = ("ok", "number", "duplicate")
        for mode in modes if confirms else ("ok",):
            delivery = await _map_under(bench, pair, mode)
            if confirms:
                await pair.until(
                    f"ACKED when {mode}",
                    lambda d=delivery: d.state is DeliveryState.ACKED,  # type: ignore[misc]
                )
            await pair.pass_time(1.0)
            wanted = DeliveryState.ACKED if confirms else DeliveryState.SENT
            expect(delivery.state is wanted, ended_as(delivery))
        if confirms:
            await pair.until(
                "the second one counted", lambda: pair.counters.dropped(RsuReason.UNEXPECTED_ACK) == 1
            )


@check("emulator")
async def a_wrong_acknowledgement_raises_nothing(bench: Bench) -> None:
    """An acknowledgement of nothing is counted; the MAP is sent again, then TIMEOUT, though one is late."""
    async with bench.pair() as pair:
        if "MAP" not in pair.adapter.capabilities.ack_by_message:
            return
        delivery = await _map_under(bench, pair, "unknown")
        await pair.until("a count", lambda: pair.counters.dropped(RsuReason.UNEXPECTED_ACK) >= 1)
        expect(delivery.state is DeliveryState.SENT, ended_as(delivery))
        pair.emulator.faults = Tits0117Faults(ack="late", ack_late_s=30.0)
        await pair.pass_time(16.0)
        expect(delivery.state is DeliveryState.TIMEOUT, ended_as(delivery))
        await pair.until("three of them", lambda: len(pair.on_air) == 3)
        before = pair.counters.dropped(RsuReason.UNEXPECTED_ACK)
        await pair.pass_time(30.0)
        await pair.until("the late one", lambda: pair.counters.dropped(RsuReason.UNEXPECTED_ACK) > before)
        expect(delivery.state is DeliveryState.TIMEOUT, f"late, but {ended_as(delivery)}")


@check("emulator")
async def a_refusal_of_the_unit_is_told(bench: Bench) -> None:
    """An error code ends the MAP as REJECTED with the code beside it."""
    async with bench.pair() as pair:
        if "MAP" not in pair.adapter.capabilities.ack_by_message:
            return
        delivery = await _map_under(bench, pair, "error")
        await pair.until("REJECTED", lambda: delivery.state is DeliveryState.REJECTED)
        expect(delivery.reason is RsuReason.DEVICE_ERROR, ended_as(delivery))
        expect("2" in delivery.detail, f"the code is not in: {delivery.detail}")


@check("emulator")
async def a_lying_clock_is_flagged_and_drops_nothing(bench: Bench) -> None:
    """A unit 90 minutes off is DEGRADED, its offset is known, and its messages arrive."""
    async with bench.pair(faults=Tits0117Faults(clock_skew_ms=5_400_000)) as pair:
        _emulator(pair).beat()
        await pair.until("DEGRADED", lambda: pair.adapter.state is DeviceState.DEGRADED)
        pair.emulator.send_up(bench.frames("SPAT")[0].uper or b"")
        await pair.until("the message", lambda: bool(pair.envelopes))
        expect(pair.envelopes[0].flags.clock_skew, "not flagged")
        offset_ms = pair.adapter.status().clock_offset_ms or 0.0
        expect(abs(offset_ms - 5_400_000) < 10_000, f"offset {offset_ms} ms")
        pair.emulator.faults = Faults()
        for _ in range(5):
            _emulator(pair).beat()
        await pair.until("ONLINE", lambda: pair.adapter.state is DeviceState.ONLINE)


@check("emulator")
async def payloads_of_a_wrong_form_are_refused(bench: Bench) -> None:
    """Empty, cut, swapped, foreign and mislabelled payloads are refused, and the next good one arrives."""
    async with bench.pair() as pair:
        octets = bench.frames("SPAT")[0].uper or b""
        emulator, sent = _emulator(pair), 0
        for kind in ("SPAT", "RSM", "HB"):
            for payload in (b"", b"\0" * 7, b"[]", b'{"rsuEsn":', b"\xff" * 40, b"[" * 10_000):
                emulator.send_payload(kind, payload)
                sent += 1
        for faults in (
            Tits0117Faults(wrong_type=1.0),
            Tits0117Faults(wrong_length=-3),
            *((Tits0117Faults(big_endian=1.0),) if emulator.form == "envelope" else ()),
        ):
            pair.emulator.faults = faults
            sent += emulator.send_up(octets)
        pair.emulator.faults = Faults()
        emulator.send_up(octets)
        await pair.until("the good one", lambda: bool(pair.envelopes))
        status = pair.adapter.status()
        expect(status.refused == sent, f"{status.refused} of {sent} refused")
        expect(len(pair.envelopes) == 1, f"{len(pair.envelopes)} arrived")


@check("emulator")
async def settings_are_confirmed_or_refused(bench: Bench) -> None:
    """Settings return when the unit has taken them, or raise its error."""
    async with bench.pair() as pair:
        await pair.adapter.configure({"rsmConfig": {"upLimit": 10}})
        await pair.until("the settings", lambda: "rsmconfig" in _emulator(pair).settings)
        if "CONFIG" not in _emulator(pair).layout.acknowledged:
            return
        pair.emulator.faults = Tits0117Faults(ack="error")
        try:
            await pair.adapter.configure({"rsmConfig": {"upLimit": 20}})
        except RsuError as error:
            expect(error.reason is RsuReason.DEVICE_ERROR and error.vendor_code == "2", str(error))
        else:
            expect(False, "a refusal was taken for a yes")


CHECKS: tuple[Check, ...] = (
    an_unapproved_unit_is_parked,
    registering_twice_changes_nothing,
    a_stranger_is_not_heard,
    three_missed_heartbeats_are_offline,
    only_the_units_own_word_acknowledges,
    a_wrong_acknowledgement_raises_nothing,
    a_refusal_of_the_unit_is_told,
    a_lying_clock_is_flagged_and_drops_nothing,
    payloads_of_a_wrong_form_are_refused,
    settings_are_confirmed_or_refused,
)
