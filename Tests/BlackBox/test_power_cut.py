"""A power cut: what was acknowledged or delivered survives the loss of all that was not synced.

The broker runs with a library that records every write to the log's files until the next sync.
It is killed under load, the recorded writes are undone (wholly, in part or not at all, as a real
disk would have it), and the broker is started on what is left.
"""

import os
import random
import threading

import pytest

from broker import Broker
from disk import FaultyDisk, Hammer, build_library
from wire import Closed

ROUNDS = 8
SEED = int(os.environ.get("TICKERTAPE_SEED", "0")) or random.SystemRandom().randrange(2**32)


class Listener(threading.Thread):
    """Keeps everything that was delivered until the connection breaks."""

    def __init__(self, broker, pattern):
        super().__init__(daemon=True)
        self.stream = broker.follow(pattern)
        self.stream.opening()
        self.heard = {}

    def run(self):
        try:
            while True:
                event = self.stream.next(30)
                self.heard[event.id] = event.data
        except (Closed, OSError):
            self.stream.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("sync_ms", [0, 5, 30])
def test_acked_and_delivered_messages_survive_a_power_cut(tmp_path, start, sync_ms):
    print(f"TICKERTAPE_SEED={SEED}")
    choices = random.Random(SEED + sync_ms)
    library = build_library(tmp_path)
    data = tmp_path / "data"
    known, undone = {}, 0
    for round_number in range(ROUNDS // 2 if sync_ms else ROUNDS):
        disk = FaultyDisk(tmp_path / f"disk-{round_number}", library)
        settings = {"sync_ms": sync_ms} if sync_ms else {}
        broker = disk.broker(data, record=1, **settings)
        start.track(broker)
        broker.start()
        highest = max(known, default=0)
        listener = Listener(broker, "cut/*")
        listener.start()
        with Hammer(broker, [f"cut/{round_number}-{n}" for n in range(4)]) as hammer:
            hammer.stopping.wait(choices.uniform(0.2, 1.2))  # The moment of the cut is random.
            broker.kill()
        listener.join(20)
        assert (disk.directory / "record-tickertape.db-wal").exists(), "the library was not used"
        undone += disk.cut_power(data, choices.random())
        acked = {number: text for text, number in hammer.acked.items()}
        assert len(acked) > 5 and not hammer.refused
        assert all(number > highest for number in acked), "an id was given a second time"
        for number, text in listener.heard.items():
            assert acked.setdefault(number, text) == text
            assert number > highest
        known |= acked

        survivor = Broker(data)
        start.track(survivor)
        survivor.start()
        stored = {message["id"]: message["data"] for message in survivor.history("cut/*")}
        lost = {number for number, text in known.items() if stored.get(number) != text}
        assert not lost, f"{len(lost)} of {len(known)} are lost: {sorted(lost)[:5]}"
        known = stored
        assert survivor.stop() == 0
        assert survivor.sql("PRAGMA integrity_check") == [("ok",)]
    assert undone > 0, "no kill fell between a write and its sync: nothing was tested"
