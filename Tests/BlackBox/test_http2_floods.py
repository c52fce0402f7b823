"""HTTP/2 floods: who sends frames for their own sake is cut off, and the others notice nothing."""

import select
import struct
import time

import pytest
from hpack import Encoder

from broker import topic_path
from http2 import HTTP2, PREFACE

DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
CUT_OFF, HELD_BACK, TAKEN = "cut off", "not read any more", "taken"
CANCEL = struct.pack("!I", 8)
# A server may go on reading for a while after it has given up, so that its last word arrives.
SECONDS = 6


def frame(kind, payload=b"", stream=0, flags=0):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def head(stream, target="/healthz", more=(), flags=END_HEADERS | END_STREAM):
    block = Encoder().encode([(":method", "GET"), (":scheme", "http"), (":authority", "localhost"),
                              (":path", target), *more], huffman=False)
    return frame(HEADERS, block, stream, flags)


def streams():
    """The numbers that a client may give its streams."""
    return range(1, 2**31, 2)


# Each gives pieces of a flood without end, to be sent as fast as they are taken.


def rapid_reset():
    for stream in streams():
        yield head(stream, "/topics/a/events") + frame(RST, CANCEL, stream)


def rapid_reset_of_posts():
    for stream in streams():
        yield head(stream, "/topics/a/messages", flags=END_HEADERS) + frame(RST, CANCEL, stream)


def made_you_reset():
    # The server is made to reset the stream: by a window that is given nothing.
    for stream in streams():
        yield head(stream, "/topics/a/events") + frame(WINDOW, bytes(4), stream)


def settings():
    while True:
        yield frame(SETTINGS, struct.pack("!HI", 3, 100)) * 50


def pings():
    while True:
        yield frame(PING, b"12345678") * 50


def priorities():
    while True:
        yield frame(PRIORITY, struct.pack("!IB", 0, 5), 1) * 50


def windows():
    while True:
        yield frame(WINDOW, struct.pack("!I", 1)) * 50


def empty_data():
    yield head(1, "/topics/a/messages", flags=END_HEADERS)
    while True:
        yield frame(DATA, b"", 1) * 50


def continuations():
    yield head(1, flags=END_STREAM)
    while True:
        yield frame(CONTINUATION, b"\x00\x01a\x01b" * 100, 1)


def empty_continuations():
    yield head(1, flags=END_STREAM)
    while True:
        yield frame(CONTINUATION, b"", 1) * 50


def unknown_frames():
    while True:
        yield frame(0xbe, b"x" * 16) * 50


def bombs():
    # A large value once, and then by its number a few thousand times.
    encoder = Encoder()
    yield frame(HEADERS, encoder.encode([
        (":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/healthz"),
        ("x", "y" * 3_000)], huffman=False), 1, END_HEADERS | END_STREAM)
    for stream in streams():
        if stream > 1:
            yield frame(HEADERS, b"\x82\x86\x84" + b"\xbe" * 12_000, stream,
                        END_HEADERS | END_STREAM)


FLOODS = [rapid_reset, rapid_reset_of_posts, made_you_reset, settings, pings, priorities, windows,
          empty_data, continuations, empty_continuations, unknown_frames, bombs]


def send_flood(broker, make, is_read):
    """Floods for some seconds: what became of it, and the pieces sent."""
    count = 0
    with broker.connect(1) as connection:
        connection.send(PREFACE + frame(SETTINGS))
        stop = time.monotonic() + SECONDS
        try:
            for piece in make():
                if time.monotonic() > stop:
                    return TAKEN, count
                connection.send(piece)
                count += 1
                if is_read and not read_what_is_there(connection):
                    return CUT_OFF, count
        except (BrokenPipeError, ConnectionResetError):
            return CUT_OFF, count
        except TimeoutError:
            return HELD_BACK, count


def read_what_is_there(connection):
    """False at the end of the connection."""
    if not select.select([connection.socket], [], [], 0)[0]:
        return True
    return bool(connection.socket.recv(1_000_000))


@pytest.mark.parametrize("make", FLOODS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("is_read", [True, False], ids=["reading", "not reading"])
def test_a_flood_is_cut_off_or_held_back(start, make, is_read):
    own = start("--h2c")
    with own.follow("polite") as stream, HTTP2(own) as sibling:
        stream.opening()
        before = own.resident_bytes
        outcome, count = send_flood(own, make, is_read)
        grown = own.resident_bytes - before
        print(f"\n{make.__name__}: {outcome} after {count}, {grown / 1e6:.1f} MB more")
        assert outcome != TAKEN
        assert grown < 60_000_000
        # The others have not noticed.
        began = time.monotonic()
        number = own.publish("polite", "x")
        assert stream.next(2) == (number, "message", "x")
        assert sibling.request("GET", topic_path("polite")).status == 200
        assert time.monotonic() - began < 2
    own.check_serving()
