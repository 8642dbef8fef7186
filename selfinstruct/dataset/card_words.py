"""The fixed texts of a dataset's card, and how other texts are written so that they can't act as markup."""

from __future__ import annotations

import json

METHODS = {
    "alpaca": "The method of Stanford Alpaca (Taori et al. 2023): each answer contains complete tasks.",
    "self_instruct": "Self-Instruct (Wang et al. 2022, arXiv 2212.10560): first instructions, then for each whether it "
    "is a classification task, then its instances.",
    "evolve": "Evol-Instruct (Xu et al. 2023, arXiv 2304.12244): tasks are rewritten to harder and to rarer ones.",
    "plan": "After CoT-Self-Instruct (Yu et al. 2025, arXiv 2507.23751): each task follows an analysis and a plan.",
    "magpie": "Magpie (Xu et al. 2024, arXiv 2406.08464): the model continues its chat template with what a user says.",
    "verifiable": "A program draws each task and knows the right answer; answers that it finds wrong are rejected.",
}
CITATIONS = {
    "self_instruct": """@article{wang2022selfinstruct,
  title = {Self-Instruct: Aligning Language Models with Self-Generated Instructions},
  author = {Wang, Yizhong and Kordi, Yeganeh and Mishra, Swaroop and Liu, Alisa and Smith, Noah A. and
            Khashabi, Daniel and Hajishirzi, Hannaneh},
  journal = {arXiv preprint arXiv:2212.10560}, year = {2022}}""",
    "alpaca": """@misc{taori2023alpaca,
  title = {Stanford Alpaca: An Instruction-following LLaMA model},
  author = {Taori, Rohan and Gulrajani, Ishaan and Zhang, Tianyi and Dubois, Yann and Li, Xuechen and
            Guestrin, Carlos and Liang, Percy and Hashimoto, Tatsunori B.},
  year = {2023}, howpublished = {https://github.com/tatsu-lab/stanford_alpaca}}""",
    "rouge": """@inproceedings{lin2004rouge,
  title = {ROUGE: A Package for Automatic Evaluation of Summaries},
  author = {Lin, Chin-Yew}, booktitle = {Text Summarization Branches Out}, year = {2004}}""",
}
RISKS = """\
- A model wrote the instructions, inputs and outputs. Models invent facts, names and sources, and make arithmetic
  errors, in the same fluent tone as correct statements.
- The data reflects the teacher's stereotypes, knowledge gaps and style, and a model trained on it adopts them.
- The teacher's knowledge ends at its training cutoff.
- Novelty is measured by wording: the dataset may contain two tasks that ask for the same thing in different words.
- A teacher can repeat texts from its training data, including copyrighted texts and personal data."""
TERMS = """\
The following statements summarize published terms as of the dates given. Terms change, and this is not legal advice:
read the terms before you publish or train."""


def indented_code(text: str) -> str:
    """Format a text as indented code, in which nothing acts as markup."""
    return "\n".join(f"    {escape(line)}" if line else "" for line in text.split("\n")).rstrip()


def escape_cell(text: str) -> str:
    """Escape a text for a cell of a table, where nothing in it can act as markup."""
    return escape(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;").replace("`", "'")


def escape(text: str) -> str:
    """Escape line breaks and unprintable characters like JSON does, so that JSON still decodes to the same text."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
