"""HTTP/2: many streams share one connection, each with its own flow control, none at the cost of
another."""

import threading

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from admin import Admin
from broker import Broker, topic_path, wait_for
from credentials import bearer, create_token, unknown_token
from http2 import HTTP2, PREFACE
from tls import Authority
from wire import check_problem


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def module_pair(tmp_path_factory, authority):
    """One broker behind TLS, one that takes HTTP/2 without."""
    folder = tmp_path_factory.mktemp("http2")
    certificate, key, _ = authority.issue(folder)
    pair = {"TLS": Broker(folder / "tls", "--tls-certificate", certificate, "--tls-key", key),
            "h2c": Broker(folder / "plain", "--h2c")}
    for broker in pair.values():
        broker.start()
    yield pair
    for broker in pair.values():
        broker.kill()


@pytest.fixture(params=["TLS", "h2c"])
def opened(request, module_pair, authority):
    """A broker, and what opens a connection to it."""
    broker = module_pair[request.param]
    context = authority.context("h2") if request.param == "TLS" else None
    yield broker, lambda **more: HTTP2(broker, context, **more)
    broker.check_alive()


@pytest.fixture
def plain(start):
    return start("--h2c")


# Requests.


def test_requests_are_answered_as_ever(opened, topic):
    broker, open_one = opened
    with open_one() as client:
        assert client.request("GET", "/healthz").json() == {"status": "ok"}
        published = client.request("POST", topic_path(topic), body=b"first")
        assert published.status == 201
        number = published.json()["id"]
        assert published.header("location") == f"/topics/{topic}/messages/{number}"
        page = client.request("GET", topic_path(topic)).json()
        assert [message["data"] for message in page["messages"]] == ["first"]
        check_problem(client.request("GET", "/topics/a**/messages"), 400, "invalid_pattern")
        check_problem(client.request("GET", "/nothing"), 404, "not_found")
        check_problem(client.request("POST", topic_path(topic), body=b"\xff"), 415, "not_utf8")
        head = client.request("HEAD", topic_path(topic))
        assert (head.status, head.body) == (200, b"")
        # What HTTP/2 has no use for is not said.
        for response in (published, head):
            for name in ("connection", "transfer-encoding", "keep-alive"):
                assert response.header(name) is None


def test_a_body_of_the_largest_size_passes_the_windows_and_one_byte_more_does_not(opened, topic):
    broker, open_one = opened
    with open_one() as client:
        assert client.request("POST", topic_path(topic), body=b"x" * 1_048_576).status == 201
        stream = client.begin("POST", topic_path(topic), {"content-length": "1048577"}, ends=False)
        check_problem(client.finish(stream), 413, "message_too_large")
        page = client.request("GET", topic_path(topic)).json()
        assert [len(message["data"]) for message in page["messages"]] == [1_048_576]


def test_requests_that_overlap_are_each_answered(opened, topic):
    broker, open_one = opened
    with open_one() as client:
        streams = [client.begin("POST", topic_path(topic), body=b"%d" % n) for n in range(200)]
        ids = [client.finish(stream).json()["id"] for stream in streams]
        assert len(set(ids)) == 200
        # What was sent first was stored first.
        assert ids == sorted(ids)


def test_credentials_and_origins_count_as_over_http_1(start):
    own = start("--h2c", "--auth", "--allow-origin", "https://app.example.com")
    token = create_token(own, ["a"], ["a"])
    with HTTP2(own) as client:
        target = topic_path("a")
        check_problem(client.request("GET", target), 401, "unauthorized")
        check_problem(client.request("GET", target, bearer(unknown_token())), 401, "invalid_token")
        assert client.request("GET", target, bearer(token)).status == 200
        assert client.request("GET", f"{target}?access_token={token}").status == 200
        check_problem(client.request("GET", topic_path("b"), bearer(token)), 403, "forbidden")
        # Browsers send each cookie in a field of its own.
        crumbs = [("cookie", "a=b"), ("cookie", f"tickertape_token={token}"), ("cookie", "c=d")]
        assert client.finish(client.begin("GET", target, crumbs)).status == 200
        twice = crumbs + [("cookie", f"tickertape_token={unknown_token()}")]
        assert client.finish(client.begin("GET", target, twice)).status == 401
        answer = client.request("GET", target, bearer(token) | {"Origin": "https://evil.example"})
        check_problem(answer, 403, "forbidden_origin")
        fields = bearer(token) | {"Origin": "https://app.example.com"}
        answer = client.request("GET", target, fields)
        assert answer.header("access-control-allow-origin") == "https://app.example.com"


def test_the_authority_is_looked_at_like_a_host(plain):
    with HTTP2(plain, authority="evil.example") as client:
        check_problem(client.request("GET", topic_path("a")), 403, "forbidden_host")
        check_problem(client.request("POST", topic_path("a"), body=b"x"), 403, "forbidden_host")
    assert plain.history() == []


def test_without_the_option_the_preface_is_refused(start):
    own = start()
    with own.connect() as connection:
        connection.send(PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        response = connection.response()
        assert response.status in (400, 505) and response.closes
    own.check_serving()


def test_http_1_is_spoken_on_the_same_port(plain):
    plain.check_serving()


# Event streams.


def test_a_hundred_event_streams_share_a_connection(opened, topic):
    broker, open_one = opened
    with open_one() as client, open_one() as publisher:
        streams = [client.follow(topic_path(f"{topic}/{n % 10}", "events")) for n in range(100)]
        for n in range(50):
            assert publisher.request(
                "POST", topic_path(f"{topic}/{n % 10}"), body=b"%d" % n).status == 201
        client.wait_until(lambda: all(len(client.channels[s].events) == 5 for s in streams), 20)
        for place, stream in enumerate(streams):
            channel = client.channels[stream]
            assert [event.data for event in channel.events] == [
                str(n) for n in range(50) if n % 10 == place % 10]
            assert channel.reader.sins == [] and not channel.ended
        # One that is left goes alone.
        client.connection.reset_stream(streams[0])
        client.flush()
        publisher.request("POST", topic_path(f"{topic}/1"), body=b"last")
        client.wait_until(lambda: client.channels[streams[1]].events[-1].data == "last")


def test_a_stalled_stream_stops_neither_its_siblings_nor_anyone_else(opened, topic):
    broker, open_one = opened
    with open_one(timeout=30) as client, open_one() as publisher:
        stalled, *others = [client.follow(topic_path(topic, "events")) for _ in range(100)]
        client.stalled.add(stalled)
        payloads = [f"{n}:".encode() + b"x" * 20_000 for n in range(40)]
        for payload in payloads:
            assert publisher.request("POST", topic_path(topic), body=payload).status == 201
            client.wait_until(lambda: all(
                client.channels[s].events
                and client.channels[s].events[-1].data == payload.decode() for s in others))
        # It had the window it had, and costs a bounded number of bytes beyond it.
        assert len(client.channels[stalled].events) < 5
        assert all(len(client.channels[s].events) == 40 for s in others)
        client.resume(stalled)
        client.wait_until(lambda: len(client.channels[stalled].events) == 40)
        assert [event.data for event in client.channels[stalled].events] == [
            payload.decode() for payload in payloads]


def test_memory_is_bounded_while_many_streams_are_stalled(plain):
    with HTTP2(plain, timeout=30) as client:
        streams = [client.follow(topic_path("a", "events")) for _ in range(100)]
        client.stalled |= set(streams)
        before = plain.resident_bytes
        plain.publish_all("a", [b"x" * 100_000] * 200)
        # 20 MB for each of a hundred: what is not taken is not held.
        assert plain.resident_bytes - before < 150_000_000
        client.resume(streams[7])
        client.wait_until(lambda: len(client.channels[streams[7]].events) == 200)


def test_a_drain_says_goodbye_and_ends_every_stream(start):
    own = start("--h2c")
    with HTTP2(own) as client:
        streams = [client.follow(topic_path("a", "events")) for _ in range(20)]
        stopping = threading.Thread(target=own.stop)
        stopping.start()
        client.wait_until(lambda: all(client.channels[s].ended for s in streams))
        client.wait_for_end()
        assert client.goodbyes[0] == ErrorCodes.NO_ERROR
        for stream in streams:
            channel = client.channels[stream]
            assert channel.reset is None and b"retry: " in channel.body
    stopping.join(10)
    assert own.process.returncode == 0


def test_a_revoked_token_ends_its_streams_and_no_other(start):
    own = start("--h2c", "--auth")
    one, two = (create_token(own, ["a"], ["a"]) for _ in range(2))
    with HTTP2(own) as client:
        leaving = [client.follow(topic_path("a", "events"), bearer_field(one)) for _ in range(20)]
        staying = [client.follow(topic_path("a", "events"), bearer_field(two)) for _ in range(20)]
        Admin(own).request("DELETE", "/v1/tokens/1")
        client.wait_until(lambda: all(client.channels[s].ended for s in leaving), 3)
        for stream in leaving:
            assert client.channels[stream].events[-1].event == "tickertape.unauthorized"
        own.publish("a", "x", bearer(two))
        client.wait_until(lambda: all(client.channels[s].events for s in staying))
        assert not any(client.channels[s].ended for s in staying)


def bearer_field(token):
    return {"authorization": f"Bearer {token}"}


# What the server says of itself, and malformed requests.


def test_a_connection_has_room_for_a_hundred_streams_and_pushes_nothing(opened):
    broker, open_one = opened
    with open_one() as client:
        assert client.settings[SettingCodes.MAX_CONCURRENT_STREAMS] >= 100


def test_streams_over_the_bound_are_refused_and_the_connection_goes_on(plain):
    with HTTP2(plain) as client:
        most = client.settings[SettingCodes.MAX_CONCURRENT_STREAMS]
        streams = [client.follow(topic_path("a", "events")) for _ in range(most)]
        # The library keeps to the bound; this one does not.
        client.connection.remote_settings.update({SettingCodes.MAX_CONCURRENT_STREAMS: 2 * most})
        client.connection.remote_settings.acknowledge()
        refused = [client.begin("GET", topic_path("a")) for _ in range(5)]
        client.wait_until(lambda: all(client.channels[s].ended for s in refused))
        assert {client.channels[s].reset for s in refused} == {ErrorCodes.REFUSED_STREAM}
        number = plain.publish("a", "x")
        client.wait_until(lambda: all(
            [event.id for event in client.channels[s].events] == [number] for s in streams))


GOOD = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/healthz")]


@pytest.mark.parametrize("fields", [
    GOOD[1:], GOOD[:3], GOOD + [("Upper", "case")], GOOD + [("connection", "close")],
    GOOD + [("transfer-encoding", "chunked")], GOOD + [("te", "gzip")], GOOD + [(":path", "/two")],
    GOOD + [(":unknown", "x")], [("before", "x")] + GOOD, GOOD + [("content-length", "5")],
    GOOD + [("x", "line\r\nbreak: y")], GOOD[:3] + [(":path", "")], GOOD + [("host", "evil")],
    GOOD[:3] + [(":path", "/health z")], GOOD + [("a b", "c")],
    [(":method", "GE T"), *GOOD[1:]], GOOD[:3] + [(":path", "/healthz HTTP/1.1\r\nx: y")],
], ids=lambda fields: repr(fields[-1])[:40])
def test_a_malformed_request_is_refused_and_its_siblings_go_on(plain, fields):
    with HTTP2(plain) as client:
        sibling = client.follow(topic_path("a", "events"))
        stream = client.begin(None, None, fields=fields)
        client.wait_until(lambda: client.channels[stream].ended
                          or client.goodbyes)
        channel = client.channels[stream]
        is_gone = bool(client.goodbyes)
        assert is_gone or channel.reset is not None or channel.status >= 400
        if not is_gone:
            number = plain.publish("a", "x")
            client.wait_until(lambda: client.channels[sibling].events)
            assert client.channels[sibling].events[0].id == number
    plain.check_serving()


def test_a_connection_that_only_breaks_the_protocol_ends(opened):
    broker, open_one = opened
    for data in (b"\xff" * 100, b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                 b"\x00\x40\x01\x00\x00\x00\x00\x00\x01" + b"x" * 16_385,
                 b"\x00\x00\x01\x01\x04\x00\x00\x00\x02\xff"):
        with open_one() as client:
            client.socket.sendall(data)
            client.wait_for_end()
    wait_for(lambda: not Admin(broker).get("/v1/subscribers")["subscribers"])
