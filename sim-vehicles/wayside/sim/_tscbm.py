from __future__ import annotations

import struct

from wayside.asn1.messages import Light
from wayside.clock import UtcNs
from wayside.sim._plan import GROUPS, LEFT_GROUPS, SignalPlan

_UNKNOWN = 0xFFFF
_PHASES = 16
TSCBM_BYTES = 241


def tscbm(plan: SignalPlan, t_s: float, utc: UtcNs, sequence: int) -> bytes:
    """Datagram of a signal controller with the plan's state at `t_s`: 241 octets, big-endian.

    Header 0xCD and the number of phases; per phase its number and six times in 0.1 s (vehicle, pedestrian,
    overlap; each min, max); eleven masks; status, sequence, and the UTC time of day. Source: TSCBM of the
    Traffic Signal Controller Broadcast Message (V2X-Hub's layout); times of phases that are not used are 0.
    """
    out = bytearray((0xCD, _PHASES))
    red = yellow = green = walk = clear = 0
    states = plan.states(t_s)
    for number in range(1, _PHASES + 1):
        now = states.get(number)
        if now is None:
            out += struct.pack(">B6H", number, 0, 0, 0, 0, 0, 0)
            red |= 1 << (number - 1)
            continue
        bit = 1 << (number - 1)
        if now.light in (Light.PROTECTED_GREEN, Light.PERMISSIVE_GREEN):
            green |= bit
        elif now.light is Light.YELLOW:
            yellow |= bit
        else:
            red |= bit
        if now.walking:
            walk |= bit
        elif plan.clearing(number, t_s):
            clear |= bit
        tenths = min(round(now.remaining_s * 10.0), _UNKNOWN - 1)
        ped = 0 if number in LEFT_GROUPS else tenths
        out += struct.pack(">B6H", number, tenths, tenths, ped, ped, 0, 0)
    dont_walk = 0xFFFF & ~(walk | clear)
    out += struct.pack(">11H", red, yellow, green, dont_walk, clear, walk, 0xFFFF, 0, 0, 0, 0)
    second_of_day, rest_ns = divmod(utc % 86_400_000_000_000, 1_000_000_000)
    hour, rest = divmod(second_of_day, 3600)
    minute, second = divmod(rest, 60)
    out += struct.pack(">7BH", 0, 0, 0, sequence & 0xFF, hour, minute, second, rest_ns // 1_000_000)
    assert len(GROUPS) <= _PHASES and len(out) == TSCBM_BYTES
    return bytes(out)
