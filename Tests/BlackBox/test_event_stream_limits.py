"""Event streams over time: heartbeats, the reconnection time, too many of them, HTTP/1.0."""

import time

import pytest

from broker import topic_path, wait_for
from wire import check_problem, encode_request


def test_a_quiet_stream_has_a_heartbeat(start):
    own = start("--heartbeat", 1)
    with own.follow("a") as stream:
        opening, began = stream.opening(), time.monotonic()
        stream.wait_until(lambda: len(stream.raw) >= len(opening) + 4)
        assert stream.raw == opening + b":\n:\n"
        assert 1.2 < time.monotonic() - began < 4


def test_a_heartbeat_carries_the_id_when_the_filter_passed_over_messages(start):
    own = start("--heartbeat", 1)
    with own.follow("a") as stream:
        opening = stream.opening()
        ids = [own.publish("other", "x") for _ in range(3)]
        stream.wait_until(lambda: stream.raw.endswith(b"\n:\n"))
        assert stream.raw == opening + b"id: %d\n\n:\n" % ids[-1]
        assert stream.pending == []
        number = own.publish("a", "x")
        assert stream.next() == (number, "message", "x")


def test_a_stream_resumed_from_a_heartbeat_misses_nothing(start):
    own = start("--heartbeat", 1)
    with own.follow("a") as stream:
        stream.opening()
        passed = own.publish("other", "x")
        stream.wait_until(lambda: stream.reader.last_id == str(passed))
    number = own.publish("a", "y")
    with own.follow("a", passed) as stream:
        assert stream.next().id == number


def test_a_replay_that_finds_nothing_gets_the_id_with_the_heartbeat(start):
    own = start("--heartbeat", 1)
    ids = own.publish_all("other", [b"x"] * 100)
    with own.follow("a", 1) as stream:
        stream.wait_until(lambda: stream.reader.last_id == str(ids[-1]))


def test_a_busy_stream_needs_no_heartbeat(start):
    own = start("--heartbeat", 1)
    with own.follow("a") as stream:
        opening, began = stream.opening(), time.monotonic()
        while time.monotonic() - began < 2.5:
            number = own.publish("a", "x")
            assert stream.next().id == number
        assert b"\n:\n" not in stream.raw[len(opening) - 1:]


@pytest.mark.parametrize("option, text", [("0.25", b"250"), ("7", b"7000"), ("0.001", b"1")])
def test_the_reconnection_time_can_be_set(start, option, text):
    own = start("--retry", option)
    with own.follow("a") as stream:
        assert stream.opening() == b":\n\nretry: " + text + b"\nid: 0\n\n"


def test_over_max_streams_an_event_source_is_told_to_come_back(start):
    own = start("--max-streams", 2)
    with own.follow("a") as first, own.follow("a") as second:
        first.opening(), second.opening()
        delays = set()
        for _ in range(8):
            with own.follow("a") as third:
                assert third.read_to_end() == []
                assert third.raw == b"retry: %d\n\n" % third.reader.retry
                delays.add(third.reader.retry)
        assert all(5000 <= delay <= 15000 for delay in delays)
        assert len(delays) > 1, "the reconnection time must be jittered"
        number = own.publish("a", "x")
        assert (first.next().id, second.next().id) == (number, number)


def test_over_max_streams_other_clients_are_answered_503(start):
    own = start("--max-streams", 1)
    with own.follow("a") as stream:
        stream.opening()
        for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
            response = own.request("GET", topic_path("a", "events"), headers=headers)
            check_problem(response, 503, "too_many_streams")
        response = own.request("POST", "/events", b'{"topics":["a"]}',
                               {"Content-Type": "application/json"})
        check_problem(response, 503, "too_many_streams")


def test_a_stream_that_ends_makes_room_for_another(start):
    own = start("--max-streams", 1)

    def opens():
        with own.follow("a") as stream:
            return b"id: " in stream.opening()

    for _ in range(5):
        wait_for(opens, what="room for one stream")


def test_http_1_0_gets_the_stream_without_chunks(broker, topic):
    one = broker.publish(topic, "1")
    with broker.stream(topic_path(topic, "events"), one - 1, version="1.0") as stream:
        assert stream.response.closes
        two = broker.publish(topic, "2\n2")
        assert [event.data for event in stream.take(2)] == ["1", "2\n2"]
        assert stream.raw == (b":\n\nretry: 3000\nid: %d\ndata: 1\n\n"
                              b"id: %d\ndata: 2\ndata: 2\n\n" % (one, two))


def test_a_stream_may_follow_other_requests_on_its_connection(broker, topic):
    with broker.connect() as connection:
        assert connection.request("POST", topic_path(topic), b"1").status == 201
        connection.send(encode_request("POST", topic_path(topic), b"2")
                        + encode_request("GET", topic_path(topic, "events", after=0)))
        assert connection.response().status == 201
        assert connection.head().header("content-type") == "text/event-stream"
        data = b""
        while data.count(b"data: ") < 2:
            data += connection.receive()


def test_what_a_client_sends_on_an_open_stream_disturbs_nobody(broker, topic):
    with broker.follow(topic) as stream:
        stream.opening()
        try:
            for _ in range(20):
                stream.connection.send(encode_request("GET", "/healthz") * 100)
        except OSError:
            pass  # The broker may cut such a client.
        broker.publish(topic, "x")
    broker.check_serving()


def test_two_hundred_streams_get_every_message(broker, topic):
    streams = [broker.follow(f"{topic}/*") for _ in range(200)]
    for stream in streams:
        stream.opening()
    sent = broker.publish_all(f"{topic}/a", [b"%d" % n for n in range(100)])
    for stream in streams:
        assert [event.id for event in stream.take(100)] == sent
        assert not stream.reader.sins
        stream.close()
