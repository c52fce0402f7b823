"""A client of HTTP/2 that decides about every window itself, over TLS or without."""

import socket
import time
from collections import defaultdict

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded,
                       StreamReset)
from h2.exceptions import StreamClosedError

from sse import Reader
from wire import Response

GOAWAY = 7
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Channel:
    """What one stream has received."""

    def __init__(self):
        self.fields, self.body, self.ended, self.reset = None, bytearray(), False, None
        self.unread = 0
        self.reader, self.events = Reader(), []

    @property
    def status(self):
        return int(dict(self.fields)[":status"])

    @property
    def response(self):
        fields = [(name, value) for name, value in self.fields if not name.startswith(":")]
        return Response(2, self.status, fields, bytes(self.body))


class HTTP2:
    """One connection; every wait ends after `timeout` seconds.

    Flow control is honest unless a stream is in `stalled`: what comes on it is then not taken.
    """

    def __init__(self, broker, context=None, timeout=10.0, source=None, authority=None):
        self.timeout = timeout
        plain = socket.create_connection((broker.host, broker.port), timeout,
                                         source and (source, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        self.scheme = "https" if context else "http"
        self.authority = authority or f"localhost:{broker.port}"
        self.connection = H2Connection(H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False))
        self.channels, self.stalled = defaultdict(Channel), set()
        # `goodbyes` are the codes of GOAWAY frames.
        self.settings, self.goodbyes, self.has_ended = None, [], False
        self.buffer = b""
        self.connection.initiate_connection()
        self.flush()
        # Before it knows the bounds of the server a client may open no more than a few streams.
        self.wait_until(lambda: self.settings is not None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        self.socket.settimeout(self.timeout)
        self.socket.sendall(self.connection.data_to_send())

    def pump(self, deadline):
        """Reads once, and takes what came."""
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self.socket.recv(262_144)
        except ConnectionResetError:
            data = b""
        if not data:
            self.has_ended = True
            return
        for event in self.connection.receive_data(self.without_goodbye(data)):
            self.take(event)
        try:
            self.flush()
        except OSError:
            pass  # It has closed; what it said before is still there to be read.

    def without_goodbye(self, data):
        """Whole frames. What comes behind a GOAWAY is still good, which the library denies."""
        self.buffer += data
        kept = b""
        while len(self.buffer) >= 9:
            end = 9 + int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < end:
                break
            if self.buffer[3] == GOAWAY:
                self.goodbyes.append(int.from_bytes(self.buffer[13:17], "big"))
            else:
                kept += self.buffer[:end]
            self.buffer = self.buffer[end:]
        return kept

    def take(self, event):
        if isinstance(event, RemoteSettingsChanged) and self.settings is None:
            self.settings = {code: change.new_value
                             for code, change in event.changed_settings.items()}
        channel = self.channels[event.stream_id] if getattr(event, "stream_id", None) else None
        if isinstance(event, ResponseReceived):
            channel.fields = event.headers
        elif isinstance(event, DataReceived):
            channel.body += event.data
            channel.events += channel.reader.feed(event.data)
            if event.flow_controlled_length:
                self.connection.increment_flow_control_window(event.flow_controlled_length)
            channel.unread += event.flow_controlled_length
            if event.stream_id not in self.stalled:
                self.give_window(event.stream_id)
        elif isinstance(event, StreamEnded):
            channel.ended = True
        elif isinstance(event, StreamReset) and not channel.ended:
            # (Behind a whole answer it only says that the rest of the request is not read.)
            channel.ended, channel.reset = True, event.error_code

    def give_window(self, stream):
        """Takes what was received on a stream, so that more may come."""
        channel = self.channels[stream]
        if channel.unread and not channel.ended:
            try:
                self.connection.increment_flow_control_window(channel.unread, stream)
            except StreamClosedError:
                pass  # Its end came in the same read.
        channel.unread = 0

    def resume(self, stream):
        self.stalled.discard(stream)
        self.give_window(stream)
        self.flush()

    def wait_until(self, condition, timeout=None):
        deadline = time.monotonic() + (timeout or self.timeout)
        while not condition():
            if self.has_ended:
                raise ConnectionError(f"the connection ended; {self.goodbyes}")
            self.pump(deadline)

    def begin(self, method, target, headers=(), body=None, ends=True, fields=None):
        """Sends a request and does not wait; its stream."""
        stream = self.connection.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", self.scheme), (":authority", self.authority),
                  (":path", target)]
        more = list(headers.items() if isinstance(headers, dict) else headers)
        self.connection.send_headers(
            stream, fields if fields is not None else pseudo + more,
            end_stream=body is None and ends)
        self.channels[stream]
        self.flush()
        if body is not None:
            self.send_body(stream, body)
        return stream

    def send_body(self, stream, body):
        while True:
            room = min(self.connection.local_flow_control_window(stream),
                       self.connection.max_outbound_frame_size)
            piece, body = body[:room], body[room:]
            if piece or not body:
                self.connection.send_data(stream, piece, end_stream=not body)
                self.flush()
            if not body:
                return
            if not room:
                self.wait_until(lambda: self.connection.local_flow_control_window(stream) > 0)

    def finish(self, stream, timeout=None):
        """The whole answer."""
        self.wait_until(lambda: self.channels[stream].ended, timeout)
        channel = self.channels[stream]
        if channel.reset is not None:
            raise ConnectionResetError(f"the stream was reset: {channel.reset}")
        return channel.response

    def request(self, method, target, headers=(), body=None):
        return self.finish(self.begin(
            method, target, {name.lower(): value for name, value in dict(headers).items()}, body))

    def follow(self, target, headers=()):
        """Opens an event stream; its number, once the head is there."""
        stream = self.begin("GET", target, headers)
        self.wait_until(lambda: self.channels[stream].fields)
        assert self.channels[stream].status == 200
        return stream

    def wait_for_end(self, timeout=None):
        """Reads until the server has closed."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while not self.has_ended:
            self.pump(deadline)
