"""The run's configuration: one YAML file, overrides, a digest, a JSON Schema.

Nothing is nested deeper than two. A key that nothing reads is an error, with the key that was
probably meant. No secret stands in a configuration: `api_key_env` *names* an environment variable;
nothing else is filled in from the environment, and no message repeats a text that was given as a value.

Two kinds of keys. Those that give the answers their meaning (seeds, strategy, model, prompts,
sampling, filters, lookahead ...) make up the digest; a run refuses to go on when one of them has
changed. Those that only say how far and how fast (target, budgets, concurrency, paths, the
dataset's formats) may change at any start.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    Strict,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from ..core.errors import ConfigError
from ..core.tokens import TOKENIZER_VERSION
from .sections import (
    DatasetConfig,
    Dollars,
    FilterConfig,
    Free,
    JudgeConfig,
    MayChange,
    Name,
    Names,
    PerGeneration,
    Refilterable,
    SamplingConfig,
    Section,
    Share,
    Target,
    TeacherConfig,
)
from .teacher_list import ListedTeacher, defects_of
from .yaml_file import explain, find_tables, overridden, read_yaml, sections_of, unusable_texts

__all__ = [
    "DatasetConfig",
    "FilterConfig",
    "JudgeConfig",
    "ListedTeacher",
    "RunConfig",
    "SamplingConfig",
    "TeacherConfig",
    "digest_of",
    "json_schema",
    "may_change",
    "overridden",
]


class RunConfig(Section):
    """Everything that one run is made from. See `configs/` for complete examples."""

    seeds: PerGeneration[Name | Annotated[Names, Field(min_length=1)]] = Field(
        description="Seeds: JSONL, JSON, CSV, Parquet; a folder, a pattern such as seeds/*.jsonl, a hub name, or '-'."
    )
    seeds_license: Free[str | None] = Field(
        default=None, description="The seeds' licence, as an SPDX id; those that come with the program are known."
    )
    run_dir: Free[Name] = Field(description="The run's folder: journal, log, dataset/.")
    target: Free[Target] = Field(
        default=100, description="Records that the dataset shall have; +500: so many more at each start."
    )
    strategy: PerGeneration[Name] = Field(default="alpaca", description="alpaca | self_instruct | package.module:Name")
    language: Literal["en", "zh", "any"] = Field(default="en", description="Language of prompts and filters.")
    random_seed: int = Field(default=0, description="Draws of demonstrations and the test split.")
    teacher: PerGeneration[TeacherConfig] = TeacherConfig()
    teachers: PerGeneration[Annotated[tuple[ListedTeacher, ...], Strict(False), Field(min_length=1)] | None] = Field(
        default=None, description="Several teachers in place of `teacher`, each with its roles and its weight."
    )
    propose: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of questions for new tasks."
    )
    classify: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of 'is it a classification'."
    )
    instances: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of questions for instances."
    )
    judge: JudgeConfig | None = Field(
        default=None, description="A model that grades each worked task; {} for marks alone; null: none."
    )
    seed_demos: PerGeneration[Annotated[int, Field(ge=1)] | None] = Field(
        default=None, description="Seed tasks shown in a proposal; null: as published (alpaca 3, self_instruct 6)."
    )
    machine_demos: PerGeneration[Annotated[int, Field(ge=0)] | None] = Field(
        default=None, description="Machine-made tasks shown; null: as published (alpaca 0, self_instruct 2)."
    )
    tasks_per_question: PerGeneration[Annotated[int, Field(ge=1)] | None] = Field(
        default=None,
        description="New tasks asked for at once; null: as published (alpaca 20 with the demos, self_instruct 8).",
    )
    max_instances: PerGeneration[Annotated[int, Field(ge=1)]] = Field(
        default=5, description="Instances per task, self_instruct."
    )
    prompts: PerGeneration[Name | None] = Field(
        default=None, description="Your own prompt file; null: the one shipped for language."
    )
    concurrency: Free[Annotated[int, Field(ge=1, le=4096)]] = Field(default=16, description="Requests in flight.")
    lookahead: Annotated[int, Field(ge=1)] = Field(
        default=64, description="Proposals asked ahead of the one consumed; several times the concurrency."
    )
    max_similarity: Refilterable[Share] = Field(
        default=0.7, description="Refuse above this ROUGE-L F to seeds or pool; equal is kept."
    )
    refuse_equal: Refilterable[bool] = Field(
        default=False, description="Refuse what is equal to max_similarity, too, as the Self-Instruct paper words it."
    )
    neighbours: Free[Annotated[int, Field(ge=0, le=100)]] = Field(
        default=0, description="Most similar texts kept with each record (published: 10), with the mean similarity."
    )
    filters: Refilterable[FilterConfig] = FilterConfig()
    max_cost_usd: Free[Dollars | None] = Field(default=None, description="Never spend more; needs a known price.")
    max_requests: Free[Annotated[int, Field(ge=0)] | None] = Field(
        default=None, description="Never send more requests."
    )
    max_tokens: Free[Annotated[int, Field(ge=0)] | None] = Field(
        default=None, description="Never use more tokens, both ways."
    )
    min_yield: Free[Annotated[float, Field(ge=0)]] = Field(
        default=0.05, description="Stop when fewer new tasks per question come in over the window; 0 never stops."
    )
    min_yield_window: Free[Annotated[int, Field(ge=1)]] = Field(default=200, description="Questions in that window.")
    max_failures_in_a_row: Free[Annotated[int, Field(ge=1)]] = Field(
        default=10, description="Stop when so many questions in a row got no answer at all."
    )
    egress: Free[Literal["any", "local-only"] | Annotated[Names, Field(min_length=1)]] = Field(
        default="any",
        description="Where a teacher may be: any | local-only (this machine) | a list of hosts beside it.",
    )
    dataset: Free[DatasetConfig] = DatasetConfig()

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None, **changes: Any) -> RunConfig:
        """Read a YAML file; `overrides` ('a.b=value') replace its values, `changes` (top-level keys) theirs.

        A relative path of seeds or evaluation sets that doesn't exist from the working directory is looked for
        beside the file and in the folder above; `~` is the home folder. Raises ConfigError, one line a defect:
        unreadable file, unknown key, wrong value.
        """
        path = Path(path)
        values = overridden(read_yaml(path), overrides or [])
        values |= {key: os.fspath(v) if isinstance(v, os.PathLike) else v for key, v in changes.items()}
        if isinstance(values.get("run_dir"), str):
            values["run_dir"] = os.path.expanduser(values["run_dir"])
        find_tables(values, path.resolve().parent)
        return cls.parse(values, str(path), [item.partition("=")[0].strip() for item in overrides or []])

    @classmethod
    def parse(cls, values: dict[str, Any], source: str = "config", set_: Sequence[str] = ()) -> RunConfig:
        """Validate plain values, such as those of a YAML file.

        Args:
            values: Keys and values. A section that is null, as YAML reads one without keys, gets its defaults.
            source: Where the values come from; begins each line of an error.
            set_: The keys that --set changed; their errors name --set instead of `source`.

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
        texts = dict(unusable_texts(values))
        defects: dict[str, str] = {}
        try:
            config = validate(values)
        except ValidationError as error:
            for item in error.errors():
                # pydantic also calls a list too short when its items are wrong
                if item["type"] == "too_short" and item["input"]:
                    continue
                key, problem = explain(item, cls)
                defects.setdefault(key, problem if item["type"] == "extra_forbidden" else texts.get(key, problem))
        else:
            defects = config._conflicts()
        if defects := texts | defects:
            context = info.context or {"source": "RunConfig:", "set": ()}
            where = {key: "--set" if _overlaps(key, context["set"]) else context["source"] for key in defects}
            raise ConfigError("\n".join(f"{where[key]} {key}: {problem}" for key, problem in defects.items()))
        return config

    def _conflicts(self) -> dict[str, str]:
        """Cross-field validation: keys that contradict each other, each with the problem."""
        words = self.filters
        if words.min_words is not None and words.max_words is not None and words.min_words > words.max_words:
            return {"filters.min_words": "is above filters.max_words: no task would pass"}
        if self.teachers is None:
            return {}
        defects = defects_of(self.teachers, develops=self.strategy == "self_instruct", judged=self.judge is not None)
        if "teacher" in self.model_fields_set:
            defects.insert(0, "stands beside teacher; name one teacher there, or all of them here")
        return {"teachers": "; ".join(defects)} if defects else {}

    @property
    def all_teachers(self) -> tuple[ListedTeacher, ...]:
        """The configured teachers: `teachers`, or the single `teacher` with all default roles."""
        if self.teachers is not None:
            return self.teachers
        return (ListedTeacher.model_construct(**dict(self.teacher), _fields_set=set(self.teacher.model_fields_set)),)

    def asking_only(self, teacher: TeacherConfig) -> RunConfig:
        """Return this configuration with `teacher` as the only teacher; teacher factories receive it."""
        return self.model_copy(update={"teacher": teacher, "teachers": None})

    @property
    def more(self) -> int | None:
        """The number of records that every start adds, for a target such as +500; None for an absolute target."""
        return int(self.target) if isinstance(self.target, str) else None

    @property
    def seed_sources(self) -> tuple[str, ...]:
        """The seed files, one or several."""
        return (self.seeds,) if isinstance(self.seeds, str) else tuple(self.seeds)

    def meaning(self, seeds_digest: str, prompts_digest: str, questions_digest: str = "") -> dict[str, Any]:
        """Return every value that determines the answers as a flat mapping, such as {'teacher.model': 'gpt-4o-mini'}.

        Args:
            seeds_digest: Digest of the seeds' content; stands in for their path.
            prompts_digest: Digest of the prompt wording; stands in for its path.
            questions_digest: Digest of the evaluation sets' questions; '' without any.

        Returns:
            Dotted keys and JSON values, without the keys that are `Free`; input of `digest_of`.
        """
        values: dict[str, Any] = {
            "tokenizer": TOKENIZER_VERSION,
            "seeds": seeds_digest,
            "prompts": prompts_digest,
            "filters.decontaminate": questions_digest,
        }
        # Top-level keys and sections. Digests are set already, and a list of teachers follows below.
        unused = {"teachers"} if self.teachers is None else {"teacher", "teachers"}
        for name in [name for name in _meant(RunConfig) if name not in values and name not in unused]:
            value = getattr(self, name)
            if isinstance(value, Section):
                for key, item in _meant_values(value).items():
                    values.setdefault(f"{name}.{key}", item)
            else:
                values[name] = self.model_dump(mode="json", include={name})[name]
        # Each listed teacher under its label.
        for teacher in self.teachers or ():
            values |= {f"teachers.{teacher.label}.{key}": item for key, item in _meant_values(teacher).items()}
        return values


def _overlaps(key: str, others: Sequence[str]) -> bool:
    """Whether `key` is one of `others`, a section around one, or a key inside one."""
    return any(f"{other}.".startswith(f"{key}.") or f"{key}.".startswith(f"{other}.") for other in others)


def may_change(key: str) -> MayChange:
    """Return when a key of `RunConfig.meaning`, such as 'judge.min_score', may change in an existing run."""
    section, _, name = key.partition(".")
    if section not in RunConfig.model_fields:  # the tokenizer's version
        return MayChange.WITH_A_NEW_RUN
    inner = sections_of(RunConfig).get(section)
    name = name.rpartition(".")[2]  # the label of a listed teacher may contain dots: 'teachers.gpt-4.1.model'
    own = _declared(inner, name) if inner is not None and name in inner.model_fields else None
    return own or _declared(RunConfig, section) or MayChange.WITH_A_NEW_RUN


def _declared(model: type[BaseModel], name: str) -> MayChange | None:
    return next((item for item in model.model_fields[name].metadata if isinstance(item, MayChange)), None)


@cache
def _meant(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of `model` that are part of the digest."""
    return tuple(name for name in model.model_fields if _declared(model, name) is not MayChange.AT_ANY_START)


def _meant_values(section: Section) -> dict[str, Any]:
    """The JSON values of `section` that are part of the digest; sampling keys that are not set are 'published'."""
    values = section.model_dump(mode="json", include=set(_meant(type(section))))
    if isinstance(section, SamplingConfig):
        values |= dict.fromkeys(values.keys() - section.model_fields_set, "published")
    return values


def digest_of(meaning: dict[str, Any]) -> str:
    """Return the config digest: 64 hex digits over the values that determine the answers."""
    text = json.dumps(meaning, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def json_schema() -> str:
    """Return the JSON Schema of a configuration file, as published in configs/schema.json."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunConfig.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(json_schema())
