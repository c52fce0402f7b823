"""If-Match and If-None-Match: a message is stored only if the topic stands as its publisher thinks."""

import threading

import pytest

from wire import encode_request


def check_failed(response, last_id):
    assert response.status == 412, response.body
    problem = response.json()
    assert problem["code"] == "precondition_failed" and problem["last_id"] == last_id
    assert response.header("etag") == f'"{last_id}"'


def test_a_message_is_stored_only_behind_the_one_that_is_named(broker, topic):
    first = broker.publish(topic, "one")
    second = broker.post(topic, "two", {"If-Match": f'"{first}"'})
    assert second.status == 201
    check_failed(broker.post(topic, "three", {"If-Match": f'"{first}"'}), second.json()["id"])
    listed = f'"7", "{second.json()["id"]}"'
    assert broker.post(topic, "three", {"If-Match": listed}).status == 201
    assert [m["data"] for m in broker.page(topic)["messages"]] == ["one", "two", "three"]


def test_the_first_message_of_a_topic(broker, topic):
    check_failed(broker.post(topic, "x", {"If-Match": "*"}), 0)
    check_failed(broker.post(topic, "x", {"If-Match": '"1"'}), 0)
    first = broker.publish(topic, "x", {"If-None-Match": "*"})
    check_failed(broker.post(topic, "y", {"If-None-Match": "*"}), first)
    check_failed(broker.post(topic, "y", {"If-None-Match": f'"{first}"'}), first)
    assert broker.publish(topic, "y", {"If-Match": "*"}) > first


def test_a_weak_tag_matches_nothing_strongly(broker, topic):
    first = broker.publish(topic, "x")
    check_failed(broker.post(topic, "y", {"If-Match": f'W/"{first}"'}), first)
    check_failed(broker.post(topic, "y", {"If-None-Match": f'W/"{first}"'}), first)


@pytest.mark.parametrize("fields", [
    {"If-Match": "1"}, {"If-Match": '"1'}, {"If-Match": ""}, {"If-None-Match": "x"},
    {"If-Match": "*", "If-None-Match": "*"},
])
def test_a_condition_that_cannot_be_read_is_refused(broker, topic, fields):
    response = broker.post(topic, "x", fields)
    assert (response.status, response.json()["code"]) == (400, "invalid_parameter")
    assert broker.page(topic)["messages"] == []


def test_a_repeat_wins_over_its_condition(broker, topic):
    fields = {"If-None-Match": "*", "Idempotency-Key": "k"}
    first = broker.post(topic, "x", fields)
    again = broker.post(topic, "x", fields)
    assert (first.status, again.status) == (201, 200)
    assert first.json() == again.json()


def test_of_many_who_compare_and_set_one_gets_through(broker, topic):
    last, winners = broker.publish(topic, "0"), []
    for number in range(20):
        answers = []

        def publish():
            answers.append(broker.post(topic, str(number), {"If-Match": f'"{last}"'}))

        threads = [threading.Thread(target=publish) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        good = [answer.json()["id"] for answer in answers if answer.status == 201]
        assert len(good) == 1, [answer.status for answer in answers]
        assert all(answer.status in (201, 412) for answer in answers)
        last = good[0]
        winners.append(last)
    assert [m["id"] for m in broker.page(topic)["messages"]][1:] == winners


def test_conditions_are_looked_at_between_publishes_that_have_none(broker, topic):
    target = f"/topics/{topic}/messages"
    plain = encode_request("POST", target, b"x")
    with broker.connect() as connection:
        connection.send(plain * 3 + encode_request("POST", target, b"y", {"If-Match": '"1"'}) + plain)
        statuses = [connection.response().status for _ in range(5)]
    assert statuses == [201, 201, 201, 412, 201]
