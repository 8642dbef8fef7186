"""Dialogues: planned, then written turn by turn; what the user side writes is read with care."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings, strategies as st

from selfinstruct.core.language_tags import OWN
from selfinstruct.core.prompts import Asking, Completion, Endpoint, Message, Prompt
from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Verdict
from selfinstruct.generate.dialogue import Dialogue, UserSimulator, converse, is_farewell

FIRST = Example.of("How do I keep basil alive indoors?", "", Response("Give it light and water it from below."))
REFUSED = Verdict("cut_off", "ends in 'the'")
PLAN = "1. asks how much light\n2. says that the plant is mint\n3. asks for a schedule\n4. asks about a cat"
TURNS = ("How many hours of light?", "Sorry, it is mint.", "Can you write me a plan?", "My cat sleeps all day; why?")


class Script:
    """Both sides of a dialogue, scripted; keeps what each was shown.

    Args:
        users: The user's messages in order, as text or as completions; the last one repeats.
        plan: The answer to the plan.
        answers: The assistant's answers; None for one that fails the checks. At the end, numbered ones.
    """

    def __init__(
        self,
        users: Sequence[str | Completion] = TURNS,
        plan: str | Completion = PLAN,
        answers: Sequence[str | None] = (),
    ) -> None:
        self._users, self._plan, self._answers = users, plan, answers
        self.asked: list[Prompt] = []
        self.responded: list[tuple[Message, ...]] = []

    async def ask(self, prompt: Prompt) -> Completion:
        self.asked.append(prompt)
        turn = [each.purpose for each in self.asked].count("user") - 1
        said = self._plan if prompt.purpose == "plan" else self._users[min(turn, len(self._users) - 1)]
        return said if isinstance(said, Completion) else Completion(said)

    async def respond(self, messages: tuple[Message, ...]) -> Example | Verdict:
        at = len(self.responded)
        self.responded.append(messages)
        text = self._answers[at] if at < len(self._answers) else f"Answer number {at + 1}."
        return REFUSED if text is None else Example(messages, (Response(text),), "")


def talk(script: Script, turns: int = 4, seed: str = "0", simulator: UserSimulator | None = None) -> Dialogue:
    simulator = simulator or UserSimulator()
    return asyncio.run(converse(FIRST, turns, random.Random(seed), script.ask, script.respond, simulator))


def said_by_user(dialogue: Dialogue) -> list[str]:
    return [message.content for message in dialogue.example.messages if message.role == "user"]


# --- the course of a dialogue -------------------------------------------------------------------


def test_a_dialogue_has_the_planned_turns_and_the_last_answer_is_its_response() -> None:
    script = Script()
    dialogue = talk(script, turns=4)
    assert dialogue.ended is None
    assert said_by_user(dialogue) == ["How do I keep basil alive indoors?", *TURNS[:3]]
    assert [message.role for message in dialogue.example.messages] == ["user", "assistant"] * 3 + ["user"]
    assert dialogue.example.messages[1] == Message("assistant", "Give it light and water it from below.")
    assert dialogue.example.output == "Answer number 3."
    assert dialogue.example.input is None


def test_a_dialogue_of_k_turns_takes_one_plan_and_two_requests_per_further_turn() -> None:
    script = Script()
    talk(script, turns=4)
    assert Counter(prompt.purpose for prompt in script.asked) == {"plan": 1, "user": 3}
    assert len(script.responded) == 3


def test_the_assistant_sees_the_conversation_alone() -> None:
    script = Script()
    talk(script, turns=3)
    assert [len(messages) for messages in script.responded] == [3, 5]
    shown = " ".join(message.content for messages in script.responded for message in messages)
    assert all(message.role != "system" for messages in script.responded for message in messages)
    assert "asks how much light" not in shown


def test_the_user_side_sees_the_conversation_and_the_note_of_its_own_turn() -> None:
    script = Script()
    talk(script, turns=3)
    plan, first, second = script.asked
    assert "User: How do I keep basil alive indoors?\n\nAssistant: Give it light" in plan.messages[-1].content
    assert "asks how much light" in first.messages[-1].content
    assert "says that the plant is mint" not in first.messages[-1].content
    assert "User: How many hours of light?\n\nAssistant: Answer number 1." in second.messages[-1].content
    assert "says that the plant is mint" in second.messages[-1].content


@pytest.mark.parametrize("plan", ["", "I can't plan this.", "1. asks how much light"])
def test_without_a_note_the_intent_alone_says_what_to_ask(plan: str) -> None:
    script = Script(plan=plan)
    assert talk(script).ended is None
    last = script.asked[-1].messages[-1].content
    assert any(f"next message: {text}\n" in last for text in UserSimulator()._words["intents"].values())


def test_a_failed_plan_leaves_the_first_turn() -> None:
    dialogue = talk(Script(plan=Completion("", error="timeout: 60 s", failed=True)))
    assert dialogue == Dialogue(FIRST, "timeout: 60 s")


def test_a_failed_turn_ends_the_dialogue_before_it() -> None:
    dialogue = talk(Script([TURNS[0], Completion("", error="content_filter: violence")]))
    assert said_by_user(dialogue)[1:] == [TURNS[0]]
    assert dialogue.example.output == "Answer number 1."
    assert dialogue.ended == "content_filter: violence"


def test_a_turn_that_no_answer_passes_is_left_out() -> None:
    dialogue = talk(Script(answers=["Six hours.", None]))
    assert said_by_user(dialogue)[1:] == [TURNS[0]]
    assert dialogue.example.output == "Six hours."
    assert dialogue.ended == "cut_off: ends in 'the'"


# --- intents ------------------------------------------------------------------------------------


def test_intents_vary_and_nothing_is_referred_back_to_at_first() -> None:
    simulator = UserSimulator()
    drawn = [simulator.draw_intents(6, random.Random(f"7:{task}")) for task in range(300)]
    assert all(intents[0] != "refer_back" for intents in drawn)
    assert all(len(set(intents[at : at + 4])) == 4 for intents in drawn for at in range(3))
    counts = Counter(intent for intents in drawn for intent in intents)
    assert set(counts) == {"follow_up", "correct", "more", "change_subject", "refer_back"}
    assert min(counts.values()) > 0.14 * sum(counts.values())


def test_the_seed_of_the_task_decides_the_intents() -> None:
    scripts = [Script() for _ in range(3)]
    for script, seed in zip(scripts, ("0:1", "0:1", "0:2"), strict=True):
        talk(script, seed=seed)
    assert scripts[0].asked == scripts[1].asked
    assert scripts[0].asked != scripts[2].asked


# --- the user's messages ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        "User: How many hours of light?",
        "**User:** How many hours of light?",
        "### Human: How many hours of light?",
        "用户：How many hours of light?",
        '"How many hours of light?"',
        "“How many hours of light?”",
        "User: “How many hours of light?”",
        "How many hours of light?<|im_end|>",
        "<|im_start|>user\nHow many hours of light?<|im_end|>",
        "How many hours of light?\n\nAssistant: Six hours a day.",
        "How many hours of light?\n**Assistant:** Six.\n**User:** Thanks!",
        "How many hours of light?\n\nUser: How many?",
        "  \nHow many hours of light?\n",
    ],
)
def test_unmistakable_markup_is_removed(raw: str) -> None:
    assert said_by_user(talk(Script([raw]), turns=2))[1:] == ["How many hours of light?"]


@pytest.mark.parametrize(
    "raw",
    [
        "Thanks! And how many hours of light?",
        "Thanks for the list, now sort it by price.",
        "Perfect, add a column with the price.",
        "Yes.",
        "OK, go on.",
        "Sure, use Python 3.",
        "Sorry, I can't open the page that you named. Is there another one?",
        "Unfortunately I cannot eat nuts. What else goes with it?",
        "I'm sorry, but I meant the mint, not the basil.",
        "Here's the text:\n\nuser_id: 7\nassistant_id: 9",
        "Here is an example of what I mean: a pot of 12 cm.",
        'What does "the end" mean here?',
        "Please explain x[end] in MATLAB.",
        "谢谢，那要多少小时的光照？",
        "好的，请继续。",
        "Can I use **bold** and 'quotes' here?",
        "Thanks. Now list three more.",
        "Danke. Jetzt bitte noch drei weitere.",
        "Gracias, ahora hazlo en inglés.",
        "Merci, mais en plus court.",
        "Grazie, ma più breve.",
        "Obrigado, agora em inglês.",
        "Спасибо, а теперь покороче.",
        "ありがとうございます。もう一つ例をください。",
        "Más preguntas.",
        "I will try it with rice, so adapt the recipe.",
        "(How about mint?)",
        "[1, 2, 3]",
        "Write [DONE] after each finished item.",
        "I am an AI researcher; does this change?",
        "As an AI engineer, I would like to know more",
        "As an AI model trainer, what do I change?",
        "You are welcome to use metric units, but also give cups.",
        "Sure, here are the details: two adults and a child.",
        "Certainly I can do that, but how?",
        "Can you rewrite this?\nUser: hi\nAssistant: hello",
        "Make this answer shorter:\n\nAssistant: Well, hello there!",
    ],
)
def test_a_user_may_say(raw: str) -> None:
    assert said_by_user(talk(Script([raw]), turns=2))[1:] == [raw]


@pytest.mark.parametrize(
    "raw",
    [
        "[END]",
        "[END].",
        "**[END]**",
        "End.",
        "【END】",
        "Thank you, I will try that with my own plant. [END]",
        "User: [END]",
        "Thanks!",
        "That's all, bye",
        "Great, thanks! That's all for today.",
        "Thank you so much for the detailed explanation! It was very helpful. 😊",
        "Got it, thank you. Have a great day!",
        "Perfect — I’ll try that. Goodbye!",
        "No more questions from me. Take care!",
        "谢谢！",
        "太好了，非常感谢您的帮助，再见！",
        "好的，明白了，谢谢你的详细解答。",
        "[ENDE]",
        "**[FIN]**",
        "User: [DONE]",
        "[END OF CONVERSATION]",
        "[Fin de la conversation]",
        "<DONE>",
        "[结束]",
        "[結束]",
        "[終了]",
        "（完）",
        "没有了",
        "Danke! [ENDE]",
        "谢谢，再见 [结束]",
        "Thanks, that answers everything!",
        "I think that's everything. Thanks!",
        "Okay, I think I have everything I need now. Thanks again!",
        "Great, I will give it a try this weekend.",
        "Thanks, I'll try that and let you know how it goes.",
        "Thanks, I think that covers it.",
        "This was exactly what I was looking for.",
        "Appreciate the help!",
        "Good night!",
        "Danke, das war alles!",
        "Super, vielen Dank! Ich habe keine weiteren Fragen.",
        "Gracias, eso es todo. ¡Adiós!",
        "Merci beaucoup, au revoir !",
        "Non, c'est tout, merci.",
        "Grazie mille!",
        "Perfetto, grazie mille per la spiegazione. Ciao!",
        "Obrigado, é tudo.",
        "Não tenho mais dúvidas, obrigada.",
        "Спасибо, это всё.",
        "Больше вопросов нет, спасибо.",
        "ありがとうございました。",
        "はい、わかりました。ありがとうございます。",
    ],
)
def test_a_user_with_nothing_left_to_ask_ends_the_dialogue_before_that_turn(raw: str) -> None:
    dialogue = talk(Script([TURNS[0], raw]))
    assert said_by_user(dialogue)[1:] == [TURNS[0]]
    assert (dialogue.ended or "").startswith("nothing_left")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "empty_turn"),
        (" \n\t", "empty_turn"),
        ("User:", "empty_turn"),
        ('""', "empty_turn"),
        ("...", "empty_turn"),
        ("\x00", "empty_turn"),
        ("how many HOURS of light", "repeated_turn"),
        ("How do I keep basil alive indoors?", "repeated_turn"),
        ("Answer number 1.", "repeated_turn"),
        ("Sure! Here is a schedule for your mint: ...", "not_the_user"),
        ("As an AI language model, I can't water plants.", "not_the_user"),
        ("I'd be happy to help with that!", "not_the_user"),
        ("Six hours a day. Is there anything else I can help you with?", "not_the_user"),
        ("You're welcome! Enjoy the basil.", "not_the_user"),
        ("当然可以！以下是一个计划。", "not_the_user"),
        ("I’m sorry, but I can’t assist with that.", "not_the_user"),
        ("Sorry, I cannot continue this conversation.", "not_the_user"),
        ("很抱歉，我无法扮演用户。", "not_the_user"),
        ("How long?<|im_end|>\n<|im_start|>assistant\nSix hours.", "not_the_user"),
        (Completion("How many hours of light does it", finish_reason="length"), "turn_cut_off"),
    ],
)
def test_a_turn_that_cant_be_cleaned_ends_the_dialogue_before_it(raw: str | Completion, reason: str) -> None:
    dialogue = talk(Script([TURNS[0], raw]))
    assert said_by_user(dialogue)[1:] == [TURNS[0]]
    assert (dialogue.ended or "").partition(":")[0] == reason


# --- properties ---------------------------------------------------------------------------------

MARKUP = ("User:", "Assistant:", "[END]", '"', "“", "<|im_end|>", "</s>", "\n\n", "\n", "1.", "- ", "**", "```", " ")
WORDS = ("How long?", "Why?", "Thanks!", "Bye.", "As an AI", "好的", "谢谢", "？", "\x00", "\ud800", "{conversation}")
PIECES = st.sampled_from(MARKUP + WORDS)
GARBAGE = st.lists(PIECES | st.text(max_size=12), max_size=6).map("".join)
FINISHES = st.sampled_from(["stop", "stop", "length", "content_filter"])
ERRORS = st.sampled_from([None, None, None, "timeout: 60 s"])
COMPLETIONS = st.builds(lambda text, finish, error: Completion(text, finish, error=error), GARBAGE, FINISHES, ERRORS)


@settings(deadline=None)
@given(
    users=st.lists(COMPLETIONS, min_size=1, max_size=6),
    plan=COMPLETIONS,
    answers=st.lists(st.none() | GARBAGE.filter(str.strip), max_size=5),
    turns=st.integers(2, 7),
    language=st.sampled_from([*OWN, "any"]),
    endpoint=st.sampled_from(["chat", "completions"]),
)
@example([Completion("[END]")], Completion(""), [], 2, "en", "completions")
def test_whatever_the_models_write_roles_alternate_and_no_turn_is_empty_or_repeated(
    users: list[Completion],
    plan: Completion,
    answers: list[str | None],
    turns: int,
    language: str,
    endpoint: Endpoint,
) -> None:
    dialogues = []
    for _ in range(2):
        script = Script(users, plan, answers)
        dialogues.append(talk(script, turns, simulator=UserSimulator(language, Asking.over(endpoint))))
        assert all(messages[-1].role == "user" for messages in script.responded)
    assert dialogues[0] == dialogues[1]  # the same answers give the same dialogue
    messages = dialogues[0].example.messages
    assert len(messages) % 2 == 1
    assert [message.role for message in messages] == [("user", "assistant")[at % 2] for at in range(len(messages))]
    assert all(message.content.strip() for message in messages)
    users_said = [message.content for message in messages if message.role == "user"]
    assert len(set(users_said)) == len(users_said) <= turns
    assert (dialogues[0].ended is None) == (len(users_said) == turns)
    assert not any("[END]" in text and is_farewell(text) for text in users_said)


@pytest.mark.parametrize("piece", ["User: ", "[END] ", "how can i help ", "thanks so much ", "<s>", "\n", '"', "sure "])
def test_a_hostile_message_is_read_in_time(piece: str) -> None:
    started = time.perf_counter()
    UserSimulator().read_turn(Completion(piece * 50_000), [Message("user", "Why?")])
    assert time.perf_counter() - started < 3


# --- wording ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", OWN)
def test_labels_and_assistant_voice_are_recognized_in_the_language(language: str) -> None:
    simulator = UserSimulator(language)
    user, assistant = (simulator._words[role] for role in ("user", "assistant"))
    blank = "\u00a0" if language == "fr" else " "
    for text in (f"{user}: Basil?\n\n{assistant}: Yes.", f"**{user}**{blank}：Basil?\n{assistant}{blank}: Yes."):
        assert simulator.read_turn(Completion(text), FIRST.messages) == ("Basil?", None)
    for text in VOICES[language]:
        assert simulator.read_turn(Completion(text), FIRST.messages)[1] == f"not_the_user: {text[:80]}"
    for text in USERS[language]:
        assert simulator.read_turn(Completion(text), FIRST.messages) == (text, None)


VOICES = {
    "en": ["Sure! Here is how you water it.", "How can I help you today?"],
    "zh": ["当然，以下是浇水的方法。", "还有什么可以帮您的吗？"],
    "de": ["Gerne! Hier sind drei Tipps.", "Als KI-Modell habe ich keine Pflanzen.", "Wie kann ich Ihnen weiterhelfen?",
           "Leider kann ich dir dabei nicht helfen.", "Ich hoffe, das hilft."],
    "fr": ["Bien sûr, voici trois conseils.", "En tant qu'IA, je n'ai pas de plantes.", "Comment puis-je vous aider ?",
           "Désolé, je ne peux pas répondre à cette question.", "N'hésitez pas si vous avez d'autres questions."],
    "es": ["¡Claro! Aquí tienes tres consejos.", "Como modelo de lenguaje, no tengo plantas.",
           "Espero que esto te ayude.", "Lo siento, no puedo ayudar con eso.", "¿En qué puedo ayudarte?"],
    "ja": ["もちろんです。以下に三つ挙げます。", "AIアシスタントなので、植物は持っていません。",
           "ほかにご質問はありますか？", "申し訳ありませんが、その件にはお答えできません。",
           "お役に立てれば幸いです。"],
}  # fmt: skip
USERS: dict[str, list[str]] = {
    "en": ["Sure, but here's my problem: it has no light."],
    "zh": ["当然可以，不过我的阳台朝北，怎么办？"],
    "de": ["Gerne, aber mein Balkon liegt im Norden. Was dann?",
           "Leider kann ich nicht jeden Tag gießen. Geht das auch?",
           "Als Anfänger habe ich nur ein Fensterbrett. Reicht das?"],
    "fr": ["Bien sûr, mais mon balcon est au nord. Que faire ?",
           "Malheureusement, je ne peux pas arroser tous les jours."],
    "es": ["Claro, pero mi balcón da al norte. ¿Qué hago?", "Lo siento, no puedo regarla cada día. ¿Pasa algo?"],
    "ja": ["もちろん水はやっていますが、葉が黄色いです。なぜですか。",
           "すみませんが、北向きの窓しかありません。大丈夫でしょうか。"],
}  # fmt: skip


def test_a_completions_endpoint_gets_a_text_that_it_continues() -> None:
    script = Script([" How many hours of light?\nAssistant: Six."], plan=" asks how much light\n2. says it is mint")
    dialogue = talk(script, turns=3, simulator=UserSimulator("en", Asking.over("completions")))
    assert said_by_user(dialogue)[1:] == ["How many hours of light?"]
    plan, turn, _ = script.asked
    assert plan.endpoint == turn.endpoint == "completions"
    assert plan.text.endswith("\n1.")
    assert "\n3." in (plan.sampling.stop or ())
    assert turn.text.endswith("(asks how much light))\nUser:")
    assert "\nAssistant" in (turn.sampling.stop or ())


def test_an_answer_is_asked_of_a_completions_endpoint_without_the_plan() -> None:
    messages = (Message("user", "Why?"), Message("assistant", "Because."), Message("user", "Since when?"))
    text, stop = UserSimulator().cue(messages)
    assert text.endswith("User: Why?\n\nAssistant: Because.\n\nUser: Since when?\n\nAssistant:")
    assert stop == "\nUser"
    assert UserSimulator("zh").cue(messages)[0].endswith("用户：Since when?\n\n助手：")


def test_a_message_with_the_name_of_a_placeholder_is_shown_as_it_is() -> None:
    script = Script(["What does {plan} mean in {conversation}?"])
    talk(script, turns=3)
    assert script.asked[-1].text.count("What does {plan} mean in {conversation}?") == 1
