"""Clients that are slow, silent or many: bounded in time and memory, and the others are served."""

import os
import select
import socket
import time
from pathlib import Path

import pytest

from broker import topic_path, wait_for
from wire import Closed, check_problem, encode_request

MEBIBYTE = 1_048_576
IS_LONG = os.environ.get("TICKERTAPE_LONG") == "1"
HALF_OPEN = 10_000 if IS_LONG else 2_000
HEAD = b"POST /topics/a/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"


@pytest.mark.parametrize("start_with, trickle", [
    (b"POST /topics/a/mess", b"a"), (HEAD, b"X"), (HEAD + b"\r\n", b"x"),
    (HEAD.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked") + b"\r\n64\r\n", b"x"),
    (b"POST /topics/a/mess", b""), (HEAD, b""), (HEAD + b"\r\n", b""), (HEAD + b"\r\nhalf", b""),
], ids=["target", "head", "body", "chunk", "silent-target", "silent-head", "silent", "silent-body"])
def test_a_request_that_is_not_complete_in_time_is_answered_408_and_cut(start, start_with, trickle):
    own = start("--request-timeout", 1)
    with own.connect() as connection:
        connection.send(start_with)
        began = time.monotonic()
        # One byte every tenth of a second: slow, but never silent.
        while not select.select([connection.socket], [], [], 0.1)[0]:
            assert time.monotonic() - began < 5, "the connection was not cut"
            if trickle:
                connection.send(trickle)
        assert 0.8 < time.monotonic() - began < 4
        response = connection.response()
        check_problem(response, 408, "request_timeout")
        assert response.closes
        assert connection.is_closed_by_peer()
    assert own.history("a") == []
    own.check_serving()


def test_a_request_in_time_is_not_cut_however_many_came_before(start):
    own = start("--request-timeout", 1, "--idle-timeout", 30)
    with own.connect() as connection:
        for _ in range(4):
            request = encode_request("POST", topic_path("a"), b"slow")
            connection.send(request[:-2])
            time.sleep(0.4)  # Within the time of one request, beyond it for all four together.
            connection.send(request[-2:])
            assert connection.response().status == 201


def test_an_idle_connection_is_closed_and_a_stream_or_a_waiting_read_is_not(start):
    own = start("--idle-timeout", 1, "--request-timeout", 1)
    with own.connect() as idle, own.connect() as waiting, own.follow("a") as stream:
        stream.opening()
        waiting.send(encode_request("GET", topic_path("a", wait=20)))
        assert idle.request("GET", "/healthz").status == 200
        began = time.monotonic()
        assert idle.is_closed_by_peer()
        assert 0.8 < time.monotonic() - began < 4
        number = own.publish("a", "x")
        assert stream.next().id == number
        assert waiting.response().json()["messages"][0]["id"] == number


@pytest.mark.timeout(180)
def test_thousands_of_half_open_requests_do_not_keep_others_from_being_served(start):
    own = start("--request-timeout", 8)
    before = own.resident_bytes
    half_open = []
    try:
        for n in range(HALF_OPEN):
            half_open.append(socket.create_connection((own.host, own.port), 10))
            half_open[-1].sendall((HEAD, HEAD + b"\r\nx", b"G", b"")[n % 4])
        began = time.monotonic()
        own.check_serving()
        assert time.monotonic() - began < 2
        assert (own.resident_bytes - before) / HALF_OPEN < 32_768
        # All of them are cut, each in its own time.
        poll = select.poll()
        for connection in half_open:
            poll.register(connection, select.POLLIN)
        wait_for(lambda: len(poll.poll(0)) == HALF_OPEN, 40, "the end of all half-open requests")
        for connection in half_open:
            connection.settimeout(10)
            while connection.recv(65536):
                pass
    finally:
        for connection in half_open:
            connection.close()
    own.check_serving()


@pytest.mark.timeout(120)
def test_subscribers_that_do_not_read_cost_no_memory_and_get_everything_when_they_do(start):
    own = start()
    with own.follow("big") as stream:
        stream.opening()
        for _ in range(10):  # Whatever is allocated once is allocated now.
            own.publish("big", b"w" * MEBIBYTE)
            stream.next()
        start_id = int(stream.reader.last_id)
    before = own.resident_bytes
    sleepers = [own.stream(topic_path("big", "events"), start_id, receive_buffer=4096, timeout=30)
                for _ in range(20)]
    ids, slowest = [], 0
    with own.follow("big", start_id) as reader, own.connect(30) as connection:
        for n in range(100):
            began = time.monotonic()
            payload = b"%06d" % n + b"x" * (MEBIBYTE - 6)
            response = connection.request("POST", topic_path("big"), payload)
            slowest = max(slowest, time.monotonic() - began)
            ids.append(response.json()["id"])
            assert reader.next().id == ids[-1]
            reader.raw = b""
        grown = own.resident_bytes - before
        print(f"100 MiB past 20 sleepers: {grown / MEBIBYTE:.0f} MiB more, slowest {slowest:.2f} s")
        assert grown < 96 * MEBIBYTE
        assert slowest < 5
        own.check_serving()
    for sleeper in sleepers[1:]:
        sleeper.close()
    with sleepers[0] as sleeper:
        for n, number in enumerate(ids):
            event = sleeper.next()
            assert (event.id, event.data[:6], len(event.data)) == (number, f"{n:06}", MEBIBYTE)
            sleeper.raw = b""
        last = own.publish("big", "live again")
        assert sleeper.next() == (last, "message", "live again")


def test_readers_of_history_that_stop_reading_cost_little(start):
    own = start("--request-timeout", 1)
    own.publish_all("big", [b"x" * MEBIBYTE] * 4)
    own.page("big")
    before = own.resident_bytes
    stalled = [own.connect(20, receive_buffer=4096) for _ in range(20)]
    try:
        for connection in stalled:
            connection.send(encode_request("GET", topic_path("big")) * 4)
        own.check_serving()
        assert own.resident_bytes - before < 128 * MEBIBYTE
    finally:
        for connection in stalled:
            connection.close()
    own.check_serving()


def test_a_byte_at_a_time_reader_is_never_cut(start):
    own = start("--heartbeat", 1, "--request-timeout", 1)
    with own.stream(topic_path("a", "events"), receive_buffer=4096, timeout=30) as stream:
        stream.opening()
        texts = [f"{n}:" + "x" * 10_000 for n in range(100)]
        own.publish_all("a", [text.encode() for text in texts])
        began = time.monotonic()
        while time.monotonic() - began < 3:  # Longer than every time limit of the broker.
            stream.connection.buffer = stream.connection.socket.recv(100)
            stream.pump(time.monotonic() + 5)
            time.sleep(0.01)  # This is the reader's pace.
        try:
            assert [event.data for event in stream.take(100, 30)] == texts
        except Closed as error:
            raise AssertionError("a slow reader was cut") from error


def test_more_connections_than_open_files_are_refused_or_wait_and_nothing_breaks(start):
    own = start(open_files=256)
    number = own.publish("a", "before")
    crowd = []
    try:
        for _ in range(600):
            crowd.append(socket.create_connection((own.host, own.port), 10))
            crowd[-1].sendall(encode_request("GET", topic_path("a", "events"), headers={
                "Accept": "text/event-stream"}))
        own.check_alive()
    finally:
        for connection in crowd:
            connection.close()
    wait_for(lambda: own.is_healthy, 15, "health after the crowd")
    assert own.publish("a", "after") > number
    own.check_serving()


def test_a_crowd_does_not_keep_the_processor_busy_while_it_only_waits(start):
    own = start(open_files=256)
    crowd = [socket.create_connection((own.host, own.port), 10) for _ in range(400)]
    try:
        def processor_seconds():
            fields = Path(f"/proc/{own.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before = processor_seconds()
        time.sleep(2)  # What is measured is what the broker does in this time.
        assert processor_seconds() - before < 0.5
    finally:
        for connection in crowd:
            connection.close()
    wait_for(lambda: own.is_healthy, 15, "health after the crowd")


def test_streams_that_come_and_go_leave_no_memory_behind(start):
    own = start()
    own.publish_all("a", [b"x" * 1000] * 50)

    def come_and_go(count):
        for n in range(count):
            with own.follow("*" if n % 2 else "a", n % 50) as stream:
                stream.next()
        wait_for(lambda: own.is_healthy)
        return own.resident_bytes

    before = come_and_go(1000)
    assert come_and_go(3000) - before < 8 * MEBIBYTE
