"""Answers that are none, each kind with its reason; and what looks like one and must be kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from worked import keep

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.chat_markers import trim_markers
from selfinstruct.core.tasks import Candidate
from selfinstruct.filters import ANSWER_CHECKS, build_checks, rules_of
from selfinstruct.filters.code import json_error, python_error
from selfinstruct.filters.wrong_answers import first_wrong
from selfinstruct.seeds.load import load_seeds

SEEDS = Path(__file__).parents[2] / "seeds"


def judge(output: str, instruction: str = "Tell me about it.", given: str = "", **filters: Any) -> str | None:
    """The reason for which an instance is refused, or None."""
    config = RunConfig.parse({"seeds": "-", "run_dir": "-", "filters": filters})
    kept, refused = keep([(given, output)], instruction=instruction, checks=build_checks(config))
    assert bool(kept) != bool(refused)
    return refused[0].reason if refused else None


def detail(output: str, instruction: str = "Tell me about it.") -> str:
    config = RunConfig.parse({"seeds": "-", "run_dir": "-"})
    return keep([("", output)], instruction=instruction, checks=build_checks(config))[1][0].detail


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "output",
    [
        "As an AI language model, I don't have personal opinions.",
        "As a large language model, I cannot feel.",
        "**As an AI**, I have no body.",
        "I'm an AI, so I can't taste it, but people like it.",
        "I am just a language model and do not travel.",
        "I'm sorry, but I can't assist with that.",
        "I’m sorry, but I can’t help with that request.",
        "Sorry, I cannot generate that kind of text.",
        "I apologize, but I am unable to access the page.",
        "Unfortunately, I cannot browse the internet.",
        "I'm sorry, but I'm not able to open the attachment.",
        "I cannot fulfill this request.",
        "I won't engage in this.",
        "作为一个人工智能语言模型，我没有个人感受。",
        "作为AI，我无法品尝食物。",
        "我是一个由某公司开发的大型语言模型。",
        "很抱歉，我无法提供这方面的信息。",
        "对不起，我不能协助您完成这个请求。",
        "抱歉，但我目前无法访问互联网。",
        "我无法满足您的要求。",
        "I must respectfully decline this request.",
        "I have to decline to answer that.",
        "Unfortunately I am not able to assist with this one.",
        "Es tut mir leid, aber dabei kann ich nicht helfen.",
        "Es tut mir leid, aber ich kann Ihnen bei dieser Anfrage nicht helfen.",
        "Leider kann ich diese Frage nicht beantworten.",
        "Als KI-Sprachmodell habe ich keine Gefühle.",
        "Lo siento, no puedo ayudarte con eso.",
        "Lo siento, pero no puedo proporcionar esa información.",
        "Como modelo de lenguaje, no tengo opiniones.",
        "Désolé, je ne peux pas vous aider avec cela.",
        "Je suis désolé, mais je ne peux pas répondre à cette demande.",
        "En tant que modèle de langage, je n'ai pas d'avis.",
        "Mi dispiace, ma non posso aiutarti con questo.",
        "Mi dispiace, ma non sono in grado di fornire queste informazioni.",
        "Desculpe, mas não posso ajudar com isso.",
        "Sinto muito, não consigo fornecer essa informação.",
        "Извините, но я не могу помочь с этим.",
        "К сожалению, я не могу ответить на этот вопрос.",
        "Как языковая модель, я не имею мнения.",
        "申し訳ありませんが、お手伝いできません。",
        "申し訳ございませんが、そのリクエストにはお応えできません。",
        # Without an apology.
        "Ich kann Ihnen dabei leider nicht helfen.",
        "Ich kann dir bei dieser Anfrage nicht weiterhelfen.",
        "Dabei kann ich nicht helfen.",
        "Ich kann diese Anfrage nicht erfüllen.",
        "Ich darf solche Inhalte nicht erstellen.",
        "Ich bin nicht in der Lage, Ihnen dabei zu helfen.",
        "Ich bin nur ein Sprachmodell und habe keine Meinung.",
        "Ich bin eine KI, daher reise ich nicht.",
        "Ich habe keinen Zugriff auf das Internet.",
        "No puedo ayudarte con eso.",
        "No puedo ayudarle con esta solicitud.",
        "No me es posible responder a esa pregunta.",
        "No puedo generar ese tipo de contenido.",
        "Soy un modelo de lenguaje y no tengo opiniones.",
        "Como una IA, no tengo sentimientos.",
        "No tengo acceso a internet.",
        "Je ne peux pas répondre à cette demande.",
        "Je ne peux pas vous aider avec cela.",
        "Je ne suis pas en mesure de fournir ce type de contenu.",
        "Il m’est impossible de répondre à cette question.",
        "Je suis une IA et je n'ai pas d'avis.",
        "Je n'ai pas accès à Internet.",
        "Non posso aiutarti con questa richiesta.",
        "Non posso soddisfare questa richiesta.",
        "Non sono in grado di fornire questo tipo di contenuti.",
        "Sono un modello linguistico e non ho opinioni.",
        "Non ho accesso a informazioni in tempo reale.",
        "Não posso ajudar com isso.",
        "Não consigo atender a essa solicitação.",
        "Não posso gerar esse tipo de conteúdo.",
        "Sou um modelo de linguagem e não tenho opiniões.",
        "Não tenho acesso à internet.",
        "Я не могу помочь с этим.",
        "Я не могу выполнить этот запрос.",
        "Я не могу ответить на этот вопрос.",
        "Я — языковая модель и не имею мнения.",
        "У меня нет доступа к интернету.",
        "そのリクエストにはお応えできません。",
        "そのような質問にはお答えできません。",
        "お手伝いできません。",
        "この件についてはお答えできかねます。",
        "私はAIなので、味は分かりません。",
        "インターネットにアクセスできません。",
    ],
)
def test_a_refusal(output: str) -> None:
    assert judge(output) == "answer_refusal"
    assert judge(output, answer_refusal=False) is None


@pytest.mark.parametrize(
    "output",
    [
        "I'm sorry, but I can't make it to your party on Friday.",
        "Dear Ms Lee, I'm sorry I cannot come to the meeting.",
        "I cannot believe how beautiful the valley is.",
        "Sorry, we are closed on Mondays.",
        "Unfortunately, the train was late.",
        "An AI language model predicts the next word. As an AI, it has no wishes.",
        "As an air traffic controller, I guide planes.",
        "As an aide, she wrote the speech.",
        "很抱歉，我明天不能参加你的生日聚会了。",
        "对不起，昨天是我错了。",
        "作为一名老师，我每天都备课。",
        "我是一个喜欢旅行的人。",
        "I must decline your invitation, as I am in Rome that day.",
        "Es tut mir leid, aber ich kann am Freitag nicht kommen.",
        "Als KI bezeichnet man Programme, die Aufgaben lösen.",
        "Lo siento, no puedo ir a tu fiesta el viernes.",
        "Como modelo de lenguaje de la región destaca el gallego.",
        "Désolé, je ne peux pas venir à la réunion.",
        "Je suis désolé, je ne peux pas vous aider à déménager samedi.",
        "Lo siento, no puedo ayudarte a mudarte el sábado.",
        "Mi dispiace, ma non posso venire alla cena.",
        "Desculpe, mas não posso ir à reunião amanhã.",
        "Como ia dizendo, não choveu.",
        "Извините, но я не могу прийти завтра.",
        "Как искусственный интеллект меняет медицину?",
        "申し訳ありませんが、明日の会議に出席できません。",
        "Ich kann dir am Samstag nicht helfen, weil ich arbeite.",
        "Ich kann nicht helfen.",
        "Ich kann die Frage nach dem Sinn nicht beantworten, schreibt sie.",
        "Dabei kann ich mich gut entspannen.",
        "Ich bin KI-Forscherin in Dresden.",
        "Ich bin eine Kirche aus dem zwölften Jahrhundert.",
        "Ich darf diese Tabletten nicht nehmen.",
        "Ich habe keinen Zugriff auf den Drucker, bitte richten Sie ihn ein.",
        "No puedo ayudarte con la mudanza del sábado.",
        "No puedo responder a su amor, escribió ella.",
        "No puedo creer lo bonito que es el valle.",
        "Soy una iaponesa de Kioto.",
        "Soy un modelo de ropa en Madrid.",
        "No tengo acceso a mi cuenta desde ayer.",
        "Je ne peux pas venir samedi.",
        "Je ne peux pas vous aider à déménager samedi.",
        "Je ne peux pas répondre à ton invitation tout de suite.",
        "Je suis une intellectuelle de province.",
        "Je n'ai pas accès à mon compte depuis hier.",
        "Non posso aiutarti con il trasloco di sabato.",
        "Non posso rispondere a tutte le lettere.",
        "Sono un modello di moda.",
        "Non ho accesso alla mia posta.",
        "Não posso ajudar com a mudança no sábado.",
        "Não posso responder ao seu convite hoje.",
        "Sou uma iara, disse a sereia.",
        "Não tenho acesso à minha conta.",
        "Я не могу помочь с переездом в субботу.",
        "Я не могу ответить на ваше письмо сегодня.",
        "Я языковой психолог.",
        "У меня нет доступа к почте.",
        "その日は会議に出席できません。",
        "この店ではカードが使えません。",
        "その日には対応できません。",
        "この質問に答えることは、難しくありません。",
        "私はAIの研究者です。",
        "私はAIについて本を書きました。",
        "インターネットに接続できません。再起動してください。",
        "私はAIのために働く人たちを取材しました。",
    ],
)
def test_what_only_sounds_like_a_refusal(output: str) -> None:
    assert judge(output) is None


# --- scaffolding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "output",
    [
        "Blue.<|im_end|>Red.",
        "Blue.<|im_end|>\n<|im_start|>user\nName a river.<|im_end|>",
        "[INST] Name one. [/INST] Blue.",
        "<<SYS>> Be kind. <</SYS>> Blue.",
        "Blue.</s> Red.",
        "Blue.\n### Instruction: Name a river.",
        "### Response:\nBlue.",
        "Blue.\n## Output: red",
        "Blue.\n\n### 7\nInstruction: Name a river.",
        "<think>They want a colour.</think>Blue.",
        "<noinput>",
        "Blue.\nInstruction: Name a river.\nInput:\nOutput: The Rhine.",
        "蓝色。\n指令：说出一条河。\n输入：\n输出：长江。",
        "蓝色。\n### 回答：长江。",
        "Blau.\nAnweisung: Nenne einen Fluss.\nEingabe: <keine>\nAusgabe: Der Rhein.",
        "Bleu.\n### Sortie : rouge",
        "Azul.\n\n### 7\nInstrucción: Nombra un río.",
        "青。\n\n### 7\n指示：川を一つ挙げてください。",
        "<なし>",
        "Below is an instruction that describes a task. Name a colour.",
    ],
)
def test_marks_of_a_prompt(output: str) -> None:
    assert judge(output) == "scaffolding"
    assert judge(output, scaffolding=False) is None


@pytest.mark.parametrize(
    "output",
    [
        "### Instructions\n\n1. Boil the water.\n2. Add the tea.",
        "Input: 3, output: 9.",
        "Input: 3\nOutput: 9",
        "输入：三\n输出：九",
        "Eingabe: 3\nAusgabe: 9",
        "Instrucción: ponga la mesa.\n\nGracias.",
        "In HTML, <s>old</s> strikes a word through.",
        "The new price: <s>12</s>",
        "a <| f |> b, xs[|0;1|], <turn>, and [b]bold[/b]",
        "A chat template ends a turn with `<|im_end|>`, which is a token of its own.",
        "Write it so:\n```\n<|im_start|>user\nHello<|im_end|>\n```",
        "The first instruction: sit. The second: stay.",
        "Waiter: Good evening.\nGuest: Good evening.",
        "1 <|> 2 is no operator.",
    ],
)
def test_what_only_looks_like_a_prompt(output: str) -> None:
    assert judge(output) is None


MARKERS = """
    <|im_end|> <|eot_id|> </s> <end_of_turn> <|end|> <eos> <|endoftext|> [/INST] <｜end▁of▁sentence｜> <｜User｜>
    <|END_OF_TURN_TOKEN|> <|user|> <|/user|> <|tool_call> <tool_call|> <turn|> [|endofturn|] <im_end> <end_of_utterance>
    <<SYS>> <|end_of_role|> <|header_end|> <seed:eos> <extra_id_1> [e~[ [gMASK] <pad> [EOS] <|return|>""".split()


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_of_a_chat_template(marker: str) -> None:
    """Removed at an edge of each text, and a reason to reject the text inside."""
    checks = build_checks(RunConfig(seeds="-", run_dir="-"))
    task = Candidate(f"{marker}Name two colors, please.{marker}\n", f"Red.{marker}", f"\n{marker} Blue.")
    assert checks.prepared(task) == Candidate("Name two colors, please.", "Red.", "Blue.")
    pair = (checks.rewritten(f"Red?{marker}"), checks.rewritten(f"Blue.\n{marker}{marker}"))
    assert keep([pair], instruction="Name two colors.", checks=checks) == ([("Red?", "Blue.")], [])
    assert judge(f"Blue.{marker}user\nAnd red") == "scaffolding"
    for part in ("instruction", "input", "output"):
        texts = {"instruction": "Name two colors, please.", "input": "Red.", "output": "Blue."}
        inside = Candidate(**texts | {part: f"Blue.{marker}And red."})  # type: ignore[arg-type]
        verdict = next(v for check in checks.instructions if not (v := check.check(checks.prepared(inside))).ok)
        assert (verdict.reason, verdict.detail) == ("scaffolding", marker)


@pytest.mark.parametrize(
    ("text", "trimmed"),
    [
        ("<|start_header_id|>assistant<|end_header_id|>\n\nBlue.<|eot_id|>", "Blue."),
        ("<|im_start|>assistant\nBlue.<|im_end|>\n", "Blue."),
        ("<start_of_turn>model\nBlue.", "Blue."),
        ("<s>Blue.", "Blue."),
        ("<s>[INST] Blue.</s>", "Blue."),
        ("<s>Old</s> new.</s>", "<s>Old</s> new."),
        ("Blue.<|im_en", "Blue."),
        ("  Blue. ", "  Blue. "),
        ("The tag is `<|im_end|>`", "The tag is `<|im_end|>`"),
    ],
)
def test_markers_at_the_edges_are_removed(text: str, trimmed: str) -> None:
    assert trim_markers(text) == trimmed


def test_markers_are_kept_where_the_check_is_off() -> None:
    checks = build_checks(RunConfig.parse({"seeds": "-", "run_dir": "-", "filters": {"scaffolding": False}}))
    task = Candidate("Name the last token of a turn, please: <|im_end|>", "", "<|im_end|>")
    assert checks.prepared(task) == task
    assert all(check.check(task).ok for check in checks.instructions)


@given(
    st.lists(st.one_of(st.sampled_from([*MARKERS, "<s>", "assistant", "\n", " "]), st.text(max_size=4))).map("".join)
)
def test_trimming_only_takes_away_from_the_edges(text: str) -> None:
    trimmed = trim_markers(text)
    assert trimmed in text
    assert trim_markers(trimmed) == trimmed


@pytest.mark.parametrize("unit", ["<|", "<|a", "<｜a ", "<s>", "<|im_end|>", "<|" + "a" * 48, "]~", "[", "\n"])
def test_markers_are_found_in_linear_time(unit: str) -> None:
    start = time.process_time()
    trim_markers("a" + unit * (200_000 // len(unit)) + "b")
    assert time.process_time() - start < 3


# --- echo --------------------------------------------------------------------------------------------

QUESTION = "What is the capital of France?"


@pytest.mark.parametrize(
    ("instruction", "output", "reason"),
    [
        (QUESTION, "What is the capital of France?", "echo"),
        (QUESTION, "what is the capital of France", "echo"),
        (QUESTION, "What is the capital of France? It is Paris.", "echo"),
        (QUESTION, "The capital of France is Paris.", None),
        ("The capital of France is", "The capital of France is Paris.", None),
        ("写一首关于春天的诗。", "写一首关于春天的诗", "echo"),
        ("写一首关于春天的诗。", "春天来了，花儿开了。", None),
        ("Say yes.", "Say yes.", None),  # too short to tell
        ("Name a colour.", "Blue.", None),
    ],
)
def test_echo(instruction: str, output: str, reason: str | None) -> None:
    assert judge(output, instruction) == reason
    assert judge(output, instruction, echo=False) is None


# --- repetition --------------------------------------------------------------------------------------

REFRAIN = "Row, row, row your boat, gently down the stream.\nMerrily, merrily, merrily, merrily, life is but a dream.\n"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("It is good for you. " * 10, "repetition"),
        ("It begins well and then it breaks. " + "and so on " * 20, "repetition"),
        ("very " * 60 + "good.", "repetition"),
        ("我喜欢苹果。" * 12, "repetition"),
        ((" ".join(f"word{n}" for n in range(45)) + ". ") * 3, "repetition"),
        ("It is good for you. " * 4, None),
        (REFRAIN * 2, None),
        ("0 0 0 0 0 0 0 0\n" * 8, None),
        ("| --- | --- |\n" * 30 + "Done.", None),
        ("```\n" + "print('again')\n" * 30 + "```", None),
        ("\n".join(f"{n}. Item number {n} costs {7 * n} euros." for n in range(1, 20)), None),
        ("ha " * 12 + "!", None),
    ],
)
def test_repetition(output: str, reason: str | None) -> None:
    assert judge(output) == reason
    assert judge(output, repetition=False) is None


def test_a_loop_is_told_with_what_is_repeated() -> None:
    assert detail("It begins. " + "and so on " * 20 + "Done.") == "1: 20 times: and so on"


# --- stops in the middle -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "output",
    [
        "Here it is:\n```python\nprint(1)",
        "The three main causes of the war were land, trade and the",
        "She went home early on that rainy evening because",
        "Bring some bread, a bottle of water, warm socks, and a torch,",
        "There are three kinds of rock that a beginner should know (",
        "The sky is blue today. The sea is calm. The boats go out to",
        "今天天气很好，我们一起去公园散步，然后回家，",
        "首先要洗菜。然后要切菜。最后把菜放进锅里翻",
        "Die drei wichtigsten Gründe waren Land, Handel und die Frage, ob der König kommt oder",
        "Elle est rentrée tôt ce soir-là, sous une pluie froide, parce",
        "Salió temprano de casa aquella tarde, con mucha prisa, porque",
        "朝早く起きて、パンと水と暖かい靴下を",
    ],
)
def test_an_answer_that_stops(output: str) -> None:
    assert judge(output) == "cut_off"
    assert judge(output, cut_off=False) is None


@pytest.mark.parametrize(
    "output",
    [
        "Blue",
        "the",
        "A, B, and",
        "red, green, blue,",
        "The cat sat on the mat",
        "Wir fahren morgen früh um sechs Uhr mit dem ersten Bus los",
        "Ich weiß noch nicht, wann der Zug am Abend ankommt und wer das",
        "今日は天気がいいので、みんなで公園まで歩きます",
        "Thank you for coming last week. It was good to see you. Kind regards, Tom",
        "Dear Ann, thank you for everything you did for us.\nBest regards,",
        "Great day. Loved it. See you all next year #summer",
        "Visit us. Call today. Open every day at www.shop.example/en",
        "Read it. Then sign it. The code is A7",
        "He said: “We shall see. We always do. Good night.”",
        "One is done. Two is done.\n- the last item of the list has no stop",
        "```python\nprint('a b c d e f g h the')\n```",
        "What are you looking for",
        "The letter after L, and before N, is M, as everybody knows I",
        "今天天气很好",
        "春眠不觉晓，处处闻啼鸟",
        "第一步洗菜。第二步切菜。第三步炒菜。",
    ],
)
def test_an_answer_that_only_has_no_stop(output: str) -> None:
    assert judge(output) is None


# --- code --------------------------------------------------------------------------------------------

GOOD_PYTHON = [
    "print(1)",
    "    indented = 1\n    print(indented)",
    ">>> 1 + 1\n2\n>>> for n in range(2):\n...     n\n0\n1",
    "def f(x):\n    ...",
    "import numpy\n%matplotlib inline\n!pip install numpy\nprint(numpy)",
    "else:\n    print(2)",
    "await fetch()",
    "return 1",
    "print('\\d')",
    "",
]


@pytest.mark.parametrize("code", GOOD_PYTHON)
def test_python_that_parses_or_is_a_piece(code: str) -> None:
    assert python_error(code) is None or code.startswith(" ")  # a block is dedented first
    assert judge(f"Here:\n```python\n{code}\n```\nThat is all.") is None


@pytest.mark.parametrize("code", ["print 1", "def f(:\n    pass", "for n in range(3)\n    print(n)", "x = (1,\n"])
def test_python_that_does_not_parse(code: str) -> None:
    assert judge(f"Here:\n```python\n{code}\n```\nThat is all.") == "bad_code"
    assert judge(f"Here:\n```\n{code}\n```\nThat is all.") is None
    assert judge(f"Here:\n```python\n{code}\n```\nThat is all.", bad_code=False) is None


@pytest.mark.parametrize(
    ("code", "good"),
    [
        ('{"a": [1, 2]}', True),
        ('{"a": 1}\n{"a": 2}', True),
        ('{"a": 1, ...}', True),
        ('{"a": 1 // the first\n}', True),
        ("3", True),
        ('{"a": 1,}', False),
        ("{'a': 1}", False),
        ('{"a": "b...c",}', False),
        ('{"a": 1', False),
    ],
)
def test_json(code: str, good: bool) -> None:
    assert (json_error(code) is None) == good
    assert judge(f"```json\n{code}\n```") == (None if good else "bad_code")


def test_bad_code_is_told_with_its_block_and_line() -> None:
    output = "```python\nprint(1)\n```\nand\n~~~JSON\n{}\n~~~\nand\n```py\nx = 1\ny = = 2\n```"
    assert detail(output) == "1: block 3, py: line 2: invalid syntax"


@pytest.mark.parametrize("code", ["(" * 5000, "-" * 50000 + "1", "[" * 90000, "x = '''" + "a" * 90000, "\0"])
def test_code_that_a_parser_gives_up_on_breaks_nothing(code: str) -> None:
    judge(f"```python\n{code}\n```\n```json\n{code}\n```")


# --- arithmetic --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("2 + 2 = 5", "2 + 2 = 5, but 2 + 2 is 4"),
        ("So 12 × 3 = 35.", "12 × 3 = 35, but 12 × 3 is 36"),
        ("- 15 - 7 = 9", "15 - 7 = 9, but 15 - 7 is 8"),
        ("1. 10 / 4 = 3.5", "10 / 4 = 3.5, but 10 / 4 is 2.5"),
        ("**2 + 3 * 4 = 20**", "2 + 3 * 4 = 20, but 2 + 3 * 4 is 14"),
        ("(2 + 3) * 4 = 25", "(2 + 3) * 4 = 25, but (2 + 3) * 4 is 20"),
        ("2^10 = 1000", "2^10 = 1000, but 2^10 is 1024"),
        ("1,200 + 350 = 1,540", "1,200 + 350 = 1,540, but 1,200 + 350 is 1550"),
        ("3 + 4 = 7 = 5 + 1", "7 = 5 + 1, but 5 + 1 is 6"),
        ("8 = 3 + 4", "8 = 3 + 4, but 3 + 4 is 7"),
        ("一共有 3 + 5 = 9。", "3 + 5 = 9, but 3 + 5 is 8"),
        ("所以：6 × 7＝48", "6 × 7 = 48, but 6 × 7 is 42"),
        ("First: 3 - 5 = -3", "3 - 5 = -3, but 3 - 5 is -2"),
        ("2 + 2 = 4\n3 + 3 = 7", "3 + 3 = 7, but 3 + 3 is 6"),
        ("10 / 3 = 3.34", None),  # rounded up
        ("10 / 3 = 3.3", None),
        ("10 / 3 = 3", None),
        ("7 / 2 = 3", None),
        ("10 / 3 = 3.4", None),
        ("10 / 3 = 3.5", "10 / 3 = 3.5, but 10 / 3 is 3.33333"),
        ("2 + 2 = 4", None),
        ("0.1 + 0.2 = 0.3", None),
        ("2 + 3 * 4 = 14", None),
        ("1/2 = 2/4", None),
        ("2**3 + 2**3 = 16", None),
        ("5 - 3 = 2 and 2 + 2 = 4", None),
    ],
)
def test_equations(text: str, wrong: str | None) -> None:
    assert first_wrong(text) == wrong
    assert judge(text) == ("wrong_arithmetic" if wrong else None)
    assert judge(text, wrong_arithmetic=False) is None


@pytest.mark.parametrize(
    "text",
    [
        "x + 2 = 5",
        "2x + 3 = 8",
        "f(3) + 2 = 12",
        "half of 10 + 2 = 7",
        "log 100 + 1 = 3",
        "6 + 6 = 1 dozen",
        "500 g + 500 g = 1 kg",
        "$5 + $3 = $9",
        "20% + 5 = 30",
        "50 / 200 = 25%",
        "50 / 200 = 25",
        "9 + 5 = 2 (mod 12)",
        "1010 + 101 = 1111",
        "1 + 1 = 1",
        "007 + 1 = 9",
        "2024-01-15 = 3",
        "90-100 = 4",
        "80 – 89 = 3.0",
        "if a == 2 + 2: b = 3",
        "2 + 2 != 5, 2 + 2 >= 3",
        "`2 + 2 = 5`",
        "```\n2 + 2 = 5\n```",
        "1,2 + 3,4 = 5",
        "1.2.3 + 1 = 2",
        "5! + 1 = 6",
        "2 + 2 ≈ 5",
        "H2 + O = 3",
        "3 + 4 = 8 apples",
        "3 / 0 = 1",
        "2 ^ 999999 = 3",
        "9" * 50 + " + 1 = 3",
        "(" * 1500 + "1 + 1 = 3",
        "= = 2 + 2 = ",
    ],
)
def test_what_cannot_be_checked_is_passed_over(text: str) -> None:
    assert first_wrong(text) is None


def test_a_task_with_a_wrong_equation_of_its_own_is_passed_over() -> None:
    assert judge("2 + 3 = 10\n8 + 4 = 96", "If 2 + 3 = 10, 7 + 2 = 63, what is 8 + 4?") is None
    assert judge("2 + 2 = 5", "Which of these is wrong?", "2 + 2 = 5, 1 + 2 = 3") is None


numbers = st.integers(2, 10**6)


@given(numbers, numbers, st.sampled_from("+-*"), st.integers(-5, 5))
def test_an_equation_of_whole_numbers_must_hold_exactly(a: int, b: int, operator: str, off: int) -> None:
    result = {"+": a + b, "-": a - b, "*": a * b}[operator] + off
    range_like = operator == "-" and a < b and result >= 0
    binary = all(set(str(n)) <= set("01") for n in (a, b, abs(result)))
    percent = result == 100 * (result - off)
    wrong = first_wrong(f"So {a} {operator} {b} = {result}.")
    assert (wrong is not None) == (off != 0 and not range_like and not binary and not percent)


# --- all together ------------------------------------------------------------------------------------


def test_every_check_has_a_key_of_its_name_that_is_on() -> None:
    settings = rules_of(RunConfig.parse({"seeds": "-", "run_dir": "-"}))
    assert all(getattr(settings, name) is True for name in ANSWER_CHECKS)
    assert all(build().__doc__ for build in ANSWER_CHECKS.values())


@pytest.mark.parametrize(("name", "language"), [("en", "en"), ("zh", "zh"), ("demo", "en")])
def test_all_shipped_seeds_pass_every_check(name: str, language: str) -> None:
    filters = {
        "languages": [language],
        "answer_languages": ["en", "zh", "es", "fr", "de", "pt", "it"],
        "personal_data": "refuse",
    }
    checks = build_checks(RunConfig.parse({"seeds": "-", "run_dir": "-", "language": language, "filters": filters}))
    for task in load_seeds(str(SEEDS / f"{name}.jsonl")):
        pairs = [(instance.input, instance.output) for instance in task.instances]
        kept, refused = keep(pairs, instruction=task.instruction, checks=checks)
        assert kept == pairs, (task.id, refused)


@given(
    st.text(
        alphabet=st.one_of(st.sampled_from("`~#<|>[]/s=+-*^().,;:\n 0123456789aT作为"), st.characters()), max_size=200
    )
)
def test_no_text_breaks_a_check(text: str) -> None:
    judge(text or "x", text)


def test_a_hostile_answer_takes_no_time_that_grows_with_its_square() -> None:
    """Nothing is timed: at this length, anything of that kind would not come to an end."""
    pieces = ("```a\n", "`", "~", "\n", "Instruction:\n", "# ", "2 + ", "= ", "(", "ab ", "</s> ", "- ", "...", "3,")
    for piece in pieces:
        judge(piece * (500_000 // len(piece)) + "x")
