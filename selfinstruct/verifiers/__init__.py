"""Compare an answer with what a program knows about it; a model's opinion never decides.

A verifier is a function `async verify(expected, answer, run)`, which returns PASS, or a verdict that says in one line
why the answer is wrong. It is deterministic, and accepts any text as an answer.
"""
