"""TLS on the public door: who is let in, and certificates that are replaced under load."""

import os
import signal
import socket
import ssl
import threading
import time

import pytest
from websockets.sync.client import connect

from broker import Broker, topic_path, wait_for
from gateway import PROTOCOL
from sse import Reader
from test_auth_options import refusal
from tls import Authority, Issued, SecureConnection
from wire import ChunkDecoder, encode_request


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def module_secure(tmp_path_factory, authority):
    folder = tmp_path_factory.mktemp("tls")
    certificate, key, serial = authority.issue(folder)
    broker = Broker(folder / "data", "--tls-certificate", certificate, "--tls-key", key,
                    "--request-timeout", 2).start()
    broker.serial, broker.folder = serial, folder
    yield broker
    broker.kill()


@pytest.fixture
def secure(module_secure, authority):
    yield module_secure
    module_secure.check_alive()
    with SecureConnection(module_secure, authority.context()) as connection:
        assert connection.request("GET", "/healthz").status == 200


class SecureStream:
    """An event stream over TLS, read by a thread."""

    def __init__(self, broker, context, topic):
        self.connection = SecureConnection(broker, context, timeout=60)
        self.connection.send(encode_request("GET", topic_path(topic, "events")))
        assert self.connection.head().status == 200
        self.reader, self.decoder = Reader(), ChunkDecoder()
        self.events, self.has_ended = [], False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while data := self.connection.receive():
                self.events += self.reader.feed(self.decoder.feed(data))
        except OSError:
            pass
        self.has_ended = True


# What is served.


def test_everything_is_served_over_tls(secure, authority, topic):
    with SecureConnection(secure, authority.context()) as connection:
        assert connection.serial_number == secure.serial
        response = connection.request("POST", topic_path(topic), b"x" * 500_000)
        assert response.status == 201
        assert connection.request("GET", topic_path(topic)).json()["next"] == response.json()["id"]
    stream = SecureStream(secure, authority.context("http/1.1"), topic)
    with connect(f"wss://localhost:{secure.port}/ws", ssl=authority.context(), proxy=None,
                 subprotocols=[PROTOCOL]) as client:
        assert '"hello"' in client.recv(5)
        client.send('{"ref":1,"type":"publish","topic":"' + topic + '","data":"hi"}')
        assert '"published"' in client.recv(5)
    wait_for(lambda: stream.events)
    assert stream.events[0].data == "hi"
    stream.connection.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version, is_served", [
    (ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, True),
    (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1, False),
])
def test_tls_is_spoken_from_version_1_2_on(secure, authority, version, is_served):
    context = authority.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    if is_served:
        with SecureConnection(secure, context) as connection:
            assert connection.request("GET", "/healthz").status == 200
    else:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            SecureConnection(secure, context)


@pytest.mark.parametrize("offered, chosen", [
    (["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (["http/1.1", "h2"], "h2"), ([], None),
])
def test_the_protocol_is_agreed_on(secure, authority, offered, chosen):
    with SecureConnection(secure, authority.context(*offered)) as connection:
        assert connection.socket.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("algorithm", ["ec", "rsa"])
def test_keys_of_both_kinds_are_taken(start, authority, tmp_path, algorithm):
    certificate, key, serial = authority.issue(tmp_path, algorithm)
    own = start("--tls-certificate", certificate, "--tls-key", key)
    with SecureConnection(own, authority.context()) as connection:
        assert connection.serial_number == serial
        assert connection.request("GET", "/healthz").status == 200


# What is not.


@pytest.mark.parametrize("data", [
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 500,
    b"\x16\x03\x01\xff\xff" + b"x" * 9_000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
])
def test_what_is_no_tls_is_cut_off(secure, data):
    with secure.connect() as connection:
        connection.send(data)
        try:
            assert b"200 OK" not in connection.rest()
        except ConnectionResetError:
            pass


@pytest.mark.parametrize("data", [b"", b"\x16\x03", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_that_goes_nowhere_is_cut_off_in_time(secure, data):
    began = time.monotonic()
    with secure.connect(20) as connection:
        connection.send(data)
        try:
            connection.rest()
        except ConnectionResetError:
            pass
    assert time.monotonic() - began < 6


def test_a_client_that_refuses_the_certificate_does_no_harm(secure):
    for _ in range(20):
        with pytest.raises(ssl.SSLCertVerificationError):
            SecureConnection(secure, ssl.create_default_context())


def test_files_that_do_not_fit_are_refused_with_a_sentence(tmp_path, authority):
    certificate, key, _ = authority.issue(tmp_path)
    other = tmp_path / "other.pem"
    other.write_bytes(Issued("localhost").key_pem)
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    for options, part in [
            (["--tls-certificate", certificate], "--tls-key"),
            (["--tls-key", key], "--tls-certificate"),
            (["--tls-certificate", tmp_path / "none.pem", "--tls-key", key], "none.pem"),
            (["--tls-certificate", certificate, "--tls-key", tmp_path / "no.pem"], "no.pem"),
            (["--tls-certificate", empty, "--tls-key", key], "empty.pem"),
            (["--tls-certificate", certificate, "--tls-key", empty], "empty.pem"),
            (["--tls-certificate", certificate, "--tls-key", certificate], "chain.pem"),
            (["--tls-certificate", certificate, "--tls-key", other], "other.pem")]:
        said = refusal(tmp_path, *options)
        assert part in said, (options, said)
        assert "PRIVATE KEY" not in said


# Reloading.


def reload(broker):
    os.kill(broker.process.pid, signal.SIGHUP)


def serial(broker, authority):
    with SecureConnection(broker, authority.context()) as connection:
        return connection.serial_number


class Publisher(threading.Thread):
    """Publishes all the time on one connection; every answer must be 201."""

    def __init__(self, broker, context):
        super().__init__(daemon=True)
        self.connection = SecureConnection(broker, context, timeout=30)
        self.must_stop, self.count, self.failure = threading.Event(), 0, None

    def run(self):
        try:
            while not self.must_stop.is_set():
                response = self.connection.request(
                    "POST", topic_path("load"), str(self.count).encode())
                assert response.status == 201, response.status
                self.count += 1
        except Exception as error:  # Told to the test by the main thread.
            self.failure = error


def test_certificates_are_replaced_under_load_and_no_stream_is_dropped(start, authority, tmp_path):
    certificate, key, first = authority.issue(tmp_path)
    own = start("--tls-certificate", certificate, "--tls-key", key)
    context = authority.context()
    streams = [SecureStream(own, context, "load") for _ in range(50)]
    publisher = Publisher(own, context)
    publisher.start()
    shown = [first]
    for _ in range(5):
        shown.append(authority.issue(tmp_path)[2])
        before = publisher.count
        reload(own)
        wait_for(lambda: serial(own, authority) == shown[-1], 10, "the new certificate")
        wait_for(lambda: publisher.count > before + 20, 10, "publishes behind it")
    publisher.must_stop.set()
    publisher.join(10)
    assert publisher.failure is None and len(set(shown)) == 6
    wait_for(lambda: all(len(stream.events) == publisher.count for stream in streams), 20,
             "every message on every stream")
    for stream in streams:
        assert [event.data for event in stream.events] == [str(n) for n in range(publisher.count)]
        assert not stream.has_ended and not stream.reader.sins
        stream.connection.close()


@pytest.mark.parametrize("breaks", ["chain.pem", "key.pem", "both"])
def test_files_that_broke_keep_the_old_certificate_and_are_logged(
        start, authority, tmp_path, breaks):
    certificate, key, first = authority.issue(tmp_path)
    own = start("--tls-certificate", certificate, "--tls-key", key)
    if breaks == "both":
        # Each is good, and they do not belong together.
        authority.issue(tmp_path)
        key.write_bytes(Issued("localhost").key_pem)
    else:
        (tmp_path / breaks).write_bytes(b"broken")
    reload(own)
    wait_for(lambda: [line for line in own.stderr if " error " in line.lower()], 10, "the error")
    assert serial(own, authority) == first
    assert "PRIVATE KEY" not in own.log
    # Mended, it takes them at the next signal.
    second = authority.issue(tmp_path)[2]
    reload(own)
    wait_for(lambda: serial(own, authority) == second, 10, "the new certificate")


def test_without_tls_the_signal_changes_nothing(start):
    own = start()
    with own.follow("a") as stream:
        stream.opening()
        for _ in range(3):
            reload(own)
        number = own.publish("a", "x")
        assert stream.next() == (number, "message", "x")
    own.check_alive()


def test_a_crowd_of_half_open_handshakes_does_not_keep_others_out(secure, authority):
    idle = [socket.create_connection((secure.host, secure.port)) for _ in range(500)]
    began = time.monotonic()
    with SecureConnection(secure, authority.context()) as connection:
        assert connection.request("GET", "/healthz").status == 200
    assert time.monotonic() - began < 2
    for connection in idle:
        connection.close()
