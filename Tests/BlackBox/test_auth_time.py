"""What was granted ends with its token: streams are told, and end within a second."""

import asyncio
import json
import time

import pytest

from admin import Admin
from broker import topic_path, wait_for
from clients import HttpxSSE
from credentials import (Key, KeyRing, bearer, claims, create_token, revoke, sign, with_query,
                         write_key_set)
from gateway import Gateway
from load import StreamProtocol
from wire import Closed, check_problem, encode_request

SOON = "tickertape.expiring"
OVER = "tickertape.unauthorized"


def follow(broker, topic, token, **query):
    return broker.follow(topic, headers=bearer(token), **query)


def told(event):
    """The data of what a stream was told about its token."""
    assert event.id is None
    return json.loads(event.data)


def end_of(stream, timeout=10):
    """Why a stream ended, and when that was told."""
    event = stream.next(timeout)
    at = time.time()
    assert event.event == OVER, event
    assert stream.read_to_end(2) == []
    assert time.time() - at < 1
    return told(event)["reason"], at


# Event streams.


def test_a_stream_is_told_of_its_end_and_ends_when_its_token_does(start, tmp_path):
    ring = KeyRing(tmp_path)
    own = start(*ring.options)
    expires = int(time.time()) + 4
    with follow(own, "a", ring.token(exp=expires)) as stream:
        stream.opening()
        soon = stream.next(2)
        # Less than 30 s are left, so it comes at once, with what is left.
        assert soon.event == SOON and 1 <= told(soon)["seconds"] <= 4
        number = Admin(own).publish("a", "in between")
        assert stream.next() == (number, "message", "in between")
        reason, at = end_of(stream)
        assert reason == "expired" and expires <= at < expires + 1, at - expires
        # What was said about the token has moved no cursor.
        assert stream.reader.last_id == str(number)
    check_problem(own.request("GET", "/topics/a/events", headers=bearer(ring.token(exp=expires))),
                  401, "invalid_token")


def test_a_stream_is_told_thirty_seconds_before(start, tmp_path):
    ring = KeyRing(tmp_path)
    own = start(*ring.options)
    expires = int(time.time()) + 34
    token = ring.token(ring.es, exp=expires)
    with follow(own, "a", token) as stream, Gateway(
            own, additional_headers=bearer(token)) as client:
        stream.opening()
        client.subscribe("a")
        assert stream.next(8).event == SOON
        assert abs(expires - 30 - time.time()) < 1.1
        assert client.next_of("expiring", timeout=3)["seconds"] == 30
        assert abs(expires - 30 - time.time()) < 2
        assert not stream.has_ended
        client.check_alive()


def test_a_token_that_lasts_is_told_nothing(start):
    own = start("--auth", "--heartbeat", 0.2)
    token = create_token(own, [], ["a"], expires="never")
    with follow(own, "a", token) as stream:
        stream.wait_until(lambda: stream.reader.comments >= 5)
        assert stream.pending == []


def test_a_stream_of_an_access_token_ends_when_it_expires(start):
    own = start("--auth")
    made = Admin(own).ok("POST", "/v1/tokens", {
        "publish": [], "subscribe": ["a"], "expires_in_seconds": 2}, 201)
    began = time.time()
    with follow(own, "a", made["token"]) as stream:
        stream.opening()
        assert stream.next().event == SOON
        reason, at = end_of(stream)
        assert reason == "expired" and 1.5 < at - began < 3.5


def test_a_stream_whose_client_does_not_read_ends_as_well(start):
    # It is not live: readers feed it from the log, and its socket is full.
    own = start("--auth")
    token = create_token(own, ["**"], ["**"], expires="never")
    admin = Admin(own)
    for _ in range(30):
        admin.publish("a", "x" * 1_000_000)
    with own.follow("a", headers=bearer(token), after=0, receive_buffer=65_536) as stream:
        stream.opening()
        wait_for(lambda: [row for row in admin.get("/v1/subscribers")["subscribers"]
                          if row["state"] == "full"], 10, "a full socket")
        revoke(admin, token)
        wait_for(lambda: not admin.get("/v1/subscribers")["subscribers"], 5, "its end")
        # Nothing makes up for what it has not read, and it learns of the end when it reads.
        try:
            stream.read_to_end(10)
        except (Closed, ConnectionResetError):
            pass
        assert int(stream.reader.last_id or 0) < 30


def test_a_client_that_comes_back_by_itself_is_told_to_stop(start, tmp_path):
    ring = KeyRing(tmp_path)
    own = start(*ring.options, "--retry", 0.1)
    admin, topic = Admin(own), "a"
    number = admin.publish(topic, "first")
    url = f"http://127.0.0.1:{own.port}" + with_query(
        topic_path(topic, "events", after=0), ring.token(exp=int(time.time()) + 3))
    client = HttpxSSE(url)
    seen = list(client)
    client.close()
    assert [event for _, event, _ in seen if event != "message"] == [SOON, OVER]
    # The id that the library keeps is still that of the message.
    assert seen[-1][:2] == (str(number), OVER)
    answer = own.request("GET", url.partition(str(own.port))[2],
                         headers={"Last-Event-ID": str(number), "Accept": "text/event-stream"})
    check_problem(answer, 401, "invalid_token")


def test_a_long_poll_does_not_outlive_its_token(start, tmp_path):
    ring = KeyRing(tmp_path)
    own = start(*ring.options)
    expires = int(time.time()) + 3
    with own.connect(20) as connection:
        connection.send(encode_request("GET", topic_path("a", wait=20),
                                       headers=bearer(ring.token(exp=expires))))
        wait_for(lambda: time.time() > expires + 2, 8, "the end of the token")
        Admin(own).publish("a", "too late for this token")
        response = connection.response()
    # Either it was ended with the token, or what came later is not in it.
    assert b"too late" not in response.body, response.body


# WebSockets.


def test_a_websocket_is_told_and_closed(start, tmp_path):
    ring = KeyRing(tmp_path)
    own = start(*ring.options)
    for by_command in (False, True):
        expires = int(time.time()) + 3
        token = ring.token(ring.rs, exp=expires)
        headers = {} if by_command else bearer(token)
        with Gateway(own, additional_headers=headers) as client:
            if by_command:
                client.ask("auth", token=token)
            client.subscribe("a")
            soon = client.next_of("expiring")
            assert set(soon) == {"type", "seconds"} and 1 <= soon["seconds"] <= 3
            assert client.closed() == 4401
            assert client.connection.close_reason == "expired"
            assert expires <= time.time() < expires + 1.2


def test_a_fresh_token_in_place_keeps_a_websocket_beyond_the_first_ones_end(start, tmp_path):
    ring = KeyRing(tmp_path)
    own = start(*ring.options)
    now = int(time.time())
    with Gateway(own, additional_headers=bearer(ring.token(exp=now + 3))) as client:
        client.subscribe("a")
        assert client.next_of("expiring")["seconds"] <= 3
        assert client.ask("auth", token=ring.token(ring.ed, exp=now + 6))["type"] == "authorized"
        wait_for(lambda: time.time() > now + 4.5, 8, "the end of the first")
        number = client.publish("a", "still here")
        assert client.next_of("message")["id"] == number
        assert client.closed() == 4401
        assert client.connection.close_reason == "expired"
        assert now + 6 <= time.time() < now + 7.5


def test_a_websocket_of_a_revoked_token_is_closed(start):
    own = start("--auth")
    token = create_token(own, ["a"], ["a"])
    with Gateway(own, additional_headers=bearer(token)) as client:
        client.subscribe("a")
        revoke(Admin(own), token)
        began = time.monotonic()
        assert client.closed() == 4401
        assert client.connection.close_reason == "revoked"
        assert time.monotonic() - began < 1.2


# Keys that come and go.


def test_a_key_that_is_taken_out_of_its_set_ends_what_it_signed(start, tmp_path):
    old, new = Key("ES256", "old"), Key("EdDSA", "new")
    path = write_key_set(tmp_path / "keys.json", old)
    own = start("--auth", "--jwt-key-file", path)

    def is_taken(key):
        answer = own.request("GET", topic_path("a"), headers=bearer(tokens[key]))
        return answer.status == 200

    tokens = {key: sign(key, claims(["a"], ["a"])) for key in (old, new)}
    assert is_taken(old) and not is_taken(new)
    write_key_set(path, old, new)
    wait_for(lambda: is_taken(new), 10, "the second key")
    with follow(own, "a", tokens[old]) as leaving, follow(own, "a", tokens[new]) as staying, \
            Gateway(own, additional_headers=bearer(tokens[old])) as client:
        leaving.opening(), staying.opening()
        client.subscribe("a")
        write_key_set(path, new)
        assert end_of(leaving)[0] == "revoked"
        assert client.closed() == 4401
        assert client.connection.close_reason == "revoked"
        assert not is_taken(old) and is_taken(new)
        number = own.publish("a", "x", bearer(tokens[new]))
        assert staying.next() == (number, "message", "x")


@pytest.mark.parametrize("broken", [b"", b"{", b'{"keys":[]', b"no key at all", None])
def test_a_key_file_that_breaks_keeps_the_keys_and_is_logged(start, tmp_path, broken):
    first, second = Key("ES256", "one"), Key("ES256", "two")
    path = write_key_set(tmp_path / "keys.json", first)
    own = start("--auth", "--jwt-key-file", path)
    tokens = [sign(key, claims(["a"], ["a"])) for key in (first, second)]

    def statuses():
        return [own.request("GET", topic_path("a"), headers=bearer(token)).status
                for token in tokens]

    with follow(own, "a", tokens[0]) as stream:
        stream.opening()
        path.write_bytes(broken) if broken is not None else path.unlink()
        wait_for(lambda: [line for line in own.stderr
                          if " error " in line.lower() and "keys.json" in line], 15, "the error")
        assert statuses() == [200, 401]
        # Mended, it is read again without a word from anybody.
        write_key_set(path, first, second)
        wait_for(lambda: statuses() == [200, 200], 15, "the new file")
        number = own.publish("a", "x", bearer(tokens[1]))
        assert stream.next() == (number, "message", "x")


# A crowd.


class Crowd:
    """Many event streams of one token, on one asyncio loop."""

    def __init__(self, broker, token, count):
        self.broker, self.token, self.count = broker, token, count
        self.events, self.streams = [], []

    async def open(self):
        request = encode_request("GET", topic_path("crowd", "events"),
                                 headers=bearer(self.token) | {"Accept": "text/event-stream"})
        loop = asyncio.get_running_loop()
        for _ in range(self.count):
            keep = self.events.append
            transport, stream = await loop.create_connection(
                lambda: StreamProtocol(request, lambda event: keep((time.monotonic(), event))),
                self.broker.host, self.broker.port)
            stream.transport = transport
            self.streams.append(stream)
        await until(lambda: all(stream.reader.ids for stream in self.streams))

    @property
    def sins(self):
        return [sin for stream in self.streams for sin in stream.reader.sins]

    def close(self):
        for stream in self.streams:
            stream.transport.abort()


async def until(condition, timeout=30):
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_thousand_streams_end_within_a_second_and_others_go_on(start):
    own = start("--auth")
    admin = Admin(own)
    mine, others = (create_token(own, [], ["crowd"]) for _ in range(2))

    async def act():
        leaving, staying = Crowd(own, mine, 1_000), Crowd(own, others, 200)
        await leaving.open()
        await staying.open()
        number = await asyncio.to_thread(admin.publish, "crowd", "before")
        await until(lambda: len(leaving.events) == 1_000 and len(staying.events) == 200)
        began = time.monotonic()
        await asyncio.to_thread(revoke, admin, mine)
        answered = time.monotonic() - began
        await until(lambda: all(stream.ended.done() for stream in leaving.streams))
        ended = time.monotonic() - began
        later = await asyncio.to_thread(admin.publish, "crowd", "after")
        await until(lambda: len(staying.events) == 400)
        assert [event for _, event in leaving.events[:1_000]] == [
            (number, "message", "before")] * 1_000
        assert {event for _, event in leaving.events[1_000:]} == {
            (None, OVER, '{"reason":"revoked"}')}
        assert len(leaving.events) == 2_000
        assert {event for _, event in staying.events[200:]} == {(later, "message", "after")}
        assert not any(stream.ended.done() for stream in staying.streams)
        assert {stream.reader.last_id for stream in leaving.streams} == {str(number)}
        assert leaving.sins == staying.sins == []
        leaving.close(), staying.close()
        return answered, ended

    answered, ended = asyncio.run(act())
    print(f"\n1000 streams of a revoked token: told {answered * 1000:.0f} ms after it was asked, "
          f"all ended after {ended * 1000:.0f} ms")
    assert ended - answered < 1.0
