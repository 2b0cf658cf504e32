from __future__ import annotations

from collections.abc import Iterable, Mapping

from wayside.asn1.geometry import RoadGeometry
from wayside.asn1.messages import Light
from wayside.clock import UtcNs
from wayside.geo import heading_from_yaw
from wayside.mec.sensors import SensorStatus
from wayside.mec.site import Site
from wayside.mec.world import SignalKey, SignalNow, StandingSign, World
from wayside.records import (
    EventRecord,
    LiveEvent,
    LiveParticipant,
    LiveRsu,
    LiveSensor,
    LiveSign,
    LiveSignal,
    LiveView,
)

# The map shows a light as a driver sees it.
_COLOUR = {
    Light.DARK: "dark",
    Light.RED: "red",
    Light.RED_YELLOW: "red",
    Light.FLASHING_RED: "flashing_red",
    Light.FLASHING_GREEN: "green",
    Light.PERMISSIVE_GREEN: "green",
    Light.PROTECTED_GREEN: "green",
    Light.YELLOW: "yellow",
    Light.PERMISSIVE_YELLOW: "yellow",
    Light.PROTECTED_YELLOW: "yellow",
    Light.FLASHING_YELLOW: "flashing_yellow",
    Light.UNAVAILABLE: "unknown",
}
_EXISTS = 0.5
_NAME = 128
_TEXT = 256


def lanes_of_groups(geometry: RoadGeometry) -> dict[SignalKey, tuple[str, ...]]:
    """Signal group → `intersection/lane` of the lanes whose movements it governs."""
    out: dict[SignalKey, list[str]] = {}
    for movement in geometry.movements:
        if movement.signal_group is not None:
            lanes = out.setdefault(SignalKey(movement.from_lane.intersection, movement.signal_group), [])
            if str(movement.from_lane) not in lanes:
                lanes.append(str(movement.from_lane))
    return {key: tuple(lanes) for key, lanes in out.items()}


def live_view(
    site: str,
    seq: int,
    world: World,
    events: Iterable[EventRecord],
    rsus: Iterable[LiveRsu],
    lanes: Mapping[SignalKey, tuple[str, ...]],
    sensors: Iterable[LiveSensor] = (),
) -> LiveView:
    """What the map shows of a world: participants, signals, units, sensors, signs and open events."""
    return LiveView(
        site=site,
        utc_ns=world.now,
        seq=seq,
        participants=tuple(_participants(world)),
        signals=tuple(_signal(key, state, world.now, lanes) for key, state in world.signals.items()),
        rsus=tuple(rsus),
        events=tuple(_event(event) for event in events),
        sensors=tuple(sensors),
        signs=tuple(_sign(sign, world) for sign in world.signs),
    )


def live_sensors(site: Site, states: Iterable[SensorStatus]) -> tuple[LiveSensor, ...]:
    """What the map shows of a site's sensors. states: of `WorldModel.health`."""
    places = {sensor.id: (sensor.lat, sensor.lon) for sensor in site.model.sensors}
    return tuple(
        LiveSensor(
            device_id=status.sensor_id,
            kind=status.kind,
            state=status.health.value,
            lat_deg=places[status.sensor_id][0],
            lon_deg=places[status.sensor_id][1],
            last_heard_s=status.unheard_s,
            rate_hz=status.rate_hz,
            delay_ms=status.delay_ms,
        )
        for status in states
    )


def _participants(world: World) -> Iterable[LiveParticipant]:
    for track in world.tracks:
        if track.existence < _EXISTS:
            continue
        lat_deg, lon_deg = world.plane.to_lat_lon(track.x_m, track.y_m)
        yield LiveParticipant(
            track_id=track.track_id,
            kind=track.kind.value,
            lat_deg=lat_deg,
            lon_deg=lon_deg,
            heading_deg=heading_from_yaw(track.yaw_rad),
            speed_mps=track.speed_mps,
            length_m=track.length_m,
            width_m=track.width_m,
            connected=bool(track.session),
        )


def _signal(
    key: SignalKey, state: SignalNow, now: UtcNs, lanes: Mapping[SignalKey, tuple[str, ...]]
) -> LiveSignal:
    ends = state.likely_end or state.min_end
    return LiveSignal(
        intersection=key.intersection,
        signal_group=key.group,
        state=_COLOUR[state.light],
        remaining_s=None if ends is None else max(0.0, (ends - now) / 1e9),
        lanes=lanes.get(key, ()),
    )


def _sign(sign: StandingSign, world: World) -> LiveSign:
    post = sign.post
    lat_deg, lon_deg = world.plane.to_lat_lon(sign.x_m, sign.y_m)
    return LiveSign(
        sign_id=post.sign_id[:_NAME],
        code=post.code or 0,
        text=post.text[:_TEXT],
        speed_limit_mps=post.speed_limit_mps,
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        source=post.source.value,
    )


def _event(event: EventRecord) -> LiveEvent:
    return LiveEvent(
        event_id=event.event_id,
        kind=event.kind,
        severity=event.severity,
        lat_deg=event.lat_deg,
        lon_deg=event.lon_deg,
        opened_utc_ns=event.opened_utc_ns,
        trace_id=event.trace_id,
        warned=event.warned,
        latency_ms=event.latency_ms,
        lane=event.lane,
        length_m=_length_m(event),
    )


def _length_m(event: EventRecord) -> float | None:
    """How far a jam reaches upstream of its head."""
    length_m = event.evidence.get("length_m") if event.kind == "tjw" else None
    return float(length_m) if isinstance(length_m, float | int) else None
