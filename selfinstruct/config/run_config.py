"""`RunConfig`, the configuration of a run, with its digest and its JSON Schema. Every other package uses it.

An unknown key is an error that suggests the right key. A configuration contains no secret: `api_key_env` *names* an
environment variable, nothing else is read from the environment, and no message repeats a text value.

There are two groups of keys. Some keys determine the answers (seeds, strategy, model, prompts, sampling, filters,
lookahead ...). They make up the digest, and a run doesn't continue when one of them has changed. Other keys only
determine how far and how fast a run goes (target, budgets, concurrency, paths, the dataset's formats). They may change
at any start.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    Strict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from ..core.errors import ConfigError
from ..core.language_tags import TAG, canonical_tag, primary
from ..core.paths import expand, seen_from
from ..core.tokens import TOKENIZER_VERSION
from .defects import explain, sections_of, unusable_texts
from .facets_section import FacetsConfig
from .fields import Dollars, Free, MayChange, Name, Names, PerGeneration, Refilterable, Section, Share, Target
from .meaning import PUBLISHED, declared, digest_of, meant_values
from .options import ByKind, OwnedBy, SourceOptions, StrategyOptions, TeacherOptions, teachers_for
from .path_keys import Documents, RunFolder, Tables, map_paths, paths_of_file
from .plugins import FOLDERS
from .sections import AnswersConfig, DatasetConfig, FilterSection, JudgeConfig, SamplingConfig
from .yaml_file import overridden, read_yaml

__all__ = [
    "AnswersConfig",
    "DatasetConfig",
    "JudgeConfig",
    "RunConfig",
    "SamplingConfig",
    "default_of",
    "digest_of",
    "json_schema",
    "may_change",
    "overridden",
]

_STRATEGY = ByKind(StrategyOptions, "selfinstruct.strategies.factory:STRATEGIES", "alpaca")
_SOURCE = ByKind(SourceOptions, "selfinstruct.strategies.material:SOURCES", "demonstrations")
_TEACHER = ByKind(TeacherOptions, "selfinstruct.teachers:TEACHERS", "openai")
_FILTERS = OwnedBy(FilterSection, "selfinstruct.filters:FilterRules")


class RunConfig(Section):
    """The configuration of one run. See `configs/` for complete examples.

    A section may be a mapping: `RunConfig(strategy={'kind': 'alpaca'}, ...)`. Type checkers accept mappings in
    `RunConfig.model_validate({...})`, which is the same otherwise. Both raise ConfigError.
    """

    seeds: PerGeneration[Tables | None] = Field(
        default=None,
        description="Seeds: JSONL, JSON, CSV, Parquet; a folder, a pattern such as seeds/*.jsonl, a hub name, or '-'. "
        "Needed unless there are documents.",
    )
    documents: PerGeneration[Documents | None] = Field(
        default=None,
        description="Documents to ask about: PDF, HTML, DOCX, EPUB, Markdown, text; files, folders, patterns.",
    )
    seeds_license: Free[str | None] = Field(
        default=None, description="The seeds' license, as an SPDX id; null: known for the built-in seeds."
    )
    documents_license: Free[str | Annotated[dict[Name, str], Field(min_length=1)] | None] = Field(
        default=None,
        description="The documents' license, as an SPDX id, or by document: {'guides/*': cc-by-4.0, '*': mit}.",
    )
    document_readers: Free[dict[Name, Name]] = Field(
        default_factory=dict, description="Your own readers of documents by ending: {pdf: package.module:function}."
    )
    passage_words: Free[Annotated[int, Field(ge=20, le=5000)]] = Field(
        default=300, description="Longest passage of a document, in words; in Chinese and the like, in characters."
    )
    run_dir: Free[RunFolder] = Field(description="The run's folder: journal, log, dataset/.")
    target: Free[Target] = Field(
        default=100, description="Number of records in the dataset; +500: 500 more at each start."
    )
    strategy: PerGeneration[Annotated[Name | StrategyOptions, _STRATEGY]] = Field(
        default="alpaca",
        validate_default=True,
        description="alpaca | self_instruct | evolve | plan | magpie | grounded | verifiable | mix | "
        "package.module:Name, or {kind: NAME, OPTION: VALUE}.",
    )
    source: PerGeneration[Annotated[Name | SourceOptions, _SOURCE] | None] = Field(
        default=None,
        description="What questions are made from: demonstrations | documents | parents | nothing | programs | mix | "
        "package.module:Name; null: documents if there are any, else what suits the strategy.",
    )
    task: PerGeneration[Name | None] = Field(
        default=None,
        description="What the tasks are for: who asks, for what, what is out of bounds; part of every request for new "
        "tasks. null: anything.",
    )
    facets: PerGeneration[FacetsConfig | None] = Field(
        default=None, description="What tasks should cover: facets such as topic and kind, each with its values."
    )
    language: Annotated[
        str, AfterValidator(canonical_tag), WithJsonSchema({"type": "string", "pattern": f"^({TAG}|any)$"})
    ] = Field(default="en", description="Language of prompts and filters: a tag such as en, de, fr-CA, zh-Hans; any.")
    answer_languages: Annotated[tuple[Annotated[str, AfterValidator(canonical_tag)], ...], Strict(False)] = Field(
        default=(), description="Languages of the answers, such as [de, en], where they differ from `language`."
    )
    random_seed: int = Field(default=0, description="Random seed of the demonstrations and of the test split.")
    teacher: PerGeneration[Annotated[TeacherOptions, _TEACHER]] = Field(
        default_factory=lambda: _TEACHER.parse({}), description="The model that answers."
    )
    teachers: PerGeneration[
        Annotated[tuple[Annotated[TeacherOptions, _TEACHER], ...], Strict(False), Field(min_length=1)] | None
    ] = Field(default=None, description="Several teachers instead of `teacher`, each with its roles and its weight.")
    answers: AnswersConfig | None = Field(
        default=None, description="Several answers to each task, or dialogues; null: the strategy's own answer."
    )
    judge: JudgeConfig | None = Field(
        default=None, description="A model that grades each finished task; {} only stores the marks; null: no judge."
    )
    concurrency: Free[Annotated[int, Field(ge=1, le=4096)]] = Field(
        default=16, description="Number of requests in flight."
    )
    lookahead: Annotated[int, Field(ge=1)] = Field(
        default=64, description="Proposals requested ahead of the current proposal; use several times the concurrency."
    )
    max_similarity: Refilterable[Share] = Field(
        default=0.7, description="Reject a task whose ROUGE-L F with a seed or an admitted task exceeds this number."
    )
    refuse_equal: Refilterable[bool] = Field(
        default=False,
        description="Also reject tasks whose ROUGE-L F equals max_similarity, as the Self-Instruct paper says.",
    )
    neighbours: Free[Annotated[int, Field(ge=0, le=100)]] = Field(
        default=0,
        description="Store this many most similar texts with each record (published: 10), and their mean similarity.",
    )
    filters: Refilterable[Annotated[FilterSection, _FILTERS]] = Field(
        default_factory=lambda: _FILTERS.parse({}), description="Rules that reject tasks and answers."
    )
    max_cost_usd: Free[Dollars | None] = Field(
        default=None, description="Never spend more dollars; needs a known price."
    )
    max_requests: Free[Annotated[int, Field(ge=0)] | None] = Field(
        default=None, description="Never send more requests."
    )
    max_tokens: Free[Annotated[int, Field(ge=0)] | None] = Field(
        default=None, description="Never use more tokens, prompts and answers together."
    )
    min_yield: Free[Annotated[float, Field(ge=0)]] = Field(
        default=0.05,
        description="Stop below this number of records per question over the window, or without any record in 50 "
        "questions (at first 20); 0 never stops.",
    )
    min_yield_window: Free[Annotated[int, Field(ge=1)]] = Field(
        default=200, description="Number of questions in the window of min_yield."
    )
    max_failures_in_a_row: Free[Annotated[int, Field(ge=1)]] = Field(
        default=10, description="Stop after this many questions in a row without any answer."
    )
    egress: Free[Literal["any", "local-only"] | Annotated[Names, Field(min_length=1)]] = Field(
        default="any",
        description="Where a teacher may run: any | local-only (this machine) | a list of additional hosts.",
    )
    dataset: Free[DatasetConfig] = Field(
        default_factory=DatasetConfig, description="The dataset that is written when the run ends."
    )

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None, **changes: Any) -> RunConfig:
        """Read a YAML file.

        Every relative path in the file begins in the folder of the file; `~` is the home folder. Paths in `overrides`
        and `changes` begin in the working directory, as those of `RunConfig(...)` and `RunConfig.parse` do.

        Args:
            path: The YAML file.
            overrides: Items such as 'teacher.model=gpt-4o-mini', which replace values of the file.
            **changes: Top-level keys, which replace both.

        Raises:
            ConfigError: One line per defect: an unreadable file, an unknown key, or a wrong value.
        """
        path = Path(path)
        values, problems = paths_of_file(read_yaml(path), cls, os.path.dirname(path))
        values = overridden(values, overrides or [])
        values |= {key: os.fspath(v) if isinstance(v, os.PathLike) else v for key, v in changes.items()}
        set_ = [item.partition("=")[0].strip() for item in overrides or []]
        lines = [f"{path}: {key}: {what}" for key, what in problems.items() if not _overlaps(key, [*set_, *changes])]
        if lines:
            raise ConfigError("\n".join(lines))
        FOLDERS.append(os.path.dirname(os.path.abspath(path)))  # for names such as 'my_module:Strategy'
        return cls.parse(map_paths(values, cls, expand), str(path), set_)

    @classmethod
    def parse(cls, values: dict[str, Any], source: str = "config", set_: Sequence[str] = ()) -> RunConfig:
        """Validate plain values, such as those of a YAML file. Relative paths begin in the working directory.

        Args:
            values: Keys and values. A section that is null, such as a section without keys in YAML, gets its defaults.
            source: Where the values come from; begins each line of the error.
            set_: The keys that --set changed; lines about them begin with --set instead of `source`.

        Raises:
            ConfigError: One line per defect: the source, the key, what is wrong and what to do.
        """
        sections = sections_of(cls)
        values = {key: value for key, value in values.items() if value is not None or key not in sections}
        return cls.model_validate(values, context={"source": f"{source}:", "set": set_})

    @model_validator(mode="wrap")
    @classmethod
    def _raise_config_error(
        cls, values: Any, validate: ModelWrapValidatorHandler[RunConfig], info: ValidationInfo
    ) -> RunConfig:
        """Raise ConfigError in place of pydantic's ValidationError, also for `RunConfig(taget=5)`."""
        # Collect the defects, at most one for each key. A wrong text hides what pydantic says about the same key.
        if isinstance(values, dict):  # paths are accepted as objects, too
            values = {key: os.fspath(v) if isinstance(v, os.PathLike) else v for key, v in values.items()}
        texts = dict(unusable_texts(values))
        defects: dict[str, str] = {}
        given = isinstance(values, dict) and ("seeds" in values or values.get("documents") is not None)
        if isinstance(values, dict) and not given and _needs_seeds(values.get("strategy")):
            defects["seeds"] = "is missing; name a file of seed tasks, or `documents`"
        try:
            config = validate(values)
        except ValidationError as error:
            for item in error.errors():
                # pydantic also reports a list as too short if its items are wrong.
                if item["type"] == "too_short" and item["input"]:
                    continue
                key, problem = explain(item, cls, from_file=info.context is not None)
                defects.setdefault(key, problem if item["type"] == "extra_forbidden" else texts.get(key, problem))
        else:
            defects = defects or config._conflicts()

        # Report all of them, each with its place: --set, the file, or the call of `RunConfig`.
        if defects := texts | defects:
            context = info.context or {"source": "RunConfig:", "set": ()}
            where = {key: "--set" if _overlaps(key, context["set"]) else context["source"] for key in defects}
            raise ConfigError("\n".join(f"{where[key]} {key}: {problem}" for key, problem in defects.items()))
        return config

    def _conflicts(self) -> dict[str, str]:
        """Cross-field validation: keys that contradict each other, each with the problem."""
        if self.seeds is None and self.documents is None and _needs_seeds(self.strategy):
            return {"seeds": "must be a path, or a list of paths"}
        if "any" in self.answer_languages:
            return {
                "answer_languages": "names languages, such as [de, en]; for answers in any language, remove the key"
            }
        judge, answers = self.judge, self.answers or AnswersConfig()
        if judge is not None and judge.compare:
            if judge.min_score is not None:
                return {"judge.min_score": "a comparison gives no marks; remove this key, or judge.compare"}
            if answers.samples == 1 or answers.until != "all":
                return {
                    "judge.compare": "compares several answers; set answers.samples above 1 and answers.until to all"
                }
        if answers.min_agreement is not None:
            if answers.samples < 3 or answers.until != "all":
                return {
                    "answers.min_agreement": "compares several answers; set answers.samples to 3 or more and "
                    "answers.until to all"
                }
            if judge is not None:
                return {"answers.min_agreement": "decides in place of a judge; remove this key, or judge"}
        elif answers.agree_by != "text":
            return {"answers.agree_by": "says how answers are compared; set answers.min_agreement too, such as 0.5"}
        if answers.makes_ground_truths and answers.turns > 1:
            return {
                "answers.agree_by": "compares answers to single tasks; remove answers.turns, or set agree_by to text"
            }
        if answers.constrained and primary(self.language) not in ("en", "zh"):
            return {"answers.constrained": f"constraints are worded in en and zh; language is {self.language}"}
        if answers.constrained and answers.turns > 1:
            return {"answers.constrained": "is for single answers; remove this key, or answers.turns"}
        languages = set(self.facets.values.get("language", ()) if self.facets is not None else ())
        if languages - {self.language} and self.language != "any":
            other = min(languages - {self.language})
            return {"facets.language": f"has {other}, which the filters for {self.language} reject; set language: any"}
        select = self.dataset.select
        if select is not None and (model := select.embeddings) is not None:
            key, given = "dataset.select.embeddings", model.model_fields_set
            if select.by != "spread":
                return {key: "is for by: spread; remove this key, or change by"}
            if model.runs_model:
                return {f"{key}.kind": "embeddings come from a server; remove this key, or name the server's kind"}
            if "model" not in given:
                return {f"{key}.model": "is required, such as text-embedding-3-small"}
            if extra := sorted(given & {"roles", "weight", "endpoint"}):
                return {f"{key}.{extra[0]}": "is for teachers; remove this key"}
            if model.label in [each.label for each in self.all_teachers]:
                return {f"{key}.name": f"a teacher is called {model.label!r}, too; set another name"}
        if self.teachers is None:
            return {}
        if "teacher" in self.model_fields_set:
            return {"teachers": "contradicts teacher, which is set too; keep one of the two keys"}
        counts = Counter(teacher.label for teacher in self.teachers)
        twice = [
            f"two teachers are called {label!r}; give each its own name" for label, count in counts.items() if count > 1
        ]
        return {"teachers": "; ".join(twice)} if twice else {}

    @classmethod
    def of_run(cls, values: dict[str, Any], folder: Path, source: str) -> RunConfig:
        """Return a configuration from the values in the journal of the run in `folder`; see `for_run`."""
        return cls.parse(paths_of_file(values, cls, folder)[0], source)

    def for_run(self, *, defaults: bool = False) -> dict[str, Any]:
        """Return the values that are set, with paths as a file in the run's folder would state them.

        A run that is moved together with its files thus finds them. defaults: also return the values that aren't set.
        """
        values = self.model_dump(mode="json", exclude_unset=not defaults)
        return map_paths(values, RunConfig, partial(seen_from, self.run_dir))

    @property
    def strategy_kind(self) -> str:
        """The name of the strategy, such as 'alpaca'."""
        return self.strategy if isinstance(self.strategy, str) else self.strategy.kind

    @property
    def has_ground_truths(self) -> bool:
        """Whether a program may know the answers to some of the tasks; your own strategy may have any."""
        answers = self.answers
        if answers is not None and (answers.constrained or answers.makes_ground_truths):
            return True
        return ":" in self.strategy_kind or getattr(self.strategy, "has_ground_truths", False)

    @property
    def all_teachers(self) -> tuple[TeacherOptions, ...]:
        """The configured teachers: `teachers`, or the single `teacher`."""
        return self.teachers or (self.teacher,)

    @property
    def all_models(self) -> tuple[TeacherOptions, ...]:
        """What a start may ask: all teachers, and the embedding model that a selection needs."""
        select = self.dataset.select
        if select is None or select.embeddings is None:
            return self.all_teachers
        return (*self.all_teachers, select.embeddings.model_copy(update={"roles": ("embed",)}))

    @property
    def filters_by_teacher(self) -> dict[str, tuple[bool, str]]:
        """The filters that null leaves to the kind of teacher: whether each is on, and why."""
        proposing = teachers_for("propose", self.all_teachers)
        unable = [each.label for each in proposing if not each.can_code]
        codes = f"{unable[0]} isn't known to code" if unable else f"{proposing[0].label} can code"
        loaded = [each.label for each in self.all_teachers if each.runs_model]
        loads = f"{loaded[0]} runs on this machine" if loaded else "no model runs on this machine"
        return {
            "keywords": (bool(unable), codes),
            "prefixes": (bool(unable), codes),
            "unusable": (bool(loaded), loads),
        }

    @property
    def filters_in_words(self) -> str:
        """The same for people: 'keywords, prefixes off: gpt-4o can code; unusable ...'."""
        names: dict[str, list[str]] = {}
        for name, (on, why) in self.filters_by_teacher.items():
            value = getattr(self.filters, name, None)
            now = on if value is None else value not in (False, ())
            state = f"{'on' if now else 'off'}: {why if now is on else 'set, or as the run began'}"
            names.setdefault(state, []).append(name)
        return "; ".join(f"{', '.join(each)} {state}" for state, each in names.items())

    def asking_only(self, teacher: TeacherOptions) -> RunConfig:
        """Return this configuration with `teacher` as the only teacher; teacher factories receive it."""
        return self.model_copy(update={"teacher": teacher, "teachers": None})

    @property
    def more(self) -> int | None:
        """The number of records that every start adds, for a target such as +500; None for an absolute target."""
        return int(self.target) if isinstance(self.target, str) else None

    @property
    def seed_sources(self) -> tuple[str, ...]:
        """The seed sources, one or several; none if there are only documents."""
        return (self.seeds,) if isinstance(self.seeds, str) else tuple(self.seeds or ())

    @property
    def document_sources(self) -> tuple[str, ...]:
        """The files, folders, and patterns of documents; usually none."""
        return (self.documents,) if isinstance(self.documents, str) else tuple(self.documents or ())

    def meaning(self, seeds_digest: str, prompts_digest: str, questions_digest: str = "") -> dict[str, Any]:
        """Return every value that determines the answers as a flat mapping, such as {'teacher.model': 'gpt-4o-mini'}.

        Args:
            seeds_digest: Digest of the seeds' content; replaces their path. `Inputs.meaning` also has the documents'.
            prompts_digest: Digest of the prompts' wording; replaces the path of the prompt file.
            questions_digest: Digest of the evaluation sets' questions; '' if there are none.

        Returns:
            Dotted keys and JSON values for `digest_of`, without the keys that are `Free`.
        """
        # The content of files, not their paths: the same seeds in another folder give the same answers.
        values: dict[str, Any] = {
            "tokenizer": TOKENIZER_VERSION,
            "seeds": seeds_digest,
            "documents": None,
            "strategy.prompts": prompts_digest,
            "filters.decontaminate": questions_digest,
        }

        # Top-level keys and sections.
        unused = {"teachers"} if self.teachers is None else {"teacher", "teachers"}
        for key, value in meant_values(self, exclude=values.keys() | unused):
            values.setdefault(key, value)

        # Each listed teacher under its label: 'teachers.gpt-4o.endpoint'.
        for teacher in self.teachers or ():
            values |= {f"teachers.{teacher.label}.{key}": value for key, value in meant_values(teacher)}
        return values


def _needs_seeds(strategy: Any) -> bool:
    """Return whether a strategy, as given, shows seed tasks or passages."""
    kind, parts = (
        strategy.get(name) if isinstance(strategy, Mapping) else getattr(strategy, name, default)
        for name, default in (("kind", strategy), ("parts", None))
    )
    if isinstance(parts, list | tuple):  # a mix needs what one of its parts needs
        return any(
            _needs_seeds(each.get("strategy") if isinstance(each, Mapping) else getattr(each, "strategy", each))
            for each in parts
        )
    model = _STRATEGY.models().get(kind) if isinstance(kind, str) else None
    # Of an unknown name, its own defect says enough.
    return not isinstance(kind, str) or ":" in kind if model is None else bool(getattr(model, "needs_seeds", True))


def _overlaps(key: str, others: Sequence[str]) -> bool:
    """Return whether `key` is one of `others`, contains one of them, or is inside one of them."""
    return any(f"{other}.".startswith(f"{key}.") or f"{key}.".startswith(f"{other}.") for other in others)


def may_change(key: str) -> MayChange:
    """Return when a key of `RunConfig.meaning`, such as 'judge.min_score', may change in an existing run."""
    model, section, name = _home_of(key)
    if section not in RunConfig.model_fields:  # the tokenizer's version
        return MayChange.WITH_A_NEW_RUN
    # A key without a declaration of its own inherits the declaration of its section.
    own = declared(model, name) if model else None
    return own or declared(RunConfig, section) or MayChange.WITH_A_NEW_RUN


def default_of(key: str) -> Any:
    """Return the default of a key of `RunConfig.meaning`: its value in a run that is older than the key."""
    model, section, name = _home_of(key)
    if model is None:
        model, name = RunConfig, section
    if issubclass(model, SamplingConfig):
        return PUBLISHED
    value = model.model_fields[name].get_default() if name in model.model_fields else None
    return list(value) if isinstance(value, tuple) else value  # as JSON stores it


def _home_of(key: str) -> tuple[type[BaseModel] | None, str, str]:
    """Return the model, the section, and the name of a key; no model for a top-level key.

    'judge.min_score' -> JudgeConfig, 'judge', 'min_score'
    """
    section, _, name = key.partition(".")
    name = name.rpartition(".")[2]  # the label of a listed teacher may contain dots: 'teachers.gpt-4.1.model'
    models = sections_of(RunConfig).get(section, [])
    return next((model for model in models if name in model.model_fields), None), section, name


def json_schema() -> str:
    """Return the JSON Schema of a configuration file, as published in configs/schema.json."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunConfig.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(json_schema())
