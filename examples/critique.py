"""A strategy of your own: propose tasks, draft an answer, let a critic read it, and revise it.

Use it from a configuration next to this file:

    strategy: {kind: critique:Critique, rounds: 2}
"""

from __future__ import annotations

import re

from pydantic import Field

import selfinstruct as si

PROPOSE = """People gave these tasks to an assistant:

{shown}
Write {count} new tasks of other kinds and about other subjects, as a numbered list with one line each. Each task must \
say everything that is needed to do it."""
CRITIQUE = """Task: {task}

Answer: {answer}

What is wrong with this answer, or missing from it? Check facts, sums, and whether it does all that the task asks. \
Write at most three short points. If nothing needs to change, write only: nothing."""
REVISE = """Task: {task}

Answer: {answer}

A critic says: {critique}

Write the improved answer, and nothing else."""


class Options(si.StrategyOptions):
    """The keys next to `kind` in the configuration."""

    rounds: int = Field(default=1, ge=0, le=5, description="Rounds of critique and revision.")


class Critique:
    """One request for several tasks, then one for a draft and two for each round."""

    Options = Options
    name = "critique"
    # Part of every record. Change it with the wording, and existing runs won't go on with other prompts.
    digest = "critique-1"
    # Teachers have roles for purposes: a strong model could be the critic.
    purposes = ("propose", "draft", "critique", "revise")
    seed_demos, machine_demos, tasks_per_question = 4, 2, 6

    def __init__(self, config: si.RunConfig, asking: si.Asking) -> None:
        self._rounds = self.Options.of(config.strategy).rounds

    def propose(self, material: si.Material) -> si.Prompt:
        """Show the demonstrations and ask for new tasks."""
        shown = "".join(f"{number}. {demo.instruction}\n" for number, demo in enumerate(material.demos, 1))
        return self._prompt("propose", PROPOSE.format(shown=shown, count=self.tasks_per_question), temperature=1.0)

    def parse(self, completion: si.Completion, material: si.Material) -> list[si.Candidate]:
        """Read a numbered list; the token limit may have cut its last line."""
        lines = re.findall(r"^\s*\d+[.)]\s+(.+)$", completion.text, re.MULTILINE)
        return [
            si.Candidate(line.strip(), truncated=completion.truncated and number == len(lines))
            for number, line in enumerate(lines, 1)
        ]

    async def develop(self, candidate: si.Candidate, ask: si.Ask) -> si.Development:
        """Draft, then critique and revise. Every answer is kept in the journal and paid for once."""
        task = candidate.instruction
        answer = await ask(self._prompt("draft", task))
        for _ in range(self._rounds):
            if answer.error:
                break
            critique = await ask(self._prompt("critique", CRITIQUE.format(task=task, answer=answer.text)))
            if critique.error or critique.text.strip().lower().startswith("nothing"):
                break
            revise = REVISE.format(task=task, answer=answer.text, critique=critique.text)
            answer = await ask(self._prompt("revise", revise))
        if answer.error:
            return si.Development((), error=answer.error)
        response = si.Response(answer.text.strip(), key=answer.key)  # the key names the author of the answer
        return si.Development((si.Example.of(task, "", response),), truncated=answer.truncated)

    def _prompt(self, purpose: str, text: str, temperature: float = 0.7) -> si.Prompt:
        sampling = si.Sampling(temperature=temperature, max_tokens=800)
        return si.Prompt(purpose, (si.Message("user", text),), sampling, version=self.digest)
