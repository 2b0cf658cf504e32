from __future__ import annotations

import asyncio

from wayside.rsu._emulator import Faults
from wayside.rsu._envelope import downlink
from wayside.rsu._reasons import RsuError, RsuReason
from wayside.rsu._states import CEILING, PROGRESS, DeliveryState, DeviceState
from wayside.rsu.conformance._bench import Bench, Check, check, ended_as, expect, turn


@check("emulator")
async def each_message_goes_out(bench: Bench) -> None:
    """Each kind of message the vendor takes is broadcast with exactly the octets that its wire carries."""
    async with bench.pair() as pair:
        for envelope in bench.frames():
            delivery = pair.adapter.send(envelope, ttl_ms=5_000)
            await pair.pass_time(0.1)
            wanted = pair.emulator.carried(envelope.uper or b"")
            await pair.until(f"{envelope.message} on the air", lambda w=wanted: w in pair.on_air)  # type: ignore[misc]
            expect(delivery.state in PROGRESS[1:], ended_as(delivery))


@check()
async def acknowledgement_is_truthful(bench: Bench) -> None:
    """A delivery's state never goes above what the interface can confirm."""
    async with bench.pair() as pair:
        capabilities = await pair.adapter.probe()
        delivery = pair.adapter.send(bench.frames()[0], ttl_ms=5_000)
        await pair.until("the message was sent", lambda: delivery.state is not DeliveryState.QUEUED)
        await pair.pass_time(0.5)
        level = capabilities.ack_of(delivery.message)
        highest = PROGRESS.index(CEILING[level])
        expect(delivery.state in PROGRESS[1:], ended_as(delivery))
        expect(
            PROGRESS.index(delivery.state) <= highest,
            f"{ended_as(delivery)} at level {level.name}",
        )


@check()
async def expired_is_never_sent(bench: Bench) -> None:
    """A message whose time is over before its turn is EXPIRED and does not leave."""
    async with bench.pair(sends_per_s=1.0) as pair:
        first, late = (bench.frames("SPAT") * 2)[:2]
        pair.adapter.send(first, ttl_ms=5_000, key="a")
        delivery = pair.adapter.send(late, ttl_ms=100, key="b")
        await pair.pass_time(1.5)
        expect(delivery.state is DeliveryState.EXPIRED, ended_as(delivery))
        expect(delivery.sent_utc_ns is None, "it has a time of sending")


@check()
async def oversize_is_refused_with_the_limit(bench: Bench) -> None:
    """One octet over the limit is TOO_LARGE at once, and the limit is named."""
    async with bench.pair() as pair:
        envelope = bench.frames("SPAT")[0]
        limit = pair.adapter.capabilities.limit_bytes("SPAT")
        octets = (envelope.uper or b"").ljust(limit + 1, b"\0")
        large = downlink(bench.clock, "SPAT", octets, dialect=envelope.dialect)
        delivery = pair.adapter.send(large, ttl_ms=1_000)
        expect(delivery.state is DeliveryState.TOO_LARGE, ended_as(delivery))
        expect(str(limit) in delivery.detail, f"{limit} is not in: {delivery.detail}")


@check()
async def unknown_is_refused(bench: Bench) -> None:
    """A message or dialect the device does not take, and a frame that is another message, are refused."""
    async with bench.pair() as pair:
        spat = bench.frames("SPAT")[0]
        octets = spat.uper or b""
        dialect = spat.dialect
        for envelope, state in (
            (downlink(bench.clock, "CSR", octets, dialect=dialect), DeliveryState.UNSUPPORTED),
            (downlink(bench.clock, "SPAT", octets, dialect="no-such"), DeliveryState.UNSUPPORTED),
            (downlink(bench.clock, "MAP", octets, dialect=dialect), DeliveryState.ENCODE_ERROR),
        ):
            delivery = pair.adapter.send(envelope, ttl_ms=1_000)
            expect(delivery.state is state, ended_as(delivery))


@check()
async def the_newest_wins(bench: Bench) -> None:
    """Of signal states that wait, only the newest goes out; the older one is SUPERSEDED."""
    async with bench.pair(sends_per_s=1.0) as pair:
        frames = bench.frames("SPAT")
        sent, old, new = (pair.adapter.send(frames[i], ttl_ms=5_000) for i in (0, 1, 2))
        # The first may have been replaced before it left: what counts is that the newest leaves.
        await pair.pass_time(2.5)
        expect(new.state in PROGRESS[1:], ended_as(new))
        expect(old.state is DeliveryState.SUPERSEDED, ended_as(old))
        expect(sent.ended or sent.state in PROGRESS[1:], ended_as(sent))


@check()
async def the_urgent_overtakes(bench: Bench) -> None:
    """A message of higher priority leaves before one that waits."""
    async with bench.pair(sends_per_s=1.0) as pair:
        filler, slow, fast = bench.frames("SPAT")
        pair.adapter.send(filler, ttl_ms=9_000, key="a")
        await turn()
        later = pair.adapter.send(slow, ttl_ms=9_000, key="b")
        sooner = pair.adapter.send(fast, ttl_ms=9_000, key="c", priority=7)
        await pair.pass_time(3.0)
        for delivery in (later, sooner):
            expect(delivery.sent_utc_ns is not None, ended_as(delivery))
        expect((sooner.sent_utc_ns or 0) < (later.sent_utc_ns or 0), "the urgent one left later")


@check()
async def waiting_can_be_revoked(bench: Bench) -> None:
    """A message that still waits can be taken back, and then never leaves."""
    async with bench.pair(sends_per_s=1.0) as pair:
        first, second = (bench.frames("SPAT") * 2)[:2]
        pair.adapter.send(first, ttl_ms=5_000, key="a")
        await turn()
        delivery = pair.adapter.send(second, ttl_ms=5_000, key="b")
        expect(await pair.adapter.revoke(delivery), "revoke says no")
        await pair.pass_time(2.0)
        expect(delivery.state is DeliveryState.REVOKED, ended_as(delivery))
        expect(delivery.sent_utc_ns is None, "it left all the same")


@check("emulator")
async def uplink_arrives_in_each_form(bench: Bench) -> None:
    """An uplink arrives checked, with exactly the octets that its wire carries, in each form it knows."""
    async with bench.pair() as pair:
        for form in pair.emulator.forms or (pair.emulator.form,):
            pair.emulator.form = form
            for envelope in bench.frames():
                before = len(pair.envelopes)
                pair.emulator.send_up(envelope.uper or b"")
                await pair.until(f"{envelope.message} as {form}", lambda n=before: len(pair.envelopes) > n)  # type: ignore[misc]
                got = pair.envelopes[-1]
                wanted = pair.emulator.carried(envelope.uper or b"")
                expect(got.uper == wanted, f"{envelope.message} as {form}: other octets")
                expect(
                    got.message == envelope.message, f"{envelope.message} as {form}: came as {got.message}"
                )
                expect(got.form == form, f"{envelope.message}: came as {got.form}, not {form}")
                expect(got.value is not None, f"{envelope.message} as {form}: not decoded")
                expect(not got.security.verified, "a signature is said to be verified")
                expect(not got.flags.header_searched, f"{envelope.message} as {form}: header was searched")


@check("emulator")
async def padding_is_cut_off_and_told(bench: Bench) -> None:
    """Octets behind an uplink are no part of it, and flagged."""
    async with bench.pair(faults=Faults(pad_bytes=16)) as pair:
        envelope = bench.frames("SPAT")[0]
        pair.emulator.send_up(envelope.uper or b"")
        await pair.until("the padded message", lambda: bool(pair.envelopes))
        wanted = pair.emulator.carried(envelope.uper or b"")
        expect(pair.envelopes[0].uper == wanted, "padding was taken for message")
        expect(pair.envelopes[0].flags.trailing_bytes > 0, "padding is not flagged")


@check("emulator")
async def damage_is_counted_and_the_rest_goes_on(bench: Bench) -> None:
    """Damaged uplinks are refused and counted, or decode; none disappears, and the next good one arrives."""
    async with bench.pair(faults=Faults(corrupt=1.0, seed=7)) as pair:
        envelope = bench.frames("SPAT")[0]
        sent = 0
        for form in (pair.emulator.forms or (pair.emulator.form,)) * 8:
            pair.emulator.form = form
            sent += pair.emulator.send_up(envelope.uper or b"")
        pair.emulator.faults.corrupt = 0.0
        sent += pair.emulator.send_up(envelope.uper or b"")

        def accounted() -> bool:
            status = pair.adapter.status()
            return status.received + status.refused == sent and len(pair.envelopes) == status.received

        await pair.until("the good one, and an account of all", accounted)
        last = pair.envelopes[-1:]
        wanted = pair.emulator.carried(envelope.uper or b"")
        expect(bool(last) and last[0].uper == wanted, "the good one did not come")
        expect(pair.adapter.status().refused > 0, "not one of the damaged was refused")


@check("emulator")
async def a_wrong_length_is_refused(bench: Bench) -> None:
    """A header whose length passes the end of the datagram does not bring the message through unflagged."""
    async with bench.pair(faults=Faults(wrong_length=20)) as pair:
        envelope = bench.frames("SPAT")[0]
        pair.emulator.send_up(envelope.uper or b"")
        pair.emulator.faults.wrong_length = 0
        pair.emulator.send_up(envelope.uper or b"")
        await pair.until("the good one", lambda: any(not e.flags.header_searched for e in pair.envelopes))
        status = pair.adapter.status()
        searched = sum(e.flags.header_searched for e in pair.envelopes)
        expect(status.refused + searched == 1, f"refused {status.refused}, searched {searched}")


@check("emulator")
async def a_flood_is_bounded(bench: Bench) -> None:
    """Uplinks over the budget are dropped and counted; later ones arrive again."""
    async with bench.pair(uplink_per_s=10.0) as pair:
        octets = bench.frames("SPAT")[0].uper or b""
        for _ in range(40):
            pair.emulator.send_up(octets)
        await pair.until("an account of all", lambda: _accounted(pair.adapter.status()) >= 40)
        limited = pair.counters.dropped(RsuReason.RATE_LIMITED)
        expect(limited >= 30, f"only {limited} of 40 were held back")
        await pair.pass_time(1.0)
        before = len(pair.envelopes)
        pair.emulator.send_up(octets)
        await pair.until("one after the flood", lambda: len(pair.envelopes) > before)


@check("emulator")
async def never_heard_is_not_offline(bench: Bench) -> None:
    """A device never heard stays CONNECTING; one that falls silent is OFFLINE, and comes back."""
    async with bench.pair(faults=Faults(silence=True), liveness_s=1.0) as pair:
        octets = bench.frames("SPAT")[0].uper or b""
        await pair.pass_time(3.0)
        expect(pair.adapter.state is DeviceState.CONNECTING, f"never heard, but {pair.adapter.state}")
        for wanted in (DeviceState.ONLINE, DeviceState.OFFLINE, DeviceState.ONLINE):
            pair.emulator.faults.silence = wanted is DeviceState.OFFLINE
            if wanted is DeviceState.OFFLINE:
                await pair.pass_time(2.0)
            else:
                pair.emulator.send_up(octets)
            await pair.until(f"state {wanted}", lambda w=wanted: pair.adapter.state is w)  # type: ignore[misc]


@check("emulator")
async def it_reconnects(bench: Bench) -> None:
    """After the device was without power, messages go both ways again, without anyone's help."""
    async with bench.pair(liveness_s=1.0) as pair:
        envelope = bench.frames("SPAT")[0]
        pair.emulator.send_up(envelope.uper or b"")
        await pair.until("ONLINE", lambda: pair.adapter.state is DeviceState.ONLINE)
        await pair.emulator.power_off()
        pair.adapter.send(envelope, ttl_ms=100)
        await pair.pass_time(3.0)
        expect(pair.adapter.state is DeviceState.OFFLINE, f"without power, but {pair.adapter.state}")
        await pair.emulator.start()
        before = len(pair.on_air)
        await pair.pass_time(15.0)
        pair.adapter.send(envelope, ttl_ms=5_000)
        await pair.until("a message on the air again", lambda: len(pair.on_air) > before)
        pair.emulator.send_up(envelope.uper or b"")
        await pair.until("ONLINE again", lambda: pair.adapter.state is DeviceState.ONLINE)


@check()
async def other_verbs_are_done_or_refused(bench: Bench) -> None:
    """configure, query and command are listed as capabilities, or refused as UNSUPPORTED."""
    async with bench.pair() as pair:
        adapter = pair.adapter
        for verb, call in (
            ("configure", adapter.configure({})),
            ("query", adapter.query(())),
            ("command", adapter.command("none", {})),
        ):
            try:
                await call
            except RsuError as error:
                refused = error.reason is RsuReason.UNSUPPORTED
            else:
                refused = False
            listed = verb in adapter.capabilities.verbs
            expect(listed or refused, f"{verb}: listed {listed}, refused {refused}")


@check()
async def close_ends_everything(bench: Bench) -> None:
    """After close no task runs, the stream and all that waited have ended; closing again is harmless."""
    before = asyncio.all_tasks()
    async with bench.pair(sends_per_s=1.0) as pair:
        deliveries = [
            pair.adapter.send(e, ttl_ms=9_000, key=str(i)) for i, e in enumerate(bench.frames("SPAT"))
        ]
        await turn()
        await pair.adapter.close()
        await pair.adapter.close()
        await pair.until("the end of the stream", lambda: pair.stream_ended)
        expect(pair.adapter.state is DeviceState.RETIRED, f"closed, but {pair.adapter.state}")
        expect(len(pair.adapter.tasks) == 0, f"{len(pair.adapter.tasks)} tasks still run")
        for delivery in deliveries:
            expect(delivery.state is not DeliveryState.QUEUED, ended_as(delivery))
        late = pair.adapter.send(bench.frames("SPAT")[0], ttl_ms=1_000)
        expect(late.state is DeliveryState.OFFLINE_DROPPED, ended_as(late))
    await turn()
    left = [task.get_name() for task in asyncio.all_tasks() - before]
    expect(not left, f"tasks are left: {left}")


def _accounted(status: object) -> int:
    return getattr(status, "received", 0) + getattr(status, "refused", 0)


CHECKS: tuple[Check, ...] = (
    each_message_goes_out,
    acknowledgement_is_truthful,
    expired_is_never_sent,
    oversize_is_refused_with_the_limit,
    unknown_is_refused,
    the_newest_wins,
    the_urgent_overtakes,
    waiting_can_be_revoked,
    uplink_arrives_in_each_form,
    padding_is_cut_off_and_told,
    damage_is_counted_and_the_rest_goes_on,
    a_wrong_length_is_refused,
    a_flood_is_bounded,
    never_heard_is_not_offline,
    it_reconnects,
    other_verbs_are_done_or_refused,
    close_ends_everything,
)
