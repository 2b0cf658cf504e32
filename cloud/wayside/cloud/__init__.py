"""The centre: takes in what the edges report, keeps it once, answers questions, shows the live map."""

from __future__ import annotations

from wayside.cloud._app import create_app
from wayside.cloud._kafka import KafkaIntake, KafkaState
from wayside.cloud._reasons import CloudError, CloudReason
from wayside.cloud._settings import CloudSettings, KafkaSettings, KafkaTlsSettings

__all__ = [
    "CloudError",
    "CloudReason",
    "CloudSettings",
    "KafkaIntake",
    "KafkaSettings",
    "KafkaState",
    "KafkaTlsSettings",
    "create_app",
]
