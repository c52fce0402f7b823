"""SIGKILL under a crowd of WebSockets: each publishes, follows all, and resumes by its cursor.

In the end everyone has heard every acknowledged message once, in one order, and nothing else but
what was sent. What got no answer was sent again with its idempotency key, so it is there once.
`TICKERTAPE_LONG=1` makes the crowd ten times as large; `TICKERTAPE_SEED` replays the choices of a
run.
"""

import asyncio
import json
import os
import random
from collections import Counter

import pytest
import websockets
from websockets.asyncio.client import connect

IS_LONG = os.environ.get("TICKERTAPE_LONG") == "1"
CLIENTS = 500 if IS_LONG else 50
LINES = 6 if IS_LONG else 40
KILLS = 4
SEED = int(os.environ.get("TICKERTAPE_SEED", "0")) or random.SystemRandom().randrange(2**32)


class Talker:
    """One client of a chat: says its lines one after the other, hears everyone's."""

    def __init__(self, broker, name, seed):
        self.broker, self.name = broker, name
        self.random = random.Random(seed)
        self.cursor = 0
        self.heard = []
        self.acked = {}
        self.said = 0
        self.repeated = self.connections = 0
        self.sins = []

    async def run(self, total):
        url = f"ws://{self.broker.host}:{self.broker.port}/ws"
        while len(self.heard) < total or self.said < LINES:
            try:
                async with connect(
                        url, subprotocols=["tickertape.v1"], proxy=None, max_queue=None,
                        compression=self.random.choice((None, "deflate")),
                        open_timeout=20) as socket:
                    self.connections += 1
                    await self.talk(socket, total)
            except (OSError, websockets.ConnectionClosed, websockets.InvalidHandshake, TimeoutError,
                    EOFError):
                await asyncio.sleep(self.random.uniform(0.02, 0.1))

    async def talk(self, socket, total):
        await socket.send(json.dumps({"type": "subscribe", "topics": ["talk/*"],
                                      "after": self.cursor, "subscription": "all"}))
        await self.say(socket)
        while len(self.heard) < total or self.said < LINES:
            message = json.loads(await socket.recv())
            kind = message["type"]
            if kind == "published":
                self.repeated += message.get("repeated", False)
                self.acked[self.said] = message["id"]
                self.said += 1
                await self.say(socket)
            elif kind == "message":
                self.heard.append((message["id"], message["topic"], message["data"]))
                if message["id"] <= self.cursor:
                    self.sins.append(f"{message['id']} after {self.cursor}")
                self.cursor = message["id"]
            elif kind in ("caught_up", "cursor"):
                self.cursor = max(self.cursor, message["id"])
            elif kind == "error" and message.get("retry_after_seconds"):
                await asyncio.sleep(0.1)
                await self.say(socket)
            elif kind not in ("hello", "subscribed", "draining"):
                self.sins.append(message)

    async def say(self, socket):
        if self.said == LINES:
            return
        await asyncio.sleep(self.random.uniform(0, 0.15))
        await socket.send(json.dumps({
            "ref": self.said, "type": "publish", "topic": f"talk/{self.said % 3}",
            "data": f"{self.name}:{self.said}", "idempotency_key": f"{self.name}:{self.said}"}))


async def storm(broker, talkers, choices):
    total = CLIENTS * LINES
    running = [asyncio.create_task(talker.run(total)) for talker in talkers]
    try:
        for kill in range(1, KILLS + 1):
            # Spread over the conversation: each kill when so much of it was heard.
            while max(len(t.heard) for t in talkers) < total * kill // (KILLS + 1):
                if failed := [task for task in running if task.done()]:
                    await failed[0]
                await asyncio.sleep(0.02)
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(choices.uniform(0, 0.3))
            await asyncio.to_thread(broker.start)
        async with asyncio.timeout(180):
            await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@pytest.mark.timeout(420)
def test_a_crowd_hears_every_acknowledged_message_once_and_in_order_through_kills(start):
    print(f"TICKERTAPE_SEED={SEED}")
    choices = random.Random(SEED)
    broker = start()
    talkers = [Talker(broker, f"t{n}", choices.random()) for n in range(CLIENTS)]
    asyncio.run(storm(broker, talkers, choices))
    log = [(m["id"], m["topic"], m["data"]) for m in broker.history("talk/*")]
    print(f"{KILLS} kills, {len(log)} stored, {sum(len(t.heard) for t in talkers)} heard over"
          f" {sum(t.connections for t in talkers)} connections,"
          f" {sum(t.repeated for t in talkers)} repeats")
    sent = Counter(f"{talker.name}:{n}" for talker in talkers for n in range(LINES))
    assert Counter(data for _, _, data in log) == sent
    by_id = {number: data for number, _, data in log}
    for talker in talkers:
        assert not talker.sins, (talker.name, talker.sins[:3])
        assert len(talker.acked) == LINES
        numbers = [talker.acked[n] for n in range(LINES)]
        assert all(one < two for one, two in zip(numbers, numbers[1:]))
        assert [by_id[number] for number in numbers] == [f"{talker.name}:{n}" for n in range(LINES)]
        assert talker.heard == log, f"{talker.name} heard {len(talker.heard)} of {len(log)}"
    assert sum(talker.connections for talker in talkers) >= CLIENTS * KILLS * 0.9
    broker.check_serving()


@pytest.mark.timeout(120)
def test_lines_without_an_answer_are_sent_again_in_their_order(start):
    broker = start()

    async def run():
        url = f"ws://{broker.host}:{broker.port}/ws"
        unanswered = {n: None for n in range(3000)}
        ids, round_number = {}, 0
        while unanswered:
            round_number += 1
            try:
                async with connect(url, proxy=None, max_queue=None) as socket:
                    async def read():
                        async for text in socket:
                            message = json.loads(text)
                            if message["type"] == "published":
                                ids[message["ref"]] = message["id"]
                                unanswered.pop(message["ref"], None)
                                if not unanswered:
                                    return

                    reading = asyncio.create_task(read())
                    for n in list(unanswered):
                        await socket.send(json.dumps({"ref": n, "type": "publish", "topic": "a",
                                                      "data": str(n), "idempotency_key": str(n)}))
                        if round_number < 3 and len(ids) > 700 * round_number:
                            await asyncio.to_thread(broker.kill)
                            break
                    await reading
            except (OSError, websockets.ConnectionClosed):
                pass
            if not broker.is_running:
                await asyncio.to_thread(broker.start)
        return [ids[n] for n in range(3000)]

    ids = asyncio.run(run())
    assert all(one < two for one, two in zip(ids, ids[1:]))
    assert [(m["id"], m["data"]) for m in broker.history("a")] == [
        (number, str(n)) for n, number in enumerate(ids)]
