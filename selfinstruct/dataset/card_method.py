"""How a dataset was made and how to make it again, as sections of its card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import yaml

from ..config.run_config import RunConfig
from ..config.sections import SelectConfig
from ..core import version as _version
from ..core.counted import counted
from ..core.paths import without_home
from ..core.records import Record
from ..journal.folder import Run
from ..journal.provenance import Trail, iso
from ..journal.snapshot import Snapshot
from ..journal.status import GenerationStatus
from . import card_figures as figures
from .card_words import WORDS, escape_cell, indented_code
from .licensing import UsedTeacher, used_teachers


def method(snapshot: Snapshot, records: Sequence[Record], trail: Trail, chosen: SelectConfig | None = None) -> str:
    """Return the section 'How it was made'. records: those of the dataset. chosen: how they were selected, if so."""
    run, status = snapshot.run, snapshot.status
    config, limit = run.config, "at or above" if run.config.refuse_equal else "above"
    rows = [
        *[("teacher", _teacher(used)) for used in used_teachers(snapshot)],
        ("seed tasks", f"{status.seed_tasks:,}"),
        ("prompt wording", ", ".join(sorted({record.origin.version for record in records}))),
        ("random seed", str(config.random_seed)),
        ("novelty", f"refused {limit} ROUGE-L F {config.max_similarity:g} to any seed or earlier task"),
        ("checks, in order", ", ".join(trail.checks)),
        ("by kind of teacher", escape_cell(config.filters_in_words)),
        *_answers(config),
        ("configuration", ", ".join(generation.digest[:16] for generation in run.generations)),
        *[(f"generation {each.number}", _generation(each)) for each in status.by_generation if status.generations > 1],
    ]
    if status.outcome.reason not in ("target", "all_asked"):
        rows.append(("ended early", f"{status.outcome.reason}: {escape_cell(status.outcome.detail)}"))
    if chosen is not None:
        how = f"`{chosen.by}`" + (f" of the embeddings of `{chosen.embeddings.model}`" if chosen.embeddings else "")
        rows.append(("selection", f"{len(records):,} of the run's {len(snapshot.records):,} records, by {how}"))
    table = "".join(f"| {name} | {value} |\n" for name, value in rows)
    newest = "" if len(run.generations) == 1 else " of the newest generation (earlier ones had others)"
    return f"""{WORDS["methods"].get(config.strategy_kind, f"Strategy `{escape_cell(config.strategy_kind)}`.")}
Program: selfinstruct {_version.__version__}, run {run.id}.

| | |
|---|---|
{table}
The full configuration{newest}:

{indented_code(_full_config(config))}

Decoding parameters by purpose, without stop sequences:

{figures.sampling(snapshot)}"""


def _generation(each: GenerationStatus) -> str:
    seeds = f"; {each.new_seeds:,} {'new ' if each.number > 1 else ''}seeds" if each.new_seeds else ""
    strategy, teacher = escape_cell(each.strategy), escape_cell(each.teacher)
    made = counted(each.records, "record")
    return f"from question {each.first_question} on, `{strategy}` with `{teacher}`{seeds}; {made}"


def _teacher(used: UsedTeacher) -> str:
    host = f" at {used.host}" if used.host else ""
    kind = "an object in the creator's code" if used.own else used.config.kind
    # A server may name another model than the one requested: 'gpt-4o' -> 'gpt-4o-2024-08-06'.
    requested = used.config.model_name
    alias = "" if used.model == requested or used.own else f", answering as `{escape_cell(used.model)}`"
    model = used.model if used.own else requested
    return (
        f"`{escape_cell(model)}` ({escape_cell(kind)}){escape_cell(host)}{alias}: "
        f"{counted(used.answers, 'answer')} ({', '.join(used.purposes)}) "
        f"from {iso(used.first_at)} to {iso(used.last_at)}"
    )


def _full_config(config: RunConfig) -> str:
    """Format the configuration with all defaults, as a file in the run's folder, and without the home folder's name."""
    values = config.for_run(defaults=True)
    if config.teachers:
        del values["teacher"]
    return without_home(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100))


def _answers(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield how the answers were sampled, if there are several."""
    answers, judge = config.answers, config.judge
    if answers is not None and answers.samples > 1:
        by = (
            "checks" if judge is None else "checks and comparisons" if judge.compare else "checks and the judge's marks"
        )
        until = "until one passes" if answers.until == "pass" else "all asked"
        yield "answers", f"up to {answers.samples} to each prompt, {until}; the best is chosen by {by}"
    if answers is not None and answers.constrained:
        share = f"at most {answers.most_constraints} on the form of the answer, for about {answers.constrained:.0%}"
        rest = (
            "of the tasks that leave it open; a program checks them; the families `letters` and `numbers` are held out"
        )
        yield "constraints", f"{share} {rest}"
    if answers is not None and answers.turns > 1:
        yield "dialogues", f"up to {answers.turns} user turns, written by a model"


def reproduce(run: Run, trail: Trail) -> str:
    """Return the section 'How to reproduce it'."""
    seeds = str(run.generations[-1].meaning.get("seeds", ""))
    programs = ", ".join(dict.fromkeys(start.program for start in trail.starts)) or _version.__version__
    return f"""In the run's folder, `selfinstruct export` writes the same rows again, byte for byte, without requests.
`selfinstruct explain` shows the history of any record or refused task. Without the folder, save the configuration above
to a file, use the same seeds (digest `{seeds}`), and run

    selfinstruct generate config.yaml

The first questions will be the same; a teacher that samples at random gives other answers. Versions of the program
used: {programs}. Config digest: `{run.generations[-1].digest}`."""
