"""The version of the installed package; cards, reports, and the CLI show it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("selfinstruct")
except PackageNotFoundError:  # running from a source tree that isn't installed
    __version__ = "0+source"
