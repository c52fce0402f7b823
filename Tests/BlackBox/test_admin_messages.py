"""Publishing and following over the admin door."""

import time

import pytest

from broker import wait_for
from admin import Admin, segment
from wire import Closed, check_problem, encode_request


@pytest.fixture
def admin(broker):
    return Admin(broker)


def lines(admin, topic, body, timeout=30.0, **query):
    return admin.request("POST", f"/v1/topics/{segment(topic)}/messages", body, timeout=timeout,
                         lines="true", **query)


def texts(admin, topic):
    return [m["data"] for m in admin.get("/v1/messages", topic=topic, limit=1000)["messages"]]


# One message.


def test_a_message_is_published_as_it_is(admin, topic):
    number = admin.publish(topic, "zwölf\n\r\n\t", event="trade", key="k")
    message = admin.get("/v1/messages", topic=topic)["messages"][0]
    assert message["id"] == number and message["data"] == "zwölf\n\r\n\t"
    assert message["event"] == "trade" and message["key"] == "k"
    assert admin.publish(topic, "") > number


def test_a_retry_with_its_key_gets_the_first_answer(admin, topic):
    path = f"/v1/topics/{segment(topic)}/messages"
    key = {"Idempotency-Key": "once"}
    first = admin.request("POST", path, "x", key)
    again = admin.request("POST", path, "x", key)
    assert (first.status, again.status) == (201, 200) and first.json() == again.json()
    check_problem(admin.request("POST", path, "y", key), 422, "idempotency_key_reused")
    check_problem(admin.request("POST", path, "x", key, lines="true"), 400, "invalid_parameter")


@pytest.mark.parametrize("headers, query, body, status, code", [
    ({}, {"event": "tickertape.x"}, b"x", 400, "invalid_parameter"),
    ({}, {"event": "x" * 129}, b"x", 400, "invalid_parameter"),
    ({}, {"key": "x" * 257}, b"x", 400, "invalid_parameter"),
    ({}, {"lines": "yes"}, b"x", 400, "invalid_parameter"),
    ({}, {"x": "1"}, b"x", 400, "unknown_parameter"),
    ({}, {}, b"\xff", 415, "not_utf8"),
    ({"Content-Encoding": "gzip"}, {}, b"x", 415, "unsupported_content_encoding"),
    ({"Content-Type": "text/plain; charset=latin1"}, {}, b"x", 415, "unsupported_charset"),
    ({}, {}, b"x" * 1_048_577, 413, "message_too_large"),
    ({"Idempotency-Key": ""}, {}, b"x", 400, "invalid_parameter"),
])
def test_what_is_no_message_is_refused(admin, topic, headers, query, body, status, code):
    response = admin.request("POST", f"/v1/topics/{segment(topic)}/messages", body, headers, **query)
    check_problem(response, status, code)


# Lines.


def test_every_line_is_a_message_and_a_last_newline_is_none(admin, topic):
    report = lines(admin, topic, "one\ntwo\r\n\nfour\n").json()
    ids = [m["id"] for m in admin.get("/v1/messages", topic=topic)["messages"]]
    assert report == {"topic": topic, "published": 4, "first_id": ids[0], "last_id": ids[-1]}
    assert texts(admin, topic) == ["one", "two", "", "four"]
    assert lines(admin, topic, "last, without an end").json()["published"] == 1
    assert lines(admin, topic, "").json() == {
        "topic": topic, "published": 0, "first_id": None, "last_id": None}


def test_lines_are_published_as_they_arrive(admin, topic):
    with admin.connect() as connection, admin.events(topic) as events:
        assert events.next()[0] == "caught_up"
        head = encode_request("POST", f"/v1/topics/{segment(topic)}/messages?lines=true",
                              headers={"Transfer-Encoding": "chunked"})
        connection.send(head)
        for number in range(5):
            connection.send(b"6\r\nline %d\r\n1\r\n\n\r\n" % number)
            assert events.next()[2]["data"] == f"line {number}"
        connection.send(b"0\r\n\r\n")
        assert connection.response().json()["published"] == 5


def test_many_lines_keep_their_order(admin, topic):
    count = 100_000
    body = "".join(f"{number}\n" for number in range(count)).encode()
    began = time.monotonic()
    report = lines(admin, topic, body, timeout=60).json()
    print(f"{count / (time.monotonic() - began):.0f} lines a second")
    assert report["published"] == count
    assert report["last_id"] - report["first_id"] == count - 1
    after, seen = report["first_id"] - 1, []
    while len(seen) < count:
        page = admin.get("/v1/messages", topic=topic, after=after, limit=1000)
        seen += [m["data"] for m in page["messages"]]
        after = page["next"]
    assert seen == [str(number) for number in range(count)]


def test_a_bad_line_ends_it_and_says_how_far_it_came(admin, topic):
    for bad, status, code in [(b"\xff", 415, "not_utf8"), (b"x" * 1_048_577, 413,
                                                          "message_too_large")]:
        response = lines(admin, topic, b"a\nb\n" + bad + b"\nc\n")
        assert response.status == status
        problem = response.json()
        assert problem["code"] == code and problem["published"] == 2
        assert "line 3" in problem["detail"]
    assert texts(admin, topic) == ["a", "b"] * 2


def test_a_line_over_the_policy_says_so(admin, topic):
    path = f"/v1/policies/{segment(topic)}"
    admin.ok("PUT", path, {"max_message_bytes": 3}, 201)
    response = lines(admin, topic, b"abc\nabcd\nabc\n")
    assert response.status == 413 and response.json()["published"] == 1
    assert "line 2" in response.json()["detail"] and topic in response.json()["detail"]
    admin.ok("DELETE", path, status=204)


def test_lines_without_an_end_cost_bounded_memory(start):
    broker = start()
    admin = Admin(broker)
    before = broker.resident_bytes
    piece = b"x" * 99 + b"\n"  # 60 MB of them.
    with admin.connect(60) as connection:
        connection.send(encode_request("POST", "/v1/topics/a/messages?lines=true",
                                       headers={"Transfer-Encoding": "chunked"}))
        for _ in range(600):
            connection.send(b"%x\r\n%s\r\n" % (len(piece) * 1000, piece * 1000))
        connection.send(b"0\r\n\r\n")
        assert connection.response().json()["published"] == 600_000
    assert broker.resident_bytes - before < 40 * 2**20


# Pages.


def test_a_page_starts_after_an_id_at_a_tail_or_at_a_time(admin, topic):
    ids = [admin.publish(topic, str(number)) for number in range(5)]

    def page(**query):
        return [m["id"] for m in admin.get("/v1/messages", topic=topic, **query)["messages"]]

    assert page() == ids and page(after=ids[1]) == ids[2:] and page(tail=2) == ids[3:]
    assert page(limit=2) == ids[:2] and page(tail=0) == []
    assert page(since="1970-01-01T00:00:00Z") == ids
    assert page(since="2200-01-01T00:00:00+02:00") == []
    moment = admin.get("/v1/messages", topic=topic)["messages"][3]["time"]
    assert page(since=moment)[-1] == ids[-1]
    assert admin.get("/v1/messages", topic=topic)["next"] >= ids[-1]
    ahead = admin.get("/v1/messages", topic=topic, after=10**12)
    assert ahead["messages"] == [] and ahead["gap"]["reason"] == "reset"


@pytest.mark.parametrize("query, code", [
    ({}, "invalid_parameter"), ({"topic": "a*"}, "invalid_pattern"),
    ({"topic": "a", "after": -1}, "invalid_parameter"),
    ({"topic": "a", "after": 1, "tail": 1}, "invalid_parameter"),
    ({"topic": "a", "since": "10m"}, "invalid_parameter"),
    ({"topic": "a", "tail": 1001}, "invalid_parameter"),
    ({"topic": ["a"] * 129}, "too_many_topics"), ({"topic": "a", "wait": 1}, "unknown_parameter"),
    ({"topic": "a", "after": ["1", "2"]}, "repeated_parameter"),
])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/events"])
def test_wrong_questions_get_a_sentence(admin, path, query, code):
    check_problem(admin.request("GET", path, **query), 400, code)


# Streams.


def test_a_stream_replays_says_when_it_has_caught_up_and_goes_on(admin, topic):
    ids = [admin.publish(topic, str(number)) for number in range(3)]
    with admin.events(topic, after=0) as stream:
        assert stream.response.status == 200
        assert stream.response.header("content-type") == "text/event-stream"
        events = stream.take(3)
        assert [event[:2] for event in events] == [("message", number) for number in ids]
        assert events[0][2]["topic"] == topic and events[0][2]["data"] == "0"
        name, number, data = stream.next()
        assert name == "caught_up" and data == {"id": number} and number >= ids[-1]
        live = admin.publish(topic, "live")
        assert stream.next()[:2] == ("message", live)
    with admin.events(topic, tail=1) as stream:
        assert stream.next()[1] == live
    with admin.events(topic, last_id=str(ids[0]), tail=1) as stream:
        assert [event[1] for event in stream.take(3)] == [*ids[1:], live]
    with admin.events(topic) as stream:
        assert stream.next()[0] == "caught_up"


def test_a_stream_follows_patterns_and_several_topics(admin, topic):
    with admin.events(f"{topic}/*", "elsewhere/**") as stream:
        assert stream.next()[0] == "caught_up"
        admin.publish("nowhere", "x")
        ids = [admin.publish(f"{topic}/a", "1"), admin.publish("elsewhere/b/c", "2")]
        assert [event[1] for event in stream.take(2)] == ids


def test_a_live_message_is_there_within_milliseconds(admin, topic):
    with admin.events(topic) as stream, admin.connect() as publisher:
        stream.next()
        delays = []
        for _ in range(30):
            publisher.request("POST", f"/v1/topics/{segment(topic)}/messages", b"x")
            began = time.monotonic()
            stream.next()
            delays.append(time.monotonic() - began)
        assert sorted(delays)[15] < 0.05, delays


def test_a_stream_is_told_of_a_gap(admin, topic):
    ids = [admin.publish(topic, str(number)) for number in range(4)]
    admin.ok("POST", f"/v1/topics/{segment(topic)}/purge", {"before_id": ids[2]})
    with admin.events(topic, after=ids[0] - 1) as stream:
        assert stream.next() == ("gap", ids[2] - 1, {
            "after": ids[0] - 1, "resumed": ids[2], "reason": "retention"})
        assert [event[1] for event in stream.take(2)] == ids[2:]
    with admin.events(topic, after=10**15) as stream:
        assert stream.next()[2]["reason"] == "reset"
    with admin.events(topic, last_id="x") as stream:
        assert stream.next()[2]["reason"] == "unknown"


def test_a_stream_of_a_deleted_topic_ends_and_is_not_begun_again(admin, topic):
    admin.publish(topic, "x")
    with admin.events(topic) as stream:
        stream.next()
        admin.ok("DELETE", f"/v1/topics/{segment(topic)}")
        assert stream.next()[::2] == ("end", {"topic": topic, "reason": "deleted"})
        with pytest.raises(Closed):
            stream.next()
    assert admin.request("GET", "/v1/events", topic=topic).status == 204
    admin.publish(topic, "back")
    with admin.events(topic, tail=1) as stream:
        assert stream.next()[2]["data"] == "back"


def test_a_stream_of_a_pattern_outlives_its_topics(admin, topic):
    admin.publish(f"{topic}/a", "x")
    with admin.events(f"{topic}/*") as stream:
        stream.next()
        admin.ok("DELETE", f"/v1/topics/{segment(topic + '/a')}")
        number = admin.publish(f"{topic}/b", "y")
        assert stream.next()[:2] == ("message", number)


def test_a_client_that_leaves_frees_its_place(admin, topic):
    def follows():
        with admin.connect() as connection:
            connection.send(encode_request("GET", f"/v1/events?topic={segment(topic)}"))
            return connection.head().status == 200

    # More than there are places for streams, and for connections.
    for _ in range(60):
        wait_for(follows, what="a place for the next")
    assert admin.get("/v1/status")["state"] == "serving"


def test_a_stream_that_is_not_read_costs_bounded_memory(start):
    broker = start()
    admin = Admin(broker)
    with admin.events("a", after=0) as stream:
        stream.next()
        before = broker.resident_bytes
        body = (b"x" * 999 + b"\n") * 60_000
        response = admin.request("POST", "/v1/topics/a/messages", body, timeout=60, lines="true")
        assert response.json()["published"] == 60_000
        assert broker.resident_bytes - before < 40 * 2**20
        # It is all there once somebody reads.
        first = stream.next()[1]
        for _ in range(59_999):
            last = stream.next()[1]
        assert last - first == 59_999
