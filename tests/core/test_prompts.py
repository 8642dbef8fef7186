"""Only an answer that is known to be whole counts as whole."""

from __future__ import annotations

import pytest

from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, ending_of

REASONS = {
    "complete": """stop STOP FinishReason.STOP FINISH_REASON_STOP REASON_STOP eos EOS_TOKEN eosFound stopStringFound
        end_turn stop_sequence STOP_SEQUENCE tool_calls tool-calls toolCalls function_call tool_use completed COMPLETE
        done word normal ALTERNATIVE_STATUS_FINAL""".split(),
    "length": """length LENGTH max_tokens MAX_TOKENS FinishReason.MAX_TOKENS FINISH_REASON_MAX_TOKENS max_output_tokens
        REASON_MAX_LEN REASON_MAX_CONTEXT model_length limit maxPredictedTokensReached contextLengthReached incomplete
        model_context_window_exceeded ALTERNATIVE_STATUS_TRUNCATED_FINAL""".split(),
    "filter": """content_filter content-filter CONTENT_FILTER content_filtered SAFETY FinishReason.SAFETY IMAGE_SAFETY
        RECITATION BLOCKLIST blacklist PROHIBITED_CONTENT SPII sensitive refusal guardrail_intervened MODEL_ARMOR
        ERROR_TOXIC ALTERNATIVE_STATUS_CONTENT_FILTER content_filter:RECITATION content_filter:OTHER""".split(),
    "error": ["error", "ERROR", "failed"],
    "unknown": """abort network_error insufficient_system_resource pause_turn OTHER LANGUAGE MALFORMED_FUNCTION_CALL
        load FINISH_REASON_UNSPECIFIED userStopped modelUnloaded timeout time_limit null None brand_new
        function_call_filter:MALFORMED_FUNCTION_CALL""".split(),
}


@pytest.mark.parametrize("ending", REASONS)
def test_what_a_finish_reason_means(ending: str) -> None:
    reasons = [*REASONS[ending], *(reason.replace(":", ": ") for reason in REASONS[ending])]
    assert {reason: ending_of(reason) for reason in reasons} == dict.fromkeys(reasons, ending)
    assert {Completion("text", reason).truncated for reason in reasons} == {ending != "complete"}


def test_a_sample_is_part_of_the_key_and_not_of_the_digest() -> None:
    prompts = [Prompt("answer", (Message("user", "Why?"),), Sampling(), sample=k) for k in (0, 1, 12)]
    digest = prompts[0].digest()
    assert [prompt.digest() for prompt in prompts] == [digest] * 3
    assert [prompt.key for prompt in prompts] == [f"d:{digest}", f"d:{digest}.1", f"d:{digest}.12"]
