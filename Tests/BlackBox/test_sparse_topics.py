"""A few messages among very many others: found by every kind of read, and soon."""

import time

import pytest

from broker import Broker, topic_path
from wire import encode_request

OTHERS = 30_000


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A broker whose log has three messages under rare/ among tens of thousands; their ids."""
    own = Broker(tmp_path_factory.mktemp("sparse"), "--heartbeat", "1").start()
    rare = [own.publish("rare/a", "first")]
    own.publish_all("common/a", [b"x"] * OTHERS)
    rare.append(own.publish("rare/b", "middle"))
    own.publish_all("common/b", [b"y"] * OTHERS)
    rare.append(own.publish("rare/a", "last"))
    own.publish_all("common/c", [b"z"] * 1000)
    yield own, rare
    own.kill()


def test_a_replay_finds_them_all_in_order_and_goes_on_live(log):
    own, rare = log
    with own.follow("rare/*", 0) as stream, own.follow("rare/**", 0) as deep:
        assert [event.id for event in stream.take(3)] == rare
        assert [event.id for event in deep.take(3)] == rare
        live = own.publish("rare/c", "live")
        assert (stream.next().id, deep.next().id) == (live, live)


def test_pages_of_history_find_them_all(log):
    own, rare = log
    assert [m["id"] for m in own.history("rare/*") if m["topic"] != "rare/c"] == rare
    assert [m["id"] for m in own.history("rare/b")] == rare[1:2]


@pytest.mark.parametrize("after", [0, 1])
def test_a_waiting_read_goes_on_looking_instead_of_waiting(log, after):
    own, rare = log
    began = time.monotonic()
    page = own.page("rare/*", after=rare[after], limit=1, wait=20)
    assert [m["id"] for m in page["messages"]] == [rare[after + 1]]
    assert time.monotonic() - began < 3


def test_tail_finds_the_last_of_each_topic(log):
    own, rare = log
    with own.stream("/events?tail=1&topic=rare/a&topic=rare/b&topic=common/a") as stream:
        assert [event.id for event in stream.take(3)] == [OTHERS + 1, rare[1], rare[2]]


def test_a_whole_log_is_replayed_in_order_without_loss(log):
    own, rare = log
    head = own.history("**", after=rare[2])[-1]["id"]
    with own.follow("**", 0) as stream:
        events = stream.take(2 * OTHERS + 1003, 30)
        assert [event.id for event in events] == list(range(1, 2 * OTHERS + 1004))
        assert head >= events[-1].id


def test_publishing_is_not_held_up_by_replays(log):
    own, _ = log
    with own.connect() as publisher:
        streams = [own.follow("rare/*", 0) for _ in range(20)]
        slowest = 0
        for n in range(50):
            began = time.monotonic()
            publisher.send(encode_request("POST", topic_path("meanwhile"), b"%d" % n))
            assert publisher.response().status == 201
            slowest = max(slowest, time.monotonic() - began)
        for stream in streams:
            stream.take(3)
            stream.close()
    assert slowest < 1
