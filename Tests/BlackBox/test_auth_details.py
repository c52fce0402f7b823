"""Credentials over HTTP, beside the table: what is said, which one counts, and from when on."""

import threading
import time

import pytest

from admin import Admin
from attempts import attempt
from broker import Broker, topic_path
from credentials import (KeyRing, bearer, claims, cookie, create_token, mistyped, revoke, sign,
                         unknown_token, with_query)
from hostile_tokens import of_size
from wire import check_problem, encode_request

NEEDS_ONE = 'Bearer realm="tickertape"'
IS_BAD = 'Bearer realm="tickertape", error="invalid_token"'


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    return KeyRing(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def module_locked(tmp_path_factory, ring):
    broker = Broker(tmp_path_factory.mktemp("data"), *ring.options).start()
    broker.token = create_token(broker, ["**"], ["**"])
    yield broker
    broker.kill()


@pytest.fixture
def locked(module_locked):
    yield module_locked
    module_locked.check_alive()


# What is said.


@pytest.mark.parametrize("transport, topics, words", [
    ("publish", ["b/x"], ["publish", "b/x"]), ("history", ["b/*"], ["subscribe", "b/*"]),
    ("message", ["b/x"], ["subscribe", "b/x"]), ("topic events", ["**"], ["subscribe", "**"]),
    ("events", ["a/x", "b/**"], ["subscribe", "b/**"]),
    ("posted events", ["a/x", "a/**", "b"], ["subscribe", "'a/**'"]),
    ("websocket subscribe", ["a/*", "*/a"], ["subscribe", "*/a"]),
    ("websocket publish", ["b"], ["publish", "b"]),
])
def test_what_is_forbidden_is_named(locked, ring, transport, topics, words):
    token = ring.token(publish=["a/*"], subscribe=["a/*"])
    outcome = attempt(locked, transport, topics, token, data="1")
    assert outcome.code == "forbidden"
    assert all(word.strip("'") in outcome.detail for word in words), outcome.detail


def test_a_topic_of_hostile_letters_is_named_without_harm(locked, ring):
    token = ring.token(publish=["a"], subscribe=["a"])
    outcome = attempt(locked, "publish", ['<script>"\\ü\u2028'], token)
    assert outcome.code == "forbidden" and '<script>"\\ü\u2028' in outcome.detail


@pytest.mark.parametrize("method, target, body", [
    ("GET", "/topics/a/messages", None), ("HEAD", "/topics/a/messages", None),
    ("GET", "/topics/a/messages/1", None), ("POST", "/topics/a/messages", b"x"),
    ("GET", "/topics/a/events", None), ("GET", "/events?topic=a", None),
    ("GET", "/topics/a/messages?wait=30", None), ("POST", "/topics/a/messages", b"x" * 60_000),
])
def test_who_comes_without_is_told_what_to_bring(locked, method, target, body):
    for fields, code, told in [({}, "unauthorized", NEEDS_ONE),
                               (bearer(unknown_token()), "invalid_token", IS_BAD)]:
        response = locked.request(method, target, body, fields)
        assert response.status == 401 and response.header("www-authenticate") == told
        assert response.header("retry-after") is None
        if method != "HEAD":
            check_problem(response, 401, code)


def test_an_event_source_is_refused_for_good(locked):
    # Anything but 401 or 403 would make it come back for ever with the same bad token.
    fields = {"Accept": "text/event-stream", "Last-Event-ID": "1"}
    target = with_query(topic_path("a", "events"), unknown_token())
    check_problem(locked.request("GET", target, headers=fields), 401, "invalid_token")


def test_the_reason_is_told_before_the_body_is_read(locked):
    request = encode_request("POST", "/topics/a/messages", headers={
        "Content-Length": "1000000", "Expect": "100-continue"})
    response = locked.send(request)
    check_problem(response, 401, "unauthorized")
    assert response.interim == []


def test_what_does_not_exist_needs_no_credential_to_be_nothing(locked):
    for method, target in [("GET", "/nothing"), ("POST", "/topics"), ("GET", "/")]:
        assert locked.request(method, target).status in (401, 404)
    assert locked.request("DELETE", "/topics/a/messages").status in (401, 405)


def test_health_is_told_to_everybody(locked):
    assert locked.is_healthy


# Which one counts.


def ask(broker, fields=None, target="/topics/a/messages"):
    return broker.request("GET", target, headers=fields)


@pytest.mark.parametrize("first, second", [("good", "good"), ("good", "bad"), ("bad", "good")])
def test_a_header_and_a_parameter_together_are_one_too_many(locked, first, second):
    tokens = {"good": locked.token, "bad": unknown_token()}
    response = ask(locked, bearer(tokens[first]), with_query("/topics/a/messages", tokens[second]))
    check_problem(response, 400, "repeated_parameter")


def test_a_parameter_given_twice_is_one_too_many(locked):
    target = with_query(with_query("/topics/a/messages", locked.token), locked.token)
    check_problem(ask(locked, target=target), 400, "repeated_parameter")


def test_a_header_given_twice_is_never_served(locked):
    request = encode_request("GET", "/topics/a/messages", headers=bearer(locked.token))
    for token in (locked.token, unknown_token()):
        twice = request[:-2] + f"Authorization: Bearer {token}\r\n\r\n".encode()
        assert locked.send(twice).status in (400, 401)


def test_the_parameter_is_known_in_every_spelling(locked):
    for name in ("access_token", "access%5Ftoken", "acces%73_token"):
        for token, status in [(locked.token, 200), (unknown_token(), 401)]:
            assert ask(locked, target=f"/topics/a/messages?{name}={token}").status == status
    # Names are compared as they are: this one is any other parameter.
    target = f"/topics/a/messages?Access_Token={locked.token}"
    check_problem(ask(locked, target=target), 401, "unauthorized")


@pytest.mark.parametrize("explicit", ["header", "query"])
def test_what_is_explicit_wins_over_the_cookie(locked, explicit):
    good, bad = locked.token, unknown_token()
    for token, other, status in [(good, bad, 200), (bad, good, 401)]:
        fields = cookie(other) | (bearer(token) if explicit == "header" else {})
        target = "/topics/a/messages"
        target = target if explicit == "header" else with_query(target, token)
        assert ask(locked, fields, target).status == status


def test_two_cookies_count_when_they_are_the_same(locked):
    good, bad = locked.token, unknown_token()
    for pair, status in [((good, good), 200), ((good, bad), 401), ((bad, good), 401)]:
        together = "; ".join(f"tickertape_token={token}" for token in pair)
        assert ask(locked, {"Cookie": together}).status == status
        request = encode_request("GET", "/topics/a/messages", headers=cookie(pair[0]))
        apart = request[:-2] + f"Cookie: tickertape_token={pair[1]}\r\n\r\n".encode()
        assert locked.send(apart).status == status


@pytest.mark.parametrize("around", [
    "{}", "a=b; {}", "{}; a=b", "a=b;{};c=d", 'a="b; c"; {}', "xtickertape_token=no; {}",
    "tickertape_tokens=no; {}", "theme=dark; session=eyJ; {}; ", "a; {}", "=; {}",
])
def test_the_cookie_is_found_among_others(locked, around):
    fields = {"Cookie": around.format(f"tickertape_token={locked.token}")}
    assert ask(locked, fields).status == 200


@pytest.mark.parametrize("proof", [
    "Basic dXNlcjpwYXNz", "Digest x", "Bearer", "Bearer ", "token", "{}", "Basic {}",
    "Bearer {} x", "Bearer {},{}", 'Bearer "{}"', "Bearer\t", "Bearer:{}", "BearerX {}",
])
def test_another_scheme_is_refused(locked, proof):
    fields = {"Authorization": proof.format(*[locked.token] * 2)}
    response = ask(locked, fields)
    check_problem(response, 401, {"unauthorized", "invalid_token"})
    assert response.header("www-authenticate").startswith(NEEDS_ONE)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_has_no_case(locked, scheme):
    assert ask(locked, {"Authorization": f"{scheme} {locked.token}"}).status == 200


@pytest.mark.parametrize("fields, target", [
    ({}, "/topics/a/messages?access_token="), ({"Cookie": "tickertape_token="}, None),
    ({"Authorization": ""}, None),
])
def test_an_empty_one_opens_nothing(locked, fields, target):
    assert ask(locked, fields, target or "/topics/a/messages").status == 401


def test_case_counts_and_so_does_every_byte(locked):
    for token in (locked.token.swapcase(), locked.token + "0", locked.token[:-1],
                  mistyped(locked.token), locked.token[4:], "ttk_", "ttk_" + "0" * 49):
        check_problem(ask(locked, bearer(token)), 401, "invalid_token")


def test_the_largest_token_is_taken_and_one_byte_more_is_not(locked, ring):
    assert ask(locked, bearer(of_size(ring, 8_192))).status == 200
    check_problem(ask(locked, bearer(of_size(ring, 8_193))), 401, "invalid_token")


# Without grants.


def test_an_open_broker_still_looks_at_what_is_shown_to_it(broker, topic):
    good = create_token(broker, ["elsewhere"], [])
    for carrier in ("authorization", "query", "cookie"):
        for transport in ("publish", "history", "events", "websocket subscribe"):
            assert attempt(broker, transport, [topic], good, carrier).code is None
            for bad in (unknown_token(), mistyped(good), "eyJhbGciOiJub25lIn0.e30.", "secret"):
                assert attempt(broker, transport, [topic], bad, carrier).code == "invalid_token"
    revoke(Admin(broker), good)
    assert attempt(broker, "publish", [topic], good).code == "invalid_token"
    assert attempt(broker, "publish", [topic]).code is None


def test_an_open_broker_leaves_other_schemes_to_others(broker, topic):
    # A proxy in front may have asked for a password.
    assert broker.post(topic, "x", {"Authorization": "Basic dXNlcjpwYXNz"}).status == 201


# In the middle of a connection.


def test_a_token_that_is_revoked_ends_a_quick_publishers_run_within_a_second(locked):
    token = create_token(locked, ["run"], ["run"])
    admin, revoked = Admin(locked), []

    def end():
        revoke(admin, token)
        revoked.append(time.monotonic())

    request = encode_request("POST", "/topics/run/messages", b"x", bearer(token))
    refusals, ender = 0, threading.Thread(target=end)
    with locked.connect() as connection:
        for number in range(100_000):
            connection.send(request)
            response = connection.response()
            if number == 300:
                ender.start()
            if response.status == 401:
                check_problem(response, 401, "invalid_token")
                refusals += 1
                if refusals == 20:
                    break
            else:
                # Once refused, it stays refused.
                assert response.status == 201 and refusals == 0 and number < 50_000
                assert not revoked or time.monotonic() - revoked[0] < 1
        assert refusals == 20 and number > 300
        # The connection is as good as before, for those who may.
        connection.send(encode_request("POST", "/topics/run/messages", b"x", bearer(locked.token)))
        assert connection.response().status == 201
    ender.join()


def test_a_jwt_ends_with_its_time_on_a_connection_that_goes_on(locked, ring):
    expires = int(time.time()) + 2
    request = encode_request("POST", "/topics/run/messages", b"x", bearer(ring.token(exp=expires)))
    with locked.connect() as connection:
        while True:
            began = time.time()
            connection.send(request)
            response = connection.response()
            if response.status == 401:
                assert "expired" in check_problem(response, 401, "invalid_token")["detail"]
                break
            assert response.status == 201 and began < expires + 1
        assert time.time() >= expires


def test_every_request_of_a_connection_is_looked_at_by_itself(locked, ring):
    tokens = [locked.token, None, ring.token(publish=["a"]), ring.token(publish=["b"]),
              unknown_token(), ring.token(ring.es), locked.token]
    requests = [encode_request("POST", "/topics/a/messages", b"x", token and bearer(token))
                for token in tokens]
    with locked.connect() as connection:
        for _ in range(3):
            connection.send(b"".join(requests))
            assert [connection.response().status for _ in requests] == [
                201, 401, 201, 403, 401, 201, 201]


def test_a_head_that_is_known_opens_no_other_topic(locked, ring):
    token = ring.token(publish=["a/*"], subscribe=[])
    topics = ["a/1", "a/2", "b/1", "a/3", "a/1/2", "a/1"]
    with locked.connect() as connection:
        for topic in topics:
            connection.send(encode_request("POST", topic_path(topic), b"x", bearer(token)))
            answer = connection.response()
            assert answer.status == (201 if topic in ("a/1", "a/2", "a/3") else 403), topic
            assert answer.status == 201 or f"publish to {topic}" in answer.json()["detail"]


def test_a_key_of_a_claim_nobody_asked_for_changes_nothing(locked, ring):
    more = {"scope": "admin", "tickertape_admin": True, "roles": ["root"]}
    token = sign(ring.rs, claims(["a"], [], iss=ring.issuer, aud=["x", ring.audience], **more))
    assert attempt(locked, "publish", ["a"], token).code is None
    assert attempt(locked, "history", ["a"], token).code == "forbidden"
