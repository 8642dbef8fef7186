"""One job as several independent streams on the machines of a Ray cluster: `selfinstruct scatter CONFIG --shards K`.

Each stream is a run of its own, with its own draws and its own journal in `<run_dir>/shards/<k>`; what they may spend
and how fast they may ask is held in one place. In the end their datasets become one, as `merge` makes it.
"""

from __future__ import annotations

from .scatter_job import Scattered, run_scattered
from .stream import Ended

__all__ = ["Ended", "Scattered", "run_scattered"]
