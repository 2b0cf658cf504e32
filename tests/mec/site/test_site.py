"""The site file: all that is wrong is named, with its line."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wayside.asn1 import dialects
from wayside.asn1.translate import DIALECTS
from wayside.mec.site import SiteError, SiteReason, load_site, site_schema
from wayside.mec.site.commands import register_check

MAPS = Path(__file__).parents[3] / "deploy" / "demo" / "maps"
R = SiteReason

GOOD = """\
version: 1
id: haihe-test
name: Haihe
origin: {lat: 38.9811, lon: 117.3518}
maps:
  - {file: map.hex, dialect: j2735-2024}
sensors:
  - id: cam-w
    kind: camera
    address: 127.0.0.1
    lat: 38.9812
    lon: 117.3509
    heading_deg: 270
    rate_hz: 10
    expected_delay_ms: 65
    range_m: 110
    fov_deg: 75
  - {id: lidar-c, kind: lidar, transport: websocket, token: {env: WAYSIDE_TEST_TOKEN},
     lat: 38.981, lon: 117.3516, rate_hz: 10, expected_delay_ms: 200, range_m: 60}
rsus:
  - id: rsu-1
    vendor: usdot_rsu41
    dialect: j2735-2024
    lat: 38.9812
    lon: 117.3516
    config: {host: 127.0.0.1, port: 1516}
signs:
  - {id: limit-40, code: 85, speed_limit_kmh: 40, lat: 38.98105, lon: 117.3500, lanes: [12-11201/1],
     valid_from: "2026-01-01T00:00:00+08:00"}
  - {id: school, code: 242, lat: 38.98106, lon: 117.3500}
signals:
  - {intersection: 12-11201, source: tscbm, vehicle: {2: 2, 4: 4}, pedestrian: {2: 12}}
apps:
  vrucw: {parameters: {horizon_s: 4.0}}
  hlw: {enabled: false}
link:
  token: {file: link.token}
uplink: {url: "http://127.0.0.1:8080"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(MAPS / "haihe-j2735-2024.hex", tmp_path / "map.hex")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text, "utf-8")
    return path


def problems(folder: Path, text: str) -> list[tuple[SiteReason, int, str]]:
    with pytest.raises(SiteError) as refused:
        load_site(write(folder, text))
    return [(problem.reason, problem.line, problem.key) for problem in refused.value.problems]


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_good_file_gives_every_part_what_it_needs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = load_site(write(folder, GOOD))
    assert (site.id, site.plane().lat_deg) == ("haihe-test", 38.9811)
    camera, _ = site.sensor_specs()
    assert (camera.address, camera.std_m, camera.late_ms, camera.fov_deg) == (
        "127.0.0.1",
        (1.2, 0.5),
        1_065.0,
        75.0,
    )
    assert camera.pose.yaw_rad == pytest.approx(3.14159, abs=1e-4)
    assert camera.pose.x_m == pytest.approx(-78.0, abs=1.0)
    assert site.tracker_settings().horizon_s == 0.8
    (source,) = site.signal_sources()
    assert (source.intersection, source.vehicle, source.pedestrian) == ("12-11201", {2: 2, 4: 4}, {2: 12})
    assert site.devices["rsu-1"].device_id == "rsu-1"
    assert {"vrucw", "rlvw"} < set(site.parameters) and "hlw" not in site.parameters
    limit, school = site.model.signs
    assert (limit.speed_limit_kmh, limit.lanes, school.code) == (40.0, ("12-11201/1",), 242)
    assert limit.valid_from is not None and limit.valid_from.timestamp() == 1_767_196_800.0
    assert site.parameters["vrucw"].horizon_s == 4.0  # type: ignore[attr-defined]
    assert site.endpoint("link") == ("127.0.0.1", 47_010)
    assert [str(i.id) for i in site.road_map.intersections] == ["12-11201"]
    monkeypatch.setenv("WAYSIDE_TEST_TOKEN", "s3cret")
    assert site.sensor_tokens() == {"lidar-c": "s3cret"}
    (folder / "link.token").write_text("l1nk\n")
    assert site.secret(site.model.link.token) == "l1nk"
    assert site.secret(None) == ""
    shown = json.dumps(site.effective())
    assert "s3cret" not in shown and "WAYSIDE_TEST_TOKEN" in shown


def change(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "reason", "part", "key"),
    [
        pytest.param(
            change("name: Haihe\n", ""),
            R.MISSING_KEY,
            "version",
            "name",
            marks=pytest.mark.drops(R.MISSING_KEY),
        ),
        pytest.param(
            change("fov_deg", "fov_degrees"),
            R.UNKNOWN_KEY,
            "fov_degrees",
            "sensors[0].fov_degrees",
            marks=pytest.mark.drops(R.UNKNOWN_KEY),
        ),
        pytest.param(
            change("rate_hz: 10", "rate_hz: fast"),
            R.BAD_VALUE,
            "rate_hz: fast",
            "sensors[0].rate_hz",
            marks=pytest.mark.drops(R.BAD_VALUE),
        ),
        (change("lat: 38.9812", "lat: .nan"), R.BAD_VALUE, "lat: .nan", "sensors[0].lat"),
        (
            change("heading_deg: 270", "heading_deg: 400"),
            R.BAD_VALUE,
            "heading_deg",
            "sensors[0].heading_deg",
        ),
        (change("id: haihe-test", "id: a b"), R.BAD_VALUE, "id: a b", "id"),
        (change("id: haihe-test", "id: 2026-01-01"), R.BAD_VALUE, "2026", "id"),
        (change("id: lidar-c", "id: cam-w"), R.BAD_VALUE, "- {id: cam-w", "sensors[1].id"),
        (change("token: {env: WAYSIDE_TEST_TOKEN},", ""), R.MISSING_KEY, "lidar-c", "sensors[1]"),
        (change("{file: link.token}", "{}"), R.BAD_VALUE, "token: {}", "link.token"),
        (change("http://127", "ftp://127"), R.BAD_VALUE, "ftp", "uplink.url"),
        (change("{2: 2, 4: 4}", "{2: 2, 4: 2}"), R.BAD_VALUE, "4: 2", "signals[0]"),
        (change("{2: 2, 4: 4}", "{2: 2, 40: 4}"), R.BAD_VALUE, "40: 4", "signals[0].vehicle[40]"),
        (change("vehicle: {2: 2, 4: 4}, pedestrian: {2: 12}", ""), R.MISSING_KEY, "tscbm", "signals[0]"),
        (change("source: tscbm", "source: spat"), R.BAD_VALUE, "source: spat", "signals[0]"),
        (change("port: 1516", "port: 99999"), R.BAD_VALUE, "99999", "rsus[0].config.port"),
        (change("port: 1516", "port: 1516, lat_deg: 3"), R.BAD_VALUE, "lat_deg", "rsus[0].config.lat_deg"),
        pytest.param(
            change("usdot_rsu41", "usdot_rsu42"),
            R.UNKNOWN_NAME,
            "usdot_rsu42",
            "rsus[0].vendor",
            marks=pytest.mark.drops(R.UNKNOWN_NAME),
        ),
        (
            change("intersection: 12-11201", "intersection: 12-11202"),
            R.UNKNOWN_NAME,
            "12-11202",
            "signals[0].intersection",
        ),
        (change("hlw: {", "hwl: {"), R.UNKNOWN_NAME, "hwl", "apps.hwl"),
        (change("id: school", "id: limit-40"), R.BAD_VALUE, "242", "signs[1].id"),
        (change("[12-11201/1]", "[12-11201/99]"), R.UNKNOWN_NAME, "limit-40", "signs[0].lanes[0]"),
        (change("38.98106", "38.99106"), R.BAD_VALUE, "242", "signs[1]"),
        (
            change("speed_limit_kmh: 40", "speed_limit_kmh: 400"),
            R.BAD_VALUE,
            "limit-40",
            "signs[0].speed_limit_kmh",
        ),
        (change("code: 242, ", ""), R.BAD_VALUE, "school", "signs[1]"),
        (change("T00:00:00+08:00", "T00:00:00"), R.BAD_VALUE, "2026-01-01T", "signs[0].valid_from"),
        (change("horizon_s", "horizont_s"), R.UNKNOWN_NAME, "horizont_s", "apps.vrucw.parameters.horizont_s"),
        (change("4.0", "-4.0"), R.BAD_VALUE, "-4.0", "apps.vrucw.parameters.horizon_s"),
        (change("j2735-2024}", "j2735-2099}"), R.UNKNOWN_NAME, "2099", "maps[0].dialect"),
        pytest.param(
            change("{file: link.token}", "s3cret"),
            R.INLINE_SECRET,
            "s3cret",
            "link.token",
            marks=pytest.mark.drops(R.INLINE_SECRET),
        ),
        (change("port: 1516", "password: s3cret"), R.INLINE_SECRET, "password", "rsus[0].config.password"),
        pytest.param(
            change("port: 1516", "password: {env: WAYSIDE_NO_SUCH}"),
            R.MISSING_SECRET,
            "password",
            "rsus[0].config.password",
            marks=pytest.mark.drops(R.MISSING_SECRET),
        ),
        pytest.param(
            change("map.hex", "no.hex"),
            R.MISSING_FILE,
            "no.hex",
            "maps[0].file",
            marks=pytest.mark.drops(R.MISSING_FILE),
        ),
        pytest.param(
            change("name: Haihe", "name: Haihe\nname: Again"),
            R.DUPLICATE_KEY,
            "Again",
            "name",
            marks=pytest.mark.drops(R.DUPLICATE_KEY),
        ),
    ],
)
def test_a_wrong_value_is_named_with_line_key_and_reason(
    folder: Path, text: str, reason: SiteReason, part: str, key: str
) -> None:
    found = problems(folder, text)
    assert (reason, line_of(text, part), key) in found
    assert len(found) <= 2


UNTRANSLATED = sorted({*dialects()} - {*DIALECTS})
OF_UNITS = [dialect for dialect in UNTRANSLATED if dialect.startswith("j2735")]


@pytest.mark.parametrize(
    ("dialect", "old", "new", "key"),
    [
        *((d, "hex, dialect: j2735-2024", "hex, dialect: {}", "maps[0].dialect") for d in UNTRANSLATED),
        *((d, "link:", "link:\n  dialects: [{}]", "link.dialects[0]") for d in UNTRANSLATED),
        *((d, "    dialect: j2735-2024", "    dialect: {}", "rsus[0].dialect") for d in OF_UNITS),
    ],
)
def test_a_dialect_without_translators_is_refused(
    folder: Path, dialect: str, old: str, new: str, key: str
) -> None:
    with pytest.raises(SiteError) as refused:
        load_site(write(folder, change(old, new.format(dialect))))
    (problem,) = [p for p in refused.value.problems if p.key == key]
    assert problem.reason is R.BAD_VALUE
    assert f"{dialect} can be decoded, but not translated" in str(refused.value)
    assert "use csae53-2020 or j2735-2024" in str(refused.value)


def test_all_problems_are_told_at_once_in_the_order_of_lines(folder: Path) -> None:
    text = change("rate_hz: 10", "rate_hz: -1")
    text = (
        text.replace("usdot_rsu41", "usdot_rsu42")
        .replace("hlw:", "hwl:")
        .replace("kind: lidar", "kind: sonar")
    )
    found = problems(folder, text)
    assert [key for _, _, key in found] == [
        "sensors[0].rate_hz",
        "sensors[1].kind",
        "rsus[0].vendor",
        "apps.hwl",
    ]
    assert [line for _, line, _ in found] == sorted(line for _, line, _ in found)
    with pytest.raises(SiteError) as refused:
        load_site(folder / "site.yaml")
    lines = str(refused.value).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f"{folder / 'site.yaml'}:14: sensors[0].rate_hz: ")
    assert "did you mean usdot_rsu41?" in lines[2] and "did you mean hlw?" in lines[3]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: [1, 2", marks=pytest.mark.drops(R.SYNTAX)),
        "a: b: c",
        "- 1\n- 2",
        "just words",
        "",
        "a: !!python/object/apply:os.system [echo]",
        "? [1, 2]\n: 3",
        "<<: {a: 1}",
        "a: 1\n---\nb: 2",
        "\ta: 1",
        "[" * 2_000,
    ],
)
def test_what_is_no_site_file_is_refused_and_nothing_is_run(folder: Path, text: str) -> None:
    assert problems(folder, text)


@pytest.mark.drops(R.TOO_LARGE)
def test_bombs_do_not_go_off(folder: Path) -> None:
    layers = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    bomb = "l0: &l0 [x, x, x]\n" + layers
    assert R.TOO_LARGE in {reason for reason, _, _ in problems(folder, bomb)}
    assert R.TOO_LARGE in {reason for reason, _, _ in problems(folder, "a: &a [*a]")}
    assert problems(folder, "x" * 1_100_000)[0][0] is R.TOO_LARGE


@pytest.mark.drops(R.UNREADABLE)
def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    with pytest.raises(SiteError) as refused:
        load_site(folder / "none.yaml")
    assert refused.value.reason is R.UNREADABLE
    (folder / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(SiteError) as refused:
        load_site(folder / "binary.yaml")
    assert refused.value.reason is R.UNREADABLE


@pytest.mark.drops(R.BAD_MAP)
@pytest.mark.parametrize("content", [b"", b"0012", b"001", b"\x00\x12\xff", b"00142500", bytes(1_000_001)])
def test_a_map_file_without_a_map_is_refused(folder: Path, content: bytes) -> None:
    (folder / "map.hex").write_bytes(content)
    assert (R.BAD_MAP, 6, "maps[0].file") in problems(folder, GOOD)


def test_maps_may_be_binary_or_hex_with_comments(folder: Path) -> None:
    frame = bytes.fromhex((folder / "map.hex").read_text())
    expected = load_site(write(folder, GOOD)).road_map
    for content in (frame, b"# the crossing\n" + frame.hex().encode() + b"  # one frame a line\n"):
        (folder / "map.hex").write_bytes(content)
        assert load_site(folder / "site.yaml").road_map == expected


def test_two_controllers_need_two_addresses(folder: Path) -> None:
    second = "  - {intersection: 12-11201, source: tscbm, vehicle: {1: 1}}\napps:"
    found = problems(folder, change("apps:", second))
    assert (R.BAD_VALUE, line_of(GOOD, "apps:"), "signals[1].address") in found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200) | st.integers(0, len(GOOD) - 1).map(lambda n: GOOD[:n] + GOOD[n + 1 :]))
def test_any_text_is_a_site_or_a_site_error(folder: Path, text: str) -> None:
    path = folder / "any.yaml"
    path.write_text(text, "utf-8", errors="replace")
    try:
        load_site(path)
    except SiteError as error:
        assert error.problems


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    register_check(parser.add_subparsers())
    args = parser.parse_args(["check", *words])
    code: int = args.func(args)
    return code


def test_check_shows_effective_values_or_the_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(folder, GOOD)
    assert run(str(path)) == 0
    assert "horizon_s: 4.0" in capsys.readouterr().out
    assert run(str(path), "--json") == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert shown["ok"] is True
    assert shown["site"]["apps"]["hlw"] == {"enabled": False, "parameters": {}}
    write(folder, GOOD.replace("version: 1", "version: 2"))
    assert run(str(path)) == 1
    assert f"{path}:1: version: " in capsys.readouterr().err
    assert run(str(path), "--json") == 1
    assert json.loads(capsys.readouterr().out)["problems"][0]["line"] == 1
    assert run() == 2


def test_the_schema_in_the_repository_is_that_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--schema") == 0
    kept = Path(__file__).parents[3] / "docs" / "schemas" / "site.schema.json"
    assert json.loads(capsys.readouterr().out) == site_schema() == json.loads(kept.read_text("utf-8"))
