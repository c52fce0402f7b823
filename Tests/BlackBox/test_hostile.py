"""Clients that break the rules: refused or cut off, and nobody else notices."""

import time

import pytest

from broker import Broker, topic_path
from wire import Closed, encode_request, parse_head

POST = b"POST /topics/a/messages HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

# name -> (bytes, statuses that are right, or None when closing without a word is right too)
BAD_REQUESTS = {
    "nonsense": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n", {400, None}),
    "no method": (b" / HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "no target": (b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "no version": (b"GET /healthz\r\n\r\n", {400, 505}),
    "lower case method": (b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n", {400, 405, 501}),
    "unknown method": (b"BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n", {400, 405, 501}),
    "very long method": (b"G" * 70000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", {400, 405, 431, 501}),
    "CONNECT": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n", {400, 404, 405, 501}),
    "nul in the target": (b"GET /health\x00z HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "nul in a field": (b"GET /healthz HTTP/1.1\r\nHost: a\x00b\r\n\r\n", {400}),
    "nul in a name": (b"GET /healthz HTTP/1.1\r\nHo\x00st: a\r\n\r\n", {400}),
    "space before the colon": (b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n", {400}),
    "field without a colon": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", {400}),
    "field without a name": (b"GET /healthz HTTP/1.1\r\n: a\r\n\r\n", {400}),
    "folded field": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", {400}),
    "bare carriage return": (b"GET /healthz HTTP/1.1\rHost: a\r\r", {400, 408, None}),
    "carriage return in a value": (b"GET /healthz HTTP/1.1\r\nX: a\rb\r\n\r\n", {400}),
    "length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                          b"0\r\n\r\n", {400}),
    "chunks and length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
                          b"0\r\n\r\n", {400}),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy", {400}),
    "two lengths in one": (POST + b"Content-Length: 1, 2\r\n\r\nxy", {400}),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", {400}),
    "signed length": (POST + b"Content-Length: +1\r\n\r\nx", {400}),
    "hexadecimal length": (POST + b"Content-Length: 0x1\r\n\r\nx", {400}),
    "largest length": (POST + b"Content-Length: 9223372036854775807\r\n\r\n", {400, 413}),
    "nearly the largest length": (POST + b"Content-Length: 9223372036854775806\r\n\r\n",
                                  {400, 413}),
    "length beyond 64 bits": (POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
                              {400, 413}),
    "empty length": (POST + b"Content-Length: \r\n\r\n", {400, 411}),
    "unknown coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                       {400, 415, 501}),
    "coding after chunked": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
                             {400, 415, 501}),
    "coding that is none": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                            {400, 411, 415, 501}),
    "chunk size that is none": (CHUNKED + b"xyz\r\nabc\r\n0\r\n\r\n", {400}),
    "negative chunk size": (CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n", {400}),
    "chunk size beyond 64 bits": (CHUNKED + b"fffffffffffffffff\r\nabc\r\n", {400, 413}),
    "chunk size of 64 bits": (CHUNKED + b"ffffffffffffffff\r\nabc\r\n", {400, 408, 413}),
    "chunk larger than the limit": (CHUNKED + b"7fffffff\r\nabc\r\n", {408, 413}),
    "chunk longer than its size": (CHUNKED + b"1\r\nabc\r\n0\r\n\r\n", {400}),
    "chunk without its end": (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", {400}),
    "target without a slash": (b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n", {400, 404}),
    "many empty lines": (b"\r\n" * 1000 + b"nonsense\r\n\r\n", {400, None}),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 405, 505, None}),
}


def answer_of(broker, data):
    """The status of the only answer to `data`, after which the connection ends; or None."""
    with broker.connect(10) as connection:
        try:
            connection.send(data)
            received = connection.rest()
        except (ConnectionResetError, BrokenPipeError):
            return None
    if not received:
        return None
    head, _, body = received.partition(b"\r\n\r\n")
    response = parse_head(head)
    assert len(body) == int(response.header("content-length")), "more than one answer"
    assert response.closes
    if response.status >= 400:
        assert response.header("content-type") == "application/problem+json"
    return response.status


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    own = Broker(tmp_path_factory.mktemp("hostile"), "--request-timeout", "3").start()
    yield own
    own.kill()


@pytest.fixture(autouse=True)
def still_serving(request):
    """After each test the broker serves as before."""
    yield
    if "broker" in request.fixturenames:
        request.getfixturevalue("broker").check_serving()


@pytest.mark.parametrize("name", BAD_REQUESTS, ids=lambda name: name.replace(" ", "-"))
def test_a_request_that_breaks_http_is_refused_and_its_connection_closed(broker, name):
    data, right = BAD_REQUESTS[name]
    before = len(broker.history("a"))
    if name in ("lower case method", "unknown method", "target without a slash", "CONNECT",
                "unknown coding", "coding that is none"):
        with broker.connect() as connection:  # Well formed enough to go on afterwards.
            connection.send(data)
            assert connection.response().status in right
    else:
        assert answer_of(broker, data) in right
    assert len(broker.history("a")) == before


@pytest.mark.parametrize("name", ["length and chunks", "two lengths", "chunk longer than its size"])
def test_nothing_is_smuggled_behind_a_broken_request(broker, name):
    smuggled = encode_request("POST", topic_path("smuggled"), b"x")
    assert answer_of(broker, BAD_REQUESTS[name][0] + smuggled) == 400
    assert broker.history("smuggled") == []


@pytest.mark.parametrize("data", [
    b"GET /healthz HTTP/1.1\nHost: a\n\n", b"\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n\r\n", b"GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /healthz?%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz#x HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\xe6\x96\xb0 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
])
def test_what_servers_differ_about_is_answered_once_either_way(broker, data):
    response = broker.send(data)
    assert response.status in (200, 400, 404, 405, 505)


@pytest.mark.parametrize("cut", [1, 10, 30, 60, 110, 130])
def test_a_client_that_goes_away_in_the_middle_publishes_nothing(broker, cut):
    request = encode_request("POST", topic_path("cut"), b"x" * 60, {"X-Filler": "y" * 20})
    assert cut < len(request)
    for _ in range(20):
        with broker.connect() as connection:
            connection.send(request[:cut])
    assert broker.history("cut") == []


def test_a_client_that_does_not_wait_for_its_answer_disturbs_nobody(broker):
    for _ in range(200):
        with broker.connect() as connection:
            connection.send(encode_request("POST", topic_path("impatient"), b"x") * 5)


@pytest.mark.parametrize("start, piece", [
    (b"GET /healthz HTTP/1.1\r\n", b"X-A: " + b"x" * 1000 + b"\r\n"),
    (b"GET /" + b"a" * 1000, b"a" * 1000),
    (CHUNKED, b"2710\r\n" + b"x" * 10_000 + b"\r\n"),
    (CHUNKED + b"1;", b"extension" * 100),
    (CHUNKED + b"0\r\n", b"X-Trailer: " + b"x" * 1000 + b"\r\n"),
    (b"", b"\r\n"),
], ids=["fields", "target", "chunks", "extension", "trailers", "empty-lines"])
def test_a_client_that_never_ends_its_request_is_cut(broker, start, piece):
    before = broker.resident_bytes
    with broker.connect() as connection:
        connection.send(start)
        began = time.monotonic()
        try:
            while time.monotonic() - began < 10:
                connection.send(piece)
            pytest.fail("it went on for ever")
        except OSError:
            pass
    assert broker.resident_bytes - before < 32_000_000


def test_an_answered_refusal_arrives_although_the_client_is_still_sending(broker):
    with broker.connect() as connection:
        connection.send(encode_request(
            "POST", topic_path("a"), headers={"Content-Length": "9000000"}))
        try:
            connection.send(b"x" * 1_000_000)
        except OSError:
            pass
        assert connection.response().status == 413


def test_a_pipeline_that_nobody_reads_is_bounded(broker):
    """A client that sends requests and reads no answer is slowed down, not buffered for."""
    before = broker.resident_bytes
    broker.publish_all("large", [b"x" * 1_000_000])
    with broker.connect(2, receive_buffer=4096) as connection:
        try:
            for _ in range(100):
                connection.send(encode_request("GET", topic_path("large")) * 100)
        except (TimeoutError, OSError):
            pass
        broker.check_serving()
        assert broker.resident_bytes - before < 96_000_000


def test_closing_while_the_answer_is_on_its_way_is_harmless(broker):
    broker.publish_all("large", [b"x" * 1_000_000] * 3)
    for _ in range(30):
        with broker.connect(receive_buffer=4096) as connection:
            connection.send(encode_request("GET", topic_path("large")))
            try:
                connection.fill()
            except Closed:
                pass
