"""The strategies of a run: one for each generation, so that each answer is parsed as it was asked.

It also finds out whether a teacher follows JSON schemas and whether it reasons, by one probe per teacher that is kept
in the journal.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ..ask.asker import Asker
from ..ask.router import AskClosed
from ..config.options import TeacherOptions, teachers_for
from ..config.run_config import RunConfig
from ..core.prompts import Asking, Prompt
from ..filters import Checks
from ..filters.judge import Judge, PairwiseJudge
from ..journal.answer_values import Answer
from ..journal.journal import Journal
from ..strategies.material import Source, build_source
from ..strategies.protocol import Strategy
from ..teachers import asked_together, asking_of
from ..teachers.asking import probe_prompt, speaks_schema
from .facet_check import FacetCheck
from .grow_facets import grow
from .reasoning_evidence import Evidence, shows_reasoning, usual_room, with_room
from .respond import Responder


class Generations:
    """The strategies by generation. The last generation is the current one.

    askings: how each teacher of the current generation is asked, by its name. own: names of the caller's teachers,
    which are asked alike in every generation. judges: every way in which a judge has asked, the current way last.
    chat: whether proposals are asked by chat.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        build: Callable[[RunConfig, Asking], Strategy],
        askings: Mapping[str, Asking],
        own: Collection[str] = (),
    ) -> None:
        self._configs, self._build, self._askings = configs, build, askings
        self._own = {name: askings[name] for name in own}
        self._facet_checks = [FacetCheck(config) for config in configs]
        self._strategies: list[Strategy] = []
        self._probed: list[Evidence] = []
        self.judges: list[Judge | PairwiseJudge] = []
        self.source: Source
        self._asking = Asking()
        self._responders: list[Responder] = []
        self.chat = True

    @property
    def current(self) -> Strategy:
        """The strategy that asks new questions."""
        return self._strategies[-1]

    def of(self, answer: Answer) -> Strategy:
        """Return the strategy that asked for `answer`, which also parses it."""
        return self._strategies[answer.generation - 1]

    def facet_check(self, answer: Answer) -> FacetCheck:
        """Return what asks about the facets of tasks in `answer`."""
        return self._facet_checks[answer.generation - 1]

    def since(self, answer: Answer) -> Sequence[Strategy]:
        """Return the strategy that asked for `answer` and all later ones; the last is the current one."""
        return self._strategies[answer.generation - 1 :]

    def rooms_since(self, generation: int, evidence: Evidence) -> list[Callable[[Prompt], int | None]]:
        """Return, for each generation from `generation` on, what gives the tokens to add to a prompt's limit.

        None means that no teacher is known to reason, and none has a setting.
        """
        return [partial(self._room, index, evidence) for index in range(generation - 1, len(self._configs))]

    def _room(self, index: int, evidence: Evidence, prompt: Prompt) -> int | None:
        reason = self._probed[index].reason | evidence.reason
        teachers = teachers_for(prompt.purpose, self._configs[index].all_teachers)
        stated = [each.reasoning_tokens for each in teachers if each.reasoning_tokens is not None]
        usual = [usual_room(prompt) for each in teachers if each.reasoning_tokens is None and each.label in reason]
        return max([*stated, *usual], default=None)

    def responders(self, checks: Checks) -> Sequence[Responder]:
        """Return what answers tasks, for every way in which a judge has asked; the last one is the current one."""
        if not self._responders:
            judges: Sequence[Judge | PairwiseJudge | None] = self.judges or (None,)
            self._responders = [Responder(self._configs[-1], checks, self._asking, judge) for judge in judges]
        return self._responders

    def with_probes(self, evidence: Evidence) -> Evidence:
        """Add to `evidence` which teachers' answers to the probe began inside reasoning."""
        inside = evidence.inside.union(*(each.inside for each in self._probed))
        return (
            evidence if inside == evidence.inside else replace(evidence, inside=inside, whole=evidence.whole | inside)
        )

    async def prepare(self, asker: Asker, journal: Journal) -> None:
        """Build the strategies. Before the asker is open, a teacher without a journaled probe follows no schemas."""
        strategies, by_schema, self._probed = [], list[bool](), []
        for number, config in enumerate(self._configs, 1):
            current = number == len(self._configs)
            askings = self._askings if current else {e.label: asking_of(e) for e in config.all_teachers} | self._own
            asking = asked_together(config.all_teachers, askings)
            # What was found out once is noted, so that a later start words its questions alike.
            note = f"schemas:{number}"
            decided = journal.meta(note)
            keys = {each.label: self._probe_key(each, number) for each in config.all_teachers}
            if decided is None:
                probe = _Probe(asker, journal, keys, may_ask=current, alone=len(config.all_teachers) == 1)
                purposes = await _purposes_by_schema(config, asking, askings, probe)
                if current and asker.asks:
                    journal.set_meta(**{note: json.dumps(sorted(purposes))})
            else:
                purposes = frozenset(json.loads(decided))
            self._probed.append(_read_probes(asker, journal, f"{note}:reasoning", keys, final=current and asker.asks))
            self.chat = asking.propose == "chat"
            self._asking = replace(asking, structured=purposes)
            strategies.append(self._build(config, self._asking))
            if config.facets is not None and config.facets.grown:
                facets = await grow(config.facets, asking, asker, journal)
                config = config.model_copy(update={"facets": facets})
                self._facet_checks[number - 1] = FacetCheck(config)
            if config.judge is not None:
                by_schema.append("judge" in purposes)
        self._strategies, self._responders = strategies, []
        self.source = build_source(config, strategies[-1])

        # The current configuration's judge, asked in the other way too where an earlier generation did.
        if self._configs[-1].judge is not None:
            now = by_schema[-1]
            ways = [*([not now] if (not now) in by_schema else []), now]
            make = PairwiseJudge if self._configs[-1].judge.compare else Judge
            self.judges = [make(self._configs[-1], by_schema=way) for way in ways]

    def _probe_key(self, teacher: TeacherOptions, number: int) -> str:
        """Return the key of a teacher's probe in the journal; another model of the same name has another key."""
        named = [
            (n, each)
            for n, config in enumerate(self._configs, 1)
            for each in config.all_teachers
            if each.label == teacher.label
        ]
        first = named[0][0]
        same = next(n for n, each in named if (each.kind, each.model_name) == (teacher.kind, teacher.model_name))
        return f"probe:{teacher.label}" if same == first else f"probe:{teacher.label}:{same}"


class _Probe:
    """Finds out whether teachers follow JSON schemas.

    keys: the journal key of each teacher's probe, by the teacher's name. may_ask: whether a probe that is not in the
    journal may be sent. alone: whether there is no other teacher; an inconclusive probe is then sent again until the
    asker closes.
    """

    def __init__(self, asker: Asker, journal: Journal, keys: Mapping[str, str], *, may_ask: bool, alone: bool) -> None:
        self._asker, self._journal = asker, journal
        self.keys, self.may_ask, self.alone = keys, may_ask, alone

    async def follows_schemas(self, teacher: TeacherOptions) -> bool:
        """Return whether a teacher follows JSON schemas; False if that is unknown and nothing may be sent."""
        key, prompt = self.keys[teacher.label], with_room(probe_prompt(), teacher.reasoning_tokens)
        while True:
            known = self._asker.recall(key)
            if known is None and self.may_ask:
                with contextlib.suppress(AskClosed):
                    known = await self._asker.ask(key, prompt, teacher=teacher.label)
            if known is None:
                return False
            # A server that refuses the request as malformed doesn't know schemas; other failures say nothing.
            completion = known.completion
            if not completion.failed or (completion.error or "").startswith("bad_request"):
                return speaks_schema(completion)
            if not (self.may_ask and self._asker.asks):
                return False
            self._journal.forget([key])
            if not self.alone:
                return False


def _read_probes(asker: Asker, journal: Journal, note: str, keys: Mapping[str, str], *, final: bool) -> Evidence:
    """Return what the journaled probes show of the teachers' reasoning, as noted by the start that asked them.

    keys: the key of each teacher's probe, by the teacher's name. final: whether no probe will follow, so that the
    result is noted: later requests depend on it.
    """
    noted = journal.meta(note)
    if noted is None:
        answers = {name: answer for name, key in keys.items() if (answer := asker.recall(key))}
        inside = [name for name, answer in answers.items() if answer.begins_inside]
        reason = [name for name, answer in answers.items() if shows_reasoning(answer.completion)]
        noted = json.dumps([inside, reason])
        if final:
            journal.set_meta(**{note: noted})
    inside, reason = json.loads(noted)
    return Evidence(frozenset(inside), frozenset(inside), frozenset(reason))


async def _purposes_by_schema(
    config: RunConfig, asking: Asking, askings: Mapping[str, Asking], probe: _Probe
) -> frozenset[str]:
    """Return the purposes whose answers are requested by a JSON schema: those whose teachers all follow schemas.

    Of several teachers, one that can't be asked now counts as following none.
    """
    teachers, follows = config.all_teachers, dict[str, bool]()
    purposes = ["propose", "instances", *(["judge"] if config.judge is not None else [])]
    asked = {p: teachers_for(p, teachers) for p in purposes if replace(asking, structured=True).by_schema(p)}
    for each in teachers:
        # The configuration decides, else what the teacher declares, else a probe if a schema could be used at all.
        declared = askings[each.label].structured
        if each.structured != "auto":
            follows[each.label] = each.structured == "json_schema"
        elif declared is not None:
            follows[each.label] = bool(declared)
        elif any(each in having_purpose for having_purpose in asked.values()):
            follows[each.label] = await probe.follows_schemas(each)
    return frozenset(p for p, having_purpose in asked.items() if all(follows[e.label] for e in having_purpose))
