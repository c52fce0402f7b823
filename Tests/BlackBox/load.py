"""Publishers and subscribers for the crash test, and the ledger of what they saw.

Everything runs on one asyncio loop; a connection that breaks is opened again at once.
"""

import asyncio
import random

from broker import topic_path
from sse import Reader
from wire import ChunkDecoder, encode_request, parse_head

TOPICS = [f"crash/{n}" for n in range(8)]


class Ledger:
    """What was sent and what was acknowledged, in the order in which we know it."""

    def __init__(self):
        # payload -> (topic, the highest id acknowledged before the publish was begun)
        self.sent = {}
        # payload -> id
        self.acked = {}
        self.highest_acked = 0
        self.read_back = 0
        self.violations = []

    def begin(self, payload, topic):
        self.sent[payload] = (topic, self.highest_acked)

    def acknowledge(self, payload, number):
        topic, floor = self.sent[payload]
        if number <= floor:
            self.violations.append(f"{payload} got {number}, but was begun after {floor} was acked")
        if payload in self.acked:
            self.violations.append(f"{payload} was acknowledged twice")
        self.acked[payload] = number
        self.highest_acked = max(self.highest_acked, number)


class Publisher:
    """Publishes one message after the other; with `is_keyed` it retries until it has an answer."""

    def __init__(self, broker, ledger, name, is_keyed, seed):
        self.broker, self.ledger, self.name, self.is_keyed = broker, ledger, name, is_keyed
        self.random = random.Random(seed)
        self.count = 0
        self.pending = None

    async def run(self, stop):
        while not stop.is_set():
            try:
                reader, writer = await asyncio.open_connection(self.broker.host, self.broker.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            try:
                while not stop.is_set() or (self.is_keyed and self.pending):
                    await self.publish_one(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                if not self.is_keyed:
                    self.pending = None  # Nobody knows what became of it; it is not sent again.
            finally:
                writer.transport.abort()

    async def publish_one(self, reader, writer):
        if self.pending is None:
            topic = self.random.choice(TOPICS)
            filler = "é" * self.random.choice((0, 3, 30, 300, 3000))
            self.pending = (f"{self.name}:{self.count}:{filler}", topic)
            self.count += 1
            self.ledger.begin(*self.pending)
        payload, topic = self.pending
        headers = {"Idempotency-Key": payload.rpartition(":")[0]} if self.is_keyed else {}
        response = await self.ask(reader, writer, encode_request(
            "POST", topic_path(topic), payload.encode("utf-8"), headers))
        if response.status not in ((200, 201) if self.is_keyed else (201,)):
            raise AssertionError(f"a publish was answered {response.status} {response.body[:200]}")
        number = response.json()["id"]
        self.pending = None
        self.ledger.acknowledge(payload, number)
        if self.random.random() < 0.05:
            response = await self.ask(reader, writer, encode_request(
                "GET", topic_path(topic, f"messages/{number}")))
            self.ledger.read_back += 1
            if response.status != 200 or response.json()["data"] != payload:
                self.ledger.violations.append(f"{number} was acked but read {response.status}")

    async def ask(self, reader, writer, request):
        writer.write(request)
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            response = parse_head(head[:-4])
            response.body = await reader.readexactly(int(response.header("content-length")))
        return response


class StreamProtocol(asyncio.Protocol):
    """One connection of a subscriber."""

    def __init__(self, request, keep):
        self.request, self.keep = request, keep
        self.head = b""
        self.status = None
        self.decoder, self.reader = ChunkDecoder(), Reader()
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data):
        if self.status is None:
            self.head += data
            if b"\r\n\r\n" not in self.head:
                return
            head, _, data = self.head.partition(b"\r\n\r\n")
            self.status = parse_head(head).status
        for event in self.reader.feed(self.decoder.feed(data)):
            self.keep((event.id, event.event, event.data))

    def connection_lost(self, _):
        if not self.ended.done():
            self.ended.set_result(None)


class Subscriber:
    """Follows one pattern, is cut at random, and goes on with the last id it has."""

    def __init__(self, broker, pattern, start, seed):
        self.broker, self.pattern = broker, pattern
        self.random = random.Random(seed)
        # The cursor its first connection started from; None until known.
        self.start = start
        self.last_id = None if start is None else str(start)
        self.events = []
        self.sins = []
        self.connections = 0
        self.is_tireless = False

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            headers = {"Accept": "text/event-stream"}
            if self.last_id is not None:
                headers["Last-Event-ID"] = self.last_id
            request = encode_request(
                "GET", topic_path(self.pattern, "events"), headers=headers)
            try:
                transport, protocol = await loop.create_connection(
                    lambda: StreamProtocol(request, self.events.append),
                    self.broker.host, self.broker.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            self.connections += 1
            limit = None if self.is_tireless else self.random.uniform(0.02, 3)
            try:
                await asyncio.wait_for(asyncio.shield(protocol.ended), limit)
            except TimeoutError:
                pass
            finally:
                transport.abort()
                self.leave(protocol)

    def leave(self, protocol):
        reader = protocol.reader
        self.sins += reader.sins
        if protocol.status not in (None, 200):
            self.sins.append(f"answered {protocol.status}")
        if reader.ids:
            if self.start is None:
                is_message = bool(self.events) and self.events[0][0] == reader.ids[0]
                self.start = reader.ids[0] - is_message
            self.last_id = reader.last_id

    @property
    def heard_through(self):
        return self.events[-1][0] if self.events else 0
