"""Operators' commands at the edge: once each, refused with a reason, kept over a restart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec
import pytest

from wayside.clock import VirtualClock
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps import App, HazardReport, Hlw, Output, Trigger
from wayside.mec.core import EdgeCore
from wayside.mec.orders import OrderReason, Orders
from wayside.mec.orders._kept import MAX_KEPT_BYTES, MAX_RESULTS
from wayside.mec.site import load_site
from wayside.mec.world import World, WorldReason
from wayside.observe import Counters
from wayside.records import (
    MAX_COMMAND_BYTES,
    CommandBody,
    CommandRecord,
    DismissEvent,
    PostSign,
    RecordReason,
    ResultRecord,
    SwitchApp,
    WithdrawSign,
    encode_command,
)

ROOT = Path(__file__).parents[3]
SITE = load_site(ROOT / "deploy/demo/site.yaml")
MINUTE_NS = 60_000_000_000


class Standing:
    """An app with one danger that does not go away."""

    name = "hlw"
    parameters = Hlw().parameters

    def step(self, world: World) -> Sequence[Output]:
        trigger = Trigger("ab", world.mono, world.mono, world.mono)
        report = HazardReport(
            self.name,
            WarningKind.HAZARDOUS_LOCATION,
            "hlw/1",
            Severity.ADVISE,
            *(0.0, 0.0),
            Action.SLOW_DOWN,
            trigger,
            1_000,
        )
        return [report]

    def silent_because(self, world: World) -> dict[str, int]:
        return {}


class Edge:
    """An edge whose orders are in `tmp_path`; `open` starts it, or starts it again."""

    def __init__(self, path: Path, clock: VirtualClock) -> None:
        self.path = path
        self.clock = clock
        self.numbers = 0

    async def open(self) -> None:
        self.counters = Counters()
        self.core = EdgeCore(SITE, self.clock, self.counters, seed=1)
        self.core.apps = [cast(App, Standing())]
        self.orders = await Orders.open(self.core, self.path, self.clock, self.counters)

    def command(self, body: CommandBody, **changes: object) -> CommandRecord:
        self.numbers += 1
        now = self.clock.utc()
        base = CommandRecord(f"c{self.numbers}", SITE.id, "li", now, now + MINUTE_NS, body)
        return msgspec.structs.replace(base, **changes)

    async def take(self, body: CommandBody, **changes: object) -> ResultRecord:
        [result] = await self.orders.take(encode_command(self.command(body, **changes)))
        return result

    def signs(self) -> list[str]:
        return [sign.post.sign_id for sign in self.core.world.snapshot().signs]

    def open_apps(self) -> set[str]:
        return {event.app for event in self.core.open_events()}


@pytest.fixture
async def edge(tmp_path: Path, clock: VirtualClock) -> Edge:
    edge = Edge(tmp_path / "orders.bin", clock)
    await edge.open()
    return edge


@pytest.fixture
def sign() -> Callable[..., PostSign]:
    """A sign on the first inbound lane of the site's map."""
    core = EdgeCore(SITE, VirtualClock(), Counters(), seed=1)
    key, lane = next((key, lane) for key, lane in core.geometry.lanes.items() if lane.stop_line is not None)
    x_m, y_m = lane.polyline.point_at(lane.polyline.length_m / 2)
    lat_deg, lon_deg = core.plane.to_lat_lon(x_m, y_m)

    def make(sign_id: str = "s1", **changes: object) -> PostSign:
        base = PostSign(sign_id, 85, lat_deg, lon_deg, "40", 40 / 3.6, lanes=(str(key),))
        return msgspec.structs.replace(base, **changes)

    return make


async def test_a_sign_is_posted_replaced_and_withdrawn(edge: Edge, sign: Callable[..., PostSign]) -> None:
    assert (await edge.take(sign())).state == "done"
    assert (await edge.take(sign(text="30", speed_limit_mps=30 / 3.6))).state == "done"
    assert edge.signs() == ["s1"]
    assert (await edge.take(WithdrawSign("s1"))).state == "done"
    assert edge.signs() == []


async def test_a_sign_of_later_is_accepted_and_stands_when_its_time_has_come(
    edge: Edge, sign: Callable[..., PostSign]
) -> None:
    later = edge.clock.utc() + MINUTE_NS
    assert (await edge.take(sign(from_utc_ns=later))).state == "accepted"
    assert edge.signs() == []
    edge.clock.advance(61.0)
    assert edge.signs() == ["s1"]


async def test_a_command_that_comes_again_is_not_done_again(
    edge: Edge, sign: Callable[..., PostSign]
) -> None:
    data = encode_command(edge.command(sign()))
    first = await edge.orders.take(data)
    await edge.take(WithdrawSign("s1"))
    assert await edge.orders.take(data) == first
    assert edge.signs() == []
    await edge.open()
    assert await edge.orders.take(data) == first
    assert edge.signs() == []
    assert edge.counters.value("orders_repeated") == 1


async def test_signs_and_switches_stand_after_a_restart(edge: Edge, sign: Callable[..., PostSign]) -> None:
    await edge.take(sign("for-ever"))
    await edge.take(sign("a-minute", until_utc_ns=edge.clock.utc() + MINUTE_NS))
    assert (await edge.take(SwitchApp("hlw", False))).state == "done"
    edge.clock.advance(120.0)
    await edge.open()
    edge.core.step()
    assert edge.signs() == ["for-ever"]
    assert edge.open_apps() == set()
    assert (await edge.take(SwitchApp("hlw", True))).state == "done"
    edge.core.step()
    assert edge.open_apps() == {"hlw"}


async def test_an_event_is_dismissed_by_its_identity(edge: Edge) -> None:
    edge.core.step()
    [event] = edge.core.open_events()
    assert (await edge.take(DismissEvent(event.event_id, 60.0))).state == "done"
    edge.core.step()
    assert edge.open_apps() == set()


@pytest.mark.parametrize(
    ("body", "changes", "reason", "state"),
    [
        pytest.param(
            SwitchApp("hlw", True), {"site": "elsewhere"}, OrderReason.WRONG_SITE, "refused",
            marks=pytest.mark.drops(OrderReason.WRONG_SITE),
        ),
        pytest.param(
            SwitchApp("hlw", True), {"valid_until_utc_ns": 1}, OrderReason.EXPIRED, "expired",
            marks=pytest.mark.drops(OrderReason.EXPIRED),
        ),
        pytest.param(
            WithdrawSign("none"), {}, OrderReason.UNKNOWN_SIGN, "refused",
            marks=pytest.mark.drops(OrderReason.UNKNOWN_SIGN),
        ),
        pytest.param(
            PostSign("s", 85, 39.0, 117.3, lanes=("no/1",)), {}, OrderReason.UNKNOWN_LANE, "refused",
            marks=pytest.mark.drops(OrderReason.UNKNOWN_LANE),
        ),
        pytest.param(
            DismissEvent("none"), {}, OrderReason.UNKNOWN_EVENT, "refused",
            marks=pytest.mark.drops(OrderReason.UNKNOWN_EVENT),
        ),
        pytest.param(
            SwitchApp("none", True), {}, OrderReason.UNKNOWN_APP, "refused",
            marks=pytest.mark.drops(OrderReason.UNKNOWN_APP),
        ),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_with_its_reason(
    edge: Edge, body: CommandBody, changes: dict[str, object], reason: OrderReason, state: str
) -> None:
    result = await edge.take(body, **changes)
    assert (result.state, result.reason) == (state, reason.value)
    assert edge.counters.dropped(reason) == 1


async def test_a_sign_that_lies_on_no_road_is_refused_by_the_map(edge: Edge) -> None:
    result = await edge.take(PostSign("s", 85, 10.0, 10.0))
    assert (result.state, result.reason) == ("refused", WorldReason.SIGN_UNPLACED.value)


async def test_what_is_no_command_is_counted_and_has_no_result(edge: Edge) -> None:
    assert await edge.orders.take(b"\xc1") == ()
    assert await edge.orders.take(b"\x91" * 5_000) == ()
    assert await edge.orders.take(bytes(MAX_COMMAND_BYTES + 1)) == ()
    assert edge.counters.dropped(RecordReason.MALFORMED) == 2
    assert edge.counters.dropped(RecordReason.TOO_LARGE) == 1


@pytest.mark.drops(OrderReason.NOT_KEPT)
async def test_a_disk_that_does_not_take_it_is_told_with_the_result(
    edge: Edge, sign: Callable[..., PostSign]
) -> None:
    edge.path.with_name("orders.bin.new").mkdir()
    result = await edge.take(sign())
    assert (result.state, result.reason) == ("done", OrderReason.NOT_KEPT.value)
    assert edge.signs() == ["s1"]
    assert edge.counters.dropped(OrderReason.NOT_KEPT) == 1
    edge.path.with_name("orders.bin.new").rmdir()
    assert (await edge.take(sign("s2"))).reason == ""
    await edge.open()
    assert edge.signs() == ["s1", "s2"]


@pytest.mark.drops(OrderReason.DAMAGED)
@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91" * 5_000, bytes(MAX_KEPT_BYTES + 1)])
async def test_a_damaged_file_is_set_aside(edge: Edge, data: bytes) -> None:
    edge.path.write_bytes(data)
    await edge.open()
    assert edge.counters.dropped(OrderReason.DAMAGED) == 1
    assert edge.path.with_name("orders.bin.damaged").read_bytes() == data
    assert (await edge.take(SwitchApp("hlw", False))).reason == ""


async def test_what_is_kept_is_bounded(edge: Edge) -> None:
    for n in range(MAX_RESULTS + 5):
        edge.orders._kept.remember(ResultRecord(f"x{n}", "done"))
    assert len(edge.orders._kept.results) == MAX_RESULTS
    assert "x4" not in edge.orders._kept.results


async def test_a_kept_sign_or_app_that_the_site_no_longer_has_is_forgotten(edge: Edge) -> None:
    edge.orders._kept.signs["gone"] = PostSign("gone", 85, 10.0, 10.0)
    edge.orders._kept.signs["lost"] = PostSign("lost", 85, 10.0, 10.0, lanes=("no/1",))
    edge.orders._kept.apps["gone"] = False
    await edge.take(SwitchApp("hlw", True))
    await edge.open()
    assert edge.signs() == []
    assert edge.orders._kept.signs == {} and edge.orders._kept.apps == {"hlw": True}
