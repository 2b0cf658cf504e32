"""A vehicle that drives towards the demo's crossing, again and again, and prints what it is warned of.

    make demo                              # in one terminal
    .venv/bin/python examples/vehicle.py   # in another; Ctrl-C ends it

Arguments: address of the link, file with the site's token, number of drives.
"""

import asyncio
import sys
from pathlib import Path

from wayside.asn1.messages import BasicSafety, EllipseAccuracy, Position, Size
from wayside.obu import ObuClient, ReceivedCancel, ReceivedWarning

FROM, TO = (38.981023, 117.348333), (38.981034, 117.351338)  # the kerb lane of the western leg, 260 m
SPEED_MPS, LENGTH_M, PERIOD_S = 10.0, 260.0, 0.1


async def warned(warning: ReceivedWarning) -> None:
    ahead = "" if warning.distance_m is None else f" {warning.distance_m:.0f} m ahead"
    print(
        f"{warning.severity.name}: {warning.kind}{ahead}, {warning.action} ({warning.trace_id})", flush=True
    )


async def over(cancel: ReceivedCancel) -> None:
    print(f"over: {cancel.reason} ({cancel.trace_id})", flush=True)


async def drive(obu: ObuClient) -> None:
    step = SPEED_MPS * PERIOD_S / LENGTH_M
    for n in range(round(1 / step)):
        lat, lon = (a + (b - a) * n * step for a, b in zip(FROM, TO, strict=True))
        myself = BasicSafety(
            vehicle_id=b"EXAM",
            msg_count=n % 128,
            position=Position(lat, lon),
            utc_ns=obu.clock.utc(),
            accuracy=EllipseAccuracy(0.5, 0.5, 0.0),
            speed_mps=SPEED_MPS,
            heading_deg=89.7,
            size=Size(width_m=1.8, length_m=4.5),
        )
        await obu.send_bsm(myself)
        await asyncio.sleep(PERIOD_S)


async def main(server: str, token: str, drives: int) -> None:
    for n in range(1, drives + 1):
        client = ObuClient([server], vehicle_id=f"example-{n}", token=token, dialect="j2735-2024")
        client.on_warning(warned)
        client.on_cancel(over)
        async with client as obu:
            await obu.connected()
            print(f"drive {n}: connected to {obu.status().site}", flush=True)
            await drive(obu)


if __name__ == "__main__":
    given = dict(enumerate(sys.argv[1:]))
    secret = Path(given.get(1, "var/demo/run/link.token")).read_text().strip()
    try:
        asyncio.run(main(given.get(0, "ws://127.0.0.1:47010/"), secret, int(given.get(2, 100))))
    except KeyboardInterrupt:
        pass
