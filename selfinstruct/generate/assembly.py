"""Everything that a configuration stands for, built once: what `check`, `preview`, and a run start from.

Building it sends no request and writes nothing, so that a wrong name, price, or file is found first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..ask.prices import Price, prices_of
from ..config.run_config import RunConfig
from ..core.counted import counted
from ..core.documents import Passage
from ..core.errors import ConfigError
from ..core.facets import Drawn
from ..core.language_tags import language_name, primary
from ..core.prompts import Asking
from ..core.tasks import Arrival, Material, SeedTask
from ..dataset.linguistics import alike, most_frequent
from ..documents import files_digest, load_passages
from ..filters import AnswerCheck, Checks, Filter, build_checks, rules_of, warnings_about
from ..filters.evaluation_sets import EvaluationSets, load_sets
from ..filters.judge import comparison_digest, rubric_digest
from ..journal.changes import Inputs
from ..journal.folder import known_meaning, known_passages
from ..seeds.load import load_seeds, unread_notes
from ..strategies.factory import build_strategy, factory_of, name_of, options_for
from ..strategies.material import View, build_source, demonstration
from ..strategies.protocol import Strategy, purposes_of
from ..teachers import asked_together, askings_of, check_roles, find_kind
from ..teachers.counting import bound_of
from ..teachers.egress import check_teachers
from .dialogue import dialogue_digest
from .facet_check import facet_check_digest


@dataclass(frozen=True)
class Assembly:
    """The parts of one configuration.

    config: with the name of a strategy that was passed in as an object. inputs: what questions are made from.
    sets: the evaluation sets to keep out. askings: how each teacher is asked, by its name. own: the caller's teachers
    by name, empty for the configured ones. prices: USD per token of each teacher, None where unknown.
    build: makes the strategy of any generation.
    """

    config: RunConfig
    inputs: Inputs
    sets: EvaluationSets
    askings: Mapping[str, Asking]
    own: Mapping[str, Any]
    prices: Mapping[str, Price | None]
    build: Callable[[RunConfig, Asking], Strategy]
    strategy: Strategy
    checks: Checks

    @cached_property
    def meaning(self) -> dict[str, Any]:
        """The values that decide what the answers are; see `RunConfig.meaning`."""
        wording, judge, answers = self.strategy.digest, self.config.judge, self.config.answers
        if judge is not None:
            wording += f", judge {(comparison_digest if judge.compare else rubric_digest)(self.config)}"
        if answers is not None and answers.turns > 1:
            wording += f", dialogue {dialogue_digest(self.config.language)}"
        if self.config.facets is not None and self.config.facets.verify:
            wording += f", facets {facet_check_digest()}"
        return self.config.meaning("", wording, self.sets.digest) | self.inputs.meaning

    @property
    def seeds(self) -> Sequence[SeedTask]:
        """The seed tasks, in the order of the files."""
        return self.inputs.seeds

    @property
    def passages(self) -> Sequence[Passage]:
        """The passages of the documents, in order."""
        return self.inputs.passages

    @property
    def view(self) -> View:
        """What the first question sees."""
        arrival = Arrival(1, 0, tuple(self.seeds), tuple(self.passages))
        return View([demonstration(seed) for seed in self.seeds], (), (arrival,))

    def first_materials(self, count: int) -> list[Material]:
        """Return what the first questions are made from, while nothing is known of the tasks that they bring."""
        source, drawn = build_source(self.config, self.strategy), list[Material]()
        for number in range(count):
            view = replace(self.view, questions=[Drawn(each.facets) for each in drawn])
            if (material := source.draw(number, view)) is None:
                break
            drawn.append(material)
        return drawn

    @property
    def language_warnings(self) -> list[str]:
        """One line if the seeds are clearly in another language than the configured one."""
        config = self.config
        if config.language == "any":
            return []
        try:
            most = most_frequent([seed.instruction for seed in self.seeds])
        except OSError:  # the classifier unpacks its model into a file; a full disk must not end a run here
            return []
        if most is None or alike(most.code, primary(config.language)):
            return []
        return [
            f"{most.texts} of {counted(most.of, 'seed')} seem to be in {language_name(most.code)}, but the language is "
            f"{config.language}; set language: {most.code}, or language: any"
        ]

    @property
    def seed_warnings(self) -> list[str]:
        """What of the seed files no prompt shows, and which seeds hold personal data, one line each."""
        return [*unread_notes(self.seeds), *warnings_about(self.seeds, self.config.language)]


def assemble(
    config: RunConfig,
    *,
    teacher: Any = None,
    strategy: Any = None,
    filters: Sequence[Filter | AnswerCheck] | None = None,
    fork_of: Path | None = None,
) -> Assembly:
    """Build the parts of `config`.

    Args:
        teacher: An object that replaces the configured teacher, or a mapping of names to objects.
        strategy: A strategy, its class, or a factory called with (config, asking); replaces the configured one.
        filters: Filters of instructions, which replace the configured ones, and further checks of answers.
        fork_of: The folder of the run to continue, if it is another one.

    Raises:
        ConfigError: A wrong name, price, or language, or a plug-in that can't be built.
        SeedError: Seeds that can't be read.
        UsageError: Documents that can't be read, or none in which a passage was found.
    """
    if not isinstance(config, RunConfig):
        raise ConfigError("config: pass a RunConfig; RunConfig.load reads a file, RunConfig.parse a mapping")
    config = _as_begun(config, fork_of or Path(config.run_dir))
    build: Callable[[RunConfig, Asking], Strategy] = build_strategy
    if strategy is not None:
        # Store the real name with the run: status, card, and provenance must not show the configured one.
        config = config.model_copy(update={"strategy": options_for(strategy, config.strategy)})
        build = factory_of(strategy, name_of(strategy))
    listed, own = config.all_teachers, own_teachers(teacher, config)
    if not own:
        for each in listed:
            find_kind(each)  # raises
        check_teachers(config)
    from ..dataset.formats import formats_of

    formats_of(config)  # raises

    askings = askings_of(config, own)
    prices = prices_of(config, own=bool(own))
    for each in listed:
        bound_of(each)  # raises where a tokenizer file can't be read
    built = build(config, asked_together(listed, askings))
    check_roles(config, purposes_of(built))
    build_source(config, built)  # raises
    build_checks(config)  # before a large evaluation set is read

    seeds = load_seeds(config.seed_sources) if config.seed_sources else []
    passages, files = list[Passage](), ""
    if config.document_sources:
        # Reading may take minutes, so it is left out if no file has changed since the run read them.
        files = files_digest(config)
        passages, read = known_passages(fork_of or Path(config.run_dir))
        passages = passages if files and files == read else load_passages(config, passages)
    rules = rules_of(config)
    sets = load_sets(rules.decontaminate, rules.eval_columns)
    checks = build_checks(config, sets)
    if filters is not None:
        further: list[Any] = [each for each in filters if hasattr(each, "check_answer")]
        instructions: list[Any] = [each for each in filters if hasattr(each, "check")]
        checks = replace(checks, instructions=instructions, answers=[*checks.answers, *further])
    return Assembly(config, Inputs(seeds, passages, files), sets, askings, own, prices, build, built, checks)


def _as_begun(config: RunConfig, folder: Path) -> RunConfig:
    """Return `config` with what null means for filters that are left to the kind of teacher.

    That is decided when a run begins. The run in `folder` keeps it with another teacher, and with a later version of
    the program, which may decide otherwise.
    """
    known = known_meaning(folder)
    means = {
        name: now if known is None else known.get(f"filters.{name}")
        for name, (now, _) in config.filters_by_teacher.items()
        if getattr(config.filters, name) is None
    }
    kept = {name: tuple(value) if isinstance(value, list) else value for name, value in means.items()}
    filters = config.filters.model_copy(update={name: value for name, value in kept.items() if value is not None})
    return config.model_copy(update={"filters": filters})


def own_teachers(given: Any, config: RunConfig) -> dict[str, Any]:
    """Return the caller's teachers by their configured names; empty for None. Raises ConfigError."""
    names = [each.label for each in config.all_teachers]
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        given = dict.fromkeys(names[:1], given)
    if given.keys() != set(names):
        raise ConfigError(f"teacher: pass one object for each of {', '.join(names)}, as a mapping of these names")
    return dict(given)
