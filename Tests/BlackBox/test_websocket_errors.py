"""Commands that cannot be carried out: each is answered with a code, and no more (§19.7)."""

import json
import time

import pytest

from gateway import Gateway

SUBSCRIBE = {"type": "subscribe", "topics": ["a"]}
PUBLISH = {"type": "publish", "topic": "a", "data": "x"}

NO_OBJECTS = ["", " ", "null", "[]", "5", '"x"', "true", "{", "}", "{]", '{"type"}', "{'type':1}",
              '{"type":"ping"', '{"type":"ping"}}', '{"type":"ping"} {}', "\ufeff", "nonsense",
              "[" * 100_000, '{"a":' * 100_000, '{"type":"ping","ref":' + "[" * 50_000,
              '{"type":"publish","topic":"a","data":' + "[" * 5_000 + "]" * 5_000 + "}",
              '{"type":"ping","x":"\\ud800"', '{"type":"\\x"}', '{"type":"pi\nng"}']

COMMANDS = [
    ({}, "invalid_command"), ({"type": 5}, "invalid_command"), ({"type": None}, "invalid_command"),
    ({"type": ["ping"]}, "invalid_command"),
    ({"type": "fly"}, "unknown_command"), ({"type": ""}, "unknown_command"),
    ({"type": "PING"}, "unknown_command"), ({"type": "hello"}, "unknown_command"),
    ({"type": "x" * 100_000}, "unknown_command"),
    ({"type": "ping", "x": 1}, "unknown_parameter"),
    ({**SUBSCRIBE, "topic": "a"}, "unknown_parameter"),
    ({**PUBLISH, "idempotency-key": "x"}, "unknown_parameter"),
    ({**PUBLISH, "Data": "x"}, "unknown_parameter"),
    ({"type": "unsubscribe", "subscription": "x", "topics": []}, "unknown_parameter"),
    # subscribe
    ({"type": "subscribe"}, "invalid_command"), ({**SUBSCRIBE, "topics": "a"}, "invalid_command"),
    ({**SUBSCRIBE, "topics": [1]}, "invalid_command"),
    ({**SUBSCRIBE, "topics": [None]}, "invalid_command"),
    ({**SUBSCRIBE, "topics": []}, "invalid_parameter"),
    ({**SUBSCRIBE, "topics": ["a"] * 129}, "too_many_topics"),
    ({**SUBSCRIBE, "topics": [""]}, "invalid_pattern"),
    ({**SUBSCRIBE, "topics": ["a", "a//b"]}, "invalid_pattern"),
    ({**SUBSCRIBE, "topics": ["a*"]}, "invalid_pattern"),
    ({**SUBSCRIBE, "topics": ["**/a"]}, "invalid_pattern"),
    ({**SUBSCRIBE, "topics": ["a\u0000"]}, "invalid_pattern"),
    ({**SUBSCRIBE, "topics": ["x" * 256]}, "invalid_pattern"),
    ({**SUBSCRIBE, "after": -1}, "invalid_command"),
    ({**SUBSCRIBE, "after": 1.5}, "invalid_command"),
    ({**SUBSCRIBE, "after": True}, "invalid_command"),
    ({**SUBSCRIBE, "after": [1]}, "invalid_command"),
    ({**SUBSCRIBE, "tail": "5"}, "invalid_command"),
    ({**SUBSCRIBE, "tail": 0.5}, "invalid_command"),
    ({**SUBSCRIBE, "tail": -1}, "invalid_parameter"),
    ({**SUBSCRIBE, "tail": 1001}, "invalid_parameter"),
    ({**SUBSCRIBE, "tail": 2**62}, "invalid_parameter"),
    ({**SUBSCRIBE, "subscription": 5}, "invalid_command"),
    ({**SUBSCRIBE, "subscription": ""}, "invalid_parameter"),
    ({**SUBSCRIBE, "subscription": "x" * 65}, "invalid_parameter"),
    ({**SUBSCRIBE, "subscription": "é" * 33}, "invalid_parameter"),
    ({**SUBSCRIBE, "subscription": "a\nb"}, "invalid_parameter"),
    ({**SUBSCRIBE, "subscription": "a\u0085b"}, "invalid_parameter"),
    ({**SUBSCRIBE, "subscription": "taken"}, "subscription_exists"),
    # unsubscribe
    ({"type": "unsubscribe"}, "invalid_command"),
    ({"type": "unsubscribe", "subscription": 1}, "invalid_command"),
    ({"type": "unsubscribe", "subscription": "nobody's"}, "unknown_subscription"),
    ({"type": "unsubscribe", "subscription": ""}, "unknown_subscription"),
    ({"type": "unsubscribe", "subscription": "x" * 100_000}, "unknown_subscription"),
    # publish
    ({"type": "publish", "data": "x"}, "invalid_command"),
    ({"type": "publish", "topic": "a"}, "invalid_command"),
    ({**PUBLISH, "data": None}, "invalid_command"),
    ({**PUBLISH, "data": {"a": 1}}, "invalid_command"),
    ({**PUBLISH, "data": 5}, "invalid_command"), ({**PUBLISH, "topic": 5}, "invalid_command"),
    ({**PUBLISH, "topic": "a*"}, "invalid_topic"), ({**PUBLISH, "topic": "*"}, "invalid_topic"),
    ({**PUBLISH, "topic": ""}, "invalid_topic"), ({**PUBLISH, "topic": "../a"}, "invalid_topic"),
    ({**PUBLISH, "topic": "/".join("x" * 17)}, "invalid_topic"),
    ({**PUBLISH, "event": 5}, "invalid_command"),
    ({**PUBLISH, "event": "x" * 129}, "invalid_parameter"),
    ({**PUBLISH, "event": "a\nb"}, "invalid_parameter"),
    ({**PUBLISH, "event": "tickertape.gap"}, "invalid_parameter"),
    ({**PUBLISH, "key": "x" * 257}, "invalid_parameter"),
    ({**PUBLISH, "idempotency_key": "x" * 256}, "invalid_parameter"),
    ({**PUBLISH, "idempotency_key": "é"}, "invalid_parameter"),
    ({**PUBLISH, "idempotency_key": "a\tb"}, "invalid_parameter"),
    ({**PUBLISH, "idempotency_key": ""}, "invalid_parameter"),
]


@pytest.fixture
def client(broker):
    with Gateway(broker) as running:
        yield running


def check_error(reply, code, ref):
    assert reply["type"] == "error" and reply["code"] == code, reply
    assert set(reply) == {"type", "code", "detail"} | ({"ref"} if ref is not None else set()), reply
    assert reply.get("ref") == ref
    assert reply["detail"] and len(reply["detail"]) < 500


@pytest.mark.parametrize("text", NO_OBJECTS, ids=lambda text: ascii(text[:20]))
def test_what_is_no_command_is_answered_and_the_connection_goes_on(client, text):
    began = time.monotonic()
    client.send(text)
    check_error(client.next(), "invalid_command", None)
    client.check_alive()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("command, code", COMMANDS, ids=lambda value: ascii(value)[:60]
                         if isinstance(value, dict) else None)
def test_a_bad_command_is_answered_with_its_code_and_the_connection_goes_on(client, command, code):
    client.subscribe("somewhere/else", subscription="taken")
    client.until_caught_up()
    client.send({"ref": "r", **command})
    check_error(client.next(), code, "r")
    client.send(command)
    check_error(client.next(), code, None)
    client.check_alive()
    assert client.publish("errors/after", "still works") > 0


def test_nothing_of_a_bad_command_has_happened(broker, client):
    before = broker.history("a")
    bad = [command for command, code in COMMANDS if code != "subscription_exists"]
    for command in bad:
        client.send(command)
    assert [answer["type"] for answer in client.sync()] == ["error"] * len(bad)
    assert broker.history("a") == before
    broker.publish("a", "for nobody")
    assert client.sync() == []


@pytest.mark.parametrize("ref", [0, 1, -1, 2**53, 2**63 - 1, -2**63, "", "x", "x" * 128, "é" * 64,
                                 'a"b\\c', "\u0000\n", "🎉", "1"])
def test_a_ref_is_echoed_as_it_came(client, ref):
    for command in ({"type": "ping"}, PUBLISH, {"type": "fly"},
                    {**SUBSCRIBE, "subscription": "s"},
                    {"type": "unsubscribe", "subscription": "s"}):
        client.send({**command, "ref": ref})
        reply = client.reply(ref)
        assert reply["ref"] == ref and type(reply["ref"]) is type(ref)


def test_without_a_ref_the_reply_has_none(client):
    client.send({"type": "ping"})
    assert client.next() == {"type": "pong"}
    client.send({"type": "ping", "ref": None})
    assert client.next() == {"type": "pong"}


@pytest.mark.parametrize("ref", ["x" * 129, "é" * 65, 1.5, 2**63, 10**30, True, [], {}, [1]])
def test_a_bad_ref_is_an_invalid_command_and_not_echoed(broker, topic, client, ref):
    client.send({"type": "publish", "topic": topic, "data": "x", "ref": ref})
    check_error(client.next(), "invalid_command", None)
    client.check_alive()
    assert broker.history(topic) == []


def test_white_space_and_the_order_of_members_do_not_matter(client):
    client.send(' \r\n\t{ "ref" : 5 ,\n "type" : "ping" } \n')
    assert client.next() == {"ref": 5, "type": "pong"}


def test_members_given_twice_do_no_harm(broker, client):
    client.send('{"type":"fly","type":"ping","ref":1,"ref":2}')
    assert client.next()["type"] in ("pong", "error")
    client.check_alive()


def test_deep_json_of_megabytes_costs_little(broker, client):
    began = time.monotonic()
    for text in ("[" * 6_000_000, '{"type":' * 700_000, '{"type":"ping","ref":' + "[" * 6_000_000):
        client.send(text)
        check_error(client.next(30), "invalid_command", None)
    client.check_alive()
    broker.check_serving()
    assert time.monotonic() - began < 15


def test_a_detail_is_short_whatever_was_sent(client):
    for command in ({"type": "x" * 1_000_000}, {"type": "ping", "y" * 1_000_000: 1},
                    {**SUBSCRIBE, "topics": ["a*" * 100_000]}, {**PUBLISH, "topic": "*" * 100_000},
                    {"type": "unsubscribe", "subscription": "a" + "\u0301" * 100_000},
                    {"type": "a" + "\u0301" * 100_000}, {**PUBLISH, "\U0001f600" * 50_000: 1}):
        client.send(command)
        assert len(json.dumps(client.next(20))) < 2_000
