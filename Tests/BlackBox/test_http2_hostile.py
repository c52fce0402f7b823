"""Frames that nobody honest sends: the connection ends, memory is bounded, others are served."""

import struct
import time

import hpack
import pytest

from broker import Broker, topic_path
from http2_client import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PING, PRIORITY,
    PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, Frames, Http2, frame)

MEBIBYTE = 1_048_576


@pytest.fixture(scope="module")
def module_server(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("http2"), "--h2c", "--request-timeout", 2).start()
    yield broker
    broker.kill()


@pytest.fixture
def server(module_server):
    """Serves another connection before, and is alive and small behind."""
    with Http2(module_server) as bystander:
        stream = bystander.follow("bystander")
        bystander.pump(until=lambda: stream.status)
        before = module_server.resident_bytes
        yield module_server
        module_server.check_alive()
        assert module_server.resident_bytes - before < 32 * MEBIBYTE
        number = bystander.publish("bystander", "still here")
        bystander.pump(until=lambda: stream.events)
        assert stream.events[-1].id == number and not stream.is_over


def head(method="GET", path="/healthz", *more, authority="localhost"):
    """A head as it stands in a frame."""
    fields = [(":method", method), (":path", path), (":scheme", "http")]
    if authority is not None:
        fields.append((":authority", authority))
    return hpack.Encoder().encode([*fields, *more], huffman=False)


def request(stream, *more, ends=True, **fields):
    """The one frame of a request, or its first."""
    flags = END_HEADERS | (END_STREAM if ends else 0)
    return frame(HEADERS, flags, stream, head(*more, **fields))


# What the kernels of both ends hold while the server does not read any more.
FLOOD_BYTES_MAX = 24 * MEBIBYTE


def flood(connection, make, seconds=15.0):
    """Sends `make(0)`, `make(1)`… until the server ends the connection, and reads nothing."""
    sent, number = 0, 0
    deadline = time.monotonic() + seconds
    while connection.send(data := make(number)):
        sent, number = sent + len(data), number + 1
        assert sent < FLOOD_BYTES_MAX, "it was let go on"
        assert time.monotonic() < deadline, "it was let go on"


FLOODS = {
    "pings": frame(PING, payload=b"12345678") * 100,
    "settings": frame(SETTINGS) * 100,
    "settings-values": frame(SETTINGS, payload=struct.pack(">HI", 4, 70_000)) * 100,
    "priorities": frame(PRIORITY, 0, 1, b"\0\0\0\3\x10") * 100,
    "window-updates": frame(WINDOW_UPDATE, payload=b"\0\0\0\1") * 100,
    "unknown-frames": frame(0xBB, 0, 0, b"x") * 100,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_frames_that_ask_for_nothing_ends_the_connection(server, name):
    with Frames(server) as connection:
        flood(connection, lambda _: FLOODS[name])


def requests_with(number, more):
    """A hundred requests, each with something behind it."""
    first = number * 200 + 1
    return b"".join(
        request(stream, "GET", topic_path("a", "events")) + more(stream)
        for stream in range(first, first + 200, 2))


def reset(stream):
    return frame(RST_STREAM, 0, stream, b"\0\0\0\x08")


def no_window(stream):
    """A window update of nothing: an error, for which the server resets (RFC 9113 §6.9)."""
    return frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\0")


@pytest.mark.parametrize("more", [reset, no_window])
def test_streams_that_are_reset_at_once_are_counted(server, more):
    with Frames(server) as connection:
        flood(connection, lambda number: requests_with(number, more))


@pytest.mark.parametrize("data", [
    frame(PING, payload=b"12345678") * 250, frame(WINDOW_UPDATE, payload=b"\0\0\0\1") * 5_000,
    b"".join(requests_with(number, reset) for number in range(12)),
    b"".join(requests_with(number, no_window) for number in range(3)),
], ids=["pings", "window-updates", "resets", "errors"])
def test_the_end_of_a_flood_is_told(server, data):
    with Frames(server) as connection:
        connection.send(data)
        assert connection.last_words() == ENHANCE_YOUR_CALM


def test_streams_over_their_number_are_refused_and_the_others_go_on(server):
    with Frames(server) as connection:
        # So that its settings count.
        connection.until(SETTINGS)
        connection.send(frame(SETTINGS, 1))
        connection.send(b"".join(
            request(number, "GET", topic_path("a", "events")) for number in range(1, 601, 2)))
        refused, answered = set(), set()
        while len(refused) + len(answered) < 300:
            kind, _, stream, payload = connection.receive()
            if kind == RST_STREAM:
                assert int.from_bytes(payload, "big") == REFUSED_STREAM
                refused.add(stream)
            elif kind == HEADERS:
                answered.add(stream)
        assert len(answered) == 256


@pytest.mark.parametrize("piece", [b"", b"x" * 16_000])
def test_a_head_that_does_not_end_is_cut_off(server, piece):
    with Frames(server) as connection:
        connection.send(frame(HEADERS, 0, 1, head()))
        flood(connection, lambda _: frame(CONTINUATION, 0, 1, piece) * 10)


def test_frames_without_bytes_are_counted(server):
    with Frames(server) as connection:
        connection.send(request(1, "POST", topic_path("a"), ends=False))
        flood(connection, lambda _: frame(DATA, 0, 1) * 100)
    with Frames(server) as connection:
        connection.send(request(1, "POST", topic_path("a"), ends=False))
        # And such as have one: a message of a megabyte would be a million frames.
        flood(connection, lambda _: frame(DATA, 0, 1, b"x") * 100)


def test_a_head_that_grows_when_it_is_unpacked_is_refused(server):
    # One field of 4,000 bytes, then an index of one byte for it, 16,000 times: 64 MB.
    name = b"\x40\x01a" + b"\x7f" + hpack.hpack.encode_integer(4_000, 7)[1:] + b"v" * 4_000
    with Frames(server) as connection:
        connection.send(frame(HEADERS, 0, 1, head() + name)
                        + frame(CONTINUATION, END_HEADERS, 1, b"\xbe" * 12_000))
        connection.last_words()


def test_bodies_that_do_not_end_are_bounded_over_all_streams(server):
    before = server.resident_bytes
    with Http2(server) as connection:
        exchanges = [connection.begin("POST", topic_path("a"), ends=False) for _ in range(64)]
        for exchange in exchanges:
            sent = 0
            while sent < 600_000 and not exchange.is_over:
                connection.pump(until=lambda: exchange.is_over or connection.http
                                .local_flow_control_window(exchange.number) > 0)
                if exchange.is_over:
                    break
                room = min(connection.http.local_flow_control_window(exchange.number), 16_384)
                connection.http.send_data(exchange.number, b"x" * room)
                connection.flush()
                sent += room
        connection.pump(until=lambda: any(exchange.is_over for exchange in exchanges))
        assert server.resident_bytes - before < 32 * MEBIBYTE
        refused = [exchange for exchange in exchanges if exchange.status == 503]
        assert refused and refused[0].json()["code"] == "queue_full"
        connection.pump(until=lambda: all(exchange.is_over for exchange in exchanges), timeout=8)
        assert {exchange.status for exchange in exchanges} <= {503, 408}
        # All of it is given back.
        assert connection.publish("a", "y" * 1_000_000)


MALFORMED = {
    "no-path": hpack.Encoder().encode([(":method", "GET"), (":scheme", "http")]),
    "no-method": hpack.Encoder().encode([(":path", "/healthz"), (":scheme", "http")]),
    "two-paths": head("GET", "/healthz", (":path", "/other")),
    "unknown-pseudo-field": head("GET", "/healthz", (":secret", "x")),
    "pseudo-field-behind": head("GET", "/healthz", ("a", "b"), (":method", "GET")),
    "connection": head("GET", "/healthz", ("connection", "close")),
    "upgrade": head("GET", "/healthz", ("upgrade", "websocket")),
    "transfer-encoding": head("GET", "/healthz", ("transfer-encoding", "chunked")),
    "te": head("GET", "/healthz", ("te", "gzip")),
    "capitals": head("GET", "/healthz", ("Accept", "x")),
    "line-end-in-value": head("GET", "/healthz", ("a", "b\r\nc: d")),
    "nul-in-value": head("GET", "/healthz", ("a", "b\0")),
    "space-in-name": head("GET", "/healthz", ("a b", "c")),
    "other-host": head("GET", "/healthz", ("host", "other")),
    "relative-path": head("GET", "healthz"),
    "absolute-path": head("GET", "http://localhost/healthz"),
    "response": hpack.Encoder().encode([(":status", "200")]),
    "extended-connect": hpack.Encoder().encode([
        (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/ws"),
        (":authority", "localhost")]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_ends_its_stream_and_no_other(server, name):
    with Frames(server) as connection:
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, MALFORMED[name])
                        + request(3))
        kind, _, _, payload = connection.until(RST_STREAM, 1)
        assert int.from_bytes(payload, "big") == PROTOCOL_ERROR
        assert connection.until(HEADERS, 3)[0] == HEADERS


def test_a_body_of_another_length_than_announced_ends_its_stream(server):
    for body in [b"12345", b"123"]:
        with Frames(server) as connection:
            connection.send(
                request(1, "POST", topic_path("length"), ("content-length", "4"), ends=False)
                + frame(DATA, END_STREAM, 1, body) + request(3))
            assert connection.until(RST_STREAM, 1)[2] == 1
            assert connection.until(HEADERS, 3)[2] == 3
    assert server.page("length", after=0)["messages"] == []


def test_a_request_without_a_host_is_answered_400(server):
    with Frames(server) as connection:
        connection.send(request(1, authority=None))
        payload = connection.until(HEADERS, 1)[3]
        assert dict(hpack.Decoder().decode(payload))[":status"] == "400"


BROKEN = {
    "a frame larger than was allowed": frame(DATA, 0, 1, b"x" * 16_385),
    "data on no stream": frame(DATA, 0, 0, b"x"),
    "a head on a stream of the server": frame(HEADERS, END_HEADERS | END_STREAM, 2, head()),
    "a continuation of nothing": frame(CONTINUATION, END_HEADERS, 1, b""),
    "a ping of seven bytes": frame(PING, payload=b"1234567"),
    "settings of five bytes": frame(SETTINGS, payload=b"12345"),
    "a window beyond its bound": frame(WINDOW_UPDATE, payload=b"\x7f\xff\xff\xff") * 2,
    "a head that does not unpack": frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff" * 20),
    "data on a stream that never was": frame(DATA, 0, 5, b"x"),
    "a push": frame(5, END_HEADERS, 1, b"\0\0\0\2" + head()),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_protocol_ends_the_connection(server, name):
    with Frames(server) as connection:
        connection.send(BROKEN[name])
        began = time.monotonic()
        assert connection.last_words() not in (None, 0)
        assert time.monotonic() - began < 5


def test_garbage_and_half_frames_do_no_harm(server):
    for data in [b"\0" * 9_000, b"\xff" * 9_000, frame(HEADERS, 0, 1, head())[:-3], b"\0\0"]:
        with Frames(server) as connection:
            connection.send(data)
    for _ in range(20):
        with Frames(server) as connection:
            # Gone in the middle of a message, with a stream open.
            connection.send(request(1, "GET", topic_path("a", "events"))
                            + request(3, "POST", topic_path("a"), ends=False)
                            + frame(DATA, 0, 3, b"half"))


def test_a_client_that_reads_nothing_of_its_answers_is_bounded(server):
    with Frames(server) as connection:
        connection.socket.settimeout(5)
        number = 1
        while number < 40_000 and connection.send(request(number)):
            number += 2
