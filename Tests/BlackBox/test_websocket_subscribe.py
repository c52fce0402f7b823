"""Subscriptions over a WebSocket: where they start, what they carry, how they end (§19.9 on)."""

import json
import re

import pytest

from broker import topic_path
from gateway import Gateway
from test_event_data import FORGERIES, TEXTS

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def client(broker):
    with Gateway(broker) as running:
        yield running


def datas(messages):
    return [message["data"] for message in messages]


def ids(messages):
    return [message["id"] for message in messages]


def test_a_live_subscription_carries_what_is_committed_from_now_on(broker, topic, client):
    head = broker.publish(topic, "before")
    reply = client.ask("subscribe", topics=[topic], subscription="mine")
    assert reply == {"ref": 1, "type": "subscribed", "subscription": "mine", "head": head}
    assert client.next() == {"type": "caught_up", "subscription": "mine", "id": head}
    plain = broker.publish(topic, "plain")
    full = broker.publish(topic, "full", event="line", key="k")
    one, two = client.take(2)
    assert TIME.fullmatch(one["time"]) and one["time"] <= two["time"]
    assert one == {"type": "message", "subscription": "mine", "id": plain, "topic": topic,
                   "time": one["time"], "data": "plain"}
    assert two == {"type": "message", "subscription": "mine", "id": full, "topic": topic,
                   "time": two["time"], "event": "line", "key": "k", "data": "full"}
    assert two["time"] == broker.message(topic, full).json()["time"]
    assert client.sync() == []


@pytest.mark.parametrize("form", [int, str])
def test_after_replays_what_came_after_and_goes_on_live(broker, topic, client, form):
    numbers = broker.publish_all(topic, [b"%d" % n for n in range(20)])
    client.subscribe(topic, after=form(numbers[4]))
    replayed, through = client.until_caught_up()
    assert datas(replayed) == [str(n) for n in range(5, 20)]
    assert ids(replayed) == numbers[5:] and through >= numbers[-1]
    broker.publish(topic, "live")
    assert client.take(1)[0]["data"] == "live"
    assert client.sync() == []


def test_after_0_is_the_beginning_and_the_head_is_the_end(broker, topic, client):
    numbers = broker.publish_all(topic, [b"a", b"b"])
    client.subscribe(topic, after=0, subscription="all")
    assert datas(client.until_caught_up()[0]) == ["a", "b"]
    client.subscribe(topic, after=numbers[-1], subscription="none")
    assert client.until_caught_up() == ([], numbers[-1])


def test_after_wins_over_tail(broker, topic, client):
    numbers = broker.publish_all(topic, [b"a", b"b", b"c"])
    client.subscribe(topic, after=numbers[0], tail=1)
    assert datas(client.until_caught_up()[0]) == ["b", "c"]


def test_tail_is_the_last_of_each_topic(broker, topic, client):
    for n in range(12):
        broker.publish(f"{topic}/{n % 3}", str(n))
    client.subscribe(f"{topic}/*", tail=2)
    assert datas(client.until_caught_up()[0]) == ["6", "7", "8", "9", "10", "11"]
    broker.publish(f"{topic}/0", "live")
    assert datas(client.take(1)) == ["live"]


def test_tail_0_is_live(broker, topic, client):
    head = broker.publish(topic, "before")
    client.subscribe(topic, tail=0)
    assert client.until_caught_up() == ([], head)


@pytest.mark.parametrize("cursor", ["abc", "", "-1", "1.5", "0x10", " 1"])
def test_a_string_that_is_no_number_is_a_gap_of_reason_unknown(broker, topic, client, cursor):
    head = broker.publish(topic, "before")
    client.subscribe(topic, after=cursor, subscription="s")
    gap = {"type": "gap", "subscription": "s", "after": None, "resumed": head, "reason": "unknown"}
    assert client.until_caught_up() == ([gap], head)
    broker.publish(topic, "live")
    assert datas(client.take(1)) == ["live"]


@pytest.mark.parametrize("ahead", [1, 10**6, 2**63 - 1, 2**63, str(2**63), "9" * 40])
def test_a_cursor_ahead_of_the_log_is_a_gap_of_reason_reset(broker, topic, client, ahead):
    head = broker.publish(topic, "before")
    cursor = head + ahead if isinstance(ahead, int) and ahead <= 10**6 else ahead
    client.subscribe(topic, after=cursor)
    (gap,), through = client.until_caught_up()
    assert gap == {"type": "gap", "subscription": "1", "after": min(int(cursor), 2**63 - 1),
                   "resumed": head, "reason": "reset"}
    assert through == head
    broker.publish(topic, "live")
    assert datas(client.take(1)) == ["live"]


def test_removed_messages_are_a_gap_of_reason_retention(start):
    own = start()
    numbers = own.publish_all("a", [b"%d" % n for n in range(10)])
    own.stop()
    own.sql(f"DELETE FROM messages WHERE id <= {numbers[3]}")
    own.start()
    with Gateway(own) as client:
        client.subscribe("a", after=0, subscription="from the beginning")
        (gap, *messages), _ = client.until_caught_up()
        assert gap == {"type": "gap", "subscription": "from the beginning", "after": 0,
                       "resumed": numbers[4], "reason": "retention"}
        assert ids(messages) == numbers[4:]
        client.subscribe("a", after=numbers[3], subscription="behind it")
        assert ids(client.until_caught_up()[0]) == numbers[4:]


def test_every_subscription_gets_a_message_once(broker, topic, client):
    patterns = [[topic], [topic, topic.rpartition("/")[0] + "/*", "**"], ["**"]]
    names = [client.subscribe(*chosen) for chosen in patterns]
    numbers = broker.publish_all(topic, [b"%d" % n for n in range(50)])
    heard = {name: [] for name in names}
    for message in client.take(150):
        heard[message["subscription"]].append(message["id"])
    assert heard == {name: numbers for name in names}
    assert [m for m in client.sync() if m["type"] == "message"] == []


def test_subscriptions_without_a_name_are_numbered(broker, topic, client):
    assert client.subscribe(topic, subscription="2") == "2"
    assert client.subscribe(topic) == "1"
    assert client.subscribe(topic) == "3"
    with Gateway(broker) as other:
        assert other.subscribe(topic) == "1"


@pytest.mark.parametrize("name", ["x", "x" * 64, "é" * 32, "rooms/1 'quoted' \"twice\" \\", "🎉"])
def test_a_name_is_any_text_of_64_bytes(broker, topic, client, name):
    assert client.subscribe(topic, subscription=name) == name
    broker.publish(topic, "x")
    assert client.take(1)[0]["subscription"] == name
    assert client.ask("unsubscribe", subscription=name)["type"] == "unsubscribed"


def test_after_unsubscribe_nothing_comes_and_the_name_is_free(broker, topic, client):
    client.subscribe(topic, subscription="one")
    client.subscribe(topic, subscription="two")
    reply = client.ask("unsubscribe", subscription="one")
    assert reply == {"ref": 3, "type": "unsubscribed", "subscription": "one"}
    client.pending.clear()
    number = broker.publish(topic, "x")
    assert [(m["subscription"], m["id"]) for m in client.take(1)] == [("two", number)]
    assert client.sync() == []
    client.subscribe(topic, subscription="one", after=number - 1)
    assert ids(client.until_caught_up()[0]) == [number]


def test_a_subscription_can_end_while_it_replays(broker, topic, client):
    broker.publish_all(topic, [b"x" * 1000] * 2000)
    client.subscribe(topic, after=0, subscription="long")
    client.ask("unsubscribe", subscription="long")
    assert all(m["type"] in ("message", "caught_up") for m in client.pending)
    client.pending.clear()
    assert client.sync() == []


def test_a_long_replay_and_what_is_published_meanwhile_join_without_a_gap(broker, topic, client):
    numbers = broker.publish_all(topic, [b"%d" % n for n in range(3000)])
    client.subscribe(topic, after=0)
    numbers += broker.publish_all(topic, [b"%d" % n for n in range(3000, 3500)])
    messages = client.take(3500, timeout=30)
    assert ids(messages) == numbers
    assert datas(messages) == [str(n) for n in range(3500)]
    assert len([m for m in client.sync() if m["type"] == "caught_up"]) == 1


def test_caught_up_comes_once_for_each_subscription(broker, topic, client):
    broker.publish_all(topic, [b"x"] * 30)
    names = [client.subscribe(topic, after=0), client.subscribe(topic, tail=3),
             client.subscribe(topic), client.subscribe(topic + "/none", after=0)]
    seen = []
    while len(seen) < 4:
        seen.append(client.next_of("caught_up")["subscription"])
    assert sorted(seen) == sorted(names)
    broker.publish_all(topic, [b"x"] * 30)
    client.take(33 + 60 + 30)
    assert [m for m in client.sync() if m["type"] == "caught_up"] == []


def test_data_arrives_exactly_as_it_was_published(broker, topic, client):
    texts = [*TEXTS.values(), *FORGERIES, "a\rb\r\nc\n", "\x00\x01\x1f\x7f", "\ufeff\u2028\u2029"]
    client.subscribe(topic)
    for text in texts:
        broker.publish(topic, text)
        assert client.take(1, timeout=20)[0]["data"] == text
    with Gateway(broker) as late:
        late.subscribe(topic, after=0)
        assert datas(late.until_caught_up(60)[0]) == texts


def test_topics_and_keys_outside_ascii_arrive_as_they_are(broker, client):
    client.subscribe("新闻/*")
    broker.publish('新闻/"quoted"\\', "x", event="行", key="ключ\"\\")
    message, = client.take(1)
    assert (message["topic"], message["event"], message["key"]) == (
        '新闻/"quoted"\\', "行", "ключ\"\\")


def test_a_cursor_is_told_when_the_patterns_passed_over_messages(start):
    own = start("--heartbeat", 1)
    with Gateway(own) as client:
        client.subscribe("mine", subscription="s")
        client.until_caught_up()
        passed = own.publish("others", "x")
        assert client.next(5) == {"type": "cursor", "subscription": "s", "id": passed}
        client.subscribe("mine", after=passed, subscription="again")
        assert client.until_caught_up() == ([], passed)


def test_128_patterns_are_one_subscription(broker, topic, client):
    topics = [f"{topic}/{n}" for n in range(128)]
    client.subscribe(*topics)
    for name in (topics[0], topics[127]):
        number = broker.publish(name, "x")
        assert ids(client.take(1)) == [number]


def test_128_subscriptions_are_one_connection(broker, topic, client):
    names = [client.subscribe(topic, subscription=f"s{n}") for n in range(128)]
    number = broker.publish(topic, "x")
    assert sorted((m["subscription"], m["id"]) for m in client.take(128)) == sorted(
        (name, number) for name in names)
    assert client.ask("subscribe", topics=[topic])["code"] == "too_many_subscriptions"
    client.ask("unsubscribe", subscription="s5")
    client.subscribe(topic)


def test_it_is_what_history_has(broker, topic, client):
    for n in range(10):
        broker.publish(topic, f'{{"n":{n}}}', event="e" if n % 2 else None, key=f"k{n}")
    client.subscribe(topic, after=0)
    messages, _ = client.until_caught_up()
    for message in messages:
        assert (message.pop("type"), message.pop("subscription")) == ("message", "1")
    assert messages == broker.history(topic)
    answer = broker.request("GET", topic_path(topic, after=0))
    assert json.loads(answer.body)["messages"] == messages
