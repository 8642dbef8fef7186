"""Writes texts that satisfy or violate a constraint, for each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

WORDS = (
    "the old river moves along green fields and people walk home after dinner while children sing about summer "
    "a kind man reads stories near warm fires his sister paints clouds above tall trees"
).split()
HAN = "我们今天去公园散步看见许多花和树孩子在湖边唱歌老人坐着喝茶大家都高兴"


class Writer:
    """Writes filler in English or Chinese, without digits, capitals inside, or commas."""

    def __init__(self, random: Random, language: str) -> None:
        self.random, self.language = random, language

    def sentence(self, count: int) -> str:
        """A sentence of `count` words."""
        if self.language == "zh":
            return "".join(self.random.choice(HAN) for _ in range(count)) + "。"
        words = [self.random.choice(WORDS) for _ in range(count)]
        return " ".join([words[0].capitalize(), *words[1:]]) + "."

    def sentences(self, count: int, words: int = 6) -> str:
        return ("" if self.language == "zh" else " ").join(self.sentence(words) for _ in range(count))

    def words(self, count: int) -> str:
        """Exactly `count` words, in sentences of ten at most."""
        parts = [self.sentence(min(10, count - done)) for done in range(0, count, 10)]
        return ("" if self.language == "zh" else " ").join(parts)

    def item(self) -> str:
        return self.sentence(3).rstrip(".。")

    def near(self, number: int, least: int = 0) -> int:
        """A number that isn't `number`, but close."""
        return self.random.choice([each for each in (number - 2, number - 1, number + 1, number + 2) if each >= least])

    def among(self, *texts: str) -> str:
        """Sentences with these words between them."""
        return " ".join([self.sentence(4), *texts, self.sentence(3)])


Text = Callable[[Writer, Mapping[str, Any]], str]


def counted(make: Callable[[Writer, Mapping[str, Any], int], str], relation: str, least: int = 0) -> tuple[Text, Text]:
    """Texts with as many of something as the relation allows, and as it doesn't."""

    def good(writer: Writer, given: Mapping[str, Any]) -> str:
        n, more = given["n"], writer.random.randint(0, 2)
        return make(writer, given, {"==": n, ">=": n + more, "<=": max(least, n - more)}[relation])

    def bad(writer: Writer, given: Mapping[str, Any]) -> str:
        n, more = given["n"], writer.random.randint(1, 3)
        return make(writer, given, {"==": writer.near(n, least), ">=": max(least, n - more), "<=": n + more}[relation])

    return good, bad


def word_like(code: str) -> str:
    return {
        "es": "Me gusta la casa de mi madre porque es muy grande y tiene un jardín con flores para los niños.",
        "fr": "Je suis dans le jardin avec ma mère et nous avons une maison qui est très belle pour les enfants.",
        "de": "Ich bin mit der Familie im Garten und wir haben ein kleines Haus, das auch für die Kinder schön ist.",
        "it": "La casa della nonna è molto grande e nel giardino ci sono anche i fiori che piacciono ai bambini.",
        "pt": "A casa da minha avó é muito grande e no jardim há flores para as crianças que não são daqui.",
        "en": "The house of my mother is very big and it has a garden with flowers for the children that we like.",
        "zh": "妈妈的房子很大，花园里有孩子们喜欢的花。",
    }[code]


def joined(parts: list[str], between: str = "\n\n") -> str:
    return between.join(parts)


def rows(writer: Writer, columns: int, count: int = 3) -> str:
    lines = [["head"] * columns, ["---"] * columns, *[[writer.item()] * columns for _ in range(count)]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spelled(writer: Writer, word: str) -> str:
    return "\n".join(f"{letter}{writer.item().lower()}" for letter in word)


def section(writer: Writer, given: Mapping[str, Any], number: int) -> str:
    marker = f"第{number}部分" if writer.language == "zh" else f"{given['marker']} {number}"
    return f"{marker}\n{writer.sentences(2)}"


def phrase_first(writer: Writer, given: Mapping[str, Any]) -> str:
    return f"{given['phrase']} {writer.sentences(2)}"


def paragraphs_with(writer: Writer, given: Mapping[str, Any], count: int, word: str) -> str:
    parts = [writer.sentences(2) for _ in range(count)]
    if given["k"] <= count:
        parts[given["k"] - 1] = f"{word} {parts[given['k'] - 1]}"
    return joined(parts)


TEXTS: dict[str, tuple[Text, Text]] = {
    "words_at_least": counted(lambda w, g, n: w.words(n), ">="),
    "words_at_most": counted(lambda w, g, n: w.words(n), "<="),
    "words_between": (
        lambda w, g: w.words(w.random.randint(g["low"], g["high"])),
        lambda w, g: w.words(w.random.choice([g["low"] - 1, g["high"] + 1, g["low"] // 2])),
    ),
    "sentences_exactly": counted(lambda w, g, n: w.sentences(n), "==", 1),
    "sentences_at_least": counted(lambda w, g, n: w.sentences(n), ">=", 1),
    "sentences_at_most": counted(lambda w, g, n: w.sentences(n), "<=", 1),
    "sentence_length": (
        lambda w, g: w.sentences(3, g["n"]),
        lambda w, g: w.among(w.sentence(g["n"] + w.random.randint(1, 5))),
    ),
    "characters_at_most": (
        lambda w, g: w.words(g["n"])[: g["n"]],
        lambda w, g: w.words(g["n"])[: g["n"]].strip() + ".." if w.language == "zh" else "x" * (g["n"] + 1),
    ),
    "paragraphs_exactly": counted(lambda w, g, n: joined([w.sentences(2) for _ in range(n)]), "==", 1),
    "lines_exactly": counted(lambda w, g, n: joined([w.item() for _ in range(n)], "\n"), "==", 1),
    "line_length": (
        lambda w, g: joined([w.sentence(200)[: g["n"]] for _ in range(3)], "\n"),
        lambda w, g: joined([w.item(), w.sentence(200)[: g["n"] - 1].rstrip() + "xxxxxxxxxxx"], "\n"),
    ),
    "starred_parts": counted(lambda w, g, n: joined([w.sentences(2) for _ in range(n)], "\n***\n"), "==", 1),
    "bullets_exactly": counted(lambda w, g, n: joined([f"- {w.item()}" for _ in range(n)], "\n"), "=="),
    "bullets_at_least": counted(lambda w, g, n: joined([f"* {w.item()}" for _ in range(n)], "\n"), ">="),
    "numbered_exactly": counted(lambda w, g, n: joined([f"{i + 1}. {w.item()}" for i in range(n)], "\n"), "=="),
    "headings_exactly": counted(lambda w, g, n: joined([f"## {w.item()}\n{w.sentences(2)}" for _ in range(n)]), "=="),
    "bold_at_least": counted(lambda w, g, n: w.among(*[f"**{w.item()}**" for _ in range(n)]), ">="),
    "table_columns": (lambda w, g: rows(w, g["n"]), lambda w, g: w.random.choice([rows(w, g["n"] + 1), w.item()])),
    "no_markdown": (
        lambda w, g: w.sentences(4),
        lambda w, g: w.random.choice([f"# {w.item()}\n", f"- {w.item()}\n", f"**{w.item()}** "]) + w.sentences(2),
    ),
    "json_only": (
        lambda w, g: w.random.choice(["{}", "```json\n{}\n```"]).replace(
            "{}", json.dumps({"items": [w.item(), w.item()]})
        ),
        lambda w, g: w.random.choice([w.item(), f"Here: {json.dumps([w.item()])}", '{"a": }']),
    ),
    "title": (lambda w, g: f"<<{w.item()}>>\n{w.sentences(3)}", lambda w, g: f"<{w.item()}> <<>>\n{w.sentences(3)}"),
    "postscript": (
        lambda w, g: f"{w.sentences(3)}\n\n{g['marker']} {w.sentence(5)}",
        lambda w, g: w.random.choice([w.sentences(3), f"{w.sentences(2)}\n{g['marker']}"]),
    ),
    "placeholders_at_least": counted(lambda w, g, n: w.among(*[f"[{w.item()}]" for _ in range(n)]), ">="),
    "sections": counted(lambda w, g, n: joined([section(w, g, i + 1) for i in range(n)]), "=="),
    "two_answers": (
        lambda w, g: f"{w.sentences(2)}\n******\n{w.sentences(3)}",
        lambda w, g: w.random.choice(
            [w.sentences(4), "same\n******\nsame", joined(["a", "b", "c"], "******"), "a ******"]
        ),
    ),
    "repeat_request": (
        lambda w, g: f"{g['request']}\n{w.sentences(2)}",
        lambda w, g: f"{w.sentences(1)} {g['request']}",
    ),
    "include_word": (
        lambda w, g: w.among(g["word"]),
        lambda w, g: w.among(f"{g['word']}ish" if w.language == "en" else "x"),
    ),
    "include_words": (lambda w, g: w.among(g["word"], g["other"].upper()), lambda w, g: w.among(g["word"])),
    "exclude_word": (lambda w, g: w.sentences(4), lambda w, g: w.among(g["word"].capitalize())),
    "word_at_least": counted(lambda w, g, n: w.among(*[g["word"]] * n), ">="),
    "word_exactly": counted(lambda w, g, n: w.among(*[g["word"]] * n), "=="),
    "first_word": (
        lambda w, g: paragraphs_with(w, g, g["n"], g["word"].capitalize()),
        lambda w, g: w.random.choice(
            [paragraphs_with(w, g, g["n"] + 1, g["word"]), paragraphs_with(w, g, g["n"], "So")]
        ),
    ),
    "letter_at_least": counted(lambda w, g, n: "1 2 " + g["letter"] * n, ">="),
    "letter_at_most": counted(lambda w, g, n: "1 2 " + g["letter"].upper() * n, "<="),
    "without_letter": (
        lambda w, g: "a nice tree on the hill",
        lambda w, g: f"a nice {g['letter'].upper()}ee on the hill",
    ),
    "acrostic": (lambda w, g: spelled(w, g["word"]), lambda w, g: spelled(w, g["word"][::-1] + "S")),
    "palindromes_at_least": counted(lambda w, g, n: w.among(*["level", "noon", "civic", "radar", "kayak"][:n]), ">="),
    "lowercase": (lambda w, g: w.sentences(3).lower(), lambda w, g: w.sentences(3)),
    "uppercase": (lambda w, g: w.sentences(3).upper(), lambda w, g: w.sentences(3)),
    "capital_words_at_least": counted(lambda w, g, n: w.among(*["WATER"] * n), ">="),
    "capital_words_at_most": counted(lambda w, g, n: w.among(*["WATER"] * n), "<="),
    "no_commas": (lambda w, g: w.sentences(3), lambda w, g: w.among(w.random.choice([",", "，"]))),
    "no_mark": (lambda w, g: w.sentences(3), lambda w, g: w.among(g["mark"].split()[0])),
    "exclamations_exactly": counted(lambda w, g, n: w.among(*["!"] * n), "=="),
    "question_at_end": (
        lambda w, g: w.sentences(2) + w.random.choice(["Right?", '"Is it?"', "好吗？"]),
        lambda w, g: f"Is it? {w.sentences(2)}",
    ),
    "start_phrase": (phrase_first, lambda w, g: f"{w.sentence(4)} {g['phrase']}"),
    "end_phrase": (
        lambda w, g: f"{w.sentences(2)} {g['phrase']}",
        lambda w, g: f"{w.sentences(2)} {g['phrase']} {w.sentence(4)}",
    ),
    "quotation": (
        lambda w, g: w.random.choice(['"{}"', "“{}”"]).replace("{}", w.sentences(3)),
        lambda w, g: w.random.choice(['"{}', "{}", '"{}" ok']).replace("{}", w.sentences(3)),
    ),
    "different_starts": (
        lambda w, g: "".join(f"{start} {w.sentence(5).lower()} " for start in ("One", "Two", "All", "Some")),
        lambda w, g: "".join(f"{start} {w.sentence(5).lower()} " for start in ("One", "Two", "One")),
    ),
    "language": (lambda w, g: word_like(g["code"]), lambda w, g: word_like("it" if g["code"] != "it" else "es")),
    "numbers_at_least": counted(lambda w, g, n: w.among(*[f"{i + 3}.5" for i in range(n)]), ">="),
    "no_digits": (lambda w, g: w.sentences(3), lambda w, g: w.among("7")),
    "grouped_numbers": (
        lambda w, g: w.among("12,500"),
        lambda w, g: w.among(w.random.choice(["12500", "1,000 1000", "12"])),
    ),
}
"""For each constraint: a text that satisfies it, and one that doesn't."""
