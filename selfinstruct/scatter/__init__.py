"""Run one job as several independent streams on a Ray cluster: `selfinstruct scatter CONFIG --shards K`.

Each stream is a run with its own draws and its own journal in `<run_dir>/shards/<k>`. One actor holds the spending caps
and rate limits of all streams. At the end their datasets are merged, as by `selfinstruct merge`.
"""

from __future__ import annotations

from .scatter_job import Scattered, run_scattered
from .stream import StreamResult

__all__ = ["Scattered", "StreamResult", "run_scattered"]
