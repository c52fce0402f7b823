"""Requests that chance has damaged: whatever comes, the broker answers or hangs up, and lives on.

`TICKERTAPE_SEED` replays a run.
"""

import json
import os
import random
import socket

import pytest

from broker import topic_path
from wire import encode_chunks, encode_request

SEED = int(os.environ.get("TICKERTAPE_SEED", "0")) or random.SystemRandom().randrange(2**32)
ROUNDS = 6000

CHUNKED = {"Transfer-Encoding": "chunked"}
SEEDS = [
    encode_request("POST", topic_path("fuzz/a", event="e", key="k"), b"payload"),
    encode_request("POST", topic_path("fuzz/a"), b"payload", {"Idempotency-Key": "key"}),
    encode_request("POST", topic_path("fuzz/b"), None, CHUNKED) + encode_chunks(b"ab", b"cde"),
    encode_request("POST", topic_path("fuzz/b"), b"p", {"Expect": "100-continue"}),
    encode_request("POST", topic_path("fuzz/c"), b"p", {"Content-Type": "a/b; charset=utf-8"}),
    encode_request("GET", topic_path("fuzz/*", after=1, limit=2)),
    encode_request("GET", topic_path("fuzz/*", after=1, wait="0.01")),
    encode_request("HEAD", topic_path("fuzz/a", "messages/1")),
    encode_request("GET", topic_path("fuzz/**", "events", tail=2), headers={"Last-Event-ID": "3"}),
    encode_request("GET", "/events?topic=fuzz/a&topic=fuzz/*&after=2"),
    encode_request("POST", "/events", json.dumps({"topics": ["fuzz/*"], "tail": 1}).encode(),
                   {"Content-Type": "application/json"}),
    encode_request("GET", "/healthz", version="1.0"),
]
PIECES = [b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b"%", b"%00", b"\xff", b"\xe6\x96", b"/", b"//",
          b"*", b"**", b"?", b"&", b"=", b"\r\n\r\n", b"0\r\n\r\n", b"-1", b"99999999999999999999",
          b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Last-Event-ID: x\r\n",
          b"HTTP/1.1", b"HTTP/1.0", b"x" * 9000, b"[" * 500, b'"', b"\\u0000"]


def damage(choices, data):
    """The request with some bytes changed, taken out, doubled, or put in."""
    for _ in range(choices.choice((1, 1, 2, 5))):
        at = choices.randrange(len(data) + 1)
        to = min(len(data), at + choices.choice((1, 1, 4, 40)))
        kind = choices.randrange(5)
        if kind == 0:
            data = data[:at] + choices.randbytes(to - at) + data[to:]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:to] + data[at:]
        elif kind == 3:
            data = data[:at] + choices.choice(PIECES) + data[at:]
        else:
            data = data[:at]
    return data


@pytest.mark.timeout(120)
def test_damaged_requests_in_pieces_and_pipelines_never_end_the_broker(start):
    print(f"TICKERTAPE_SEED={SEED}")
    choices = random.Random(SEED)
    own = start("--request-timeout", 1)
    own.publish_all("fuzz/a", [b"x"] * 5)
    before = own.resident_bytes
    for _ in range(ROUNDS):
        requests = [choices.choice(SEEDS) for _ in range(choices.choice((1, 1, 2, 6)))]
        data = b"".join(damage(choices, request) if choices.random() < 0.6 else request
                        for request in requests)
        with own.connect(5) as connection:
            try:
                while data:
                    size = choices.choice((1, 7, 100, 10_000))
                    connection.send(data[:size])
                    data = data[size:]
                if choices.random() < 0.5:
                    connection.socket.shutdown(socket.SHUT_WR)
                    connection.socket.settimeout(choices.choice((0.001, 0.02)))
                    while connection.socket.recv(65536):
                        pass
            except OSError:
                pass  # Cut off, or an event stream that goes on.
        assert own.is_running, own.log[-2000:]
    own.check_serving()
    assert own.resident_bytes - before < 32_000_000
    stored = own.history("**")
    print(f"{len(stored)} messages stored")
    # Not every request was damaged beyond use, or nothing behind the parser was tried.
    assert len(stored) > ROUNDS / 10
