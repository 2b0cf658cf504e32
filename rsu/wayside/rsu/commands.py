"""`wayside rsu emulate|send|probe|conform`: roadside units on the command line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import inspect
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from wayside.clock import SystemClock
from wayside.observe import Counters
from wayside.rsu import (
    Adapter,
    Broadcast,
    DeviceConfig,
    Emulator,
    RsuError,
    RsuReason,
    VendorInfo,
    downlink,
    find_vendor,
    frame_name,
    read_config,
    read_faults,
)
from wayside.runtime import TaskOwner

_DEFAULT_VENDOR = "usdot_rsu41"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser `rsu` with its sub-commands."""
    parser = subparsers.add_parser(
        "rsu",
        help="emulate, try and check roadside units",
        description="Emulate a vendor's roadside unit, send to one, ask one, or check an adapter.",
        epilog="example: wayside rsu conform --vendor usdot_rsu41",
    )
    commands = parser.add_subparsers(dest="rsu_command", metavar="COMMAND", required=True)

    emulate = commands.add_parser(
        "emulate",
        help="play a vendor's device",
        description="Play a device: take messages for broadcast, print them, send uplinks. Ends on Ctrl-C.",
        epilog="example: wayside rsu emulate usdot_rsu41 --listen 127.0.0.1:1516 --uplink 127.0.0.1:44990 "
        "--form wsmp_signed --every 0.1 --frame 0013… --fault drop=0.1 --fault seed=3; "
        "wayside rsu emulate tits0117 --profile city --broker own --listen 127.0.0.1:1883",
    )
    emulate.add_argument("vendor", help="id of the vendor")
    emulate.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT of the device (port 0: any free)")
    emulate.add_argument(
        "--uplink", action="append", default=[], help="[MESSAGE=]HOST:PORT for uplinks; may be repeated"
    )
    emulate.add_argument(
        "--profile", default="", help="profile of the vendor's folder, where it plays several"
    )
    emulate.add_argument(
        "--broker", default="", help="MQTT vendors: HOST:PORT, or own for one in this process"
    )
    emulate.add_argument("--form", help="what stands around its uplinks, for instance bare or wsmp_signed")
    emulate.add_argument("--frame", action="append", default=[], help="uplink frame in hex; may be repeated")
    emulate.add_argument("--file", type=Path, help="file of uplink frames, one in hex a line")
    emulate.add_argument("--every", type=float, default=1.0, help="seconds between uplinks (default 1)")
    emulate.add_argument("--fault", action="append", default=[], help="NAME=VALUE; may be repeated")
    emulate.add_argument("--duration", type=float, help="end after this many seconds")
    emulate.add_argument("--json", action="store_true", help="print one JSON object a line")
    emulate.set_defaults(func=_emulate)

    send = commands.add_parser(
        "send",
        help="send one message frame to a device",
        description="Send one frame and print how far it came; fails unless it left.",
        epilog="example: wayside rsu send --device 127.0.0.1:1516 --json 0013…",
    )
    send.add_argument("hex", nargs="?", help="the frame in hexadecimal; without it, standard input")
    send.add_argument("--ttl", type=int, default=5_000, help="milliseconds it may wait (default 5000)")
    send.add_argument("--times", type=int, default=1, help="how often, one after the other (default 1)")
    send.set_defaults(func=_send)

    probe = commands.add_parser(
        "probe",
        help="what a device can do, and what comes from it",
        description="Connect, listen for a while, and print capabilities, state and counts.",
        epilog="example: wayside rsu probe --device 192.0.2.7 --set uplink_host=192.0.2.1 --seconds 5",
    )
    probe.add_argument("--seconds", type=float, default=2.0, help="how long to listen (default 2)")
    probe.set_defaults(func=_probe)

    conform = commands.add_parser(
        "conform",
        help="run the conformance checks",
        description="Run the checks against the vendor's emulator, or those that it allows against a device, "
        "which then broadcasts the messages of the kit: not for a unit beside a road in use. Fails when a "
        "check fails, or when the vendor's quality.yaml says otherwise than was found.",
        epilog="example: wayside rsu conform --vendor usdot_rsu41 --json",
    )
    conform.add_argument("--check", action="append", default=[], help="only this check; may be repeated")
    conform.set_defaults(func=_conform)

    for command in (send, probe, conform):
        command.add_argument("--vendor", default=_DEFAULT_VENDOR, help=f"id (default {_DEFAULT_VENDOR})")
        command.add_argument(
            "--device",
            required=command is not conform,
            help="HOST[:PORT] of the device or of its broker, udp:// may precede",
        )
        command.add_argument("--profile", default="", help="profile of the vendor's folder")
        command.add_argument("--set", action="append", default=[], help="FIELD=VALUE of the configuration")
        command.add_argument("--json", action="store_true", help="print JSON")


def _emulate(args: argparse.Namespace) -> int:
    info = find_vendor(args.vendor)
    host, port = _host_port(args.listen)
    frames = [_octets(text) for text in args.frame]
    if args.file is not None:
        frames += [_octets(line) for line in args.file.read_text("ascii").split()]
    keywords: dict[str, Any] = {"host": host, "port": port, "faults": read_faults(args.fault, info.faults)}
    taken = inspect.signature(info.emulator).parameters
    for name in ("profile", "broker", "form"):
        value = getattr(args, name)
        if value and name not in taken:
            raise RsuError(RsuReason.CONFIG, f"{args.vendor} has no {name}")
        if value:
            keywords[name] = value
    needs_uplink = "broker" not in taken
    if args.uplink:
        ports: dict[str, int] = {}
        target = ""
        for text in args.uplink:
            message, _, address = text.rpartition("=")
            host_up, ports[message or "any"] = _host_port(address)
            if target not in ("", host_up):
                raise RsuError(RsuReason.CONFIG, f"uplinks to both {target} and {host_up}")
            target = host_up
        keywords["uplink"] = (target, ports)
    elif frames and needs_uplink:
        raise RsuError(RsuReason.CONFIG, "frames to send up, but no --uplink to send them to")
    try:
        emulator = info.emulator(SystemClock(), sent_over_air=_show(args.json), **keywords)
    except ValueError as error:
        raise RsuError(RsuReason.CONFIG, str(error), where=args.vendor) from None
    return _run(_play(emulator, frames, args))


async def _play(emulator: Emulator, frames: list[bytes], args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await emulator.start()
    try:
        host, port = emulator.address
        _print(args.json, {"listening": f"{host}:{port}"}, f"{args.vendor} takes messages on {host}:{port}")
        if frames:
            emulator.tasks.start(emulator.send_up_every(args.every, lambda: frames), "uplink")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), args.duration)
    finally:
        await emulator.close()
    counts, drops = emulator.counters.counts(), emulator.counters.drops()
    _print(args.json, {"counts": counts, "dropped": drops}, f"broadcast {counts}, refused {drops}")
    return 0


def _show(as_json: bool) -> Callable[[Broadcast], None]:
    def show(broadcast: Broadcast) -> None:
        fields = msgspec.to_builtins(broadcast) | {"uper": broadcast.uper.hex()}
        text = f"{broadcast.message:5} {len(broadcast.uper):5} octets  channel {broadcast.channel}"
        _print(as_json, fields, text)

    return show


def _send(args: argparse.Namespace) -> int:
    info, config = _device(args, listen=False)
    frame = _octets(args.hex if args.hex is not None else sys.stdin.read())
    return _run(_send_frame(info, config, frame, args))


async def _send_frame(info: VendorInfo, config: DeviceConfig, frame: bytes, args: argparse.Namespace) -> int:
    clock = SystemClock()
    changed = asyncio.Event()
    adapter = info.adapter(config, clock, Counters(), lambda _: changed.set())
    good = True
    try:
        if not await adapter.connect():
            raise RsuError(RsuReason.UNREACHABLE, f"no way to {args.device}")
        for _ in range(args.times):
            message = downlink(clock, frame_name(config.dialect, frame), frame, dialect=config.dialect)
            delivery = adapter.send(message, ttl_ms=args.ttl)
            while delivery.state == "queued":
                changed.clear()
                await changed.wait()
            good = good and delivery.sent_utc_ns is not None
            fields = {
                "delivery_id": delivery.delivery_id,
                "message": delivery.message,
                "state": delivery.state.value,
                "ceiling": delivery.ack.name,
                "detail": delivery.detail,
            }
            text = f"{delivery.message}: {delivery.state} (this interface confirms {delivery.ack.name})"
            _print(args.json, fields, f"{text} {delivery.detail}".rstrip())
    finally:
        await adapter.close()
    return 0 if good else 1


def _probe(args: argparse.Namespace) -> int:
    info, config = _device(args, listen=True)
    return _run(_probe_device(info, config, args))


async def _probe_device(info: VendorInfo, config: DeviceConfig, args: argparse.Namespace) -> int:
    clock, counters = SystemClock(), Counters()
    adapter = info.adapter(config, clock, counters)
    try:
        is_open = await adapter.connect()
        async with TaskOwner("probe") as tasks:
            tasks.start(_read_away(adapter), "uplink")
            capabilities = await adapter.probe()
            await clock.sleep(args.seconds)
        status = adapter.status()
    finally:
        await adapter.close()
    found = {
        "capabilities": msgspec.to_builtins(capabilities) | {"ack": capabilities.ack.name},
        "open": is_open,
        "status": msgspec.to_builtins(status),
        "received": counters.counts().get("rsu_received", {}),
        "dropped": counters.drops(),
    }
    lines = [
        f"state      {status.state}, last heard {_age(status.last_heard_s)}",
        f"takes      {', '.join(sorted(capabilities.down))} in {', '.join(capabilities.dialects)}",
        f"confirms   {capabilities.ack.name}",
        f"received   {found['received'] or 'nothing'}",
        f"dropped    {found['dropped'] or 'nothing'}",
    ]
    _print(args.json, found, "\n".join(lines))
    return 0 if is_open else 1


async def _read_away(adapter: Adapter) -> None:
    async for _ in adapter.uplink():
        pass


def _conform(args: argparse.Namespace) -> int:
    from wayside.rsu.conformance import CheckResult, Status, quality_gaps, run

    if not args.verbose:
        # Devices come and go in every check.
        logging.getLogger("wayside.rsu").setLevel(logging.ERROR)
    info = find_vendor(args.vendor)
    device = None if args.device is None else _values(args, info, listen=False)

    def report(result: CheckResult) -> None:
        if not args.json:
            name = f"{result.profile} {result.name}".strip()
            print(f"{result.status:8} {name}: {result.detail or result.what}", flush=True)

    profiles = [args.profile] if args.profile else []
    results = asyncio.run(run(info, device, only=args.check, profiles=profiles, report=report))
    gaps = quality_gaps(info, results)
    failed = [result.name for result in results if result.status is Status.FAILED]
    if args.json:
        print(json.dumps({"vendor": info.id, "results": msgspec.to_builtins(results), "quality_gaps": gaps}))
    else:
        for gap in gaps:
            print(f"quality.yaml  {gap}")
        numbers = (f"{sum(r.status is status for r in results)} {status}" for status in Status)
        print(", ".join(numbers))
    return 1 if failed or gaps else 0


def _device(args: argparse.Namespace, *, listen: bool) -> tuple[VendorInfo, DeviceConfig]:
    info = find_vendor(args.vendor)
    return info, read_config(info, {"device_id": "cli", **_values(args, info, listen=listen)})


def _values(args: argparse.Namespace, info: VendorInfo, *, listen: bool) -> dict[str, Any]:
    """Values of the profile, the address and --set; without listen, any free port takes uplinks."""
    from wayside.rsu import read_profile

    values: dict[str, Any] = read_profile(info, args.profile) if args.profile else {}
    host, port = _host_port(args.device.removeprefix("udp://"), None)
    values["host"] = host
    if port is not None:
        values["port"] = port
    if not listen and "uplink_ports" in info.config.__struct_fields__:
        values["uplink_ports"] = {"any": 0}
    for word in args.set:
        name, equals, text = word.partition("=")
        if not equals:
            raise RsuError(RsuReason.CONFIG, f"--set {word} has no value", advice="write FIELD=VALUE")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values


def _host_port(text: str, default: int | None = 0) -> tuple[str, Any]:
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, default
    if not port.isdigit() or int(port) > 65_535 or not host:
        raise RsuError(RsuReason.CONFIG, f"{text!r} is no HOST:PORT")
    return host, int(port)


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise RsuError(RsuReason.CONFIG, "the frame is not hexadecimal", where=text[:20]) from None


def _age(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s ago"


def _print(as_json: bool, fields: dict[str, Any], text: str) -> None:
    print(json.dumps(fields, default=sorted) if as_json else text, flush=True)


def _run(work: Coroutine[Any, Any, int]) -> int:
    return asyncio.run(work)
