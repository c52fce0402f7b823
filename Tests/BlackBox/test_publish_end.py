"""A topic ends with its last message; nothing is published to it any more."""

import pytest

from broker import topic_path
from wire import check_problem, encode_request


def test_a_publish_with_end_is_the_last_of_its_topic(broker, topic):
    first = broker.publish(topic, "one")
    response = broker.post(topic, "two", end="true")
    assert response.status == 201
    assert response.json() == {"id": response.json()["id"], "topic": topic, "ended": True}
    assert response.json()["id"] > first
    assert response.header("location") == topic_path(topic, f"messages/{response.json()['id']}")
    check_problem(broker.post(topic, "three"), 409, "topic_ended")
    assert [m["data"] for m in broker.page(topic)["messages"]] == ["one", "two"]


def test_an_empty_last_message_is_a_message(broker, topic):
    response = broker.post(topic, b"", end="true")
    assert response.status == 201 and response.json()["ended"] is True
    assert [m["data"] for m in broker.page(topic)["messages"]] == [""]


def test_a_repeat_of_the_last_message_gets_its_first_answer(broker, topic):
    key = {"Idempotency-Key": "k"}
    first = broker.post(topic, "x", key, end="true")
    again = broker.post(topic, "x", key, end="true")
    assert (first.status, again.status) == (201, 200)
    assert again.json() == first.json()


def test_publishes_behind_the_last_on_one_connection_are_refused_in_order(broker, topic):
    with broker.connect() as connection:
        target = topic_path(topic)
        connection.send(encode_request("POST", target, b"a")
                        + encode_request("POST", target + "?end=true", b"b")
                        + encode_request("POST", target, b"c") * 3
                        + encode_request("GET", target))
        statuses = [connection.response().status for _ in range(6)]
    assert statuses == [201, 201, 409, 409, 409, 200]


@pytest.mark.parametrize("value", ["1", "yes", "TRUE"])
def test_end_is_true_or_false(broker, topic, value):
    check_problem(broker.post(topic, "x", end=value), 400, "invalid_parameter")


def test_end_false_and_empty_are_none(broker, topic):
    for value in ("false", ""):
        assert broker.post(topic, "x", end=value).json().get("ended") is None
    assert broker.post(topic, "x").status == 201
