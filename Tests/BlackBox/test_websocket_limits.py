"""Clients that ask for too much or take too little: bounded, others are served (§19.11, §19.22)."""

import json
import os
import threading
import time

import pytest

from broker import wait_for
from frames import TEXT, RawWebSocket, encode
from gateway import Gateway
from wire import Closed

MEBIBYTE = 1_048_576
IS_LONG = os.environ.get("TICKERTAPE_LONG") == "1"
COMMANDS = 100_000


def commands(command, count):
    """`count` frames with a command, numbered by `ref`."""
    return b"".join(encode(TEXT, b'{"ref":%d,' % n + command) for n in range(count))


def send_all(socket, data, failures):
    try:
        socket.send(data)
    except OSError as error:
        failures.append(error)


class Neighbour:
    """Another client, that measures how long it waits for its publishes to arrive."""

    def __init__(self, broker):
        self.client = Gateway(broker)
        self.client.subscribe("neighbour")
        self.slowest, self.count = 0, 0

    def once(self):
        began = time.monotonic()
        number = self.client.publish("neighbour", "x")
        assert self.client.take(1)[0]["id"] == number
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.count += 1


@pytest.mark.timeout(120)
def test_100_000_subscribes_are_answered_while_others_are_served(start):
    own = start()
    neighbour = Neighbour(own)
    neighbour.once()
    flood = commands(b'"type":"subscribe","topics":["a/*","b/**","c"]}', COMMANDS)
    before = own.resident_bytes
    with RawWebSocket(own, timeout=60) as socket:
        failures, most = [], before
        sender = threading.Thread(target=send_all, args=(socket, flood, failures))
        sender.start()
        answers = {"subscribed": 0, "too_many_subscriptions": 0}
        expected = 0
        while expected < COMMANDS:
            message = json.loads(socket.message().payload)
            if "ref" not in message:
                assert message["type"] in ("hello", "caught_up")
                continue
            assert message["ref"] == expected
            answers[message.get("code", message["type"])] += 1
            expected += 1
            if expected % 5000 == 0:
                neighbour.once()
                most = max(most, own.resident_bytes)
        sender.join()
    assert not failures
    assert answers == {"subscribed": 128, "too_many_subscriptions": COMMANDS - 128}
    print(f"slowest neighbour {neighbour.slowest * 1000:.0f} ms,"
          f" {(most - before) / MEBIBYTE:.1f} MiB more")
    assert neighbour.slowest < 2
    assert most - before < 64 * MEBIBYTE
    own.check_serving()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("command", [
    b'"type":"subscribe","topics":["a/*"],"subscription":"one"}', b'"type":"ping"}',
    b'"type":"publish","topic":"flood","data":"x"}'], ids=["subscribe", "ping", "publish"])
def test_commands_whose_answers_nobody_reads_are_bounded_and_answered_in_the_end(start, command):
    own = start()
    neighbour = Neighbour(own)
    neighbour.once()
    flood = commands(command, COMMANDS)
    before = own.resident_bytes
    with RawWebSocket(own, timeout=60, receive_buffer=4096) as socket:
        failures = []
        sender = threading.Thread(target=send_all, args=(socket, flood, failures), daemon=True)
        sender.start()
        most, began = before, time.monotonic()
        while time.monotonic() - began < 4:  # So long the client reads nothing.
            neighbour.once()
            most = max(most, own.resident_bytes)
        print(f"slowest neighbour {neighbour.slowest * 1000:.0f} ms,"
              f" {(most - before) / MEBIBYTE:.1f} MiB more")
        assert most - before < 32 * MEBIBYTE
        seen = set()
        while len(seen) < COMMANDS:
            message = json.loads(socket.message().payload)
            if "ref" in message:
                assert message["ref"] not in seen
                seen.add(message["ref"])
        sender.join()
    assert not failures and neighbour.slowest < 2
    own.check_serving()


@pytest.mark.timeout(120)
def test_subscribing_and_unsubscribing_without_end_leaves_nothing_behind(start):
    own = start()
    own.publish_all("a", [b"x" * 100] * 100)
    pair = (encode(TEXT, b'{"type":"subscribe","topics":["a"],"after":0,"subscription":"s"}')
            + encode(TEXT, b'{"ref":1,"type":"unsubscribe","subscription":"s"}'))
    with RawWebSocket(own, timeout=60) as socket:
        def rounds(count):
            failures = []
            sender = threading.Thread(target=send_all, args=(socket, pair * count, failures))
            sender.start()
            left = count
            while left:
                message = json.loads(socket.message().payload)
                assert message["type"] != "error", message
                left -= message["type"] == "unsubscribed"
            sender.join()
            assert not failures

        rounds(5000)
        before = own.resident_bytes
        rounds(50_000)
        grown = own.resident_bytes - before
        print(f"50,000 subscriptions left {grown / 1024:.0f} KiB")
        assert grown < 8 * MEBIBYTE
    own.check_serving()


@pytest.mark.timeout(180)
def test_subscribers_that_do_not_read_cost_little_and_get_everything_when_they_do(start):
    own = start("--heartbeat", 60)
    with Gateway(own) as warm:
        warm.subscribe("big")
        for _ in range(10):  # Whatever is allocated once is allocated now.
            own.publish("big", b"w" * MEBIBYTE)
            head = warm.take(1)[0]["id"]
    before = own.resident_bytes
    sleepers = []
    for n in range(20):
        sleeper = RawWebSocket(own, extensions="permessage-deflate" if n % 4 == 3 else None,
                               timeout=60, receive_buffer=4096)
        for name in ("one", "two"):
            sleeper.send_frame(TEXT, json.dumps({
                "type": "subscribe", "topics": ["big"], "after": head, "subscription": name}))
        sleepers.append(sleeper)
    ids, slowest, most = [], 0, before
    with Gateway(own) as reader:
        reader.subscribe("big", after=head)
        for n in range(60):
            began = time.monotonic()
            payload = b"%06d" % n + os.urandom(MEBIBYTE // 2 - 3).hex().encode()
            ids.append(own.publish("big", payload))
            slowest = max(slowest, time.monotonic() - began)
            assert reader.take(1)[0]["id"] == ids[-1]
            most = max(most, own.resident_bytes)
        own.check_serving()
    print(f"60 MiB past 20 sleepers: {(most - before) / MEBIBYTE:.0f} MiB more,"
          f" slowest {slowest:.2f} s")
    assert most - before < 128 * MEBIBYTE and slowest < 5
    for sleeper in sleepers[1:]:
        sleeper.close()
    heard = {"one": [], "two": []}
    with sleepers[0] as sleeper:
        while min(map(len, heard.values())) < 60:
            message = json.loads(sleeper.message().payload)
            if message["type"] == "message":
                assert message["data"][:6] == f"{len(heard[message['subscription']]):06}"
                heard[message["subscription"]].append(message["id"])
    assert heard == {"one": ids, "two": ids}


def test_a_stalled_reader_does_not_hold_up_the_others(start):
    own = start()
    with RawWebSocket(own, timeout=30, receive_buffer=4096) as stalled, Gateway(own) as reader:
        stalled.send_frame(TEXT, '{"type":"subscribe","topics":["a"],"subscription":"s"}')
        reader.subscribe("a")
        time.sleep(0.2)  # Both are live: what follows is delivered, not replayed.
        before, began, count, slowest = own.resident_bytes, time.monotonic(), 0, 0
        while time.monotonic() - began < 4:  # So long it reads nothing.
            sent = time.monotonic()
            own.publish("a", f"{count}:" + "x" * 50_000)
            assert reader.take(1)[0]["data"].startswith(f"{count}:")
            slowest = max(slowest, time.monotonic() - sent)
            count += 1
        grown = own.resident_bytes - before
        print(f"{count} messages, {grown / MEBIBYTE:.1f} MiB more, slowest {slowest * 1000:.0f} ms")
        assert grown < 48 * MEBIBYTE and slowest < 2
        n = 0
        while n < count:
            message = json.loads(stalled.message().payload)
            if message["type"] == "message":
                assert message["data"].startswith(f"{n}:")
                n += 1
        number = own.publish("a", "live again")
        assert json.loads(stalled.message().payload)["id"] == number


def test_large_publishes_wait_their_turn_and_all_arrive(start):
    own = start()
    before = own.resident_bytes
    frame = encode(TEXT, json.dumps({"type": "publish", "topic": "big", "data": "x" * MEBIBYTE}))
    sockets = [RawWebSocket(own, timeout=60) for _ in range(4)]
    senders = [threading.Thread(target=send_all, args=(socket, frame * 20, []))
               for socket in sockets]
    for sender in senders:
        sender.start()
    most = before
    while any(sender.is_alive() for sender in senders):
        most = max(most, own.resident_bytes)
        time.sleep(0.01)
    for socket in sockets:
        published = 0
        while published < 20:
            message = json.loads(socket.message().payload)
            assert message["type"] in ("hello", "published"), message
            published += message["type"] == "published"
        socket.close()
    print(f"80 MiB published: {(most - before) / MEBIBYTE:.0f} MiB more")
    assert most - before < 192 * MEBIBYTE
    assert len(own.history("big")) == 80


@pytest.mark.timeout(180)
def test_many_idle_connections_cost_little_each(start):
    count = 10_000 if IS_LONG else 1_000
    own = start()
    with RawWebSocket(own) as first:
        first.message()
        before = own.resident_bytes
        crowd = []
        try:
            for _ in range(count):
                crowd.append(RawWebSocket(own, extensions="permessage-deflate"))
                crowd[-1].send_frame(TEXT, '{"type":"subscribe","topics":["a"],"subscription":"s"}')
            for socket in crowd:
                while json.loads(socket.message().payload)["type"] != "caught_up":
                    pass
            each = (own.resident_bytes - before) / count
            print(f"{each / 1024:.1f} KiB for an idle connection with one subscription")
            assert each < 24 * 1024
            number = own.publish("a", "to all")
            for socket in crowd:
                assert json.loads(socket.message().payload)["id"] == number
        finally:
            for socket in crowd:
                socket.close()
    wait_for(lambda: own.is_healthy)
    own.check_serving()


@pytest.mark.parametrize("trickle", [b"", b" "], ids=["silent", "trickle"])
def test_one_whose_message_never_ends_is_closed_in_time(start, trickle):
    own = start("--heartbeat", 0.5, "--request-timeout", 2)
    with RawWebSocket(own) as socket:
        socket.message()
        # Without a mask worth the name, what trickles in is what is sent.
        socket.send(encode(TEXT, b"{", length=1_000_000, mask=bytes(4)))
        socket.settimeout(0.1)
        began = time.monotonic()
        with pytest.raises((Closed, ConnectionResetError, BrokenPipeError)):
            while True:
                assert time.monotonic() - began < 6, "it was not closed"
                try:
                    socket.frame()
                except TimeoutError:
                    socket.send(trickle)
    own.check_serving()
