"""Topics, policies, subscribers and statistics over the admin door."""

import time

import pytest

from admin import Admin, segment
from broker import wait_for
from wire import check_problem


@pytest.fixture
def admin(broker):
    return Admin(broker)


def create(admin, topic, status=201):
    return admin.ok("POST", "/v1/topics", {"topic": topic}, status)


# Topics.


def test_a_topic_is_created_shown_and_deleted(admin, topic):
    path = f"/v1/topics/{segment(topic)}"
    check_problem(admin.request("GET", path), 404, "topic_not_found")
    row = create(admin, topic)
    assert row["topic"] == topic and row["messages"] == 0 and row["last_id"] is None
    check_problem(admin.request("POST", "/v1/topics", {"topic": topic}), 409, "topic_exists")

    first, last = admin.publish(topic, "zwölf"), admin.publish(topic, "x")
    row = admin.topic(topic)
    assert (row["messages"], row["bytes"]) == (2, 7)
    assert (row["first_id"], row["last_id"]) == (first, last)
    assert row["first_time"] <= row["last_time"] and row["policy"] == "**"
    assert (row["messages_in"], row["bytes_in"]) == (2, 7)

    removal = admin.ok("DELETE", path)
    assert removal == {"topic": topic, "messages": 2, "bytes": 7, "removed_through": last}
    for method in ["GET", "DELETE"]:
        check_problem(admin.request(method, path), 404, "topic_not_found")
    assert admin.get("/v1/topics", pattern=topic)["total"] == 0


def test_purging_removes_what_is_before_an_id_or_a_time(admin, topic):
    ids = [admin.publish(topic, str(number)) for number in range(6)]
    path = f"/v1/topics/{segment(topic)}/purge"
    planned = admin.ok("POST", path, {"before_id": ids[2], "dry_run": True})
    assert admin.topic(topic)["messages"] == 6
    removal = admin.ok("POST", path, {"before_id": ids[2], "dry_run": False})
    assert removal == planned
    assert removal == {"topic": topic, "messages": 2, "bytes": 2, "removed_through": ids[1]}
    assert admin.topic(topic)["removed_through"] == ids[1]
    moment = admin.get("/v1/messages", topic=topic)["messages"][2]["time"]
    kept = admin.get("/v1/messages", topic=topic, since=moment)["messages"]
    admin.ok("POST", path, {"before_time": moment})
    assert admin.get("/v1/messages", topic=topic, after=ids[-1] - 5)["messages"][-1]["id"] == ids[-1]
    assert admin.topic(topic)["messages"] == len(kept)
    assert admin.ok("POST", path, {"before_id": 0})["messages"] == 0


@pytest.mark.parametrize("body", [
    {}, {"before_id": 1, "before_time": "2026-01-01T00:00:00Z"}, {"before_id": "1"},
    {"before_id": 1.5}, {"before_id": -1}, {"before_time": "yesterday"}, {"before_time": 5},
    {"before": 1}, [], {"before_id": None}, {"dry_run": True},
])
def test_a_purge_that_is_none_says_what_would_be(admin, topic, body):
    create(admin, topic)
    response = admin.request("POST", f"/v1/topics/{segment(topic)}/purge", body)
    detail = check_problem(response, 400, "invalid_body")["detail"]
    assert "before" in detail or "object" in detail


@pytest.mark.parametrize("name", ["", "a//b", "/a", "a/", "*", "a/*", ".", "a\nb", "x" * 256])
def test_what_is_no_name_is_refused_with_the_rule(admin, name):
    check_problem(admin.request("POST", "/v1/topics", {"topic": name}), 400, "invalid_topic")
    if name:
        check_problem(admin.request("GET", f"/v1/topics/{segment(name)}/policy"), 400,
                      "invalid_topic")


def test_names_of_any_kind_travel_in_a_path(admin):
    for name in ["BRK.B", "a b", "ä/€/𝄞", "a%2Fb", "a+b", "q?x=1#y", "...", "a;b=c", '"<&>\'']:
        create(admin, name)
        assert admin.topic(name)["topic"] == name
        admin.publish(name, "x")
        assert admin.get("/v1/messages", topic=name)["messages"][0]["topic"] == name
        admin.ok("DELETE", f"/v1/topics/{segment(name)}")


@pytest.fixture(scope="module")
def many(module_broker):
    """Forty topics of one level, whose numbers of messages repeat."""
    admin = Admin(module_broker)
    names = [f"many/{number:02}" for number in range(40)]
    for number, name in enumerate(names):
        create(admin, name)
        for _ in range(number % 4):
            admin.publish(name, "x" * (number % 7))
    return names


@pytest.mark.parametrize("sort", ["name", "messages", "bytes", "last_id", "rate", "subscribers"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_every_sort_have_each_topic_once_in_order(admin, many, sort, order):
    rows, cursor = [], None
    while True:
        page = admin.get("/v1/topics", pattern="many/*", sort=sort, order=order, limit=7,
                         cursor=cursor)
        assert page["total"] == 40
        rows += page["topics"]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(row["topic"] for row in rows) == many
    field = {"name": "topic", "last_id": "last_id"}.get(sort, sort)
    if sort != "rate":
        values = [row[field] or 0 for row in rows]
        assert values == sorted(values, reverse=order == "desc")


@pytest.mark.parametrize("query, code", [
    ({"limit": 0}, "invalid_parameter"), ({"limit": 1001}, "invalid_parameter"),
    ({"limit": "x"}, "invalid_parameter"), ({"sort": "size"}, "invalid_parameter"),
    ({"order": "up"}, "invalid_parameter"), ({"cursor": "x"}, "invalid_parameter"),
    ({"pattern": "a**"}, "invalid_pattern"), ({"filter": "x"}, "unknown_parameter"),
    ({"sort": ["name", "bytes"]}, "repeated_parameter"), ({"pattern": ""}, "invalid_pattern"),
])
def test_wrong_parameters_get_a_sentence(admin, query, code):
    problem = check_problem(admin.request("GET", "/v1/topics", **query), 400, code)
    assert len(problem["detail"]) > 10


def test_a_cursor_is_of_its_sort(admin, many):
    cursor = admin.get("/v1/topics", pattern="many/*", limit=5)["next"]
    response = admin.request("GET", "/v1/topics", sort="bytes", cursor=cursor)
    check_problem(response, 400, "invalid_parameter")


# Bodies and methods.


@pytest.mark.parametrize("body, headers, status, code", [
    (b"{}", {}, 415, "unsupported_media_type"),
    (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    (b"{", {"Content-Type": "application/json"}, 400, "invalid_body"),
    (b"", {"Content-Type": "application/json"}, 400, "invalid_body"),
    (b"\xff", {"Content-Type": "application/json"}, 400, "invalid_body"),
    (b'"x"', {"Content-Type": "application/json; charset=utf-8"}, 400, "invalid_body"),
    (b'{"topic":5}', {"Content-Type": "application/json"}, 400, "invalid_body"),
    (b'{"topic":"a","b":1}', {"Content-Type": "application/json"}, 400, "invalid_body"),
    (b"[" * 10_000, {"Content-Type": "application/json"}, 400, "invalid_body"),
    (b" " * 65_537, {"Content-Type": "application/json"}, 413, "body_too_large"),
])
def test_bodies_that_are_not_what_is_taken(admin, body, headers, status, code):
    check_problem(admin.request("POST", "/v1/topics", body, headers), status, code)


def test_a_method_that_is_not_taken_is_told_which_are(admin):
    for path, allow in [("/v1/topics", "GET, HEAD, POST"), ("/v1/status", "GET, HEAD"),
                        ("/v1/policies/a", "GET, HEAD, PUT, DELETE"), ("/v1/retention/plan", "POST")]:
        response = admin.request("PATCH", path)
        check_problem(response, 405, "method_not_allowed")
        assert response.header("allow") == allow
    assert admin.request("HEAD", "/v1/status").body == b""
    check_problem(admin.request("GET", "/v1/nothing"), 404, "not_found")


# Policies.


@pytest.fixture
def policies(admin):
    yield admin
    for policy in admin.get("/v1/policies")["policies"]:
        admin.ok("DELETE", f"/v1/policies/{segment(policy['pattern'])}", status=204)


def test_a_policy_is_set_whole_replaced_and_removed(policies):
    path = f"/v1/policies/{segment('p/*')}"
    check_problem(policies.request("GET", path), 404, "policy_not_found")
    first = policies.ok("PUT", path, {"max_messages": 5, "description": "few"}, 201)
    assert first == {"pattern": "p/*", "max_age_seconds": None, "max_messages": 5,
                     "max_bytes": None, "removes_ended_after_seconds": None,
                     "max_message_bytes": None,
                     "max_publishes_per_second": None, "max_publish_bytes_per_second": None,
                     "creates_topics": True, "description": "few"}
    second = policies.ok("PUT", path, {
        "max_bytes": 9, "creates_topics": False, "pattern": "p/*",
        "max_publishes_per_second": 0.5, "max_publish_bytes_per_second": 4096})
    assert second["max_publishes_per_second"] == 0.5
    assert second["max_publish_bytes_per_second"] == 4096
    assert second["max_messages"] is None and second["description"] == ""
    assert policies.get(path) == second
    assert policies.get("/v1/policies")["policies"][0] == second
    assert policies.request("DELETE", path).status == 204
    check_problem(policies.request("DELETE", path), 404, "policy_not_found")


def test_the_policy_of_everything_is_always_there(policies):
    path = f"/v1/policies/{segment('**')}"
    before = policies.get(path)
    assert policies.ok("PUT", path, {"max_messages": 1_000_000})["max_messages"] == 1_000_000
    assert policies.request("DELETE", path).status == 204
    assert policies.get(path) == before


def test_the_most_specific_policy_is_explained(policies):
    for pattern in ["x/**", "x/*", "x/y"]:
        policies.ok("PUT", f"/v1/policies/{segment(pattern)}", {}, 201)
    for topic, expected, others in [
        ("x/y", "x/y", ["x/*", "x/**", "**"]), ("x/z", "x/*", ["x/**", "**"]),
        ("x/y/z", "x/**", ["**"]), ("y", "**", []),
    ]:
        answer = policies.get(f"/v1/topics/{segment(topic)}/policy")
        assert answer["policy"]["pattern"] == expected
        assert answer["also_matching"] == others
        assert expected in answer["reason"] and all(other in answer["reason"] for other in
                                                    others if topic != "x/y")


@pytest.mark.parametrize("body", [
    {"max_messages": 0}, {"max_messages": "5"}, {"max_bytes": 1.5}, {"max_age_seconds": True},
    {"creates_topics": "no"}, {"description": 5}, {"description": "x" * 1025}, {"max": 5},
    {"max_publishes_per_second": 0}, {"max_publishes_per_second": "1"},
    {"max_publish_bytes_per_second": -5}, {"max_publish_bytes_per_second": 2**63},
    {"pattern": "other"}, [], {"max_bytes": 2**63},
])
def test_a_policy_that_is_none_says_which_field(policies, body):
    response = policies.request("PUT", f"/v1/policies/{segment('p/*')}", body)
    check_problem(response, 400, "invalid_body")


def test_publishes_are_held_to_the_policy(policies, topic):
    name = f"closed/{topic}"
    policies.ok("PUT", f"/v1/policies/{segment('closed/**')}",
                {"creates_topics": False, "max_message_bytes": 3}, 201)
    path = f"/v1/topics/{segment(name)}/messages"
    problem = check_problem(policies.request("POST", path, "x"), 404, "topic_not_found")
    assert "closed/**" in problem["detail"]
    create(policies, name)
    policies.publish(name, "abc")
    problem = check_problem(policies.request("POST", path, "abcd"), 413, "message_too_large")
    assert "closed/**" in problem["detail"]


def test_a_plan_says_what_would_go_and_removes_nothing(policies, topic):
    ids = [policies.publish(topic, "x") for _ in range(10)]
    assert policies.ok("POST", "/v1/retention/plan", {})["topics_total"] == 0
    plan = policies.ok("POST", "/v1/retention/plan", {"set": {"pattern": topic, "max_messages": 4}})
    assert plan["messages"] == 6 and plan["bytes"] == 6 and plan["topics_total"] == 1
    assert plan["topics"] == [
        {"topic": topic, "messages": 6, "bytes": 6, "removed_through": ids[5],
         "deletes_topic": False}]
    assert plan["subscribers"] == [] and plan["topics_deleted"] == 0
    assert policies.topic(topic)["messages"] == 10
    check_problem(policies.request("POST", "/v1/retention/plan", {"remove": "nope"}), 404,
                  "policy_not_found")
    for body in [{"set": {}}, {"set": 5}, {"remove": 5}, {"set": {"pattern": "a"}, "remove": "a"}]:
        check_problem(policies.request("POST", "/v1/retention/plan", body), 400, "invalid_body")


# Subscribers.


def test_subscribers_are_listed_by_what_they_follow_and_disconnected(broker, admin, topic):
    other = f"other/{topic}"
    with broker.follow(topic) as one, broker.follow(other) as two:
        one.opening(), two.opening()
        found = wait_for(lambda: admin.get("/v1/subscribers", pattern=topic)["subscribers"])
        assert len(found) == 1
        assert found[0]["transport"] == "event_stream" and found[0]["topics"] == [topic]
        assert found[0]["state"] == "live" and found[0]["ids_behind"] == 0
        assert found[0]["address"].startswith("127.0.0.1:")
        everybody = admin.get("/v1/subscribers", pattern="**", sort="lag")
        assert {row["topics"][0] for row in everybody["subscribers"]} >= {topic, other}
        assert admin.request("DELETE", f"/v1/subscribers/{found[0]['id']}").status == 204
        wait_for(lambda: not admin.get("/v1/subscribers", pattern=topic)["subscribers"])
        assert admin.get("/v1/subscribers", pattern=other)["total"] == 1
        check_problem(admin.request("DELETE", f"/v1/subscribers/{found[0]['id']}"), 404,
                      "subscriber_not_found")
    check_problem(admin.request("DELETE", "/v1/subscribers/x"), 400, "invalid_parameter")


def test_pages_of_subscribers_have_each_once(broker, admin, topic):
    streams = [broker.follow(topic) for _ in range(9)]
    try:
        for stream in streams:
            stream.opening()
        for sort in ["id", "lag", "opened"]:
            seen, cursor = [], None
            while True:
                page = admin.get("/v1/subscribers", pattern=topic, sort=sort, limit=4,
                                 cursor=cursor)
                assert page["total"] == 9
                seen += [row["id"] for row in page["subscribers"]]
                cursor = page["next"]
                if cursor is None:
                    break
            assert len(seen) == 9 and len(set(seen)) == 9
    finally:
        for stream in streams:
            stream.close()


# Statistics.


def test_statistics_count_what_goes_in_and_out(start):
    broker = start()
    admin = Admin(broker)
    before = admin.get("/v1/statistics")
    assert before["in"]["messages_total"] == 0 and len(before["recent"]["in"]) == 60
    with broker.follow("s/**") as stream:
        stream.opening()
        for number in range(20):
            admin.publish("s/a", "12345")
        for _ in range(20):
            stream.next()
        now = wait_for(lambda: (lambda s: s["out"]["messages_total"] == 20
                                and s["in"]["messages_total"] == 20 and s)(
            admin.get("/v1/statistics")))
        assert now["in"]["bytes_total"] == now["out"]["bytes_total"] == 100
        assert now["subscribers"]["event_stream"] == 1 and now["subscribers"]["behind"] == 0
        hottest = now["hottest"][0]
        assert hottest["topic"] == "s/a" and hottest["subscribers"] == 1
        row = admin.topic("s/a")
        assert hottest["bytes"] == row["bytes"] and hottest["messages"] == row["messages"]
        assert 0 < hottest["bytes_rate"]["10s"] <= row["bytes"]
        assert now["commits"]["total"] >= 1 and now["commits"]["seconds_max"] > 0
        assert sum(now["recent"]["in"]) > 15
        assert now["write_queue"]["messages_max"] == 65_536
        row = admin.topic("s/a")
        assert row["messages_out"] == 20 and row["bytes_out"] == 100 and row["subscribers"] == 1
        assert row["rate"]["1s"] > 0
    status = admin.get("/v1/status")
    assert status["log"]["messages"] == 20 and status["topics"] == 1 and status["is_writable"]
    assert status["address"] == f"127.0.0.1:{broker.port}"
    assert abs(time.time() - time.mktime(time.strptime(
        status["started_at"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 60
