"""Streaming publish: each message is committed as it comes and answered in step."""

import json
import random
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from broker import topic_path, wait_for
from credentials import KeyRing, bearer
from http2 import HTTP2
from streaming import EVENTS, LINES, PublishStream, line, publish_stream
from wire import encode_request


def data_of(broker, topic):
    return [m["data"] for m in broker.history(topic)]


def test_each_line_is_committed_and_answered_while_the_body_goes_on(broker, topic):
    with PublishStream(broker, topic) as stream, broker.follow(topic) as follower:
        follower.opening()
        stream.begin()
        assert stream.head.status == 200
        assert stream.head.header("content-type") == LINES
        for number in range(1, 6):
            stream.send(line(f"token {number}", event="t"))
            answer = stream.next()
            assert answer["line"] == number
            assert follower.next() == (answer["id"], "t", f"token {number}")
        stream.end()
        assert stream.rest() == []
        # The connection lives on.
        assert stream.connection.request("GET", "/healthz").status == 200


def test_a_line_in_pieces_is_one_message(broker, topic):
    text = line("zwölf Boxkämpfer € 𝄞", key="k") * 3
    with PublishStream(broker, topic) as stream:
        for byte in text:
            stream.send(bytes([byte]))
        stream.end()
        assert [answer["line"] for answer in stream.rest()] == [1, 2, 3]
    assert data_of(broker, topic) == ["zwölf Boxkämpfer € 𝄞"] * 3


def test_events_become_messages_as_a_browser_would_read_them(broker, topic):
    body = ("\ufeff: hello\r\nevent: delta\r\ndata: a\r\ndata: b\r\n\r\nid: 7\nretry: 1\n\n"
            "data: c\r\rdata:  d\n\n").encode()
    answers = publish_stream(broker, body, topic, kind=EVENTS, event="default")
    assert [answer["line"] for answer in answers] == [1, 2, 3]
    assert [(m.get("event"), m["data"]) for m in broker.history(topic)] == [
        ("delta", "a\nb"), ("default", "c"), ("default", " d")]


def test_done_ends_the_topic_with_its_message(broker, topic):
    body = b'data: {"x":1}\n\ndata: [DONE]\n\n'
    answers = publish_stream(broker, body, topic, kind=EVENTS, done="[DONE]")
    last = answers[1]["id"]
    assert answers[2:] == [{"ended": {"topic": topic, "reason": "ended", "last_id": last}}]
    assert data_of(broker, topic) == ['{"x":1}', "[DONE]"]
    assert broker.post(topic, "x").status == 409


def test_end_ends_the_topic_with_the_body(broker, topic):
    answers = publish_stream(broker, line("a") + line("b"), topic, end="true")
    assert answers[2:] == [
        {"ended": {"topic": topic, "reason": "ended", "last_id": answers[1]["id"]}}]
    assert broker.post(topic, "x").status == 409


def test_a_cut_body_does_not_end_the_topic(broker, topic):
    with PublishStream(broker, topic, end="true") as stream:
        stream.send(line("a") + b'{"data":"b')
        assert stream.next()["line"] == 1
    time.sleep(0.1)
    assert broker.post(topic, "x").status == 201
    assert data_of(broker, topic) == ["a", "x"]


def test_a_body_that_is_cut_but_read_is_told(broker, topic):
    with PublishStream(broker, topic, end="true") as stream:
        stream.send(line("a") + b'{"data":"b')
        stream.connection.socket.shutdown(socket.SHUT_WR)
        answers = stream.rest()
    assert answers[0]["line"] == 1
    assert answers[1]["error"]["code"] == "bad_request"
    assert broker.post(topic, "x").status == 201


@pytest.mark.parametrize("bad, code", [
    (b"nonsense\n", "invalid_body"), (b"{}\n", "invalid_body"),
    (line("x", topic="a"), "unknown_parameter"), (line("x", event="tickertape.a"), "invalid_parameter"),
    (b'{"data":"\xff"}\n', "not_utf8"), (line("x" * 1_048_577), "message_too_large"),
    (line("x", if_last_id=1), "precondition_failed"), (line("x", idempotency_key=""), "invalid_parameter"),
])
def test_the_first_failure_ends_the_answer_and_nothing_behind_it_is_stored(broker, topic, bad, code):
    answers = publish_stream(broker, line("a") + bad + line("c"), topic)
    assert len(answers) == 2
    assert (answers[1]["error"]["code"], answers[1]["error"]["line"]) == (code, 2)
    assert data_of(broker, topic) == ["a"]


def test_conditions_chain_messages(broker, topic):
    first = broker.publish(topic, "0")
    answers = publish_stream(broker, line("a", if_last_id=first) + line("b", if_last_id=first), topic)
    assert answers[0]["id"] > first
    assert answers[1]["error"]["last_id"] == answers[0]["id"]


@pytest.mark.parametrize("fields, status, code", [
    ({"Idempotency-Key": "k" * 240}, 400, "invalid_parameter"), ({"If-Match": "*"}, 400, "invalid_parameter"),
    ({"Content-Encoding": "gzip"}, 415, "unsupported_content_encoding"),
    ({"Content-Type": LINES + "; charset=latin1"}, 415, "unsupported_charset"),
])
def test_what_the_head_says_is_refused_before_the_body(broker, topic, fields, status, code):
    response = broker.request("POST", topic_path(topic), line("x"), {"Content-Type": LINES} | fields)
    assert (response.status, response.json()["code"]) == (status, code)


def test_unknown_parameters_are_refused(broker, topic):
    response = broker.request("POST", topic_path(topic, ended="true"), b"", {"Content-Type": LINES})
    assert (response.status, response.json()["code"]) == (400, "unknown_parameter")


def test_a_length_will_do_and_http_10_too(broker, topic):
    response = broker.request("PUT", topic_path(topic), line("a") + line("b")[:-1],
                              {"Content-Type": LINES})
    assert [json.loads(text)["line"] for text in response.body.splitlines()] == [1, 2]
    response = broker.request("POST", topic_path(topic), line("c"), {"Content-Type": LINES}, "1.0")
    assert response.header("connection") == "close" and json.loads(response.body)["line"] == 1
    assert data_of(broker, topic) == ["a", "b", "c"]


def test_100_000_lines_cut_at_random_and_sent_again_are_there_once(start):
    own = start()
    count = 100_000
    lines = [line(f"token {n}") for n in range(count)]
    random.seed(7)
    for attempt in range(8):
        with PublishStream(own, "t", headers={"Idempotency-Key": "k"}, timeout=60) as stream:
            until = random.randrange(count) if attempt < 7 else count
            stream.begin()
            reader = threading.Thread(target=lambda: drop(stream.connection.socket), daemon=True)
            reader.start()
            for start_at in range(0, until, 500):
                piece = b"".join(lines[start_at:min(start_at + 500, until)])
                stream.send(piece)
            if attempt == 7:
                stream.end()
                wait_for(lambda: b"0\r\n\r\n" in tails[stream.connection.socket], 60)
            reset(stream.connection.socket)
    assert [m["data"] for m in own.history("t")] == [f"token {n}" for n in range(count)]


tails = {}


def drop(connection):
    """Reads and forgets all but the end."""
    tails[connection] = b""
    try:
        while data := connection.recv(262_144):
            tails[connection] = (tails[connection] + data)[-64:]
    except OSError:
        pass


def reset(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def test_a_client_that_sends_everything_before_it_reads_is_served(start):
    own = start()
    count = 100_000
    body = b"".join(line(f"token {n}") for n in range(count))
    with PublishStream(own, "t", timeout=60) as stream:
        stream.send(body)
        stream.end()
        answers = stream.rest()
    assert [answer["line"] for answer in answers] == list(range(1, count + 1))
    ids = [answer["id"] for answer in answers]
    assert all(a < b for a, b in zip(ids, ids[1:]))


def test_a_slow_reader_of_answers_gets_them_all(broker, topic):
    with PublishStream(broker, topic, receive_buffer=2_048, timeout=60) as stream:
        for number in range(20):
            stream.send(b"".join(line("x" * 10) for _ in range(500)))
        stream.end()
        time.sleep(1)
        assert [answer["line"] for answer in stream.rest()] == list(range(1, 10_001))


def test_a_broker_that_stops_answers_what_came_and_says_so(start):
    own = start()
    with PublishStream(own, "t", timeout=20) as stream:
        stream.begin()
        stream.send(line("a"))
        assert stream.next()["line"] == 1
        own.process.terminate()
        answers = stream.rest()
        assert [answer["error"]["code"] for answer in answers] == ["draining"]
    assert own.wait() == 0


def test_a_publisher_that_sends_nothing_is_told(start):
    own = start("--publish-stream-timeout", 1)
    with PublishStream(own, "t") as stream:
        stream.begin()
        for _ in range(4):
            time.sleep(0.5)
            stream.send(line("a"))
            assert "id" in stream.next()
        began = time.monotonic()
        assert stream.next()["error"]["code"] == "request_timeout"
        assert 0.5 < time.monotonic() - began < 3
        assert stream.rest() == []


def test_a_rate_is_waited_for(start):
    own = start("--client-publishes-per-second", 20)
    began = time.monotonic()
    answers = publish_stream(own, line("x") * 40, "t")
    assert [answer["line"] for answer in answers] == list(range(1, 41))
    assert time.monotonic() - began > 0.7


def test_a_small_write_queue_is_waited_for(start):
    own = start("--queue-max-messages", 3)
    answers = publish_stream(own, line("x") * 500, "t")
    assert [answer["line"] for answer in answers] == list(range(1, 501))


def test_an_expiring_token_ends_it(start, tmp_path):
    ring = KeyRing(tmp_path)
    own = start(*ring.options)
    fields = bearer(ring.token(exp=int(time.time()) + 3))
    with PublishStream(own, "t", headers=fields) as stream:
        stream.send(line("a"))
        assert stream.next()["line"] == 1
        assert stream.next()["error"]["code"] == "unauthorized"


class Upstream(BaseHTTPRequestHandler):
    """What a model's API sends."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for number in range(200):
            self.wfile.write(f'data: {{"delta":"token {number} ä€"}}\n\n'.encode())
            if number % 20 == 0:
                self.wfile.flush()
                time.sleep(0.01)
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def upstream():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_curl_pipes_an_upstream_into_a_topic(broker, topic, upstream, version):
    target = f"http://127.0.0.1:{broker.port}{topic_path(topic, done='[DONE]')}"
    if version == "--http1.0":
        body = subprocess.run(["curl", "-sN", upstream], capture_output=True, check=True).stdout
        command, given = ["curl", "-s", version, "--data-binary", "@-"], body
    else:
        command, given = ["curl", "-sN", version, "-T", "-"], None
    source = subprocess.Popen(["curl", "-sN", upstream], stdout=subprocess.PIPE)
    result = subprocess.run([*command, "-H", "Content-Type: text/event-stream", target],
                            **({"input": given} if given else {"stdin": source.stdout}),
                            capture_output=True, timeout=30)
    source.kill()
    source.wait()
    assert result.returncode == 0, result.stderr
    answers = [json.loads(text) for text in result.stdout.splitlines()]
    assert answers[-1]["ended"]["topic"] == topic and len(answers) == 202
    expected = [f'{{"delta":"token {n} ä€"}}' for n in range(200)] + ["[DONE]"]
    assert data_of(broker, topic) == expected


# HTTP/2.


def lines_of(exchange):
    return [json.loads(text) for text in bytes(exchange.body).splitlines()]


def test_the_same_over_http2(start):
    own = start("--h2c")
    with HTTP2(own) as client:
        exchange = client.begin(
            "POST", "/topics/t/messages", headers={"content-type": LINES}, ends=False)
        client.wait_until(lambda: exchange.fields)
        assert exchange.status == 200
        for number in range(1, 4):
            client.connection.send_data(exchange.number, line(str(number)))
            client.flush()
            client.wait_until(lambda: len(lines_of(exchange)) == number)
        client.connection.end_stream(exchange.number)
        client.flush()
        client.wait_until(lambda: exchange.is_over)
        assert [answer["line"] for answer in lines_of(exchange)] == [1, 2, 3]


def test_over_http2_a_publisher_that_reads_nothing_stops_only_itself(start):
    own = start("--h2c")
    with HTTP2(own, timeout=60) as client:
        exchange = client.begin(
            "POST", "/topics/t/messages", headers={"content-type": LINES}, ends=False)
        exchange.is_stalled = True
        # More than the bodies of a connection may hold, in all.
        body = line("x" * 1_000) * 12_000
        client.send_body(exchange, body)
        assert client.request("GET", "/healthz").status == 200
        client.resume(exchange)
        client.finish(exchange)
        assert [answer["line"] for answer in lines_of(exchange)] == list(range(1, 12_001))


def test_over_http2_a_failure_is_read_and_the_rest_not_wanted(start):
    own = start("--h2c")
    with HTTP2(own) as client:
        exchange = client.begin(
            "POST", "/topics/t/messages", headers={"content-type": LINES}, ends=False)
        client.connection.send_data(exchange.number, line("a") + b"x\n" + line("c"))
        client.flush()
        client.wait_until(lambda: exchange.is_over)
        answers = lines_of(exchange)
        assert answers[0]["line"] == 1 and answers[1]["error"]["line"] == 2
        assert client.request("GET", "/healthz").status == 200


def test_curl_over_http2(start, upstream):
    own = start("--h2c")
    command = (f"curl -sN {upstream} | curl -sN --http2-prior-knowledge -T - "
               "-H 'Content-Type: text/event-stream' "
               f"'http://127.0.0.1:{own.port}/topics/t/messages?done=%5BDONE%5D'")
    result = subprocess.run(["bash", "-c", command], capture_output=True, timeout=30)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 202


def test_a_stream_of_messages_does_not_confuse_what_stands_behind_it(broker, topic):
    target = topic_path(topic)
    with broker.connect() as connection:
        connection.send(encode_request("POST", target, b"plain") * 2
                        + encode_request("POST", target, line("lined"), {"Content-Type": LINES})
                        + encode_request("POST", target, b"plain") * 2)
        answers = [connection.response() for _ in range(5)]
    assert [answer.status for answer in answers] == [201, 201, 200, 201, 201]
    assert data_of(broker, topic) == ["plain", "plain", "lined", "plain", "plain"]
