"""Cheap checks of tasks and answers, each with the name of its reason; docs/guide/filters.md describes them all.

To add one: a class like those in `instruction` or `answers`, and a line in `instruction_filters` or `ANSWER_CHECKS`; or
name your own in the configuration under `filters.custom` as `package.module:Name`. It is called with the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from ..config.plugins import call_own_code, check_accepts, check_returned, load_named
from ..config.run_config import RunConfig
from ..config.sections import FilterOptions, FilterSection
from ..core.chat_markers import find_markers, trim_markers
from ..core.counted import counted
from ..core.errors import ConfigError
from ..core.language_tags import primary
from ..core.prompts import Ask
from ..core.records import Example
from ..core.tasks import PASS, Candidate, Verdict, storable
from .answers import AnswerKeywords, AnswerOptions, AnswerRefusal, CutOff, Echo, Scaffolding
from .code import BadCode
from .contamination import Contaminated, ContaminationOptions
from .evaluation_sets import EvaluationSets, Overlap
from .examples import check_published, keep_examples
from .instruction import (
    AsciiStart,
    InstructionOptions,
    Keywords,
    Length,
    Prefixes,
    Published,
    PunctuationStart,
    Truncated,
    shipped_words,
)
from .language import AnswerLanguage, Language, LanguageOptions
from .personal import PersonalData, PersonalDataOptions, Redactor, warnings_about
from .repetition import Repetition
from .unusable import Unusable, UnusableOptions
from .wrong_answers import WrongAnswer, WrongArithmetic

__all__ = [
    "AnswerCheck",
    "Checks",
    "Filter",
    "FilterRules",
    "build_checks",
    "describe_filters",
    "instruction_filters",
    "keep_examples",
    "name_of",
    "rules_of",
    "text_filter",
    "warnings_about",
    "words_of",
]

ANSWER_CHECKS: dict[str, Callable[[], AnswerCheck]] = {
    "answer_refusal": AnswerRefusal,
    "scaffolding": Scaffolding,
    "echo": Echo,
    "repetition": Repetition,
    "cut_off": CutOff,
    "bad_code": BadCode,
    "wrong_arithmetic": WrongArithmetic,
}
"""In the order in which they are tried. The names are their reasons, and the keys of `filters` that turn them off."""


_REASON = re.compile("[a-z][a-z0-9_]*")
_METHODS = {"check": ("candidate",), "check_answer": ("candidate", "example", "ask")}


class FilterRules(
    InstructionOptions,
    UnusableOptions,
    LanguageOptions,
    PersonalDataOptions,
    ContaminationOptions,
    AnswerOptions,
    FilterSection,
):
    """What is rejected; see docs/guide/filters.md. Each group of keys belongs to the module that reads it."""


def rules_of(config: RunConfig) -> FilterRules:
    """Return the options of the filters."""
    options = config.filters
    return options if isinstance(options, FilterRules) else FilterRules.model_validate(options.model_dump())


class Filter(Protocol):
    """A check of instructions, which depends on the candidate alone."""

    def check(self, candidate: Candidate) -> Verdict:
        """`PASS`, or a verdict that names its reason in snake_case."""


class AnswerCheck(Protocol):
    """A check of answers."""

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        """`PASS`, or a verdict that names its reason in snake_case.

        Args:
            candidate: The task; in a dialogue, `instruction` is the user's last turn.
            example: The prompt, and one response: the answer to check.
            ask: Sends a prompt, or recalls its answer from the journal.
        """


@dataclass(frozen=True, slots=True)
class Checks:
    """Everything that `config.filters` asks for. rewrites: what is done to each text before it is judged."""

    instructions: Sequence[Filter]
    answers: Sequence[AnswerCheck] = ()
    rewrites: Sequence[Callable[[str], str]] = ()

    @property
    def names(self) -> list[str]:
        """What every record has passed, in order: filters of the instruction, novelty, checks of the instances.

        Without 'wrong_answer', which only some tasks are held to.
        """
        answers = [each for each in self.answers if not isinstance(each, WrongAnswer)]
        return [*map(name_of, self.instructions), "novelty", "instances", *map(name_of, answers)]

    def prepared(self, candidate: Candidate) -> Candidate:
        """The candidate as it is judged, shown and kept."""
        given, output = candidate.input, candidate.output
        return replace(
            candidate,
            instruction=self.rewritten(candidate.instruction),
            input=None if given is None else self.rewritten(given),
            output=None if output is None else self.rewritten(output),
        )

    def filters_for(self, candidate: Candidate) -> Sequence[Filter]:
        """The filters of a candidate's instruction."""
        if not candidate.meaning:
            return self.instructions
        return [each for each in self.instructions if not isinstance(each, Published)]

    async def verdicts(self, candidate: Candidate, example: Example, ask: Ask) -> dict[str, Verdict]:
        """Check one answer, by the published rules and then by the answer checks, up to the first objection.

        Returns the verdicts by the name of the check, without those that have nothing to report.
        """
        verdict = check_published(example)
        if not verdict.ok:
            return {"instances": verdict}
        found: dict[str, Verdict] = {}
        for check in self.answers:
            given: object = check.check_answer(candidate, example, ask)
            awaitable = check_returned(given, Awaitable, check, "check_answer")  # type: ignore[type-abstract]
            verdict = verdict_of(check, "check_answer", await awaitable)
            if verdict != PASS:
                found[name_of(check)] = verdict
            if not verdict.ok:
                break
        return found

    def reasoning(self, text: str) -> str:
        """Return reasoning as it may be kept; empty if it holds what no row may hold: chat markers, personal data."""
        text = self.rewritten(storable(text)) if text else ""
        personal = [each for each in self.answers if isinstance(each, PersonalData)]
        refused = any(not each.judge({"reasoning": text}).ok for each in personal)
        return "" if refused or find_markers(text) else text

    def rewritten(self, text: str) -> str:
        """Return a text as it is judged, shown and kept."""
        for rewrite in self.rewrites:
            text = rewrite(text)
        return text


def build_checks(config: RunConfig, sets: EvaluationSets | None = None) -> Checks:
    """The checks of `config.filters`. sets: the evaluation sets that it names; None leaves 'contaminated' out.

    Raises ConfigError as `instruction_filters` does, and for a language that nobody knows.
    """
    settings = rules_of(config)
    questions = sets.questions if sets else ()
    overlap = Overlap(questions, max_similarity=settings.eval_similarity, template=settings.eval_template)
    contaminated = [Contaminated(overlap)] if questions else []
    personal = [PersonalData(config.language)] if settings.personal_data == "refuse" else []
    verified = [WrongAnswer(keeps=settings.wrong_answer == "label")] if settings.wrong_answer else []
    own = [_custom(each, config) for each in settings.custom_options]
    own_filters, own_answer_checks = ([each for each in own if hasattr(each, m)] for m in ("check", "check_answer"))
    return Checks(
        [*instruction_filters(config), *own_filters, *personal, *contaminated],
        [*answer_checks(config), *own_answer_checks, *personal, *contaminated, *verified],
        [
            *([trim_markers] if settings.scaffolding else []),
            *([Redactor(config.language).text] if settings.personal_data == "redact" else []),
        ],
    )


def instruction_filters(config: RunConfig) -> list[Filter]:
    """The built-in filters of instructions that need nothing but the configuration, in the order of trial."""
    settings, language = rules_of(config), config.language
    filters: list[Filter] = [Truncated(), *([Scaffolding()] if settings.scaffolding else [])]
    if settings.min_words is not None or settings.max_words is not None:
        filters.append(Length(settings.min_words or 0, settings.max_words, language))
    # A question about a manual may well ask which file something is in.
    keywords, prefixes = _decided(config, "keywords"), _decided(config, "prefixes")
    if keywords and not (keywords is True and config.documents):
        filters.append(Keywords(language, _listed(keywords)))
    if prefixes:
        filters.append(Prefixes(language, _listed(prefixes)))
    if settings.punctuation_start:
        filters.append(PunctuationStart())
    if _ascii_start(config):
        filters.append(AsciiStart())
    if settings.languages:
        filters.append(Language(settings.languages))
    if _decided(config, "unusable"):
        filters.append(Unusable(language))
    return filters


def verdict_of(check: object, method: str, returned: object) -> Verdict:
    """Return what a check returned. Raises ConfigError if it is no verdict, or if its reason isn't in snake_case."""
    verdict = check_returned(returned, Verdict, check, method)
    if verdict.reason is not None and not (isinstance(verdict.reason, str) and _REASON.fullmatch(verdict.reason)):
        name = f"{type(check).__module__}:{type(check).__qualname__}.{method}"
        raise ConfigError(
            f"your code, {name}: a reason is None or a name such as 'too_short' (it is {verdict.reason!r})"
        )
    return verdict


def name_of(check: object) -> str:
    """What a filter is called where it is listed: its class in snake_case, 'punctuation_start'."""
    return _snake_case(type(check).__name__)


@lru_cache
def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def answer_checks(config: RunConfig) -> list[AnswerCheck]:
    """The built-in checks of answers that need nothing but the configuration, in the order of trial."""
    settings = rules_of(config)
    chosen = [build() for name, build in ANSWER_CHECKS.items() if getattr(settings, name)]
    chosen += [AnswerKeywords(settings.answer_keywords)] if settings.answer_keywords else []
    chosen += [Unusable(config.language)] if _decided(config, "unusable") else []
    return [*chosen, AnswerLanguage(_answer_languages(config))] if settings.answer_languages else chosen


def describe_filters(config: RunConfig, sets: EvaluationSets, checks: Checks) -> dict[str, str]:
    """What is on, in words, for people; the checks of answers in the order of trial."""
    settings, package = rules_of(config), __package__.partition(".")[0]
    own, own_answers = (
        [name_of(each) for each in part if type(each).__module__.partition(".")[0] != package]
        for part in (checks.instructions, checks.answers)
    )
    judge = [] if config.judge is None else ["comparisons" if config.judge.compare else "judge"]
    published = "min_words max_words keywords prefixes punctuation_start".split()
    on = [name for name in published if _decided(config, name) not in (None, False, ())]
    # True is the list of the language, which may have none.
    lists = ("keywords", "prefixes")
    empty = [name for name in lists if _decided(config, name) is True and not shipped_words(config.language, name)]
    on = [name for name in on if name not in empty]
    if _ascii_start(config):
        on.append("ascii_start")
    on += ["unusable"] if _decided(config, "unusable") else []
    on += [f"languages {', '.join(settings.languages)}"] if settings.languages else []
    answers = [name for name in (*ANSWER_CHECKS, "answer_keywords") if getattr(settings, name)]
    answers += [f"answer_languages {', '.join(_answer_languages(config))}"] if settings.answer_languages else []
    answers += own_answers
    if settings.wrong_answer and config.has_ground_truths:
        answers.append("wrong_answer (label only)" if settings.wrong_answer == "label" else "wrong_answer")
    sizes = [f"{name} ({counted(rows, 'row')})" for name, rows in (sets.sizes or {}).items()]
    return {
        "instruction filters": ", ".join([*on, *own]) or "none",
        "by kind of teacher": config.filters_in_words,
        "answer checks": ", ".join([*answers, *judge]) or "none",
        "personal data": {"redact": "redacted", "refuse": "refused", "keep": "kept"}[settings.personal_data],
        "decontaminated": ", ".join(sizes) or "no evaluation set is named (filters.decontaminate)",
    }


def _answer_languages(config: RunConfig) -> Sequence[str]:
    """The languages that the filter of answers accepts: its own, and those that answers are requested in."""
    return list(dict.fromkeys([*rules_of(config).answer_languages, *map(primary, config.answer_languages)]))


def _ascii_start(config: RunConfig) -> bool:
    settings = rules_of(config)
    return primary(config.language) == "en" if settings.ascii_start is None else settings.ascii_start


def _decided(config: RunConfig, name: str) -> Any:
    """Return the value of a filter; if that is null and left to the kind of teacher, what it means."""
    value = getattr(rules_of(config), name)
    return config.filters_by_teacher[name][0] if value is None and name in config.filters_by_teacher else value


def _listed(setting: bool | Sequence[str]) -> Sequence[str] | None:
    """The user's own list, or None for the language's."""
    return None if isinstance(setting, bool) else setting


def words_of(config: RunConfig, name: str) -> list[str]:
    """Return the words that a list of the filters has in effect. name: 'keywords', 'prefixes', or 'answer_keywords'."""
    value = _decided(config, name)
    if value is True:
        return [] if name == "keywords" and config.documents else shipped_words(config.language, name)
    return list(value or ())


def text_filter(name: str, word: str, language: str) -> Callable[[str], bool]:
    """Return what tells whether such a list with just this word rejects a text: an instruction, or an answer."""
    if name == "answer_keywords":
        find = AnswerKeywords([word]).find
        return lambda text: find(text) is not None
    rule = Keywords(language, [word]) if name == "keywords" else Prefixes(language, [word])
    return lambda text: not rule.check(Candidate(text)).ok


def _custom(given: FilterOptions, config: RunConfig) -> Any:
    """Build a user's filter of instructions, check of answers, or both in one object.

    Its class is called with the configuration, and with its options if it declares any.
    """
    name = given.kind
    build = load_named(name, {}, "filters.custom")
    options = [declared.of(given)] if (declared := getattr(build, "Options", None)) else []
    if not options:
        FilterOptions.of(given)  # raises where options are set that nothing reads
    made = call_own_code("filters.custom", name, build, config, *options)
    if not any(callable(getattr(made, method, None)) for method in _METHODS):
        raise ConfigError(
            f"filters.custom: {name!r} gives no object with a method check(candidate) or "
            "check_answer(candidate, example, ask)"
        )
    for method, parameters in _METHODS.items():
        if hasattr(made, method):
            check_accepts("filters.custom", name, made, method, *parameters)
    return made
