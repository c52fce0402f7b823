"""A streaming publish whose body and answer are both under control."""

import json

from broker import topic_path
from wire import ChunkDecoder, Closed, encode_request

LINES = "application/x-ndjson"
EVENTS = "text/event-stream"


def line(data, **more):
    """One message as a line."""
    return json.dumps({"data": data} | more, ensure_ascii=False).encode("utf-8") + b"\n"


class PublishStream:
    """One request over HTTP/1.1 with a chunked body, and the lines of its answer."""

    def __init__(self, broker, topic=None, kind=LINES, headers=None, method="POST", timeout=20.0,
                 receive_buffer=None, **query):
        self.connection = broker.connect(timeout, receive_buffer=receive_buffer)
        target = topic_path(topic, **query) if topic else "/messages"
        self.connection.send(encode_request(method, target, None, {
            "Content-Type": kind, "Transfer-Encoding": "chunked"} | (headers or {})))
        self.decoder, self.text, self.head = ChunkDecoder(), b"", None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def begin(self):
        """Reads the head of the answer."""
        self.head = self.connection.head()
        return self

    def send(self, data):
        self.connection.send(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self):
        self.connection.send(b"0\r\n\r\n")

    def pump(self):
        if self.head is None:
            self.begin()
        data = self.connection.receive()
        if not data:
            raise Closed("the connection ended inside the answer")
        self.text += self.decoder.feed(data)

    def next(self):
        """The next line of the answer; nothing at its end."""
        while b"\n" not in self.text:
            if self.decoder.done:
                assert self.text == b"", self.text
                return None
            self.pump()
        answer, _, self.text = self.text.partition(b"\n")
        return json.loads(answer)

    def rest(self):
        """All lines up to the end of the answer."""
        answers = []
        while (answer := self.next()) is not None:
            answers.append(answer)
        self.connection.buffer = self.decoder.buffer
        return answers


def publish_stream(broker, body, topic=None, **more):
    """Sends a whole body; the answer's lines."""
    with PublishStream(broker, topic, **more) as stream:
        stream.send(body)
        stream.end()
        return stream.rest()
