"""Event streams over many topics: `GET /events`, `POST /events`, and what is refused."""

import json

import pytest

from wire import check_problem


def ids(events):
    return [event.id for event in events]


def test_many_topics_and_patterns_make_one_stream_without_repetition(broker, topic):
    target = f"/events?topic={topic}/a&topic={topic}/*&topic={topic}/b%2Fc&topic={topic}/**"
    with broker.stream(target) as stream:
        stream.opening()
        sent = [broker.publish(f"{topic}/{name}", name) for name in ["a", "b/c", "d", "e/f/g"]]
        assert ids(stream.take(4)) == sent
    with broker.stream(target, sent[0] - 1) as stream:
        assert ids(stream.take(4)) == sent


def test_topics_outside_ascii_can_be_followed_in_every_way(broker):
    name, quoted = "新闻/财经", "%E6%96%B0%E9%97%BB/%E8%B4%A2%E7%BB%8F"
    body = json.dumps({"topics": [name]}, ensure_ascii=False).encode("utf-8")
    kind = {"Content-Type": "application/json"}
    with broker.stream(f"/topics/{quoted}/events") as by_path, \
            broker.stream(f"/events?topic={quoted}") as by_query, \
            broker.stream("/events", method="POST", body=body, headers=kind) as by_body:
        streams = (by_path, by_query, by_body)
        for stream in streams:
            stream.opening()
        number = broker.publish(name, "上涨 📈", event="新")
        assert [stream.next() for stream in streams] == [(number, "新", "上涨 📈")] * 3


def test_post_events_takes_topics_cursor_and_tail_from_json(broker, topic):
    sent = [broker.publish(f"{topic}/{n % 2}", str(n)) for n in range(6)]
    kind = {"Content-Type": "application/json; charset=utf-8"}

    def post(value, last_id=None):
        body = json.dumps({"topics": [f"{topic}/0", f"{topic}/*"], **value}).encode()
        return broker.stream("/events", last_id, method="POST", body=body, headers=kind)

    for value, last_id, expected in [({"after": sent[1]}, None, sent[2:]),
                                     ({"after": 0}, sent[3], sent[4:]),
                                     ({"tail": 1}, None, sent[4:]),
                                     ({"after": 0, "tail": 1}, None, sent)]:
        with post(value, last_id) as stream:
            assert ids(stream.take(len(expected))) == expected
    with post({}) as stream:
        assert stream.opening().endswith(b"id: %d\n\n" % sent[-1])


@pytest.mark.parametrize("body, status, code", [
    (b"", 400, "invalid_body"),
    (b"nonsense", 400, "invalid_body"),
    (b"[]", 400, "invalid_body"),
    (b"{}", 400, "invalid_body"),
    (b'{"topics":"a"}', 400, "invalid_body"),
    (b'{"topics":[]}', 400, "invalid_body"),
    (b'{"topics":[1]}', 400, "invalid_body"),
    (b'{"topics":["\xff"]}', 400, "invalid_body"),
    (b'{"topics":["a"],"tail":-1}', 400, "invalid_body"),
    (b'{"topics":["a"],"tail":1001}', 400, "invalid_body"),
    (b'{"topics":["a"]', 400, "invalid_body"),
    (b"[" * 60000, 400, "invalid_body"),
    (b'{"topics":["a//b"]}', 400, "invalid_pattern"),
    (b'{"topics":["a*"]}', 400, "invalid_pattern"),
    (json.dumps({"topics": [f"t{n}" for n in range(129)]}).encode(), 400, "too_many_topics"),
    (b'{"topics":["a"]}' + b" " * 2_000_000, 413, "body_too_large"),
])
def test_a_bad_body_of_post_events_is_refused(broker, body, status, code):
    response = broker.request("POST", "/events", body, {"Content-Type": "application/json"})
    # A value of the right type but out of its range may be called by either name.
    codes = (code, "invalid_parameter") if code == "invalid_body" else code
    check_problem(response, status, codes)


@pytest.mark.parametrize("cursor", [b'"x"', b"-1", b'"1.5"'])
def test_a_cursor_in_json_that_is_no_number_is_told_as_a_gap(broker, topic, cursor):
    head = broker.publish(topic, "x")
    body = b'{"topics":["%s"],"after":%s}' % (topic.encode(), cursor)
    kind = {"Content-Type": "application/json"}
    with broker.stream("/events", method="POST", body=body, headers=kind) as stream:
        event = stream.next()
        assert (event.id, event.event) == (head, "tickertape.gap")
        assert json.loads(event.data) == {"after": None, "resumed": head, "reason": "unknown"}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_of_post_events_that_is_not_json_is_answered_415(broker, kind):
    response = broker.request("POST", "/events", b'{"topics":["a"]}', {"Content-Type": kind})
    check_problem(response, 415, "unsupported_media_type")


def test_up_to_128_topics_make_one_stream(broker, topic):
    query = "&".join(f"topic={topic}/{n}" for n in range(128))
    with broker.stream(f"/events?{query}") as stream:
        stream.opening()
        number = broker.publish(f"{topic}/127", "x")
        assert stream.next().id == number
    check_problem(broker.request("GET", f"/events?{query}&topic=more"), 400, "too_many_topics")


@pytest.mark.parametrize("target, code", [
    ("/events", ("invalid_parameter", "invalid_pattern")),
    ("/events?topic=", "invalid_pattern"),
    ("/events?topic=a&topic=b//c", "invalid_pattern"),
    ("/events?topic=a%zz", "bad_percent_encoding"),
    ("/topics/**/a/events", "invalid_pattern"),
    ("/topics/a/events?tail=1001", "invalid_parameter"),
    ("/topics/a/events?tail=x", "invalid_parameter"),
    ("/topics/a/events?tail=-1", "invalid_parameter"),
    ("/topics/a/events?after=1&last_event_id=2", "repeated_parameter"),
    ("/topics/a/events?after=1&after=1", "repeated_parameter"),
])
def test_a_stream_that_can_never_work_is_answered_400(broker, target, code):
    response = broker.request("GET", target, headers={"Accept": "text/event-stream"})
    check_problem(response, 400, code)
