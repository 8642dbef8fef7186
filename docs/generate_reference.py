"""Write the pages of docs/reference/ from the code; `make reference` runs this."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import selfinstruct as si
from selfinstruct.cli.app import app
from selfinstruct.config.defects import sections_of
from selfinstruct.config.run_config import RunConfig, SamplingConfig
from selfinstruct.core.prompts import Asking, Completion, Prompt
from selfinstruct.core.records import Example, Response
from selfinstruct.core.reviews import REASONS
from selfinstruct.core.tasks import Candidate, Demonstration, Material, Verdict
from selfinstruct.filters import build_checks
from selfinstruct.generate.respond import Responder
from selfinstruct.novelty import NoveltyIndex

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Generated from the code by docs/generate_reference.py; do not edit. -->\n"
PATHS = """## Paths

A relative path in a configuration file begins in the folder of that file, as you name it, wherever the command is
started: `run_dir: ../data/law` in `configs/law.yaml` is `data/law`. This holds for every key that names a file, a
folder, or a pattern, and for the modules of your own code. Absolute paths and `~` work too; names of models,
templates, and datasets on the hub (`owner/name`, unless there is such a folder), URLs, and `-` are no paths. `./name`
is always a path.

On the command line (`--set run_dir=...`, `--fork`, `--output`) and in Python (`RunConfig(...)`, `RunConfig.parse`,
the keyword arguments of `RunConfig.load`) a relative path begins in the working directory. Options of your own
strategies, teachers, and formats are passed on as they are.

A run stores where its files are relative to its own folder. Move the folder that holds the configuration, the seeds,
and the run, and the same command continues. A path is no part of what a run is compared by, but the content of the
seeds, prompts, and evaluation sets is, and the file name of a local model.

Where a path in a file leads nowhere, but would from the working directory, the command ends with code 2, before
anything is paid for, and says what to write.
"""


COMMAND_LINE = """`selfinstruct --help` lists the commands in the order of the work. After `selfinstruct
--install-completion`, your shell completes commands, options, and files. Color appears on a terminal only;
`--no-color`, or `NO_COLOR=1` in the environment, turns it off. Where a command takes a run's folder, it also takes the
run's configuration."""


def cell(text: object) -> str:
    """Return a text as one cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def default_of(field: FieldInfo) -> str:
    """Return a field's default as YAML would show it, or a word where there is none to show."""
    value = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, Enum):
        value = value.value
    return f"`{json.dumps(value, ensure_ascii=False, default=str)}`"


def sections(model: type[BaseModel], path: str = "") -> list[tuple[str, type[BaseModel]]]:
    """Return the sections below a model as (path, model), each kind of a section on its own."""
    found: list[tuple[str, type[BaseModel]]] = []
    for key, models in sections_of(model).items():
        for each in models:
            kind = each.model_fields["kind"].get_default() if "kind" in each.model_fields else None
            # Formats and sources without options of their own share one model, which has nothing to show.
            if isinstance(kind, str) or "kind" not in each.model_fields:
                name = f"{path}{key}" + (f": kind {kind}" if isinstance(kind, str) else "")
                found += [(name, each), *sections(each, f"{path}{key}.")]
    return list(dict(found).items())


def configuration() -> str:
    """Return the page of configuration keys, a table for each section."""
    intro = "Each key of a configuration file. A nested key is written `section.key` in `--set`.\n"
    parts, shown = [NOTE, "# Configuration\n", intro, PATHS], dict[type[BaseModel], str]()
    for key, model in [("", RunConfig), *[item for item in sections(RunConfig) if not item[0].startswith("teachers")]]:
        parts.append(f"## {f'`{key}`' if key else 'Top level'}\n")
        if model in shown:
            parts.append(f"The keys of `{shown[model]}`.\n")
            continue
        shown[model] = key
        parts.append(f"{cell(model.__doc__ or '')}\n")
        parts.append("| key | default | description |\n|---|---|---|")
        for name, field in model.model_fields.items():
            default = "published" if name in SamplingConfig.model_fields else cell(default_of(field))
            parts.append(f"| `{name}` | {default} | {cell(field.description or '')} |")
        parts.append("")
    return "\n".join(parts)


def commands(group: Any, prefix: str) -> list[tuple[str, Any]]:
    """Return every command below a click group as (full name, command)."""
    found = []
    for name, command in sorted(group.commands.items()):
        inner = (
            commands(command, f"{prefix} {name}") if hasattr(command, "commands") else [(f"{prefix} {name}", command)]
        )
        found += inner
    return found


def cli() -> str:
    """Return the page of commands, with the arguments and options of each."""
    group = typer.main.get_command(app)
    parts = [NOTE, "# Command line\n", f"{COMMAND_LINE}\n", f"{cell(group.epilog or '')}\n"]
    for name, command in commands(group, "selfinstruct"):
        parts += [
            f"## `{name}`\n",
            f"{cell(command.help or '')}\n",
            "| argument or option | default | description |\n|---|---|---|",
        ]
        for parameter in command.params:
            if getattr(parameter, "hidden", False):
                continue
            is_option = parameter.param_type_name == "option"
            names = ", ".join(parameter.opts) if is_option else (parameter.metavar or parameter.name.upper())
            shown = parameter.default
            known = isinstance(shown, str | int | float) and not isinstance(shown, bool)
            default = f"`{cell(shown)}`" if known else ""
            described = cell(getattr(parameter, "help", "") or "")
            parts.append(f"| `{cell(names)}` | {default} | {described} |")
        parts.append("")
    return "\n".join(parts)


def signature_of(name: str, value: Any) -> str:
    """Return the signature of a function, a method, or a dataclass, in one line."""
    # A function or an object as a default prints its address, which differs between two runs.
    signature = re.sub(r"<[\w.]+ (?:object |\S+ )?at 0x[0-9a-f]+>|<factory>", "...", str(inspect.signature(value)))
    signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", signature)  # annotations are strings
    signature = signature.replace("(self, ", "(").replace("(self)", "()")
    return ("async " if inspect.iscoroutinefunction(value) else "") + name + signature.removesuffix(" -> None")


def python() -> str:
    """Return the page of public names, each with its signature and docstring."""
    parts = [NOTE, "# Python\n", "The public names of `import selfinstruct`.\n"]
    for name in si.__all__:
        value = getattr(si, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        parts.append(f"## `{name}`\n")
        lines = [signature_of(name, value)] if inspect.isfunction(value) or is_dataclass(value) else []
        # The methods of classes and protocols; the keys of a configuration section are on a page of their own.
        if inspect.isclass(value) and not issubclass(value, BaseModel | BaseException):
            members = {key: getattr(value, key) for key in vars(value) if not key.startswith("_") or key == "__call__"}
            lines += [
                signature_of(f"{name}.{key}".removesuffix(".__call__"), each)
                for key, each in members.items()
                if inspect.isroutine(each)
            ]
        if lines:
            parts.append("```text\n" + "\n".join(lines) + "\n```\n")
        doc = inspect.getdoc(value) if value.__doc__ else None
        parts.append(f"```text\n{doc}\n```\n" if doc else "")
    return "\n".join(parts)


class Reason(NamedTuple):
    """A rejection reason: the stage that gives it, the option that controls it, and an example that gets it.

    The meaning is the option's own description unless one is given here. The example is passed to the real filters;
    None where that would need a server, a file, or the extra `language`.
    """

    name: str
    option: str = ""
    meaning: str = ""
    example: Candidate | None = None
    settings: Mapping[str, Any] = {}


_GOOD = "Suggest three names for a bakery."


def task(instruction: str, **others: Any) -> Candidate:
    """Return an example of a proposed task."""
    return Candidate(instruction, **others)


def worked(output: str, input: str = "", instruction: str = _GOOD, truncated: bool = False) -> Candidate:
    """Return an example of a task with an answer."""
    return Candidate(instruction, input, output, truncated)


_CODE = "Write a Python function that adds 2 and 3."
_DEMO = Demonstration("seed_1", "Name a bakery.", "", "The Early Train Bakery")
_COPIED = replace(worked(_DEMO.output), material=Material((_DEMO,)))


def unusable(name: str, meaning: str, example: Candidate) -> Reason:
    """Return one of the reasons that `filters.unusable` turns on."""
    return Reason(name, "filters.unusable", meaning, example, {"unusable": True})


STAGES: dict[str, tuple[str, list[Reason]]] = {
    "answer": (
        "The whole response. No task could be read from it. The run asks the next question instead.",
        [
            Reason("unparsable", "", "The response has none of the forms that the strategy can read."),
            Reason("truncated", "", "The response ended early, and no task in it can be read."),
            Reason(
                "passage_gone",
                "documents",
                "The passage that was shown is not in a fork, or its fact is no longer found.",
            ),
            Reason("refusal", "", "The provider marked the response as a refusal of the model."),
            Reason("content_filter", "", "The provider's content filter rejected the prompt or stopped the response."),
            Reason("empty_answer", "", "The response contains no text."),
            Reason(
                "only_reasoning",
                "teacher.reasoning_tokens",
                "The response ended before its answer began: all of it is reasoning.",
            ),
            Reason("no_choices", "", "The body has neither choices nor an error."),
            Reason("broken_json", "", "The body is incomplete JSON or not UTF-8."),
            Reason("not_json", "", "The body is text that is not JSON."),
            Reason("html_answer", "", "The body is an HTML page, such as a sign-in page of a proxy."),
            Reason("broken_answer", "", "The body is JSON, but not an object that the SDK can read."),
            Reason("too_large", "", "The body is larger than 4 MiB."),
            Reason("timeout", "teacher.timeout_s", "No response in time, after all retries."),
            Reason("connection", "teacher.max_retries", "The connection failed or broke off, after all retries."),
            Reason(
                "server_error",
                "teacher.max_retries",
                "408, 409, 425, 5xx after all retries; an error inside an answer.",
            ),
            Reason("bad_request", "", "Another status of 4xx: the server does not accept this question."),
            Reason("batch", "teacher.mode", "Three batch jobs in a row brought no result for this question."),
            Reason(
                "no_answer",
                "",
                "Not a verdict: what requests may have cost that brought no answer; they were sent again.",
            ),
            Reason("killed", "", "Not a verdict: what was in flight when a start was killed may have cost so much."),
        ],
    ),
    "reading": (
        "A part of a response that is in no task. `explain q17` shows how it begins; the journal has all of it.",
        [
            Reason(
                "left_out",
                "",
                "Text around the tasks, a field that a task has twice, or a task without an instruction.",
            ),
            Reason("unreadable_item", "", "An item of a JSON response that is broken, or that is no task."),
            Reason("too_many_tasks", "", "More tasks than requested; the surplus is not judged."),
        ],
    ),
    "filter": (
        "A proposed task, judged by its instruction. The first filter that objects decides.",
        [
            Reason(
                "truncated",
                "",
                "The response ended early inside this task: at the token limit, or as the detail says.",
                task(_GOOD, truncated=True),
            ),
            Reason("scaffolding", "filters.scaffolding", "", task("Name rivers.<|im_end|>Name more of them.")),
            Reason("too_short", "filters.min_words", "Too few words.", task("Name rivers.")),
            Reason(
                "too_long",
                "filters.max_words",
                "Too many words.",
                task("Explain why " + "very " * 149 + "old clocks tick."),
            ),
            Reason("keyword", "filters.keywords", "", task("Describe what is shown in the image."), {"keywords": True}),
            Reason("prefix", "filters.prefixes", "", task("Write a program that sorts a list."), {"prefixes": True}),
            Reason("punctuation_start", "filters.punctuation_start", "", task("- Explain how a clock works.")),
            Reason("not_ascii_start", "filters.ascii_start", "", task("Élodie asks for a recipe; write one.")),
            Reason("language", "filters.languages", "The instruction is in another language than those listed."),
            unusable("placeholder", "A text to be filled in.", task("Write a letter to [Your Name].")),
            unusable("lowercase_start", "Begins in lower case.", task("list the three largest cities of Peru")),
            unusable("not_a_request", "Neither asks nor tells.", task("The moon is smaller than the earth.")),
            unusable("missing_input", "A text that isn't there.", task("Summarize the following article.")),
            Reason(
                "personal_data",
                "filters.personal_data",
                "With `refuse`: the task contains an e-mail address, phone, card or bank number, or a key.",
                task("Reply to jane.doe@mailbox.org and accept the invitation."),
                {"personal_data": "refuse"},
            ),
            Reason("copied_prompt", "", "Strategy `evolve`: the task has words of the prompt, such as 'given prompt'."),
            Reason(
                "only_longer", "", "Strategy `evolve`: longer than the task that it was made of, but says hardly more."
            ),
            Reason("nothing_new", "", "Strategy `evolve`: says no more than the task that it was made of."),
            Reason("fragment", "", "Strategy `magpie`: begins or ends in the middle of something."),
            Reason("assistant_voice", "", "Strategy `magpie`: an answer instead of a task: 'Sure, here is ...'."),
            Reason("transcript", "", "Strategy `magpie`: has names of speakers before a colon: 'Q:', 'Assistant:'."),
            Reason("ran_on", "", "Strategy `magpie`: the text runs on into another turn."),
            Reason("no_question", "", "Strategy `grounded`: a text that is no question."),
            Reason("mentions_source", "", "Strategy `grounded`: a question that speaks of a passage, text, or manual."),
            Reason(
                "not_self_contained",
                "",
                "Strategy `grounded`: a question with a word such as 'this' that points elsewhere.",
            ),
            Reason("gives_answer_away", "", "Strategy `grounded`: a question that contains its answer."),
            Reason("several_questions", "", "Strategy `grounded`: several questions in one."),
            Reason("adds_words", "", "Strategy `grounded`: a question about something that the fact does not mention."),
            Reason("repeats_name", "", "Strategy `grounded`: a question that names the same thing twice."),
            Reason("ungrammatical", "", "Strategy `grounded`: a question with wrong grammar: 'how many points was'."),
            Reason(
                "too_vague", "", "Strategy `grounded`: a question that says too little of the fact to have one answer."
            ),
            Reason("contaminated", "filters.decontaminate", "The task overlaps with a question of an evaluation set."),
        ],
    ),
    "novelty": (
        "A task that passed the filters, compared with the seeds and with every admitted task.",
        [
            Reason(
                "too_similar",
                "max_similarity",
                "Too similar to a seed or an admitted task.",
                task("Suggest three good names for a bakery."),
            )
        ],
    ),
    "instance": (
        "An answer to an admitted task. A task without any accepted answer becomes no record.",
        [
            Reason("no_instance", "", "No answer could be read."),
            Reason(
                "not_evolved", "", "Strategy `evolve`: the teacher says that the task is not harder, or has no answer."
            ),
            Reason("no_content", "", "Strategy `evolve`: the answer has neither words with content nor numbers."),
            Reason("left_out", "", "A part of the response that is in no instance; the instances count."),
            Reason("unreadable_item", "", "An item of a JSON response that is broken; the other instances count."),
            Reason("too_many_instances", "", "More instances than requested."),
            Reason(
                "truncated",
                "",
                "The response ended early inside the last answer.",
                worked("Bun, Loaf,", truncated=True),
            ),
            Reason("answer_differs", "", "Strategy `grounded`: the passage answers the question with something else."),
            Reason("claim_without_quote", "", "Strategy `grounded`: a claim of a free answer without a quote."),
            Reason("quote_not_found", "", "Strategy `grounded`: a quote that is not in the passage."),
            Reason(
                "not_in_quote", "", "Strategy `grounded`: a claim with a name or number that its quote does not have."
            ),
            Reason(
                "negation_differs",
                "",
                "Strategy `grounded`: a claim or its quote has a negation, the other one has none.",
            ),
            Reason("claim_not_in_quote", "", "Strategy `grounded`: a claim that has few words of its quote."),
            Reason("claim_adds", "", "Strategy `grounded`: a claim with words that the passage does not have."),
            Reason(
                "claim_contradicted", "", "Strategy `grounded`: the judge says that the passage states something else."
            ),
            Reason(
                "claim_not_there",
                "",
                "Strategy `grounded`: the judge says that the passage leaves a part of the claim open.",
            ),
            Reason("claim_unclear", "", "Strategy `grounded`: the judge gave none of the three verdicts on a claim."),
            Reason(
                "evidence_from_one", "", "Strategy `grounded`: no claim of a `multi_hop` answer is from one passage."
            ),
            Reason("answered_by_one", "", "Strategy `grounded`: one passage answers a `multi_hop` question alone."),
            Reason("evidence_not_found", "", "The evidence does not stand at its place in the passage that was shown."),
            Reason("empty_output", "", "The output is empty.", worked(" ")),
            Reason("output_equals_input", "", "The output only repeats the input.", worked("bread", "bread")),
            Reason("ends_in_colon", "", "Input or output ends in a colon, so the rest is missing.", worked("Names:")),
            Reason("duplicate_instance", "", "The task has this input with this output already."),
            Reason("conflicting_outputs", "", "Two different outputs for the same input; the whole task is dropped."),
            Reason(
                "answer_keyword",
                "filters.answer_keywords",
                "",
                worked("It is, in a nutshell, a tax."),
                {"answer_keywords": ["in a nutshell"]},
            ),
            Reason("answer_refusal", "filters.answer_refusal", "", worked("As an AI language model, I can't do that.")),
            Reason("scaffolding", "filters.scaffolding", "", worked("Bun & Co.<|im_end|>And")),
            Reason("echo", "filters.echo", "", worked(_GOOD)),
            Reason("repetition", "filters.repetition", "", worked("The bread is good. " * 20)),
            Reason("cut_off", "filters.cut_off", "", worked("You could call it Bun & Co. because it is short and the")),
            Reason("bad_code", "filters.bad_code", "", worked("```python\nprint('Bun'\n```")),
            Reason("wrong_arithmetic", "filters.wrong_arithmetic", "", worked("So 12 * 3 = 35.")),
            Reason(
                "wrong_answer",
                "filters.wrong_answer",
                "The answer isn't what the program that drew the task knows to be right.",
            ),
            Reason("language", "filters.answer_languages", "The output is in another language than those listed."),
            unusable("placeholder", "A text to be filled in.", worked("Bakery of [Your Name]")),
            unusable("asks_back", "Asks for what is missing.", worked("Please provide more information.")),
            unusable("count_not_met", "Not as many as asked for.", worked("1. Bun & Co.\n2. Crumbs")),
            unusable("no_code", "Code was asked for, and the answer has none.", worked("5", "", _CODE)),
            unusable("repeated_item", "A list has an item twice.", worked("Bun, Crumbs, Rise, and Bun")),
            unusable("copied_answer", "The answer of a demonstration, word for word.", _COPIED),
            Reason("no_agreement", "answers.min_agreement", "The answers to the task don't agree enough."),
            Reason("low_score", "judge.min_score", "The mean of the judge's four marks is too low."),
            Reason("unjudged", "judge.min_score", "The judge gave no marks."),
        ],
    ),
    "review": (
        "A finished record that a person rejected; another record takes its place.",
        [Reason(name, "", meaning) for name, meaning in REASONS.items()],
    ),
}


def description(option: str) -> str:
    """Return the description of a configuration option such as 'filters.echo'."""
    section, dot, key = option.rpartition(".")
    models = sections_of(RunConfig)[section] if dot else [RunConfig]
    model = next(each for each in models if key in each.model_fields)
    return model.model_fields[key].description or ""


def verdict_on(reason: Reason, stage: str) -> Verdict:
    """Return what the real filters say about a reason's example."""
    assert reason.example is not None
    candidate = reason.example
    if stage == "novelty":
        index = NoveltyIndex(RunConfig.model_fields["max_similarity"].default)
        index.admit("seed_0", _GOOD)
        return index.check(candidate.instruction)
    config = RunConfig.parse({"seeds": "-", "run_dir": "data/run", "target": 1, "filters": dict(reason.settings)})
    checks = build_checks(config)
    if stage == "filter":
        verdicts = [check.check(candidate) for check in checks.instructions]
    else:
        answer = Example.of(candidate.instruction, candidate.input or "", Response(candidate.output or ""))
        responder = Responder(config, checks, Asking())
        settled = asyncio.run(responder.settle(candidate, [answer], candidate.truncated, "0:0", _no_ask))
        verdicts = settled.refused
    return next(verdict for verdict in verdicts if not verdict.ok)


async def _no_ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
    raise AssertionError("no example needs a teacher")


def example(reason: Reason, stage: str) -> str:
    """Return a table cell with a reason's example and the detail that the filter gives."""
    if reason.example is None:
        return ""
    verdict = verdict_on(reason, stage)
    assert verdict.reason == reason.name, (stage, reason.name, verdict)
    text = reason.example.instruction if stage != "instance" else reason.example.output or ""
    text = text if len(text) <= 60 else f"{text[:57]}..."
    said = re.sub(r"^1(: |$)", "", verdict.detail)  # a verdict on an answer begins with the number of the instance
    said = said or (f"ROUGE-L F {verdict.score:.3f} to {_GOOD!r}" if verdict.score is not None else "")
    return code(text) + (f" → {code(said)}" if said else "")


def code(text: str) -> str:
    """Return a text as code in a table cell."""
    text = cell(text) or "(blanks)"
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def meaning_of(reason: Reason) -> str:
    """Return what a reason means, without the reason's name that some descriptions of options begin with."""
    described = description(reason.option) if reason.option else ""  # fails for an option that doesn't exist
    said = reason.meaning or described.removeprefix(f"'{reason.name}': ")
    return cell(said[:1].upper() + said[1:])


def reasons() -> str:
    """Return the page of rejection reasons, a table for each stage."""
    parts = [
        NOTE,
        "# Rejection reasons\n",
        "`selfinstruct status`, the report, and the dataset's card count rejections by these names, and "
        "`selfinstruct explain` shows one in detail. In the journal: `SELECT stage, reason, count(*) FROM verdicts "
        "WHERE reason IS NOT NULL GROUP BY 1, 2`. The examples were judged by the real filters; the text after the "
        "arrow is the detail that they stored.\n\n"
        "To change an option for answers that you already have, use `selfinstruct refilter`. A filter of your own "
        "(`filters.custom`) adds its own reasons.\n",
    ]
    for stage, (intro, entries) in STAGES.items():
        parts += [f"## Stage `{stage}`\n", f"{intro}\n"]
        parts.append("| reason | option | meaning | example |\n|---|---|---|---|")
        for reason in entries:
            option = f"`{reason.option}`" if reason.option else "none"
            parts.append(f"| `{reason.name}` | {option} | {meaning_of(reason)} | {example(reason, stage)} |")
        parts.append("")
    return "\n".join(parts)


PAGES = {"configuration.md": configuration, "cli.md": cli, "python.md": python, "reasons.md": reasons}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, page in PAGES.items():
        (FOLDER / file).write_text(page().rstrip() + "\n", encoding="utf-8")
        print(FOLDER / file, file=sys.stderr)
