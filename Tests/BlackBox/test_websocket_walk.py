"""Random walks: many subscribe, stall, unsubscribe and leave while messages are published.

Whatever the order of it all, every subscription gets each message after its start once, in order.
`TICKERTAPE_SEED` replays the choices of a run (not the timing of the machine).
"""

import json
import os
import random
import threading
import time
import zlib
from collections import defaultdict

import pytest

from broker import topic_path
from frames import TEXT, RawWebSocket
from wire import encode_request

SEED = int(os.environ.get("TICKERTAPE_SEED", "0")) or random.SystemRandom().randrange(2**32)
TOPICS = [f"walk/{n}" for n in range(5)] + ["walk/a/b", "other"]
PATTERNS = ["walk/*", "walk/**", "**", "walk/0", "walk/3", "other", "walk/a/*", "none"]
MESSAGES = 4000
WALKERS = 12


def selects(pattern, topic):
    if pattern == "**" or pattern == topic:
        return True
    if pattern.endswith("/**"):
        return topic.startswith(pattern[:-2])
    return pattern.endswith("/*") and topic.rpartition("/")[0] == pattern[:-2]


class Heard:
    """One subscription as its client sees it."""

    def __init__(self, patterns, start):
        self.patterns, self.start = patterns, start
        self.head = self.caught_up = None
        self.cursor = 0
        self.messages = []

    def take(self, message):
        kind = message["type"]
        assert (kind == "subscribed") == (self.head is None), message
        if kind == "subscribed":
            self.head = message["head"]
            return
        last = self.messages[-1][0] if self.messages else 0
        if kind == "message":
            assert message["id"] > last, f"{message['id']} after {last}"
            self.messages.append((message["id"], message["topic"]))
        elif kind == "caught_up":
            assert self.caught_up is None and message["id"] >= last
            self.caught_up = message["id"]
        else:
            assert kind == "cursor" and message["id"] >= last, message
            self.cursor = message["id"]

    def check(self, log, through):
        """Everything selected after the start and up to `through` was heard, and nothing else."""
        selected = [(n, topic) for n, topic in log if any(selects(p, topic) for p in self.patterns)]
        heard = [message for message in self.messages if message[0] <= through]
        kind, value = self.start
        if kind == "tail":
            by_topic = defaultdict(list)
            for number, topic in selected:
                if number <= through:
                    by_topic[topic].append(number)
            for topic, numbers in by_topic.items():
                mine = [number for number, where in heard if where == topic]
                # The last of the topic when the tail was looked for, which is after `head`.
                assert mine == numbers[len(numbers) - len(mine):], (topic, "has a hole")
                assert self.caught_up is None or len(mine) >= min(value, len(numbers)), topic
                assert len([n for n in mine if n <= self.head]) <= value
        else:
            after = value if kind == "after" else self.head
            assert heard == [m for m in selected if after < m[0] <= through], (self.start, after)


class Walker(threading.Thread):
    def __init__(self, broker, known, seed):
        super().__init__(daemon=True)
        self.broker, self.known = broker, known
        self.random = random.Random(seed)
        self.is_over = threading.Event()
        self.finished = []  # (subscription, the id up to which it was followed)
        self.failure = None

    def run(self):
        try:
            while not self.is_over.is_set():
                self.walk()
        except Exception as error:  # Told to the test by the main thread.
            self.failure = error

    def walk(self):
        extensions = self.random.choice((None, "permessage-deflate"))
        with RawWebSocket(self.broker, extensions=extensions, timeout=60,
                          receive_buffer=self.random.choice((None, 4096))) as socket:
            self.open, self.count = {}, 0
            for _ in range(self.random.randrange(1, 40)):
                step = self.random.random()
                if step < 0.3 and len(self.open) < 20:
                    self.subscribe(socket)
                elif step < 0.4 and self.open:
                    self.unsubscribe(socket)
                elif step < 0.5:
                    time.sleep(self.random.uniform(0, 0.2))  # Reads nothing.
                else:
                    self.sync(socket)
            # To the end of what there is now, with all of them.
            goal = self.known[-1] if self.known else 0
            while any(self.reached(heard) < goal for heard in self.open.values()):
                self.read(socket)
            self.finished += [(heard, self.reached(heard)) for heard in self.open.values()
                              if heard.head is not None]

    def reached(self, heard):
        """How far a subscription is known to be."""
        last = heard.messages[-1][0] if heard.messages else 0
        return max(last, heard.caught_up or 0, heard.cursor)

    def subscribe(self, socket):
        name = f"s{self.count}"
        self.count += 1
        patterns = self.random.sample(PATTERNS, self.random.randrange(1, 3))
        start = self.random.choice((("live", 0), ("tail", self.random.randrange(1, 50)), (
            "after", self.random.choice(self.known) if self.known else 0), ("after", 0)))
        self.open[name] = Heard(patterns, start)
        command = {"type": "subscribe", "topics": patterns, "subscription": name}
        if start[0] != "live":
            command[start[0]] = start[1]
        socket.send_frame(TEXT, json.dumps(command))

    def unsubscribe(self, socket):
        name = self.random.choice(list(self.open))
        heard = self.open[name]
        socket.send_frame(TEXT, json.dumps({"type": "unsubscribe", "subscription": name}))
        while name in self.open:
            self.read(socket)
        self.finished.append((heard, self.reached(heard)))

    def sync(self, socket):
        """Reads what has come by now."""
        self.is_synced = False
        socket.send_frame(TEXT, '{"ref":"sync","type":"ping"}')
        while not self.is_synced:
            self.read(socket)

    def read(self, socket):
        frame = socket.message()
        payload = zlib.decompressobj(wbits=-15).decompress(
            frame.payload + b"\x00\x00\xff\xff") if frame.is_compressed else frame.payload
        message = json.loads(payload)
        if message.get("ref") == "sync":
            self.is_synced = True
        elif message["type"] == "unsubscribed":
            del self.open[message["subscription"]]
        elif message["type"] != "hello":
            self.open[message["subscription"]].take(message)


def publish(broker, log, known, choices):
    with broker.connect(30) as connection:
        while len(log) < MESSAGES:
            some = [(choices.choice(TOPICS), b"x" * choices.choice((0, 10, 300, 1000, 20_000)))
                    for _ in range(choices.choice((1, 1, 5, 40)))]
            connection.send(b"".join(
                encode_request("POST", topic_path(topic), data) for topic, data in some))
            for topic, _ in some:
                number = connection.response().json()["id"]
                log.append((number, topic))
                known.append(number)
            time.sleep(choices.choice((0, 0, 0.01, 0.05)))


@pytest.mark.timeout(120)
def test_every_subscription_hears_what_it_should_whatever_happens_around_it(start):
    print(f"TICKERTAPE_SEED={SEED}")
    broker = start("--heartbeat", 0.5)
    choices = random.Random(SEED)
    log, known = [], []
    walkers = [Walker(broker, known, choices.random()) for _ in range(WALKERS)]
    for walker in walkers:
        walker.start()
    publish(broker, log, known, choices)
    for walker in walkers:
        walker.is_over.set()
    for walker in walkers:
        walker.join(60)
        assert walker.failure is None, repr(walker.failure)
        assert not walker.is_alive()
    checked = [one for walker in walkers for one in walker.finished]
    count = sum(len(heard.messages) for heard, _ in checked)
    print(f"{len(checked)} subscriptions, {count} messages heard")
    for heard, through in checked:
        heard.check(log, through)
    assert len(checked) > 50
    broker.check_serving()
