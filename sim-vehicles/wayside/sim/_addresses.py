from __future__ import annotations

from wayside.mec.site import Site

LOOPBACK = "127.0.0.1"


def controller_hosts(site: Site) -> dict[str, str]:
    """Intersection (`region-id`) → host that its signal controller sends from; the loopback's first where the
    site names none. A datagram says nothing of its intersection: its sender's host does."""
    return {source.intersection: source.address or LOOPBACK for source in site.signal_sources()}
