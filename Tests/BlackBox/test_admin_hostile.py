"""The admin door against what is crafted, what is slow and what is many."""

import base64
import contextlib
import math
import struct
import time

import pytest

from admin import Admin
from broker import wait_for
from wire import check_problem


@pytest.fixture
def admin(broker):
    return Admin(broker)


def crafted_cursor(value, name, order="id", direction="asc"):
    """A cursor as the list of subscribers writes them, with whatever inside."""
    bits = struct.unpack(">Q", struct.pack(">d", value))[0]
    text = f"subscribers-{order}-{direction} {bits:x} {name}".encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.parametrize("value, name", [
    (2.0 ** 63, "1"), (-1e19, "1"), (1e300, "1"), (0.5, "1"), (math.inf, "1"), (-math.inf, "1"),
    (math.nan, "1"), (1.0, ""), (1.0, "x"), (1.0, "9223372036854775808")])
def test_a_crafted_cursor_is_refused(admin, value, name):
    response = admin.request("GET", "/v1/subscribers", cursor=crafted_cursor(value, name))
    check_problem(response, 400, "invalid_parameter")
    assert admin.get("/v1/subscribers", cursor=crafted_cursor(1.0, "1"))["subscribers"] == []


@pytest.mark.parametrize("body", [
    b"[" * 500 + b"]" * 500, b'{"a":' * 500 + b"1" + b"}" * 500,
    b"[" * 500 + b'"",' * 20_000 + b'""' + b"]" * 500, b"[" * 60_000])
def test_a_deep_body_is_refused_at_once(admin, body):
    begun = time.monotonic()
    response = admin.request("POST", "/v1/topics", body, {"Content-Type": "application/json"})
    check_problem(response, 400, "invalid_body")
    assert time.monotonic() - begun < 2


def test_who_follows_does_not_lock_out_who_looks_after_things(admin):
    def follow(connection):
        connection.send(b"GET /v1/events?topic=a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return connection.head().status

    with contextlib.ExitStack() as streams:
        for _ in range(24):
            assert follow(streams.enter_context(admin.connect())) == 200
        refused = admin.request("GET", "/v1/events", topic="a")
        check_problem(refused, 503, "too_many_streams")
        assert refused.header("retry-after") == "10"
        assert admin.get("/v1/status")["state"] == "serving"

    def has_room():
        with admin.connect() as connection:
            return follow(connection) == 200

    wait_for(has_room, what="a place that was given back")
