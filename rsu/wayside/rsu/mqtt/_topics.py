"""MQTT topics and filters. Source: OASIS MQTT Version 3.1.1, section 4.7."""

from __future__ import annotations

from wayside.rsu._reasons import RsuError, RsuReason

MAX_TOPIC_CHARACTERS = 512


def check_topic(topic: str) -> str:
    """The topic itself, when a message may stand under it. Raises RsuError MALFORMED."""
    if not 1 <= len(topic) <= MAX_TOPIC_CHARACTERS or any(c in topic for c in "+#\0"):
        raise RsuError(RsuReason.MALFORMED, f"{topic[:40]!r} is no MQTT topic", where="topic")
    return topic


def check_filter(name: str) -> str:
    """The filter itself, when it is one: `+` stands for one level, `#` at the end for all that follow.

    Raises RsuError MALFORMED.
    """
    levels = name.split("/")
    good = 1 <= len(name) <= MAX_TOPIC_CHARACTERS and "\0" not in name
    for i, level in enumerate(levels):
        if ("+" in level and level != "+") or ("#" in level and (level != "#" or i + 1 < len(levels))):
            good = False
    if not good:
        raise RsuError(RsuReason.MALFORMED, f"{name[:40]!r} is no MQTT filter", where="filter")
    return name


def matches(name: str, topic: str) -> bool:
    """Whether a filter takes a topic; a wildcard at the start takes no topic that starts with `$`."""
    if topic.startswith("$") and name[:1] in ("+", "#"):
        return False
    wanted, levels = name.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(levels) or level not in ("+", levels[i]):
            return False
    return len(wanted) == len(levels)
