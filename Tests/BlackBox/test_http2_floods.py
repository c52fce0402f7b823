"""HTTP/2 floods: who sends frames for their own sake is cut off, and the others notice nothing."""

import itertools
import select
import struct
import time
from contextlib import contextmanager

import pytest
from h2.errors import ErrorCodes
from hpack import Encoder

from broker import topic_path
from http2 import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, HTTP2, PING, PRIORITY,
                   RST_STREAM, SETTINGS, WINDOW_UPDATE, Frames, frame)
from wire import check_problem

CUT_OFF, HELD_BACK, TAKEN = "cut off", "not read any more", "taken"
MEBIBYTE = 1_048_576
# A server may go on reading for a while after it has given up, so that its last word arrives.
SECONDS = 6
# For an event and an answer, on a machine with several times as much to do as it has cores.
OTHERS_SECONDS_MAX = 5
# What the kernels of both ends hold of a connection that is not read any more.
FLOOD_BYTES_MAX = 24 * MEBIBYTE


@contextmanager
def beside_others(broker):
    """Others are connected all the while; behind it they are served, and the broker is small."""
    with broker.follow("polite") as stream, HTTP2(broker) as sibling:
        stream.opening()
        followed = sibling.follow("polite")
        before = broker.resident_bytes
        yield broker
        assert broker.resident_bytes - before < 32 * MEBIBYTE
        began = time.monotonic()
        number = broker.publish("polite", "x")
        assert stream.next() == (number, "message", "x")
        sibling.wait_until(lambda: followed.events)
        assert followed.events[0].id == number and not followed.is_over
        assert sibling.request("GET", topic_path("polite")).status == 200
        assert time.monotonic() - began < OTHERS_SECONDS_MAX
    broker.check_serving()


@pytest.fixture
def server(start):
    with beside_others(start("--h2c")) as broker:
        yield broker


# Each gives pieces of a flood without end, to be sent as fast as they are taken.


def head(stream, target="/healthz", method="GET", more=(), flags=END_HEADERS | END_STREAM):
    block = Encoder().encode([(":method", method), (":scheme", "http"), (":path", target),
                              (":authority", "localhost"), *more], huffman=False)
    return frame(HEADERS, flags, stream, block)


def message(stream):
    """The head of a publish whose body is to follow."""
    return head(stream, topic_path("a"), "POST", flags=END_HEADERS)


def streams():
    """The numbers that a client may give its streams."""
    return range(1, 2**31, 2)


def reset(stream):
    return frame(RST_STREAM, 0, stream, struct.pack("!I", ErrorCodes.CANCEL))


def rapid_reset():
    for stream in streams():
        yield head(stream, "/topics/a/events") + reset(stream)


def rapid_reset_of_posts():
    for stream in streams():
        yield message(stream) + reset(stream)


def made_you_reset():
    # The server is made to reset the stream: by a window that is given nothing.
    for stream in streams():
        yield head(stream, "/topics/a/events") + frame(WINDOW_UPDATE, 0, stream, bytes(4))


def settings():
    while True:
        yield frame(SETTINGS, payload=struct.pack("!HI", 3, 100)) * 50


def empty_settings():
    while True:
        yield frame(SETTINGS) * 50


def pings():
    while True:
        yield frame(PING, payload=b"12345678") * 50


def priorities():
    while True:
        yield frame(PRIORITY, 0, 1, struct.pack("!IB", 0, 5)) * 50


def windows():
    while True:
        yield frame(WINDOW_UPDATE, payload=struct.pack("!I", 1)) * 50


def empty_data():
    yield message(1)
    while True:
        yield frame(DATA, 0, 1) * 50


def small_data():
    # A message of a megabyte would be a million frames.
    yield message(1)
    while True:
        yield frame(DATA, 0, 1, b"x") * 50


def continuations():
    yield head(1, flags=END_STREAM)
    while True:
        yield frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b" * 100)


def empty_continuations():
    yield head(1, flags=END_STREAM)
    while True:
        yield frame(CONTINUATION, 0, 1) * 50


def unknown_frames():
    while True:
        yield frame(0xbe, payload=b"x" * 16) * 50


def bombs():
    # A large value once, and then by its number a few thousand times.
    encoder = Encoder()
    yield frame(HEADERS, END_HEADERS | END_STREAM, 1, encoder.encode(
        [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"),
         (":path", "/healthz"), ("x", "y" * 3_000)], huffman=False))
    for stream in streams():
        if stream > 1:
            yield frame(HEADERS, END_HEADERS | END_STREAM, stream,
                        b"\x82\x86\x84" + b"\xbe" * 12_000)


def bombs_in_pieces():
    # The value and its repetitions in one head, which ends in another frame.
    value = ("x", "y" * 4_000)
    for stream in streams():
        yield head(stream, more=[value], flags=END_STREAM) + frame(
            CONTINUATION, END_HEADERS, stream, b"\xbe" * 12_000)


FLOODS = [rapid_reset, rapid_reset_of_posts, made_you_reset, settings, empty_settings, pings,
          priorities, windows, empty_data, small_data, continuations, empty_continuations,
          unknown_frames, bombs, bombs_in_pieces]


def send_flood(server, make, is_read):
    """Floods for some seconds: what became of it, and the bytes sent."""
    sent = 0
    with Frames(server, timeout=1) as connection:
        stop = time.monotonic() + SECONDS
        try:
            for piece in make():
                if time.monotonic() > stop or sent > FLOOD_BYTES_MAX:
                    return TAKEN, sent
                connection.socket.sendall(piece)
                sent += len(piece)
                if is_read and not read_what_is_there(connection):
                    return CUT_OFF, sent
        except (BrokenPipeError, ConnectionResetError):
            return CUT_OFF, sent
        except TimeoutError:
            return HELD_BACK, sent


def read_what_is_there(connection):
    """False at the end of the connection."""
    if not select.select([connection.socket], [], [], 0)[0]:
        return True
    return bool(connection.socket.recv(1_000_000))


@pytest.mark.parametrize("make", FLOODS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("is_read", [True, False], ids=["reading", "not reading"])
def test_a_flood_is_cut_off_or_held_back(server, make, is_read):
    outcome, sent = send_flood(server, make, is_read)
    print(f"\n{make.__name__}: {outcome} after {sent:,} bytes")
    assert outcome != TAKEN


@pytest.mark.parametrize("make, count", [
    (pings, 5), (windows, 100), (rapid_reset, 1_200), (made_you_reset, 300),
], ids=lambda value: getattr(value, "__name__", ""))
def test_the_end_of_a_flood_is_told(server, make, count):
    with Frames(server) as connection:
        connection.send(b"".join(itertools.islice(make(), count)))
        assert connection.last_words() == ErrorCodes.ENHANCE_YOUR_CALM


# What costs without being a flood.


def test_bodies_that_do_not_end_are_bounded_over_all_streams(start):
    own = start("--h2c", "--request-timeout", 2)
    with beside_others(own), HTTP2(own) as client:
        before = own.resident_bytes
        exchanges = [client.begin("POST", topic_path("a"), ends=False) for _ in range(64)]
        for exchange in exchanges:
            client.send_body(exchange, b"x" * 600_000, ends=False)
        client.wait_until(lambda: any(exchange.is_over for exchange in exchanges))
        assert own.resident_bytes - before < 32 * MEBIBYTE
        refused = [exchange for exchange in exchanges if exchange.status == 503]
        check_problem(client.finish(refused[0]), 503, "queue_full")
        client.wait_until(lambda: all(exchange.is_over for exchange in exchanges), 8)
        assert {exchange.status for exchange in exchanges} <= {503, 408}
        # All of it is given back.
        assert client.publish("a", "y" * 1_000_000)


def test_a_client_that_reads_nothing_of_its_answers_is_bounded(server):
    with Frames(server, timeout=5) as connection:
        for stream in itertools.islice(streams(), 20_000):
            if not connection.send(head(stream)):
                break


def test_garbage_and_half_frames_do_no_harm(server):
    for data in [b"\0" * 9_000, b"\xff" * 9_000, head(1)[:-3], b"\0\0"]:
        with Frames(server) as connection:
            connection.send(data)
    for _ in range(20):
        with Frames(server) as connection:
            # Gone in the middle of a message, with a stream open.
            connection.send(head(1, "/topics/a/events") + message(3)
                            + frame(DATA, 0, 3, b"half"))
