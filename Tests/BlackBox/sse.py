"""A strict reader of event streams: the WHATWG algorithm on bytes, and a list of sins.

A sin is something that a tolerant client would swallow and that this broker must never send.
"""

import re
import time
from typing import NamedTuple

from wire import ChunkDecoder, Closed, Connection, encode_request

LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
FIELDS = {"data", "event", "id", "retry"}
# What is said about the stream itself: it must not move the cursor of a client.
WITHOUT_ID = {"tickertape.end", "tickertape.expiring", "tickertape.unauthorized"}


class Event(NamedTuple):
    id: int | None
    event: str
    data: str


class Reader:
    """Bytes in, events out; keeps the last event id and the reconnection time as a browser does."""

    def __init__(self):
        self.buffer = b""
        self.is_first = True
        self.last_id = ""
        self.retry = None
        self.comments = 0
        self.sins = []
        # Ids in the order in which blocks ended, those without data included.
        self.ids = []
        self._start_block()

    def _start_block(self):
        self.block = []
        self.block_id = self.block_event = None
        self.block_data = []

    def feed(self, data):
        """The events that `data` completes."""
        self.buffer += data
        if self.is_first and len(self.buffer) >= 3:
            self.is_first = False
            if self.buffer.startswith(b"\xef\xbb\xbf"):
                self.sins.append("a byte order mark at the start")
                self.buffer = self.buffer[3:]
        if b"\r" in self.buffer:
            self.sins.append("a carriage return on the wire")
            lines = LINE_END.split(self.buffer)
        else:
            lines = self.buffer.split(b"\n")
        self.buffer = lines.pop()
        events = []
        for line in lines:
            if line:
                self._field(line)
            elif (event := self._end_block()) is not None:
                events.append(event)
        return events

    def _field(self, raw):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            self.sins.append(f"not UTF-8: {raw[:60]!r}")
            line = raw.decode("utf-8", "replace")
        name, _, value = line.partition(":")
        if not name and line.startswith(":"):
            self.comments += 1
            self.block.append("")
            return
        value = value.removeprefix(" ")
        if name in self.block and name != "data":
            self.sins.append(f"{name} twice in one block")
        self.block.append(name)
        if name == "data":
            self.block_data.append(value)
        elif name == "event":
            self.block_event = value
        elif name == "id":
            if value.isascii() and value.isdigit():
                self.block_id = int(value)
            else:
                self.sins.append(f"an id that is no plain number: {value[:60]!r}")
        elif name == "retry":
            if value.isascii() and value.isdigit():
                self.retry = int(value)
            else:
                self.sins.append(f"retry is no plain number: {value[:60]!r}")
        else:
            self.sins.append(f"an unknown field: {line[:60]!r}")

    def _end_block(self):
        block, block_id, event, data = self.block, self.block_id, self.block_event, self.block_data
        self._start_block()
        if not block:
            self.sins.append("an empty block")
        if block_id is not None:
            is_message = bool(data) and not (event or "").startswith("tickertape.")
            if self.ids and block_id < self.ids[-1] + is_message:
                self.sins.append(f"id {block_id} after {self.ids[-1]}")
            self.last_id = str(block_id)
            self.ids.append(block_id)
        if not data:
            if event is not None:
                self.sins.append("an event without data")
            return None
        if event in WITHOUT_ID:
            if block_id is not None:
                self.sins.append(f"{event} with an id")
            return Event(None, event, "\n".join(data))
        if block_id is None:
            self.sins.append("data without an id in the same block")
            return None
        return Event(block_id, event or "message", "\n".join(data))

    def end(self):
        """The body has ended by itself: nothing may be left half done."""
        if self.buffer or self.block:
            self.sins.append(f"an unfinished block at the end: {self.buffer[:60]!r} {self.block}")


class Stream:
    """One event stream over one connection: opened, read event by event, every wait bounded."""

    def __init__(self, host, port, target="/events", last_id=None, headers=None, method="GET",
                 body=None, version="1.1", timeout=10.0, receive_buffer=None):
        self.connection = Connection(host, port, timeout, receive_buffer)
        self.timeout = timeout
        fields = {"Accept": "text/event-stream"}
        if last_id is not None:
            fields["Last-Event-ID"] = str(last_id)
        fields.update(headers or {})
        self.connection.send(encode_request(method, target, body, fields, version))
        self.response = self.connection.head()
        if self.response.status != 200:
            self.connection.close()
            raise AssertionError(f"{method} {target} was answered {self.response.status}")
        assert self.response.header("content-type") == "text/event-stream"
        chunked = self.response.header("transfer-encoding")
        assert chunked == ("chunked" if version == "1.1" else None)
        self.decoder = ChunkDecoder() if chunked else None
        self.reader = Reader()
        self.raw = b""
        self.pending = []
        self.has_ended = False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close()
        if kind is None:
            assert not self.reader.sins, self.reader.sins

    def close(self):
        self.connection.close()

    def pump(self, deadline):
        """Reads once; false when the body has ended."""
        self.connection.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self.connection.receive()
        except TimeoutError:
            raise TimeoutError(f"nothing more came; so far {self.raw[-300:]!r}") from None
        if data and self.decoder:
            data = self.decoder.feed(data)
            ended = self.decoder.done
        else:
            ended = not data
            if ended and self.decoder:
                raise Closed("the connection ended inside a chunked body")
        self.raw += data
        self.pending += self.reader.feed(data)
        if ended:
            self.has_ended = True
            self.reader.end()
        return not ended

    def wait_until(self, condition, timeout=None):
        """Reads until `condition()` holds."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while not condition():
            if self.has_ended:
                raise Closed(f"the stream ended; its last bytes are {self.raw[-300:]!r}")
            self.pump(deadline)

    def take(self, count, timeout=None):
        """The next `count` events."""
        self.wait_until(lambda: len(self.pending) >= count, timeout)
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def next(self, timeout=None):
        return self.take(1, timeout)[0]

    def opening(self, timeout=None):
        """The bytes up to the first complete block behind the comment."""
        self.wait_until(lambda: self.raw.count(b"\n\n") >= 2, timeout)
        return self.raw[:self.raw.index(b"\n\n", 3) + 2]

    def read_to_end(self, timeout=None):
        """All events up to the end of the body."""
        self.wait_until(lambda: self.has_ended, timeout)
        taken, self.pending = self.pending, []
        return taken
