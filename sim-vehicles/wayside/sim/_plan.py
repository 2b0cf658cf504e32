from __future__ import annotations

from typing import NamedTuple

from wayside.asn1.messages import Light

GROUPS = tuple(range(1, 9))
LEFT_GROUPS = (1, 3, 5, 7)


class Phase(NamedTuple):
    """One phase of a plan: groups that have green, its green and walk times. permissive: those of its groups
    whose green gives way to oncoming traffic."""

    groups: tuple[int, ...]
    green_s: float
    walk_s: float
    permissive: frozenset[int] = frozenset()


class GroupNow(NamedTuple):
    """Light of a group now. remaining_s: until it changes. green_in_s: until its next green, 0 in green.

    walking: pedestrians parallel to it may start.
    """

    light: Light
    remaining_s: float
    green_in_s: float
    walking: bool


class SignalPlan:
    """Fixed-time plan; by itself of four phases with protected left turns, as is usual at Chinese crossings.

    PHASES in order: north-south straight, north-south left, east-west straight, east-west left; each with
    yellow and all-red behind it. offset_s: how far into the cycle the plan is at time 0. Groups: see
    Crossing. Times are assumptions of the simulation (docs/simulation.md).
    """

    YELLOW_S = 3.0
    ALL_RED_S = 2.0
    PHASES = (
        Phase((2, 6), 28.0, 7.0),
        Phase((1, 5), 10.0, 0.0),
        Phase((4, 8), 28.0, 7.0),
        Phase((3, 7), 10.0, 0.0),
    )

    def __init__(self, offset_s: float = 0.0, phases: tuple[Phase, ...] = PHASES) -> None:
        self.offset_s = offset_s
        self.phases = phases
        self.groups = tuple(sorted(group for phase in phases for group in phase.groups))
        self._starts: list[float] = []
        at = 0.0
        for phase in phases:
            self._starts.append(at)
            at += phase.green_s + self.YELLOW_S + self.ALL_RED_S
        self.cycle_s = at

    def start_of(self, group: int) -> float:
        """Start of a group's green, seconds into the cycle."""
        return next(s for s, p in zip(self._starts, self.phases, strict=True) if group in p.groups)

    def group(self, group: int, t_s: float) -> GroupNow:
        """State of a group at time `t_s`."""
        phase = next(p for p in self.phases if group in p.groups)
        since = (t_s + self.offset_s - self.start_of(group)) % self.cycle_s
        if since < phase.green_s:
            light = Light.PERMISSIVE_GREEN if group in phase.permissive else Light.PROTECTED_GREEN
            return GroupNow(light, phase.green_s - since, 0.0, since < phase.walk_s)
        clear = phase.green_s + self.YELLOW_S
        if since < clear:
            return GroupNow(Light.YELLOW, clear - since, self.cycle_s - since, False)
        return GroupNow(Light.RED, self.cycle_s - since, self.cycle_s - since, False)

    def clearing(self, group: int, t_s: float) -> bool:
        """Whether pedestrians parallel to a group may finish crossing but not start."""
        now = self.group(group, t_s)
        return now.light is Light.PROTECTED_GREEN and not now.walking and group not in LEFT_GROUPS

    def states(self, t_s: float) -> dict[int, GroupNow]:
        """State of all groups."""
        return {group: self.group(group, t_s) for group in self.groups}
