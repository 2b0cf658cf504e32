"""The `wayside` command: finds the commands of the installed parts and runs one."""

from __future__ import annotations

from wayside.cli._main import main

__all__ = ["main"]
