"""What a card says whatever the run: the methods, how they are cited, what teachers get wrong, what is not checked."""

from __future__ import annotations

METHODS = {
    "alpaca": "Stanford Alpaca's way of asking (Taori et al. 2023): one question brings whole tasks.",
    "self_instruct": "Self-Instruct (Wang et al. 2022, arXiv 2212.10560): instructions, then is it a classification, "
    "then instances.",
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
- Instructions, inputs and outputs are a model's. It makes up facts, names and sources, and calculates wrongly; it
  does so in the same fluent tone as when it is right.
- The teacher's stereotypes, gaps and habits of style are in the data, and a model trained on it takes them over.
- What the teacher knows ends at some date. Nothing here was brought up to date.
- Novelty is a matter of wording: two tasks that ask for the same thing in other words may both be here.
- A teacher can repeat texts that it was trained on, rights of others and personal data included."""
TERMS = """\
What follows are published terms in the program's words, as read on the dates given. Terms change, and this is no legal
advice: read them before you publish or train."""
