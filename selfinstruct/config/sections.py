"""The sections of a configuration file: frozen models whose keys are validated and described.

The annotation of each key also declares when the key may change in an existing run: `Free`, `PerGeneration` or
`Refilterable`. A key inherits the declaration of its section. Any other key needs a new run.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationInfo, field_validator

from ..core.prompts import Endpoint, Sampling
from .yaml_file import random_looking


class MayChange(Enum):
    """When the value of a key may change in an existing run."""

    AT_ANY_START = "at any start"
    WITH_A_GENERATION = "with a new generation"
    WITH_A_REFILTER = "with a refilter"
    WITH_A_NEW_RUN = "with a new run"


T = TypeVar("T")
Free = Annotated[T, MayChange.AT_ANY_START]  # not part of the config digest
PerGeneration = Annotated[T, MayChange.WITH_A_GENERATION]
Refilterable = Annotated[T, MayChange.WITH_A_REFILTER]

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Dollars = Annotated[float, Field(ge=0.0)]
Target = Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=r"^\+[1-9][0-9]*$")]
PerMinute = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"\S")]
Names = Annotated[tuple[Name, ...], Strict(False)]  # a YAML list
Stops = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False)]


class Section(BaseModel):
    """What every section is: frozen, strict, and without a key that nothing reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class TeacherConfig(Section):
    """Who answers. `kind` is a built-in name or `package.module:Name`."""

    kind: Name = Field(default="openai", description="openai | local | fake | package.module:Name")
    model: Name = Field(
        default="gpt-4o-mini", description="The model's name; for kind local a catalogue name or a GGUF file."
    )
    base_url: Free[str | None] = Field(
        default=None, description="An OpenAI-compatible server, such as http://127.0.0.1:8000/v1."
    )
    api_key_env: Free[str | None] = Field(
        default="OPENAI_API_KEY", description="NAME of the environment variable that holds the key; null sends none."
    )
    endpoint: Endpoint | None = Field(
        default=None,
        description="chat | completions; null: what suits the model (chat unless the catalogue says else).",
    )
    structured: Literal["auto", "json_schema", "text"] = Field(
        default="auto", description="How answers are asked for; auto asks the server once and remembers."
    )
    timeout_s: Free[Annotated[float, Field(gt=0)]] = Field(default=60.0, description="Seconds for one request.")
    max_retries: Free[Annotated[int, Field(ge=0)]] = Field(default=4, description="Retries of one request, by the SDK.")
    max_rpm: Free[PerMinute | None] = Field(
        default=None, description="Requests a minute; null: what headers and 429s teach."
    )
    max_tpm: Free[PerMinute | None] = Field(default=None, description="Tokens a minute, prompts and answers together.")
    max_input_tpm: Free[PerMinute | None] = Field(
        default=None, description="Prompt tokens a minute, where they are limited apart."
    )
    max_output_tpm: Free[PerMinute | None] = Field(
        default=None, description="Generated tokens a minute, where limited apart."
    )
    patience_s: Free[Annotated[float, Field(gt=0)]] = Field(
        default=600.0,
        description="Seconds of nothing but rate-limit answers (429) after which the run ends, to go on later.",
    )
    max_tokens_param: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="How the server calls the token limit; newer OpenAI models want the second."
    )
    input_usd_per_mtok: Free[Dollars | None] = Field(
        default=None, description="Dollars per million prompt tokens; null looks the model up."
    )
    cached_usd_per_mtok: Free[Dollars | None] = Field(
        default=None, description="Dollars per million cached prompt tokens; null: as input."
    )
    output_usd_per_mtok: Free[Dollars | None] = Field(
        default=None, description="Dollars per million generated tokens; null looks the model up."
    )
    license: Free[str | None] = Field(
        default=None,
        description="What its terms say of outputs, in your words or as an SPDX id; goes into the dataset's card.",
    )
    tokenizer: Free[Name | None] = Field(
        default=None,
        description="The model's tokenizer.json, to count prompts by; null: the one in the hub's cache, else by bytes.",
    )
    context: Annotated[int, Field(ge=256)] = Field(
        default=4096, description="Context tokens for one request of the embedded local server."
    )
    threads: Free[Annotated[int, Field(ge=1)] | None] = Field(
        default=None, description="Threads of the embedded local server; null: all cores."
    )

    mode: Free[Literal["live", "batch"]] = Field(
        default="live",
        description="batch: questions go up as files that the provider answers within a day, at half the price.",
    )
    batch_poll_s: Free[Annotated[float, Field(gt=0)]] = Field(
        default=60.0, description="Seconds between two looks at a batch job, at most."
    )
    batch_quiet_s: Free[Annotated[float, Field(gt=0)]] = Field(
        default=2.0, description="Seconds without a new question after which those collected go up."
    )
    batch_questions: Free[Annotated[int, Field(ge=1, le=50_000)]] = Field(
        default=50_000, description="Questions in one batch job; lower it when your account's queue takes fewer."
    )
    batch_price_factor: Free[Annotated[float, Field(ge=0, le=1)] | None] = Field(
        default=None, description="Share of the live price in mode batch; null: 0.5 at OpenAI, else 1."
    )

    @field_validator("api_key_env")
    @classmethod
    def _a_name_not_a_key(cls, value: str | None) -> str | None:
        if value is None:
            return None
        name = re.sub(r"^\$\{(.*)\}$|^\$", r"\1", value)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or any(map(random_looking, name.split("_"))):
            raise ValueError(
                "must be the name of an environment variable, such as OPENAI_API_KEY, never the key itself"
            )
        return name

    @field_validator("mode")
    @classmethod
    def _batch_needs_a_provider(cls, value: str, info: ValidationInfo) -> str:
        if value == "batch" and info.data.get("kind", "openai") != "openai":
            raise ValueError("must be live for this teacher.kind; only kind openai has batch jobs")
        return value

    @property
    def host(self) -> str | None:
        """The host of a teacher of kind openai ($OPENAI_BASE_URL apart); None for every other."""
        if self.kind != "openai":
            return None
        return urlsplit(self.base_url).hostname if self.base_url else "api.openai.com"

    @property
    def price_factor(self) -> float:
        """What a question costs by now as a share of the live price: a batch is cheaper where the provider says so."""
        if self.mode == "live":
            return 1.0
        if self.batch_price_factor is not None:
            return self.batch_price_factor
        host = self.host or ""
        return 0.5 if host == "openai.com" or host.endswith(".openai.com") else 1.0

    @field_validator("base_url")
    @classmethod
    def _an_address_without_secrets(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
        except ValueError:
            raise ValueError("must be an address such as http://127.0.0.1:8000/v1") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https://, such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold no user, password, query or fragment; the key goes by teacher.api_key_env")
        return value


class SamplingConfig(Section):
    """Decoding parameters; a key set to null is left out of the request, a key not set is the published one."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: Stops | None = None

    def over(self, published: Sampling) -> Sampling:
        """`published` with every key that this section sets, null included."""
        values = {name: getattr(published, name) for name in Sampling.__slots__}
        values.update({name: getattr(self, name) for name in self.model_fields_set & values.keys()})
        return Sampling(**values)


class JudgeConfig(SamplingConfig):
    """A judge of worked tasks: the teachers with the role `judge`, or all of them where none has it."""

    min_score: Refilterable[Annotated[float, Field(ge=1, le=5)] | None] = Field(
        default=None,
        description="Refuse a worked task whose mean mark, 1 to 5, is below it ('low_score'); null keeps all.",
    )


class FilterConfig(Section):
    """What is rejected: docs/guide/filters.md. `null` turns a number off, `false` or an empty list the others."""

    min_words: Annotated[int, Field(ge=0)] | None = Field(
        default=4, description="Fewer words are refused as 'too_short' (published: 3 or fewer)."
    )
    max_words: Annotated[int, Field(ge=1)] | None = Field(default=150, description="More words: 'too_long'.")
    keywords: bool | Names = Field(
        default=True, description="'keyword': what a text model can't serve; true: the language's list, or a list."
    )
    prefixes: bool | Names = Field(
        default=True, description="'prefix': openings such as 'Write a program'; true: the language's list."
    )
    punctuation_start: bool = Field(default=True, description="'punctuation_start': begins with punctuation.")
    ascii_start: bool | None = Field(
        default=None, description="'not_ascii_start': first character outside ASCII; null: only when language is en."
    )
    custom: Names = Field(default=(), description="Your own, each as package.module:Name.")

    languages: Names = Field(
        default=(),
        description="'language': instructions in another one, such as [zh]; ISO 639-1; needs the extra 'language'.",
    )
    answer_languages: Names = Field(
        default=(),
        description="'language': outputs in another one; name all that translations may have, such as [zh, en].",
    )
    personal_data: Literal["redact", "refuse", "keep"] = Field(
        default="keep",
        description="E-mail, phone, card, IBAN, keys in what the teacher wrote: [EMAIL], 'personal_data', or kept.",
    )
    decontaminate: Names = Field(
        default=(),
        description="'contaminated': evaluation sets that tasks must not overlap with: files, folders, hub names.",
    )
    # Free, because the digest of the evaluation sets covers the text of these columns.
    eval_columns: Free[Annotated[Names, Field(min_length=1)]] = Field(
        default=("question", "prompt", "problem", "instruction"),
        description="Columns of these sets that are compared, each for itself; a row needs one of them.",
    )
    eval_similarity: Share = Field(default=0.7, description="Refuse above this ROUGE-L F to a question of these sets.")
    eval_template: Annotated[int, Field(ge=1)] = Field(
        default=3, description="Wording that more questions than these have in common is a template, not a hit."
    )

    answer_refusal: bool = Field(
        default=True, description="'answer_refusal': 'As an AI language model ...' for an answer."
    )
    scaffolding: bool = Field(
        default=True, description="'scaffolding': marks of the prompt in the answer, '<|im_end|>'."
    )
    echo: bool = Field(default=True, description="'echo': the answer is the instruction, or begins with all of it.")
    repetition: bool = Field(default=True, description="'repetition': the same words over and over.")
    cut_off: bool = Field(
        default=True, description="'cut_off': the answer stops in the middle of a sentence or code block."
    )
    bad_code: bool = Field(default=True, description="'bad_code': a Python or JSON block that can't be parsed.")
    wrong_arithmetic: bool = Field(default=True, description="'wrong_arithmetic': an equation such as 2 + 2 = 5.")


class DatasetConfig(Section):
    """What is written at the end, and what its card says."""

    formats: Annotated[Names, Field(min_length=1)] = Field(
        default=("messages", "prompt_completion", "alpaca"),
        description="One dataset config each; the first is default: messages | prompt_completion | "
        "prompt_completion_chat | alpaca | sharegpt | openai | text.",
    )
    system_prompt: Name | None = Field(default=None, description="What every row begins with; null: nothing.")
    prompt_style: Literal["plain", "published"] = Field(
        default="plain",
        description="Of prompt_completion: one form, or Self-Instruct's published variety, drawn by the seed.",
    )
    chat_template: Name = Field(
        default="chatml",
        description="Of text: chatml | gemma | llama3 | mistral | zephyr | a .jinja file | a tokenizer_config.json.",
    )
    test_share: Share = Field(default=0.0, description="Share of records in the split 'test'; 0 writes 'train' only.")
    instances: Literal["first", "all"] = Field(
        default="first", description="Rows per record: one, or one per instance."
    )
    license: str | None = Field(default=None, description="Stands in the card only when you state it here.")
    title: str | None = Field(default=None, description="The card's heading; null: the run's folder name.")
    shard_rows: Annotated[int, Field(ge=1)] = Field(default=100_000, description="Rows in one Parquet file.")

    @field_validator("formats")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("names a format twice; each once")
        return value
