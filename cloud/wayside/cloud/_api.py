from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, HTTPException, Query, Response

from wayside.cloud import _models as models
from wayside.cloud._centre import Centre
from wayside.cloud._devices import devices_of
from wayside.cloud._queries import EventFilter, RecordReader, StoredEvent, summed
from wayside.cloud._series import series_of
from wayside.records import EventRecord

_json = msgspec.json.Encoder()
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "there is no such thing"}}
_DAY_MINUTES = 1_440
# Counts whose course is worth a line on the page.
_SERIES = ("warnings", "cancels", "steps", "rsu_deliveries", "messages_up")

Name = Annotated[str | None, Query(max_length=128)]


def api_router(centre: Centre) -> APIRouter:
    """Routes for people and programs that look at the centre; JSON, read only."""
    router = APIRouter(prefix="/api", tags=["operations"])

    @router.get("/sites", response_model=models.SitesOut)
    async def sites() -> Response:
        """All sites the centre has heard of."""
        stored = {site.site: site for site in await centre.read(lambda reader: reader.sites())}
        ages = centre.live.ages_ms()
        out = []
        for name in sorted(stored.keys() | ages.keys()):
            site = stored.get(name)
            rival = centre.rivals.get(name)
            record = None if site is None else site.record
            out.append(
                {
                    "site": name,
                    "heard_utc_ns": None if site is None else site.heard_utc_ns,
                    "live_age_ms": ages.get(name),
                    "refused_utc_ns": None if rival is None else rival.at,
                    "refused": 0 if rival is None else rival.refused,
                    "name": None if record is None else record.name,
                    "lat_deg": None if record is None else record.lat_deg,
                    "lon_deg": None if record is None else record.lon_deg,
                    "software": None if record is None else record.software,
                }
            )
        return _answer({"sites": out})

    @router.get("/sites/{site}/lanes", response_model=dict[str, Any], responses=_NOT_FOUND)
    async def lanes(site: str) -> Response:
        """The site's lanes as GeoJSON: LineStrings with lane, kind, direction, width_m."""
        stored = await centre.read(lambda reader: reader.site(site))
        if stored is None or stored.record is None:
            raise HTTPException(404, "the site has not told its lanes")
        return _answer(stored.record.lanes, "application/geo+json")

    @router.get("/events", response_model=models.EventsOut)
    async def events(
        site: Name = None,
        state: Literal["open", "closed"] | None = None,
        kind: Name = None,
        severity: Annotated[int | None, Query(ge=0, le=10, description="at least")] = None,
        since_utc_ns: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        until_utc_ns: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        text: Annotated[
            str | None, Query(max_length=128, description="in identity, trace, lane, kind")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        cursor: Annotated[str | None, Query(max_length=1_024)] = None,
    ) -> Response:
        """Events, newest opened first."""
        wanted = EventFilter(
            site, state, kind, severity, since_utc_ns, until_utc_ns, _cursor_in(cursor), limit + 1, text
        )
        found = await centre.read(lambda reader: reader.events(wanted))
        more = len(found) > limit
        found = found[:limit]
        return _answer(
            {
                "events": [_event(stored, with_trace=False) for stored in found],
                "next": _cursor_out(found[-1]) if more else None,
            }
        )

    @router.get("/events/{site}/{event_id}", response_model=models.EventOut, responses=_NOT_FOUND)
    async def event(site: str, event_id: str) -> Response:
        """Newest revision of one event, with its trace."""
        stored = await centre.read(lambda reader: reader.event(site, event_id))
        if stored is None:
            raise HTTPException(404, "no such event")
        return _answer(_event(stored, with_trace=True))

    @router.get("/trace/{trace_id}", response_model=models.TraceOut, responses=_NOT_FOUND)
    async def trace(trace_id: str) -> Response:
        """The way of a warning: its steps up to the record, and the time of each stage."""
        stored = await centre.read(lambda reader: reader.trace(trace_id))
        if stored is None:
            raise HTTPException(404, "no such trace")
        out: dict[str, Any] = dict.fromkeys(("site", "event_id", "kind", "severity", "record_id", "total_ms"))
        out |= {
            "trace_id": trace_id,
            "received_utc_ns": stored.received_utc_ns,
            "deliveries": [],
            "steps": [],
        }
        out["latency_ms"] = {}
        out["deliveries"] = [_plain(delivery) for delivery in stored.deliveries]
        record = stored.record
        if record is not None and isinstance(record.body, EventRecord):
            body = record.body
            last = {
                "name": "record",
                "at_utc_ns": stored.received_utc_ns,
                "detail": {"record_id": str(record.id), "revision": body.revision, "state": body.state},
            }
            out |= {
                "site": record.id.site,
                "event_id": body.event_id,
                "kind": body.kind,
                "severity": body.severity,
                "record_id": str(record.id),
                "steps": [*body.trace, last],
                "latency_ms": body.latency_ms,
                "total_ms": sum(body.latency_ms.values()) if body.latency_ms else None,
            }
        return _answer(out)

    @router.get("/devices", response_model=models.DevicesOut)
    async def devices(
        site: Name = None, minutes: Annotated[int, Query(ge=1, le=_DAY_MINUTES)] = 60
    ) -> Response:
        """Newest state of each roadside unit and sensor, and what became of the messages to it in the last
        minutes."""
        since = centre.clock.utc() - minutes * 60_000_000_000

        def query(reader: RecordReader) -> list[dict[str, Any]]:
            windows = reader.summaries(site, since)
            return devices_of(reader.devices(site), reader.deliveries(site), windows)

        return _answer({"devices": await centre.read(query)})

    @router.get("/series", response_model=models.SeriesOut)
    async def series(
        site: Name = None,
        minutes: Annotated[int, Query(ge=1, le=7 * _DAY_MINUTES)] = 60,
        steps: Annotated[int, Query(ge=1, le=500)] = 120,
    ) -> Response:
        """Drops, counts and latency of the last minutes, in equal steps."""
        until = centre.clock.utc()
        since = until - minutes * 60_000_000_000
        found = await centre.read(
            lambda reader: series_of(reader.summaries(site, since), since, until, steps, _SERIES)
        )
        return _answer(found)

    @router.get("/summary", response_model=models.SummaryOut)
    async def summary(
        site: Name = None, minutes: Annotated[int, Query(ge=1, le=30 * _DAY_MINUTES)] = 60
    ) -> Response:
        """What the edges counted in the last minutes."""
        since = centre.clock.utc() - minutes * 60_000_000_000
        windows = await centre.read(lambda reader: reader.summaries(site, since))
        kinds = await centre.read(lambda reader: reader.event_counts(site, since))
        counts, dropped = summed(windows)
        latency = {name: window.latency for name, window in windows if window.latency}
        return _answer(
            {
                "since_utc_ns": since,
                "windows": len(windows),
                "counts": counts,
                "dropped": dropped,
                "latency": latency,
                "events": kinds,
            }
        )

    @router.get("/stats", response_model=models.StatsOut)
    async def stats() -> Response:
        """What is stored, and what this process counted."""
        stored = await centre.read(lambda reader: reader.stored())
        return _answer(
            {"stored": stored, "counts": centre.counters.counts(), "dropped": centre.counters.drops()}
        )

    return router


def _answer(value: object, media_type: str = "application/json") -> Response:
    # msgspec writes NaN and infinity as null, which every JSON reader takes.
    return Response(_json.encode(value), media_type=media_type, headers={"cache-control": "no-store"})


def _plain(body: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(body)


def _event(stored: StoredEvent, *, with_trace: bool) -> dict[str, Any]:
    out = _plain(stored.event) | {"site": stored.site, "received_utc_ns": stored.received_utc_ns}
    if not with_trace:
        out["trace"] = []
    return out


def _cursor_out(stored: StoredEvent) -> str:
    place = (stored.event.opened_utc_ns, stored.site, stored.event.event_id)
    return base64.urlsafe_b64encode(_json.encode(place)).decode().rstrip("=")


def _cursor_in(cursor: str | None) -> tuple[int, str, str] | None:
    if cursor is None:
        return None
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        place = msgspec.json.decode(data, type=tuple[int, str, str])
    except ValueError:
        raise HTTPException(422, "the cursor is none of ours") from None
    if not -(2**63) <= place[0] < 2**63:
        raise HTTPException(422, "the cursor is none of ours")
    return place
