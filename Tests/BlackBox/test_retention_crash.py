"""SIGKILL in the middle of retention, again and again: nothing is wrong afterwards.

Publishers without pause on topics that policies cut by messages, by bytes and by age, and on one
that keeps everything; a broker that is killed and started again on the same directory. After each
kill the copied files tell what a start must find. `TICKERTAPE_SEED` replays the choices of a run.
"""

import os
import random
import shutil
import sqlite3
import threading
import time

import pytest

from broker import Broker, topic_path, wait_for
from wire import encode_request

SEED = int(os.environ.get("TICKERTAPE_SEED", "0")) or random.SystemRandom().randrange(2**32)
KILLS = int(os.environ.get("TICKERTAPE_RETENTION_KILLS", "8"))
TOPICS = ("cut/messages", "cut/bytes", "cut/age", "kept/all")
BYTES_MAX = 20_000
POLICIES = (
    "INSERT INTO policies (pattern, max_messages) VALUES ('cut/messages', 500)",
    f"INSERT INTO policies (pattern, max_bytes) VALUES ('cut/bytes', {BYTES_MAX})",
    "INSERT INTO policies (pattern, max_age_seconds) VALUES ('cut/age', 1)",
)
# What is there for readers, topic by topic.
VISIBLE = """
    SELECT name, count(messages.id), coalesce(sum(length(data)), 0), min(messages.id),
        removed_through, message_count, byte_count
    FROM topics LEFT JOIN messages ON topic_id = topics.id AND messages.id > purged_through
    GROUP BY topics.id ORDER BY name"""


class Publisher(threading.Thread):
    """Publishes to one topic over one connection until the broker is gone; keeps what was acked."""

    def __init__(self, broker, topic, acked):
        super().__init__(daemon=True)
        self.broker, self.topic, self.acked = broker, topic, acked

    def run(self):
        # Few at a time: the more commits, the more places to be killed at.
        payloads = [b"%06d" % number + b"x" * (number % 60) for number in range(8)]
        batch = b"".join(
            encode_request("POST", topic_path(self.topic), payload) for payload in payloads)
        try:
            with self.broker.connect(10) as connection:
                while True:
                    connection.send(batch)
                    for payload in payloads:
                        response = connection.response()
                        if response.status != 201:
                            return
                        self.acked[response.json()["id"]] = payload.decode()
        except (OSError, EOFError, AssertionError, ValueError):
            return  # It was killed.


def read_copy(broker, folder):
    """What the files of a killed broker hold, without touching them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for suffix in ("", "-wal"):
        source = broker.database.with_name(broker.database.name + suffix)
        if source.exists():
            shutil.copy(source, folder / source.name)
    connection = sqlite3.connect(folder / broker.database.name)
    try:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        return {row[0]: row[1:] for row in connection.execute(VISIBLE)}
    finally:
        connection.close()


def check_topic(broker, topic, acked, floor):
    """Everything acked and not cut is there; what is cut is the oldest, and is told as a gap."""
    history = broker.history(topic)
    ids = [message["id"] for message in history]
    first = broker.page(topic, limit=1)
    gap = first.get("gap")
    lost = [number for number in acked if number > floor and number not in set(ids)]
    if gap is None:
        assert not lost, (topic, lost[:5])
        return
    assert gap["reason"] == "retention" and gap["resumed"] == first["messages"][0]["id"]
    assert all(number < first["messages"][0]["id"] for number in lost), (topic, lost[:5])
    by_id = {message["id"]: message["data"] for message in history}
    assert all(by_id[number] == acked[number] for number in acked if number in by_id)


@pytest.mark.timeout(240)
def test_a_kill_in_the_middle_of_retention_leaves_nothing_wrong(start, tmp_path):
    print(f"TICKERTAPE_SEED={SEED}")
    choices = random.Random(SEED)
    broker = start()
    assert broker.stop() == 0
    broker.sql(*POLICIES)
    broker.start()
    acked = {topic: {} for topic in TOPICS}
    removed = {topic: 0 for topic in TOPICS}
    for kill in range(KILLS):
        publishers = [Publisher(broker, topic, acked[topic]) for topic in TOPICS]
        for publisher in publishers:
            publisher.start()
        time.sleep(choices.uniform(0.2, 1.8))
        broker.kill()
        for publisher in publishers:
            publisher.join(15)
        found = read_copy(broker, tmp_path / "copy")
        broker.start()
        assert broker.ready_count == sum(row[0] for row in found.values()), (kill, found)
        for topic, row in found.items():
            assert row[3] >= removed[topic], "what was removed is not forgotten"
            removed[topic] = row[3]
            if row[3]:
                assert row[2] is None or row[2] > row[3], "only the oldest were removed"
    assert removed["kept/all"] == 0 and all(removed[topic] for topic in TOPICS if "cut" in topic)
    for topic in TOPICS:
        check_topic(broker, topic, acked[topic], removed[topic])

    def is_cut():
        return (len(broker.history("cut/messages")) <= 500 and not broker.history("cut/age")
                and sum(len(m["data"]) for m in broker.history("cut/bytes")) <= BYTES_MAX)

    wait_for(is_cut, 30, "what policies do not keep to be removed")
    broker.check_serving()
    assert broker.stop() == 0
    for name, count, size, _, _, counted, counted_bytes in broker.sql(VISIBLE):
        assert (count, size) == (counted, counted_bytes), name
    assert broker.sql("PRAGMA integrity_check") == [("ok",)]
