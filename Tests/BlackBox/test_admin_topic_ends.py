"""Topics that end, as operators see them and make them: ended, reopened, listed, deleted in time."""

import time

import pytest

from admin import Admin, segment
from broker import wait_for
from wire import Closed, check_problem


@pytest.fixture
def admin(broker):
    return Admin(broker)


def path(topic, action="messages"):
    return f"/v1/topics/{segment(topic)}/{action}"


def state(admin, topic):
    end = admin.topic(topic)["end"]
    return end and (end["reason"], end["last_id"])


def test_a_topic_is_ended_and_stays_so(admin, topic):
    last = admin.publish(topic, "x")
    before = time.time()
    end = admin.ok("POST", path(topic, "end"))
    assert list(end) == ["topic", "reason", "last_id", "time"]
    assert (end["topic"], end["reason"], end["last_id"]) == (topic, "ended", last)
    assert end["time"] >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before - 1))
    assert admin.ok("POST", path(topic, "end")) == end and admin.topic(topic)["end"] == end
    for query in [{}, {"end": "true"}]:
        problem = check_problem(admin.request("POST", path(topic), "y", **query), 409, "topic_ended")
        assert topic in problem["detail"]
    problem = admin.ok("POST", path(topic), "y\nz", 409, lines="true")
    assert problem["code"] == "topic_ended" and problem["published"] == 0
    assert [m["data"] for m in admin.get("/v1/messages", topic=topic)["messages"]] == ["x"]


def test_an_ended_topic_is_reopened(admin, topic):
    first = admin.publish(topic, "x", end="true")
    row = admin.ok("POST", path(topic, "reopen"))
    assert row == admin.topic(topic) and row["end"] is None and row["last_id"] == first
    check_problem(admin.request("POST", path(topic, "reopen")), 409, "topic_not_ended")
    last = admin.publish(topic, "y")
    assert admin.ok("POST", path(topic, "end"))["last_id"] == last > first


def test_a_topic_without_a_message_ends_too(admin, topic):
    for action in ["end", "reopen"]:
        check_problem(admin.request("POST", path(topic, action)), 404, "topic_not_found")
    admin.ok("POST", "/v1/topics", {"topic": topic}, 201)
    assert admin.ok("POST", path(topic, "end"))["last_id"] == 0
    assert state(admin, topic) == ("ended", 0)


def test_the_end_survives_a_restart(start, topic):
    broker = start()
    admin = Admin(broker)
    last = admin.publish(topic, "x")
    end = admin.ok("POST", path(topic, "end"))
    broker.restart()
    assert admin.topic(topic)["end"] == end and end["last_id"] == last
    admin.ok("POST", path(topic, "reopen"))
    broker.restart()
    assert state(admin, topic) is None


def test_a_message_may_be_the_last(admin, topic):
    first = admin.ok("POST", path(topic), "x", 201, end="false")
    assert "ended" not in first
    headers = {"Idempotency-Key": f"{topic}/end"}
    answer = admin.ok("POST", path(topic), "", 201, headers=headers, end="true")
    assert answer == {"id": answer["id"], "topic": topic, "ended": True}
    assert state(admin, topic) == ("ended", answer["id"])
    # A retry gets its first answer, whatever became of the topic.
    assert admin.ok("POST", path(topic), "", 200, headers=headers, end="true") == answer


def test_lines_end_the_topic_after_the_last(admin, topic):
    report = admin.ok("POST", path(topic), "a\nb\nc", lines="true", end="true")
    assert report["published"] == 3 and report["ended"] is True
    assert state(admin, topic) == ("ended", report["last_id"])
    empty = admin.ok("POST", path(topic + "/x"), "", lines="true", end="true")
    assert empty["published"] == 0 and state(admin, topic + "/x") == ("ended", 0)


def test_a_line_that_is_refused_ends_nothing_and_nothing_behind_it_is_stored(admin, topic):
    admin.ok("PUT", f"/v1/policies/{segment(topic)}", {"max_message_bytes": 3}, 201)
    body = "abc\n" * 1_000 + "abcd\n" + "abc\n" * 5_000
    problem = admin.ok("POST", path(topic), body, 413, lines="true", end="true")
    assert problem["code"] == "message_too_large"
    assert problem["published"] == 1_000 and "line 1001:" in problem["detail"]
    assert admin.topic(topic)["messages"] == 1_000 and state(admin, topic) is None


def test_lists_have_those_that_ended_or_the_others(admin, topic):
    for name in ["a", "b", "c", "d"]:
        admin.publish(f"{topic}/{name}", "x", end=str(name in "bd").lower())

    def listed(**query):
        page = admin.get("/v1/topics", pattern=f"{topic}/*", **query)
        assert page["total"] == len(page["topics"])
        return [row["topic"][-1] for row in page["topics"]]

    assert listed() == listed(state="all") == ["a", "b", "c", "d"]
    assert listed(state="ended") == ["b", "d"] and listed(state="open") == ["a", "c"]
    page = admin.get("/v1/topics", pattern=f"{topic}/*", state="ended", limit=1)
    assert page["total"] == 2 and page["next"]
    ended = admin.get("/v1/status")["topics_ended"]
    assert ended >= 2
    admin.ok("POST", path(f"{topic}/b", "reopen"))
    admin.ok("DELETE", f"/v1/topics/{segment(f'{topic}/d')}")
    assert listed(state="ended") == []
    assert admin.get("/v1/status")["topics_ended"] == ended - 2
    wait_for(lambda: admin.get("/v1/statistics")["topics_ended"] == ended - 2, 5)
    metrics = admin.request("GET", "/metrics").body.decode()
    assert f"\ntickertape_topics_ended {ended - 2}" in metrics


# Following.


def test_who_follows_gets_the_rest_and_the_end(admin, topic):
    first = admin.publish(topic, "one")
    with admin.events(topic, after=0) as events:
        assert [event[0] for event in events.take(2)] == ["message", "caught_up"]
        last = admin.publish(topic, "two", end="true")
        assert events.next()[1] == last
        name, number, end = events.next()
        assert (name, end) == ("end", admin.topic(topic)["end"]) and number >= last
        with pytest.raises(Closed):
            events.next()
    # Who comes later gets what there is, and the end; with nothing to come, nothing.
    with admin.events(topic, last_id=str(first)) as events:
        assert [event[0] for event in events.take(3)] == ["message", "caught_up", "end"]
    for query in [{"headers": {"Last-Event-ID": str(last)}}, {}, {"after": last}, {"tail": 0}]:
        assert admin.request("GET", "/v1/events", topic=topic, **query).status == 204


def test_an_end_without_a_message_reaches_who_waits(admin, topic):
    admin.publish(topic, "one")
    with admin.events(topic, f"{topic}/b") as events:
        assert events.next()[0] == "caught_up"
        admin.publish(f"{topic}/b", "two", end="true")
        assert events.next()[0] == "message"
        begun = time.monotonic()
        admin.ok("POST", path(topic, "end"))
        assert events.next()[0] == "end" and time.monotonic() - begun < 5
    with admin.events(f"{topic}/*", after=0) as events:
        assert [event[0] for event in events.take(2)] == ["message", "caught_up"]


# Policies.


def test_a_plan_names_topics_that_would_go(admin, topic):
    for name in ["a", "b"]:
        admin.publish(f"{topic}/{name}", "xyz", end=str(name == "b").lower())
    policy = {"pattern": f"{topic}/*", "removes_ended_after_seconds": 1}

    def plan():
        return admin.ok("POST", "/v1/retention/plan", {"set": policy})

    found = wait_for(lambda: (answer := plan())["topics_total"] and answer, 5)
    [row] = found["topics"]
    assert row["topic"] == f"{topic}/b" and row["deletes_topic"] is True and row["messages"] == 1
    assert (found["topics_deleted"], found["messages"], found["bytes"]) == (1, 1, 3)
    assert admin.topic(f"{topic}/b")["messages"] == 1


def test_a_policy_removes_what_ended(admin, topic):
    admin.publish(f"{topic}/a", "x")
    admin.publish(f"{topic}/b", "x", end="true")
    set_path = f"/v1/policies/{segment(topic + '/*')}"
    row = admin.ok("PUT", set_path, {"removes_ended_after_seconds": 1}, 201)
    assert row["removes_ended_after_seconds"] == 1
    wait_for(lambda: admin.request("GET", f"/v1/topics/{segment(topic + '/b')}").status == 404, 20)
    assert admin.topic(f"{topic}/a")["messages"] == 1
    for bad in [0, -1, 1.5, "1h", 2 ** 53]:
        check_problem(admin.request("PUT", set_path, {"removes_ended_after_seconds": bad}), 400,
                      "invalid_body")
