from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from wayside.asn1.geometry import RoadGeometry
from wayside.asn1.messages import ObjectSource, Position
from wayside.clock import Clock, MonoNs
from wayside.mec.apps import (
    App,
    Evw,
    Glosa,
    HazardReport,
    Hlw,
    Icw,
    Ivs,
    Lta,
    Output,
    Rlvw,
    Slw,
    Tjw,
    Vrucw,
    one_voice,
)
from wayside.mec.core._claims import Claims
from wayside.mec.core._inputs import RadioInputs
from wayside.mec.core._receipts import DeliveredWarning, ReceiptBook
from wayside.mec.core._story import Story
from wayside.mec.dispatch import CancelPush, Dispatch, Dispatcher, EventChange, Push
from wayside.mec.downlink import Downlink, Downlinks
from wayside.mec.rollup import EventFacts, EventLedger, LedgerSettings, RollupError
from wayside.mec.sensors import Scan
from wayside.mec.site import Site
from wayside.mec.world import SignPost, World, WorldModel
from wayside.observe import Containment, Counters
from wayside.records import EventRecord, EventState
from wayside.rsu import Envelope

APPS: dict[str, type[Any]] = {
    "evw": Evw,
    "glosa": Glosa,
    "hlw": Hlw,
    "icw": Icw,
    "ivs": Ivs,
    "lta": Lta,
    "rlvw": Rlvw,
    "slw": Slw,
    "tjw": Tjw,
    "vrucw": Vrucw,
}
_SOURCES = {"camera": ObjectSource.CAMERA, "radar": ObjectSource.RADAR, "lidar": ObjectSource.LIDAR}
_DEFAULT_DIALECT = "csae53-2020"
# Beyond any sensor's period: dangers that stand are looked at again although nothing has arrived.
_QUIET_NS = 500_000_000
_BUSY_NS = 50_000_000


class StepResult(NamedTuple):
    """What one step says. downlinks: what the roadside units shall broadcast, due now; none from `decide`."""

    world: World
    pushes: tuple[Push, ...]
    cancels: tuple[CancelPush, ...]
    downlinks: tuple[Downlink, ...]


class EdgeCore:
    """The edge without its sockets, disk and timers: inputs go in as they come, `step` says what follows.

    Synchronous and deterministic: the same inputs at the same instants of its clock give the same results.
    The service drives it from sockets, the lockstep runner from a simulation on a virtual clock. ledger: life
    of the events; without one they are kept in memory only.
    """

    def __init__(
        self,
        site: Site,
        clock: Clock,
        counters: Counters,
        *,
        ledger: EventLedger | None = None,
        seed: int | None = None,
    ) -> None:
        self.site = site
        self.plane = site.plane()
        self.geometry = RoadGeometry.from_map(site.road_map, self.plane)
        self.world = WorldModel(site, self.plane, self.geometry, clock, counters)
        self.ledger = ledger or EventLedger(site.id, clock, LedgerSettings(), counters)
        self.receipts = ReceiptBook(counters, clock)
        self.apps: list[App] = [
            cast(App, APPS[name](parameters)) for name, parameters in sorted(site.parameters.items())
        ]
        self._clock = clock
        self._counters = counters
        self._containment = Containment(clock, counters)
        self._stepped = clock.mono()
        self._claims = Claims()
        self._claims.adopt(self.ledger.open_events(), self.plane, clock.mono(), clock.utc())
        self._off: set[str] = set()
        self._silenced: dict[str, MonoNs] = {}
        self._story = Story(clock)
        self._dialects: dict[str, str] = {}
        source_id = hashlib.blake2b(site.id.encode(), digest_size=8).digest()
        self._inputs = RadioInputs(self.world, frozenset({source_id}), clock, counters)
        self._dispatcher = Dispatcher(
            self.plane,
            self.geometry,
            counters,
            clock,
            self.ledger.identity,
        )
        reference = site.road_map.intersections[0].reference
        self._downlinks = Downlinks(
            Position(reference.lat_deg, reference.lon_deg, reference.elevation_m),
            [rsu.dialect for rsu in site.model.rsus],
            source_id,
            counters,
            random.Random(seed),
            sensor_sources={sensor.id: _SOURCES[sensor.kind.value] for sensor in site.model.sensors},
            road_map=site.road_map,
        )

    # what comes in

    def on_scan(self, scan: Scan) -> bool:
        """A sensor's scan; whether it was used."""
        return self.world.on_scan(scan)

    def on_tscbm(self, data: bytes, arrived: MonoNs, address: str = "") -> bool:
        """A signal controller's datagram; whether it was used."""
        return self.world.on_tscbm(data, arrived=arrived, address=address)

    def on_session(self, session: str, up: bool, dialect: str = "") -> None:
        """A vehicle came or went. dialect: of its messages; the site's first where it is not said."""
        if up:
            self._dialects[session] = dialect or self.site.model.link.dialects[0]
        else:
            self._dialects.pop(session, None)
        self.world.on_session(session, up)

    def on_vehicle_frame(self, session: str, frame: bytes, arrived: MonoNs) -> bool:
        """A MessageFrame that a vehicle sent over its session; whether it was used."""
        return self._inputs.from_vehicle(
            session, self._dialects.get(session, _DEFAULT_DIALECT), frame, arrived
        )

    def on_rsu_envelope(self, envelope: Envelope) -> bool:
        """A message that a roadside unit passed on; whether it was used."""
        return self._inputs.from_device(envelope)

    def post_sign(self, sign: SignPost) -> None:
        """Put up an operator's sign, or replace the one of this id; it holds from the next step on.

        Raises SignError: SIGN_TAKEN, SIGN_UNPLACED, SIGNS_FULL.
        """
        self.world.signs.post(sign)

    def withdraw_sign(self, sign_id: str) -> bool:
        """Take down an operator's sign; False where there is none of this id."""
        return self.world.signs.withdraw(sign_id)

    # what follows

    def step(self) -> StepResult:
        """Run the apps on the world as it is now, and say who is to be told and what is to be broadcast."""
        result = self.decide()
        return result._replace(downlinks=tuple(self.compose(result.world)))

    def decide(self) -> StepResult:
        """As `step`, without what is to be broadcast: that may wait until the vehicles are told."""
        world = self.world.snapshot()
        self._stepped = world.mono
        outputs, left_out = one_voice(
            [output for app in self.apps if app.name not in self._off for output in self._outputs(app, world)]
        )
        for (app_name, other), reports_left in left_out.items():
            self._counters.count(f"{app_name}_silent", other, by=reports_left)
        decided = self._clock.mono()
        reports = [output for output in outputs if isinstance(output, HazardReport)]
        self._claims.claim(reports, world.mono, world.now, f"{self.ledger.boot:x}")
        named = [output for output in map(self._named, outputs) if not self._is_silenced(output, world.mono)]
        dispatch = self._dispatcher.dispatch(world, named, decided)
        self._keep(world, dispatch)
        return StepResult(world, dispatch.pushes, dispatch.cancels, ())

    def compose(self, world: World) -> Sequence[Downlink]:
        """What is due to be broadcast of the world that was last decided on."""
        return self._downlinks.step(world, self._dispatcher.open_events())

    def broadcast(self) -> Sequence[Downlink]:
        """What is due to be broadcast although nothing has arrived; also ends what is over."""
        now = self._clock.mono()
        self._end_lapsed(now)
        # Steps that follow one another compose what is due as they go.
        return () if now - self._stepped < _BUSY_NS else self.compose(self.world.snapshot())

    def overdue(self) -> bool:
        """Whether dangers stand although nothing has arrived for a while: a step must say what has become
        of them, else they would be broadcast for ever after the last sensor has fallen silent."""
        quiet = self._clock.mono() - self._stepped >= _QUIET_NS
        return quiet and bool(self._dispatcher.open_events())

    def delivered(self, delivered: DeliveredWarning) -> None:
        """Put what became of a warning into the record of its event; nothing once that is over."""
        event = self.ledger.open_events().get(delivered.subject)
        if event is not None:
            self._story.delivered(delivered)
            self._observe(delivered.subject, self._story.facts_again(event, delivered.subject))

    # what an operator orders

    def switch_app(self, name: str, on: bool) -> bool:
        """Turn an app of the site on or off; False when the site has no such app. What it has reported ends
        with the next step."""
        if all(app.name != name for app in self.apps):
            return False
        if on:
            self._off.discard(name)
        else:
            self._off.add(name)
        return True

    def dismiss(self, event_id: str, silence_s: float) -> bool:
        """Close an open event and say nothing of its subject for that time; False when it is not open.

        Who holds a warning of it gets a cancel with the next step. A danger that still stands when the time
        is over is a new event.
        """
        subject = self.subject_of(event_id)
        if not subject:
            return False
        self._silenced[subject] = MonoNs(self._clock.mono() + int(silence_s * 1e9))
        self.ledger.finish(subject, self._clock.utc())
        self._story.end(subject)
        return True

    def _is_silenced(self, output: Output, mono: MonoNs) -> bool:
        if not self._silenced or not isinstance(output, HazardReport):
            return False
        until = self._silenced.get(output.subject)
        if until is not None and mono >= until:
            del self._silenced[output.subject]
        return until is not None and mono < until

    def _outputs(self, app: App, world: World) -> Iterator[Output]:
        """What one app says. A fault in it silences that app for this step, and no other."""
        said: Sequence[Output] = ()
        with self._containment.around(f"app {app.name}"):
            said = app.step(world)
            for reason, vehicles in app.silent_because(world).items():
                self._counters.count(f"{app.name}_silent", reason, by=vehicles)
        yield from said

    def _named(self, output: Output) -> Output:
        """A report under the name of its event, so that a danger whose track breaks is neither called off
        nor begun anew; advice as it is."""
        if isinstance(output, HazardReport):
            return msgspec.structs.replace(output, subject=self._claims.name_of(output.subject))
        return output

    def _keep(self, world: World, dispatch: Dispatch) -> None:
        for change in dispatch.events:
            if change.state is EventState.CLOSED:
                continue
            subject = change.report.subject
            self._story.tell(subject, change.trace)
            for step in change.trace:
                if step.name == "selection":
                    self.receipts.confirm.add_ms(step.detail["confirm_ms"])
            self._observe(subject, self._facts(subject, change))
        self._end_lapsed(world.mono)

    def _facts(self, subject: str, change: EventChange) -> EventFacts:
        report = change.report
        known = self.ledger.open_events().get(subject)
        lat_deg, lon_deg = self.plane.to_lat_lon(report.x_m, report.y_m)
        return EventFacts(
            kind=report.kind.value,
            severity=int(report.severity),
            lat_deg=lat_deg,
            lon_deg=lon_deg,
            app=report.app,
            trace_id=report.trigger.trace_id if known is None else known.trace_id,
            lane="" if report.lane is None else str(report.lane),
            warned=max(change.warned, 0 if known is None else known.warned),
            evidence=report.evidence,
            latency_ms={} if known is None else known.latency_ms,
            trace=self._story.of(subject),
        )

    def _observe(self, subject: str, facts: EventFacts) -> None:
        try:
            self.ledger.observe(subject, facts, self._clock.utc())
        except RollupError:
            # Counted by the ledger: the warning goes out all the same.
            self._counters.count("events_not_recorded", facts.kind)

    def _end_lapsed(self, mono: MonoNs) -> None:
        for subject, seen in self._claims.lapsed(mono):
            self.ledger.finish(subject, seen)
            self._story.end(subject)
            self._silenced.pop(subject, None)

    def open_events(self) -> list[EventRecord]:
        """Events that are open, as the ledger knows them."""
        return list(self.ledger.open_events().values())

    def subject_of(self, event_id: str) -> str:
        """Ledger subject of an open event; "" when it is over."""
        found = (s for s, event in self.ledger.open_events().items() if event.event_id == event_id)
        return next(found, "")
