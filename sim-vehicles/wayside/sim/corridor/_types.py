from __future__ import annotations

from typing import NamedTuple

from wayside.mec.sensors import ParticipantClass
from wayside.sim._participants import DIMENSIONS

PEDESTRIAN = "pedestrian"
EMERGENCY = "emergency"


class VehicleType(NamedTuple):
    """A type of vehicle as SUMO drives it.

    sumo_class: which lanes are open to it. share: of motor vehicles. accel, decel: comfortable, m/s².
    headway_s: of the Intelligent Driver Model. max_mps: for bicycles, their pace.
    """

    kind: ParticipantClass
    sumo_class: str
    share: float
    accel_mps2: float
    decel_mps2: float
    headway_s: float
    max_mps: float


# Shares: assumed, those of the single crossing. Acceleration of trucks, buses and bicycles: SUMO's documented
# defaults of these classes; the rest as in the single crossing, or assumed. Sizes: DIMENSIONS.
TYPES = {
    "car": VehicleType(ParticipantClass.CAR, "passenger", 0.84, 1.5, 2.0, 1.4, 50.0),
    "truck": VehicleType(ParticipantClass.TRUCK, "truck", 0.08, 1.3, 2.0, 1.6, 22.0),
    "bus": VehicleType(ParticipantClass.BUS, "bus", 0.08, 1.2, 2.0, 1.6, 20.0),
    EMERGENCY: VehicleType(ParticipantClass.CAR, "emergency", 0.0, 2.0, 3.0, 1.2, 50.0),
    "bicycle": VehicleType(ParticipantClass.BICYCLE, "bicycle", 0.0, 1.2, 2.0, 1.0, 5.0),
}
MOTOR = tuple(name for name, of in TYPES.items() if of.share > 0.0)
KINDS = {name: of.kind for name, of in TYPES.items()} | {PEDESTRIAN: ParticipantClass.PEDESTRIAN}


def additional_xml(bus_stop: str, lane: str, front_m: float, length_m: float) -> str:
    """SUMO additional file: the vehicle types, and one bus stop."""
    lines = ["<additional>"]
    for name, of in TYPES.items():
        size = DIMENSIONS[of.kind]
        lines.append(
            f'  <vType id="{name}" vClass="{of.sumo_class}" length="{size.length_m}" width="{size.width_m}" '
            f'height="{size.height_m}" accel="{of.accel_mps2}" decel="{of.decel_mps2}" emergencyDecel="7" '
            f'tau="{of.headway_s}" minGap="2" maxSpeed="{of.max_mps}" carFollowModel="IDM" speedDev="0"/>'
        )
    walker = DIMENSIONS[ParticipantClass.PEDESTRIAN]
    lines.append(
        f'  <vType id="{PEDESTRIAN}" vClass="pedestrian" length="{walker.length_m}" '
        f'width="{walker.width_m}" speedDev="0"/>'
    )
    lines.append(
        f'  <busStop id="{bus_stop}" lane="{lane}" '
        f'startPos="{front_m - length_m:.2f}" endPos="{front_m:.2f}"/>'
    )
    lines.append("</additional>")
    return "\n".join(lines)
