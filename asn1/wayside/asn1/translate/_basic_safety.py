"""BasicSafety: T/CSAE 53-2020 Msg_BSM and SAE J2735 MSG_BasicSafetyMessage with its Part II."""

from __future__ import annotations

from typing import Any

from wayside.asn1.messages import BasicSafety, PathPoint, Position, Transmission
from wayside.asn1.translate._emergency import (
    read_alerts,
    read_extension,
    read_role,
    write_alerts,
    write_extension,
    write_role,
)
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._motion import (
    BRAKES_CSAE,
    BRAKES_J2735,
    read_acceleration,
    read_brakes,
    read_confidence,
    read_ellipse,
    read_size,
    write_acceleration,
    write_brakes,
    write_confidence,
    write_ellipse,
    write_size,
)
from wayside.asn1.translate._names import (
    EVENT_FLAGS_2024,
    EVENT_FLAGS_CSAE,
    EXTERIOR_LIGHTS,
    BitNames,
    enum_name,
    given,
    pad_free,
    read_octets,
    write_octets,
)
from wayside.asn1.translate._places import (
    from_grid,
    lon_difference,
    read_offset,
    read_position,
    to_grid,
    write_offset,
    write_position,
)
from wayside.asn1.translate._times import read_dsecond, write_dsecond
from wayside.asn1.translate._units import (
    AGE_S,
    COARSE_HEADING_DEG,
    CURVE_M,
    ELEVATION_M,
    FRACTION,
    HEADING_DEG,
    HEIGHT_M,
    SPEED_MPS,
    STEERING_DEG,
    Lost,
    count,
    write_heading,
)
from wayside.clock import UtcNs

Fields = dict[str, Any]

_TRANSMISSION = {
    "neutral": Transmission.NEUTRAL,
    "park": Transmission.PARK,
    "forwardGears": Transmission.FORWARD,
    "reverseGears": Transmission.REVERSE,
}
_TRANSMISSION_NAME = {gear: name for name, gear in _TRANSMISSION.items()}
_B18 = 1 << 17
_CRUMBS = 23
_NO_OFFSET = -_B18
_NO_VERTICAL = -2048


def read_csae(value: Fields, near: UtcNs, lost: Lost) -> BasicSafety:
    """BasicSafety of a CSAE BSM. Raises TranslateError(NO_POSITION) where the position is unavailable."""
    position = _own_position(read_position(value["pos"]))
    fields: Fields = {}
    if "posAccuracy" in value:
        fields["accuracy"] = read_ellipse(value["posAccuracy"])
    if "posConfidence" in value:
        fields["accuracy_m"] = read_confidence(value["posConfidence"], lost, "posConfidence")
    if given(value.get("timeConfidence")):
        lost.append("timeConfidence")
    if any(given(confidence) for confidence in value.get("motionCfd", {}).values()):
        lost.append("motionCfd")
    vehicle_class = value["vehicleClass"]
    fields["vehicle_class"] = vehicle_class["classification"] or None
    fields["fuel_type"] = vehicle_class.get("fuelType") or None
    _read_safety(value.get("safetyExt", {}), position, fields, lost, EVENT_FLAGS_CSAE, _csae_crumbs)
    if "emergencyExt" in value:
        fields["emergency"] = read_extension(value["emergencyExt"])
    return _read_common(value, value["size"], position, fields, near, lost)


def read_j2735(value: Fields, near: UtcNs, lost: Lost) -> BasicSafety:
    """BasicSafety of a J2735 BSM. Raises TranslateError(NO_POSITION) where the position is unavailable."""
    core = value["coreData"]
    position = _own_position(from_grid(core["lat"], core["long"], ELEVATION_M.read(core["elev"])))
    fields: Fields = {"accuracy": read_ellipse(core["accuracy"])}
    size = dict(core["size"])
    for i, part in enumerate(value.get("partII", ())):
        content, at = part["partII-Value"], f"partII[{i}]"
        kind = part["partII-Id"]
        if not isinstance(content, dict) or kind not in (0, 1, 2):
            lost.append(at)
        elif kind == 0:
            _read_safety(content, position, fields, lost, EVENT_FLAGS_2024, _j2735_crumbs)
        elif kind == 1:
            _read_special(content, fields, lost, at)
        else:
            _read_supplemental(content, fields, size, lost, at)
    if "regional" in value:
        lost.append("regional")
    return _read_common(core, size, position, fields, near, lost)


def _own_position(position: Position | None) -> Position:
    if position is None:
        raise TranslateError(TranslateReason.NO_POSITION, "the vehicle gives no position", where="pos")
    return position


def _read_common(
    value: Fields, size: Fields, position: Position, fields: Fields, near: UtcNs, lost: Lost
) -> BasicSafety:
    brakes, wheels = read_brakes(value["brakes"], lost)
    return BasicSafety(
        vehicle_id=read_octets(value["id"]),
        msg_count=value["msgCnt"],
        position=position,
        utc_ns=read_dsecond(value["secMark"], near),
        transmission=_TRANSMISSION.get(enum_name(value["transmission"])),
        speed_mps=SPEED_MPS.read(value["speed"]),
        heading_deg=HEADING_DEG.read(value["heading"]),
        steering_wheel_deg=STEERING_DEG.read(value.get("angle")),
        acceleration=read_acceleration(value["accelSet"]),
        brakes=brakes,
        wheel_brakes=wheels,
        size=read_size(size),
        **fields,
    )


def _read_safety(
    value: Fields, position: Position, fields: Fields, lost: Lost, flags: BitNames, crumbs: Any
) -> None:
    fields["events"] = flags.read(value.get("events"), lost, "events")
    fields["lights"] = EXTERIOR_LIGHTS.read(value.get("lights"), lost, "lights")
    history = value.get("pathHistory")
    if history is not None:
        origin = position
        if "initialPosition" in history:
            lost.append("path_history.initialPosition")
            full = history["initialPosition"]
            place = full["pos"] if "pos" in full else full
            origin = read_position(place) or position
        if "currGNSSstatus" in history:
            lost.append("path_history.currGNSSstatus")
        fields["path_history"] = tuple(crumbs(history["crumbData"], origin, lost))
    prediction = value.get("pathPrediction")
    if prediction is not None:
        fields["path_radius_m"] = CURVE_M.read(prediction["radiusOfCurve"])
        fields["path_confidence"] = FRACTION.read(prediction["confidence"])


def _csae_crumbs(crumbs: list[Fields], origin: Position, lost: Lost) -> list[PathPoint]:
    points: list[PathPoint] = []
    for i, crumb in enumerate(crumbs):
        at = f"path_history[{i}]"
        place = read_offset(origin, crumb["llvOffset"], lost, at)
        if place is None:
            lost.append(at)
            continue
        points.append(_crumb(crumb, place, lost, at))
    return points


def _j2735_crumbs(crumbs: list[Fields], origin: Position, lost: Lost) -> list[PathPoint]:
    # In J2735 a crumb's offset is the vehicle's position minus the crumb's: vehicles that moved forward
    # in recorded BSMs have their crumbs behind them only when the offset is taken off.
    lat, lon = to_grid(origin, "pos")
    points: list[PathPoint] = []
    for i, crumb in enumerate(crumbs):
        at = f"path_history[{i}]"
        place = None
        if crumb["latOffset"] != _NO_OFFSET and crumb["lonOffset"] != _NO_OFFSET:
            elevation = None
            if origin.elevation_m is not None and crumb["elevationOffset"] != _NO_VERTICAL:
                elevation = (round(origin.elevation_m * 10) - crumb["elevationOffset"]) / 10
            place = from_grid(lat - crumb["latOffset"], lon - crumb["lonOffset"], elevation)
        if place is None:
            lost.append(at)
            continue
        points.append(_crumb(crumb, place, lost, at))
    return points


def _crumb(crumb: Fields, place: Position, lost: Lost, at: str) -> PathPoint:
    if "posAccuracy" in crumb:
        lost.append(f"{at}.posAccuracy")
    return PathPoint(
        place,
        AGE_S.read(crumb["timeOffset"]),
        SPEED_MPS.read(crumb.get("speed")),
        COARSE_HEADING_DEG.read(crumb.get("heading")),
    )


def _read_special(value: Fields, fields: Fields, lost: Lost, at: str) -> None:
    alerts = value.get("vehicleAlerts")
    if alerts is not None:
        fields["emergency"] = read_alerts(alerts, lost, f"{at}.vehicleAlerts")
    lost.extend(f"{at}.{name}" for name in ("description", "doNotUse") if name in value)


def _read_supplemental(value: Fields, fields: Fields, size: Fields, lost: Lost, at: str) -> None:
    fields["vehicle_class"] = value.get("classification") or None
    details = value.get("classDetails")
    if details is not None:
        fields["fuel_type"] = details.get("fuelType") or None
        key = details.get("keyType", 0)
        if key and fields["vehicle_class"] is None:
            fields["vehicle_class"] = key
        fields["role"] = read_role(details.get("role"))
        known = ("fuelType", "keyType", "role")
        lost.extend(f"{at}.classDetails.{name}" for name in details if name not in known)
    data = value.get("vehicleData")
    if data is not None:
        size["height"] = data.get("height", 0)
        lost.extend(f"{at}.vehicleData.{name}" for name in data if name != "height")
    carried = ("classification", "classDetails", "vehicleData")
    lost.extend(f"{at}.{name}" for name in value if name not in carried)


def write_csae(message: BasicSafety, lost: Lost) -> Fields:
    """CSAE BSM. Raises TranslateError for what has no room in it."""
    value = _write_common(message, 8, lost)
    value["pos"] = write_position(message.position, lost, "position")
    if message.accuracy is not None:
        value["posAccuracy"] = write_ellipse(message.accuracy, lost, "accuracy")
    if message.accuracy_m is not None:
        value["posConfidence"] = {"pos": write_confidence(message.accuracy_m, lost, "accuracy_m")}
    if message.steering_wheel_deg is not None:
        value["angle"] = STEERING_DEG.write(message.steering_wheel_deg, lost, "steering_wheel_deg")
    value["brakes"] = write_brakes(message.brakes, message.wheel_brakes, lost, BRAKES_CSAE, True)
    if message.size.height_m is not None:
        value["size"]["height"] = HEIGHT_M.write(message.size.height_m, lost, "size.height_m")
    value["vehicleClass"] = {"classification": count(message.vehicle_class or 0, 255, "vehicle_class")}
    if message.fuel_type is not None:
        value["vehicleClass"]["fuelType"] = count(message.fuel_type, 15, "fuel_type")
    safety = _write_safety(message, lost, EVENT_FLAGS_CSAE)
    if message.path_history:
        crumbs = [
            {"llvOffset": write_offset(message.position, p.position, lost, f"path_history[{i}]")}
            | _write_crumb(p, lost, f"path_history[{i}]")
            for i, p in _newest(message.path_history, lost)
        ]
        safety["pathHistory"] = {"crumbData": crumbs}
    if safety:
        value["safetyExt"] = safety
    if message.role is not None:
        lost.append(f"role: {message.role}")
    if message.emergency is not None:
        value["emergencyExt"] = write_extension(message.emergency, lost)
    return value


def write_j2735(message: BasicSafety, lost: Lost) -> Fields:
    """J2735 BSM with the Part II that the message has content for."""
    core = _write_common(message, 4, lost)
    core["lat"], core["long"] = to_grid(message.position, "position")
    core["elev"] = ELEVATION_M.write(message.position.elevation_m, lost, "position.elevation_m")
    accuracy = message.accuracy
    core["accuracy"] = write_ellipse(accuracy, lost, "accuracy")
    if message.accuracy_m is not None:
        if accuracy is None and message.accuracy_m <= 12.7:
            bound = round(message.accuracy_m * 20)
            core["accuracy"] = {"semiMajor": bound, "semiMinor": bound, "orientation": 65535}
        else:
            lost.append("accuracy_m")
    core["angle"] = STEERING_DEG.write(message.steering_wheel_deg, lost, "steering_wheel_deg")
    core["brakes"] = write_brakes(message.brakes, message.wheel_brakes, lost, BRAKES_J2735, False)
    parts: list[Fields] = []
    safety = _write_safety(message, lost, EVENT_FLAGS_2024)
    if message.path_history:
        crumbs = _write_j2735_crumbs(message, lost)
        if crumbs:
            safety["pathHistory"] = {"crumbData": crumbs}
    if safety:
        parts.append({"partII-Id": 0, "partII-Value": safety})
    if message.emergency is not None:
        parts.append(
            {"partII-Id": 1, "partII-Value": {"vehicleAlerts": write_alerts(message.emergency, lost)}}
        )
    supplement: Fields = {}
    if message.vehicle_class is not None:
        supplement["classification"] = count(message.vehicle_class, 255, "vehicle_class")
    details = write_role(message.role, lost)
    if message.fuel_type is not None:
        details["fuelType"] = count(message.fuel_type, 15, "fuel_type")
    if details:
        supplement["classDetails"] = details
    if message.size.height_m is not None:
        supplement["vehicleData"] = {"height": HEIGHT_M.write(message.size.height_m, lost, "size.height_m")}
    if supplement:
        parts.append({"partII-Id": 2, "partII-Value": supplement})
    return {"coreData": core, "partII": parts} if parts else {"coreData": core}


def _write_common(message: BasicSafety, id_size: int, lost: Lost) -> Fields:
    gear = message.transmission
    return {
        "msgCnt": count(message.msg_count, 127, "msg_count"),
        "id": write_octets(pad_free(message.vehicle_id, 4), id_size, lost, "vehicle_id"),
        "secMark": write_dsecond(message.utc_ns),
        "transmission": "unavailable" if gear is None else _TRANSMISSION_NAME[gear],
        "speed": SPEED_MPS.write(message.speed_mps, lost, "speed_mps"),
        "heading": write_heading(message.heading_deg, lost, "heading_deg"),
        "accelSet": write_acceleration(message.acceleration, lost, "acceleration"),
        "size": write_size(message.size, lost, "size"),
    }


def _write_safety(message: BasicSafety, lost: Lost, flags: BitNames) -> Fields:
    safety: Fields = {}
    if message.events:
        safety["events"] = flags.write(message.events, lost, "events")
    if message.path_confidence is not None:
        safety["pathPrediction"] = {
            "radiusOfCurve": CURVE_M.write(message.path_radius_m, lost, "path_radius_m"),
            "confidence": FRACTION.write(message.path_confidence, lost, "path_confidence"),
        }
    elif message.path_radius_m is not None:
        lost.append("path_radius_m: no confidence with it")
    if message.lights:
        safety["lights"] = EXTERIOR_LIGHTS.write(message.lights, lost, "lights")
    return safety


def _newest(points: tuple[PathPoint, ...], lost: Lost) -> list[tuple[int, PathPoint]]:
    if len(points) > _CRUMBS:
        lost.append(f"path_history[{_CRUMBS}..]: the list holds {_CRUMBS}")
    return list(enumerate(points[:_CRUMBS]))


def _write_crumb(point: PathPoint, lost: Lost, at: str) -> Fields:
    value: Fields = {"timeOffset": AGE_S.write(point.age_s, lost, at + ".age_s")}
    if point.speed_mps is not None:
        value["speed"] = SPEED_MPS.write(point.speed_mps, lost, at + ".speed_mps")
    if point.heading_deg is not None:
        value["heading"] = round(point.heading_deg / 1.5) % 240
    return value


def _write_j2735_crumbs(message: BasicSafety, lost: Lost) -> list[Fields]:
    lat, lon = to_grid(message.position, "position")
    own = message.position.elevation_m
    crumbs: list[Fields] = []
    for i, point in _newest(message.path_history, lost):
        at = f"path_history[{i}]"
        point_lat, point_lon = to_grid(point.position, at)
        north, east = lat - point_lat, lon_difference(lon, point_lon)
        if not (-_B18 < north < _B18 and -_B18 < east < _B18):
            lost.append(f"{at}: too far away")
            continue
        up = _NO_VERTICAL
        if own is not None and point.position.elevation_m is not None:
            up = round(own * 10) - round(point.position.elevation_m * 10)
            up = up if _NO_VERTICAL < up < 2048 else _NO_VERTICAL
        elif point.position.elevation_m is not None:
            lost.append(f"{at}.elevation_m")
        crumbs.append(
            {"latOffset": north, "lonOffset": east, "elevationOffset": up} | _write_crumb(point, lost, at)
        )
    return crumbs
