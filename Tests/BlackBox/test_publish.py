"""Publishing: what is answered, and that exactly this is in the log."""

from urllib.parse import quote

import pytest

from broker import topic_path
from wire import check_problem, encode_chunks, encode_request

LIMIT = 1_048_576


def test_a_publish_is_answered_201_with_its_id_its_topic_and_its_location(broker, topic):
    response = broker.post(topic, "hello")
    assert response.status == 201
    assert response.header("content-type") == "application/json"
    number = response.json()["id"]
    assert response.json() == {"id": number, "topic": topic}
    assert response.header("location") == f"/topics/{topic}/messages/{number}"
    assert broker.request("GET", response.header("location")).json()["data"] == "hello"


def test_the_location_of_a_topic_outside_ascii_can_be_followed(broker):
    response = broker.post("新闻/财经 100%?#", "x")
    assert response.status == 201
    assert response.json()["topic"] == "新闻/财经 100%?#"
    assert broker.request("GET", response.header("location")).json()["id"] == response.json()["id"]


@pytest.mark.parametrize("name", [
    'a"b', "a\\b", "a?b#c", "a b", "a%2Fb", "<a>&", "a\u2028b", "😀",
])
def test_a_name_with_odd_characters_comes_back_in_every_answer(broker, name):
    response = broker.request("POST", f"/topics/{quote(name, safe='')}/messages", b"x")
    assert (response.status, response.json()["topic"]) == (201, name)
    message = broker.request("GET", response.header("location")).json()
    assert (message["id"], message["topic"]) == (response.json()["id"], name)
    with broker.stream(f"/events?topic={quote(name, safe='')}", message["id"] - 1) as stream:
        assert stream.next().id == message["id"]


def test_ids_increase_over_all_topics(broker, topic):
    ids = [broker.publish(f"{topic}/{n % 3}", str(n)) for n in range(20)]
    assert ids == sorted(set(ids))


def test_event_and_key_are_stored_as_given(broker, topic):
    number = broker.publish(topic, "x", event="trade é+ &", key="clé/1 %")
    message = broker.message(topic, number).json()
    assert (message["event"], message["key"]) == ("trade é+ &", "clé/1 %")


def test_event_and_key_are_absent_when_not_given(broker, topic):
    message = broker.message(topic, broker.publish(topic, "x")).json()
    assert set(message) == {"id", "topic", "time", "data"}


def test_a_plus_in_the_query_is_a_space(broker, topic):
    response = broker.request("POST", f"/topics/{topic}/messages?event=a+b&key=c%2Bd", b"x")
    message = broker.message(topic, response.json()["id"]).json()
    assert (message["event"], message["key"]) == ("a b", "c+d")


def test_an_empty_body_is_a_message(broker, topic):
    assert broker.message(topic, broker.publish(topic, b"")).json()["data"] == ""


@pytest.mark.parametrize("path, same", [
    ("a%2Fb", "a/b"), ("%61/b", "a/b"), ("a/b%20c", "a/b c"), ("%E6%96%B0", "新"),
    ("stocks/BRK.B", "stocks/BRK.B"), ("a/...", "a/..."), ("a/messages", "a/messages"),
    ("messages", "messages"), ("events", "events"), ("a/messages/7", "a/messages/7"),
    ("a/events", "a/events"), ("~a!$&'()+,;=:@", "~a!$&'()+,;=:@"),
])
def test_the_topic_is_percent_decoded_and_the_last_segments_decide(broker, path, same):
    response = broker.request("POST", f"/topics/{path}/messages", b"x")
    assert (response.status, response.json().get("topic")) == (201, same)
    number = response.json()["id"]
    assert broker.page(same, after=number - 1)["messages"][0]["topic"] == same


BAD_TOPICS = [
    ("no-name", "", "empty"),
    ("empty-level", "a//b", "empty"),
    ("empty-first-level", "/a", "empty"),
    ("empty-last-level", "a/", "empty"),
    ("encoded-slash-makes-an-empty-level", "a%2F%2Fb", "empty"),
    ("dot", ".", "'.'"),
    ("dot-level", "a/./b", "'.'"),
    ("encoded-dot", "a/%2e", "'.'"),
    ("dot-dot", "a/..", "'..'"),
    ("encoded-dot-dot", "%2E%2e/a", "'..'"),
    ("17-levels", "/".join("abcdefghijklmnopq"), "16"),
    ("256-bytes", "a" * 256, "255"),
    ("258-bytes-of-86-characters", "%E6%96%B0" * 86, "255"),
    ("nul", "a%00b", "control"),
    ("newline", "a%0Ab", "control"),
    ("delete", "a%7F", "control"),
    ("c1", "a%C2%85", "control"),
    ("star", "a/*", "*"),
    ("double-star", "a/**", "*"),
    ("star-inside", "a*b", "*"),
    ("encoded-star", "a/%2A", "*"),
]


@pytest.mark.parametrize("path, word", [row[1:] for row in BAD_TOPICS],
                         ids=[row[0] for row in BAD_TOPICS])
def test_a_bad_topic_is_answered_400_naming_the_rule(broker, path, word):
    response = broker.request("POST", f"/topics/{path}/messages", b"x")
    assert word in check_problem(response, 400, "invalid_topic")["detail"]


@pytest.mark.parametrize("path", ["/".join("abcdefghijklmnop"), "a" * 255, "%E6%96%B0" * 85])
def test_a_topic_at_its_bounds_is_good(broker, path):
    assert broker.request("POST", f"/topics/{path}/messages", b"x").status == 201


@pytest.mark.parametrize("path", ["a%", "a%2", "a%zz", "a%g0", "%%41"])
def test_bad_percent_encoding_is_answered_400(broker, path):
    response = broker.request("POST", f"/topics/{path}/messages", b"x")
    check_problem(response, 400, "bad_percent_encoding")
    response = broker.request("POST", f"/topics/good/messages?event={path}", b"x")
    check_problem(response, 400, "bad_percent_encoding")


@pytest.mark.parametrize("path", ["%FF", "a%C3", "%C0%AF", "%ED%A0%80", "%F4%90%80%80"])
def test_a_topic_that_is_not_utf8_is_answered_400(broker, path):
    response = broker.request("POST", f"/topics/{path}/messages", b"x")
    problem = check_problem(response, 400, ("invalid_topic", "bad_percent_encoding"))
    assert "UTF-8" in problem["detail"]


@pytest.mark.parametrize("query, code", [
    ("evnt=x", "unknown_parameter"), ("after=1", "unknown_parameter"),
    ("event=a&event=b", "repeated_parameter"), ("key=a&key=a", "repeated_parameter"),
    ("event=a%0Ab", "invalid_parameter"), ("event=a%0Db", "invalid_parameter"),
    ("event=a%00b", "invalid_parameter"), ("event=tickertape.gap", "invalid_parameter"),
])
def test_a_bad_query_is_answered_400_naming_the_parameter(broker, topic, query, code):
    response = broker.request("POST", f"{topic_path(topic)}?{query}", b"x")
    problem = check_problem(response, 400, code)
    assert query.partition("=")[0] in problem["detail"]
    assert broker.page(topic)["messages"] == []


def test_a_body_as_large_as_the_limit_is_taken_and_one_byte_more_is_not(broker, topic):
    number = broker.publish(topic, b"x" * LIMIT)
    assert len(broker.message(topic, number).json()["data"]) == LIMIT
    check_problem(broker.post(topic, b"x" * (LIMIT + 1)), 413, "message_too_large")
    assert len(broker.page(topic, after=number)["messages"]) == 0


def test_a_content_length_over_the_limit_is_refused_before_the_body_is_sent(broker, topic):
    response = broker.send(encode_request(
        "POST", topic_path(topic), headers={"Content-Length": "99999999999"}))
    check_problem(response, 413, "message_too_large")


def test_a_chunked_body_over_the_limit_is_refused(broker, topic):
    chunks = encode_chunks(*[b"x" * 65536] * 16, b"y")
    response = broker.send(encode_request(
        "POST", topic_path(topic), headers={"Transfer-Encoding": "chunked"}) + chunks)
    check_problem(response, 413, "message_too_large")
    assert broker.page(topic)["messages"] == []


def test_a_smaller_limit_can_be_set(start):
    small = start("--max-message-bytes", 10)
    assert small.post("a", b"x" * 10).status == 201
    check_problem(small.post("a", b"x" * 11), 413, "message_too_large")


def test_a_publish_without_a_length_is_answered_411(broker, topic):
    check_problem(broker.request("POST", topic_path(topic)), 411, "length_required")


def test_a_target_over_8192_bytes_is_answered_414(broker):
    def answer(length):
        target = "/topics/a/messages?key="
        return broker.request("POST", target + "k" * (length - len(target)), b"x")
    check_problem(answer(8193), 414, "uri_too_long")
    check_problem(answer(8192), 400, "invalid_parameter")


def test_a_head_over_16384_bytes_or_100_fields_is_answered_431(broker, topic):
    for headers in ({"X-Long": "x" * 17000}, {f"X-{n}": "x" for n in range(101)}):
        response = broker.request("POST", topic_path(topic), b"x", headers)
        check_problem(response, 431, "headers_too_large")
    for headers in ({"X-Long": "x" * 15000}, {f"X-{n}": "x" for n in range(90)}):
        assert broker.request("POST", topic_path(topic), b"x", headers).status == 201


@pytest.mark.parametrize("body", [
    b"\x80", b"a\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    b"cut \xe6\x96", b"\xfe\xff\x00a", "é".encode("latin-1") + b" ",
])
def test_a_body_that_is_not_utf8_is_answered_415(broker, topic, body):
    check_problem(broker.post(topic, body), 415, "not_utf8")
    assert broker.page(topic)["messages"] == []


@pytest.mark.parametrize("headers, code", [
    ({"Content-Type": "text/plain; charset=iso-8859-1"}, "unsupported_charset"),
    ({"Content-Type": 'text/plain;charset="UTF-16"'}, "unsupported_charset"),
    ({"Content-Encoding": "gzip"}, "unsupported_content_encoding"),
    ({"Content-Encoding": "br, gzip"}, "unsupported_content_encoding"),
])
def test_another_charset_or_a_content_encoding_is_answered_415(broker, topic, headers, code):
    check_problem(broker.post(topic, b"x", headers), 415, code)


@pytest.mark.parametrize("kind", [
    "text/plain", "text/plain; charset=utf-8", 'application/json; charset="UTF-8"',
    "text/plain;charset=us-ascii", "application/x-www-form-urlencoded", "nonsense", "",
])
def test_any_type_of_utf8_text_is_taken(broker, topic, kind):
    assert broker.post(topic, "ü", {"Content-Type": kind}).status == 201


@pytest.mark.parametrize("method, target, allowed", [
    ("DELETE", "/topics/a/messages", {"GET", "POST"}),
    ("PUT", "/topics/a/messages", {"GET", "POST"}),
    ("POST", "/topics/a/messages/1", {"GET"}),
    ("POST", "/topics/a/events", {"GET"}),
    ("PUT", "/events", {"GET", "POST"}),
    ("POST", "/healthz", {"GET"}),
    ("OPTIONS", "/topics/a/messages", {"GET", "POST"}),
])
def test_a_wrong_method_is_answered_405_with_those_allowed(broker, method, target, allowed):
    response = broker.request(method, target, b"")
    check_problem(response, 405, "method_not_allowed")
    named = {name.strip() for name in response.header("allow").split(",")}
    assert allowed <= named and method not in named


@pytest.mark.parametrize("target", [
    "/", "/topics", "/topics/a", "/topics/a/other", "/message", "/topic/a/messages", "/demo/",
    "/healthz/", "/events/", "/../etc/passwd", "//topics/a/messages",
])
def test_an_unknown_path_is_answered_404(broker, target):
    check_problem(broker.request("GET", target), 404, "not_found")
