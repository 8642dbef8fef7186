"""The sections of a configuration whose keys don't depend on a kind: sampling, judge, filters, dataset.

`RunConfig` contains them, and the packages that use a section import its class from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, Strict, field_validator, model_serializer

from ..core.errors import ConfigError
from ..core.prompts import Sampling
from .fields import Name, Refilterable, Section, Share
from .options import ByKind, FormatOptions, Options, TeacherOptions

_FORMAT = ByKind(FormatOptions, "selfinstruct.dataset.formats:FORMATS", "messages")
_TEACHER = ByKind(TeacherOptions, "selfinstruct.teachers:TEACHERS", "openai")


class SamplingConfig(Section):
    """Decoding parameters. A key set to null is omitted from the request; a missing key has the published value."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="Sampling temperature; higher is more random."
    )
    top_p: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Sample from the most likely tokens with this total probability."
    )
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = Field(
        default=None, description="Penalty for tokens that already occur."
    )
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = Field(
        default=None, description="Penalty for tokens that grows with each repetition."
    )
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Token limit of one answer.")
    stop: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False)] | None = Field(
        default=None, description="Strings that end an answer."
    )

    @model_serializer(mode="wrap")
    def _only_set_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit the keys that are not set, because null has a meaning of its own."""
        return {key: value for key, value in dump(self).items() if key in self.model_fields_set}

    def over(self, published: Sampling) -> Sampling:
        """Return `published` with every key that this section sets, including keys set to null."""
        values = {name: getattr(published, name) for name in Sampling.__slots__}
        values.update({name: getattr(self, name) for name in self.model_fields_set & values.keys()})
        return Sampling(**values)


_Agreement = Mapping[Literal["text", "maths", "tests"], Share]


def _of_each(given: object) -> object:
    """Return one number as the number of each way to compare answers."""
    if isinstance(given, Mapping):
        return given
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise ValueError(f"must be a number from 0 to 1, or one for each of text, maths, and tests (it is {given!r})")
    return dict.fromkeys(("text", "maths", "tests"), float(given))


class AnswersConfig(SamplingConfig):
    """Several answers to each task, or dialogues. The teachers with the role `answer` write the further answers."""

    samples: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Answers to each prompt; the first is the answer that came with the task."
    )
    until: Literal["pass", "all"] = Field(
        default="pass", description="pass: ask for the next answer only if a check rejects the last; all: ask for all."
    )
    keep: Refilterable[Literal["best", "all"]] = Field(
        default="best", description="Keep the best answer, or all of them, as preference formats need."
    )
    min_agreement: Refilterable[
        Annotated[_Agreement, BeforeValidator(_of_each, json_schema_input_type=Share | _Agreement)] | None
    ] = Field(
        default=None,
        description="Keep the answer that agrees most with the others, and reject a task where that is below this "
        "number (reason 'no_agreement'), which may differ by what is compared: {text: 0.2, maths: 0.5}; 0 rejects "
        "none, null doesn't compare.",
    )
    agree_by: Literal["text", "maths", "tests", "auto"] = Field(
        default="text",
        description="How answers are compared: text: by mean ROUGE-L F; maths: by the share with the same final value; "
        "tests: Python functions, by the share that passes the same tests, which the teacher writes; auto: by what "
        "most answers to a task are. A value or tests that they agree on become the task's ground truth.",
    )
    test_sets: Annotated[int, Field(ge=2, le=16)] = Field(
        default=4, description="Sets of tests to ask for with agree_by: tests or auto, for each task about a function."
    )
    turns: Annotated[int, Field(ge=1, le=16)] = Field(
        default=1, description="Turns of the user in a dialogue; 1: no dialogue."
    )
    constrained: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0,
        description="Share of the tasks that get constraints on the form of the answer, which a program checks, of "
        "those that leave it open and have no input; languages en and zh.",
    )
    most_constraints: Annotated[int, Field(ge=1, le=5)] = Field(
        default=3, description="Constraints of a constrained task: from 1 to this many."
    )

    def least_agreement(self, by: str) -> float:
        """Return the number for one way of comparing answers; 0 if none is set."""
        return next((number for way, number in (self.min_agreement or {}).items() if way == by), 0.0)

    @property
    def makes_ground_truths(self) -> bool:
        """Whether answers may agree on something that a program can check."""
        return self.min_agreement is not None and self.agree_by != "text"

    @property
    def asks_for_tests(self) -> bool:
        """Whether the teacher may be asked for tests."""
        return self.makes_ground_truths and self.agree_by != "maths"


class JudgeConfig(SamplingConfig):
    """A model that grades finished tasks: the teachers with the role `judge`, or all teachers if none has it."""

    min_score: Refilterable[Annotated[float, Field(ge=1, le=5)] | None] = Field(
        default=None,
        description="Reject tasks with a mean mark, 1 to 5, below this number (reason 'low_score'); null keeps all.",
    )
    compare: bool = Field(
        default=False,
        description="Instead of marks: show the judge every pair of answers to a prompt in both orders, and count who "
        "wins in both.",
    )


class FilterOptions(Options):
    """The options of a user's own filter."""

    key = "filters.custom"


class FilterSection(Section):
    """The part of the section `filters` that `config` needs; `FilterRules` in the package `filters` adds the rest."""

    custom: Annotated[tuple[Annotated[Name | FilterOptions, ByKind(FilterOptions)], ...], Strict(False)] = Field(
        default=(),
        description="Your own filters, each as package.module:Name or {kind: package.module:Name, OPTION: VALUE}.",
    )

    @property
    def custom_options(self) -> list[FilterOptions]:
        """The user's own filters, in order."""
        return [each for each in self.custom if isinstance(each, FilterOptions)]


class SelectConfig(Section):
    """Which of the run's records become rows."""

    count: Annotated[int, Field(ge=1)] = Field(description="Number of records, at most.")
    by: Literal["first", "random", "longest", "checks", "marks", "agreement", "spread"] = Field(
        default="random",
        description="first | random (by random_seed) | longest (outputs) | checks (found right by a program first) | "
        "marks (of a judge) | agreement (of several answers) | spread (instructions far from each other).",
    )
    embeddings: Annotated[TeacherOptions, _TEACHER] | None = Field(
        default=None,
        description="For spread: a model behind /v1/embeddings, with the keys of a teacher; a start asks for a vector "
        "of each instruction, once, and their cosine says how near two of them are; null: ROUGE-L does.",
    )


class DatasetConfig(Section):
    """The dataset that is written when a run ends, and its card."""

    formats: Annotated[
        tuple[Annotated[Name | FormatOptions, _FORMAT], ...],
        Strict(False),
        Field(min_length=1),
    ] = Field(
        default=("messages", "prompt_completion", "alpaca"),
        validate_default=True,
        description="One dataset config per format; the first is the default: messages | prompt_completion | "
        "prompt_completion_chat | alpaca | sharegpt | openai | text | preference | preference_flat | kto | reward | "
        "package.module:Name, "
        "or {kind: NAME, OPTION: VALUE}.",
    )
    system_prompt: Name | None = Field(default=None, description="The system message of every row; null: none.")
    test_share: Share = Field(default=0.0, description="Share of records in the split 'test'; 0 writes 'train' only.")
    instances: Literal["first", "all"] = Field(
        default="first", description="Rows per record: one, or one for each instance."
    )
    select: SelectConfig | None = Field(default=None, description="Some of the records; null: all of them.")
    license: str | None = Field(default=None, description="The dataset's license; the card shows none unless set here.")
    title: str | None = Field(default=None, description="The card's heading; null: the name of the run's folder.")
    shard_rows: Annotated[int, Field(ge=1)] = Field(default=100_000, description="Rows in one Parquet file.")

    @field_validator("formats")
    @classmethod
    def _each_once(cls, value: tuple[FormatOptions, ...]) -> tuple[FormatOptions, ...]:
        if len({each.kind for each in value}) < len(value):
            raise ValueError("names a format twice; name each format once")
        return value

    def with_formats(self, formats: Sequence[str]) -> DatasetConfig:
        """Return these settings with other formats. A format that is already configured keeps its options.

        Raises:
            ConfigError: An unknown format.
        """
        configured = self.format_options
        try:
            chosen = [configured.get(name) or _FORMAT.parse(name) for name in dict.fromkeys(formats)]
        except ValueError as error:
            raise ConfigError(f"dataset.formats: {error}") from None
        return self.model_copy(update={"formats": tuple(chosen)})

    @property
    def format_options(self) -> dict[str, FormatOptions]:
        """The options of each format by its kind, in order."""
        return {each.kind: each for each in map(_FORMAT.parse, self.formats)}
