"""`caught_up=true` on event streams: told once, when the live tail is reached (§6.10, §7.14)."""

import json

import pytest

from broker import topic_path
from sse import Event
from wire import check_problem, encode_request

TOLD = "tickertape.caught-up"


def told(number):
    return Event(number, TOLD, json.dumps({"id": number}, separators=(",", ":")))


def test_it_comes_behind_the_replay_and_before_what_is_live(broker, topic):
    numbers = broker.publish_all(topic, [b"%d" % n for n in range(30)])
    with broker.follow(topic, after=numbers[9], caught_up="true") as stream:
        events = stream.take(21)
        assert [e.data for e in events[:20]] == [str(n) for n in range(10, 30)]
        assert events[20] == told(events[20].id) and events[20].id >= numbers[-1]
        number = broker.publish(topic, "live")
        assert stream.next() == (number, "message", "live")


@pytest.mark.parametrize("query", [{}, {"tail": 0}, {"tail": 5}, {"after": 0}])
def test_it_comes_also_when_there_is_nothing_to_send(broker, topic, query):
    head = broker.publish("somewhere/else", "x")
    with broker.follow(topic, caught_up="true", **query) as stream:
        assert stream.next() == told(head)
        number = broker.publish(topic, "live")
        assert stream.next() == (number, "message", "live")


def test_it_comes_behind_the_tail(broker, topic):
    numbers = broker.publish_all(topic, [b"a", b"b", b"c"])
    with broker.follow(topic, tail=2, caught_up="true") as stream:
        assert [e.data for e in stream.take(2)] == ["b", "c"]
        event = stream.next()
        assert event == told(event.id) and event.id >= numbers[-1]


def test_it_comes_behind_a_gap(broker, topic):
    head = broker.publish(topic, "x")
    with broker.follow(topic, after=head + 1000, caught_up="true") as stream:
        assert stream.next().event == "tickertape.gap"
        assert stream.next() == told(head)


def test_it_comes_once_and_its_id_resumes(broker, topic):
    broker.publish_all(topic, [b"x"] * 2500)
    with broker.follow(topic, after=0, caught_up="true") as stream:
        stream.take(2500, 30)
        cursor = stream.next().id
    number = broker.publish(topic, "next")
    with broker.follow(topic, last_id=cursor, caught_up="true") as stream:
        assert stream.next() == (number, "message", "next")
        assert stream.next().event == TOLD
        last = broker.publish(topic, "last")
        assert stream.next().id == last


@pytest.mark.parametrize("query", [{}, {"caught_up": "false"}])
def test_it_does_not_come_unasked(broker, topic, query):
    broker.publish(topic, "x")
    with broker.follow(topic, after=0, **query) as stream:
        assert stream.next().data == "x"
        number = broker.publish(topic, "y")
        assert stream.next() == (number, "message", "y")


@pytest.mark.parametrize("value", ["yes", "1", "TRUE"])
def test_another_value_is_refused(broker, topic, value):
    response = broker.request("GET", topic_path(topic, "events", caught_up=value))
    check_problem(response, 400, "invalid_parameter")


def test_it_can_stand_once(broker, topic):
    target = topic_path(topic, "events") + "?caught_up=true&caught_up=true"
    check_problem(broker.request("GET", target), 400, "repeated_parameter")


def test_the_body_of_a_post_may_ask_for_it(broker, topic):
    number = broker.publish(topic, "x")
    body = json.dumps({"topics": [topic], "after": 0, "caught_up": True}).encode()
    with broker.stream("/events", method="POST", body=body,
                       headers={"Content-Type": "application/json"}) as stream:
        assert stream.next().id == number
        assert stream.next().event == TOLD
    for bad in ("yes", 1, []):
        body = json.dumps({"topics": [topic], "caught_up": bad}).encode()
        request = encode_request("POST", "/events", body, {"Content-Type": "application/json"})
        check_problem(broker.send(request), 400, "invalid_body")
