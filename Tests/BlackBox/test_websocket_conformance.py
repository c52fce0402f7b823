"""RFC 6455 on `/ws/echo`, case by case, in the groups of the Autobahn test suite.

1 lengths, 2 pings, 3 reserved bits, 4 opcodes, 5 fragments, 6 UTF-8, 7 closing, 9 sizes; 12 and 13,
compression, with the package `websockets` on the other side. Each case has a connection of its own.
"""

import random

import pytest

from broker import Broker
from frames import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, RawWebSocket,
                    close_payload, encode)
from gateway import Gateway
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    running = Broker(tmp_path_factory.mktemp("echo"), "--websocket-echo").start()
    try:
        yield running
        running.check_alive()
    finally:
        running.kill()


@pytest.fixture
def socket(echo):
    with RawWebSocket(echo, "/ws/echo") as running:
        yield running


def check(socket, sent, expected, pieces=None):
    """Sends bytes and expects these frames, or the close with a code, and nothing else."""
    if pieces:
        try:
            socket.send_slowly(sent, pieces)
        except OSError:
            pass  # It was refused before its end.
    else:
        socket.send(sent)
    for frame in expected:
        if isinstance(frame, int):
            socket.check_failed(frame)
            return
        assert socket.frame() == frame
    # An orderly end: nothing else was on its way.
    socket.send_frame(CLOSE, close_payload(1000))
    assert socket.frame() == Frame(CLOSE, close_payload(1000))
    assert socket.has_ended()


# 1: lengths. What has an odd number of bytes in its length, or a length at a border.

LENGTHS = (0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("length", LENGTHS)
def test_1_a_message_of_any_length_comes_back(socket, opcode, length):
    payload = b"*" * length if opcode == TEXT else b"\xfe" * length
    check(socket, encode(opcode, payload), [Frame(opcode, payload)])


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("length, pieces", [(65_536, 997), (300, 1), (126, 1), (0, 1)])
def test_1_in_pieces_of_a_few_bytes(socket, opcode, length, pieces):
    check(socket, encode(opcode, b"*" * length), [Frame(opcode, b"*" * length)], pieces)


@pytest.mark.parametrize("length, length_bytes", [
    (0, 2), (5, 2), (125, 2), (0, 8), (5, 8), (65_535, 8)])
def test_1_a_length_in_too_many_bytes_is_echoed_or_refused(socket, length, length_bytes):
    # RFC 6455 §5.2 says the fewest bytes MUST be used, and nothing of what a receiver does else.
    socket.send(encode(TEXT, b"*" * length, length_bytes=length_bytes))
    frame = socket.frame()
    assert frame == Frame(TEXT, b"*" * length) or (frame.opcode, frame.code) == (CLOSE, 1002)


@pytest.mark.parametrize("mask", [b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x01\x00\x00\x80"])
def test_1_any_mask(socket, mask):
    payload = bytes(range(256)) * 5 + b"abc"
    check(socket, encode(BINARY, payload, mask=mask), [Frame(BINARY, payload)])


# 2: pings and pongs.

@pytest.mark.parametrize("payload", [
    b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125])
@pytest.mark.parametrize("pieces", [None, 1])
def test_2_a_ping_is_answered_with_its_payload(socket, payload, pieces):
    check(socket, encode(PING, payload), [Frame(PONG, payload)], pieces)


def test_2_a_ping_of_126_bytes_is_refused(socket):
    check(socket, encode(PING, b"\xfe" * 126), [1002])


@pytest.mark.parametrize("payload", [b"", b"unsolicited"])
def test_2_a_pong_nobody_asked_for_is_passed_over(socket, payload):
    check(socket, encode(PONG, payload), [])


def test_2_a_pong_and_then_a_ping(socket):
    check(socket, encode(PONG, b"unsolicited") + encode(PING, b"ping"), [Frame(PONG, b"ping")])


@pytest.mark.parametrize("pieces", [None, 1])
def test_2_ten_pings_ten_pongs(socket, pieces):
    payloads = [b"payload-%d" % n for n in range(10)]
    check(socket, b"".join(encode(PING, payload) for payload in payloads),
          [Frame(PONG, payload) for payload in payloads], pieces)


# 3: reserved bits.

HELLO = encode(TEXT, "Hello, world!")
HELLO_BACK = Frame(TEXT, b"Hello, world!")


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode, payload", [
    (TEXT, b"x"), (BINARY, b"x"), (PING, b"x"), (PONG, b""), (CLOSE, close_payload(1000))])
def test_3_a_reserved_bit_is_refused_and_what_came_before_is_echoed(socket, opcode, payload, rsv):
    check(socket, HELLO + encode(opcode, payload, rsv=rsv) + encode(PING), [HELLO_BACK, 1002])


@pytest.mark.parametrize("pieces", [1, 3])
def test_3_in_pieces(socket, pieces):
    check(socket, HELLO + encode(TEXT, b"x", rsv=5) + encode(PING), [HELLO_BACK, 1002], pieces)


@pytest.mark.parametrize("rsv", [1, 2, 3, 5, 6, 7])
def test_3_the_other_bits_are_refused_with_compression_too(echo, rsv):
    with RawWebSocket(echo, "/ws/echo", "permessage-deflate") as socket:
        check(socket, encode(TEXT, b"x", rsv=rsv), [1002])


# 4: opcodes.

@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"reserved"])
def test_4_a_reserved_opcode_is_refused(socket, opcode, payload):
    check(socket, HELLO + encode(opcode, payload) + encode(PING), [HELLO_BACK, 1002])


# 5: fragments.

def fragments(opcode, *payloads, between=b""):
    last = len(payloads) - 1
    return between.join(encode(opcode if n == 0 else CONTINUATION, payload, fin=n == last)
                        for n, payload in enumerate(payloads))


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_5_a_fragmented_control_frame_is_refused(socket, opcode):
    check(socket, fragments(opcode, b"\x03\xe8", b"x"), [1002])


@pytest.mark.parametrize("pieces", [None, 1])
@pytest.mark.parametrize("payloads", [
    (b"fragment1", b"fragment2"), (b"", b""), (b"", b"", b""), (b"", b"middle", b""), (b"a", b""),
    tuple(b"%d" % n for n in range(30))])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_5_fragments_come_back_as_one_message(socket, opcode, payloads, pieces):
    check(socket, fragments(opcode, *payloads), [Frame(opcode, b"".join(payloads))], pieces)


@pytest.mark.parametrize("pieces", [None, 1])
def test_5_a_ping_between_fragments_is_answered_first(socket, pieces):
    check(socket, fragments(TEXT, b"fragment1", b"fragment2", between=encode(PING, b"ping")),
          [Frame(PONG, b"ping"), Frame(TEXT, b"fragment1fragment2")], pieces)


def test_5_pings_and_pongs_between_five_fragments(socket):
    check(socket, fragments(TEXT, *[b"fragment%d" % n for n in range(5)],
                            between=encode(PING, b"ping") + encode(PONG, b"pong")),
          [Frame(PONG, b"ping")] * 4
          + [Frame(TEXT, b"fragment0fragment1fragment2fragment3fragment4")])


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("payload", [b"", b"non-continuation payload"])
def test_5_a_continuation_of_nothing_is_refused(socket, payload, fin):
    check(socket, encode(CONTINUATION, payload, fin=fin) + HELLO, [1002])


def test_5_a_continuation_after_a_whole_message_is_refused(socket):
    check(socket, HELLO + encode(CONTINUATION, b"x"), [HELLO_BACK, 1002])


@pytest.mark.parametrize("inner", [TEXT, BINARY])
def test_5_a_message_inside_a_message_is_refused(socket, inner):
    check(socket, encode(TEXT, b"fragment1", fin=False) + encode(inner, b"fragment2"), [1002])


def test_5_two_fragmented_messages_one_after_the_other(socket):
    check(socket, fragments(TEXT, b"a", b"b") + fragments(BINARY, b"c", b"d"),
          [Frame(TEXT, b"ab"), Frame(BINARY, b"cd")])


# 6: UTF-8. The sequences are those of Markus Kuhn's stress test and of the Unicode standard.

VALID = [
    "", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff",
    "\ue000", "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0001fffe", "\U0010ffff", "\ufeff",
    "𠜎𠜱𠝹𠱓", "a\u0000b", "👩‍👩‍👧‍👦",
]
INVALID = [
    b"\x80", b"\xbf", b"\x80\xbf", b"\xc0", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2\x20",
    b"\xc3\x28",
    b"\xdf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe2\x28\xa1", b"\xe2\x82\x28", b"\xe2\x82",
    b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80",
    b"\xef\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x28\x8c\xbc", b"\xf0\x90\x28\xbc",
    b"\xf0\x28\x8c\x28", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xf4\xbf\xbf\xbf",
    b"\xf5\x80\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xf8\x88\x80\x80\x80", b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfd\xbf\xbf\xbf\xbf\xbf", b"\xfe", b"\xff", b"\xfe\xfe\xff\xff",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
]


@pytest.mark.parametrize("text", VALID, ids=ascii)
def test_6_valid_text_comes_back_whole_and_cut_at_every_byte(socket, text):
    data = text.encode("utf-8")
    padded = b"x" * 61 + data + b"y" * 70  # Also across the words a fast validator reads.
    sent = encode(TEXT, data) + encode(TEXT, padded)
    sent += fragments(TEXT, *(data[n:n + 1] for n in range(max(1, len(data)))))
    check(socket, sent, [Frame(TEXT, data), Frame(TEXT, padded), Frame(TEXT, data)])


@pytest.mark.parametrize("data", INVALID, ids=lambda data: data.hex())
@pytest.mark.parametrize("form", ["whole", "padded", "fragments", "pieces"])
def test_6_invalid_text_is_refused(socket, data, form):
    if form == "padded":
        data = b"x" * 70 + data + b"y" * 70
    sent = encode(TEXT, data)
    if form == "fragments":
        sent = fragments(TEXT, *(data[n:n + 1] for n in range(len(data))), b"")
    check(socket, HELLO + sent, [HELLO_BACK, 1007], 1 if form == "pieces" else None)


@pytest.mark.parametrize("data", INVALID, ids=lambda data: data.hex())
def test_6_any_bytes_are_a_binary_message(socket, data):
    check(socket, encode(BINARY, data), [Frame(BINARY, data)])


@pytest.mark.parametrize("first, bad", [
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", b"\xf4\x90"), (b"abc", b"\x80"),
    (b"\xe1", b"\x41"),
    (b"", b"\xc0"), (b"\xf0\x90", b"\x00"), (b"\xed", b"\xa0"),
])
def test_6_it_is_refused_at_the_first_bad_byte(socket, first, bad):
    # Neither the frame nor the message is complete.
    socket.send(encode(TEXT, first, fin=False))
    socket.send_frame(PING, b"so far so good")
    assert socket.frame() == Frame(PONG, b"so far so good")
    socket.send(encode(CONTINUATION, bad, fin=False, length=1000, length_bytes=2))
    socket.check_failed(1007)


# 7: closing.

@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011,
                                  3000, 3999, 4000, 4999])
@pytest.mark.parametrize("reason", [b"", b"Hello World!", "é".encode() * 61 + b"x"])
def test_7_a_close_comes_back_with_its_code(socket, code, reason):
    socket.send(HELLO + encode(CLOSE, close_payload(code, reason)))
    assert socket.frame() == HELLO_BACK
    assert socket.frame().code == code
    assert socket.has_ended()


def test_7_a_close_without_a_code_is_answered(socket):
    socket.send_frame(CLOSE)
    assert socket.frame().code in (None, 1000)
    assert socket.has_ended()


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000,
                                  65535])
@pytest.mark.parametrize("reason", [b"", b"why"])
def test_7_a_code_that_must_not_be_sent_is_refused(socket, code, reason):
    check(socket, encode(CLOSE, close_payload(code, reason)), [1002])


@pytest.mark.parametrize("payload, code", [
    (b"\x03", 1002), (close_payload(1000, b"x" * 124), 1002), (close_payload(1000, b"\xff"), 1007),
    (close_payload(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"), 1007),
])
def test_7_a_close_with_a_bad_payload_is_refused(socket, payload, code):
    check(socket, encode(CLOSE, payload), [code])


@pytest.mark.parametrize("after", [HELLO, encode(PING), encode(CLOSE, close_payload(1000)),
                                   encode(TEXT, b"\xff", rsv=7), fragments(TEXT, b"a", b"b"),
                                   b"\x00" * 300_000])
def test_7_nothing_after_a_close_is_answered(socket, after):
    socket.send(encode(CLOSE, close_payload(1000)) + after)
    assert socket.frame() == Frame(CLOSE, close_payload(1000))
    assert socket.has_ended()


def test_7_a_close_inside_a_fragmented_message_ends_it(socket):
    socket.send(encode(TEXT, b"fragment1", fin=False) + encode(CLOSE, close_payload(1000))
                + encode(CONTINUATION, b"fragment2"))
    assert socket.frame() == Frame(CLOSE, close_payload(1000))
    assert socket.has_ended()


def test_7_many_messages_and_a_close_at_once_are_all_answered(socket):
    socket.send(HELLO * 100 + encode(CLOSE, close_payload(1000)))
    assert [socket.frame() for _ in range(100)] == [HELLO_BACK] * 100
    assert socket.frame() == Frame(CLOSE, close_payload(1000))
    assert socket.has_ended()


# 9: sizes.

@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [262_144, 1_048_576, 4_194_304])
def test_9_a_large_message_comes_back(socket, opcode, size):
    payload = (b"BAsd7&jh23" * (size // 10 + 1))[:size]
    check(socket, encode(opcode, payload), [Frame(opcode, payload)])


@pytest.mark.parametrize("fragment", [4_096, 65_536, 262_144, 1_048_576])
def test_9_a_large_message_in_fragments_comes_back_as_one(socket, fragment):
    payload = random.Random(fragment).randbytes(2_097_152)
    sent = fragments(BINARY, *(payload[n:n + fragment] for n in range(0, len(payload), fragment)))
    check(socket, sent, [Frame(BINARY, payload)])


def test_9_a_thousand_messages_at_once_come_back_in_order(socket):
    payloads = [b"%04d" % n * (n % 50) for n in range(1000)]
    check(socket, b"".join(encode(TEXT, payload) for payload in payloads),
          [Frame(TEXT, payload) for payload in payloads])


def test_9_over_the_limit_is_refused(socket):
    check(socket, encode(BINARY, b"", length=100_000_000, length_bytes=8), [1009])


# 12 and 13: compression, as each client may ask for it.

OFFERS = [
    {}, {"client_max_window_bits": True}, {"client_max_window_bits": 9},
    {"client_max_window_bits": 15}, {"server_max_window_bits": 9}, {"server_max_window_bits": 15},
    {"server_no_context_takeover": True}, {"client_no_context_takeover": True},
    {"server_max_window_bits": 10, "client_max_window_bits": 10,
     "server_no_context_takeover": True, "client_no_context_takeover": True},
]


def texts(size):
    choices = random.Random(size)
    words = [f'{{"price":{choices.randrange(10**6)},"symbol":"AÄ😀"}}' for _ in range(50)]
    text = "".join(choices.choice(words) for _ in range(size // 20 + 1))
    return [text[:size], "a" * size, "".join(chr(choices.randrange(32, 127)) for _ in range(size))]


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: "-".join(offer) or "plain")
@pytest.mark.parametrize("size", [0, 16, 511, 512, 4_096, 131_072])
def test_12_13_compressed_messages_come_back(echo, offer, size):
    with Gateway(echo, "/ws/echo", extensions=[ClientPerMessageDeflateFactory(**offer)]) as client:
        assert client.connection.protocol.extensions, "compression was not agreed on"
        for text in texts(size) * 3:
            client.connection.send(text)
            assert client.connection.recv(10) == text
            client.connection.send(text.encode())
            assert client.connection.recv(10) == text.encode()


@pytest.mark.parametrize("offer", [{}, {"server_max_window_bits": 9, "client_max_window_bits": 9}],
                         ids=["plain", "small-windows"])
def test_13_fragments_of_a_compressed_message(echo, offer):
    with Gateway(echo, "/ws/echo", extensions=[ClientPerMessageDeflateFactory(**offer)]) as client:
        text = texts(100_000)[0]
        client.connection.send(text[start:start + 1000] for start in range(0, len(text), 1000))
        assert client.connection.recv(10) == text
