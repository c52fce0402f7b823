"""Behind a proxy: whose word on a client's address counts, and how it is read.

Who a client is shows in its bound on streams: two that are one cannot both have the only place.
"""

import itertools

import pytest

from broker import Broker, topic_path, wait_for
from wire import encode_request

PROXY, STRANGER = "127.0.0.1", "127.0.0.5"
# What proxies can be in between the trusted one and a client, too.
TRUSTED = ["127.0.0.1/32", "10.0.0.0/8", "2001:db8:aaaa::/48"]
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def module_behind(tmp_path_factory):
    options = [option for network in TRUSTED for option in ("--trusted-proxy", network)]
    running = Broker(tmp_path_factory.mktemp("data"), *options, "--client-max-streams", 1).start()
    yield running
    running.kill()


@pytest.fixture
def behind(module_behind):
    yield module_behind
    module_behind.check_alive()


class Attempt:
    """An event stream that is asked for, and held where it is given."""

    def __init__(self, broker, fields=(), source=PROXY):
        self.connection = broker.connect(source=source)
        request = encode_request("GET", topic_path("a", "events"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        self.connection.send(request[:-2] + lines.encode("utf-8") + b"\r\n")
        self.status = self.connection.head().status

    def __enter__(self):
        assert self.status == 200
        return self

    def __exit__(self, *_):
        self.connection.close()


def status(broker, fields=(), source=PROXY):
    asked = Attempt(broker, fields, source)
    asked.connection.close()
    return asked.status


def wait_until_free(broker, fields):
    wait_for(lambda: status(broker, fields) == 200, 5, "a place again")


def check_same(broker, fields, address, source=PROXY):
    """`fields` say that the client is at `address`, and at no other."""
    plain = [("X-Forwarded-For", address)]
    wait_until_free(broker, plain)
    wait_until_free(broker, [("X-Forwarded-For", "198.51.100.250")])
    with held(broker, plain):
        assert status(broker, fields, source) == 429
    with held(broker, [("X-Forwarded-For", "198.51.100.250")]):
        wait_for(lambda: status(broker, fields, source) == 200, 5, "a place of its own")


def held(broker, fields):
    """A stream that has the place; the one that tried it before may still be leaving."""
    while (asked := Attempt(broker, fields)).status != 200:
        asked.connection.close()
    return asked


CLIENT = "198.51.100.7"
CLIENT6 = "2001:db8:1:2::7"


@pytest.mark.parametrize("value, address", [
    (CLIENT, CLIENT),
    (f"  {CLIENT}  ", CLIENT),
    # The right-most that is not trusted: what stands left of it is what a client made up.
    (f"203.0.113.9, {CLIENT}", CLIENT),
    (f"203.0.113.9,{CLIENT},10.1.2.3", CLIENT),
    (f"203.0.113.9, {CLIENT}, 10.1.2.3, 10.9.9.9", CLIENT),
    (f"{CLIENT},, 10.1.2.3", CLIENT),
    (f"127.0.0.1, 10.0.0.1, {CLIENT}", CLIENT),
    (f"unknown, {CLIENT}", CLIENT),
    (f"<script>, '; DROP TABLE, {CLIENT}", CLIENT),
    (f"{CLIENT}:4711", CLIENT),
    (CLIENT6, CLIENT6),
    (f"[{CLIENT6}]", CLIENT6),
    (f"[{CLIENT6}]:4711", CLIENT6),
    (f"{CLIENT}, 2001:db8:aaaa::5", CLIENT),
    (f"::ffff:{CLIENT}", CLIENT),
    ("2001:DB8:1:2:0:0:0:7", CLIENT6),
    # IPv6 clients have the first 64 bits in common.
    ("2001:db8:1:2:ffff::1", CLIENT6),
])
def test_the_address_is_the_rightmost_that_is_not_trusted(behind, value, address):
    check_same(behind, [("X-Forwarded-For", value)], address)


def test_fields_given_several_times_are_one_list(behind):
    check_same(behind, [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", CLIENT),
                        ("X-Forwarded-For", "10.1.1.1")], CLIENT)


@pytest.mark.parametrize("value, address", [
    (f"for={CLIENT}", CLIENT),
    (f"For={CLIENT};proto=https;by=10.0.0.1", CLIENT),
    (f'for="{CLIENT}"', CLIENT),
    (f'for="{CLIENT}:4711"', CLIENT),
    (f'for="[{CLIENT6}]"', CLIENT6),
    (f'for="[{CLIENT6}]:4711"', CLIENT6),
    (f"for=203.0.113.9, for={CLIENT}", CLIENT),
    (f"for=203.0.113.9, for={CLIENT};by=10.0.0.1, for=10.2.2.2", CLIENT),
    (f'proto=https;secret="a;b,c";for={CLIENT}', CLIENT),
    (f'by="a\\"b, for=203.0.113.9";for={CLIENT}', CLIENT),
    (f"for=_hidden, for={CLIENT}", CLIENT),
    (f"for=unknown,for={CLIENT}", CLIENT),
])
def test_forwarded_is_read_as_rfc_7239_says(behind, value, address):
    check_same(behind, [("Forwarded", value)], address)


# What does not end in an address tells nothing: the proxy itself is then the client. (A bound that
# nobody can be held to would be none.)
NO_ADDRESS = [
    [("X-Forwarded-For", "")], [("X-Forwarded-For", "unknown")], [("X-Forwarded-For", "_x")],
    [("X-Forwarded-For", "198.51.100.7.8")], [("X-Forwarded-For", "198.51.100.999")],
    [("X-Forwarded-For", "0x7f.1")], [("X-Forwarded-For", "[::1")],
    [("X-Forwarded-For", "x" * 900)], [("X-Forwarded-For", "198.51.100.7 198.51.100.8")],
    [("Forwarded", "for=unknown")], [("Forwarded", "for=_hidden")], [("Forwarded", "for=")],
    [("Forwarded", f'for="{CLIENT}')], [("Forwarded", "by=10.0.0.1")], [("Forwarded", ";;,,")],
    [("Forwarded", "for=[2001:db8::1")], [("X-Forwarded-For", f"{CLIENT}, unknown")],
    [("Forwarded", f"for={CLIENT}, for=_hidden")], [("X-Real-IP", CLIENT)],
]


@pytest.mark.parametrize("fields", NO_ADDRESS, ids=lambda fields: " ".join(fields[0])[:60])
def test_what_is_no_address_hides_nobody(behind, fields):
    # Other words of the same kind do not make another client of it.
    other = [(fields[0][0], "unknown" if fields[0][0] == "X-Forwarded-For" else "for=_other")]
    with held(behind, fields):
        assert status(behind, other) == 429
        assert status(behind, fields) == 429
        assert status(behind, [("X-Forwarded-For", CLIENT)]) == 200
    wait_until_free(behind, [("X-Forwarded-For", CLIENT)])
    wait_until_free(behind, fields)


@pytest.mark.parametrize("fields", [
    [("X-Forwarded-For", "203.0.113.{}")], [("Forwarded", "for=203.0.113.{}")],
    [("Forwarded", "for=203.0.113.{}"), ("X-Forwarded-For", "203.0.113.{}")],
])
def test_nobody_else_is_believed(behind, fields):
    def made_up():
        return [(name, value.format(next(numbers) % 250)) for name, value in fields]

    asked = wait_for(lambda: (a := Attempt(behind, made_up(), STRANGER)).status == 200 and a)
    with asked:
        assert [status(behind, made_up(), STRANGER) for _ in range(5)] == [429] * 5
        # Neither can it take the place of another.
        victim = [("X-Forwarded-For", CLIENT)]
        with held(behind, victim):
            assert status(behind, [("X-Forwarded-For", "198.51.100.77")]) == 200


def test_without_trusted_proxies_nobody_is_believed(start):
    own = start("--client-max-streams", 1)
    with Attempt(own, [("X-Forwarded-For", "203.0.113.1"), ("Forwarded", "for=203.0.113.1")]):
        assert status(own, [("X-Forwarded-For", "203.0.113.2")]) == 429
        assert status(own, [("Forwarded", "for=203.0.113.2")]) == 429
        assert status(own, (), "127.0.0.2") == 200


def test_a_trusted_proxy_says_what_the_page_was_loaded_from(behind):
    def answer(origin, *fields, source=PROXY):
        with behind.connect(source=source) as connection:
            return connection.request("GET", topic_path("a"), headers={
                "Host": "localhost", "Origin": origin, **dict(fields)}).status

    proto = ("X-Forwarded-Proto", "https")
    forwarded = ("X-Forwarded-Host", "app.localhost")
    assert answer("http://localhost") == 200
    assert answer("https://localhost") == 403
    assert answer("https://localhost", proto) == 200
    assert answer("http://localhost", proto) == 403
    assert answer("https://app.localhost", proto, forwarded) == 200
    assert answer("https://localhost", proto, forwarded) == 403
    assert answer("https://app.localhost", ("Forwarded", "proto=https;host=app.localhost")) == 200
    # A stranger is not believed.
    for fields in ([proto], [proto, forwarded], [("Forwarded", "proto=https;host=app.localhost")]):
        assert answer("https://app.localhost", *fields, source=STRANGER) == 403
        assert answer("https://localhost", *fields, source=STRANGER) == 403
