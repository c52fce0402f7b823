"""Talks to the admin door: over its Unix socket, or over TCP with the token."""

import json
import os
import re
import socket
from contextlib import contextmanager
from urllib.parse import quote, urlencode

from broker import wait_for
from wire import ChunkDecoder, Closed, Connection, encode_request

JSON = {"Content-Type": "application/json"}


class SocketConnection(Connection):
    """The same client over a Unix socket; a path too long for an address is found by its folder."""

    def __init__(self, path, timeout=10.0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.buffer = b""
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.socket.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)


def segment(name):
    """A topic or pattern as one segment of a path."""
    return quote(name, safe="*")


def target(path, **query):
    """A path with its query; a value that is a list stands for as many parameters."""
    query = {name: value for name, value in query.items() if value is not None}
    return path + (f"?{urlencode(query, doseq=True)}" if query else "")


def broker_token(broker):
    return (broker.directory / "admin-token").read_text().strip()


class Admin:
    """The door of one broker."""

    def __init__(self, broker, port=None, token=None):
        self.broker, self.port, self.token = broker, port, token

    @classmethod
    def tcp(cls, broker, token=None):
        """The TCP door of a broker that was started with `--admin-listen`; its own token if none."""
        found = wait_for(lambda: re.search(
            r"tickertape\.host=(\S+) tickertape\.port=(\d+).*admin door", broker.log))
        return cls(broker, int(found[2]), token or broker_token(broker))

    @property
    def path(self):
        return str(self.broker.directory / "admin.sock")

    def connect(self, timeout=10.0):
        if self.port:
            return Connection("127.0.0.1", self.port, timeout)
        return SocketConnection(self.path, timeout)

    def headers(self, headers=None):
        proof = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return proof | (headers or {})

    def request(self, method, path, body=None, headers=None, timeout=10.0, **query):
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body).encode(), JSON | (headers or {})
        elif isinstance(body, str):
            body = body.encode()
        with self.connect(timeout) as connection:
            return connection.request(
                method, target(path, **query), body, self.headers(headers))

    def ok(self, method, path, body=None, status=200, **more):
        """The JSON of an answer that has to have this status."""
        response = self.request(method, path, body, **more)
        assert response.status == status, (response.status, response.body[:500])
        return response.json() if response.body else None

    def get(self, path, **query):
        return self.ok("GET", path, **query)

    def publish(self, topic, data, **query):
        """Publishes and returns the id."""
        return self.ok("POST", f"/v1/topics/{segment(topic)}/messages", data, 201, **query)["id"]

    def topic(self, topic):
        return self.get(f"/v1/topics/{segment(topic)}")

    @contextmanager
    def events(self, *topics, last_id=None, timeout=10.0, **query):
        """An event stream: yields a function that returns the next event."""
        headers = {"Last-Event-ID": last_id} if last_id is not None else None
        with self.connect(timeout) as connection:
            connection.send(encode_request(
                "GET", target("/v1/events", topic=list(topics), **query),
                headers=self.headers(headers)))
            yield EventReader(connection)


class EventReader:
    """Takes an event stream apart, block by block."""

    def __init__(self, connection):
        self.connection = connection
        self.response = connection.head()
        self.decoder = ChunkDecoder()
        self.text = b""
        self.blocks = []
        self.comments = 0

    def next(self):
        """The next event as (name, id, data); the data is parsed as JSON."""
        while True:
            if not self.blocks:
                if self.decoder.done:
                    raise Closed("the stream has ended")
                data = self.connection.receive()
                if not data:
                    raise Closed("the connection has ended within the stream")
                *blocks, self.text = (self.text + self.decoder.feed(data)).split(b"\n\n")
                self.blocks = blocks[::-1]
                continue
            fields = {}
            for line in self.blocks.pop().decode("utf-8").split("\n"):
                name, _, value = line.partition(": ")
                assert name not in fields, line
                fields[name] = value
            if "data" not in fields:
                self.comments += 1
                continue
            number = int(fields["id"]) if "id" in fields else None
            return fields.get("event", "message"), number, json.loads(fields["data"])

    def take(self, count):
        return [self.next() for _ in range(count)]
