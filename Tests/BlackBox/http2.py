"""Two clients of HTTP/2: one that decides about every window itself, and one of bare frames."""

import struct
import time
from contextlib import contextmanager

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded,
                       StreamReset)
from h2.settings import SettingCodes, Settings

from broker import Broker, topic_path
from sse import Reader
from tls import Authority
from wire import Connection, Response

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, END_HEADERS = 1, 4
# What a window has where nobody said anything, and what it may have.
WINDOW, WINDOW_MAX = 65_535, 2**31 - 1


@contextmanager
def serving(transport, folder):
    """A broker that speaks HTTP/2 over "TLS" or as "h2c"; clients of it need its `context`."""
    options, context = ["--h2c"], None
    if transport == "TLS":
        authority = Authority()
        certificate, key, _ = authority.issue(folder)
        options = ["--tls-certificate", certificate, "--tls-key", key]
        context = authority.context("h2")
    broker = Broker(folder / "data", *options)
    broker.context = context
    try:
        yield broker.start()
    finally:
        broker.kill()


def open_socket(broker, context, timeout, **more):
    plain = Connection(broker.host, broker.port, timeout, **more).socket
    if not context:
        return plain
    secure = context.wrap_socket(plain, server_hostname="localhost")
    assert secure.selected_alpn_protocol() == "h2"
    return secure


# Frames.


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


class FrameDecoder:
    """Takes frames apart as bytes come in: (kind, flags, stream, payload)."""

    def __init__(self):
        self.buffer = b""

    def feed(self, data):
        """The frames that `data` completes."""
        self.buffer += data
        frames, start = [], 0
        while len(self.buffer) >= start + 9:
            end = start + 9 + int.from_bytes(self.buffer[start:start + 3], "big")
            if len(self.buffer) < end:
                break
            head = struct.unpack_from("!BBI", self.buffer, start + 3)
            frames.append((*head, self.buffer[start + 9:end]))
            start = end
        self.buffer = self.buffer[start:]
        return frames


class Frames:
    """A connection on which anything may be sent."""

    def __init__(self, broker, context=None, timeout=10.0):
        self.socket = open_socket(broker, context, timeout)
        self.decoder, self.received = FrameDecoder(), []
        self.socket.sendall(PREFACE + frame(SETTINGS))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Whether the server took it."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def receive(self):
        """The next frame; nothing at the end."""
        while not self.received:
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.received += self.decoder.feed(data)
        return self.received.pop(0)

    def last_words(self):
        """The error code of the GOAWAY with which the server ended the connection."""
        code = None
        while (received := self.receive()) is not None:
            if received[0] == GOAWAY:
                code = int.from_bytes(received[3][4:8], "big")
        return code


# Requests.


class Exchange:
    """One request, what came of its answer, and its body as an event stream."""

    def __init__(self, number):
        self.number = number
        self.fields, self.body = None, bytearray()
        self.has_ended, self.reset_code = False, None
        self.reader, self.events = Reader(), []
        # A stalled one does not take what comes: its window closes.
        self.is_stalled, self.bytes_not_taken = False, 0

    @property
    def status(self):
        return self.fields and int(dict(self.fields)[":status"])

    @property
    def is_over(self):
        return self.has_ended or self.reset_code is not None

    @property
    def response(self):
        # (Behind a whole answer NO_ERROR says that the rest of the request is not wanted.)
        assert self.has_ended and self.reset_code in (None, ErrorCodes.NO_ERROR), self.reset_code
        fields = [(name, value) for name, value in self.fields if not name.startswith(":")]
        return Response(2, self.status, fields, bytes(self.body))


class HTTP2:
    """One connection; every wait ends after `timeout` seconds.

    Flow control is honest: what was read is given back at once, but on stalled streams.
    """

    def __init__(self, broker, context=None, timeout=20.0, window=WINDOW,
                 connection_window=WINDOW, receive_buffer=None, authority=None):
        self.timeout = timeout
        self.socket = open_socket(broker, context, timeout, receive_buffer=receive_buffer)
        self.scheme = "https" if context else "http"
        self.authority = authority or f"localhost:{broker.port}"
        self.connection = H2Connection(H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False))
        self.connection.local_settings = Settings(
            initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.decoder, self.exchanges = FrameDecoder(), {}
        # `goodbyes` are the GOAWAY frames: their code, and the last stream that was served.
        self.settings, self.goodbyes, self.has_ended = None, [], False
        self.connection.initiate_connection()
        if connection_window > WINDOW:
            self.connection.increment_flow_control_window(connection_window - WINDOW)
        self.flush()
        # Before it knows the bounds of the server a client may open no more than a few streams.
        self.wait_until(lambda: self.settings is not None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # What comes.

    def wait_until(self, condition, timeout=None):
        """Reads until `condition()` holds."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while not condition():
            if self.has_ended:
                raise ConnectionError(f"the connection ended; {self.goodbyes}")
            self.pump(deadline)

    def wait_for_end(self, timeout=None):
        """Reads until the server has closed."""
        self.wait_until(lambda: self.has_ended, timeout)

    def pump(self, deadline):
        """Reads once, and takes what came."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"what was awaited did not come; {self.goodbyes}")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(262_144)
        except ConnectionResetError:
            data = b""
        if not data:
            self.has_ended = True
            return
        events = self.connection.receive_data(self.without_goodbyes(data))
        for event in events:
            self.take(event)
        # Only now: the library is at the end of what was read while its events are at the
        # beginning, and a stream whose DATA is taken may have ended a few frames on.
        for number in {event.stream_id for event in events if isinstance(event, DataReceived)}:
            self.give_window(self.exchanges[number])
        try:
            self.flush()
        except OSError:
            pass  # It has closed; what it said before is still there to be read.

    def without_goodbyes(self, data):
        """Whole frames. What comes behind a GOAWAY is still good, which the library denies."""
        kept = b""
        for kind, flags, stream, payload in self.decoder.feed(data):
            if kind == GOAWAY:
                last, code = struct.unpack_from("!II", payload)
                self.goodbyes.append((code, last))
            else:
                kept += frame(kind, flags, stream, payload)
        return kept

    def take(self, event):
        exchange = self.exchanges.get(getattr(event, "stream_id", None))
        match event:
            case RemoteSettingsChanged() if self.settings is None:
                self.settings = {code: change.new_value
                                 for code, change in event.changed_settings.items()}
            case ResponseReceived():
                exchange.fields = event.headers
            case DataReceived():
                exchange.body += event.data
                exchange.events += exchange.reader.feed(event.data)
                if event.flow_controlled_length:
                    self.connection.increment_flow_control_window(event.flow_controlled_length)
                exchange.bytes_not_taken += event.flow_controlled_length
            case StreamEnded():
                exchange.has_ended = True
            case StreamReset():
                exchange.reset_code = event.error_code

    def give_window(self, exchange):
        """Takes what was received on a stream, so that more may come."""
        if exchange.bytes_not_taken and not exchange.is_stalled and not exchange.is_over:
            self.connection.increment_flow_control_window(
                exchange.bytes_not_taken, exchange.number)
            exchange.bytes_not_taken = 0

    def resume(self, exchange):
        """From now on it takes what comes on this stream."""
        exchange.is_stalled = False
        self.give_window(exchange)
        self.flush()

    # What is sent.

    def flush(self):
        self.socket.settimeout(self.timeout)
        self.socket.sendall(self.connection.data_to_send())

    def open_stream(self, fields, ends=True):
        """Sends exactly these fields as the head of a request; the exchange."""
        number = self.connection.get_next_available_stream_id()
        self.connection.send_headers(number, fields, end_stream=ends)
        exchange = self.exchanges[number] = Exchange(number)
        self.flush()
        return exchange

    def begin(self, method, target, body=None, headers=(), ends=True):
        """Sends a request and does not wait; the exchange. Headers are a dict or pairs."""
        pairs = headers.items() if isinstance(headers, dict) else headers
        exchange = self.open_stream(
            [(":method", method), (":scheme", self.scheme), (":authority", self.authority),
             (":path", target), *((name.lower(), value) for name, value in pairs)],
            ends=ends and body is None)
        if body is not None:
            self.send_body(exchange, body, ends)
        return exchange

    def send_body(self, exchange, body, ends=True):
        """Sends what the windows let through, up to its end or to that of the answer."""
        def room():
            return min(self.connection.local_flow_control_window(exchange.number),
                       self.connection.max_outbound_frame_size)

        while body:
            self.wait_until(lambda: exchange.is_over or room() > 0)
            if exchange.is_over:
                return
            piece, body = body[:room()], body[room():]
            self.connection.send_data(exchange.number, piece)
            self.flush()
        if ends:
            self.connection.end_stream(exchange.number)
            self.flush()

    def finish(self, exchange, timeout=None):
        """The whole answer."""
        self.wait_until(lambda: exchange.is_over, timeout)
        return exchange.response

    def leave(self, *exchanges):
        """Resets streams, as a page does that is closed."""
        for exchange in exchanges:
            self.connection.reset_stream(exchange.number, ErrorCodes.CANCEL)
            exchange.reset_code = ErrorCodes.CANCEL
        self.flush()

    def request(self, method, target, body=None, headers=()):
        return self.finish(self.begin(method, target, body, headers))

    def publish(self, topic, data):
        """Publishes and returns the id."""
        response = self.request("POST", topic_path(topic), data.encode("utf-8"))
        assert response.status == 201, (response.status, response.body[:300])
        return response.json()["id"]

    def follow(self, pattern, headers=(), **query):
        """Opens an event stream, and waits for its head."""
        exchange = self.begin("GET", topic_path(pattern, "events", **query), headers=headers)
        self.wait_until(lambda: exchange.status or exchange.is_over)
        assert exchange.status == 200, (exchange.status, exchange.reset_code)
        return exchange
