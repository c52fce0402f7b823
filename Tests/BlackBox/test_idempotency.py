"""Idempotency-Key: a retry is answered with the first id and adds nothing."""

import signal
import threading

import pytest

from broker import topic_path
from wire import check_problem, encode_request


def keyed(key):
    return {"Idempotency-Key": key}


def test_a_retry_is_answered_200_with_the_first_id_and_location(broker, topic):
    first = broker.post(topic, "x", keyed("k1"), event="e", key="k")
    again = broker.post(topic, "x", keyed("k1"), event="e", key="k")
    assert (first.status, again.status) == (201, 200)
    assert again.json() == first.json()
    assert again.header("location") == first.header("location")
    assert len(broker.page(topic)["messages"]) == 1


@pytest.mark.parametrize("data, query", [
    ("y", {"event": "e", "key": "k"}), ("x", {"event": "f", "key": "k"}),
    ("x", {"event": "e", "key": "l"}), ("x", {"key": "k"}), ("x", {"event": "e"}),
    ("ex", {"key": "k"}), ("", {"event": "e", "key": "kx"}),
])
def test_other_content_under_the_same_key_is_answered_422(broker, topic, data, query):
    broker.publish(topic, "x", keyed("k1"), event="e", key="k")
    response = broker.post(topic, data, keyed("k1"), **query)
    check_problem(response, 422, "idempotency_key_reused")
    assert len(broker.page(topic)["messages"]) == 1


def test_a_key_counts_within_its_topic_only(broker, topic):
    ids = {broker.publish(f"{topic}/{n}", "x", keyed("same")) for n in range(3)}
    assert len(ids) == 3


def test_without_a_key_the_same_content_is_a_new_message(broker, topic):
    assert broker.publish(topic, "x") < broker.publish(topic, "x")


@pytest.mark.parametrize("key", ["a", "k" * 255, "a b", '"quoted"', "~!@#$%^&*(){}[]"])
def test_any_printable_ascii_is_a_key(broker, topic, key):
    number = broker.publish(topic, "x", keyed(key))
    assert broker.post(topic, "x", keyed(key)).json()["id"] == number


@pytest.mark.parametrize("key", ["", "k" * 256, "é", "tab\there"])
def test_another_key_is_answered_400_naming_the_header(broker, topic, key):
    response = broker.post(topic, "x", keyed(key))
    problem = check_problem(response, 400, ("invalid_parameter", "bad_request"))
    assert "idempotency-key" in problem["detail"].lower()
    assert broker.page(topic)["messages"] == []


def test_two_keys_in_one_request_are_refused(broker, topic):
    request = encode_request("POST", topic_path(topic), b"x", keyed("a"))
    response = broker.send(request.replace(
        b"Idempotency-Key: a\r\n", b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n"))
    assert response.status == 400


def test_a_retry_right_behind_the_first_on_one_connection_adds_nothing(broker, topic):
    with broker.connect() as connection:
        connection.send(encode_request("POST", topic_path(topic), b"x", keyed("k")) * 3
                        + encode_request("POST", topic_path(topic), b"y", keyed("k")))
        answers = [connection.response() for _ in range(4)]
    assert [answer.status for answer in answers] == [201, 200, 200, 422]
    assert len({answer.json()["id"] for answer in answers[:3]}) == 1
    assert len(broker.page(topic)["messages"]) == 1


def test_of_requests_at_the_same_time_under_one_key_one_is_the_message(broker, topic):
    for round_number in range(5):
        barrier = threading.Barrier(20)
        answers = []

        def publish():
            with broker.connect() as connection:
                barrier.wait(10)
                answers.append(connection.request(
                    "POST", topic_path(topic), b"x", keyed(f"round-{round_number}")))

        threads = [threading.Thread(target=publish) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(broker.page(topic)["messages"]) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_keys_survive_a_restart(start, number):
    own = start()
    first = own.publish("a/b", "x", keyed("k"))
    own.publish("a/b", "other")
    own.restart(number)
    again = own.post("a/b", "x", keyed("k"))
    assert (again.status, again.json()["id"]) == (200, first)
    check_problem(own.post("a/b", "z", keyed("k")), 422, "idempotency_key_reused")
    assert own.publish("a/b", "x", keyed("k2")) > first


def test_a_key_is_forgotten_after_24_hours(start):
    own = start()
    old = own.publish("a", "x", keyed("k"))
    young = own.publish("a", "y", keyed("l"))
    own.stop()
    own.sql("UPDATE idempotency SET time = time - 86400000 - 60000 WHERE key = 'k'",
            "UPDATE idempotency SET time = time - 86400000 + 60000 WHERE key = 'l'")
    own.start()
    assert own.post("a", "y", keyed("l")).json()["id"] == young
    again = own.post("a", "other content", keyed("k"))
    assert (again.status, again.json()["id"] > old) == (201, True)
