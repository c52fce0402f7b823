"""Credentials on a WebSocket: before it, by command, another in place, and none at all."""

import time
from datetime import datetime

import pytest
from websockets.exceptions import InvalidStatus

from admin import Admin
from broker import Broker
from credentials import (KeyRing, bearer, cookie, create_token, mistyped, revoke, unknown_token,
                         with_query)
from frames import TEXT, RawWebSocket, handshake_fields
from gateway import Gateway
from wire import check_problem


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    return KeyRing(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def module_locked(tmp_path_factory, ring):
    broker = Broker(tmp_path_factory.mktemp("data"), *ring.options, "--anonymous-subscribe",
                    "public/**").start()
    broker.token = create_token(broker, ["**"], ["**"])
    yield broker
    broker.kill()


@pytest.fixture
def locked(module_locked):
    yield module_locked
    module_locked.check_alive()


def admin_publish(broker, topic, data="x"):
    return Admin(broker).publish(topic, data)


# The handshake.


@pytest.mark.parametrize("make", [unknown_token, lambda: "eyJ.eyJ.x", lambda: "x" * 8_193])
@pytest.mark.parametrize("carrier", ["authorization", "query", "cookie"])
def test_a_handshake_with_a_bad_credential_is_refused(locked, make, carrier):
    token = make()
    target, fields = "/ws", handshake_fields()
    if carrier == "query":
        target = with_query(target, token)
    else:
        fields |= bearer(token) if carrier == "authorization" else cookie(token)
    response = locked.request("GET", target, headers=fields)
    if carrier == "query" and len(token) > 8_000:
        check_problem(response, 414, "uri_too_long")
    else:
        check_problem(response, 401, "invalid_token")
        assert 'error="invalid_token"' in response.header("www-authenticate")


def test_a_header_and_a_parameter_together_are_refused(locked):
    with pytest.raises(InvalidStatus) as refused:
        Gateway(locked, with_query("/ws", locked.token), additional_headers=bearer(locked.token))
    assert refused.value.response.status_code == 400


def test_whoever_comes_without_gets_what_everybody_gets(locked):
    with Gateway(locked) as client:
        client.subscribe("public/**")
        for topics in (["**"], ["public/a", "other"], ["*/a"]):
            reply = client.ask("subscribe", topics=topics)
            assert (reply["type"], reply["code"]) == ("error", "unauthorized"), reply
        assert client.ask("publish", topic="public/a", data="x")["code"] == "unauthorized"
        admin_publish(locked, "public/a", "for all")
        assert client.next_of("message")["data"] == "for all"


# By command.


def test_a_token_by_command_opens_what_it_grants(locked, ring):
    expires = int(time.time()) + 600
    with Gateway(locked) as client:
        token = ring.token(ring.es, publish=["a/*"], subscribe=["a/**", "b"], exp=expires)
        reply = client.ask("auth", token=token)
        assert reply == {"ref": 1, "type": "authorized", "publish": ["a/*"], "stop": [],
                         "subscribe": ["a/**", "b"], "expires_at": reply["expires_at"]}
        assert datetime.fromisoformat(reply["expires_at"]).timestamp() == expires
        client.subscribe("a/**")
        number = client.publish("a/x", "hello")
        assert client.next_of("message")["id"] == number
        assert client.ask("publish", topic="b", data="x")["code"] == "forbidden"
        assert client.ask("subscribe", topics=["**"])["code"] == "forbidden"
        reply = client.ask("auth", token=locked.token)
        assert reply["publish"] == reply["subscribe"] == ["**"]


def test_a_token_without_end_says_so(locked):
    token = create_token(locked, ["a"], [], expires="never")
    with Gateway(locked) as client:
        reply = client.ask("auth", token=token)
        assert (reply["publish"], reply["subscribe"]) == (["a"], [])
        assert "expires_at" in reply and reply["expires_at"] is None


@pytest.mark.parametrize("make", [
    unknown_token, lambda: "", lambda: "x", lambda: "x" * 100_000, lambda: "ü\u0000",
])
def test_a_bad_token_by_command_is_told_and_ends_the_connection(locked, make):
    with Gateway(locked) as client:
        client.subscribe("public/**")
        reply = client.ask("auth", token=make())
        assert (reply["type"], reply["code"]) == ("error", "invalid_token"), reply
        assert client.closed() == 4401
        assert [message for message in client.pending if message["type"] != "caught_up"] == []


@pytest.mark.parametrize("members", [
    {}, {"token": 5}, {"token": None}, {"token": ["x"]}, {"token": "x", "more": 1},
])
def test_an_auth_that_is_none_is_an_error_like_any_other(locked, members):
    with Gateway(locked) as client:
        reply = client.ask("auth", **members)
        assert reply["code"] in ("invalid_command", "unknown_parameter"), reply
        client.check_alive()


def test_commands_behind_an_auth_are_carried_out_with_it(locked, ring):
    # All in one write: none may be judged by what was there before it.
    with Gateway(locked) as client:
        token = ring.token(ring.rs, publish=["a"], subscribe=["a"])
        client.send({"ref": "before", "type": "publish", "topic": "a", "data": "1"})
        client.send({"ref": "auth", "type": "auth", "token": token})
        client.send({"ref": "after", "type": "publish", "topic": "a", "data": "2"})
        client.send({"ref": "follow", "type": "subscribe", "topics": ["a"]})
        assert client.reply("before")["code"] == "unauthorized"
        assert client.reply("auth")["type"] == "authorized"
        assert client.reply("after")["type"] == "published"
        assert client.reply("follow")["type"] == "subscribed"


def test_nothing_behind_a_bad_auth_is_carried_out(locked):
    head = locked.request("GET", "/topics/**/messages", headers=bearer(locked.token)).json()["next"]
    with RawWebSocket(locked, protocol="tickertape.v1") as socket:
        socket.send_frame(TEXT, '{"ref":1,"type":"auth","token":"bad"}')
        socket.send_frame(TEXT, '{"ref":2,"type":"auth","token":"' + locked.token + '"}')
        socket.send_frame(TEXT, '{"ref":3,"type":"publish","topic":"public/a","data":"late"}')
        assert socket.closing().code == 4401
    page = locked.request("GET", f"/topics/**/messages?after={head}", headers=bearer(locked.token))
    assert page.json()["messages"] == []


# Another in place.


def test_a_wider_token_in_place_opens_more_and_disturbs_nothing(locked, ring):
    with Gateway(locked, additional_headers=bearer(ring.token(subscribe=["a/*"]))) as client:
        client.subscribe("a/*", subscription="rooms")
        assert client.ask("subscribe", topics=["b"])["code"] == "forbidden"
        assert client.ask("auth", token=locked.token)["type"] == "authorized"
        client.subscribe("b", subscription="other")
        ids = [admin_publish(locked, topic) for topic in ("a/x", "b", "a/y")]
        assert [message["id"] for message in client.take(3)] == ids
        assert not [m for m in client.sync() if m["type"] == "error"]


def test_a_narrower_token_in_place_ends_what_it_does_not_cover(locked, ring):
    with Gateway(locked, additional_headers=bearer(locked.token)) as client:
        client.subscribe("a/*", "b", subscription="both")
        client.subscribe("b", subscription="kept")
        client.subscribe("**", subscription="all")
        reply = client.ask("auth", token=ring.token(publish=[], subscribe=["b", "c/*"]))
        assert reply["type"] == "authorized"
        ended = {message["subscription"]: message for message in (
            client.next_of("error"), client.next_of("error"))}
        assert set(ended) == {"both", "all"}
        for message in ended.values():
            assert message["code"] == "forbidden" and message["detail"]
            assert "ref" not in message
        assert "a/*" in ended["both"]["detail"] and "**" in ended["all"]["detail"]
        admin_publish(locked, "a/x", "not for this one")
        number = admin_publish(locked, "b", "still here")
        message = client.next_of("message")
        assert (message["id"], message["subscription"]) == (number, "kept")
        assert not [m for m in client.sync() if m["type"] == "message"]
        # The names are free.
        client.subscribe("c/*", subscription="both")
        assert client.ask("unsubscribe", subscription="all")["code"] == "unknown_subscription"
        assert client.ask("publish", topic="b", data="x")["code"] == "forbidden"


def test_many_tokens_one_after_the_other_leave_the_last(locked, ring):
    with Gateway(locked) as client:
        for number in range(60):
            reply = client.ask("auth", token=ring.token(publish=[f"t/{number}"], subscribe=[]))
            assert reply["publish"] == [f"t/{number}"]
        assert client.ask("publish", topic="t/58", data="x")["code"] == "forbidden"
        client.publish("t/59", "x")


def test_a_token_that_was_replaced_does_not_end_the_connection_when_it_is_revoked(locked):
    first, second = (create_token(locked, ["a"], ["a"]) for _ in range(2))
    with Gateway(locked, additional_headers=bearer(first)) as client:
        client.subscribe("a", subscription="kept")
        assert client.ask("auth", token=second)["type"] == "authorized"
        revoke(Admin(locked), first)
        # Another connection of the first token shows that its end has come.
        with pytest.raises(InvalidStatus):
            Gateway(locked, additional_headers=bearer(first))
        number = client.publish("a", "x")
        assert client.next_of("message")["id"] == number
        revoke(Admin(locked), second)
        assert client.closed(5) == 4401


def test_a_mistyped_token_in_place_ends_a_connection_that_had_a_good_one(locked):
    with Gateway(locked, additional_headers=bearer(locked.token)) as client:
        assert client.ask("auth", token=mistyped(locked.token))["code"] == "invalid_token"
        assert client.closed() == 4401


def test_in_an_open_broker_a_token_by_command_may_do_everything(broker, topic):
    token = create_token(broker, ["elsewhere"], [])
    with Gateway(broker) as client:
        client.subscribe(topic)
        assert client.ask("auth", token=token)["type"] == "authorized"
        assert client.publish(topic, "x") == client.next_of("message")["id"]
    with Gateway(broker) as client:
        assert client.ask("auth", token=unknown_token())["code"] == "invalid_token"
        assert client.closed() == 4401


# None at all.


def test_where_nothing_is_granted_without_one_it_has_to_come_within_ten_seconds(start, locked):
    own = start("--auth")
    token = create_token(own, ["a"], ["a"])
    began = time.monotonic()
    with Gateway(own) as idle, Gateway(own) as busy, Gateway(own) as late, \
            Gateway(own, additional_headers=bearer(token)) as known, Gateway(locked) as anonymous:
        late_ref = {"ref": "late", "type": "auth", "token": token}
        while time.monotonic() - began < 9:
            assert busy.ask("publish", topic="a", data="x")["code"] == "unauthorized"
            busy.check_alive()
            busy.connection.ping().wait(0.5)
            time.sleep(0.2)
        late.send(late_ref)
        assert late.reply("late")["type"] == "authorized"
        assert idle.closed() == 4401
        assert 9.5 < time.monotonic() - began < 12
        assert busy.closed(2) == 4401
        # Those who had one in time, or need none, go on.
        for client in (late, known):
            client.publish("a", "x")
        anonymous.subscribe("public/**")
    response = own.request("GET", "/ws", headers=handshake_fields() | {"Authorization": "Basic eA"})
    check_problem(response, 401, {"unauthorized", "invalid_token"})
