from __future__ import annotations

from typing import TYPE_CHECKING

from wayside.clock import Clock
from wayside.mec.rollup._commands import CommandMark, CommandSource, HttpCommands, KafkaCommands
from wayside.mec.rollup._http import HttpUplink
from wayside.mec.rollup._kafka import KafkaUplink
from wayside.mec.rollup._settings import KafkaSettings, UplinkSettings
from wayside.mec.rollup._uplink import Pending, Uplink
from wayside.observe import Counters

if TYPE_CHECKING:
    from wayside.mec.site import Site


def make_uplink(site: Site, outbox: Pending, clock: Clock, counters: Counters) -> Uplink | None:
    """The uplink that a site file asks for, None for none. Raises SiteError for a missing secret or file."""
    settings = _settings(site)
    if isinstance(settings, KafkaSettings):
        return KafkaUplink(settings, outbox, clock, counters)
    return None if settings is None else HttpUplink(settings, outbox, clock, counters)


def make_commands(site: Site, instance: str, clock: Clock, counters: Counters) -> CommandSource | None:
    """Where a site's commands come from: the uplink's other direction. instance: of the outbox.

    Raises SiteError for a missing secret or file.
    """
    settings = _settings(site)
    if isinstance(settings, KafkaSettings):
        return KafkaCommands(settings, site.id, clock, counters)
    if settings is None:
        return None
    mark = CommandMark(site.outbox_path.with_name(site.outbox_path.name + ".commands"))
    return HttpCommands(settings, site.id, instance, mark, clock, counters)


def _settings(site: Site) -> UplinkSettings | KafkaSettings | None:
    model = site.model.uplink
    if model is None:
        return None
    access = site.broker_access()
    if access is not None:
        return KafkaSettings(access)
    assert model.url is not None
    return UplinkSettings(model.url, site.secret(model.token))
