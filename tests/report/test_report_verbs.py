"""Verbs and their objects: by the word list in English and Chinese, and by spaCy where it is installed."""

from __future__ import annotations

import importlib.util

import pytest

from selfinstruct.dataset.linguistics import VerbNouns, WordList
from selfinstruct.dataset.linguistics.parsing import MODELS, spacy_finder
from selfinstruct.dataset.linguistics.verb_noun import VerbNoun, finder_for, verb_nouns
from selfinstruct.report.page.charts import wheel

CASES = [
    ("Write a short story about a fox.", "write", "story"),
    ("Please give me three examples of metaphors.", "give", "example"),
    ("Given a list of numbers, calculate the average.", "calculate", "average"),
    ("Can you summarise the following article in one sentence?", "summarize", "article"),
    ("Summarize these two articles.", "summarize", "article"),
    ("You are a chef. Suggest two dishes with rice.", "suggest", "dish"),
    ("Come up with a name for a boat.", "come", "name"),
    ("Fix the spelling mistakes below.", "fix", "mistake"),
    ("Compare cats and dogs.", "compare", "cat"),
    ("Explain why the sky is blue.", "explain", None),
    ("Translate 12 sentences into French", "translate", "sentence"),
    ("What is the capital of France?", None, None),
    ("", None, None),
    ("请写一首关于春天的诗。", "写", "诗"),
    ("把下面的句子改写成被动句。", "改写", None),
    ("列出三个理由，说明为什么要早起。", "列出", "理由"),
    ("你好吗？", None, None),
    ("Write a résumé for a baker.", "write", "résumé"),
    ("Überprüfe den Vertrag auf Fehler.", None, None),
    ("Opiši plan za izlet.", None, None),
    ("Напиши стихотворение и compare.", None, None),
    ("この文章を分析してください。", None, None),
    ("시를 하나 써 주세요.", None, None),
]


@pytest.mark.parametrize(("text", "verb", "noun"), CASES)
def test_the_word_list_finds_verb_and_object(text: str, verb: str | None, noun: str | None) -> None:
    assert list(WordList().find([text])) == [VerbNoun(verb, noun)]


def test_hostile_text_brings_only_words() -> None:
    texts = ["Write <script>alert(1)</script> now", "Write a poem</script><b>", "Give me \u202eevil names", "List a&b"]
    found = verb_nouns(texts, WordList())
    words = [verb.verb for verb in found.verbs] + [noun for verb in found.verbs for noun, _ in verb.nouns]
    assert "poem" in words
    assert all(word.isalpha() for word in words)


def test_counts_are_of_what_was_found() -> None:
    found = verb_nouns(
        ["Write a poem.", "Write a poem.", "Write a story.", "Explain why.", "Who is it?", "List cities."], WordList()
    )
    assert (found.records, found.parsed, found.with_verb, found.with_noun, found.distinct) == (6, 6, 5, 4, 3)
    assert [(verb.verb, verb.count, verb.nouns) for verb in found.verbs] == [
        ("write", 3, (("poem", 2), ("story", 1))),
        ("list", 1, (("city", 1),)),
    ]


def test_at_most_twenty_verbs_with_four_objects_each() -> None:
    verbs = "write create list name give find make suggest explain describe compare rewrite edit draw plan".split()
    verbs += "design cook translate classify sort rank rate count".split()
    nouns = "poem story list table song".split()
    found = verb_nouns([f"{verb} a {noun}" for verb in verbs for noun in nouns], WordList())
    assert len(found.verbs) == 20
    assert {len(verb.nouns) for verb in found.verbs} == {4}
    assert found.distinct == len(verbs) * len(nouns)
    assert len(wheel(found).rows) == 20


def test_more_texts_than_a_finder_can_take_are_drawn_the_same_way_each_time() -> None:
    class Slow(WordList):
        most = 3

    texts = [f"Write a {noun}." for noun in "poem story song letter note".split()]
    one, two = verb_nouns(texts, Slow()), verb_nouns(texts, Slow())
    assert one == two
    assert (one.records, one.parsed) == (5, 3)


def test_a_wheel_of_one_pair_is_a_whole_ring() -> None:
    assert wheel(verb_nouns(["Write a poem."], WordList())).title == "Most frequent: write poem"
    with pytest.raises(ValueError, match="no instruction"):
        wheel(VerbNouns("nobody", 0, 0, 0, 0, 0, ()))


def test_which_finder_it_is_is_said() -> None:
    assert finder_for("word-list").name == "a word list, without a parser"
    assert ("spaCy" in finder_for("auto").name) is (spacy_finder() is not None)


@pytest.mark.skipif(
    importlib.util.find_spec("spacy") is None or not any(map(importlib.util.find_spec, MODELS)),
    reason="the extra 'verbs' (spaCy and a model) is not installed",
)
def test_spacy_finds_verb_and_object_in_the_first_sentence() -> None:
    finder = spacy_finder()
    assert finder is not None
    assert "spaCy" in finder.name
    texts = [
        "Write a short story about a fox.",
        "Sum up the news report in one sentence. Name the author.",
        "",
        "写首诗",
    ]
    found = [VerbNoun("write", "story"), VerbNoun("sum", "report"), VerbNoun(), VerbNoun("写", "诗")]
    assert list(finder.find(texts)) == found
