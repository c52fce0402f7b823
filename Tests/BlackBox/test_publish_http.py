"""Publishing as HTTP: bodies in pieces, pipelines, Expect, and old versions."""

import socket
import threading

import pytest

from broker import topic_path
from wire import check_problem, encode_chunks, encode_request


def test_a_chunked_body_split_byte_by_byte_arrives_whole(broker, topic):
    text = "naïve 新 😀\r\nend"
    body = encode_chunks(*[bytes([byte]) for byte in text.encode("utf-8")])
    request = encode_request("POST", topic_path(topic), headers={"Transfer-Encoding": "chunked"})
    with broker.connect() as connection:
        for byte in request + body:
            connection.send(bytes([byte]))
        number = connection.response().json()["id"]
    assert broker.message(topic, number).json()["data"] == text


def test_chunk_extensions_and_trailers_are_read_over(broker, topic):
    request = encode_request("POST", topic_path(topic), headers={"Transfer-Encoding": "chunked"})
    response = broker.send(request + b"3;name=value\r\nabc\r\n0\r\nX-Trailer: t\r\n\r\n")
    assert broker.message(topic, response.json()["id"]).json()["data"] == "abc"


def test_a_connection_serves_many_requests_refusals_included(broker, topic):
    with broker.connect() as connection:
        first = connection.request("POST", topic_path(topic), b"1")
        refused = connection.request("POST", "/topics/a//b/messages", b"x" * 5000)
        unknown = connection.request("GET", "/nothing")
        bad = connection.request("POST", topic_path(topic), b"\xff")
        last = connection.request("POST", topic_path(topic), b"2")
    assert [r.status for r in (first, refused, unknown, bad, last)] == [201, 400, 404, 415, 201]
    assert [m["data"] for m in broker.page(topic)["messages"]] == ["1", "2"]


def test_connection_close_is_honoured(broker, topic):
    with broker.connect() as connection:
        response = connection.request(
            "POST", topic_path(topic), b"1", {"Connection": "close"})
        assert (response.status, response.header("connection").lower()) == (201, "close")
        assert connection.is_closed_by_peer()


def test_200_publishes_in_one_write_are_answered_in_order(broker, topic):
    with broker.connect() as connection:
        connection.send(b"".join(
            encode_request("POST", topic_path(topic), b"%d" % n) for n in range(200)))
        ids = [connection.response().json()["id"] for _ in range(200)]
    assert ids == sorted(set(ids))
    messages = broker.history(topic)
    assert [(m["id"], m["data"]) for m in messages] == [(i, str(n)) for n, i in enumerate(ids)]


def test_answers_keep_the_order_of_a_pipeline_of_different_requests(broker, topic):
    known = broker.publish(topic, "known")
    with broker.connect() as connection:
        connection.send(
            encode_request("POST", topic_path(topic), b"one")
            + encode_request("GET", topic_path(topic, f"messages/{known}"))
            + encode_request("POST", "/topics/a/../messages", b"bad")
            + encode_request("HEAD", topic_path(topic))
            + encode_request("POST", topic_path(topic), b"\xff")
            + encode_request("GET", "/healthz")
            + encode_request("POST", topic_path(topic), b"two"))
        methods = ["POST", "GET", "POST", "HEAD", "POST", "GET", "POST"]
        statuses = [connection.response(method).status for method in methods]
    assert statuses == [201, 200, 400, 200, 415, 200, 201]


def test_a_reader_in_a_pipeline_sees_what_was_published_before_it(broker, topic):
    with broker.connect() as connection:
        for n in range(20):
            connection.send(encode_request("POST", topic_path(topic), b"%d" % n)
                            + encode_request("GET", topic_path(topic)))
            number = connection.response().json()["id"]
            assert connection.response().json()["messages"][-1]["id"] == number


def test_expect_100_continue_is_answered_before_the_body_is_sent(broker, topic):
    body = b"expected"
    with broker.connect() as connection:
        connection.send(encode_request("POST", topic_path(topic), headers={
            "Content-Length": str(len(body)), "Expect": "100-continue"}))
        assert connection.head().status == 100
        connection.send(body)
        response = connection.response()
    assert (response.status, response.interim) == (201, [])


@pytest.mark.parametrize("target, length, status, code", [
    ("/topics/a/messages", "1048577", 413, "message_too_large"),
    ("/topics/a//b/messages", "10", 400, "invalid_topic"),
    ("/nothing", "10", 404, "not_found"),
])
def test_a_refusal_of_an_expected_body_comes_without_100(broker, target, length, status, code):
    with broker.connect() as connection:
        connection.send(encode_request("POST", target, headers={
            "Content-Length": length, "Expect": "100-continue"}))
        response = connection.response()
    check_problem(response, status, code)
    assert response.interim == []


def test_another_expectation_is_answered_417(broker, topic):
    response = broker.request("POST", topic_path(topic), b"x", {"Expect": "a-miracle"})
    check_problem(response, 417, "expectation_failed")


def test_http_1_0_is_answered_and_closed(broker, topic):
    with broker.connect() as connection:
        response = connection.request("POST", topic_path(topic), b"old", version="1.0")
        assert (response.status, response.header("transfer-encoding")) == (201, None)
        assert connection.is_closed_by_peer()
    assert broker.message(topic, response.json()["id"]).json()["data"] == "old"


def test_http_1_0_may_ask_to_keep_the_connection(broker, topic):
    with broker.connect() as connection:
        first = connection.request(
            "POST", topic_path(topic), b"1", {"Connection": "keep-alive"}, version="1.0")
        assert first.status == 201
        if not first.closes:
            assert connection.request("POST", topic_path(topic), b"2").status == 201


@pytest.mark.parametrize("version", ["2.0", "1.2", "3.0", "0.9"])
def test_another_version_of_http_is_refused(broker, version):
    with broker.connect() as connection:
        connection.send(f"GET /healthz HTTP/{version}\r\nHost: a\r\n\r\n".encode())
        # A minor version this broker does not know is still HTTP/1 (RFC 9110, 2.5).
        allowed = (200, 505, 400) if version == "1.2" else (505, 400)
        assert connection.response().status in allowed


def test_a_client_that_closes_its_side_is_still_answered(broker, topic):
    with broker.connect() as connection:
        connection.send(b"".join(
            encode_request("POST", topic_path(topic), b"%d" % n) for n in range(20)))
        connection.socket.shutdown(socket.SHUT_WR)
        assert [connection.response().status for _ in range(20)] == [201] * 20
        assert connection.is_closed_by_peer()
    assert len(broker.history(topic)) == 20


def test_a_body_that_nobody_asked_for_is_read_over(broker, topic):
    number = broker.publish(topic, "x")
    with broker.connect() as connection:
        response = connection.request("GET", topic_path(topic), b"POST / HTTP/1.1\r\n\r\n")
        assert response.json()["messages"][0]["id"] == number
        assert connection.request("GET", "/healthz").status == 200


def test_publishers_at_once_all_get_their_own_message(broker, topic):
    answers = {}

    def publish(publisher):
        with broker.connect() as connection:
            for n in range(100):
                text = f"{publisher}-{n}"
                answer = connection.request("POST", topic_path(topic), text.encode())
                answers[text] = answer.json()["id"]

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {m["data"]: m["id"] for m in broker.history(topic)} == answers
    assert len(answers) == 800
