"""WebSockets and a disk that is full, broken or slow: errors that say when to come back (§19.15)."""

import json
import time

import pytest

from broker import wait_for
from frames import TEXT, RawWebSocket, encode
from gateway import Gateway

FAULTS = {"enospc": "disk_full", "eio": "log_unavailable"}


@pytest.fixture
def start_on(tmp_path, disk, start):
    def start_one(*options, **more):
        own = disk.broker(tmp_path / "data", *options, **more)
        start.track(own)
        return own.start()

    return start_one


@pytest.mark.parametrize("fault", FAULTS)
def test_a_publish_that_fails_is_an_error_and_the_connection_goes_on(start_on, disk, fault):
    own = start_on()
    with Gateway(own) as client:
        client.subscribe("a")
        before = client.publish("a", "before")
        disk.begin(fault)
        for n in range(3):
            reply = client.ask("publish", topic="a", data=f"during {n}", idempotency_key=str(n))
            assert (reply["type"], reply["code"]) == ("error", FAULTS[fault]), reply
            assert reply["retry_after_seconds"] >= 1
        client.check_alive()
        disk.end(fault)
        wait_for(lambda: own.is_healthy, 15, "health after the fault")
        after = client.publish("a", "after")
        # A failed publish leaves no key behind: it can be sent again, with the same one.
        again = client.publish("a", "during 0", idempotency_key="0")
        assert before < after < again
        assert [m["id"] for m in client.take(3)] == [before, after, again]


def test_a_full_queue_is_an_error_and_what_was_taken_is_kept(start_on):
    own = start_on("--queue-max-messages", "20", sync_ms=100)
    clients = [Gateway(own, timeout=30) for _ in range(10)]
    for n, client in enumerate(clients):
        for k in range(20):
            client.send({"ref": k, "type": "publish", "topic": "a", "data": f"{n}:{k}"})
    published, refused = {}, 0
    for n, client in enumerate(clients):
        for k in range(20):
            reply = client.reply(k)
            if reply["type"] == "published":
                published[reply["id"]] = f"{n}:{k}"
            else:
                assert reply["code"] == "queue_full" and reply["retry_after_seconds"] >= 1
                refused += 1
        client.close()
    assert published and refused
    assert {m["id"]: m["data"] for m in own.history("a")} == published


def test_a_connection_is_not_read_while_128_publishes_are_unanswered(start_on):
    own = start_on(sync_ms=300)
    with RawWebSocket(own, timeout=30) as socket:
        socket.message()
        frames = [encode(TEXT, f'{{"ref":{n},"type":"publish","topic":"a","data":"{n}"}}')
                  for n in range(400)]
        # Answered at once if it were read, but it stands behind too many publishes.
        ping = encode(TEXT, '{"ref":"ping","type":"ping"}')
        socket.send(b"".join(frames) + ping)
        began, seen = time.monotonic(), []
        while "ping" not in seen:
            message = json.loads(socket.message().payload)
            assert message["type"] in ("published", "pong"), message
            seen.append(message["ref"])
        assert time.monotonic() - began > 0.3
        assert len(seen) > 400 - 129
        while len(seen) < 401:
            seen.append(json.loads(socket.message().payload)["ref"])
    assert [ref for ref in seen if ref != "ping"] == list(range(400))
    assert [m["data"] for m in own.history("a")] == [str(n) for n in range(400)]
