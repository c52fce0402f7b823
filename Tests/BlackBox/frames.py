"""WebSocket frames by hand: what no library sends, and a strict look at what comes back."""

import base64
import hashlib
import os
import struct
import time
from typing import NamedTuple

from wire import Closed, ProtocolError, encode_request

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    is_compressed: bool = False

    @property
    def code(self):
        """The code of a close frame; None when it has none."""
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else None


def apply_mask(payload, mask):
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def encode(opcode, payload=b"", *, fin=True, rsv=0, mask=MASK, length=None, length_bytes=None):
    """The bytes of one frame; every rule can be broken.

    `length` is what the header says instead of the truth, `length_bytes` how many bytes say it.
    """
    payload = payload.encode("utf-8") if isinstance(payload, str) else payload
    length = len(payload) if length is None else length
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    short, form = {0: (length, ""), 2: (126, "!H"), 8: (127, "!Q")}[length_bytes]
    head = bytes([fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | short])
    head += struct.pack(form, length) if form else b""
    return head + (mask + apply_mask(payload, mask) if mask is not None else payload)


def close_payload(code, reason=b""):
    return struct.pack("!H", code) + reason


def handshake_fields(**changes):
    """The fields of a good handshake with `changes`; None leaves a field out."""
    fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
              "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()}
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    return {name: value for name, value in fields.items() if value is not None}


def accept_for(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


class RawWebSocket:
    """One WebSocket without a library: sends anything, takes nothing that breaks RFC 6455."""

    def __init__(self, broker, path="/ws", extensions=None, protocol=None, timeout=10.0,
                 receive_buffer=None):
        self.connection = broker.connect(timeout, receive_buffer=receive_buffer)
        fields = handshake_fields(Sec_WebSocket_Extensions=extensions,
                                  Sec_WebSocket_Protocol=protocol)
        self.connection.send(encode_request("GET", path, headers=fields))
        self.response = self.connection.head()
        assert self.response.status == 101, (self.response.status, self.connection.buffer[:300])
        assert self.response.header("sec-websocket-accept") == accept_for(
            fields["Sec-WebSocket-Key"])
        self.extensions = self.response.header("sec-websocket-extensions")
        self.buffer = bytearray(self.connection.receive() if self.connection.buffer else b"")
        self.offset = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def settimeout(self, seconds):
        self.connection.socket.settimeout(seconds)

    # Out.

    def send(self, data):
        self.connection.send(data)

    def send_frame(self, opcode, payload=b"", **more):
        self.send(encode(opcode, payload, **more))

    def send_slowly(self, data, size=1):
        """In pieces that the peer is likely to read one by one."""
        for start in range(0, len(data), size):
            self.send(data[start:start + size])

    # In.

    def _need(self, count):
        while len(self.buffer) - self.offset < count:
            data = self.connection.socket.recv(262144)
            if not data:
                raise Closed(f"the connection ended after {bytes(self.buffer[-200:])!r}")
            if self.offset > 1_000_000:
                del self.buffer[:self.offset]
                self.offset = 0
            self.buffer += data

    def _take(self, count):
        self._need(count)
        data = bytes(self.buffer[self.offset:self.offset + count])
        self.offset += count
        if self.offset == len(self.buffer):
            self.buffer.clear()
            self.offset = 0
        return data

    def frame(self):
        """The next frame, of whatever kind."""
        first, second = self._take(2)
        fin, rsv, opcode, length = first >> 7, first >> 4 & 7, first & 15, second & 127
        if second & 128:
            raise ProtocolError("a frame of the server is masked")
        if length == 126:
            length, = struct.unpack("!H", self._take(2))
            least = 126
        elif length == 127:
            length, = struct.unpack("!Q", self._take(8))
            least = 65536
        else:
            least = 0
        if length < least:
            raise ProtocolError(f"{length} is not written in the fewest bytes")
        if opcode not in (TEXT, BINARY, CLOSE, PING, PONG) or not fin:
            raise ProtocolError(f"opcode {opcode}, FIN {fin}")
        if rsv and (rsv != 4 or opcode not in (TEXT, BINARY) or not self.extensions):
            raise ProtocolError(f"reserved bits {rsv:03b} on opcode {opcode}")
        if opcode >= CLOSE and length > 125:
            raise ProtocolError(f"a control frame of {length} bytes")
        frame = Frame(opcode, self._take(length), bool(rsv))
        if opcode == TEXT and not rsv:
            frame.payload.decode("utf-8")
        return frame

    def message(self):
        """The next text or binary frame, with pings answered."""
        while True:
            frame = self.frame()
            if frame.opcode == PING:
                self.send_frame(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                raise Closed(f"closed with {frame.code}: {frame.payload[2:]!r}")
            elif frame.opcode != PONG:
                return frame

    def closing(self):
        """The close frame; what comes before it is dropped."""
        while (frame := self.frame()).opcode != CLOSE:
            pass
        return frame

    def has_ended(self):
        """Waits for the end of the connection; nothing may come before it."""
        try:
            data = bytes(self.buffer[self.offset:]) or self.connection.socket.recv(65536)
        except ConnectionResetError:
            return True
        if data:
            raise ProtocolError(f"bytes after the close: {data[:200]!r}")
        return True

    def check_failed(self, code, within=5.0):
        """The server closes with `code`, and ends the connection once it is answered."""
        began = time.monotonic()
        frame = self.closing()
        assert frame.code == code, (frame.code, frame.payload[2:])
        frame.payload[2:].decode("utf-8")
        try:
            self.send_frame(CLOSE, close_payload(code))
        except OSError:
            pass  # It did not wait for us.
        assert self.has_ended()
        assert time.monotonic() - began < within
