"""How WebSockets live and end: pings, silence, and a broker that stops (§19.20, §19.27, §19.28)."""

import json
import signal
import time

import pytest
from websockets import ConnectionClosed

from broker import wait_for
from frames import CLOSE, PING, PONG, TEXT, RawWebSocket, close_payload
from gateway import Gateway
from wire import Closed

HEARTBEAT = 0.5


@pytest.fixture
def quick(start):
    return start("--heartbeat", HEARTBEAT)


def test_a_client_from_which_nothing_comes_is_pinged_and_then_closed(quick):
    with RawWebSocket(quick) as socket:
        socket.message()
        began = time.monotonic()
        frame = socket.frame()
        pinged = time.monotonic() - began
        assert frame.opcode == PING
        with pytest.raises((Closed, ConnectionResetError)):
            while True:
                assert socket.frame().opcode == PING
        ended = time.monotonic() - began
    assert 0.6 * HEARTBEAT < pinged < 2.6 * HEARTBEAT
    assert 2 * HEARTBEAT < ended < 6 * HEARTBEAT
    quick.check_serving()


@pytest.mark.parametrize("answer", ["pong", "ping", "command", "unasked pong"])
def test_a_client_from_which_anything_comes_stays(quick, answer):
    with RawWebSocket(quick) as socket:
        socket.message()
        socket.settimeout(HEARTBEAT / 2)
        began = time.monotonic()
        while time.monotonic() - began < 8 * HEARTBEAT:
            try:
                frame = socket.frame()
                if answer == "pong" and frame.opcode == PING:
                    socket.send_frame(PONG, frame.payload)
            except TimeoutError:
                pass
            if answer == "ping":
                socket.send_frame(PING, b"me first")
            elif answer == "command":
                socket.send_frame(TEXT, '{"type":"ping"}')
            elif answer == "unasked pong":
                socket.send_frame(PONG, b"any")
        socket.settimeout(5)
        socket.send_frame(TEXT, '{"ref":"last","type":"ping"}')
        while json.loads(socket.message().payload).get("ref") != "last":
            pass


def test_a_library_that_answers_pings_stays(quick):
    with Gateway(quick) as client:
        client.subscribe("a")
        with pytest.raises(TimeoutError):
            client.next_of("message", timeout=8 * HEARTBEAT)
        number = quick.publish("a", "x")
        assert client.take(1)[0]["id"] == number


def test_a_subscriber_that_is_sent_much_and_sends_nothing_is_closed_all_the_same(quick):
    with RawWebSocket(quick) as socket:
        socket.send_frame(TEXT, '{"type":"subscribe","topics":["a"]}')
        began = time.monotonic()
        with pytest.raises((Closed, ConnectionResetError, BrokenPipeError)):
            while time.monotonic() - began < 12 * HEARTBEAT:
                quick.publish("a", "x")
                while socket.frame().opcode != TEXT:
                    pass
        assert time.monotonic() - began < 8 * HEARTBEAT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_says_when_to_come_back_and_closes_with_1012(start, number):
    own = start()
    clients = [Gateway(own) for _ in range(20)]
    for client in clients:
        client.subscribe("a")
    own.process.send_signal(number)
    waits = []
    for client in clients:
        assert client.closed() == 1012
        draining = [m for m in client.pending if m["type"] == "draining"]
        assert len(draining) == 1 and client.pending[-1] == draining[0]
        assert set(draining[0]) == {"type", "retry_after_ms"}
        waits.append(draining[0]["retry_after_ms"])
    assert all(1000 <= wait <= 5000 for wait in waits) and len(set(waits)) > 5
    assert own.wait(10) == 0


def test_publishes_in_flight_are_answered_before_the_close(start):
    own = start()
    client = Gateway(own)
    try:
        for n in range(20_000):
            client.send({"ref": n, "type": "publish", "topic": "a", "data": str(n)})
            if n == 1000:
                own.process.send_signal(signal.SIGTERM)
    except ConnectionClosed:
        pass
    assert client.closed() == 1012
    assert own.wait(10) == 0
    published = {m["ref"]: m["id"] for m in client.pending if m["type"] == "published"}
    refused = [m for m in client.pending if m["type"] == "error"]
    assert {m["code"] for m in refused} <= {"draining"}
    own.start()
    stored = {m["id"]: m["data"] for m in own.history("a")}
    assert all(stored[number] == str(ref) for ref, number in published.items())
    # Without a doubt left: everything that was stored was answered.
    assert len(stored) == len(published)
    assert sorted(published) == list(range(len(published)))


def test_a_stop_does_not_wait_for_one_who_answers_no_close(start):
    own = start()
    with RawWebSocket(own) as socket:
        socket.message()
        own.process.send_signal(signal.SIGTERM)
        assert socket.closing().code == 1012
        assert own.wait(10) == 0


def test_a_stop_does_not_wait_for_one_who_reads_nothing(start):
    own = start()
    with RawWebSocket(own, receive_buffer=4096) as socket:
        socket.send_frame(TEXT, '{"type":"subscribe","topics":["a"]}')
        for _ in range(30):
            own.publish("a", b"x" * 1_000_000)
        assert own.stop(timeout=10) == 0


def test_an_answered_close_ends_the_connection_at_once(start):
    own = start()
    with RawWebSocket(own) as socket:
        socket.message()
        began = time.monotonic()
        own.process.send_signal(signal.SIGTERM)
        assert socket.closing().code == 1012
        socket.send_frame(CLOSE, close_payload(1012))
        assert socket.has_ended()
        assert time.monotonic() - began < 2
        assert own.wait(10) == 0


def test_connections_that_come_and_go_leave_no_memory_behind(start):
    own = start()
    own.publish_all("a", [b"x" * 1000] * 50)

    def come_and_go(count):
        for n in range(count):
            with Gateway(own, compression="deflate" if n % 2 else None) as client:
                client.subscribe("*" if n % 3 else "a", after=n % 50)
                client.take(1)
        wait_for(lambda: own.is_healthy)

    come_and_go(300)
    before = own.resident_bytes
    come_and_go(1000)
    grown = own.resident_bytes - before
    print(f"1000 connections left {grown / 1024:.0f} KiB")
    assert grown < 8 * 1_048_576


def test_the_idle_and_request_timeouts_of_http_do_not_end_a_websocket(start):
    own = start("--idle-timeout", 1, "--request-timeout", 1)
    with Gateway(own) as client:
        client.subscribe("a")
        with pytest.raises(TimeoutError):
            client.next_of("message", timeout=3)
        client.check_alive()
