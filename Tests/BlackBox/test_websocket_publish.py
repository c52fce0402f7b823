"""Publishing over a WebSocket: acknowledged after the commit, in order, once (§19.15)."""

import json
import threading

import pytest

from broker import wait_for
from gateway import Gateway
from test_event_data import FORGERIES, TEXTS

MEBIBYTE = 1_048_576


@pytest.fixture
def client(broker):
    with Gateway(broker) as running:
        yield running


def test_a_publish_is_answered_with_its_id_and_stored(broker, topic, client):
    reply = client.ask("publish", topic=topic, data="hi", event="line", key="k")
    assert reply == {"ref": 1, "type": "published", "id": reply["id"], "topic": topic}
    stored = broker.message(topic, reply["id"]).json()
    assert (stored["data"], stored["event"], stored["key"]) == ("hi", "line", "k")


def test_empty_members_are_as_good_as_none(broker, topic, client):
    number = client.publish(topic, "", event="", key="")
    stored = broker.message(topic, number).json()
    assert stored["data"] == "" and "event" not in stored and "key" not in stored
    assert client.ask("publish", topic=topic, data="x", event=None, key=None,
                      idempotency_key=None)["type"] == "published"


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_is_stored_as_it_is(broker, topic, client, name):
    number = client.publish(topic, TEXTS[name])
    assert broker.message(topic, number).json()["data"] == TEXTS[name]


def test_forgeries_stay_data(broker, topic, client):
    for text in [*FORGERIES, '"}', '","type":"published', "\\u0000", "\r\n\r\n"]:
        number = client.publish(topic, text)
        assert broker.message(topic, number).json()["data"] == text


def test_escapes_of_json_are_read(broker, topic, client):
    client.send('{"ref":1,"type":"publish","topic":' + json.dumps(topic)
                + r',"data":"\u0041\ud83d\ude00\n\/\"\\\u0000"}')
    number = client.reply(1)["id"]
    assert broker.message(topic, number).json()["data"] == 'A\U0001f600\n/"\\\0'


def test_1000_publishes_in_one_go_get_increasing_ids_in_the_order_sent(broker, topic, client):
    client.subscribe(topic, subscription="s")
    for n in range(1000):
        client.send({"ref": f"p{n}", "type": "publish", "topic": topic, "data": str(n)})
    published, heard = {}, []
    while len(published) < 1000 or len(heard) < 1000:
        message = client.next(30)
        if message["type"] == "published":
            assert message["ref"] not in published
            published[message["ref"]] = message["id"]
        elif message["type"] == "message":
            heard.append((message["id"], message["data"]))
    in_order = [published[f"p{n}"] for n in range(1000)]
    assert all(one < two for one, two in zip(in_order, in_order[1:]))
    assert heard == [(number, str(n)) for n, number in enumerate(in_order)]
    assert [(m["id"], m["data"]) for m in broker.history(topic)] == heard


def test_many_at_once_each_keep_their_order(broker, topic):
    def publish(name):
        with Gateway(broker) as one:
            for n in range(200):
                one.send({"ref": n, "type": "publish", "topic": topic, "data": f"{name}:{n}"})
            for n in range(200):
                assert one.reply(n, 30)["type"] == "published"

    threads = [threading.Thread(target=publish, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    stored = [m["data"].split(":") for m in broker.history(topic)]
    assert len(stored) == 1600
    for name in range(8):
        assert [int(n) for who, n in stored if who == str(name)] == list(range(200))


def test_a_repeat_gets_the_first_id(broker, topic, client):
    first = client.publish(topic, "x", event="e", key="k", idempotency_key="once")
    reply = client.ask("publish", topic=topic, data="x", event="e", key="k", idempotency_key="once")
    assert reply == {"ref": 2, "type": "published", "id": first, "topic": topic, "repeated": True}
    assert len(broker.history(topic)) == 1


def test_the_key_with_other_content_is_refused(broker, topic, client):
    client.publish(topic, "x", idempotency_key="once")
    for other in ({"data": "y"}, {"data": "x", "event": "e"}, {"data": "x", "key": "k"}):
        reply = client.ask("publish", topic=topic, idempotency_key="once", **other)
        assert (reply["type"], reply["code"]) == ("error", "idempotency_key_reused")
    assert len(broker.history(topic)) == 1
    assert client.publish(topic + "/other", "y", idempotency_key="once")


def test_keys_are_the_same_over_http_and_websockets(broker, topic, client):
    first = broker.publish(topic, "x", {"Idempotency-Key": "shared"})
    reply = client.ask("publish", topic=topic, data="x", idempotency_key="shared")
    assert (reply["id"], reply["repeated"]) == (first, True)
    second = client.publish(topic, "y", idempotency_key="back")
    response = broker.post(topic, "y", {"Idempotency-Key": "back"})
    assert (response.status, response.json()["id"]) == (200, second)


def test_repeats_that_overlap_are_stored_once(broker, topic, client):
    for n in range(100):
        client.send({"ref": n, "type": "publish", "topic": topic, "data": "x",
                     "idempotency_key": "same"})
    replies = [client.reply(n) for n in range(100)]
    assert len({reply["id"] for reply in replies}) == 1
    assert sum("repeated" not in reply for reply in replies) == 1


@pytest.mark.parametrize("character", ["x", "é", "\x01", "\U0001f600"])
def test_data_of_exactly_the_limit_passes_and_one_byte_more_does_not(
        broker, topic, client, character):
    size = len(character.encode())
    text = character * (MEBIBYTE // size)
    number = client.publish(topic, text)  # As `\u00e9` and so on: up to six bytes a byte.
    assert broker.message(topic, number).json()["data"] == text
    reply = client.ask("publish", topic=topic, data=text + "x")
    assert (reply["type"], reply["code"]) == ("error", "message_too_large")
    client.check_alive()


def test_what_was_acknowledged_can_be_read_at_once(broker, topic, client):
    for n in range(50):
        number = client.publish(topic, str(n))
        assert broker.message(topic, number).json()["data"] == str(n)


def test_the_publisher_hears_itself(broker, topic, client):
    client.subscribe(topic)
    number = client.publish(topic, "mine")
    assert client.take(1)[0]["id"] == number


def test_a_publish_to_an_empty_queue_is_answered_also_when_the_client_is_gone(broker, topic):
    client = Gateway(broker)
    for n in range(100):
        client.send({"type": "publish", "topic": topic, "data": str(n)})
    client.connection.socket.close()
    wait_for(lambda: broker.is_healthy)
    stored = [int(m["data"]) for m in broker.history(topic)]
    assert stored == list(range(len(stored)))
