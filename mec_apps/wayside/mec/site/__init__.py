"""The site file: what one edge serves, checked as a whole before anything starts."""

from __future__ import annotations

from typing import Any

from wayside.mec.site._load import load_site, project_apps
from wayside.mec.site._models import Secret, Sign, SiteModel
from wayside.mec.site._reasons import SiteError, SiteProblem, SiteReason
from wayside.mec.site._site import Site

__all__ = [
    "Secret",
    "Sign",
    "Site",
    "SiteError",
    "SiteModel",
    "SiteProblem",
    "SiteReason",
    "load_site",
    "project_apps",
    "site_schema",
]


def site_schema() -> dict[str, Any]:
    """JSON Schema of a site file, for editors (draft 2020-12)."""
    schema = SiteModel.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
