from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import msgspec
import pytest

import wayside.rsu._vendors as module
from wayside.rsu import (
    Adapter,
    DeviceConfig,
    Faults,
    RsuError,
    RsuReason,
    find_vendor,
    known_vendors,
    profile_names,
    read_config,
    read_faults,
    read_profile,
)
from wayside.rsu.vendors import BUILT_IN, usdot_rsu41

other = msgspec.structs.replace(usdot_rsu41.info, id="another")
no_vendor = object()


def points(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    found = EntryPoints([EntryPoint("x", value, module.ENTRY_POINT_GROUP)])
    monkeypatch.setattr(module, "entry_points", lambda group: found)


@pytest.mark.parametrize("info", BUILT_IN, ids=lambda info: info.id)
def test_a_built_in_vendor_is_complete(info: Any) -> None:
    assert issubclass(info.adapter, Adapter)
    assert issubclass(info.config, DeviceConfig)
    assert info.adapter.vendor == info.id
    assert (info.folder / "quality.yaml").exists()
    assert profile_names(info)
    wanted = {"device_id": "r1", "host": "192.0.2.1", "esn": "R1"}
    for name in profile_names(info):
        values = {key: value for key, value in wanted.items() if key in info.config.__struct_fields__}
        config = read_config(info, values, profile=name)
        assert config.device_id == "r1"


def test_vendors_come_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    points(monkeypatch, f"{__name__}:other")
    monkeypatch.setattr(EntryPoint, "load", lambda self: other)
    assert set(known_vendors()) == {"usdot_rsu41", "tits0117", "another"}


@pytest.mark.parametrize("loaded", [usdot_rsu41.info, no_vendor])
def test_an_entry_point_that_is_no_new_vendor_is_refused(
    monkeypatch: pytest.MonkeyPatch, loaded: object
) -> None:
    points(monkeypatch, "somewhere:info")
    monkeypatch.setattr(EntryPoint, "load", lambda self: loaded)
    with pytest.raises(RsuError) as caught:
        known_vendors()
    assert caught.value.reason is RsuReason.CONFIG


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "device_id"),
        ({"device_id": "r1", "host": "h", "port": 0}, "$.port"),
        ({"device_id": "r1", "host": "h", "colour": "red"}, "colour"),
        ({"device_id": "r1", "host": "h", "uplink_ports": {"XYZ": 1}}, "XYZ"),
        ({"device_id": "r1", "host": "h", "dialect": "csae53-2020"}, "csae53-2020"),
        ({"device_id": "r1", "host": "h", "uplink_sources": ["rsu.example"]}, "rsu.example"),
        ({"device_id": "r1", "host": "h", "lat_deg": 91}, "$.lat_deg"),
        ({"device_id": "r1", "host": "h", "tx_channel": 171}, "$.tx_channel"),
    ],
)
@pytest.mark.drops(RsuReason.CONFIG)
def test_a_wrong_configuration_names_its_place(values: dict[str, Any], words: str) -> None:
    with pytest.raises(RsuError) as caught:
        read_config(usdot_rsu41.info, values)
    assert caught.value.reason is RsuReason.CONFIG
    assert words in str(caught.value)


def test_values_go_over_those_of_the_profile() -> None:
    values = {"device_id": "r1", "host": "h", "tx_channel": 172}
    config = read_config(usdot_rsu41.info, values, profile="dsrc")
    assert isinstance(config, usdot_rsu41.Config)
    assert config.tx_channel == 172
    assert read_profile(usdot_rsu41.info, "dsrc")["tx_channel"] == 180
    older = read_config(usdot_rsu41.info, {"device_id": "r1", "host": "h"}, profile="map_on_0x82")
    assert isinstance(older, usdot_rsu41.Config)
    assert older.psid_of("MAP") == 0x82


@pytest.mark.parametrize("name", ["nobody", "../profiles/dsrc"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(RsuError):
        read_profile(usdot_rsu41.info, name)
    with pytest.raises(RsuError):
        find_vendor(name)


def test_faults_are_read_from_words() -> None:
    assert read_faults(["drop=0.1", "seed=3", "silence", "slow_s=2"]) == Faults(
        drop=0.1, seed=3, silence=True, slow_s=2.0
    )
    for words in (["drop=2"], ["droop=1"], ["seed=x"]):
        with pytest.raises(RsuError) as caught:
            read_faults(words)
        assert caught.value.reason is RsuReason.CONFIG
