"""POST /messages?atomic=true: many messages over many topics, all or none."""

import json

import pytest

from streaming import LINES, line, publish_stream


def post(broker, *lines, headers=None, target="/messages?atomic=true"):
    return broker.request("POST", target, b"".join(lines),
                          {"Content-Type": LINES} | (headers or {}))


def test_a_batch_is_stored_as_one_in_order(broker, topic):
    lines = [line(str(n), topic=f"{topic}/{n % 3}", event="e") for n in range(100)]
    response = post(broker, *lines)
    assert response.status == 201
    messages = response.json()["messages"]
    assert [m["topic"] for m in messages] == [f"{topic}/{n % 3}" for n in range(100)]
    ids = [m["id"] for m in messages]
    assert ids == list(range(ids[0], ids[0] + 100))
    stored = broker.history(f"{topic}/*", after=ids[0] - 1)
    assert [(m["id"], m["data"]) for m in stored] == [(i, str(n)) for n, i in enumerate(ids)]


@pytest.mark.parametrize("bad, status, code", [
    (b"nonsense\n", 400, "invalid_body"), (b'{"data":"x"}\n', 400, "invalid_body"),
    (line("x", topic="a*"), 400, "invalid_topic"), (line("x", topic="a", id=1), 400, "unknown_parameter"),
    (line("x", topic="a", event="tickertape.x"), 400, "invalid_parameter"),
    (b'{"data":"\xff","topic":"a"}\n', 415, "not_utf8"),
])
def test_one_bad_line_refuses_all(broker, topic, bad, status, code):
    response = post(broker, line("1", topic=topic), line("2", topic=topic), b"\n", bad)
    assert (response.status, response.json()["code"], response.json()["line"]) == (status, code, 3)
    assert broker.page(topic)["messages"] == []


def test_what_the_log_refuses_refuses_all(broker, topic):
    broker.post(f"{topic}/ended", "x", end="true")
    response = post(broker, line("1", topic=topic), line("2", topic=f"{topic}/ended"),
                    line("3", topic=topic))
    assert (response.status, response.json()["code"], response.json()["line"]) == (
        409, "topic_ended", 2)
    response = post(broker, line("1", topic=topic), line("2", topic=topic, if_last_id=7))
    assert (response.status, response.json()["line"]) == (412, 2)
    assert broker.page(topic)["messages"] == []


def test_a_repeat_of_the_whole_is_answered_200_with_the_first_ids(broker, topic):
    lines = [line(str(n), topic=topic) for n in range(5)]
    first = post(broker, *lines, headers={"Idempotency-Key": "k"})
    again = post(broker, *lines, headers={"Idempotency-Key": "k"})
    assert (first.status, again.status) == (201, 200)
    assert first.json() == again.json()
    assert len(broker.page(topic)["messages"]) == 5


def test_bounds(broker, topic):
    lines = [line("x", topic=topic)] * 1025
    assert post(broker, *lines[:1024]).status == 201
    response = post(broker, *lines)
    assert (response.status, response.json()["code"]) == (413, "batch_too_large")
    response = post(broker, b" " * 4_194_305)
    assert (response.status, response.json()["code"]) == (413, "batch_too_large")
    assert post(broker).json()["code"] == "invalid_body"
    assert len(broker.history(topic)) == 1024


@pytest.mark.parametrize("kind", [None, "text/plain", "text/event-stream", "application/json"])
def test_another_media_type_is_refused(broker, kind):
    response = post(broker, line("x", topic="a"), headers={"Content-Type": kind})
    assert (response.status, response.json()["code"]) == (415, "unsupported_media_type")


def test_without_atomic_lines_are_committed_one_by_one(broker, topic):
    answers = publish_stream(broker, line("1", topic=topic) + line("2", topic=f"{topic}/b")
                             + line("3", topic="a*") + line("4", topic=topic))
    assert [answer.get("topic") for answer in answers] == [topic, f"{topic}/b", None]
    assert (answers[2]["error"]["code"], answers[2]["error"]["line"]) == ("invalid_topic", 3)
    assert [m["data"] for m in broker.page(topic)["messages"]] == ["1"]


def test_a_batch_with_an_end_ends_its_topic(broker, topic):
    response = post(broker, line("1", topic=topic), line("2", topic=topic, end=True))
    assert response.status == 201
    assert broker.post(topic, "3").status == 409
    response = post(broker, line("1", topic=topic + "/x", end=True), line("2", topic=topic + "/x"))
    assert (response.status, response.json()["line"]) == (409, 2)
    assert broker.page(topic + "/x")["messages"] == []
    assert json.loads(response.body)["status"] == 409
