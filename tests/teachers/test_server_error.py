"""An error is read in every shape that servers use, and acted on by the status that it names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from selfinstruct.teachers.openai.server_error import ServerError, read_error

SLOW = "Rate limit exceeded: free-models-per-min"
NESTED = json.dumps({"error": {"code": 429, "message": SLOW}})
NGINX = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"
CLOUDFLARE = f"""<!DOCTYPE html>
<html lang="en-US"><head><title>api.example.com | 524: A timeout occurred</title></head>
<body><h1 class="inline-block"><span>A timeout occurred</span> <span>Error code 524</span></h1>
{"<p>The web server sent nothing in time.</p>" * 200}</body></html>"""
WITH_200: dict[str, tuple[Any, int, str]] = {
    "OpenRouter": ({"error": {"message": SLOW, "code": 429, "metadata": {}}, "user_id": "u"}, 429, SLOW),
    "code as text": ({"error": {"message": SLOW, "code": "429"}}, 429, SLOW),
    "a name": ({"error": {"message": "Slow down", "type": "rate_limit_error"}}, 429, "Slow down"),
    "words only": ({"error": {"message": "Too many requests, slow down"}}, 429, "Too many requests"),
    "text": ({"error": "Rate limit reached"}, 429, "Rate limit reached"),
    "Anthropic": ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 503, "Overloaded"),
    "Gemini": ([{"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}], 503, "Busy."),
    "FastAPI": ({"detail": "Model is overloaded"}, 503, "overloaded"),
    "FastAPI, list": (
        {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]},
        400,
        "body.mo",
    ),
    "vLLM": ({"object": "error", "message": "max length is 4096", "type": "BadRequestError", "code": 400}, 400, "4096"),
    "message": ({"message": "Internal server error"}, 500, "Internal"),
    "message and status": ({"status": 503, "message": "try later"}, 503, "try later"),
    "errors": ({"errors": [{"message": "Unauthorized"}], "success": False}, 401, "Unauthorized"),
    "nested text": ({"error": {"message": NESTED}}, 429, SLOW),
    "nested text after words": ({"error": {"message": f"Upstream: {NESTED}", "code": 500}}, 429, SLOW),
    "raw": ({"error": {"message": "Provider error", "code": 502, "metadata": {"raw": NESTED}}}, 429, SLOW),
    "written": ({"error": {"message": "Error code: 503 - {'error': 'no'}"}}, 503, "503"),
    "LM Studio": ({"error": "Unexpected endpoint or method. (POST /chat/completions)"}, 404, "Unexpected endpoint"),
    "MiniMax": ({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "limit"}}, 429, "limit"),
    "beside choices": ({"choices": [{"message": {}}], "error": {"code": 502, "message": "Gone"}}, 502, "Gone"),
    "a host": ({"error": "upstream host not found"}, 502, "host"),
    "a model": ({"error": "The model `m` does not exist"}, 404, "model"),
    "unknown": ({"error": {"message": "Oh dear"}}, 502, "Oh dear"),
    "a code only": ({"error": {"code": "invalid_api_key"}}, 401, "invalid_api_key"),
    "JSON text": ("Rate limit exceeded", 429, "Rate limit exceeded"),
    "plain text": ("Too Many Requests\n", 429, "Too Many Requests"),
    "Starlette": ("Internal Server Error", 500, "Internal Server Error"),
    "a gateway": ("Bad Gateway", 502, "Bad Gateway"),
    "a gateway that waited": ("Gateway Timeout", 504, "Gateway Timeout"),
    "unavailable": ("Service Unavailable\r\n", 503, "Service Unavailable"),
    "Go": ("404 page not found\n", 404, "404 page not found"),
    "Envoy": ("upstream connect error or disconnect/reset before headers", 502, "upstream connect error"),
    "Envoy, no host": ("no healthy upstream", 502, "no healthy upstream"),
    "Cloudflare, text": ("error code: 524", 524, "error code: 524"),
    "nginx": (NGINX.format("502 Bad Gateway"), 502, "502 Bad Gateway"),
    "nginx, time-out": (NGINX.format("504 Gateway Time-out"), 504, "504 Gateway Time-out"),
    "nginx, unavailable": (NGINX.format("503 Service Temporarily Unavailable"), 503, "503 Service Temporarily"),
    "nginx, no access": (NGINX.format("403 Forbidden"), 403, "403 Forbidden"),
    "Cloudflare": (CLOUDFLARE, 524, "api.example.com | 524: A timeout occurred"),
    "Varnish": (NGINX.format("Error 503 Backend fetch failed"), 503, "Error 503 Backend fetch failed"),
    "Tomcat": (NGINX.format("HTTP Status 500 - Internal Server Error"), 500, "HTTP Status 500"),
    "XML": ("<Error><Code>SlowDown</Code><Message>Please reduce.</Message></Error>", 429, "SlowDown Please reduce."),
    "an envelope": ({"code": 429, "msg": "too fast", "data": None}, 429, "too fast"),
    "empty choices": ({"choices": [], "error": {"message": "permission denied"}}, 403, "permission"),
}


@pytest.mark.parametrize("name", WITH_200)
def test_an_error_with_status_200(name: str) -> None:
    body, status, text = WITH_200[name]
    error = read_error(200, body)
    assert error is not None
    assert (error.status, error.http_status) == (status, status)
    assert text in error.text


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"message": {"content": "Rate limit"}}]},
        {"choices": [{}], "error": None},
        {"choices": [{}], "error": {}, "base_resp": {"status_code": 0, "status_msg": ""}},
        {"choices": [], "usage": {"prompt_tokens": 3}},
        {"id": "x", "object": "chat.completion", "type": "message"},
        {},
        [],
        None,
        "text",
        "<html>" + "A page on rate limits. " * 30,
        f"<html><title>Rate limits of our API</title><h1>50 models</h1>{'<p>Guide</p>' * 99}</html>",
        f"<html><title>Sign in</title>{'<p>Service unavailable? Error 503? Call us.</p>' * 99}</html>",
        {"code": 0, "msg": "success", "data": None},
        {"code": 200, "message": "OK", "data": {}},
        {"code": "success", "msg": "Success"},
        7,
    ],
)
def test_an_answer_and_a_body_without_an_error(body: Any) -> None:
    assert read_error(200, body) is None


def test_the_word_error_is_no_code() -> None:
    error = read_error(401, {"type": "error", "error": {"type": "error", "message": "invalid x-api-key"}})
    assert error is not None
    assert error.text == "invalid x-api-key"
    error = read_error(401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid key"}})
    assert error is not None
    assert error.text == "authentication_error: invalid key"


USED_UP: dict[str, tuple[int, Any]] = {
    "OpenAI": (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota."}}),
    "Moonshot": (429, {"error": {"message": "Your account is suspended", "type": "exceeded_current_quota_error"}}),
    "Z.AI": (429, {"error": {"code": "1113", "message": "No package."}}),
    "Z.AI, number": (429, {"error": {"code": 1113, "message": ""}}),
    "DeepSeek": (402, {"error": {"message": "Insufficient Balance"}}),
    "Anthropic": (
        400,
        {"error": {"type": "invalid_request_error", "message": "Your credit balance is too low to go on."}},
    ),
    "OpenRouter": (402, {"error": {"message": "This request requires more credits", "code": 402}}),
    "OpenRouter, 200": (200, {"error": {"message": "Insufficient credits", "code": 402}}),
    "xAI": (
        403,
        {"code": "no", "error": "Your team has either used all available credits or reached its spending limit."},
    ),
    "Together": (402, {"error": {"message": "Credit limit exceeded", "type": "credit_limit"}}),
    "Hugging Face": (402, {"error": "You have exceeded your monthly included credits"}),
    "Fireworks": (412, {"error": {"message": "Account x is suspended, possibly due to reaching the limit"}}),
    "DashScope": (400, {"error": {"code": "Arrearage", "message": "Access denied."}}),
    "SiliconFlow": (403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
    "MiniMax": (200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
    "one-api": (403, {"error": {"message": "user quota is not enough", "code": "insufficient_user_quota"}}),
    "Chinese": (429, {"error": {"message": "账户余额不足，请充值"}}),
    "payment": (429, {"error": {"code": "insufficient_balance", "type": "payment_required", "message": "no credit"}}),
    "billing": (429, {"error": {"code": "billing_hard_limit_reached", "message": "No."}}),
    "Cohere": (
        429,
        {"message": "You are using a Trial key, which is limited to 1000 API calls / month. Upgrade to continue."},
    ),
    "OpenRouter, per day": (429, {"error": {"message": "Rate limit exceeded: free-models-per-day", "code": 429}}),
    "Gemini, per day": (
        429,
        {
            "error": {
                "code": 429,
                "message": "You exceeded your current quota. Quota exceeded: x/free_tier_requests, limit: 250",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}],
            }
        },
    ),
    "as 500": (500, {"error": {"message": "upstream: insufficient_quota"}}),
}


@pytest.mark.parametrize("name", USED_UP)
def test_a_used_up_account_whatever_the_status(name: str) -> None:
    status, body = USED_UP[name]
    error = read_error(status, body)
    assert error is not None
    assert error.status == 402
    assert error.http_status == (status if status >= 400 else 402)


@pytest.mark.parametrize(
    ("message", "more"),
    [
        (
            "Rate limit reached for m: Limit 3, Used 3. You can add a payment method at https://x.org/account/billing.",
            {},
        ),
        (
            "You exceeded your current quota, please check your plan and billing details. Please retry in 38.9s.",
            {"status": "RESOURCE_EXHAUSTED"},
        ),
        (
            "You exceeded your current quota. Quota exceeded for metric: x/free_tier_requests, limit: 10",
            {
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]}],
            },
        ),
        ("Trial keys are limited to 40 API calls / minute, and 1000 API calls / month.", {}),
        ("Requests have exceeded the token rate limit of your pricing tier. Please retry after 7 seconds.", {}),
    ],
)
def test_a_limit_per_minute_is_no_used_up_account(message: str, more: dict[str, Any]) -> None:
    error = read_error(429, [{"error": {"code": 429, "message": message} | more}])
    assert error is not None
    assert error.status == 429


@pytest.mark.parametrize(
    ("message", "duration"),
    [
        ("Please try again in 1.2s. Visit x.", "1.2s"),
        ("Please try again in 7m12.5s.", "7m12.5s"),
        ("Please retry in 38.9s.", "38.9s"),
        ("please retry after 7 seconds", "7s"),
        ("try again in 6ms", "6ms"),
        ("try again later", None),
    ],
)
def test_how_long_to_wait(message: str, duration: str | None) -> None:
    error = read_error(429, {"error": {"message": message}})
    assert error == ServerError(429, 429, message, False, duration)


@pytest.mark.parametrize(
    ("http_status", "code", "status"),
    [
        (400, 429, 429),
        (500, 429, 429),
        (400, 503, 503),
        (500, 400, 500),
        (401, 429, 401),
        (422, 500, 422),
        (429, 400, 429),
    ],
)
def test_a_gateway_passes_on_what_its_upstream_server_said(http_status: int, code: int, status: int) -> None:
    error = read_error(http_status, {"error": {"message": "Provider returned error", "code": code}})
    assert error is not None
    assert (error.status, error.http_status) == (status, http_status)


def test_a_prompt_that_a_content_filter_rejects() -> None:
    body = {"error": {"code": "content_filter", "message": "The prompt was filtered.", "innererror": {"code": "Resp"}}}
    error = read_error(400, body)
    assert error is not None
    assert error.is_filter


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": "Insufficient credits", "message": "Insufficient credits."}, "Insufficient credits"),
        ({"detail": "Insufficient balance", "title": "insufficient  balance"}, "Insufficient balance"),
        ({"error": {"code": "payment_required", "message": "Payment Required"}}, "Payment Required"),
        ({"error": {"code": "no_credit", "type": "billing", "message": "No credit!"}}, "billing: No credit!"),
        ({"message": "One.", "error": {"message": "Two."}, "detail": "one"}, "One.; Two."),
    ],
)
def test_a_sentence_is_told_once(body: Any, text: str) -> None:
    error = read_error(402, body)
    assert error is not None
    assert error.text == text


def test_a_page_is_the_text_of_an_error() -> None:
    assert read_error(503, "<html>Down</html>") == ServerError(503, 503, "<html>Down</html>")
    assert read_error(500, None) == ServerError(500, 500, "")


def test_any_depth_and_length_ends() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = {"error": [deep]}
    assert read_error(200, deep) is not None
    assert read_error(400, {"error": "{" * 1_000_000}) is not None
