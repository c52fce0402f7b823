"""Topics that end, as readers see it (§4.9, §11.6, §11.7, §19.15 on)."""

import json
import re
import threading
import time

import pytest

from admin import Admin
from broker import topic_path
from gateway import Gateway
from sse import Event
from wire import check_problem

END = "tickertape.end"


def ended(topic, last_id, reason="ended"):
    data = {"topic": topic, "reason": reason, "last_id": last_id}
    return Event(None, END, json.dumps(data, separators=(",", ":")))


@pytest.fixture
def client(broker):
    with Gateway(broker) as running:
        yield running


def finish(client, topic, data="", **more):
    """Publishes the last message of a topic, over a WebSocket; its id."""
    reply = client.ask("publish", topic=topic, data=data, end=True, **more)
    assert reply["type"] == "published" and reply["ended"] is True, reply
    return reply["id"]


def test_a_live_stream_gets_the_last_message_and_then_its_end(broker, topic, client):
    with broker.follow(topic) as stream:
        stream.opening()
        first = broker.publish(topic, "a")
        last = finish(client, topic, "b")
        assert stream.read_to_end() == [
            (first, "message", "a"), (last, "message", "b"), ended(topic, last)]


def test_a_stream_that_comes_later_gets_what_is_left_and_its_end(broker, topic, client):
    numbers = broker.publish_all(topic, [b"%d" % n for n in range(2000)])
    last = finish(client, topic, "last")
    for start, count in ({"after": 0}, 2001), ({"after": numbers[-3]}, 3), ({"tail": 5}, 5):
        with broker.follow(topic, **start) as stream:
            events = stream.read_to_end(30)
            assert len(events) == count + 1
            assert events[-2:] == [(last, "message", "last"), ended(topic, last)]
    with broker.stream("/events", method="POST", headers={"Content-Type": "application/json"},
                       body=json.dumps({"topics": [topic], "after": numbers[-1]}).encode()) as stream:
        assert stream.read_to_end() == [(last, "message", "last"), ended(topic, last)]


def test_where_nothing_is_to_come_the_answer_is_204(broker, topic, client):
    broker.publish(topic, "a")
    last = finish(client, topic)
    accept = {"Accept": "text/event-stream"}
    for query in {}, {"tail": 0}, {"after": last}, {"after": last + 1}, {"after": 10**15}:
        response = broker.request("GET", topic_path(topic, "events", **query), headers=accept)
        assert response.status == 204 and response.body == b"", query
    resumed = {**accept, "Last-Event-ID": str(last)}
    assert broker.request("GET", topic_path(topic, "events", after=0),
                          headers=resumed).status == 204
    body = json.dumps({"topics": [topic], "after": last}).encode()
    assert broker.request("POST", "/events", body,
                          {"Content-Type": "application/json"}).status == 204


def test_a_browser_that_reconnects_at_the_end_stops(broker, topic, client):
    with broker.follow(topic) as stream:
        stream.opening()
        last = finish(client, topic, "only")
        stream.read_to_end()
        cursor = stream.reader.last_id
    assert cursor == str(last)
    response = broker.request("GET", topic_path(topic, "events"),
                              headers={"Last-Event-ID": cursor, "Accept": "text/event-stream"})
    assert response.status == 204


def test_a_stream_of_several_topics_ends_with_the_last(broker, topic, client):
    one, two = f"{topic}/1", f"{topic}/2"
    with broker.stream(f"/events?topic={one}&topic={two}") as stream, \
            broker.follow(f"{topic}/*") as pattern:
        stream.opening()
        pattern.opening()
        first = finish(client, one, "1")
        second = broker.publish(two, "2")
        last = finish(client, two, "3")
        assert stream.read_to_end() == [
            (first, "message", "1"), (second, "message", "2"), (last, "message", "3"),
            ended(two, last)]
        assert [event.id for event in pattern.take(3)] == [first, second, last]
        number = broker.publish(f"{topic}/3", "on")
        assert pattern.next() == (number, "message", "on")


def test_nothing_is_published_behind_the_end(broker, topic, client):
    finish(client, topic, "last")
    check_problem(broker.post(topic, "more"), 409, "topic_ended")
    reply = client.ask("publish", topic=topic, data="more")
    assert (reply["type"], reply["code"]) == ("error", "topic_ended")
    assert [message["data"] for message in broker.history(topic)] == ["last"]


def test_a_repeat_of_the_last_publish_gets_its_first_answer(broker, topic, client):
    number = finish(client, topic, "last", idempotency_key="k")
    reply = client.ask("publish", topic=topic, data="last", end=True, idempotency_key="k")
    assert (reply["id"], reply["repeated"], reply["ended"]) == (number, True, True)


def test_history_says_that_nothing_comes_and_does_not_wait(broker, topic, client):
    first = broker.publish(topic, "a")
    last = finish(client, topic, "b")
    page = broker.page(topic)
    end = page["end"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", end.pop("time"))
    assert end == {"topic": topic, "reason": "ended", "last_id": last}
    assert "end" not in broker.page(topic, limit=1)
    started = time.monotonic()
    page = broker.page(topic, after=last, wait=30)
    assert time.monotonic() - started < 5
    assert page["messages"] == [] and page["end"]["last_id"] == last
    assert broker.page(topic, after=first)["end"]["last_id"] == last


def test_a_history_request_that_waits_is_answered_by_the_end(broker, topic, client):
    last = broker.publish(topic, "a")
    pages = []
    thread = threading.Thread(
        target=lambda: pages.append(broker.page(topic, after=last, wait=30, timeout=40)))
    thread.start()
    time.sleep(0.3)
    assert client.ask("stop", topic=topic)["reason"] == "stopped"
    thread.join(10)
    assert not thread.is_alive()
    assert pages[0]["messages"] == []
    assert pages[0]["end"]["reason"] == "stopped" and pages[0]["end"]["last_id"] == last


def test_a_stop_ends_the_topic_for_everybody(broker, topic, client):
    with broker.follow(topic) as stream:
        stream.opening()
        number = broker.publish(topic, "a")
        assert stream.next().id == number
        reply = client.ask("stop", topic=topic)
        ref = reply.pop("ref")
        assert reply == {
            "type": "stopped", "topic": topic, "reason": "stopped", "last_id": number}
        assert stream.read_to_end() == [ended(topic, number, "stopped")]
    again = client.ask("stop", topic=topic)
    assert again.pop("ref") != ref and again == reply
    check_problem(broker.post(topic, "more"), 409, "topic_ended")


def test_a_topic_may_be_stopped_before_its_first_message(broker, topic, client):
    assert client.ask("stop", topic=topic)["last_id"] == 0
    check_problem(broker.post(topic, "late"), 409, "topic_ended")
    response = broker.request("GET", topic_path(topic, "events", after=0))
    assert response.status == 204


def test_a_subscription_ends_and_its_connection_goes_on(broker, topic, client):
    client.subscribe(topic, subscription="one")
    client.until_caught_up()
    last = finish(client, topic, "bye")
    message, end = client.next(), client.next()
    assert (message["type"], message["id"]) == ("message", last)
    assert end == {"type": "end", "subscription": "one", "topic": topic, "reason": "ended",
                   "last_id": last}
    client.subscribe(topic, subscription="one", after=0)
    messages = [client.next() for _ in range(3)]
    assert [message["type"] for message in messages] == ["message", "caught_up", "end"]
    client.subscribe(topic, subscription="one")
    messages = [client.next() for _ in range(2)]
    assert [message["type"] for message in messages] == ["caught_up", "end"]
    client.check_alive()


def test_a_publish_may_say_which_message_it_follows(broker, topic, client):
    first = client.ask("publish", topic=topic, data="1", if_last_id=0)["id"]
    second = client.ask("publish", topic=topic, data="2", if_last_id=first)["id"]
    for number in 0, first, second + 1:
        reply = client.ask("publish", topic=topic, data="x", if_last_id=number)
        assert (reply["type"], reply["code"]) == ("error", "precondition_failed")
    assert [message["data"] for message in broker.history(topic)] == ["1", "2"]


def test_a_stream_of_an_operator_ends_too(broker, topic, client):
    admin = Admin(broker)
    with admin.events(topic) as stream:
        assert stream.next()[0] == "caught_up"
        last = finish(client, topic, "bye")
        assert stream.next()[:2] == ("message", last)
        name, _, end = stream.next()
        assert name == "end" and end.pop("time")
        assert end == {"topic": topic, "reason": "ended", "last_id": last}
    with admin.events(topic, after=0) as stream:
        assert [event[0] for event in stream.take(3)] == ["message", "caught_up", "end"]
    assert admin.request("GET", "/v1/events", topic=topic).status == 204
    assert admin.request("GET", "/v1/events", topic=topic, after=last).status == 204


def test_ends_outlive_a_restart(start):
    broker = start()
    with Gateway(broker) as client:
        first = broker.publish("a", "1")
        last = finish(client, "a", "2")
        assert client.ask("stop", topic="b")["last_id"] == 0
    broker.restart()
    with broker.follow("a", after=first) as stream:
        assert stream.read_to_end() == [(last, "message", "2"), ended("a", last)]
    assert broker.request("GET", topic_path("a", "events")).status == 204
    assert broker.page("b")["end"]["reason"] == "stopped"


def test_many_answers_end_each_with_its_reader(broker, topic, client):
    streams = [broker.follow(f"{topic}/{n}") for n in range(100)]
    try:
        for stream in streams:
            stream.opening()
        lasts = [finish(client, f"{topic}/{n}", str(n)) for n in range(100)]
        for n, (stream, last) in enumerate(zip(streams, lasts)):
            assert stream.read_to_end() == [
                (last, "message", str(n)), ended(f"{topic}/{n}", last)]
    finally:
        for stream in streams:
            stream.close()
