"""`rouge-score`, the published ROUGE-L, as the reference that `dedup --verify` and `explain` check scores with."""

from __future__ import annotations

from ..core.tokens import is_ascii_lettered, tokenize


class Reference:
    """Scores texts as `rouge-score` does, without its stemmer. The first one takes a moment: it imports nltk."""

    def __init__(self) -> None:
        from rouge_score.rouge_scorer import RougeScorer
        from rouge_score.tokenizers import DefaultTokenizer

        self._own = DefaultTokenizer(use_stemmer=False)
        self._scorer = RougeScorer(["rougeL"], tokenizer=self)

    def tokens(self, text: str) -> list[str]:
        """Return rouge-score's tokens, or ours if a letter is outside ASCII, because rouge-score drops it."""
        return list(self._own.tokenize(text)) if is_ascii_lettered(text) else tokenize(text)

    def tokenize(self, tokens: list[str]) -> list[str]:
        """Return `tokens`: `RougeScorer` calls this with what `score` is given, which is in tokens already."""
        return tokens

    def score(self, left: list[str], right: list[str]) -> float:
        """Return F of two texts in tokens."""
        return float(self._scorer.score(left, right)["rougeL"].fmeasure)

    def score_as_published(self, left: str, right: str) -> float:
        """Return F over rouge-score's own tokens, whatever the script."""
        return self.score(self._own.tokenize(left), self._own.tokenize(right))
