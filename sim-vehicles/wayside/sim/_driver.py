from __future__ import annotations

import math
import random
from typing import NamedTuple

from wayside.link import Action, Severity

# Perception-brake times. M. Green, "How Long Does It Take to Stop?", Transportation Human Factors 2(3), 2000:
# about 0.7 s when the driver expects the signal, 1.25 s when it is unexpected but common, 1.5 s when an
# object suddenly moves into the path. A spoken or shown warning lies between the first two: 1.0 s is assumed.
SURPRISED_S = 1.5
WARNED_S = 1.0
ALERTED_S = 0.75
SPREAD = 0.2

COMFORT_MPS2 = 2.5
FIRM_MPS2 = 4.0
EMERGENCY_MPS2 = 7.0
CRAWL_MPS = 4.2
MARGIN_M = 4.0


class Reactions(NamedTuple):
    """Times one driver needs, seconds: from seeing a surprise, from a warning, from seeing what a warning had
    announced."""

    surprised_s: float
    warned_s: float
    alerted_s: float


def draw_reactions(rng: random.Random) -> Reactions:
    """Reactions of one driver: log-normal about the medians with a spread of 20 %, the same person is fast or
    slow in all three."""
    factor = math.exp(rng.gauss(0.0, SPREAD))
    factor = min(max(factor, 0.6), 1.8)
    return Reactions(SURPRISED_S * factor, WARNED_S * factor, ALERTED_S * factor)


class Heard(NamedTuple):
    """A warning as the driver took it. at_s: when it was shown. ends_s: when it expires. place_m: where on
    the driver's own way the danger lies."""

    at_s: float
    ends_s: float
    severity: Severity
    action: Action
    place_m: float


class Driver:
    """How a driver answers to what is seen and to warnings.

    Unwarned: a surprising participant counts from the moment it can be seen plus the driver's surprised
    time. Warned: the driver acts on the warning itself after the warned time, and on the thing seen after
    the alerted time. Until then nothing happens at all.
    """

    def __init__(self, reactions: Reactions) -> None:
        self.reactions = reactions
        self._seen_s: dict[int, float] = {}
        self._heard: dict[int, Heard] = {}
        self._first_heard_s: dict[int, float] = {}

    def warn(self, key: int, heard: Heard) -> None:
        """Take in a warning; a newer one of its key replaces it without a new reaction time."""
        self._heard[key] = heard
        self._first_heard_s.setdefault(key, heard.at_s)

    def cancel(self, key: int) -> None:
        """The danger is over."""
        self._heard.pop(key, None)
        self._first_heard_s.pop(key, None)

    def see(self, participant: int, now_s: float) -> None:
        """Something surprising is in sight."""
        self._seen_s.setdefault(participant, now_s)

    def forget(self, participant: int) -> None:
        """It is no longer a danger."""
        self._seen_s.pop(participant, None)

    def reacts_to(self, participant: int, now_s: float) -> bool:
        """Whether the driver has begun to act on something seen."""
        seen = self._seen_s.get(participant)
        if seen is None:
            return False
        wait = self.reactions.alerted_s if self.alert(now_s) else self.reactions.surprised_s
        return now_s - seen >= wait

    def alert(self, now_s: float) -> bool:
        """Whether a warning has been understood and is still valid."""
        return bool(self._active(now_s))

    def braking(self, now_s: float, front_m: float, speed_mps: float) -> float | None:
        """Deceleration in m/s² (positive) that the warnings make the driver apply, None for none.

        front_m: place of the vehicle's front along its way. Urgent: as hard as is needed to stop short of
        the place, at least firmly, at most an emergency braking. Otherwise comfortably, down to the speed
        from which a comfortable stop short of the place is possible, and never below a crawl.
        """
        hardest: float | None = None
        for heard in self._active(now_s):
            room = heard.place_m - MARGIN_M - front_m
            if heard.action is Action.WATCH or room < -MARGIN_M:
                continue
            if heard.severity is Severity.URGENT:
                wanted = min(max(speed_mps**2 / (2.0 * max(room, 0.5)), FIRM_MPS2), EMERGENCY_MPS2)
            else:
                stop = heard.action is Action.STOP
                allowed = math.sqrt(2.0 * COMFORT_MPS2 * max(room, 0.0))
                allowed = allowed if stop else max(allowed, CRAWL_MPS)
                if speed_mps < allowed - 0.5:
                    continue
                wanted = min(max((speed_mps - allowed) / 0.5, 0.0), 1.4 * COMFORT_MPS2)
            hardest = wanted if hardest is None else max(hardest, wanted)
        return hardest

    def _active(self, now_s: float) -> list[Heard]:
        out: list[Heard] = []
        for key, heard in list(self._heard.items()):
            if now_s >= heard.ends_s:
                self.cancel(key)
            elif now_s - self._first_heard_s[key] >= self.reactions.warned_s:
                out.append(heard)
        return out
