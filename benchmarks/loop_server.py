"""The server that everybody in `loop.py` is measured against: the fake teacher's answers, as lean as can be.

    python benchmarks/loop_server.py [--latency-s 0.05]

Prints its base URL and serves until it is killed. It speaks just enough HTTP/1.1: one request after the other on a
connection, bodies with a length. An answer is made by the fake teacher once and remembered by the bytes of the request,
so that the server's share of the machine stays small and is the same for all. It also keeps the score:

    GET /requests  what came in since the last reset, as `Score`
    GET /bodies    the first body of each text that was asked since then, a JSON list
    GET /reset     begin again
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from selfinstruct.teachers.fake.teacher import fake_answer

TRIALS = 4
"""So many requests at first are not timed: some clients try a server out before they set about it."""


@dataclass
class Score:
    """Requests answered, the most that were in flight together, and the seconds from the first that is timed (TRIALS)
    coming in to the last answer; cpu_s: of the server in those."""

    answered: int = 0
    trials: int = TRIALS
    in_flight: int = 0
    most_in_flight: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0


class LoopServer:
    """What all connections share."""

    def __init__(self, latency_s: float) -> None:
        self.latency_s = latency_s
        self._answers: dict[bytes, bytes] = {}
        self.reset()

    def reset(self) -> None:
        """Begin a new score; answers stay remembered."""
        self.score = Score()
        self._came = 0
        self._since = self._cpu_since = 0.0
        self._bodies: dict[bytes, None] = {}

    def came(self, body: bytes) -> None:
        """A question is here."""
        self._came += 1
        if self._came == TRIALS + 1:
            self._since, self._cpu_since = time.perf_counter(), time.process_time()
        self._bodies[body] = None
        score = self.score
        score.in_flight += 1
        score.most_in_flight = max(score.most_in_flight, score.in_flight)

    def answer(self, body: bytes) -> bytes:
        """The response to it, head and all, `latency_s` later."""
        known = self._answers.get(body)
        if known is None:
            known = self._answers[body] = _response(_chat(json.loads(body)))
        score = self.score
        score.answered += 1
        score.in_flight -= 1
        score.seconds, score.cpu_s = time.perf_counter() - self._since, time.process_time() - self._cpu_since
        return known

    def tell(self, path: bytes) -> bytes:
        """What a GET is answered."""
        if path == b"/reset":
            self.reset()
        if path == b"/bodies":
            return _response([json.loads(body) for body in self._bodies])
        if path == b"/requests":
            return _response(asdict(self.score))
        return _response({"object": "list", "data": [{"id": "fake", "object": "model"}]})


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: LoopServer) -> None:
        self._server = server
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._later = asyncio.get_running_loop().call_later

    def data_received(self, data: bytes) -> None:
        """Some bytes of it."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            after = end + 4 + _length(head)
            if len(self._buffer) < after:
                return
            body = bytes(self._buffer[end + 4 : after])
            del self._buffer[:after]
            method, path, _ = head.split(b" ", 2)
            if method == b"POST":
                self._server.came(body)
                self._later(self._server.latency_s, self._send, body)
            else:
                self._transport.write(self._server.tell(path))

    def _send(self, body: bytes) -> None:
        try:
            response = self._server.answer(body)
        except Exception:  # a body that isn't understood: the client shall see that, not wait for ever
            response = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
        if not self._transport.is_closing():
            self._transport.write(response)


def _length(head: bytes) -> int:
    """The body's bytes, as the head gives them."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


def _chat(body: dict[str, Any]) -> dict[str, Any]:
    text = "".join(_text(message["content"]) for message in body["messages"])
    answer = fake_answer(text, body.get("response_format", {}).get("json_schema", {}).get("schema"))
    used = {"prompt_tokens": len(text.encode()) // 4 + 1, "completion_tokens": len(answer.encode()) // 4 + 1}
    message = {"role": "assistant", "content": answer, "refusal": None}
    return {
        "id": "fake-1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}],
        "usage": {**used, "total_tokens": sum(used.values())},
    }


def _text(content: str | list[dict[str, str]]) -> str:
    """A message's text; some clients send it in parts."""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _response(value: object) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def _serve(latency_s: float) -> None:
    shared = LoopServer(latency_s)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(shared), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-s", type=float, default=0.05)
    asyncio.run(_serve(parser.parse_args().latency_s))


if __name__ == "__main__":
    main()
