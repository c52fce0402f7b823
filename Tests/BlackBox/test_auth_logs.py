"""No token, payload or query string is ever written down: not in logs, answers or files."""

import json
import time

import pytest

from admin import Admin
from attempts import CARRIERS, TRANSPORTS, attempt
from broker import topic_path
from credentials import (Key, KeyRing, bearer, cookie, create_token, mistyped, revoke, sign,
                         unknown_token, with_query)
from gateway import Gateway
from hostile_tokens import HOSTILE
from wire import Closed, encode_request

PAYLOAD = "payload-of-nobodys-business"
MARK = "mark-in-a-query"
# Requests that are refused for other reasons, and carry a token all the same.
MALFORMED = [
    "GET /topics/a/messages?access_token={0}&access_token={0} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /topics/a/messages?access_token={0}%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /topics/a/messages?access_token={0} HTTP/7.3\r\nHost: a\r\n\r\n",
    "GET /topics/a/messages?access_token={0} HTTP/1.1\r\nHost: a\r\nbad\x01field: {0}\r\n\r\n",
    "GET /topics/a/messages?access_token={0}&x={1} HTTP/1.1\r\nHost: a\r\n\r\n",
    "BREW /topics/a/messages?access_token={0} HTTP/1.1\r\nHost: a\r\n\r\n",
    "DELETE /topics/a/messages?access_token={0} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /nothing?access_token={0} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {0}\r\n\r\n",
    "GET /topics/a//b/messages?access_token={0} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /ws?access_token={0} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /ws?access_token={0} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n",
    "POST /topics/a/messages?access_token={0} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    "Transfer-Encoding: chunked\r\n\r\n",
    "POST /events?access_token={0} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}",
    "GET /topics/a/messages HTTP/1.1\r\nHost: a\r\nCookie: tickertape_token={0}; {2}\r\n\r\n",
    "GET /topics/a/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {0}\r\n\r\n",
    "GET /topics/a/messages?access_token={0} HTTP/1.1\r\nHost: a\r\n"
    "Origin: https://evil.example\r\n\r\n",
]


class Witness:
    """All that a broker has answered, and all that must not be found anywhere."""

    def __init__(self, broker, admin):
        self.broker, self.admin = broker, admin
        self.secrets, self.answers = [], []

    def add(self, *secrets):
        self.secrets += [secret for secret in secrets if len(secret) > 20]

    @property
    def fragments(self):
        """A part of each that is beyond what may be shown of it: whoever writes half tells half."""
        for secret in self.secrets:
            yield secret[20:44] if secret.startswith("ttk_") else secret[-24:]

    def check(self, text, where):
        text = text if isinstance(text, bytes) else text.encode("utf-8")
        for fragment in self.fragments:
            assert fragment.encode("utf-8") not in text, (where, fragment)

    def send(self, text):
        """The raw answer, whatever it is."""
        with self.broker.connect() as connection:
            connection.send(text.encode("latin-1"))
            try:
                response = connection.response()
                self.answers.append(response.body + repr(response.fields).encode())
                return response.status
            except (Closed, ConnectionResetError, ValueError):
                return None

    def look_at_the_admin_door(self):
        for path in ("/v1/status", "/v1/subscribers", "/v1/statistics", "/v1/topics",
                     "/v1/tokens?state=all", "/metrics"):
            response = self.admin.request("GET", path)
            assert response.status == 200, (path, response.body)
            self.check(response.body, path)


def try_everything(witness, tokens):
    """Every carrier and transport, good and bad, and requests that are no requests."""
    broker = witness.broker
    for number, token in enumerate(tokens):
        for transport in TRANSPORTS:
            for carrier in CARRIERS + (("command",) if "websocket" in transport else ()):
                data = "1" if transport == "message" else f"{PAYLOAD}-{number}"
                outcome = attempt(broker, transport, ["secret/topic"], token, carrier, data)
                witness.answers.append(outcome.detail.encode("utf-8"))


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_is_written_down(start, tmp_path, log_format):
    ring = KeyRing(tmp_path)
    own = start(*ring.options, "--log-level", "trace", "--log-format", log_format,
                "--anonymous-subscribe", "public/**")
    witness = Witness(own, Admin(own))
    wide, narrow, revoked = (create_token(own, grant, grant, note="for the test")
                             for grant in (["**"], ["other"], ["**"]))
    revoke(witness.admin, revoked)
    jwt, soon = ring.token(ring.es), ring.token(exp=int(time.time()) + 3)
    bad = [unknown_token(), mistyped(wide), ring.token(exp=1), sign(Key("ES256"), ring.claims()),
           HOSTILE["alg none"](ring)]
    witness.add(wide, narrow, revoked, jwt, soon, *bad, ring.hs.data.decode())

    with own.follow("secret/topic", headers=bearer(wide)) as one, \
            own.stream(with_query(topic_path("secret/topic", "events", x=MARK), jwt)) as two, \
            own.follow("secret/topic", headers=cookie(soon)) as three, \
            Gateway(own, with_query("/ws", wide)) as client:
        client.subscribe("secret/*")
        for stream in (one, two, three):
            stream.opening()
        try_everything(witness, [wide, narrow, jwt, revoked, *bad])
        with own.connect() as quick:
            # What is known of a head by its bytes is another way in.
            for _ in range(30):
                quick.send(encode_request("POST", topic_path("secret/topic"), PAYLOAD.encode(),
                                          bearer(wide)))
                assert quick.response().status == 201
        statuses = [witness.send(line.format(secret, MARK, "x" * 17_000))
                    for line in MALFORMED for secret in (wide, jwt, bad[0])]
        assert {400, 401, 404, 405, 426} <= set(statuses), statuses
        witness.look_at_the_admin_door()
        revoke(witness.admin, wide)
        one.read_to_end(), three.read_to_end()
        assert client.closed() == 4401

    for answer in witness.answers:
        witness.check(answer, "an answer")
        assert MARK.encode() not in answer and PAYLOAD.encode() not in answer
    for path in own.directory.rglob("*"):
        if path.is_file():
            witness.check(path.read_bytes(), path.name)
    assert own.stop() == 0
    for path in own.directory.rglob("*"):
        if path.is_file():
            witness.check(path.read_bytes(), path.name)
    check_log(own, witness, log_format)


def check_log(own, witness, log_format):
    said = own.log + "".join(own.stdout)
    # What was logged is here to be looked at, up to the last line.
    assert "lifecycle ended" in own.stderr[-1], own.stderr[-1]
    witness.check(said, "the log")
    for word in (PAYLOAD, MARK, "access_token", "Bearer", "?"):
        assert word not in said, next(line for line in own.stderr if word in line)
    if log_format == "json":
        assert all(isinstance(json.loads(line), dict) for line in own.stderr)


def test_a_token_is_shown_once_and_not_kept_by_the_door(start):
    own = start("--auth", "--log-level", "trace")
    admin = Admin(own)
    response = admin.request("POST", "/v1/tokens", {
        "publish": ["a"], "subscribe": ["a"], "expires_in_seconds": None, "note": "once"})
    assert response.status == 201 and response.header("cache-control") == "no-store"
    made = response.json()
    secret = made.pop("token")
    assert made["hint"] == secret[:12] and admin.get(f"/v1/tokens/{made['id']}") == made
    for path in ("/v1/tokens?state=all", f"/v1/tokens/{made['id']}", "/v1/status", "/metrics"):
        assert secret.encode() not in admin.request("GET", path).body
    own.publish("a", "x", bearer(secret))
    assert secret[12:] not in own.log
    for path in own.directory.rglob("*"):
        if path.is_file():
            assert secret[12:].encode() not in path.read_bytes(), path.name
