"""One client cannot spoil it for the others: rates, streams and connections of each."""

import json
import threading
import time

import pytest

from admin import Admin
from broker import topic_path, wait_for
from credentials import KeyRing, bearer, create_token
from gateway import Gateway
from wire import Closed, check_problem, encode_request

STREAM = {"Accept": "text/event-stream"}


def post(connection, topic="a", data=b"x", headers=None):
    return connection.request("POST", topic_path(topic), data, headers)


def publish_until_refused(connection, headers=None, data=b"x", limit=1_000):
    """The statuses of publishes one after the other, up to the first that is no 201."""
    for count in range(limit):
        response = post(connection, data=data, headers=headers)
        if response.status != 201:
            return count, response
    raise AssertionError(f"{limit} publishes, and no end")


def check_too_fast(response):
    check_problem(response, 429, "rate_limited")
    assert 1 <= int(response.header("retry-after")) <= 60
    assert not response.closes


# Rates.


def test_an_address_that_publishes_too_fast_is_told_when_to_come_again(start):
    own = start("--client-publishes-per-second", 5)
    with own.connect(source="127.0.0.2") as greedy, own.connect(source="127.0.0.3") as other:
        began = time.monotonic()
        count, response = publish_until_refused(greedy)
        # One second's worth at once, and what came in meanwhile.
        assert 5 <= count <= 5 + (time.monotonic() - began) * 5 + 1
        check_too_fast(response)
        assert post(other).status == 201
        # The connection is not spoilt, for reading at once and for publishing when it said.
        assert greedy.request("GET", topic_path("a")).status == 200
        time.sleep(int(response.header("retry-after")))
        assert post(greedy).status == 201
    # Another connection of the address has nothing of its own.
    with own.connect(source="127.0.0.2") as again:
        publish_until_refused(again)
        check_too_fast(publish_until_refused(again, limit=3)[1])


def test_the_rate_is_kept_over_time_and_nothing_is_lost(start):
    own = start("--client-publishes-per-second", 50)
    stop, stored = time.monotonic() + 4, 0
    with own.connect() as connection:
        while time.monotonic() < stop:
            response = post(connection)
            stored += response.status == 201
    # 50 at once and 50 a second, on average.
    assert 50 + 4 * 50 * 0.7 <= stored <= 50 + 4 * 50 * 1.1 + 5, stored
    assert len(own.history()) == stored


def test_bytes_count_and_the_largest_message_may_always_come_once(start):
    own = start("--client-bytes-per-second", 10_000)
    with own.connect(source="127.0.0.2") as connection:
        assert post(connection, data=b"x" * 1_048_576).status == 201
        check_too_fast(post(connection, data=b"x" * 5_000))
        assert connection.request("GET", topic_path("a", limit=1)).status == 200
    with own.connect(source="127.0.0.3") as other:
        count, response = publish_until_refused(other, data=b"x" * 50_000)
        # A second's worth or the largest message, whichever is more.
        assert 1 <= count <= 25
        check_too_fast(response)


def test_a_client_is_its_token_wherever_it_is(start):
    own = start("--auth", "--client-publishes-per-second", 5)
    one, two = (bearer(create_token(own, ["a"], ["a"])) for _ in range(2))
    with own.connect(source="127.0.0.2") as here, own.connect(source="127.0.0.3") as there:
        check_too_fast(publish_until_refused(here, one)[1])
        assert publish_until_refused(there, one)[0] <= 2
        assert publish_until_refused(here, two)[0] >= 5


def test_a_client_is_the_subject_of_its_key_whatever_token_it_shows(start, tmp_path):
    ring = KeyRing(tmp_path)
    own = start(*ring.options, "--client-publishes-per-second", 5)

    def headers(key=None, **more):
        return bearer(ring.token(key, **more))

    with own.connect() as connection:
        assert publish_until_refused(connection, headers(sub="me"))[0] >= 5
        assert publish_until_refused(connection, headers(sub="me", jti="another"))[0] <= 2
        assert publish_until_refused(connection, headers(sub="you"))[0] >= 5
        assert publish_until_refused(connection, headers(ring.rs, sub="me"))[0] >= 5
        # Without a subject each token is a client.
        assert publish_until_refused(connection, headers(jti="1"))[0] >= 5
        assert publish_until_refused(connection, headers(jti="2"))[0] >= 5


def test_a_refused_publish_leaves_no_idempotency_key_behind(start):
    own = start("--client-publishes-per-second", 0.4)
    key = {"Idempotency-Key": "k"}
    with own.connect() as connection:
        assert post(connection).status == 201
        check_too_fast(post(connection, data=b"first", headers=key))
        response = wait_for(lambda: (answer := post(connection, data=b"other", headers=key))
                            .status != 429 and answer, 5, "a place")
        assert response.status == 201


def test_pipelined_publishes_over_the_rate_are_answered_in_order(start):
    own = start("--client-publishes-per-second", 10)
    with own.connect(30) as connection:
        connection.send(b"".join(encode_request("POST", topic_path("a"), b"%d" % number)
                                 for number in range(30)))
        statuses = [connection.response().status for _ in range(30)]
    assert set(statuses) == {201, 429} and statuses[:10] == [201] * 10
    kept = [int(message["data"]) for message in own.history()]
    assert kept == [number for number, status in enumerate(statuses) if status == 201]


def test_over_a_websocket_it_is_an_error_and_the_connection_goes_on(start):
    own = start("--client-publishes-per-second", 5)
    with Gateway(own) as client:
        client.subscribe("a")
        replies = [client.ask("publish", topic="a", data=str(n)) for n in range(12)]
        refused = [reply for reply in replies if reply["type"] == "error"]
        assert len(replies) - len(refused) >= 5 and refused
        for reply in refused:
            assert reply["code"] == "rate_limited", reply
            assert reply["retry_after_seconds"] >= 1 and reply["detail"]
        assert len(client.take(len(replies) - len(refused))) == len(replies) - len(refused)
        time.sleep(refused[-1]["retry_after_seconds"])
        client.publish("a", "again")


def test_reading_is_not_bounded_by_the_rate_of_publishing(start):
    own = start("--client-publishes-per-second", 1)
    with own.connect() as connection:
        publish_until_refused(connection)
        assert all(connection.request("GET", topic_path("a")).status == 200 for _ in range(50))


def test_without_a_bound_a_laptop_meets_none(broker, topic):
    ids = broker.publish_all(topic, [b"x"] * 3_000)
    assert len(ids) == 3_000
    streams = [broker.follow(topic) for _ in range(300)]
    for stream in streams:
        stream.close()


# Policies.


def wait_for_policy(broker, topic, data=b"x", is_there=True):
    """A rate is in force within a second: another client's publishes tell."""
    with broker.connect(source="127.0.0.9") as connection:
        wait_for(lambda: (429 in [post(connection, topic, data).status for _ in range(10)])
                 == is_there, 5, "the policy")


def test_a_policy_bounds_what_each_client_publishes_to_its_topics(start):
    own = start()
    admin = Admin(own)
    path = "/v1/policies/chat%2F*"
    admin.ok("PUT", path, {"max_publishes_per_second": 3}, 201)
    wait_for_policy(own, "chat/1")
    with own.connect(source="127.0.0.2") as one, own.connect(source="127.0.0.3") as two:
        began = time.monotonic()
        responses = [post(one, f"chat/{n % 3}") for n in range(10)]
        # The topics of the pattern are counted together.
        stored = [response.status for response in responses].count(201)
        assert 3 <= stored <= 4 + 3 * (time.monotonic() - began)
        check_too_fast(next(response for response in responses if response.status != 201))
        assert all(post(one, "other").status == 201 for _ in range(20))
        assert post(two, "chat/1").status == 201
        policy = admin.get(path)
        assert policy["max_publishes_per_second"] == 3
        assert policy["max_publish_bytes_per_second"] is None
        assert admin.request("DELETE", path).status in (200, 204)
        wait_for_policy(own, "chat/1", is_there=False)
        assert all(post(one, "chat/1").status == 201 for _ in range(20))


def test_a_policy_bounds_bytes_too(start):
    own = start("--max-message-bytes", 2_000)
    Admin(own).ok("PUT", "/v1/policies/big", {"max_publish_bytes_per_second": 1_000}, 201)
    wait_for_policy(own, "big", b"x" * 900)
    with own.connect() as connection:
        statuses = [post(connection, "big", b"x" * 900).status for _ in range(6)]
        assert statuses[0] == 201 and 429 in statuses[1:]
        assert all(post(connection, "small", b"x" * 2_000).status == 201 for _ in range(10))


# Streams.


def test_streams_over_the_bound_are_answered_as_suits_their_client(start):
    own = start("--client-max-streams", 3)
    streams = [own.follow("a") for _ in range(3)]
    check_problem(own.request("GET", topic_path("a", "events")), 429, "too_many_client_streams")
    response = own.request("GET", topic_path("a", "events"), headers=STREAM)
    assert response.status == 200 and response.header("content-type") == "text/event-stream"
    name, _, value = response.body.decode().strip(":\n").partition(": ")
    assert name == "retry" and 5_000 <= int(value) <= 60_000
    with own.connect(source="127.0.0.2") as other:
        other.send(encode_request("GET", topic_path("a", "events"), headers=STREAM))
        assert other.head().header("transfer-encoding") == "chunked"
    # Requests are not bounded by it, and a place comes back.
    number = own.publish("a", "x")
    for stream in streams:
        assert stream.next() == (number, "message", "x")
    streams.pop().close()
    wait_for(lambda: is_followed(own), 5, "the place of the one that left")
    for stream in streams:
        stream.close()


def is_followed(broker, headers=None):
    """Whether there is a place for a stream; it is given back at once."""
    with broker.connect() as connection:
        connection.send(encode_request("GET", topic_path("a", "events"), headers=headers))
        return connection.head().status == 200


def test_retries_of_those_without_a_place_are_spread(start):
    own = start("--client-max-streams", 1)
    with own.follow("a"):
        bodies = {own.request("GET", topic_path("a", "events"), headers=STREAM).body
                  for _ in range(20)}
    assert len(bodies) > 10


def test_websockets_and_event_streams_share_one_bound_and_tokens_have_their_own(start):
    own = start("--auth", "--client-max-streams", 2)
    one, two = (create_token(own, ["a"], ["a"]) for _ in range(2))
    with own.follow("a", headers=bearer(one)), Gateway(own, additional_headers=bearer(one)):
        response = own.request("GET", topic_path("a", "events"), headers=bearer(one))
        check_problem(response, 429, "too_many_client_streams")
        assert is_followed(own, bearer(two))


# Connections.


def test_connections_over_the_bound_are_told_at_their_first_request(start):
    own = start("--client-max-connections", 4)
    kept = [own.connect(source="127.0.0.2") for _ in range(4)]
    for connection in kept:
        assert connection.request("GET", "/healthz").status == 200
    with own.connect(source="127.0.0.2") as over:
        response = over.request("GET", topic_path("a"))
        check_problem(response, 429, "too_many_client_connections")
        assert response.closes and int(response.header("retry-after")) >= 1
        assert over.is_closed_by_peer()
    with own.connect(source="127.0.0.3") as other:
        assert other.request("GET", "/healthz").status == 200
    assert all(connection.request("GET", "/healthz").status == 200 for connection in kept)
    kept.pop().close()

    def has_place():
        with own.connect(source="127.0.0.2") as connection:
            return connection.request("GET", topic_path("a")).status == 200

    wait_for(has_place, 5, "the place of the one that left")
    for connection in kept:
        connection.close()


# Side by side.


def figures(times):
    """The 99th percentile in milliseconds, of at least a hundred times."""
    assert len(times) >= 100
    return sorted(times)[int(len(times) * 0.99)] * 1000


def publish_politely(broker, headers, seconds):
    """How long each of fifty publishes a second took."""
    times, stop = [], time.monotonic() + seconds
    with broker.connect() as connection:
        while (began := time.monotonic()) < stop:
            response = post(connection, "polite", headers=headers)
            times.append(time.monotonic() - began)
            assert response.status == 201
            time.sleep(max(0, 0.02 - times[-1]))
    return times


def publish_greedily(broker, request, stop, answers):
    """As fast as it goes, 16 at a time on each of its connections."""
    with broker.connect(30) as connection:
        while not stop.is_set():
            try:
                connection.send(request * 16)
                answers += [connection.response().status for _ in range(16)]
            except (Closed, OSError):
                return


def test_a_greedy_client_does_not_slow_down_a_polite_one(start):
    own = start("--auth", "--client-publishes-per-second", 200)
    polite, greedy = (bearer(create_token(own, ["**"], [])) for _ in range(2))
    request = encode_request("POST", topic_path("greedy"), b"x" * 100, greedy)
    turns, answers = [], []
    publish_politely(own, polite, 1)
    for _ in range(3):
        alone = publish_politely(own, polite, 3)
        stop = threading.Event()
        greedies = [threading.Thread(target=publish_greedily, args=(own, request, stop, answers))
                    for _ in range(4)]
        for thread in greedies:
            thread.start()
        beside = publish_politely(own, polite, 3)
        stop.set()
        for thread in greedies:
            thread.join(30)
        turns.append((figures(alone), figures(beside)))
    # The rate was kept.
    assert answers.count(429) > 0 and answers.count(201) <= 200 * 1.2 * 11 + 3 * 200
    print("\n" + json.dumps({"polite p99 ms alone and beside": turns,
                             "greedy stored": answers.count(201),
                             "greedy refused": answers.count(429)}))
    # 2 times is what is asked. A machine that is busy with other things gets some room: what falls
    # on one of the two is not the greedy one's doing, unless it does so in every turn.
    assert any(beside < max(2 * alone, alone + 5) for alone, beside in turns), turns
