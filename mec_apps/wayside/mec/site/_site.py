from __future__ import annotations

import math
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wayside.asn1.messages import RoadMap
from wayside.broker import BrokerAccess
from wayside.geo import LocalPlane, yaw_from_heading
from wayside.mec.fusion import SensorView, TrackerSettings, VehicleSettings
from wayside.mec.sensors import DEFAULT_STD_M, SensorPose, SensorSpec
from wayside.mec.signals import SignalSource
from wayside.mec.site._exposure import exposures, plain_peers
from wayside.mec.site._models import Secret, SiteModel, split_endpoint
from wayside.mec.site._reasons import SiteError, SiteProblem, SiteReason
from wayside.mec.site._secrets import SecretError, read_secret
from wayside.mec.site._tls import client_context, server_context

if TYPE_CHECKING:
    from wayside.mec.apps import Parameters
    from wayside.rsu import DeviceConfig

_LATE_BEYOND_MS = 1_000.0
_LEAST_HORIZON_MS = 600.0


class Site:
    """A checked site file, and what the parts of an edge need of it.

    model: the file's values with all defaults. devices: configuration of each roadside unit, read by its
    vendor. parameters: of each enabled app, defaults overridden. road_map: the site's maps as one.
    """

    def __init__(
        self,
        path: Path,
        model: SiteModel,
        *,
        devices: Mapping[str, DeviceConfig],
        parameters: Mapping[str, Parameters],
        road_map: RoadMap,
    ) -> None:
        self.path = path
        self.model = model
        self.devices = dict(devices)
        self.parameters = dict(parameters)
        self.road_map = road_map

    @property
    def id(self) -> str:
        """Identity of the site."""
        return self.model.id

    @property
    def name(self) -> str:
        """Name for people."""
        return self.model.name

    @property
    def outbox_path(self) -> Path:
        """Where the outbox stands."""
        return self.path.parent / self.model.outbox.path

    def plane(self) -> LocalPlane:
        """Local plane at the site's origin."""
        return LocalPlane(self.model.origin.lat, self.model.origin.lon)

    def endpoint(self, name: str) -> tuple[str, int]:
        """Host and port of one of sensors_udp, sensors_ws, tscbm, link, http."""
        return split_endpoint(getattr(self.model.listen, name))

    def sensor_specs(self) -> tuple[SensorSpec, ...]:
        """The sensors, on the site's plane."""
        plane = self.plane()
        return tuple(
            SensorSpec(
                sensor_id=sensor.id,
                kind=sensor.kind.value,
                transport=sensor.transport,
                pose=SensorPose(
                    *plane.to_xy(sensor.lat, sensor.lon),
                    yaw_from_heading(sensor.heading_deg),
                    sensor.range_m,
                ),
                rate_hz=sensor.rate_hz,
                expected_delay_ms=sensor.expected_delay_ms,
                late_ms=sensor.late_ms or sensor.expected_delay_ms + _LATE_BEYOND_MS,
                address=sensor.address,
                clock_offset_ms=sensor.clock_offset_ms,
                std_m=sensor.std_m or DEFAULT_STD_M[sensor.kind.value],
                fov_deg=sensor.fov_deg,
            )
            for sensor in self.model.sensors
        )

    def sensor_views(self) -> tuple[SensorView, ...]:
        """The sensors as the tracker sees them."""
        return tuple(
            SensorView(
                spec.sensor_id,
                spec.pose.x_m,
                spec.pose.y_m,
                spec.pose.yaw_rad,
                spec.pose.range_m,
                spec.std_m,
                math.tau if spec.fov_deg >= 360.0 else spec.fov_rad,
                keeps_static=spec.kind != "radar",
            )
            for spec in self.sensor_specs()
        )

    def tracker_settings(self) -> TrackerSettings:
        """Parameters of the tracker; the horizon covers the slowest sensor four times over."""
        fusion = self.model.fusion
        slowest_ms = max((sensor.expected_delay_ms for sensor in self.model.sensors), default=0.0)
        horizon_ms = fusion.horizon_ms or max(_LEAST_HORIZON_MS, 4.0 * slowest_ms)
        return TrackerSettings(
            horizon_s=horizon_ms / 1e3, confirm_hits=fusion.confirm_hits, max_tracks=fusion.max_tracks
        )

    def vehicle_settings(self) -> VehicleSettings:
        """Limits of what is kept of vehicles."""
        return VehicleSettings(max_vehicles=self.model.fusion.max_vehicles)

    def signal_sources(self) -> tuple[SignalSource, ...]:
        """Where each intersection's signals come from."""
        return tuple(
            SignalSource(**signal.model_dump(exclude_defaults=False)) for signal in self.model.signals
        )

    def secret(self, where: Secret | None) -> str:
        """A secret from its environment variable or file, "" for None.

        Raises SiteError MISSING_SECRET; the secret itself is in no message.
        """
        if where is None:
            return ""
        try:
            return read_secret(where, self.path.parent)
        except SecretError as error:
            problem = SiteProblem(SiteReason.MISSING_SECRET, 0, "", str(error), "set it before the start")
            raise SiteError(str(self.path), [problem]) from None

    def link_tls(self) -> ssl.SSLContext | None:
        """Server context of the vehicle link, None where it is plain.

        Raises SiteError MISSING_FILE or BAD_CERTIFICATE.
        """
        tls = self.model.link.tls
        if tls is None:
            return None
        context = server_context(tls, self.path.parent)
        if isinstance(context, SiteProblem):
            raise SiteError(str(self.path), [context])
        return context

    def broker_access(self) -> BrokerAccess | None:
        """Access to the brokers of the uplink, None where it is none of Kafka.

        Raises SiteError MISSING_SECRET, MISSING_FILE or BAD_CERTIFICATE.
        """
        kafka = self.model.uplink.kafka if self.model.uplink is not None else None
        if kafka is None:
            return None
        tls = None if kafka.tls is None else client_context(kafka.tls, self.path.parent)
        if isinstance(tls, SiteProblem):
            raise SiteError(str(self.path), [tls])
        if kafka.sasl is None:
            return BrokerAccess(kafka.servers, tls)
        return BrokerAccess(
            kafka.servers, tls, kafka.sasl.mechanism, kafka.sasl.user, self.secret(kafka.sasl.password)
        )

    def warnings(self) -> tuple[str, ...]:
        """What the file lays open to the network, a line each with what to do; nothing on the loopback."""
        return (*exposures(self.model), *plain_peers(self.devices))

    def sensor_tokens(self) -> dict[str, str]:
        """Secret of each sensor that comes by WebSocket. Raises SiteError MISSING_SECRET."""
        return {
            sensor.id: self.secret(sensor.token)
            for sensor in self.model.sensors
            if sensor.transport == "websocket"
        }

    def effective(self) -> dict[str, Any]:
        """All values with their defaults, JSON-able; secrets appear by name only."""
        values = self.model.model_dump(mode="json")
        values["apps"] = {
            name: {
                "enabled": name in self.parameters,
                "parameters": {
                    field: getattr(self.parameters[name], field)
                    for field in self.parameters[name].__struct_fields__
                }
                if name in self.parameters
                else {},
            }
            for name in sorted({*values["apps"], *self.parameters})
        }
        return values
