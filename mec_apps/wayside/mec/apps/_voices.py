from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wayside.mec.apps._contract import HazardReport, Output

_ABOVE = {"icw": ("evw", "rlvw"), "lta": ("evw", "rlvw")}


def one_voice(outputs: Sequence[Output]) -> tuple[list[Output], Counter[tuple[str, str]]]:
    """Outputs of one step without what another app says better; how many were left out, by (app, for whom).

    Where a vehicle runs a red light, or drives to an emergency, the app that watches it tells those whose way
    it crosses; the apps that only see two vehicles about to meet leave it to that one.
    """
    parties: dict[str, set[int]] = {}
    for output in outputs:
        if isinstance(output, HazardReport):
            parties.setdefault(output.app, set()).update(party.track_id for party in output.parties)
    kept: list[Output] = []
    left_out: Counter[tuple[str, str]] = Counter()
    for output in outputs:
        above = None
        if isinstance(output, HazardReport) and output.app in _ABOVE:
            mine = {party.track_id for party in output.parties}
            above = next((app for app in _ABOVE[output.app] if mine & parties.get(app, set())), None)
        if above is None:
            kept.append(output)
        else:
            left_out[output.app, above] += 1
    return kept, left_out
