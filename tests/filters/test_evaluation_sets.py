"""What overlaps with an evaluation set is refused, with the hit; what many of its questions share is no hit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st
from worked import keep

import selfinstruct as si
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigChanged, UsageError
from selfinstruct.core.tasks import Candidate, Verdict
from selfinstruct.core.tokens import tokenize
from selfinstruct.filters import build_checks, rules_of
from selfinstruct.filters.evaluation_sets import EvaluationQuestion, Overlap, load_sets
from selfinstruct.filters.evaluation_sets.ngrams import LONG, SHORT, NgramIndex

CLIPS = (
    "A market woman sold 48 hair clips to her neighbours in April, and then she sold half as many clips in May. "
    "How many clips did she sell altogether in those two months?"
)
APPLES = "小明家的果园里有五棵苹果树，每棵树上结了三十二个苹果，妈妈摘走了二十个，果园里还剩下多少个苹果？"
CAPITAL = "哪座城市是澳大利亚的首都"


def overlap(*texts: str, **settings: Any) -> Overlap:
    return Overlap(
        [EvaluationQuestion(f"test.jsonl:{number}", text) for number, text in enumerate(texts, 1)], **settings
    )


def told(found: Overlap, text: str) -> str | None:
    """The length of the run shared, 'alike' or None."""
    hit = found.find(text)
    return None if hit is None else f"{len(hit.ngram)}-gram" if hit.ngram else "alike"


# --- runs of tokens ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        (CLIPS, "13-gram"),
        (CLIPS.upper().replace(",", " --"), "13-gram"),
        (f"Continue this story for children and give it a happy end. {CLIPS}", "13-gram"),
        (
            "Tell of the day when a market woman sold 48 hair clips to her neighbours in April, and I was there.",
            "13-gram",
        ),
        ("Why would she sell half as many? Say: 'she sold half as many clips in May.' And then?", "8-gram"),
        ("Why would anyone say 'she sold half as many clips in June' of a good friend?", None),
        ("Write a poem about a market woman and her hair clips.", None),
        ("", None),
    ],
)
def test_a_shared_run_of_thirteen_or_eight_tokens_is_a_hit(text: str, hit: str | None) -> None:
    assert told(overlap(CLIPS, APPLES), text) == hit


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        (f"请先读题，再一步一步地写出解题过程，并用小学生能懂的话解释：{APPLES}", "13-gram"),
        ("请以“小明家的果园里有五棵苹果树”开头，写一篇不少于三百字的记叙文。", "13-gram"),
        ("请以“果园里有五棵苹果”开头，写一篇不少于三百字的记叙文。", None),  # eight characters are four words
        (f"请查阅资料后用三句话回答，并说明理由和你的信息来源：{CAPITAL}？", "12-gram"),  # a whole question
        ("哪座城市是澳大利亚最大的港口，为什么它没有成为政治中心？", None),
    ],
)
def test_chinese_is_compared_by_characters(text: str, hit: str | None) -> None:
    assert told(overlap(CLIPS, APPLES, CAPITAL), text) == hit


def test_a_hit_names_set_row_and_tokens() -> None:
    hit = overlap("What is a noun?", CLIPS).find(f"Answer me, please: {CLIPS}")
    assert hit is not None
    assert (hit.question.where, hit.score) == ("test.jsonl:2", None)
    assert hit.ngram == tuple(tokenize(CLIPS)[:LONG])


# --- likeness as a whole -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("How far is it from here to the moon in miles?", "alike"),
        ("How far is the moon from here, in miles?", None),
        ("Name the moon.", None),
    ],
)
def test_novelty_of_the_whole_text(text: str, hit: str | None) -> None:
    found = overlap("How far is it from us to the moon in kilometres?")
    assert told(found, text) == hit


def test_short_questions_are_found_only_as_a_whole() -> None:
    found = overlap("Who wrote Hamlet?")
    assert told(found, "who wrote HAMLET") == "alike"
    assert told(found, "Explain to a child of ten who wrote Hamlet and why.") is None


def test_the_bound_of_likeness_can_be_moved() -> None:
    question, text = "How far is it from us to the moon in kilometres?", "How far is it to the moon in kilometres?"
    assert overlap(question).find(text) is not None
    assert overlap(question, max_similarity=0.95).find(text) is None


# --- templates ---------------------------------------------------------------------------------

FRUIT = "apples pears plums figs dates limes kiwis grapes melons cherries".split()
READING = "Read the passage below and choose the answer that best completes the sentence about the main idea of"
TRANSLATE = "Translate the following English sentence into French:"


def test_a_template_of_many_questions_is_no_hit() -> None:
    """Seventeen tokens stand in all ten questions; without this rule each would refuse the candidate."""
    found = overlap(
        *(f"{READING} how {fruit} are grown, sold and eaten in {10 + n} countries" for n, fruit in enumerate(FRUIT))
    )
    assert told(found, f"{READING} a letter that a sailor once wrote to his daughter") is None
    assert told(found, f"{READING} how figs are grown, sold and eaten in 13 countries") == "13-gram"
    few = overlap(*(f"{READING} how {fruit} are grown" for fruit in FRUIT[:3]))
    assert told(few, f"{READING} a letter that a sailor once wrote to his daughter") == "13-gram"
    assert told(overlap(*map(READING.__add__, FRUIT), template=20), f"{READING} a letter") == "13-gram"


def test_a_template_and_one_more_word_is_no_hit() -> None:
    """'... into French: The' is eight tokens, of which one is the question's own."""
    found = overlap(
        *(f"{TRANSLATE} The farmer's {fruit} have been ripe since Sunday morning" for fruit in FRUIT[:1]),
        *(f"{TRANSLATE} My aunt prefers her {fruit} cooked with sugar" for fruit in FRUIT),
    )
    assert told(found, f"{TRANSLATE} The weather in the mountains was dreadful all summer long, wasn't it?") is None
    assert told(found, f"{TRANSLATE} My uncle sings.") is None
    assert told(found, f"{TRANSLATE} The farmer's apples rot.") == "8-gram"


def test_a_text_that_is_alike_only_by_the_template_is_no_hit() -> None:
    """Most of a short question may be template: its ROUGE-L to any text of that form is above 0.7."""
    found = overlap(*(f"{TRANSLATE} I like {fruit}" for fruit in FRUIT))
    assert told(found, f"{TRANSLATE} She hates cats") is None
    assert told(found, f"{TRANSLATE} I like plums") == "alike"
    assert told(found, f"{TRANSLATE} I like cats") is None
    assert told(overlap(f"{TRANSLATE} I like plums"), f"{TRANSLATE} I like cats") == "8-gram"


def test_a_chinese_template() -> None:
    found = overlap(
        *(
            f"下列关于{word}的说法中，哪一项是正确的？请从四个选项中选出唯一的正确答案"
            for word in "鲸鱼 火山 丝绸 茶叶 长城".split()
        )
    )
    assert told(found, "下列关于围棋规则和历史的说法中，哪一项是正确的？请从四个选项中选出唯一的正确答案") is None
    assert told(found, "下列关于火山的说法中，哪一项是正确的？请从四个选项中选出唯一的正确答案") == "alike"


def test_the_same_question_many_times_is_no_template() -> None:
    assert told(overlap(*[CLIPS] * 20), f"Answer this: {CLIPS}") == "13-gram"


# --- the index is that of the rule ---------------------------------------------------------------

words = st.lists(st.sampled_from("alpha bravo charlie delta echo a b".split()), max_size=24).map(tuple)


def by_the_rule(questions: Sequence[tuple[str, ...]], text: tuple[str, ...], template: int) -> set[int]:
    """Lengths of the runs that count, by looking at every pair of places."""

    def common(five: tuple[str, ...]) -> bool:
        owners = sum(any(q[p : p + 5] == five for p in range(len(q))) for q in questions)
        return owners > template

    found = set()
    for question in questions:
        for size in range(SHORT, LONG + 1):
            for start in range(len(question) - size + 1):
                run = question[start : start + size]
                whole = size < LONG and len(question) == size
                wide = sum(map(len, run)) >= 13
                if not (whole or (wide and size in (SHORT, LONG))):
                    continue
                covered = {p + k for p in range(size - 4) if common(run[p : p + 5]) for k in range(5)}
                if 2 * (size - len(covered)) >= size and any(
                    text[p : p + size] == run for p in range(len(text) - size + 1)
                ):
                    found.add(size)
    return found


@given(st.lists(words, min_size=1, max_size=6, unique=True), words, st.integers(1, 2))
def test_the_index_finds_what_the_rule_says(
    questions: list[tuple[str, ...]], text: tuple[str, ...], template: int
) -> None:
    run = NgramIndex(questions, template).find(text)
    sizes = by_the_rule(questions, text, template)
    assert (run is not None) == bool(sizes)
    if run is not None:
        size = len(run.tokens)
        assert size in sizes
        assert (size == LONG) == (LONG in sizes)
        assert any(questions[run.text][p : p + size] == run.tokens for p in range(len(questions[run.text])))


# --- reading the sets ----------------------------------------------------------------------------


def test_every_kind_of_table_is_read(tmp_path: Path) -> None:
    rows = [{"question": CLIPS, "answer": "72"}, {"question": APPLES, "answer": "140"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "b.json").write_text(json.dumps(rows))
    (tmp_path / "c.csv").write_text(f'question,answer\n"{CLIPS}",72\n{APPLES},140\n')
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    folder = datasets.DatasetDict(
        train=datasets.Dataset.from_list([{"question": "Not a test."}]), test=datasets.Dataset.from_list(rows)
    )
    folder.save_to_disk(tmp_path / "e")
    read = [
        load_sets([str(tmp_path / name)], ["question"]) for name in ("a.jsonl", "b.json", "c.csv", "d.parquet", "e")
    ]
    assert [[question.text for question in one.questions] for one in read] == [[CLIPS, APPLES]] * 5
    assert len({one.digest for one in read}) == 1
    assert read[0].questions[1].where == f"{tmp_path}/a.jsonl:2"
    assert read[4].questions[1].where == f"{tmp_path}/e: row 2"


def test_a_row_needs_one_of_the_columns_and_each_is_a_text_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "sets.jsonl"
    rows = [{"question": "One?", "choices": ["a", "b"]}, {"turns": ["Two?", "Three?"]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sets = load_sets([str(path)], ["question", "choices[1]", "turns[0]"])
    assert [question.text for question in sets.questions] == ["One?", "b", "Two?"]
    assert sets.sizes == {str(path): 2}
    with pytest.raises(UsageError) as caught:
        load_sets([str(path)], ["question", "prompt"])
    assert str(caught.value) == (
        f"filters.decontaminate: {path}:2: no text in question, prompt; columns here: turns; set filters.eval_columns"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("[]", "is an empty list"),
        ('{"question": 3}\n' * 20, ":10: no text in question"),
        ('{"question": "a"}\n{broken\n', ":2: not valid JSON"),
        (None, "no such file or folder"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_key(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "sets.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError) as caught:
        load_sets([str(path)], ["question"])
    lines = str(caught.value).splitlines()
    assert message in lines[-1]
    assert all(line.startswith("filters.decontaminate: ") for line in lines)
    assert len(lines) <= 10


def test_standard_input_is_no_evaluation_set() -> None:
    with pytest.raises(UsageError, match="name a file"):
        load_sets(["-"], ["question"])


# --- as a filter ---------------------------------------------------------------------------------


@pytest.fixture
def test_set(tmp_path: Path) -> Path:
    path = tmp_path / "exam.jsonl"
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in ("What is a noun?", CLIPS)))
    return path


def contaminated(path: Path, **filters: Any) -> Any:
    values = {"decontaminate": [str(path)], **filters}
    config = RunConfig.parse({"seeds": "-", "run_dir": "-", "filters": values})
    rules = rules_of(config)
    return build_checks(config, load_sets(rules.decontaminate, rules.eval_columns))


def test_instruction_input_and_both_are_compared(test_set: Path) -> None:
    check = contaminated(test_set).instructions[-1]
    half, rest = "A market woman sold 48 hair clips", "to her neighbours in April, and then"
    where = f"{test_set}:2"
    run = "a market woman sold 48 hair clips to her neighbours in april and"
    assert check.check(Candidate(CLIPS)) == Verdict("contaminated", f"instruction: 13-gram: {run}", None, where)
    assert check.check(Candidate("Solve it.", CLIPS)).detail == f"input: 13-gram: {run}"
    assert check.check(Candidate(half, rest)).detail == f"instruction and input: 13-gram: {run}"
    assert check.check(Candidate("Solve it.", "", CLIPS)).ok  # an answer is no question
    alike = check.check(Candidate("What is a noun"))
    assert (alike.detail, alike.score, alike.nearest) == ("instruction: alike: What is a noun?", 1.0, f"{test_set}:1")


def test_an_input_that_comes_later_is_compared_then(test_set: Path) -> None:
    checks = contaminated(test_set)
    kept, refused = keep([(CLIPS, "72"), ("1 + 1", "2.")], instruction="Solve the riddle.", checks=checks)
    assert kept == [("1 + 1", "2.")]
    assert [(v.reason, v.nearest) for v in refused] == [("contaminated", f"{test_set}:2")]
    assert refused[0].detail.startswith("1: input: 13-gram: ")


MakeConfig = Callable[..., RunConfig]


def _exam(config: RunConfig, path: Path, count: int) -> list[str]:
    """An evaluation set of the instructions that a run without one has admitted first."""
    found = [record.instruction for record in si.run(config, teacher=si.FakeTeacher()).records()][:count]
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in found))
    return found


def test_a_run_refuses_them_and_says_so(make_config: MakeConfig, tmp_path: Path) -> None:
    exam = _exam(make_config(), tmp_path / "exam.jsonl", 3)
    config = make_config(run_dir=str(tmp_path / "clean"), filters={"decontaminate": [str(tmp_path / "exam.jsonl")]})
    run = si.run(config, teacher=si.FakeTeacher())
    assert run.outcome.reason == "target"
    assert not set(exam) & {record.instruction for record in run.records()}
    with sqlite3.connect(tmp_path / "clean" / "journal.sqlite") as journal:
        rows = journal.execute(
            "SELECT instruction, stage, nearest FROM verdicts WHERE reason = 'contaminated' ORDER BY nearest"
        ).fetchall()
    assert [row for row in rows if row[0] in exam] == [
        (text, "filter", f"{tmp_path}/exam.jsonl:{number}") for number, text in enumerate(exam, 1)
    ]


def test_a_refilter_decontaminates_answers_that_are_there(make_config: MakeConfig, tmp_path: Path) -> None:
    exam = _exam(make_config(), tmp_path / "exam.jsonl", 5)
    config = make_config(run_dir=str(tmp_path / "clean"), filters={"decontaminate": [str(tmp_path / "exam.jsonl")]})
    run = si.run(config, fork_of=make_config().run_dir, recall_only=True)
    assert not set(exam) & {record.instruction for record in run.records()}
    assert run.status().refused["contaminated"] >= 5


def test_a_set_counts_by_its_content(make_config: MakeConfig, tmp_path: Path) -> None:
    exam, moved = tmp_path / "exam.jsonl", tmp_path / "moved.jsonl"
    _exam(make_config(), exam, 3)
    config = make_config(run_dir=str(tmp_path / "clean"), filters={"decontaminate": [str(exam)]})
    si.run(config, teacher=si.FakeTeacher())
    exam.rename(moved)
    again = make_config(run_dir=config.run_dir, filters={"decontaminate": [str(moved)]})
    assert si.run(again, teacher=si.FakeTeacher()).outcome.reason == "target"
    moved.write_text('{"question": "Who else?"}\n')
    with pytest.raises(ConfigChanged, match=r"filters\.decontaminate: was"):
        si.run(again, teacher=si.FakeTeacher())
