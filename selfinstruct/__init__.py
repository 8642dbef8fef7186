"""From a seed file to an instruction dataset: Self-Instruct and Alpaca, resumable, budgeted, exact.

import selfinstruct as si

run = si.run(si.RunConfig.load("configs/openai.yaml", target=500))
dataset = si.to_dataset(run)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._version import VERSION as __version__
    from .config import RunConfig
    from .dedup import Deduplicated, deduplicate
    from .errors import (
        ConfigChanged,
        ConfigError,
        RunLocked,
        SeedError,
        SelfInstructError,
        StorageError,
        TeacherDown,
        TeacherError,
        TeacherRefused,
        UsageError,
    )
    from .export import Upload, plan_upload, push_to_hub, to_dataset
    from .generate import arun, run
    from .job import reporting
    from .loop import Progress
    from .merge import Merged, merge_datasets
    from .novelty import NoveltyIndex
    from .runs import Run
    from .scatter import Scattered, run_scattered
    from .schema import (
        Asking,
        Candidate,
        Completion,
        Demonstration,
        Development,
        Exchange,
        Instance,
        Message,
        Prompt,
        Record,
        Sampling,
        SeedTask,
        Usage,
        Verdict,
    )
    from .seeds import load_seeds
    from .status import Outcome, Status
    from .strategies import Strategy
    from .teachers.fake import FakeTeacher
    from .text import tokenize
    from .validate import Finding, Report, validate_dataset

_HOMES = {
    "_version": ("__version__",),
    "config": ("RunConfig",),
    "dedup": ("Deduplicated", "deduplicate"),
    "errors": (
        "ConfigChanged", "ConfigError", "RunLocked", "SeedError", "SelfInstructError", "StorageError",
        "TeacherDown", "TeacherError", "TeacherRefused", "UsageError",
    ),
    "export": ("Upload", "plan_upload", "push_to_hub", "to_dataset"),
    "generate": ("arun", "run"),
    "job": ("reporting",),
    "loop": ("Progress",),
    "merge": ("Merged", "merge_datasets"),
    "novelty": ("NoveltyIndex",),
    "runs": ("Outcome", "Run", "Status"),
    "scatter": ("Scattered", "run_scattered"),
    "schema": (
        "Asking", "Candidate", "Completion", "Demonstration", "Development", "Exchange", "Instance", "Message",
        "Prompt", "Record", "Sampling", "SeedTask", "Usage", "Verdict",
    ),
    "seeds": ("load_seeds",),
    "strategies": ("Strategy",),
    "teachers.fake": ("FakeTeacher",),
    "text": ("tokenize",),
    "validate": ("Finding", "Report", "validate_dataset"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    """Import a public name's home when it is first used, so that `--help` stays instant."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'selfinstruct' has no attribute {name!r}")
    value = getattr(import_module(f"selfinstruct.{home}"), "VERSION" if name == "__version__" else name)
    globals()[name] = value
    return value
