"""A client of HTTP/2 that decides itself what it acknowledges, and one of bare frames."""

import json
import select
import socket
import ssl
import subprocess
import time

import h2.config
import h2.connection
import h2.events
import h2.settings

from broker import topic_path
from sse import Reader

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 2, 3, 4, 6, 7
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, END_HEADERS = 1, 4
NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM = 0, 1, 7, 11


def make_certificate(folder):
    """A certificate that is its own authority, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "30",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True)
    return certificate, key


def secured(plain, certificate):
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_alpn_protocols(["h2"])
    connection = context.wrap_socket(plain, server_hostname="localhost")
    assert connection.selected_alpn_protocol() == "h2"
    return connection


class Exchange:
    """One request, what came of its answer, and its body as an event stream."""

    def __init__(self):
        self.fields, self.body = None, b""
        self.has_ended, self.reset_code = False, None
        self.reader, self.events = Reader(), []
        self.is_stalled, self.unacknowledged = False, 0

    @property
    def status(self):
        return self.fields and int(self.fields[":status"])

    @property
    def is_over(self):
        return self.has_ended or self.reset_code is not None

    def header(self, name):
        return self.fields.get(name)

    def json(self):
        return json.loads(self.body)


class Http2:
    """One connection; `pump` reads what comes."""

    def __init__(self, broker, certificate=None, window=65_535, receive_buffer=None, timeout=20.0):
        self.timeout = timeout
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((broker.host, broker.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if certificate:
            self.socket = secured(self.socket, certificate)
        self.authority = f"localhost:{broker.port}"
        self.scheme = "https" if certificate else "http"
        self.http = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.http.initiate_connection()
        self.http.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        # So that no stream uses up what its siblings need.
        self.http.increment_flow_control_window(2**31 - 1 - 65_535)
        self.exchanges, self.goaways, self.is_closed = {}, [], False
        self.acknowledgements = 0
        self.flush()
        # Of both: what a connection begins with, and the window.
        self.pump(until=lambda: self.acknowledgements == 2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        if data := self.http.data_to_send():
            self.socket.sendall(data)

    def begin(self, method, target, headers=None, ends=True):
        """Sends the head of a request; the exchange."""
        number = self.http.get_next_available_stream_id()
        fields = [(":method", method), (":path", target), (":scheme", self.scheme),
                  (":authority", self.authority), *(headers or {}).items()]
        self.http.send_headers(number, fields, end_stream=ends)
        exchange = self.exchanges[number] = Exchange()
        exchange.number = number
        self.flush()
        return exchange

    def request(self, method, target, body=None, headers=None):
        exchange = self.begin(method, target, headers, ends=body is None)
        if body is not None:
            self.send_body(exchange, body)
        self.pump(until=lambda: exchange.is_over)
        assert exchange.reset_code in (None, NO_ERROR), exchange.reset_code
        return exchange

    def send_body(self, exchange, body):
        while body:
            self.pump(until=lambda: exchange.is_over
                      or self.http.local_flow_control_window(exchange.number) > 0)
            if exchange.is_over:
                return
            room = min(self.http.local_flow_control_window(exchange.number), 16_384)
            self.http.send_data(exchange.number, body[:room])
            body = body[room:]
            self.flush()
        self.http.end_stream(exchange.number)
        self.flush()

    def publish(self, topic, data):
        answer = self.request("POST", topic_path(topic), data.encode("utf-8"))
        assert answer.status == 201, (answer.status, answer.body)
        return answer.json()["id"]

    def follow(self, topic, **query):
        return self.begin("GET", topic_path(topic, "events", **query))

    def acknowledge(self, exchange):
        """From now on it reads this stream."""
        exchange.is_stalled = False
        if exchange.unacknowledged:
            self.http.increment_flow_control_window(exchange.unacknowledged, exchange.number)
            exchange.unacknowledged = 0
            self.flush()

    def pump(self, until=lambda: False, timeout=None):
        """Reads until it is true; whether it is, where a `timeout` is given."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while not until():
            left = deadline - time.monotonic()
            has_bytes = isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()
            if left <= 0 or self.is_closed:
                if timeout is None:
                    raise TimeoutError(f"closed: {self.is_closed}, goaways: {self.goaways}")
                return False
            if not has_bytes and not select.select([self.socket], [], [], left)[0]:
                continue
            try:
                data = self.socket.recv(262_144)
            except ConnectionResetError:
                data = b""
            if not data:
                self.is_closed = True
                continue
            for event in self.http.receive_data(data):
                self.take(event)
            self.flush_quietly()
        return True

    def flush_quietly(self):
        try:
            self.flush()
        except OSError:
            self.is_closed = True

    def take(self, event):
        number = getattr(event, "stream_id", None)
        exchange = self.exchanges.get(number)
        match event:
            case h2.events.ResponseReceived():
                exchange.fields = dict(event.headers)
            case h2.events.DataReceived():
                exchange.body += event.data
                exchange.events += exchange.reader.feed(event.data)
                if exchange.is_stalled:
                    exchange.unacknowledged += event.flow_controlled_length
                elif not event.stream_ended:
                    self.http.increment_flow_control_window(event.flow_controlled_length, number)
            case h2.events.StreamEnded():
                exchange.has_ended = True
            case h2.events.SettingsAcknowledged():
                self.acknowledgements += 1
            case h2.events.StreamReset():
                exchange.reset_code = int(event.error_code)
            case h2.events.ConnectionTerminated():
                self.goaways.append((int(event.error_code), event.last_stream_id))


def frame(kind, flags=0, stream=0, payload=b""):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            + payload)


class Frames:
    """A connection on which anything may be sent."""

    def __init__(self, broker, certificate=None, timeout=10.0):
        self.socket = socket.create_connection((broker.host, broker.port), timeout)
        if certificate:
            self.socket = secured(self.socket, certificate)
        self.buffer = b""
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
        """The next frame as (kind, flags, stream, payload); nothing at the end."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.buffer += data
        length = int.from_bytes(self.buffer[:3], "big")
        whole, self.buffer = self.buffer[:9 + length], self.buffer[9 + length:]
        return whole[3], whole[4], int.from_bytes(whole[5:9], "big"), whole[9:]

    def last_words(self):
        """The error code of the GOAWAY with which the server ended the connection."""
        code = None
        while (received := self.receive()) is not None:
            if received[0] == GOAWAY:
                code = int.from_bytes(received[3][4:8], "big")
        return code

    def until(self, kind, stream=None):
        while (received := self.receive()) is not None:
            if received[0] == kind and stream in (None, received[2]):
                return received
        raise ConnectionError(f"the connection ended before a frame of kind {kind}")
