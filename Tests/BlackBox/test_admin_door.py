"""The door itself: its socket, its token, who may come in, and how it opens and closes."""

import base64
import os
import signal
import socket
import stat
import threading
import time

import pytest

from admin import Admin, SocketConnection
from broker import Broker, wait_for
from wire import check_problem, encode_request

ROUTES = [
    "/", "/metrics", "/openapi.json", "/v1/status", "/v1/statistics", "/v1/topics", "/v1/topics/a",
    "/v1/topics/a/policy", "/v1/topics/a/purge", "/v1/messages?topic=a", "/v1/events?topic=a",
    "/v1/policies", "/v1/policies/**", "/v1/retention/plan", "/v1/subscribers", "/v1/subscribers/1",
]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def admin(broker):
    return Admin(broker)


def test_socket_and_token_are_their_owners_alone(broker):
    assert stat.S_ISSOCK(os.stat(broker.directory / "admin.sock").st_mode)
    assert mode(broker.directory / "admin.sock") == 0o600
    assert mode(broker.directory / "admin-token") == 0o600


def test_the_socket_is_its_owners_also_where_new_files_are_everybodys(tmp_path):
    broker = Broker(tmp_path / "data")
    before = os.umask(0)
    try:
        broker.start()
    finally:
        os.umask(before)
    try:
        assert mode(broker.directory / "admin.sock") == 0o600
        assert mode(broker.directory / "admin-token") == 0o600
    finally:
        broker.kill()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_the_public_port_has_nothing_of_it(broker, method, route):
    response = broker.request(method, route, b"{}", {"Content-Type": "application/json"})
    check_problem(response, 404, "not_found")


def test_the_ready_line_comes_after_the_door_is_open(start):
    broker = start()
    assert Admin(broker).get("/v1/status")["state"] == "serving"
    assert len(broker.stdout) == 1


def test_a_stale_socket_gives_way(start, tmp_path):
    broker = start(directory=tmp_path / "data")
    broker.restart(signal.SIGKILL)
    assert Admin(broker).get("/v1/status")["state"] == "serving"


def test_the_socket_is_gone_after_a_clean_stop(start):
    broker = start()
    assert broker.stop() == 0
    assert not (broker.directory / "admin.sock").exists()
    assert (broker.directory / "admin-token").exists()
    assert "error" not in broker.log.lower(), broker.log


def test_what_is_no_socket_is_left_alone_and_said(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "admin.sock").write_text("mine")
    broker = Broker(tmp_path / "data").spawn()
    assert broker.wait() == 1
    assert "cannot open the admin door" in broker.log and "no socket" in broker.log
    assert (tmp_path / "data" / "admin.sock").read_text() == "mine"
    assert not broker.stdout


def test_a_path_too_long_for_a_socket_address_works(start, tmp_path):
    folder = tmp_path / ("long" * 40)
    broker = start(directory=folder)
    assert len(str(folder / "admin.sock")) > 107
    assert Admin(broker).get("/v1/status")["data_directory"] == str(folder)
    assert broker.stop() == 0
    assert not (folder / "admin.sock").exists()


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1", "[::1]:80"])
def test_over_the_socket_the_host_is_this_machine(admin, host):
    assert admin.request("GET", "/v1/status", headers={"Host": host}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1", ""])
def test_another_host_is_refused(admin, host):
    response = admin.request("GET", "/v1/status", headers={"Host": host})
    check_problem(response, 403, "forbidden_host")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost:1"])
def test_another_origin_is_refused(admin, origin):
    response = admin.request("GET", "/v1/status", headers={"Host": "localhost", "Origin": origin})
    check_problem(response, 403, "forbidden_origin")
    response = admin.request(
        "GET", "/v1/status", headers={"Host": "localhost:80", "Origin": "http://localhost"})
    assert response.status == 200


def test_answers_have_the_security_headers_and_refusals_too(admin):
    for path in ["/", "/v1/status", "/v1/nothing", "/metrics", "/openapi.json"]:
        response = admin.request("GET", path)
        assert response.header("cache-control") == "no-store", path
        assert response.header("x-content-type-options") == "nosniff", path
        assert response.header("referrer-policy") == "no-referrer", path
        policy = response.header("content-security-policy")
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy


# Over TCP.


@pytest.fixture(scope="module")
def tcp(tmp_path_factory):
    running = Broker(tmp_path_factory.mktemp("tcp"), "--admin-listen", "127.0.0.1:0").start()
    try:
        yield Admin.tcp(running)
    finally:
        running.kill()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_over_tcp_the_token_is_needed_for_everything(tcp):
    for path in ROUTES + ["/nothing"]:
        for proof in [None, "Bearer wrong", f"Bearer {tcp.token}x", f"Bearer {tcp.token[:-1]}",
                      basic("admin", "wrong"), tcp.token, f"Bearer{tcp.token}"]:
            headers = {"Authorization": proof} if proof else {"Authorization": None}
            with tcp.connect() as connection:
                response = connection.request("GET", path, headers=headers)
            fields = [v for n, v in response.fields if n == "www-authenticate"]
            response.fields = [(n, v) for n, v in response.fields if n != "www-authenticate"]
            check_problem(response, 401, "unauthorized")
            assert [field.split()[0] for field in fields] == ["Bearer", "Basic"]


def test_over_tcp_the_token_lets_in(tcp):
    assert tcp.get("/v1/status")["state"] == "serving"
    for user in ["admin", "", "anybody"]:
        with tcp.connect() as connection:
            response = connection.request(
                "GET", "/v1/status", headers={"Authorization": basic(user, tcp.token)})
        assert response.status == 200
    assert tcp.request("GET", "/v1/status", headers={"Host": "a.example"}).status == 200
    response = tcp.request("GET", "/v1/status", headers={"Origin": "http://evil.example"})
    check_problem(response, 403, "forbidden_origin")


def test_the_socket_needs_no_token_beside_tcp(tcp):
    assert Admin(tcp.broker).get("/v1/status")["state"] == "serving"


def test_the_token_outlives_a_restart_and_can_be_given(start, tmp_path):
    first = start("--admin-listen", "127.0.0.1:0")
    token = Admin.tcp(first).token
    first.restart(signal.SIGTERM)
    assert Admin.tcp(first).token == token
    assert Admin.tcp(first).get("/v1/status")["state"] == "serving"

    file = tmp_path / "token"
    file.write_text("from-a-file-0123456789\n")
    file.chmod(0o600)
    given = Admin.tcp(start("--admin-listen", "127.0.0.1:0", "--admin-token-file", file,
                            env={"TICKERTAPE_ADMIN_TOKEN": "from-the-environment"}),
                      "from-a-file-0123456789")
    assert not (given.broker.directory / "admin-token").exists()
    assert given.get("/v1/status")["state"] == "serving"

    other = Admin.tcp(start("--admin-listen", "127.0.0.1:0",
                            env={"TICKERTAPE_ADMIN_TOKEN": "from-the-environment"}))
    assert other.request("GET", "/v1/status").status == 401
    other.token = "from-the-environment"
    assert other.request("GET", "/v1/status").status == 200


@pytest.mark.parametrize("content, permissions, sentence", [
    ("long-enough-0123456789", 0o640, "chmod 600"),
    ("long-enough-0123456789", 0o604, "chmod 600"),
    ("short", 0o600, "5 characters"),
    ("", 0o600, "0 characters"),
])
def test_a_token_that_is_no_secret_is_refused_at_start(tmp_path, content, permissions, sentence):
    file = tmp_path / "token"
    file.write_text(content)
    file.chmod(permissions)
    broker = Broker(tmp_path / "data", "--admin-listen", "127.0.0.1:0",
                    "--admin-token-file", file).spawn()
    assert broker.wait() == 1
    assert sentence in broker.log and not broker.stdout
    assert content == "" or content not in broker.log


def test_an_address_that_is_taken_ends_the_start_with_a_sentence(start, tmp_path):
    taken = Admin.tcp(start("--admin-listen", "127.0.0.1:0")).port
    broker = Broker(tmp_path / "other", "--admin-listen", f"127.0.0.1:{taken}").spawn()
    assert broker.wait() == 1
    assert f"port {taken} cannot be listened on" in broker.log
    assert not (tmp_path / "other" / "admin.sock").exists()


@pytest.mark.parametrize("address", ["1868", "127.0.0.1", ":1868", "127.0.0.1:x", "::1:1868"])
def test_an_address_that_is_none_is_wrong_usage(tmp_path, address):
    broker = Broker(tmp_path / "data", "--admin-listen", address).spawn()
    assert broker.wait() == 64
    assert "--admin-listen" in broker.log


def test_listening_for_others_is_warned_about(start):
    broker = start("--admin-listen", "0.0.0.0:0")
    wait_for(lambda: "not encrypted" in broker.log)
    assert "warning" in broker.log


# Stopping.


def test_streams_and_idle_connections_do_not_delay_the_stop(start):
    broker = start()
    admin = Admin(broker)
    with admin.events("**") as stream, admin.connect() as idle, admin.connect() as half:
        assert stream.next()[0] == "caught_up"
        assert idle.request("GET", "/v1/status").status == 200
        half.send(b"POST /v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        began = time.monotonic()
        assert broker.stop() == 0
        assert time.monotonic() - began < 5
    assert "error" not in broker.log.lower(), broker.log


def test_status_is_answered_while_the_broker_drains(start):
    broker = start()
    with broker.connect() as busy:
        # A request that is still arriving keeps the drain going.
        busy.send(encode_request("POST", "/topics/a/messages", b"x" * 10)[:-5])
        wait_for(lambda: Admin(broker).get("/v1/status")["connections"] == 1)
        broker.process.send_signal(signal.SIGTERM)
        wait_for(lambda: Admin(broker).get("/v1/status")["state"] == "draining")
        response = Admin(broker).request("POST", "/v1/topics/a/messages", "late")
        check_problem(response, 503, "draining")
        busy.send(b"xxxxx")
        assert busy.response().status == 201
    assert broker.wait() == 0


# Bytes.


@pytest.mark.parametrize("data", [
    b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
])
def test_bytes_that_are_no_http_are_answered_and_end_the_connection(admin, data):
    with admin.connect() as connection:
        connection.send(data)
        check_problem(connection.response(), 400, "bad_request")
        assert connection.is_closed_by_peer()


def test_a_body_that_breaks_off_publishes_nothing(admin, topic):
    heads = [b"Content-Length: 100\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
    for head in heads:
        with admin.connect() as connection:
            connection.send(
                f"POST /v1/topics/{topic.replace('/', '%2F')}/messages HTTP/1.1\r\n"
                "Host: localhost\r\n".encode() + head)
            connection.socket.shutdown(socket.SHUT_WR)
            while connection.socket.recv(65536):
                pass
    assert admin.get("/v1/messages", topic=topic)["messages"] == []


def test_connections_have_a_bound_and_those_over_it_wait(admin):
    crowd = [SocketConnection(admin.path) for _ in range(40)]
    try:
        assert all(one.request("GET", "/v1/status").status == 200 for one in crowd)
        late = []
        waiting = threading.Thread(target=lambda: late.append(admin.get("/v1/status")))
        waiting.start()
        waiting.join(0.3)
        assert not late
        crowd.pop().close()
        waiting.join(5)
        assert late
    finally:
        for one in crowd:
            one.close()
