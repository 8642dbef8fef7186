"""Options by kind: sections whose keys depend on the strategy, teacher, filter, or format that they name.

`strategy: alpaca` is shorthand for `strategy: {kind: alpaca}`. The code behind a built-in kind owns its options: its
entry in the table of kinds, such as `STRATEGIES`, has an attribute `Options`, a model derived from one of the models
below. `RunConfig` uses `ByKind` to find that model.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, SerializeAsAny, Strict, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from ..core.errors import ConfigError
from ..core.prompts import Endpoint
from ..core.suggest import closest, in_plain_words
from .fields import Dollars, Free, Name, PerGeneration, Section
from .path_keys import PathName
from .plugins import hint
from .secrets import safe_key


class Options(Section):
    """The options of one kind."""

    key: ClassVar[str]
    """The configuration key that holds the options, such as 'teacher'; begins every error message."""

    kind: Name = Field(description="A built-in name, or package.module:Name.")

    @classmethod
    def of(cls, given: str | Options) -> Self:
        """Return `given` as this class, with defaults for the missing keys.

        The code of each kind calls this method with the value in the configuration. The options of a user's own kind
        are checked here and not earlier, because reading a configuration doesn't import the user's code.

        Raises:
            ConfigError: An unknown option, or a wrong value.
        """
        if isinstance(given, cls) and not given.model_extra:
            return given
        values = {"kind": given} if isinstance(given, str) else given.model_dump(exclude_unset=True)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            # The message is one line, so it reports the first defect only.
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            known = ", ".join(field for field in cls.model_fields if field != "kind")
            problem = in_plain_words(first["msg"])
            if first["type"] == "extra_forbidden":
                guess = closest(name, cls.model_fields)
                meant = (
                    f"did you mean {guess!r}?" if guess else f"one of {known}" if known else "this kind has no options"
                )
                problem = f"unknown option; {meant}"
            raise ConfigError(f"{cls.key}.{name}: {problem}") from None


class StrategyOptions(Options):
    """Options that every strategy has."""

    key = "strategy"
    needs_seeds: ClassVar[bool] = True
    """Whether questions show seed tasks, or passages of documents."""

    @property
    def has_ground_truths(self) -> bool:
        """Whether a program knows the answers to some of the tasks."""
        return False

    prompts: PerGeneration[PathName | None] = Field(
        default=None, description="Your own prompt file; null: the built-in prompts for `language`."
    )


class SourceOptions(Options):
    """Options that every source has."""

    key = "source"


class TeacherOptions(Options):
    """Options that every teacher has."""

    key = "teacher"
    is_fake: ClassVar[bool] = False
    """Whether the answers are made up, for rehearsals."""
    runs_model: ClassVar[bool] = False
    """Whether the run loads the model on this machine."""

    model: Name = Field(description="The model's name.")
    name: Free[Name | None] = Field(default=None, description="The name in status and records; null: the model.")
    weight: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Share of the requests, relative to the other teachers with the same role."
    )
    roles: Annotated[tuple[Name, ...], Strict(False), Field(min_length=1)] | None = Field(
        default=None,
        description="Purposes that this teacher answers: propose (new tasks), the strategy's other purposes "
        "(self_instruct: classify, instances; evolve: classify), answer (further answers), plan and user (the user's "
        "side of dialogues), "
        "judge; null: all except judge.",
    )
    endpoint: Endpoint | None = Field(
        default=None, description="chat | completions; null: the one that suits the model (chat unless cataloged)."
    )
    structured: Literal["auto", "json_schema", "text"] = Field(
        default="auto", description="How answers are requested; auto tests the server once and remembers."
    )
    reasoning_tokens: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="Tokens added to every max_tokens as room for reasoning; null: 2,048 to limits up to 1,024 once "
        "the teacher is seen to reason.",
    )
    input_usd_per_mtok: Free[Dollars | None] = Field(
        default=None, description="Dollars per million prompt tokens; null looks up the model."
    )
    cached_usd_per_mtok: Free[Dollars | None] = Field(
        default=None, description="Dollars per million cached prompt tokens; null: the same as input."
    )
    output_usd_per_mtok: Free[Dollars | None] = Field(
        default=None, description="Dollars per million generated tokens; null looks up the model."
    )
    license: Free[str | None] = Field(
        default=None,
        description="What the model's terms say about outputs, in your words or as an SPDX id; shown on the card.",
    )
    tokenizer: Free[PathName | None] = Field(
        default=None,
        description="The model's tokenizer.json, to count prompt tokens; null: the hub's cache, else an upper bound.",
    )

    @property
    def model_name(self) -> str:
        """The model's name; of a model in a file, the name of the file."""
        return self.model

    @property
    def can_code(self) -> bool:
        """Whether the model is expected to write programs: one that chats on a server, or is named for it here."""
        if self.runs_model or self.is_fake:
            return self.runs_model and "code" in self.model_name.lower()
        return self.endpoint != "completions"

    @property
    def label(self) -> str:
        """The teacher's name in status and records."""
        return self.name or self.model_name

    @property
    def in_batches(self) -> bool:
        """Whether requests are sent as batch jobs."""
        return False

    @property
    def address(self) -> str | None:
        """The URL of the server; None for a teacher without a server."""
        return None

    @property
    def missing_key(self) -> str | None:
        """The environment variable of the API key, if the server needs a key and the variable isn't set."""
        return None

    @property
    def price_factor(self) -> float:
        """The price of a request relative to the list price; below 1 for batch jobs of some providers."""
        return 1.0


def teachers_for(purpose: str, teachers: Sequence[TeacherOptions]) -> list[TeacherOptions]:
    """Return the teachers that answer `purpose`; all teachers if none has the role (the probe, an unassigned judge)."""
    # A teacher without roles answers everything except the judge's questions, and gives no vectors.
    others = ("judge", "embed")
    named = [each for each in teachers if (purpose not in others if each.roles is None else purpose in each.roles)]
    return named or [each for each in teachers if each.roles != ("embed",)]


class FormatOptions(Options):
    """Options that every format has."""

    key = "dataset.formats"


@dataclass(frozen=True)
class ByKind:
    """Pydantic annotation that validates a section with the options model of its kind.

    The table is imported by name at the first use, because its package imports `config`. A kind of the user's own isn't
    imported: reading a configuration, such as that of a finished run, must not run the user's code. Its options are
    accepted as they are, and `Options.of` checks them when the kind is built.

    Args:
        base: The model of the options that all kinds have.
        table: 'package.module:NAME' of the mapping from kinds to objects with an attribute `Options`; None: no kind
            is built in.
        default: The kind of a section that names none.
    """

    base: type[Options]
    table: str | None = None
    default: str = ""

    def models(self) -> Mapping[str, type[Options]]:
        """Return the options models of the built-in kinds."""
        return {kind: entry.Options for kind, entry in _load(self.table).items()} if self.table else {}

    def parse(self, value: Any) -> Any:
        """Return the options in a name, a mapping, or an object; anything else unchanged, so that pydantic rejects it.

        Raises:
            ValueError: An unknown kind.
            ValidationError: A wrong option.
        """
        models = self.models()
        if isinstance(value, self.base):  # such as TeacherOptions(kind="fake", model="fake")
            return models[value.kind].of(value) if value.kind in models else value
        if isinstance(value, str):
            value = {"kind": value}  # shorthand
        if not isinstance(value, Mapping):
            return value
        kind = value.get("kind", self.default)
        if isinstance(kind, str) and kind not in models and ":" not in kind:
            raise ValueError(f"{safe_key(kind)!r} is unknown; {hint(kind, models)}")
        model = models.get(kind) if isinstance(kind, str) else None
        # A user's own kind: accept any key now, and let `Options.of` check the keys later.
        return (model or _accepts_any_key(self.base)).model_validate(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Parse first, then validate as `base`, whatever type the annotation shows to type checkers."""
        options = handler.generate_schema(SerializeAsAny[self.base])  # type: ignore[misc,name-defined]
        return core_schema.no_info_before_validator_function(self.parse, options)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return a schema for a name, or for a mapping that fits the model of its kind."""
        # The user's own kind, such as 'my_module:Name': any option.
        own = {"properties": {"kind": {"type": "string", "pattern": ":"}}, "required": ["kind"]}
        mappings: list[JsonSchemaValue] = [{"type": "object", **own}]
        # A built-in kind: the options of its model. The default kind may be omitted.
        for kind, model in self.models().items():
            reference = handler(model.__pydantic_core_schema__)
            named = {"properties": {"kind": {"const": kind}}} | ({} if kind == self.default else {"required": ["kind"]})
            mappings.append({"allOf": [reference, named]})
        names = {"type": "string", "examples": list(self.models())}
        return {"anyOf": [names, *mappings]}


@dataclass(frozen=True)
class OwnedBy:
    """Pydantic annotation that validates a section with a model of a package that imports `config`.

    Args:
        base: The part of the model that `config` needs to know.
        model: 'package.module:NAME' of the model, a subclass of `base`; imported at the first use.
    """

    base: type[Section]
    model: str
    default: ClassVar = ""

    def models(self) -> Mapping[str, type[Section]]:
        """Return the model, under an empty name."""
        return {"": _load(self.model)}

    def parse(self, value: Any) -> Any:
        """Return the section in a mapping; anything else unchanged, so that pydantic rejects it."""
        return self.models()[""].model_validate(value) if isinstance(value, Mapping) else value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Parse first, then validate as `base`."""
        section = handler.generate_schema(SerializeAsAny[self.base])  # type: ignore[misc,name-defined]
        return core_schema.no_info_before_validator_function(self.parse, section)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of the model."""
        return handler(self.models()[""].__pydantic_core_schema__)


def _load(path: str) -> Any:
    # 'selfinstruct.teachers:TEACHERS' -> the object TEACHERS
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


@cache  # pydantic compiles a validator for each new model
def _accepts_any_key(base: type[Options]) -> type[Options]:
    return type(base.__name__, (base,), {"model_config": {"extra": "allow"}, "__module__": __name__})
