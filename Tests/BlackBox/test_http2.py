"""HTTP/2: a request is answered as over HTTP/1, and one that is malformed ends alone."""

import threading
import time

import pytest
from h2.errors import ErrorCodes
from hpack import Encoder

from admin import Admin
from broker import topic_path, wait_for
from credentials import bearer, create_token, unknown_token
from http2 import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, HTTP2, PING, PREFACE,
                   PUSH_PROMISE, SETTINGS, WINDOW_UPDATE, Frames, frame, serving)
from wire import check_problem


@pytest.fixture(scope="module", params=["TLS", "h2c"])
def module_server(request, tmp_path_factory):
    with serving(request.param, tmp_path_factory.mktemp("http2")) as broker:
        yield broker


@pytest.fixture
def server(module_server):
    yield module_server
    module_server.check_alive()
    with HTTP2(module_server, module_server.context) as client:
        assert client.request("GET", "/healthz").json() == {"status": "ok"}


@pytest.fixture
def client(server):
    with HTTP2(server, server.context) as client:
        yield client


# Requests.


def test_requests_are_answered_as_over_http_1(client, topic):
    published = client.request("POST", topic_path(topic), b"first")
    assert published.status == 201 and published.header("content-type") == "application/json"
    number = published.json()["id"]
    assert published.header("location") == f"/topics/{topic}/messages/{number}"
    page = client.request("GET", topic_path(topic)).json()
    assert [message["data"] for message in page["messages"]] == ["first"]
    message = client.request("GET", topic_path(topic, f"messages/{number}"))
    assert message.json()["data"] == "first"
    assert client.request("POST", topic_path(topic), b"").status == 201
    head = client.request("HEAD", topic_path(topic))
    assert head.status == 200 and head.body == b""
    health = client.request("HEAD", "/healthz")
    assert health.body == b"" and health.header("content-length") == "15"
    # What HTTP/2 has no use for is not said.
    for response in (published, head):
        for name in ("connection", "transfer-encoding", "keep-alive"):
            assert response.header(name) is None


@pytest.mark.parametrize("method, target, body, status, code", [
    ("GET", "/nothing", None, 404, "not_found"),
    ("DELETE", "/healthz", None, 405, "method_not_allowed"),
    ("GET", "/ws", None, 400, "bad_handshake"),
    ("GET", "/topics/a**/messages", None, 400, "invalid_pattern"),
    ("GET", "/topics/a/*/messages/1", None, 400, "invalid_topic"),
    ("POST", "/topics/a/messages", b"\xff", 415, "not_utf8"),
    ("POST", "/events", b"[]", 415, "unsupported_media_type"),
    ("GET", "/" + "a" * 9_000, None, 414, "uri_too_long"),
], ids=lambda value: str(value)[:40])
def test_what_cannot_be_served_is_a_problem(client, method, target, body, status, code):
    check_problem(client.request(method, target, body), status, code)
    # The connection goes on.
    assert client.request("GET", "/healthz").status == 200


def test_a_head_over_its_limit_is_answered_431(client):
    large = {f"x-{number}": "v" * 1_000 for number in range(18)}
    many = {f"x-{number}": "v" for number in range(101)}
    for headers in (large, many):
        response = client.request("GET", "/healthz", headers=headers)
        check_problem(response, 431, "headers_too_large")
    assert client.request("GET", "/healthz").status == 200


def test_a_body_of_the_largest_size_passes_the_windows_and_one_byte_more_does_not(client, topic):
    first = client.request("POST", topic_path(topic), b"x" * 1_048_576)
    assert first.status == 201
    announced = client.begin(
        "POST", topic_path(topic), headers={"content-length": "1048577"}, ends=False)
    check_problem(client.finish(announced), 413, "message_too_large")
    # That the rest is not wanted is said too.
    client.wait_until(lambda: announced.reset_code is not None)
    assert announced.reset_code == ErrorCodes.NO_ERROR
    for _ in range(5):
        response = client.request("POST", topic_path(topic), b"x" * 1_100_000)
        check_problem(response, 413, "message_too_large")
    # What was refused does not use up the window of the connection.
    assert client.request("POST", topic_path(topic), b"x" * 1_048_576).status == 201
    page = client.request("GET", topic_path(topic, after=first.json()["id"])).json()
    assert [len(message["data"]) for message in page["messages"]] == [1_048_576]


def test_a_large_page_arrives_whole_through_a_small_window(server, topic):
    with HTTP2(server, server.context, window=1_000) as client:
        payloads = [f"{number} " + "y" * 50_000 for number in range(15)]
        for payload in payloads:
            client.publish(topic, payload)
        page = client.request("GET", topic_path(topic, after=0)).json()
        assert [message["data"] for message in page["messages"]] == payloads


def test_requests_that_overlap_are_each_answered(client, topic):
    exchanges = [client.begin("POST", topic_path(topic), b"%d" % n) for n in range(200)]
    ids = [client.finish(exchange).json()["id"] for exchange in exchanges]
    assert len(set(ids)) == 200
    # What was sent first was stored first.
    assert ids == sorted(ids)


def test_a_waiting_read_is_answered_among_others(client, topic):
    waiting = client.begin("GET", topic_path(topic, after=0, wait=20))
    assert client.request("GET", "/healthz").status == 200
    client.publish(topic, "x")
    assert [message["data"] for message in client.finish(waiting).json()["messages"]] == ["x"]


def test_many_connections_at_once_publish_and_lose_nothing(start):
    own = start("--h2c")
    failures = []

    def publish(name):
        try:
            with HTTP2(own) as client:
                for number in range(100):
                    client.publish("load", f"{name} {number}")
        except Exception as error:  # Told to the test by the main thread.
            failures.append(error)

    with HTTP2(own) as reader:
        stream = reader.follow("load")
        threads = [threading.Thread(target=publish, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        reader.wait_until(lambda: len(stream.events) == 800)
        for thread in threads:
            thread.join(20)
    assert not failures
    for name in range(8):
        mine = [event.data for event in stream.events if event.data.startswith(f"{name} ")]
        assert mine == [f"{name} {number}" for number in range(100)]


# Who may, and under which name.


def test_credentials_and_origins_count_as_over_http_1(start):
    own = start("--h2c", "--auth", "--allow-origin", "https://app.example.com")
    token = create_token(own, ["a"], ["a"])
    with HTTP2(own) as client:
        def get(target, headers=()):
            return client.request("GET", target, headers=headers)

        target = topic_path("a")
        check_problem(get(target), 401, "unauthorized")
        check_problem(get(target, bearer(unknown_token())), 401, "invalid_token")
        assert get(target, bearer(token)).status == 200
        assert get(f"{target}?access_token={token}").status == 200
        check_problem(get(topic_path("b"), bearer(token)), 403, "forbidden")
        # Browsers send each cookie in a field of its own.
        crumbs = [("cookie", "a=b"), ("cookie", f"tickertape_token={token}"), ("cookie", "c=d")]
        assert get(target, crumbs).status == 200
        twice = crumbs + [("cookie", f"tickertape_token={unknown_token()}")]
        assert get(target, twice).status == 401
        answer = get(target, bearer(token) | {"Origin": "https://evil.example"})
        check_problem(answer, 403, "forbidden_origin")
        answer = get(target, bearer(token) | {"Origin": "https://app.example.com"})
        assert answer.header("access-control-allow-origin") == "https://app.example.com"


def test_the_authority_is_looked_at_like_a_host(start):
    own = start("--h2c")
    with HTTP2(own, authority="evil.example") as client:
        check_problem(client.request("GET", topic_path("a")), 403, "forbidden_host")
        check_problem(client.request("POST", topic_path("a"), b"x"), 403, "forbidden_host")
        nobody = client.open_stream([field for field in GOOD if field[0] != ":authority"])
        check_problem(client.finish(nobody), 400, "bad_request")
    assert own.history() == []


# What a connection begins with.


def test_http_1_is_served_beside_it_on_the_same_port(start):
    own = start("--h2c")
    with HTTP2(own) as client, own.follow("a") as old:
        old.opening()
        stream = client.follow("a")
        one = own.publish("a", "over http/1.1")
        two = client.publish("a", "over http/2")
        assert old.take(2) == [(one, "message", "over http/1.1"), (two, "message", "over http/2")]
        client.wait_until(lambda: len(stream.events) == 2)
        assert [event.id for event in stream.events] == [one, two]
        # Methods that begin like the preface.
        for method in ["P", "PR", "PRI", "PUT", "PROPFIND"]:
            response = own.request(method, "/healthz")
            assert response.status in (400, 405, 505), method


def test_without_the_option_plain_connections_speak_http_1_alone(broker):
    with broker.connect() as connection:
        connection.send(PREFACE + frame(SETTINGS))
        response = connection.response()
        check_problem(response, 400, "bad_request")
        assert response.closes
    broker.check_serving()


@pytest.mark.parametrize("sent", [b"", PREFACE[:10], PREFACE])
def test_a_connection_that_does_not_begin_is_cut_off(start, sent):
    own = start("--h2c", "--request-timeout", 1)
    with own.connect() as connection:
        connection.send(sent)
        began = time.monotonic()
        connection.rest()
        assert time.monotonic() - began < 5


# What is malformed.

# The scheme is what the client spoke to whoever stands in front, so it says nothing about TLS here.
METHOD, PATH = (":method", "GET"), (":path", "/healthz")
GOOD = [METHOD, (":scheme", "https"), (":authority", "localhost"), PATH]

MALFORMED = {
    "no method": GOOD[1:],
    "no path": GOOD[:3],
    "two paths": [*GOOD, (":path", "/other")],
    "an empty path": [*GOOD[:3], (":path", "")],
    "a relative path": [*GOOD[:3], (":path", "healthz")],
    "an absolute path": [*GOOD[:3], (":path", "https://localhost/healthz")],
    "a space in the path": [*GOOD[:3], (":path", "/health z")],
    "a line end in the path": [*GOOD[:3], (":path", "/healthz HTTP/1.1\r\nx: y")],
    "a space in the method": [(":method", "GE T"), *GOOD[1:]],
    "an unknown pseudo-field": [*GOOD, (":secret", "x")],
    "a field before": [("before", "x"), *GOOD],
    "a pseudo-field behind": [*GOOD, ("a", "b"), METHOD],
    "connection": [*GOOD, ("connection", "close")],
    "upgrade": [*GOOD, ("upgrade", "websocket")],
    "transfer-encoding": [*GOOD, ("transfer-encoding", "chunked")],
    "te": [*GOOD, ("te", "gzip")],
    "capitals": [*GOOD, ("Accept", "x")],
    "a line end in a value": [*GOOD, ("a", "b\r\nc: d")],
    "a NUL in a value": [*GOOD, ("a", "b\0")],
    "a space in a name": [*GOOD, ("a b", "c")],
    "another host": [*GOOD, ("host", "other")],
    "a length and no body": [*GOOD, ("content-length", "5")],
    "a response": [(":status", "200")],
    "extended CONNECT": [(":method", "CONNECT"), (":protocol", "websocket"), *GOOD[1:]],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_ends_its_stream_and_no_other(client, topic, name):
    sibling = client.follow(topic)
    refused = client.open_stream(MALFORMED[name])
    client.wait_until(lambda: refused.is_over)
    assert refused.reset_code == ErrorCodes.PROTOCOL_ERROR and refused.fields is None
    number = client.publish(topic, "x")
    client.wait_until(lambda: sibling.events)
    assert sibling.events[0].id == number and not sibling.is_over


def test_a_body_of_another_length_than_announced_ends_its_stream(client, topic):
    for body in [b"12345", b"123"]:
        exchange = client.begin("POST", topic_path(topic), body, {"content-length": "4"})
        client.wait_until(lambda: exchange.is_over)
        assert exchange.reset_code == ErrorCodes.PROTOCOL_ERROR
    assert client.request("GET", topic_path(topic, after=0)).json()["messages"] == []


HEAD = Encoder().encode(GOOD, huffman=False)
BROKEN = {
    "a frame larger than was allowed": frame(DATA, 0, 1, b"x" * 16_385),
    "data on no stream": frame(DATA, 0, 0, b"x"),
    "data on a stream that never was": frame(DATA, 0, 5, b"x"),
    "a head on a stream of the server": frame(HEADERS, END_HEADERS | END_STREAM, 2, HEAD),
    "a head that does not unpack": frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff" * 20),
    "a head that ends too early": frame(HEADERS, END_HEADERS, 1, b"\xff"),
    "a continuation of nothing": frame(CONTINUATION, END_HEADERS, 1, b""),
    "a ping of seven bytes": frame(PING, payload=b"1234567"),
    "settings of five bytes": frame(SETTINGS, payload=b"12345"),
    "a window of nothing more": frame(WINDOW_UPDATE, payload=bytes(4)),
    "a window beyond its bound": frame(WINDOW_UPDATE, payload=b"\x7f\xff\xff\xff") * 2,
    "a push": frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + HEAD),
    "no frame": b"\xff" * 100,
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_protocol_ends_the_connection(server, name):
    with Frames(server, server.context) as connection:
        connection.send(BROKEN[name])
        began = time.monotonic()
        assert connection.last_words() not in (None, ErrorCodes.NO_ERROR)
        assert time.monotonic() - began < 5


def test_a_connection_that_breaks_the_protocol_takes_its_streams_along_and_no_other(
        server, client, topic):
    stays = client.follow(topic)
    with HTTP2(server, server.context) as breaking:
        for _ in range(3):
            breaking.follow(topic)
        breaking.socket.sendall(BROKEN["no frame"])
        breaking.wait_for_end()
    wait_for(lambda: len(Admin(server).get("/v1/subscribers")["subscribers"]) == 1)
    number = client.publish(topic, "x")
    client.wait_until(lambda: stays.events)
    assert stays.events[0].id == number
