"""Find the verifier that a ground truth names, and ask it about an answer."""

from __future__ import annotations

import json

from ..core.errors import ConfigError
from ..core.programs import Run
from ..core.records import GroundTruth
from ..core.suggest import closest
from ..core.tasks import Verdict
from . import VERIFIERS


async def verdict_on(answer: str, truth: GroundTruth, run: Run) -> Verdict:
    """Compare an answer with the ground truth of its task.

    Raises:
        ConfigError: No verifier has this name.
        SandboxMissing: The verifier runs a program, and this machine has no sandbox.
    """
    verifier = VERIFIERS.get(truth.verifier)
    if verifier is None:
        guess = closest(truth.verifier, VERIFIERS)
        meant = f"did you mean {guess!r}?" if guess else f"one of {', '.join(VERIFIERS)}"
        raise ConfigError(f"ground truth: verifier {truth.verifier!r} is unknown; {meant}")
    return await verifier(json.loads(truth.expected), answer, run)
