"""HTTP/2: many streams share one connection, each with its own flow control, none at the cost of
another."""

import signal
import time

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from admin import Admin
from broker import topic_path, wait_for
from credentials import bearer, create_token
from http2 import HTTP2, WINDOW, WINDOW_MAX, serving

STREAMS = 100
MEBIBYTE = 1_048_576


@pytest.fixture(scope="module", params=["TLS", "h2c"])
def module_server(request, tmp_path_factory):
    with serving(request.param, tmp_path_factory.mktemp("http2")) as broker:
        yield broker


@pytest.fixture
def server(module_server):
    yield module_server
    module_server.check_alive()


@pytest.fixture
def connect(server):
    """Opens a connection to the server."""
    return lambda **more: HTTP2(server, server.context, **more)


def numbered(events):
    """What stands before the filling of each message."""
    return [int(event.data.split()[0]) for event in events]


def test_a_hundred_event_streams_share_a_connection(connect, topic):
    with connect() as client, connect() as publisher:
        streams = [client.follow(f"{topic}/{n % 10}") for n in range(STREAMS)]
        for n in range(100):
            publisher.publish(f"{topic}/{n % 10}", str(n))
        client.wait_until(lambda: all(len(stream.events) == 10 for stream in streams))
        for place, stream in enumerate(streams):
            assert numbered(stream.events) == [n for n in range(100) if n % 10 == place % 10]
            assert stream.reader.sins == [] and not stream.is_over
            assert dict(stream.fields)["content-type"] == "text/event-stream"
        # One that is left goes alone.
        client.leave(streams[0])
        publisher.publish(f"{topic}/0", "last")
        client.wait_until(lambda: all(
            stream.events[-1].data == "last" for stream in streams[10::10]))
        assert len(streams[0].events) == 10


def test_a_stream_ends_with_its_reset_and_its_place_is_free_again(connect, topic):
    with connect() as client:
        for _ in range(3):
            streams = [client.begin("GET", topic_path(topic, "events")) for _ in range(250)]
            client.wait_until(lambda: all(stream.status == 200 for stream in streams))
            client.leave(*streams)
        assert client.publish(topic, "still here")
        assert not client.goodbyes


def test_streams_over_their_number_are_refused_and_the_others_go_on(connect, topic):
    with connect() as client:
        most = client.settings[SettingCodes.MAX_CONCURRENT_STREAMS]
        assert most == 256
        # The library keeps to the bound; this one does not.
        client.connection.remote_settings.update({SettingCodes.MAX_CONCURRENT_STREAMS: 300})
        client.connection.remote_settings.acknowledge()
        streams = [client.begin("GET", topic_path(topic, "events")) for _ in range(300)]
        client.wait_until(lambda: all(stream.status or stream.is_over for stream in streams))
        followed, refused = streams[:most], streams[most:]
        assert {stream.status for stream in followed} == {200}
        assert {stream.reset_code for stream in refused} == {ErrorCodes.REFUSED_STREAM}
        client.leave(followed.pop())
        number = client.publish(topic, "x")
        client.wait_until(lambda: all(stream.events for stream in followed))
        assert {stream.events[0].id for stream in followed} == {number}


def test_the_admin_door_lists_each_stream_with_the_address_of_its_connection(start):
    own = start("--h2c")
    with HTTP2(own) as client:
        for _ in range(3):
            client.follow("a")
        listed = wait_for(lambda: Admin(own).get("/v1/subscribers")["subscribers"])
        address = f"127.0.0.1:{client.socket.getsockname()[1]}"
    assert [subscriber["address"] for subscriber in listed] == [address] * 3


# Those who do not read.


def test_a_stalled_stream_stops_neither_its_siblings_nor_anyone_else(server, connect, topic):
    with connect() as client, connect() as other:
        stalled, *siblings = [client.follow(topic) for _ in range(STREAMS)]
        stalled.is_stalled, opening = True, len(stalled.body)
        alone = other.follow(topic)
        before = server.resident_bytes
        count, slowest, filling = 40, 0.0, "x" * 20_000
        for number in range(count):
            began = time.monotonic()
            other.publish(topic, f"{number} {filling}")
            client.wait_until(lambda: all(len(stream.events) > number for stream in siblings))
            slowest = max(slowest, time.monotonic() - began)
        other.wait_until(lambda: len(alone.events) == count)
        # It had the window it had; nothing of the rest was sent or waits.
        assert len(stalled.body) - opening <= WINDOW and len(stalled.events) < 5
        assert server.resident_bytes - before < 64 * MEBIBYTE
        assert slowest < 2
        # As soon as it reads again it gets all that it missed.
        client.resume(stalled)
        client.wait_until(lambda: len(stalled.events) == count)
        for stream in (stalled, alone, *siblings):
            assert [event.data for event in stream.events] == [
                f"{number} {filling}" for number in range(count)]


@pytest.mark.parametrize("connection_window", [WINDOW, WINDOW_MAX])
def test_memory_is_bounded_while_many_streams_are_stalled(start, connection_window):
    own = start("--h2c")
    with HTTP2(own, connection_window=connection_window) as client:
        streams = [client.follow("a") for _ in range(STREAMS)]
        for stream in streams:
            stream.is_stalled = True
        before = own.resident_bytes
        own.publish_all("a", [b"x" * 100_000] * 200)
        # 20 MB for each of a hundred: what is not taken is not held.
        assert own.resident_bytes - before < 150_000_000
        client.resume(streams[7])
        client.wait_until(lambda: len(streams[7].events) == 200)


def test_a_connection_that_is_not_read_costs_bounded_memory_and_is_fair(server, connect, topic):
    # With room in every window it is the socket that is full.
    with connect(timeout=50, connection_window=WINDOW_MAX,
                 receive_buffer=8_192) as slow, connect() as other:
        streams = [slow.follow(topic) for _ in range(50)]
        before = server.resident_bytes
        for number in range(100):
            other.publish(topic, f"{number} " + "x" * 8_000)
        assert server.resident_bytes - before < 96 * MEBIBYTE
        slow.wait_until(lambda: all(len(stream.events) == 100 for stream in streams))
        for stream in streams:
            assert numbered(stream.events) == list(range(100))


def test_a_reader_that_takes_nothing_of_its_answer_is_cut_off_and_no_other(start):
    own = start("--h2c", "--request-timeout", 1)
    with HTTP2(own, window=100) as client:
        stream = client.follow("b")
        number = client.publish("a", "z" * 5_000)
        slow = client.begin("GET", topic_path("a", f"messages/{number}"))
        slow.is_stalled = True
        client.wait_until(lambda: slow.reset_code is not None, 6)
        assert len(slow.body) == 100
        assert not stream.is_over
        client.publish("b", "x")
        client.wait_until(lambda: stream.events)


# What ends streams.


def test_a_request_that_is_not_complete_in_time_is_answered_408_and_others_go_on(start):
    own = start("--h2c", "--request-timeout", 1)
    with HTTP2(own) as client:
        stream = client.follow("a")
        slow = client.begin("POST", topic_path("a"), ends=False)
        assert client.finish(slow, 5).status == 408
        client.publish("a", "x")
        client.wait_until(lambda: stream.events)


def test_an_idle_connection_is_told_and_closed_and_one_with_a_stream_is_not(start):
    own = start("--h2c", "--idle-timeout", 1)
    with HTTP2(own) as idle, HTTP2(own) as busy:
        stream = busy.follow("a")
        idle.request("GET", "/healthz")
        idle.wait_for_end(6)
        assert idle.goodbyes == [(ErrorCodes.NO_ERROR, 1)]
        busy.publish("a", "x")
        busy.wait_until(lambda: stream.events)


def test_a_revoked_token_ends_its_streams_and_no_other(start):
    own = start("--h2c", "--auth")
    one, two = (create_token(own, ["a"], ["a"]) for _ in range(2))
    with HTTP2(own) as client:
        leaving = [client.follow("a", bearer(one)) for _ in range(20)]
        staying = [client.follow("a", bearer(two)) for _ in range(20)]
        Admin(own).request("DELETE", "/v1/tokens/1")
        client.wait_until(lambda: all(stream.is_over for stream in leaving), 3)
        for stream in leaving:
            assert stream.has_ended and stream.events[-1].event == "tickertape.unauthorized"
        own.publish("a", "x", bearer(two))
        client.wait_until(lambda: all(stream.events for stream in staying))
        assert not any(stream.is_over for stream in staying)


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "late"])
def test_drain_ends_every_stream_with_a_time_to_come_back(start, is_late):
    own = start("--h2c")
    with HTTP2(own) as client:
        streams = [client.follow("a") for _ in range(STREAMS)]
        waiting = client.begin("GET", topic_path("a", after=0, wait=30))
        # Requests are taken in turn: with this one answered, the one before it waits.
        assert client.request("GET", "/healthz").status == 200
        began = time.monotonic()
        own.process.send_signal(signal.SIGTERM)
        if is_late:
            # By then all of it was said, and one read may find the whole of a stream's end.
            assert own.wait() == 0
        client.wait_until(lambda: all(stream.is_over for stream in [*streams, waiting]))
        for stream in streams:
            assert stream.has_ended and stream.reset_code is None
            assert stream.reader.retry and 1_000 <= stream.reader.retry <= 6_000
        assert client.finish(waiting).json() == {"messages": [], "next": 0}
        client.wait_for_end(6)
        assert {code for code, _ in client.goodbyes} == {ErrorCodes.NO_ERROR}
    assert own.wait() == 0
    assert time.monotonic() - began < 6
