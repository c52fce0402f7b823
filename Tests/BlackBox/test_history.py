"""History: pages, long polls and single messages as JSON."""

import re
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from broker import topic_path
from wire import check_problem, encode_request

ODD_TEXTS = [
    "", " ", '"quoted" \\ / back\\slash', "".join(map(chr, range(0x20))), "\x7f\x80\x9f",
    "line\nline\r\nline\rend", "\u2028\u2029\u0085", "😀👩‍👩‍👧‍👦 e\u0301", "\ufeffBOM",
    "\ufffe\uffff\U0010ffff",
    '{"json":[1,2,null]}', "<script>&amp;</script>", "新闻/财经", "\\u0041 \\n", "a\x00b",
]


def numbers(page):
    return [message["id"] for message in page["messages"]]


def test_pages_follow_each_other_without_loss_or_repetition(broker, topic):
    ids = broker.publish_all(topic, [b"%d" % n for n in range(57)])
    broker.publish("elsewhere", "x")
    seen, after = [], 0
    while (page := broker.page(topic, after=after, limit=10))["messages"]:
        assert len(page["messages"]) <= 10 and page["next"] > after
        seen += page["messages"]
        after = page["next"]
    assert numbers({"messages": seen}) == ids
    assert [message["data"] for message in seen] == [str(n) for n in range(57)]
    assert page["next"] >= ids[-1]


def test_a_page_has_100_messages_by_default_and_up_to_1000_on_request(broker, topic):
    broker.publish_all(topic, [b"x"] * 1010)
    assert len(broker.page(topic)["messages"]) == 100
    assert len(broker.page(topic, limit=1000)["messages"]) == 1000
    assert len(broker.page(topic, limit=1)["messages"]) == 1


def test_a_page_holds_at_most_one_mebibyte_but_at_least_one_message(broker, topic):
    ids = [broker.publish(topic, b"x" * size) for size in (500_000, 500_000, 500_000, 1_048_576)]
    first = broker.page(topic)
    assert numbers(first) == ids[:2]
    second = broker.page(topic, after=first["next"])
    assert numbers(second) == ids[2:3]
    assert numbers(broker.page(topic, after=second["next"])) == ids[3:]


@pytest.mark.parametrize("query", [
    "limit=0", "limit=1001", "limit=-1", "limit=ten", "limit=", "limit=1.5", "after=-1",
    "after=x", "after=1.0", "wait=-1", "wait=61", "wait=soon", "wait=nan", "wait=inf",
])
def test_a_bad_number_is_answered_400_naming_the_parameter(broker, topic, query):
    response = broker.request("GET", f"{topic_path(topic)}?{query}")
    problem = check_problem(response, 400, "invalid_parameter")
    assert query.partition("=")[0] in problem["detail"]


def test_unknown_parameters_of_a_read_are_passed_over(broker, topic):
    number = broker.publish(topic, "x")
    assert numbers(broker.page(topic, **{"_": 17, "tail": "x"})) == [number]


@pytest.mark.parametrize("pattern, matches", [
    ("{}/a", ["a"]), ("{}/*", ["a", "b"]), ("{}/*/c", ["a/c", "b/c"]), ("{}/a/*", ["a/c"]),
    ("{}/**", ["a", "b", "a/c", "b/c", "b/c/d"]), ("{}/b/**", ["b/c", "b/c/d"]),
    ("{}/*/*/*", ["b/c/d"]), ("{}/*/**", ["a/c", "b/c", "b/c/d"]), ("{}/x", []),
])
def test_a_pattern_selects_by_levels(broker, topic, pattern, matches):
    for name in ["", "/a", "/b", "/a/c", "/b/c", "/b/c/d"]:
        broker.publish(topic + name, "x")
    page = broker.page(pattern.format(topic))
    assert [m["topic"] for m in page["messages"]] == [f"{topic}/{name}" for name in matches]


def test_two_stars_select_everything(broker, topic):
    before = broker.publish("deep/" * 15 + "end", "x") - 1
    broker.publish("flat", "y")
    assert [m["data"] for m in broker.page("**", after=before)["messages"]] == ["x", "y"]


@pytest.mark.parametrize("pattern", ["a*", "*a/b", "**/a", "a/**/b", "a/***", "a//b", "a/%2A%2A/b"])
def test_a_bad_pattern_is_answered_400(broker, pattern):
    for what in ("messages", "events"):
        response = broker.request("GET", f"/topics/{pattern}/{what}")
        check_problem(response, 400, "invalid_pattern")


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_any_text_comes_back_unchanged_through_json(broker, topic, text):
    number = broker.publish(topic, text, event="é\"\\", key="\u2028 \"k\\")
    alone = broker.message(topic, number).json()
    assert alone["data"] == text
    assert (alone["event"], alone["key"]) == ("é\"\\", "\u2028 \"k\\")
    assert broker.page(topic)["messages"] == [alone]


def test_times_are_rfc_3339_in_milliseconds_and_do_not_run_back(broker, topic):
    began = datetime.now(timezone.utc)
    broker.publish_all(topic, [b"x"] * 50)
    texts = [message["time"] for message in broker.history(topic)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text) for text in texts)
    assert texts == sorted(texts)
    times = [datetime.fromisoformat(text) for text in texts]
    assert began - timedelta(seconds=1) <= times[0]
    assert times[-1] <= datetime.now(timezone.utc) + timedelta(seconds=1)


def test_a_single_message_is_404_when_there_is_none(broker, topic):
    number = broker.publish(topic, "x")
    assert broker.message(topic, number).json()["id"] == number
    for where, what in [(topic, number + 1), (topic, 0), (topic, 2**63), (topic, 10**30),
                        (topic + "/x", number), ("never/used", number)]:
        check_problem(broker.message(where, what), 404, "message_not_found")


def test_head_answers_as_get_does_but_without_the_body(broker, topic):
    number = broker.publish(topic, "x")
    targets = [topic_path(topic), topic_path(topic, f"messages/{number}"),
               topic_path(topic, f"messages/{number + 999}"), topic_path("a//b")]
    with broker.connect() as connection:
        for target in targets:
            get = connection.request("GET", target)
            head = connection.request("HEAD", target)
            assert (head.status, head.body) == (get.status, b"")
            for name in ("content-type", "content-length"):
                assert head.header(name) == get.header(name)


def test_a_waiting_read_is_answered_as_soon_as_there_is_something(broker, topic):
    def delay(publish):
        with broker.connect() as connection:
            connection.send(encode_request("GET", topic_path(f"{topic}/*", wait=20)))
            connection.send(b"")
            broker.publish(f"{topic}-other", "not this")
            time.sleep(0.2)  # The read is to be waiting; that it still is, is what is tested.
            number, began = publish(), time.monotonic()
            page = connection.response().json()
            assert numbers(page)[-1] == number and page["next"] == number
            return time.monotonic() - began

    assert delay(lambda: broker.publish(f"{topic}/a", "1")) < 1
    # There is something already: no wait at all.
    began = time.monotonic()
    assert len(broker.page(f"{topic}/*", wait=20)["messages"]) == 1
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("wait", [0, 0.3, 1])
def test_a_waiting_read_is_answered_with_an_empty_page_at_its_deadline(broker, topic, wait):
    head = broker.publish(f"{topic}/other", "x")
    began = time.monotonic()
    page = broker.page(topic, after=head, wait=wait)
    assert wait <= time.monotonic() - began < wait + 1
    assert page == {"messages": [], "next": page["next"]} and page["next"] >= head


def test_many_readers_wait_for_the_same_message(broker, topic):
    connections = [broker.connect() for _ in range(50)]
    for connection in connections:
        connection.send(encode_request("GET", topic_path(topic, wait=20)))
    number = broker.publish(topic, "for all")
    for connection in connections:
        assert numbers(connection.response().json()) == [number]
        connection.close()


def test_readers_that_go_away_while_waiting_leave_nothing_behind(broker, topic):
    for _ in range(50):
        with broker.connect() as connection:
            connection.send(encode_request("GET", topic_path(topic, wait=60)))
    assert numbers(broker.page(topic, wait=0)) == []
    number = broker.publish(topic, "x")
    assert numbers(broker.page(topic, wait=5)) == [number]


def test_a_reader_and_a_publisher_at_once_never_skip_a_message(broker, topic):
    publisher = threading.Thread(
        target=broker.publish_all, args=(topic, [b"%d" % n for n in range(2000)]))
    publisher.start()
    seen, after = [], 0
    while len(seen) < 2000:
        page = broker.page(topic, after=after, wait=10, limit=37)
        assert page["messages"], f"nothing after {after}, {len(seen)} seen"
        seen += [message["data"] for message in page["messages"]]
        after = page["next"]
    publisher.join(10)
    assert seen == [str(n) for n in range(2000)]
