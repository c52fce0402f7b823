"""`coalesce=text`: what is replayed comes joined, what is live does not (§6.11)."""

import json

import pytest

from broker import topic_path
from gateway import Gateway
from wire import check_problem

TOKENS = [f"token{n} " for n in range(5000)]
TEXT = "".join(TOKENS)
EVENT_BYTES_MAX = 65_536


@pytest.fixture(params=["memory", "log"])
def answer(request, start):
    """A broker with an answer of 5,000 tokens, still in memory or only in the log."""
    broker = start()
    topic = "answers/1"
    numbers = broker.publish_all(topic, [token.encode() for token in TOKENS])
    if request.param == "log":
        broker.restart()
    return broker, topic, numbers


def test_an_answer_comes_in_few_events(answer):
    broker, topic, numbers = answer
    with broker.follow(topic, after=0, coalesce="text", caught_up="true") as stream:
        events = []
        while (event := stream.next(30)).event == "message":
            events.append(event)
        assert event.event == "tickertape.caught-up"
        assert 1 <= len(events) <= 3
        assert "".join(event.data for event in events) == TEXT
        assert events[-1].id == numbers[-1]
        for text in "a", "b", "c":
            number = broker.publish(topic, text)
            assert stream.next() == (number, "message", text)


def test_any_id_resumes_where_it_stands(answer):
    broker, topic, numbers = answer
    for index in 0, 1, 2500, 4998:
        with broker.follow(topic, last_id=numbers[index], coalesce="text",
                           caught_up="true") as stream:
            text = ""
            while (event := stream.next(30)).event == "message":
                text += event.data
        assert text == "".join(TOKENS[index + 1:])


def test_every_way_to_subscribe_has_it(answer):
    broker, topic, numbers = answer
    body = json.dumps({"topics": [topic], "tail": 1000, "coalesce": "text"}).encode()
    with broker.stream("/events", method="POST", body=body,
                       headers={"Content-Type": "application/json"}) as stream:
        event = stream.next()
        assert event == (numbers[-1], "message", "".join(TOKENS[-1000:]))
    with Gateway(broker) as client:
        client.subscribe(topic, after=0, coalesce="text")
        messages, _ = client.until_caught_up()
        assert 1 <= len(messages) <= 3
        assert "".join(message["data"] for message in messages) == TEXT
        last = broker.message(topic, numbers[-1]).json()
        assert (messages[-1]["id"], messages[-1]["time"]) == (last["id"], last["time"])


def test_without_it_nothing_changes(answer):
    broker, topic, _ = answer
    with broker.follow(topic, after=0) as stream:
        assert [event.data for event in stream.take(5000, 30)] == TOKENS


def test_only_what_is_alike_is_joined(broker, topic):
    for data, query in [("a", {}), ("b", {}), ("c", {"event": "x"}), ("d", {"event": "x"}),
                        ("e", {"event": "x", "key": "k"}), ("f", {}), ("", {}), ("g", {})]:
        last = broker.publish(topic, data, **query)
    with broker.follow(topic, after=0, coalesce="text") as stream:
        assert [(event.event, event.data) for event in stream.take(4)] == [
            ("message", "ab"), ("x", "cd"), ("x", "e"), ("message", "fg")]
        assert stream.reader.last_id == str(last)


def test_messages_of_other_topics_stand_between(broker, topic):
    for name, data in ("1", "a"), ("2", "b"), ("2", "c"), ("1", "d"):
        broker.publish(f"{topic}/{name}", data)
    with broker.follow(f"{topic}/*", after=0, coalesce="text") as stream:
        assert [event.data for event in stream.take(3)] == ["a", "bc", "d"]
    with broker.follow(f"{topic}/1", after=0, coalesce="text") as stream:
        assert stream.next().data == "ad"


def test_line_ends_are_what_they_were(broker, topic):
    texts = ["a\r", "\nb\n", "\nc\r\n", "d\r", "e"]
    broker.publish_all(topic, [text.encode() for text in texts])
    plain, joined = [], []
    with broker.follow(topic, after=0) as stream:
        plain = [event.data for event in stream.take(len(texts))]
    with broker.follow(topic, after=0, coalesce="text", caught_up="true") as stream:
        while (event := stream.next()).event == "message":
            joined.append(event.data)
    assert "".join(joined) == "".join(plain) and len(joined) < len(plain)


def test_events_are_bounded_and_a_large_message_comes_alone(broker, topic):
    texts = ["x" * 40_000] * 5 + ["y" * 300_000] + ["z" * 20_000] * 4
    broker.publish_all(topic, [text.encode() for text in texts])
    with broker.follow(topic, after=0, coalesce="text", caught_up="true") as stream:
        data = []
        while (event := stream.next(30)).event == "message":
            data.append(event.data)
    assert "".join(data) == "".join(texts)
    assert [size for size in map(len, data) if size > EVENT_BYTES_MAX] == [300_000]
    assert data[5] == texts[5]


@pytest.mark.parametrize("value", ["json", "true", "TEXT"])
def test_another_value_is_refused(broker, topic, value):
    check_problem(broker.request("GET", topic_path(topic, "events", coalesce=value)),
                  400, "invalid_parameter")
    body = json.dumps({"topics": [topic], "coalesce": value}).encode()
    check_problem(broker.request("POST", "/events", body, {"Content-Type": "application/json"}),
                  400, "invalid_parameter")
    with Gateway(broker) as client:
        reply = client.ask("subscribe", topics=[topic], coalesce=value)
        assert (reply["type"], reply["code"]) == ("error", "invalid_parameter")
