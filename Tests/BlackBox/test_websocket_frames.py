"""Hostile and unusual framing on `/ws`: refused with the right code (§19.5, §19.27)."""

import json
import random
import time

import pytest

from broker import wait_for
from frames import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawWebSocket, close_payload,
                    encode)
from gateway import Gateway
from wire import Closed

COMMAND_BYTES = 16_777_216
PING_COMMAND = b'{"ref":1,"type":"ping"}'


@pytest.fixture
def socket(broker):
    with RawWebSocket(broker) as running:
        assert json.loads(running.message().payload)["type"] == "hello"
        yield running


def check_pong(socket, ref=1):
    assert json.loads(socket.message().payload) == {"ref": ref, "type": "pong"}


def test_a_binary_message_is_1003(broker, socket):
    socket.send_frame(BINARY, PING_COMMAND)
    socket.check_failed(1003)


def test_an_empty_binary_message_is_1003(broker, socket):
    socket.send_frame(BINARY)
    socket.check_failed(1003)


@pytest.mark.parametrize("payload", [b"\xff", b'{"type":"\xc3\x28"}', b"\xed\xa0\x80",
                                     b"\xf4\x90\x80\x80", b"\xc0\x80", b'{"a":"\xe2\x82'])
def test_text_that_is_not_utf_8_is_1007(broker, socket, payload):
    socket.send_frame(TEXT, payload)
    socket.check_failed(1007)


def test_bad_text_is_refused_before_its_message_is_complete(broker, socket):
    socket.send(encode(TEXT, b'{"type":"\xff', length=5_000_000, length_bytes=8))
    socket.check_failed(1007)


def test_bad_text_in_a_fragment_is_refused_before_the_last_comes(broker, socket):
    socket.send_frame(TEXT, b'{"type":"\xe2', fin=False)
    socket.send_frame(CONTINUATION, b"\x28", fin=False)
    socket.check_failed(1007)


def test_a_character_cut_in_two_by_fragments_is_whole(broker, topic, socket):
    text = json.dumps({"type": "publish", "topic": topic, "data": "aé€😀"}, ensure_ascii=False)
    data = text.encode()
    for n in range(len(data)):
        socket.send_frame(TEXT if n == 0 else CONTINUATION, data[n:n + 1], fin=n == len(data) - 1)
    assert json.loads(socket.message().payload)["type"] == "published"
    assert broker.history(topic)[0]["data"] == "aé€😀"


@pytest.mark.parametrize("data, code", [
    (encode(TEXT, PING_COMMAND, mask=None), 1002), (encode(PING, b"x", mask=None), 1002),
    (encode(CLOSE, close_payload(1000), mask=None), 1002),
    (encode(TEXT, PING_COMMAND, rsv=4), 1002), (encode(TEXT, PING_COMMAND, rsv=2), 1002),
    (encode(TEXT, PING_COMMAND, rsv=1), 1002), (encode(PING, b"", rsv=4), 1002),
    (encode(3, b"x"), 1002), (encode(7), 1002), (encode(11), 1002), (encode(15, b"x"), 1002),
    (encode(PING, b"x" * 126), 1002), (encode(PING, b"x", fin=False), 1002),
    (encode(CLOSE, b"\x03"), 1002), (encode(CONTINUATION, b"x"), 1002),
    (encode(TEXT, b"{", fin=False) + encode(TEXT, b"}"), 1002),
    (encode(CLOSE, close_payload(1005)), 1002), (encode(CLOSE, close_payload(999)), 1002),
    (encode(TEXT, b"", length=2**63, length_bytes=8), 1002),
    (encode(TEXT, b"", length=2**64 - 1, length_bytes=8), 1002),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1002), (b"\x00" * 100, 1002), (b"\xff" * 100, 1002),
], ids=lambda value: ascii(value[:8]) if isinstance(value, bytes) else None)
def test_broken_framing_is_1002(broker, socket, data, code):
    socket.send(data)
    socket.check_failed(code)


@pytest.mark.parametrize("length", [COMMAND_BYTES + 1, 100_000_000, 2**40, 2**62])
def test_a_message_over_the_limit_is_1009_before_it_is_read(broker, socket, length):
    socket.send(encode(TEXT, b"{", length=length, length_bytes=8))
    socket.check_failed(1009)


def test_a_message_of_the_limit_is_read(broker, socket):
    socket.send_frame(TEXT, PING_COMMAND + b" " * (COMMAND_BYTES - len(PING_COMMAND)))
    check_pong(socket)


def test_fragments_that_add_up_to_too_much_are_1009(broker, socket):
    fragment = encode(CONTINUATION, b" " * 100_000, fin=False)
    try:
        socket.send(encode(TEXT, b"{", fin=False))
        for _ in range(200):
            socket.send(fragment)
    except OSError:
        pass  # Closed while we still sent.
    try:
        assert socket.closing().code == 1009
    except ConnectionResetError:
        pass  # What we sent on has overtaken its close.
    broker.check_serving()


def test_pings_between_fragments_are_answered_at_once(broker, topic, socket):
    data = json.dumps({"type": "publish", "topic": topic, "data": "whole"}).encode()
    socket.send_frame(TEXT, data[:10], fin=False)
    for n in range(3):
        socket.send_frame(PING, b"between %d" % n)
        assert socket.frame()[:2] == (PONG, b"between %d" % n)
        socket.send_frame(CONTINUATION, data[10 + n:11 + n], fin=False)
    socket.send_frame(PONG, b"nobody asked")
    socket.send_frame(CONTINUATION, data[13:])
    assert json.loads(socket.message().payload)["type"] == "published"
    assert [m["data"] for m in broker.history(topic)] == ["whole"]


def test_a_message_that_comes_byte_by_byte_is_read(broker, socket):
    socket.send_slowly(encode(TEXT, PING_COMMAND))
    check_pong(socket)


def test_many_commands_in_one_read_are_all_answered_in_order(broker, socket):
    socket.send(b"".join(encode(TEXT, b'{"ref":%d,"type":"ping"}' % n) for n in range(5000)))
    for n in range(5000):
        check_pong(socket, n)


def test_what_came_before_broken_framing_is_carried_out_and_nothing_after(broker, topic, socket):
    publish = [encode(TEXT, json.dumps({"type": "publish", "topic": topic, "data": str(n)}))
               for n in range(3)]
    socket.send(publish[0] + publish[1] + encode(TEXT, b"x", rsv=7) + publish[2])
    socket.check_failed(1002)
    # The close does not wait for the commit.
    wait_for(lambda: len(broker.history(topic)) == 2)
    broker.publish(topic, "end")
    assert [m["data"] for m in broker.history(topic)] == ["0", "1", "end"]


def test_what_comes_after_a_close_is_not_looked_at(broker, topic, socket):
    publish = encode(TEXT, json.dumps({"type": "publish", "topic": topic, "data": "x"}))
    socket.send(encode(CLOSE, close_payload(1000, b"bye")) + publish)
    assert socket.closing().code == 1000
    assert socket.has_ended()
    assert broker.history(topic) == []


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 3000, 4999])
def test_a_close_is_answered_with_its_code_and_the_end(broker, socket, code):
    socket.send_frame(CLOSE, close_payload(code, "goodbye é".encode()))
    began = time.monotonic()
    assert socket.closing().code == code
    assert socket.has_ended()
    assert time.monotonic() - began < 2


def test_a_client_that_ends_without_a_close_leaves_nothing_behind(broker, topic):
    for n in range(50):
        with RawWebSocket(broker) as one:
            one.send_frame(TEXT, json.dumps({"type": "subscribe", "topics": [topic]}))
            if n % 2:
                one.message()
            one.send(encode(TEXT, b"x" * 1000)[:500])
    broker.check_serving()


def test_a_flood_of_empty_fragments_costs_nothing(start):
    own = start()
    with RawWebSocket(own) as socket:
        socket.message()
        before = own.resident_bytes
        socket.send_frame(TEXT, PING_COMMAND, fin=False)
        flood = encode(CONTINUATION, b"", fin=False) * 10_000
        for _ in range(100):
            socket.send(flood)
        own.check_serving()
        socket.send_frame(CONTINUATION)
        check_pong(socket)
        assert own.resident_bytes - before < 32 * 1_048_576


def test_a_flood_of_pings_that_nobody_reads_is_bounded(start):
    own = start()
    with RawWebSocket(own, receive_buffer=4096, timeout=3) as socket:
        socket.message()
        before = own.resident_bytes
        flood = encode(PING, b"x" * 125) * 1000
        try:
            for _ in range(500):  # 66 MB: far more than buffers on the way hold.
                socket.send(flood)
        except TimeoutError:
            pass  # Not read from any more: as it should be, or it answers as it likes.
        own.check_serving()
        assert own.resident_bytes - before < 32 * 1_048_576


def test_random_bytes_break_nothing(broker):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    choices = random.Random(seed)
    for _ in range(150):
        with RawWebSocket(broker, extensions=choices.choice((None, "permessage-deflate"))) as one:
            one.settimeout(0.2)
            try:
                for _ in range(choices.randrange(1, 6)):
                    kind = choices.random()
                    if kind < 0.4:
                        one.send(choices.randbytes(choices.randrange(1, 300)))
                    else:
                        one.send_frame(choices.choice((0, 1, 2, 8, 9, 10)),
                                       choices.randbytes(choices.randrange(0, 120)),
                                       fin=choices.random() < 0.7,
                                       rsv=choices.choice((0, 0, 0, 4, 1)))
                one.closing()
            except (TimeoutError, Closed, OSError):
                pass
    broker.check_serving()
    with Gateway(broker) as client:
        client.check_alive()
