"""The connections of the admin door: who may stay, what is read on, and how they end."""

import json
import socket
import time

import pytest

from admin import Admin, segment
from broker import Broker, wait_for
from wire import check_problem, encode_request

PLACES = 40
PROOF_SECONDS = 10


@pytest.fixture(scope="module")
def tcp(tmp_path_factory):
    running = Broker(tmp_path_factory.mktemp("tcp"), "--admin-listen", "127.0.0.1:0").start()
    try:
        yield Admin.tcp(running)
    finally:
        running.kill()


@pytest.fixture(params=["socket", "tcp"])
def admin(request, tcp):
    return tcp if request.param == "tcp" else Admin(tcp.broker)


def without_challenge(response):
    response.fields = [(n, v) for n, v in response.fields if n != "www-authenticate"]
    return response


def test_strangers_never_keep_an_operator_out(tcp):
    strangers = [tcp.connect() for _ in range(3 * PLACES)]
    try:
        begun = time.monotonic()
        assert tcp.get("/v1/status")["state"] == "serving"
        assert time.monotonic() - begun < 2
        # The oldest made room, those that came last may still show the token.
        assert strangers[0].is_closed_by_peer()
        assert strangers[-1].request("GET", "/v1/status", headers=tcp.headers()).status == 200
    finally:
        for stranger in strangers:
            stranger.close()


def test_strangers_never_push_an_operator_out(tcp):
    with tcp.connect() as operator, tcp.events("**") as stream:
        assert operator.request("GET", "/v1/status", headers=tcp.headers()).status == 200
        assert stream.next()[0] == "caught_up"
        strangers = [tcp.connect() for _ in range(3 * PLACES)]
        try:
            assert strangers[0].is_closed_by_peer()
            assert operator.request("GET", "/v1/status", headers=tcp.headers()).status == 200
            number = tcp.publish("crowd", "still here")
            assert stream.next()[1] == number
        finally:
            for stranger in strangers:
                stranger.close()


def test_a_stranger_has_seconds_to_show_the_token(tcp):
    begun = time.monotonic()
    with tcp.connect(30) as silent, tcp.connect(30) as slow, tcp.connect(30) as refused, \
            tcp.connect(30) as operator:
        slow.send(b"GET /v1/status HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert refused.request("GET", "/v1/status").status == 401
        assert operator.request("GET", "/v1/status", headers=tcp.headers()).status == 200
        for one in [silent, slow, refused]:
            assert one.is_closed_by_peer()
            assert PROOF_SECONDS - 1 < time.monotonic() - begun < PROOF_SECONDS + 5
        assert operator.request("GET", "/v1/status", headers=tcp.headers()).status == 200


@pytest.mark.parametrize("framing", [
    b"Content-Length: 1000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n8000\r\n"])
def test_a_large_body_without_the_token_is_answered_and_not_read(tcp, framing):
    with tcp.connect() as connection:
        connection.send(b"POST /v1/topics/a/messages?lines=true HTTP/1.1\r\nHost: a\r\n" + framing)
        begun = time.monotonic()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while time.monotonic() - begun < 8:
                connection.send(b"x" * 32_768)
    # Whoever looks for the answer while it sends has it before the end.
    with tcp.connect() as connection:
        connection.send(b"POST /v1/topics/a/messages?lines=true HTTP/1.1\r\nHost: a\r\n" + framing
                        + b"x" * 30_000)
        response = connection.response()
        assert response.header("connection") == "close"
        check_problem(without_challenge(response), 401, "unauthorized")
        assert connection.is_closed_by_peer()


def test_an_operator_whose_large_body_is_refused_gets_the_answer(admin):
    with admin.connect() as connection:
        fields = admin.headers({"Content-Length": "500000000"})
        connection.send(encode_request("POST", "/v1/topics/a/messages", headers=fields)
                        + b"x" * 100_000)
        response = connection.response()
        assert response.header("connection") == "close"
        check_problem(response, 413, "message_too_large")
        assert connection.is_closed_by_peer()
    with admin.connect() as connection:
        refused = connection.request(
            "POST", "/v1/nothing", b"x" * 1_000, admin.headers())
        check_problem(refused, 404, "not_found")
        # Little of a body is read and dropped: the connection is kept.
        assert connection.request("GET", "/v1/status", headers=admin.headers()).status == 200


def test_a_request_that_asks_for_the_close_gets_it(admin):
    with admin.connect() as connection:
        response = connection.request(
            "GET", "/v1/status", headers=admin.headers({"Connection": "close"}))
        assert response.status == 200 and response.header("connection") == "close"
        assert connection.is_closed_by_peer()


def test_a_client_that_says_all_it_has_and_closes_its_half_gets_the_answer_and_the_end(admin):
    with admin.connect() as connection:
        connection.send(encode_request(
            "GET", "/v1/status", headers=admin.headers({"Connection": "close"})))
        connection.socket.shutdown(socket.SHUT_WR)
        begun = time.monotonic()
        assert connection.response().status == 200
        assert connection.is_closed_by_peer()
        assert time.monotonic() - begun < 1.5


def expecting(admin, path, length, proof=True):
    fields = {"Content-Length": str(length), "Expect": "100-continue"}
    if proof:
        fields = admin.headers(fields)
    return encode_request("POST", path, headers=fields)


@pytest.mark.parametrize("path", ["messages", "messages?lines=true"])
def test_a_client_that_waits_is_asked_for_the_body(admin, path):
    with admin.connect() as connection:
        for _ in range(2):
            connection.send(expecting(admin, f"/v1/topics/expected/{path}", 5))
            begun = time.monotonic()
            interim = connection.head()
            assert interim.status == 100 and interim.fields == []
            assert time.monotonic() - begun < 0.9
            connection.send(b"hello")
            response = connection.response()
            assert response.status in (200, 201) and not response.interim
    page = admin.get("/v1/messages", topic="expected", tail=2)
    assert [message["data"] for message in page["messages"]] == ["hello"] * 2


@pytest.mark.parametrize("path, length, status, code", [
    ("/v1/topics/a/messages", 100_000_000, 413, "message_too_large"),
    ("/v1/topics/a%2F/messages", 5, 400, "invalid_topic"),
    ("/v1/nothing", 5, 404, "not_found"),
    ("/v1/topics", 5, 415, "unsupported_media_type"),
])
def test_a_client_whose_body_is_not_wanted_is_not_asked_for_it(admin, path, length, status, code):
    with admin.connect() as connection:
        connection.send(expecting(admin, path, length))
        response = connection.response()
        assert response.interim == [] and response.header("connection") == "close"
        check_problem(response, status, code)
        assert connection.is_closed_by_peer()


def test_a_client_without_the_token_is_not_asked_for_its_body(tcp):
    with tcp.connect() as connection:
        connection.send(expecting(tcp, "/v1/topics/a/messages", 5, proof=False))
        response = connection.response()
        assert response.interim == []
        check_problem(without_challenge(response), 401, "unauthorized")


@pytest.mark.parametrize("path", ["messages", "messages?lines=true"])
def test_a_broken_chunked_body_is_a_problem_and_publishes_nothing_of_it(admin, topic, path):
    fields = admin.headers({"Transfer-Encoding": "chunked"})
    with admin.connect() as connection:
        connection.send(encode_request(
            "POST", f"/v1/topics/{segment(topic)}/{path}", headers=fields)
            + b"4\r\nhalf\r\nno-size\r\nmore\r\n0\r\n\r\n")
        response = connection.response()
        assert response.header("connection") == "close"
        problem = response.json()
        assert problem.pop("published", 0) == 0
        response.body = json.dumps(problem).encode()
        assert "the body" in check_problem(response, 400, "bad_request")["detail"]
        assert connection.is_closed_by_peer()
    assert admin.get("/v1/messages", topic=topic)["messages"] == []


def test_a_chunked_body_that_breaks_where_nobody_reads_it_is_answered_once(admin):
    fields = admin.headers({"Transfer-Encoding": "chunked"})
    with admin.connect() as connection:
        connection.send(encode_request("POST", "/v1/nothing", headers=fields) + b"no-size\r\n")
        check_problem(connection.response(), 404, "not_found")
        assert connection.is_closed_by_peer()


def test_rubbish_behind_a_request_is_refused_after_its_answer(admin):
    with admin.connect() as connection:
        connection.send(encode_request("GET", "/v1/status", headers=admin.headers()) + b"\x00\r\n")
        assert connection.response().status == 200
        check_problem(connection.response(), 400, "bad_request")
        assert connection.is_closed_by_peer()


def test_a_long_upload_of_an_operator_is_not_cut_off(tcp, topic):
    fields = tcp.headers({"Transfer-Encoding": "chunked"})
    with tcp.connect(30) as connection:
        connection.send(encode_request(
            "POST", f"/v1/topics/{segment(topic)}/messages?lines=true", headers=fields))
        begun, count = time.monotonic(), 0
        # Longer than strangers may stay.
        while time.monotonic() - begun < PROOF_SECONDS + 2:
            connection.send(b"5\r\nline\n\r\n")
            count += 1
            wait_for(lambda: tcp.get("/v1/messages", topic=topic, tail=1)["messages"])
        connection.send(b"0\r\n\r\n")
        assert connection.response().json()["published"] == count


def test_a_client_that_leaves_while_it_is_refused_costs_nothing(tcp):
    for _ in range(100):
        with tcp.connect() as connection:
            connection.send(b"POST /v1/topics HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n")
            connection.socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    assert tcp.get("/v1/status")["state"] == "serving"
