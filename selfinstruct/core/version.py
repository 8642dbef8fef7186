"""The program's version, from the installed package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("selfinstruct")
except PackageNotFoundError:  # run from a source tree that isn't installed
    __version__ = "0+source"
