"""What policies refuse, and what they remove, as publishers and readers see it (§3.9, §9)."""

import pytest

from broker import wait_for
from gateway import Gateway
from wire import check_problem


@pytest.fixture
def ruled(start):
    """A broker with policies, put where it keeps them."""
    broker = start()
    broker.publish("closed/old", "x")
    assert broker.stop() == 0
    broker.sql(
        "INSERT INTO policies (pattern, max_message_bytes) VALUES ('small/*', 4)",
        "INSERT INTO policies (pattern, creates_topics) VALUES ('closed/**', 0)",
        "INSERT INTO policies (pattern, max_messages) VALUES ('few', 10)",
    )
    return broker.start()


def test_a_payload_over_its_policy_is_refused_with_its_size_limit_and_pattern(ruled):
    check_problem(ruled.post("small/a", "12345"), 413, "message_too_large")
    detail = ruled.post("small/a", "12345").json()["detail"]
    assert all(part in detail for part in ("5 bytes", "4", "small/*"))
    ruled.publish("small/a", "1234")
    ruled.publish("small/a/b", "12345")
    check_problem(ruled.post("small/a", "éé1"), 413, "message_too_large")


def test_a_topic_that_may_not_be_created_is_not_found(ruled):
    response = ruled.post("closed/new/topic", "x")
    check_problem(response, 404, "topic_not_found")
    assert "closed/**" in response.json()["detail"]
    ruled.publish("closed/old", "x")
    assert ruled.page("closed/**")["messages"][-1]["topic"] == "closed/old"


def test_a_refused_publish_does_not_disturb_those_around_it(ruled):
    with ruled.connect() as connection:
        ids = [connection.request("POST", f"/topics/{topic}/messages", data)
               for topic, data in (("a", b"1"), ("small/a", b"12345"), ("closed/b", b"2"),
                                   ("a", b"3"))]
    assert [response.status for response in ids] == [201, 413, 404, 201]
    assert [message["data"] for message in ruled.page("a")["messages"]] == ["1", "3"]


def test_a_websocket_gets_the_same_refusals_as_replies(ruled):
    with Gateway(ruled) as client:
        large = client.ask("publish", topic="small/a", data="12345")
        missing = client.ask("publish", topic="closed/new", data="x")
        stored = client.ask("publish", topic="small/a", data="1234")
    assert (large["type"], large["code"]) == ("error", "message_too_large")
    assert "small/*" in large["detail"]
    assert (missing["type"], missing["code"]) == ("error", "topic_not_found")
    assert "closed/**" in missing["detail"]
    assert stored["type"] == "published"


def test_a_retry_of_what_was_stored_is_answered_although_a_policy_came_since(start):
    broker = start()
    key = {"Idempotency-Key": "one"}
    number = broker.publish("late/a", "12345", key)
    assert broker.stop() == 0
    broker.sql("INSERT INTO policies (pattern, max_message_bytes) VALUES ('late/*', 1)")
    broker.start()
    response = broker.post("late/a", "12345", key)
    assert (response.status, response.json()["id"]) == (200, number)


def test_what_a_policy_removes_is_told_as_a_gap_on_every_way_to_read(ruled):
    ids = ruled.publish_all("few", [b"%d" % number for number in range(100)])
    wait_for(lambda: len(ruled.history("few")) == 10, what="the topic to be cut")
    page = ruled.page("few", after=ids[3])
    assert page["gap"] == {"after": ids[3], "resumed": ids[90], "reason": "retention"}
    assert [message["id"] for message in page["messages"]] == ids[90:]
    check_problem(ruled.message("few", ids[89]), 404, "message_not_found")
    ruled.restart()  # Until then an event stream has them from memory: nothing is missing there.
    with ruled.follow("few", ids[3]) as stream:
        stream.opening()
        number, event, data = stream.next()
        assert event == "tickertape.gap" and f'"resumed":{ids[90]}' in data
        assert [stream.next()[0] for _ in range(10)] == ids[90:]
    assert ruled.page("few", after=ids[3])["gap"]["resumed"] == ids[90]
    assert "gap" not in ruled.page("few", after=ids[89])
