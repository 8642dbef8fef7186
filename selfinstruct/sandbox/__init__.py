"""The only place that runs a program written by a model: in bubblewrap, without network, within hard limits.

The program sees a read-only interpreter and an empty temporary folder, and is one process with one thread. Where that
can't be set up, nothing is run ([sandbox](../../docs/inside/sandbox.md)).
"""

from .bubblewrap import RUNTIME_VERSION, check_sandbox, run_program

__all__ = ["RUNTIME_VERSION", "check_sandbox", "run_program"]
