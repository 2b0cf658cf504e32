"""Where the dialects stand: one folder each with module texts, facts and the built table."""

from pathlib import Path

MODULES = Path(__file__).with_name("modules")
TABLE_NAME = "table.json"
