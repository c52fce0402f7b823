"""permessage-deflate on `/ws`: the same content, smaller, and no way to hurt (§19.25, §19.26)."""

import json
import zlib

import pytest

from frames import CONTINUATION, TEXT, RawWebSocket, encode
from gateway import Gateway
from test_event_data import TEXTS
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

COMMAND_BYTES = 16_777_216
TAIL = b"\x00\x00\xff\xff"
OFFERS = [{}, {"server_max_window_bits": 9, "client_max_window_bits": 9},
          {"server_max_window_bits": 12}, {"client_no_context_takeover": True}]


def deflate(data, bits=15, mode=zlib.Z_SYNC_FLUSH):
    machine = zlib.compressobj(wbits=-bits)
    out = machine.compress(data) + machine.flush(mode)
    return out.removesuffix(TAIL) if mode == zlib.Z_SYNC_FLUSH else out


def inflate(data, bits=15):
    return zlib.decompressobj(wbits=-bits).decompress(data + TAIL)


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: "-".join(offer) or "plain")
def test_the_content_is_the_same_with_and_without(broker, topic, offer):
    with Gateway(broker) as plain, Gateway(
            broker, extensions=[ClientPerMessageDeflateFactory(**offer)]) as small:
        assert small.connection.protocol.extensions
        for client in (plain, small):
            client.subscribe(topic, subscription="s")
            client.until_caught_up()
        for n, text in enumerate(TEXTS.values()):
            (small if n % 2 else plain).publish(topic, text)
            one, two = plain.take(1, 20), small.take(1, 20)
            assert one == two and one[0]["data"] == text
        for client in (plain, small):
            client.subscribe(topic, subscription="again", after=0)
        messages = [client.until_caught_up(60)[0] for client in (plain, small)]
        assert messages[0] == messages[1]
        assert [m["data"] for m in messages[0]] == list(TEXTS.values())


@pytest.mark.parametrize("bits", [9, 10, 15])
def test_messages_of_512_bytes_and_more_are_compressed_each_for_itself(broker, topic, bits):
    with RawWebSocket(broker, extensions="permessage-deflate; server_max_window_bits="
                      f"{bits}") as socket:
        socket.message()
        socket.send_frame(TEXT, json.dumps({"type": "subscribe", "topics": [topic], "tail": 0}))
        socket.message(), socket.message()
        for size in (0, 100, 300, 600, 5_000, 70_000, 5_000, 600):
            text = '{"price":187.4,"size":100}' * (size // 26)
            broker.publish(topic, text)
            frame = socket.message()
            # A fresh inflater each time: no message may build on one before.
            payload = inflate(frame.payload, bits) if frame.is_compressed else frame.payload
            assert json.loads(payload)["data"] == text
            assert frame.is_compressed == (len(payload) >= 512)
            if frame.is_compressed:
                assert len(frame.payload) < len(payload) / 2


def test_compressed_and_plain_subscribers_of_one_name_each_get_their_own(broker, topic):
    sockets = [RawWebSocket(broker, extensions=extensions) for extensions in (
        None, "permessage-deflate", "permessage-deflate; server_max_window_bits=9", None)]
    for socket in sockets:
        socket.send_frame(TEXT, json.dumps(
            {"type": "subscribe", "topics": [topic], "subscription": "s"}))
        while b'"caught_up"' not in socket.message().payload:
            pass
    for size in (10, 1000, 80_000):
        broker.publish(topic, "abc" * size)
        frames = [socket.message() for socket in sockets]
        assert [f.is_compressed for f in frames] == [False, size > 10, size > 10, False]
        payloads = {inflate(f.payload, 9 if n == 2 else 15) if f.is_compressed else f.payload
                    for n, f in enumerate(frames)}
        assert len(payloads) == 1
    for socket in sockets:
        socket.close()


def test_a_compressed_command_is_read_whole_in_fragments_and_in_every_form_of_deflate(
        broker, topic):
    with RawWebSocket(broker, extensions="permessage-deflate") as socket:
        socket.message()
        command = json.dumps({"type": "publish", "topic": topic, "data": "abc" * 500}).encode()
        stored = zlib.compressobj(0, wbits=-15)
        forms = [deflate(command), deflate(command, 9),
                 deflate(command, mode=zlib.Z_FINISH) + b"\x00",
                 (stored.compress(command) + stored.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)]
        for form in forms:
            socket.send_frame(TEXT, form, rsv=4)
            assert json.loads(socket.message().payload)["type"] == "published"
            half = len(form) // 2
            socket.send(encode(TEXT, form[:half], rsv=4, fin=False)
                        + encode(CONTINUATION, form[half:]))
            assert json.loads(socket.message().payload)["type"] == "published"
        socket.send_frame(TEXT, command)  # Not compressed: that is allowed at any time.
        assert json.loads(socket.message().payload)["type"] == "published"
    assert [m["data"] for m in broker.history(topic)] == ["abc" * 500] * 9


@pytest.mark.parametrize("payload, code", [
    (deflate(b"x" * 100_000_000), 1009), (deflate(b" " * (COMMAND_BYTES + 1)), 1009),
    (b"\xff\xff\xff\xff", 1007), (b"not deflate at all", 1007),
    (deflate(bytes(range(128)) * 3)[:60], 1007),
    (deflate(b'{"type":"\xff"}'), 1007), (deflate(b'{"\xe2\x82'), 1007), (b"\x04", 1007),
], ids=["bomb", "just-over", "garbage", "text", "cut", "not-utf-8", "cut-utf-8", "bad-block"])
def test_bad_compressed_data_is_refused(broker, payload, code):
    with RawWebSocket(broker, extensions="permessage-deflate") as socket:
        socket.message()
        socket.send_frame(TEXT, payload, rsv=4)
        socket.check_failed(code)
    broker.check_serving()


def test_a_bomb_costs_no_memory(start):
    own = start()
    own.check_serving()
    before = own.resident_bytes
    bomb = deflate(b"x" * 50_000_000)
    for _ in range(20):
        with RawWebSocket(own, extensions="permessage-deflate") as socket:
            socket.send_frame(TEXT, bomb, rsv=4)
            socket.check_failed(1009)
    assert own.resident_bytes - before < 48 * 1_048_576
    own.check_serving()


def test_a_message_marked_as_compressed_without_an_agreement_is_1002(broker):
    with RawWebSocket(broker) as socket:
        socket.send_frame(TEXT, deflate(b"{}"), rsv=4)
        socket.check_failed(1002)


def test_a_continuation_marked_as_compressed_is_1002(broker):
    with RawWebSocket(broker, extensions="permessage-deflate") as socket:
        data = deflate(b"{}")
        socket.send(encode(TEXT, data[:1], rsv=4, fin=False)
                    + encode(CONTINUATION, data[1:], rsv=4))
        socket.check_failed(1002)
