"""One log behind every transport: ids and cursors of one are good for the others (§19.31)."""

import os
import random
import threading
from collections import Counter

import pytest

from frames import TEXT, RawWebSocket
from gateway import Gateway
from test_stock_prices import rows_by_symbol

SEED = int(os.environ.get("TICKERTAPE_SEED", "0")) or random.SystemRandom().randrange(2**32)
PATTERN = "stocks/*"


class Nomad(threading.Thread):
    """Follows all prices over one transport after the other; the last id is all it takes along."""

    def __init__(self, broker, total, seed):
        super().__init__(daemon=True)
        self.broker, self.total = broker, total
        self.random = random.Random(seed)
        self.heard = []
        self.stays = Counter()
        self.cursor = 0
        self.failure = None

    def run(self):
        try:
            while len(self.heard) < self.total:
                stay = self.random.choice((self.event_stream, self.websocket, self.history))
                self.stays[stay.__name__] += 1
                stay(self.random.choice((1, 7, 50, 400, 2000)))
        except Exception as error:  # Told to the test by the main thread.
            self.failure = error

    def keep(self, number, data):
        self.heard.append((number, data))
        self.cursor = number

    @property
    def is_done(self):
        return len(self.heard) >= self.total

    def event_stream(self, count):
        with self.broker.follow(PATTERN, after=self.cursor) as stream:
            for _ in range(count):
                event = stream.next(30)
                self.keep(event.id, event.data)
                if self.is_done:
                    return

    def websocket(self, count):
        compression = self.random.choice((None, "deflate"))
        with Gateway(self.broker, compression=compression) as client:
            client.subscribe(PATTERN, after=self.cursor)
            while count > 0 and not self.is_done:
                message = client.next(30)
                if message["type"] == "message":
                    self.keep(message["id"], message["data"])
                    count -= 1
                elif message["type"] in ("caught_up", "cursor"):
                    assert message["id"] >= self.cursor
                    self.cursor = message["id"]
                else:
                    raise AssertionError(message)

    def history(self, count):
        page = self.broker.page(PATTERN, after=self.cursor, limit=min(count, 1000), wait=5)
        assert "gap" not in page
        for message in page["messages"]:
            self.keep(message["id"], message["data"])
        self.cursor = max(self.cursor, page["next"])


def publish_rows(broker, symbol, rows, ids, by_http):
    """Half of the symbols over HTTP, half over a WebSocket, many at a time."""
    if by_http:
        numbers = broker.publish_all(f"stocks/{symbol}", [row.encode() for row in rows])
        ids.update(zip(numbers, rows))
        return
    with Gateway(broker) as client:
        for start in range(0, len(rows), 100):
            some = rows[start:start + 100]
            for n, row in enumerate(some, start):
                client.send({"ref": n, "type": "publish", "topic": f"stocks/{symbol}", "data": row})
            for n, row in enumerate(some, start):
                reply = client.reply(n, 30)
                assert reply["type"] == "published", reply
                ids[reply["id"]] = row


@pytest.mark.timeout(180)
def test_every_price_is_seen_once_by_those_who_change_the_transport_again_and_again(start):
    print(f"TICKERTAPE_SEED={SEED}")
    broker = start()
    symbols = rows_by_symbol()
    total = sum(map(len, symbols.values()))
    ids = {}
    nomads = [Nomad(broker, total, SEED + n) for n in range(4)]
    publishers = [
        threading.Thread(target=publish_rows, args=(broker, symbol, rows, ids, n % 2 == 0))
        for n, (symbol, rows) in enumerate(symbols.items())]
    for thread in nomads + publishers:
        thread.start()
    for publisher in publishers:
        publisher.join(120)
    for nomad in nomads:
        nomad.join(120)
    assert len(ids) == total
    expected = [(number, ids[number]) for number in sorted(ids)]
    for symbol, rows in symbols.items():
        assert [row for _, row in expected if row.startswith(f"{symbol},")] == rows
    for nomad in nomads:
        print(dict(nomad.stays))
        assert nomad.failure is None, repr(nomad.failure)
        assert nomad.heard == expected, next(
            (pair for pair in zip(nomad.heard, expected) if pair[0] != pair[1]), len(nomad.heard))
        assert len(nomad.stays) == 3


def test_a_websocket_goes_on_where_an_event_stream_stopped_and_back(broker, topic):
    numbers = broker.publish_all(topic, [b"%d" % n for n in range(30)])
    with broker.follow(topic, after=0) as stream:
        events = stream.take(10)
    with Gateway(broker) as client:
        client.subscribe(topic, after=events[-1].id)
        messages = client.take(10)
    with broker.follow(topic, last_id=messages[-1]["id"]) as stream:
        rest = stream.take(10)
    assert [e.id for e in events] + [m["id"] for m in messages] + [e.id for e in rest] == numbers


@pytest.mark.parametrize("cut", ["close", "reset", "half close"])
def test_who_is_cut_at_random_misses_nothing_and_gets_nothing_twice(broker, topic, cut):
    print(f"TICKERTAPE_SEED={SEED}")
    choices = random.Random(SEED)
    numbers = broker.publish_all(
        topic, [b"%d" % n * choices.randrange(1, 200) for n in range(1500)])
    heard, cursor = [], 0
    while len(heard) < len(numbers):
        client = Gateway(broker, compression=choices.choice((None, "deflate")))
        client.subscribe(topic, after=cursor)
        for _ in range(min(choices.randrange(1, 300), len(numbers) - len(heard))):
            heard.append(client.take(1)[0]["id"])
        cursor = heard[-1]
        if cut == "close":
            client.close()
        else:
            client.connection.socket.shutdown(1 if cut == "half close" else 2)
            client.connection.socket.close()
    assert heard == numbers


def test_the_event_stream_long_poll_and_websocket_hear_the_same_live(broker, topic):
    with broker.follow(topic) as stream, Gateway(broker) as client, RawWebSocket(broker) as raw:
        stream.opening()
        client.subscribe(topic)
        client.until_caught_up()
        raw.send_frame(TEXT, f'{{"type":"subscribe","topics":["{topic}"]}}')
        while b"caught_up" not in raw.message().payload:
            pass
        after = client.hello["head"]
        for n in range(100):
            number = broker.publish(topic, str(n)) if n % 2 else client.publish(topic, str(n))
            assert stream.next().id == client.take(1)[0]["id"] == number
            assert b'"id":%d,' % number in raw.message().payload
            page = broker.page(topic, after=after, wait=5)
            assert [m["id"] for m in page["messages"]] == [number]
            after = number
