"""POST /topics/{topic}/stop: a reader ends a topic, and its publisher learns it."""

from broker import topic_path
from credentials import KeyRing, bearer
from streaming import PublishStream, line
from wire import check_problem


def stop(broker, topic, headers=None):
    return broker.request("POST", topic_path(topic, "stop"), None, headers)


def test_a_stop_ends_a_topic_and_says_how(broker, topic):
    number = broker.publish(topic, "x")
    response = stop(broker, topic)
    assert response.status == 200
    assert response.json() == {"topic": topic, "reason": "stopped", "last_id": number}
    check_problem(broker.post(topic, "y"), 409, "topic_ended")


def test_a_topic_that_has_ended_stays_as_it_is(broker, topic):
    number = broker.post(topic, "x", end="true").json()["id"]
    assert stop(broker, topic).json() == {"topic": topic, "reason": "ended", "last_id": number}


def test_an_answer_may_be_stopped_before_its_first_token(broker, topic):
    assert stop(broker, topic).json() == {"topic": topic, "reason": "stopped", "last_id": 0}
    check_problem(broker.post(topic, "x"), 409, "topic_ended")


def test_other_methods_and_patterns_are_refused(broker, topic):
    response = broker.request("GET", topic_path(topic, "stop"))
    check_problem(response, 405, "method_not_allowed")
    assert response.header("allow") == "POST"
    check_problem(stop(broker, "a/*"), 400, "invalid_topic")


def test_a_publisher_that_sends_nothing_learns_it_at_once(broker, topic):
    with PublishStream(broker, topic) as stream:
        stream.begin()
        stream.send(line("x"))
        number = stream.next()["id"]
        assert stop(broker, topic).status == 200
        assert stream.rest() == [{"ended": {"topic": topic, "reason": "stopped", "last_id": number}}]


def test_publishers_learn_it_on_every_loop(start, topic):
    own = start("--loops", 3)
    streams = [PublishStream(own, topic).begin() for _ in range(6)]
    assert stop(own, topic).status == 200
    for stream in streams:
        with stream:
            assert stream.rest() == [{"ended": {"topic": topic, "reason": "stopped", "last_id": 0}}]


def test_a_stop_needs_its_grant(start, tmp_path):
    ring = KeyRing(tmp_path)
    own = start(*ring.options)
    check_problem(stop(own, "a"), 401, "unauthorized")
    check_problem(stop(own, "a", bearer(ring.token())), 403, "forbidden")
