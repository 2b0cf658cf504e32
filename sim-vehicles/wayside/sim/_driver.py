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
GENTLE_MPS2 = 1.0
WARY_S = 3.0
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
        self._ended: dict[int, tuple[float, float]] = {}
        self._wary_until_s = -math.inf
        self._wary_m = 0.0

    def warn(self, key: int, heard: Heard) -> None:
        """Take in a warning; a newer one of its key replaces it without a new reaction time, also when the
        key's last one ended less than 3 s ago."""
        self._heard[key] = heard
        first, ended = self._ended.pop(key, (heard.at_s, -math.inf))
        self._first_heard_s.setdefault(key, first if heard.at_s - ended < WARY_S else heard.at_s)

    def cancel(self, key: int, now_s: float) -> None:
        """The danger is over."""
        heard, first = self._heard.pop(key, None), self._first_heard_s.pop(key, now_s)
        if heard is not None:
            self._ended[key] = (first, now_s)
        if (
            heard is not None
            and now_s - first >= self.reactions.warned_s
            and heard.action is not Action.WATCH
        ):
            self._wary_until_s, self._wary_m = now_s + WARY_S, heard.place_m

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
        """Whether a warning has been understood and is still valid, or ended less than 3 s ago."""
        return bool(self._active(now_s)) or now_s < self._wary_until_s

    def braking(self, now_s: float, front_m: float, speed_mps: float) -> float | None:
        """Deceleration in m/s² (positive) that the warnings make the driver apply, None for none.

        front_m: place of the vehicle's front along its way. Urgent: as hard as is needed to stop short of
        the place, at least firmly, at most an emergency braking. Otherwise comfortably, down to the speed
        from which a gentle stop short of the place is possible, and never below a crawl. A driver whose
        warning has ended does not speed up again for 3 s, unless the place is behind.
        """
        hardest = 0.0 if now_s < self._wary_until_s and front_m < self._wary_m else None
        for heard in self._active(now_s):
            room = heard.place_m - MARGIN_M - front_m
            if heard.action is Action.WATCH or room < -MARGIN_M:
                continue
            if heard.severity is Severity.URGENT:
                wanted = min(max(speed_mps**2 / (2.0 * max(room, 0.5)), FIRM_MPS2), EMERGENCY_MPS2)
            else:
                stop = heard.action is Action.STOP
                allowed = math.sqrt(2.0 * GENTLE_MPS2 * max(room, 0.0))
                allowed = allowed if stop else max(allowed, CRAWL_MPS)
                if speed_mps < allowed - 0.5:
                    continue
                wanted = min(max((speed_mps - allowed) / 0.5, 0.0), COMFORT_MPS2)
            hardest = wanted if hardest is None else max(hardest, wanted)
        return hardest

    def _active(self, now_s: float) -> list[Heard]:
        out: list[Heard] = []
        for key, heard in list(self._heard.items()):
            if now_s >= heard.ends_s:
                self.cancel(key, now_s)
            elif now_s - self._first_heard_s[key] >= self.reactions.warned_s:
                out.append(heard)
        return out
