"""A client of `/ws`: the package `websockets`, and the commands of section 19 on top of it."""

import itertools
import json
import time

from websockets.sync.client import connect

PROTOCOL = "tickertape.v1"


class Gateway:
    """One connection; every wait ends after `timeout` seconds.

    Replies are matched by `ref`. What comes in between stays in `pending`, in its order.
    """

    def __init__(self, broker, path="/ws", compression=None, protocols=(PROTOCOL,), timeout=10.0,
                 **more):
        self.timeout = timeout
        self.connection = connect(
            f"ws://{broker.host}:{broker.port}{path}", subprotocols=list(protocols) or None,
            compression=compression, proxy=None, max_size=None, max_queue=None, ping_interval=None,
            open_timeout=timeout, close_timeout=timeout, **more).__enter__()
        self.refs = itertools.count(1)
        self.pending = []
        self.hello = self.receive() if path.partition("?")[0] == "/ws" else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    @property
    def close_code(self):
        return self.connection.close_code

    def send(self, command):
        """A command as an object, or any text as it is."""
        self.connection.send(command if isinstance(command, (str, bytes)) else json.dumps(command))

    def receive(self, timeout=None):
        """The next object, past what is pending."""
        return json.loads(self.connection.recv(timeout or self.timeout))

    def next(self, timeout=None):
        """The next object."""
        return self.pending.pop(0) if self.pending else self.receive(timeout)

    def next_of(self, *types, timeout=None):
        """The next object of one of these types; the others before it stay pending."""
        deadline = time.monotonic() + (timeout or self.timeout)
        for index, message in enumerate(self.pending):
            if message["type"] in types:
                return self.pending.pop(index)
        while True:
            message = self.receive(max(0.001, deadline - time.monotonic()))
            if message["type"] in types:
                return message
            self.pending.append(message)

    def reply(self, ref, timeout=None):
        deadline = time.monotonic() + (timeout or self.timeout)
        for index, message in enumerate(self.pending):
            if message.get("ref") == ref:
                return self.pending.pop(index)
        while True:
            message = self.receive(max(0.001, deadline - time.monotonic()))
            if message.get("ref") == ref:
                return message
            self.pending.append(message)

    def ask(self, kind, **members):
        """The reply to a command."""
        ref = next(self.refs)
        self.send({"ref": ref, "type": kind, **members})
        return self.reply(ref)

    def subscribe(self, *topics, **members):
        """The name of a new subscription."""
        reply = self.ask("subscribe", topics=list(topics), **members)
        assert set(reply) == {"ref", "type", "subscription", "head"}, reply
        assert reply["type"] == "subscribed", reply
        return reply["subscription"]

    def publish(self, topic, data="", **members):
        """The id of a new message."""
        reply = self.ask("publish", topic=topic, data=data, **members)
        assert set(reply) == {"ref", "type", "id", "topic"}, reply
        assert (reply["type"], reply["topic"]) == ("published", topic), reply
        return reply["id"]

    def take(self, count, timeout=None):
        """The next `count` messages; everything else before the last of them is passed over."""
        return [self.next_of("message", timeout=timeout) for _ in range(count)]

    def until_caught_up(self, timeout=30):
        """The messages up to `caught_up`, and the cursor it names."""
        messages = []
        while (message := self.next(timeout))["type"] != "caught_up":
            messages.append(message)
        return messages, message["id"]

    def sync(self):
        """Everything pending once the broker has answered a ping."""
        assert self.ask("ping")["type"] == "pong"
        taken, self.pending = self.pending, []
        return taken

    def check_alive(self):
        assert self.ask("ping") == {"ref": next(self.refs) - 1, "type": "pong"}

    def closed(self, timeout=None):
        """Waits for the end of the connection; its close code."""
        deadline = time.monotonic() + (timeout or self.timeout)
        try:
            while True:
                self.pending.append(self.receive(max(0.001, deadline - time.monotonic())))
        except TimeoutError:
            raise TimeoutError(f"not closed; pending: {self.pending[-3:]}") from None
        except Exception as error:
            if type(error).__name__ not in ("ConnectionClosedOK", "ConnectionClosedError"):
                raise
        return self.close_code
