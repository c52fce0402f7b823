"""HTTP/2: many streams share one connection, and each is as it would be alone."""

import signal
import threading
import time

import pytest

from admin import Admin
from broker import Broker, topic_path, wait_for
from http2_client import NO_ERROR, PREFACE, Http2, make_certificate
from wire import check_problem

STREAMS = 100


@pytest.fixture(scope="module", params=["plain", "tls"])
def module_server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("http2")
    if request.param == "tls":
        certificate, key = make_certificate(folder)
        broker = Broker(folder / "data", "--tls-certificate", certificate, "--tls-key", key)
    else:
        certificate = None
        broker = Broker(folder / "data", "--h2c")
    broker.start()
    broker.certificate = certificate
    yield broker
    broker.kill()


@pytest.fixture
def server(module_server):
    yield module_server
    module_server.check_alive()
    with Http2(module_server, module_server.certificate) as connection:
        assert connection.request("GET", "/healthz").json() == {"status": "ok"}


def connect(server, **more):
    return Http2(server, server.certificate, **more)


def test_requests_are_answered_as_over_http_1(server, topic):
    with connect(server) as connection:
        answer = connection.request("POST", topic_path(topic), b"one")
        assert answer.status == 201 and answer.header("content-type") == "application/json"
        number = answer.json()["id"]
        assert answer.header("location") == f"/topics/{topic}/messages/{number}"
        assert "connection" not in answer.fields and "transfer-encoding" not in answer.fields
        page = connection.request("GET", topic_path(topic, after=0)).json()
        assert [message["data"] for message in page["messages"]] == ["one"]
        message = connection.request("GET", topic_path(topic, f"messages/{number}"))
        assert message.json()["data"] == "one"
        head = connection.request("HEAD", "/healthz")
        assert head.status == 200 and head.body == b"" and head.header("content-length") == "15"
        empty = connection.request("POST", topic_path(topic), b"")
        assert empty.status == 201


@pytest.mark.parametrize("method, target, body, status, code", [
    ("GET", "/nothing", None, 404, "not_found"), ("DELETE", "/healthz", None, 405, None),
    ("GET", "/ws", None, 400, "bad_handshake"), ("GET", "/topics/a/*/messages/1", None, 400, None),
    ("POST", "/topics/a/messages", b"\xff", None, None),
    ("GET", "/" + "a" * 9_000, None, 414, "uri_too_long"),
    ("POST", "/events", b"[]", 415, "unsupported_media_type"),
])
def test_what_cannot_be_served_is_a_problem(server, method, target, body, status, code):
    with connect(server) as connection:
        answer = connection.request(method, target, body)
        assert status is None or answer.status == status, answer.body
        assert answer.status >= 400
        problem = answer.json()
        assert problem["status"] == answer.status and code in (None, problem["code"])
        assert answer.header("content-type") == "application/problem+json"
        # The connection goes on.
        assert connection.request("GET", "/healthz").status == 200


def test_a_head_over_its_limit_is_answered_431(server):
    with connect(server) as connection:
        large = {f"x-{number}": "v" * 1_000 for number in range(18)}
        assert connection.request("GET", "/healthz", headers=large).status == 431
        many = {f"x-{number}": "v" for number in range(101)}
        assert connection.request("GET", "/healthz", headers=many).status == 431
        assert connection.request("GET", "/healthz").status == 200


def test_a_body_over_its_limit_is_answered_and_not_waited_for(server, topic):
    with connect(server) as connection:
        for _ in range(5):
            answer = connection.request("POST", topic_path(topic), b"x" * 1_100_000)
            assert answer.status == 413 and answer.json()["code"] == "message_too_large"
        # What was refused does not use up the window of the connection.
        assert connection.request("POST", topic_path(topic), b"x" * 1_048_576).status == 201


def test_a_hundred_streams_on_one_connection_each_get_their_messages(server, topic):
    with connect(server) as connection:
        streams = [connection.follow(f"{topic}/{number % 10}") for number in range(STREAMS)]
        connection.pump(until=lambda: all(stream.status for stream in streams))
        for number in range(100):
            connection.publish(f"{topic}/{number % 10}", str(number))
        connection.pump(until=lambda: all(len(stream.events) == 10 for stream in streams))
        for number, stream in enumerate(streams):
            expected = [str(n) for n in range(100) if n % 10 == number % 10]
            assert [event.data for event in stream.events] == expected
            assert not stream.is_over and not stream.reader.sins
            assert stream.header("content-type") == "text/event-stream"


def test_a_stalled_stream_stops_neither_its_siblings_nor_anyone_else(server, topic):
    with connect(server) as connection, connect(server) as other:
        streams = [connection.follow(topic) for _ in range(STREAMS)]
        stalled, siblings = streams[0], streams[1:]
        stalled.is_stalled = True
        alone = other.follow(topic)
        connection.pump(until=lambda: all(stream.status for stream in streams))
        other.pump(until=lambda: alone.status)
        before = server.resident_bytes
        payload = "x" * 8_000
        count, slowest = 30, 0.0
        for number in range(count):
            began = time.monotonic()
            other.publish(topic, f"{number} {payload}")
            connection.pump(
                until=lambda: all(len(stream.events) > number for stream in siblings))
            slowest = max(slowest, time.monotonic() - began)
        other.pump(until=lambda: len(alone.events) == count)
        # The window of the stalled one is 64 KiB; nothing of the rest was sent or waits.
        assert len(stalled.body) <= 65_535 and len(stalled.events) < 10
        assert server.resident_bytes - before < 64 * 1_048_576
        assert slowest < 2
        # As soon as it reads again it gets all that it missed.
        connection.acknowledge(stalled)
        connection.pump(until=lambda: len(stalled.events) == count)
        assert [event.data.split()[0] for event in stalled.events] == [
            str(number) for number in range(count)]


def test_a_connection_that_is_not_read_costs_bounded_memory_and_is_fair(server, topic):
    with connect(server, receive_buffer=8_192) as slow, connect(server) as other:
        streams = [slow.follow(topic) for _ in range(50)]
        slow.pump(until=lambda: all(stream.status for stream in streams))
        before = server.resident_bytes
        for number in range(100):
            other.publish(topic, f"{number} " + "x" * 8_000)
        assert server.resident_bytes - before < 96 * 1_048_576
        slow.pump(until=lambda: all(len(stream.events) == 100 for stream in streams), timeout=60)
        for stream in streams:
            assert [event.data.split()[0] for event in stream.events] == [
                str(number) for number in range(100)]


def test_a_stream_ends_with_its_reset_and_its_place_is_free_again(server, topic):
    with connect(server) as connection:
        for _ in range(3):
            streams = [connection.follow(topic) for _ in range(250)]
            connection.pump(until=lambda: all(stream.status == 200 for stream in streams))
            for stream in streams:
                connection.http.reset_stream(stream.number, 8)
            connection.flush()
        assert connection.publish(topic, "still here")
        assert not connection.goaways


def test_a_waiting_read_is_answered_among_others(server, topic):
    with connect(server) as connection:
        waiting = connection.begin("GET", topic_path(topic, after=0, wait=20))
        assert connection.request("GET", "/healthz").status == 200
        connection.publish(topic, "x")
        connection.pump(until=lambda: waiting.is_over)
        assert [message["data"] for message in waiting.json()["messages"]] == ["x"]


def test_a_large_page_arrives_whole_through_a_small_window(server, topic):
    with connect(server, window=1_000) as connection:
        payloads = [f"{number} " + "y" * 50_000 for number in range(15)]
        for payload in payloads:
            connection.publish(topic, payload)
        page = connection.request("GET", topic_path(topic, after=0)).json()
        assert [message["data"] for message in page["messages"]] == payloads


def test_a_request_that_is_not_complete_in_time_is_answered_408_and_others_go_on(start):
    own = start("--h2c", "--request-timeout", 1)
    with Http2(own) as connection:
        stream = connection.follow("a")
        slow = connection.begin("POST", topic_path("a"), ends=False)
        connection.pump(until=lambda: slow.is_over, timeout=5)
        assert slow.status == 408
        connection.publish("a", "x")
        connection.pump(until=lambda: stream.events)


def test_a_reader_that_takes_nothing_of_its_answer_is_cut_off_and_no_other(start):
    own = start("--h2c", "--request-timeout", 1)
    with Http2(own, window=100) as connection:
        stream = connection.follow("b")
        number = connection.publish("a", "z" * 5_000)
        slow = connection.begin("GET", topic_path("a", f"messages/{number}"))
        slow.is_stalled = True
        connection.pump(until=lambda: slow.reset_code is not None, timeout=6)
        assert slow.reset_code is not None and len(slow.body) == 100
        assert not stream.is_over
        connection.publish("b", "x")
        connection.pump(until=lambda: stream.events)


@pytest.mark.parametrize("sent", [b"", PREFACE[:10], PREFACE])
def test_a_connection_that_does_not_begin_is_cut_off(start, sent):
    own = start("--h2c", "--request-timeout", 1)
    with own.connect() as connection:
        connection.send(sent)
        began = time.monotonic()
        connection.rest()
        assert time.monotonic() - began < 5


def test_an_idle_connection_is_told_and_closed_and_one_with_a_stream_is_not(start):
    own = start("--h2c", "--idle-timeout", 1)
    with Http2(own) as idle, Http2(own) as busy:
        stream = busy.follow("a")
        idle.request("GET", "/healthz")
        assert not idle.pump(timeout=6)
        assert idle.is_closed and idle.goaways == [(NO_ERROR, 1)]
        busy.publish("a", "x")
        busy.pump(until=lambda: stream.events)


def test_drain_ends_every_stream_with_a_time_to_come_back(start):
    own = start("--h2c")
    with Http2(own) as connection:
        streams = [connection.follow("a") for _ in range(STREAMS)]
        connection.pump(until=lambda: all(stream.status for stream in streams))
        waiting = connection.begin("GET", topic_path("a", after=0, wait=30))
        began = time.monotonic()
        own.process.send_signal(signal.SIGTERM)
        connection.pump(until=lambda: all(stream.is_over for stream in [*streams, waiting]))
        for stream in streams:
            assert stream.has_ended and stream.reset_code is None
            assert stream.reader.retry and 1_000 <= stream.reader.retry <= 6_000
        assert waiting.json() == {"messages": [], "next": 0}
        connection.pump(timeout=6)
        assert connection.is_closed and {code for code, _ in connection.goaways} == {NO_ERROR}
    assert own.wait() == 0
    assert time.monotonic() - began < 6


def test_http_1_is_served_beside_it_on_the_same_port(start):
    own = start("--h2c")
    with Http2(own) as connection, own.follow("a") as old:
        old.opening()
        stream = connection.follow("a")
        connection.pump(until=lambda: stream.status)
        one = own.publish("a", "over http/1.1")
        two = connection.publish("a", "over http/2")
        assert old.take(2) == [(one, "message", "over http/1.1"), (two, "message", "over http/2")]
        connection.pump(until=lambda: len(stream.events) == 2)
        assert [event.id for event in stream.events] == [one, two]
        # Methods that begin like the preface.
        for method in ["P", "PR", "PRI", "PUT", "PROPFIND"]:
            response = own.request(method, "/healthz")
            assert response.status in (400, 405, 505), method


def test_without_the_option_plain_connections_speak_http_1_alone(broker):
    with broker.connect() as connection:
        connection.send(PREFACE)
        check_problem(connection.response(), 400, "bad_request")


def test_many_connections_at_once_publish_and_lose_nothing(start):
    own = start("--h2c")
    failures = []

    def publish(name):
        try:
            with Http2(own) as connection:
                for number in range(100):
                    connection.publish("load", f"{name} {number}")
        except Exception as error:  # Told to the test by the main thread.
            failures.append(error)

    with Http2(own) as reader:
        stream = reader.follow("load")
        reader.pump(until=lambda: stream.status)
        threads = [threading.Thread(target=publish, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        reader.pump(until=lambda: len(stream.events) == 800)
        for thread in threads:
            thread.join(20)
    assert not failures
    for name in range(8):
        mine = [event.data for event in stream.events if event.data.startswith(f"{name} ")]
        assert mine == [f"{name} {number}" for number in range(100)]


def test_the_admin_door_lists_each_stream_with_the_address_of_its_connection(start):
    own = start("--h2c")
    with Http2(own) as connection:
        streams = [connection.follow("a") for _ in range(3)]
        connection.pump(until=lambda: all(stream.status for stream in streams))
        listed = wait_for(lambda: Admin(own).get("/v1/subscribers")["subscribers"])
        address = f"127.0.0.1:{connection.socket.getsockname()[1]}"
    assert [subscriber["address"] for subscriber in listed] == [address] * 3
