"""A small strict HTTP/1.1 client: it sends exactly the bytes it is given and forgives nothing."""

import json
import re
import socket
from dataclasses import dataclass, field

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\x20-\x7e]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x21-\x7e\x80-\xff]?.*?)[ \t]*")
CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class ProtocolError(Exception):
    """The server broke HTTP."""


class Closed(ConnectionError):
    """The connection ended before what was awaited had come."""


@dataclass
class Response:
    version: int
    status: int
    fields: list
    body: bytes = b""
    interim: list = field(default_factory=list)

    def header(self, name):
        """The value of a field; a field given twice is an error."""
        values = [value for known, value in self.fields if known == name.lower()]
        if len(values) > 1:
            raise ProtocolError(f"{name} is given {len(values)} times")
        return values[0] if values else None

    def json(self):
        return json.loads(self.body.decode("utf-8"))

    @property
    def closes(self):
        connection = (self.header("connection") or "").lower()
        return connection == "close" or (self.version == 0 and connection != "keep-alive")


def parse_head(block):
    """Reads a response head without its empty line."""
    lines = block.split(b"\r\n")
    status = STATUS_LINE.fullmatch(lines[0])
    if not status:
        raise ProtocolError(f"not a status line: {lines[0][:100]!r}")
    fields = []
    for line in lines[1:]:
        match = FIELD_LINE.fullmatch(line)
        if not match or b"\n" in line or b"\r" in line:
            raise ProtocolError(f"not a header field: {line[:100]!r}")
        fields.append((match[1].decode("ascii").lower(), match[2].decode("latin-1")))
    response = Response(int(status[1]), int(status[2]), fields)
    if response.header("content-length") and response.header("transfer-encoding"):
        raise ProtocolError("both Content-Length and Transfer-Encoding")
    if response.version == 0 and response.header("transfer-encoding"):
        raise ProtocolError("Transfer-Encoding in an HTTP/1.0 response")
    return response


class ChunkDecoder:
    """Takes the chunked coding apart as bytes come in; `done` once the last chunk was read."""

    def __init__(self):
        self.buffer = b""
        self.left = None
        self.done = False

    def feed(self, data):
        self.buffer += data
        out = []
        while not self.done:
            if self.left is None:
                line, end, rest = self.buffer.partition(b"\r\n")
                if not end:
                    if len(line) > 20:
                        raise ProtocolError(f"not a chunk size: {line[:40]!r}")
                    break
                if not CHUNK_LINE.fullmatch(line):
                    raise ProtocolError(f"not a chunk size: {line[:40]!r}")
                self.left, self.buffer = int(line, 16), rest
            if len(self.buffer) < self.left + 2:
                break
            if self.buffer[self.left:self.left + 2] != b"\r\n":
                raise ProtocolError("a chunk is longer than its size says")
            out.append(self.buffer[:self.left])
            self.done = self.left == 0
            self.buffer, self.left = self.buffer[self.left + 2:], None
        return b"".join(out)


def encode_request(method, target, body=None, headers=None, version="1.1", host="localhost"):
    """The bytes of a request; Content-Length is added when there is a body."""
    fields = {"Host": host}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    for name, value in (headers or {}).items():
        fields.pop(name, None)
        if value is not None:
            fields[name] = value
    lines = [f"{method} {target} HTTP/{version}"] + [f"{n}: {v}" for n, v in fields.items()]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b"")


def encode_chunks(*pieces):
    """A body in the chunked coding, the last chunk included."""
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p) + b"0\r\n\r\n"


class Connection:
    """One TCP connection; every wait ends after `timeout` seconds."""

    def __init__(self, host, port, timeout=10.0, receive_buffer=None, source=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if source:
            self.socket.bind((source, 0))
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """Whatever came; empty at the end of the connection."""
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        return self.socket.recv(262144)

    def fill(self):
        data = self.socket.recv(262144)
        if not data:
            raise Closed(f"the connection ended after {self.buffer[:200]!r}")
        self.buffer += data

    def head(self):
        """One response head, interim ones included."""
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        block, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return parse_head(block)

    def response(self, method="GET"):
        """The next final response with its whole body."""
        interim = []
        response = self.head()
        while response.status < 200:
            interim.append(response.status)
            response = self.head()
        response.interim = interim
        if method == "HEAD" or response.status in (204, 304):
            return response
        if response.header("transfer-encoding"):
            response.body = self._chunked_body()
        elif response.header("content-length") is not None:
            length = int(response.header("content-length"))
            while len(self.buffer) < length:
                self.fill()
            response.body, self.buffer = self.buffer[:length], self.buffer[length:]
        else:
            response.body = self.rest()
        return response

    def _chunked_body(self):
        decoder = ChunkDecoder()
        out = [decoder.feed(self.receive())]
        while not decoder.done:
            data = self.receive()
            if not data:
                raise Closed("the connection ended inside a chunked body")
            out.append(decoder.feed(data))
        self.buffer = decoder.buffer
        return b"".join(out)

    def rest(self):
        """Everything up to the end of the connection."""
        out = [self.buffer]
        self.buffer = b""
        while data := self.socket.recv(262144):
            out.append(data)
        return b"".join(out)

    def request(self, method, target, body=None, headers=None, version="1.1"):
        self.send(encode_request(method, target, body, headers, version))
        return self.response(method)

    def is_closed_by_peer(self):
        """Waits for the end of the connection; anything else that comes is an error."""
        try:
            data = self.receive()
        except ConnectionResetError:
            return True
        if data:
            raise ProtocolError(f"bytes after the last response: {data[:200]!r}")
        return True


def check_problem(response, status, code):
    """A refusal in the form of RFC 9457 with our `code`; returns its members."""
    assert response.status == status, (response.status, response.body[:300])
    assert response.header("content-type") == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"status", "code", "title", "detail"}, problem
    assert problem["status"] == status
    codes = code if isinstance(code, (set, tuple)) else {code}
    assert problem["code"] in codes, problem
    assert problem["title"] and problem["detail"], problem
    if status in (503, 507):
        assert int(response.header("retry-after")) >= 1
    return problem
