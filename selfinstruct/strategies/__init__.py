"""Strategies: each words a prompt for new tasks, parses the response, and develops the admitted tasks.

To add a strategy, write a file with a class like the two here and add a line to `STRATEGIES`. Alternatively, name your
own in the configuration as `package.module:Name`: a strategy, or a class or function called with (config, asking).
"""

from __future__ import annotations

from .alpaca import Alpaca
from .factory import STRATEGIES, build_strategy
from .protocol import Strategy
from .self_instruct import SelfInstruct

__all__ = ["STRATEGIES", "Alpaca", "SelfInstruct", "Strategy", "build_strategy"]
