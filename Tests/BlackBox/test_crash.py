"""SIGKILL under load, again and again: what was acknowledged stays, and nobody hears it wrong.

Eight publishers without pause, fifty subscribers that are cut at random and resume by their last
id, and a broker that is killed and started again on the same directory and port. Afterwards the
log, the acknowledgements and what every subscriber heard must tell the same story.

`TICKERTAPE_SEED` replays the choices of a run, `TICKERTAPE_CRASH_SECONDS` sets its length.
"""

import asyncio
import os
import random
from collections import Counter, defaultdict

import pytest

from load import TOPICS, Ledger, Publisher, Subscriber

SECONDS = float(os.environ.get("TICKERTAPE_CRASH_SECONDS", "25"))
SEED = int(os.environ.get("TICKERTAPE_SEED", "0")) or random.SystemRandom().randrange(2**32)
GATHERING_SECONDS = 60


def make_subscribers(broker, choices):
    patterns = ["crash/*"] * 4 + ["**"] * 2 + ["crash/**"] * 2
    patterns += [TOPICS[n % len(TOPICS)] for n in range(50 - len(patterns))]
    return [Subscriber(broker, pattern, choices.choice((0, None, None)), choices.random())
            for pattern in patterns]


async def storm(broker, choices, ledger, subscribers):
    """The load and the kills; ends when every subscriber has heard the last message."""
    stop = asyncio.Event()
    publishers = [Publisher(broker, ledger, f"p{n}", n % 2 == 0, choices.random())
                  for n in range(8)]
    publishing = [asyncio.create_task(publisher.run(stop)) for publisher in publishers]
    following = [asyncio.create_task(subscriber.run()) for subscriber in subscribers]
    kills = 0
    deadline = asyncio.get_running_loop().time() + SECONDS
    try:
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(choices.uniform(0.3, 4))
            if failed := [task for task in publishing + following if task.done()]:
                await failed[0]
            await asyncio.to_thread(broker.kill)
            kills += 1
            while choices.random() < 0.3:  # Killed while it starts and recovers, too.
                broker.spawn()
                await asyncio.sleep(choices.uniform(0, 0.1))
                await asyncio.to_thread(broker.kill)
                kills += 1
            await asyncio.to_thread(broker.start)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*publishing), 30)
        for subscriber in subscribers:
            subscriber.is_tireless = True
        for topic in TOPICS:
            final = await asyncio.to_thread(broker.publish, topic, f"final:{topic}")
            ledger.begin(f"final:{topic}", topic)
            ledger.acknowledge(f"final:{topic}", final)
        finals = {topic: ledger.acked[f"final:{topic}"] for topic in TOPICS}
        async with asyncio.timeout(GATHERING_SECONDS):
            while any(s.heard_through < finals.get(s.pattern, final) for s in subscribers):
                await asyncio.sleep(0.05)
    finally:
        for task in publishing + following:
            task.cancel()
        await asyncio.gather(*publishing, *following, return_exceptions=True)
    return kills


def check_log(ledger, log):
    """The log against what was sent and acknowledged."""
    ids = [message["id"] for message in log]
    assert all(one < two for one, two in zip(ids, ids[1:])), "ids do not strictly increase"
    by_id = {message["id"]: message for message in log}
    for payload, number in ledger.acked.items():
        assert number in by_id, f"{payload[:40]} was acked as {number} and is lost"
        assert by_id[number]["data"] == payload, f"{number} is another message than was acked"
    repeated = [p for p, n in Counter(message["data"] for message in log).items() if n > 1]
    assert not repeated, f"stored more than once: {[payload[:40] for payload in repeated]}"
    last_of = defaultdict(lambda: -1)
    for message in log:
        payload, number = message["data"], message["id"]
        assert payload in ledger.sent, f"{number} was invented: {payload[:80]!r}"
        topic, floor = ledger.sent[payload]
        assert message["topic"] == topic
        assert number > floor, f"{number} was begun after {floor} was acked"
        publisher, count, _ = payload.split(":", 2) if payload[0] == "p" else (payload, 0, "")
        assert int(count) > last_of[publisher], f"{publisher} is out of order at {number}"
        last_of[publisher] = int(count)


def check_subscriber(subscriber, log):
    """What one subscriber heard against the log: nothing twice, nothing missed, nothing else."""
    assert not subscriber.sins, (subscriber.pattern, subscriber.sins[:3])
    expected = [(message["id"], "message", message["data"]) for message in log
                if message["id"] > subscriber.start
                and subscriber.pattern in (message["topic"], "crash/*", "crash/**", "**")]
    if subscriber.events != expected:
        heard, wanted = [e[0] for e in subscriber.events], [e[0] for e in expected]
        raise AssertionError(
            f"{subscriber.pattern} from {subscriber.start}:"
            f" missed {sorted(set(wanted) - set(heard))[:5]},"
            f" heard twice {[n for n, c in Counter(heard).items() if c > 1][:5]},"
            f" heard beyond {sorted(set(heard) - set(wanted))[:5]}, of {len(wanted)}")


@pytest.mark.timeout(SECONDS + GATHERING_SECONDS + 120)
def test_nothing_acknowledged_or_delivered_is_lost_or_changed_by_being_killed(start):
    print(f"TICKERTAPE_SEED={SEED}")
    choices = random.Random(SEED)
    broker = start("--heartbeat", 1, "--retry", "0.1")
    ledger, subscribers = Ledger(), make_subscribers(broker, choices)
    kills = asyncio.run(storm(broker, choices, ledger, subscribers))
    log = broker.history()
    print(f"{kills} kills, {len(ledger.sent)} sent, {len(ledger.acked)} acked, {len(log)} stored,"
          f" {sum(len(s.events) for s in subscribers)} delivered over"
          f" {sum(s.connections for s in subscribers)} connections, {ledger.read_back} read back")
    assert not ledger.violations, ledger.violations[:5]
    check_log(ledger, log)
    for subscriber in subscribers:
        check_subscriber(subscriber, log)
    assert kills >= SECONDS / 5 and len(ledger.acked) > 100 * SECONDS

    assert broker.stop() == 0
    assert broker.sql("PRAGMA integrity_check") == [("ok",)]
    assert {n: row[3] for n, row in broker.stored().items()} == {m["id"]: m["data"] for m in log}
    broker.start()
    assert broker.history() == log
    assert broker.publish("crash/after", "x") > log[-1]["id"]
