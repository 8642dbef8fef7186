"""The public names of the package, read by type checkers and, at run time, by `__init__.py`."""

from .config.options import (
    FormatOptions as FormatOptions,
    SourceOptions as SourceOptions,
    StrategyOptions as StrategyOptions,
    TeacherOptions as TeacherOptions,
)
from .config.run_config import RunConfig as RunConfig
from .config.sections import (
    AnswersConfig as AnswersConfig,
    DatasetConfig as DatasetConfig,
    FilterOptions as FilterOptions,
    JudgeConfig as JudgeConfig,
    SamplingConfig as SamplingConfig,
)
from .core.documents import Passage as Passage, Quote as Quote
from .core.errors import (
    ConfigChanged as ConfigChanged,
    ConfigError as ConfigError,
    RunLocked as RunLocked,
    SeedError as SeedError,
    SelfInstructError as SelfInstructError,
    StorageError as StorageError,
    TeacherDown as TeacherDown,
    TeacherError as TeacherError,
    TeacherRefused as TeacherRefused,
    UsageError as UsageError,
)
from .core.events import Exchange as Exchange, Progress as Progress
from .core.prompts import (
    Ask as Ask,
    Asking as Asking,
    Completion as Completion,
    Message as Message,
    Prompt as Prompt,
    Sampling as Sampling,
    Usage as Usage,
)
from .core.records import (
    Development as Development,
    Example as Example,
    Record as Record,
    Response as Response,
)
from .core.tasks import (
    Candidate as Candidate,
    Demonstration as Demonstration,
    Instance as Instance,
    Material as Material,
    SeedTask as SeedTask,
    Verdict as Verdict,
)
from .core.tokens import tokenize as tokenize
from .core.version import __version__ as __version__
from .dataset import Upload as Upload, plan_upload as plan_upload, push_to_hub as push_to_hub, to_dataset as to_dataset
from .dataset.rows import Format as Format
from .dataset.write import export as export
from .dedup import Deduplicated as Deduplicated, deduplicate as deduplicate
from .dedup.merge_datasets import Merged as Merged, merge_datasets as merge_datasets
from .documents import (
    Chunks as Chunks,
    Document as Document,
    chunk_documents as chunk_documents,
    read_documents as read_documents,
)
from .filters import AnswerCheck as AnswerCheck, Filter as Filter
from .generate.expectation import Expectation as Expectation, check as check
from .generate.refilter import refilter as refilter
from .generate.rehearsal import preview as preview
from .generate.start import RunOptions as RunOptions, arun as arun, run as run
from .journal.folder import Run as Run, status as status
from .journal.status import Outcome as Outcome, Status as Status
from .novelty import NoveltyIndex as NoveltyIndex
from .report.explain import explain as explain
from .report.page import write_report as write_report
from .report.signals.reporting import reporting as reporting
from .seeds.load import load_seeds as load_seeds
from .strategies.material import Source as Source, View as View
from .strategies.protocol import PreviewPrompt as PreviewPrompt, Strategy as Strategy
from .teachers.fake.teacher import FakeTeacher as FakeTeacher
from .teachers.protocol import Teacher as Teacher
from .trainers import Finding as Finding, Report as Report, validate_dataset as validate_dataset
from .verifiers.rewards import reward as reward, verify as verify
