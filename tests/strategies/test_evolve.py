"""What `evolve` eliminates: of two hundred planted failures of the four published kinds, and of good children, none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import FIGURES
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Asking, Completion, Prompt
from selfinstruct.core.records import Development
from selfinstruct.core.tasks import Candidate, Demonstration, Material
from selfinstruct.strategies.evolve import Evolve
from selfinstruct.strategies.material import View, build_source

PARENTS = (
    "Explain how tides come about.",
    "Write a letter to my landlord about the broken heating in the kitchen.",
    "Suggest a name for a bakery that also repairs bicycles.",
    "How many tiles of 20 cm by 20 cm cover a floor of 3 m by 4 m?",
    "Summarise the rules of chess for someone who knows only draughts.",
    "Write a Python function that counts the vowels in a word.",
    "Which rivers flow through Vienna, and where do they rise?",
    "Turn this recipe into a shopping list: two eggs, a cup of flour, half a litre of milk, and a pinch of salt.",
    "Compare renting a flat with buying one for a couple in their thirties.",
    "Translate the proverb 'A burnt child dreads the fire' into Spanish and say when it is used.",
)
CHILDREN = {
    "constraint": (
        (0, "Explain how tides come about without using the words moon, sun or gravity."),
        (1, "Write a letter to my landlord about the broken heating in the kitchen; set a deadline of two weeks."),
        (2, "Suggest a name for a bakery that also repairs bicycles: one French word with at most eight letters."),
        (5, "Write a Python function that counts the vowels in a word with one regular expression and no loop."),
    ),
    "deepen": (
        (0, "Why is one of the two daily high tides often higher than the other, and where is this most marked?"),
        (4, "Why does stalemate count as a draw in chess although draughts has no such rule?"),
        (6, "How did regulating the Danube change Vienna's smaller rivers, and which of them run underground today?"),
        (7, "Why do bakers weigh flour, although a recipe says a cup?"),
        (8, "What becomes of the costs of renting and of buying for a couple in their thirties if interest doubles?"),
    ),
    "concretize": (
        (0, "Explain to Mia, eight, who stands on the beach of Saint-Malo at noon, why the water has gone."),
        (1, "Write to Mr Osei, who owns 14 Mill Lane, that the kitchen radiator has been cold since 3 November."),
        (3, "How many tiles of 20 cm by 20 cm does Leyla need for a hall of 1.3 m by 6.2 m if every tenth breaks?"),
        (8, "Compare renting a flat in Leipzig for 900 euros with buying it for 260,000 euros for two nurses of 34."),
    ),
    "reasoning": (
        (3, "Tiles of 20 cm by 20 cm come in boxes of 12 for 19 euros. What do those for a floor of 3 m by 4 m cost?"),
        (5, "Write a Python function that finds the words in a list that have as many vowels as their neighbours."),
        (9, "Which Spanish proverb is closest to 'A burnt child dreads the fire', and which warns of the opposite?"),
    ),
    "input": (
        (
            1,
            "Write to my landlord about these faults, worst first:\n- kitchen: cold\n- hall: bare wire\n- bath: drips",
        ),
        (5, "Count the vowels in each word and sort by the count: sequoia, rhythm, banana, strengths, aurora."),
        (7, "Turn this recipe for twelve into a list for four:\n9 eggs\n6 cups of flour\n3 l of milk\n120 g of butter"),
    ),
    "breadth": (
        (0, "Explain why some lakes turn over twice a year."),
        (1, "Draft a note to the tenants' association about mould in the cellar."),
        (4, "In the game of go, what is a ladder, and when does it fail?"),
    ),
}
"""Children as a good teacher would write them, by operator, each with the number of its parent."""
FILLER = (
    " Please give a detailed and comprehensive answer.",
    " Make sure that your response is as clear and complete as possible.",
    " Take your time, be thorough, and do it really well.",
    " Your answer should be of high quality, accurate and very, very helpful to me.",
)
REFUSALS = (
    "I'm sorry, but I can't do that.",
    "Sorry, I do not have enough information about the {word} to answer.",
    "I am sorry, but without the {word} I am unable to complete this task. Please provide more details.",
    "I apologize for the inconvenience, but this {word} isn't something that I can help with.",
    "Unfortunately, and I'm sorry to say so, there is no data on the {word}.",
)
EMPTY = (
    "...",
    "!!!",
    "?",
    "---\n---",
    "It is.",
    "That is what it is.",
    "And so on, and so on.",
    "No, not so.",
    "**",
    "“”",
)
COPIED = (
    "#Rewritten Prompt#: {child}",
    "Here is the rewritten task: {child}",
    "The new task is the following one. {child}",
    "{child} Use the given prompt as a basis.",
    "{child} The task that you were shown must not be repeated.",
    "{child} An expert can do it with text alone, and can say whether an answer is right.",
    "Write it again with one more condition that the answer has to meet: {child}",
    "{child} Nothing is added that only makes it longer.",
)


def evolve(**changes: Any) -> Evolve:
    values = {"seeds": "x", "run_dir": "y", "strategy": "evolve"}
    return Evolve(RunConfig.parse(values | changes), Asking())


def material(parent: str, operator: str = "constraint") -> Material:
    return Material((Demonstration("s", parent),), {"operator": operator})


def parsed(parent: str, child: str, operator: str = "constraint") -> list[Candidate]:
    return evolve().parse(Completion(child), material(parent, operator))


def developed(candidate: Candidate, *answers: str, strategy: Evolve | None = None) -> tuple[Development, list[Prompt]]:
    asked: list[Prompt] = []

    async def ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        asked.append(prompt)
        return Completion(answers[len(asked) - 1], key=f"d:{len(asked)}")

    return asyncio.run((strategy or evolve()).develop(candidate, ask)), asked


def shuffled(draw: random.Random, text: str) -> str:
    words = text.rstrip(".?").split()
    draw.shuffle(words)
    return " ".join(words) + "."


def without_gain(draw: random.Random) -> Iterator[tuple[str, str]]:
    """Fifty pairs of a parent and a child that says no more: equal, reordered, with a word replaced, or padded."""
    for parent in PARENTS:
        yield parent, parent.upper().replace(",", "")
        yield parent, shuffled(draw, parent)
        yield parent, parent.replace(" a ", " some ").replace("How many", "What number of").replace("Write", "Compose")
        yield parent, parent + draw.choice(FILLER)
        yield parent, parent + draw.choice(FILLER) + " " + parent + draw.choice(FILLER)


def test_two_hundred_planted_failures_are_caught_without_a_model() -> None:
    draw, strategy = random.Random(7), evolve()
    caught: dict[str, int] = {}

    # Before the task enters the pool.
    for kind, pairs in {
        "says no more": list(without_gain(draw)),
        "copies the prompt": [
            (parent, COPIED[number % len(COPIED)].format(child=CHILDREN["breadth"][number % 3][1]))
            for number, parent in enumerate(PARENTS * 5)
        ],
    }.items():
        assert len(pairs) == 50
        found = [strategy.parse(Completion(child), material(parent))[0].error for parent, child in pairs]
        caught[kind] = sum(error is not None for error in found)

    # After the answer to it.
    answers = {
        "is declined": [REFUSALS[n % 5].format(word=draw.choice(["heating", "recipe", "table"])) for n in range(50)],
        "has an empty answer": [EMPTY[n % 10] + draw.choice(["", " ", "\n"]) for n in range(50)],
    }
    for kind, texts in answers.items():
        made = [developed(Candidate(draw.choice(PARENTS)), "Yes", text, strategy=strategy)[0] for text in texts]
        caught[kind] = sum(each.error is not None for each in made)
    FIGURES.append(f"evolve: of 50 planted failures of each kind, caught without a model: {caught}")
    assert sum(caught.values()) >= 190
    assert min(caught.values()) >= 45


def test_good_children_pass() -> None:
    for operator, children in CHILDREN.items():
        for parent, child in children:
            [made] = parsed(PARENTS[parent], child, operator)
            assert (made.instruction, made.error) == (child, None)
    for answer in ("42", "Yes.", "I'm sorry that I broke your vase. May I buy you a new one?"):
        task = "Write a short apology to my neighbour, whose vase I broke."
        assert developed(Candidate(task), "Yes", answer)[0].error is None


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        ("Explain how the tides come about.", "nothing_new"),
        ("EXPLAIN how tides come about!!!", "nothing_new"),
        ("Describe how tides happen.", "nothing_new"),
        ("Explain how tides come about. Please be as detailed and thorough as possible.", "only_longer"),
        ("Explain how tides come about, in the words of the given prompt.", "copied_prompt"),
    ],
)
def test_a_rejected_child_has_a_reason(child: str, reason: str) -> None:
    assert (parsed(PARENTS[0], child)[0].error or "").split(":")[0] == reason


def test_a_parent_may_say_what_the_prompt_says() -> None:
    parent = "In my to-do app, what does a new task look like?"
    assert (
        parsed(parent, "In my to-do app, what does a new task look like on a phone with a 5-inch screen?")[0].error
        is None
    )


@pytest.mark.parametrize("answer", ["No", "No.", "Perhaps", ""])
def test_a_child_that_is_not_harder_costs_no_answer(answer: str) -> None:
    child = Candidate("Name two trees.", material=material("Name a tree."))
    made, asked = developed(child, answer)
    assert made.error == "not_evolved: constraint"
    assert [prompt.purpose for prompt in asked] == ["classify"]
    assert asked[0].sampling.max_tokens == 3
    assert "Name a tree." in asked[0].text


def test_an_answer_is_what_the_model_says_to_the_task_itself() -> None:
    made, asked = developed(Candidate("Name two trees.", material=material("Name a tree.")), "Yes", "Oak and ash.")
    assert [message.content for message in asked[1].messages] == ["Name two trees."]
    assert (made.examples[0].output, made.examples[0].responses[0].key) == ("Oak and ash.", "d:2")


@pytest.mark.parametrize(
    "text", ["**New task:** {}", "Sure!\n\nNew task: {}", '"{}"', "{}\n\nTask: something else", "Task: {}\nNew task:"]
)
def test_the_task_of_an_answer(text: str) -> None:
    child = CHILDREN["constraint"][0][1]
    assert [each.instruction for each in parsed(PARENTS[0], text.format(child))] == [child]


def test_the_source_draws_parents_and_operators_by_the_number_alone() -> None:
    config = RunConfig.parse(
        {
            "seeds": "x",
            "run_dir": "y",
            "strategy": "evolve",
            "source": {"kind": "parents", "operators": ["deepen", "input"]},
        }
    )
    source = build_source(config, Evolve(config, Asking()))
    tasks = [Demonstration(str(n), f"Do {n}.") for n in range(40)]
    view = View(tasks[:10], tasks[10:])
    drawn = [source.draw(number, view) for number in range(200)]
    assert drawn == [source.draw(number, view) for number in range(200)]
    assert {each.facets["operator"] for each in drawn if each} == {"deepen", "input"}
    assert {demo.id for each in drawn if each for demo in each.demos} > {"3", "30"}
