"""Agreement among the answers to an open task: the one that is most like the others is the likeliest to be right.

After self-consistency (Wang et al. 2022, arXiv 2203.11171), with ROUGE-L in place of equal final answers. A task whose
answers have nothing in common is one that the teacher can't answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.records import Response
from ..core.tasks import Verdict
from ..novelty import NoveltyIndex

MARK = "agreement"


def with_agreement(responses: Sequence[Response], least: float) -> list[Response]:
    """Mark each response that passed with its mean ROUGE-L F, 0 to 1, to the others that passed.

    A mark below `least` is an objection, 'no_agreement', and so is a response that is the only one.
    """
    passed = [each for each in responses if each.passed]
    index = NoveltyIndex(1.0)
    for number, each in enumerate(passed):
        index.admit(str(number), each.text)

    def marked(response: Response) -> Response:
        if not response.passed:
            return response
        if len(passed) < 2:
            return replace(response, verdicts={MARK: Verdict("no_agreement", "no other answer passed the checks")})
        # The mean with all of them, without the response itself, which scores 1.
        mean = (index.most_similar(response.text, 1).mean * len(passed) - 1.0) / (len(passed) - 1)
        mark = round(mean, 4)
        verdicts = dict(response.verdicts)
        if mark < least:
            verdicts[MARK] = Verdict("no_agreement", f"mean ROUGE-L {mark:.2f}, at least {least:g}", score=mark)
        return replace(response, verdicts=verdicts, marks={MARK: mark})

    return [marked(each) for each in responses]
