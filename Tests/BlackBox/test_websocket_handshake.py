"""The opening handshake: who is let in, and what is agreed on (§19.1 to §19.4, §19.25)."""

import base64
import time

import pytest

from broker import wait_for
from frames import TEXT, RawWebSocket, accept_for, handshake_fields
from gateway import Gateway
from wire import check_problem, encode_request


def ask(broker, method="GET", version="1.1", target="/ws", body=None, **changes):
    return broker.request(method, target, body, handshake_fields(**changes), version)


@pytest.mark.parametrize("changes, status, code", [
    ({"Upgrade": None, "Connection": None}, 426, "upgrade_required"),
    ({"Upgrade": None}, 426, "upgrade_required"),
    ({"Connection": None}, 426, "upgrade_required"),
    ({"Upgrade": "h2c"}, 426, "upgrade_required"),
    ({"Connection": "keep-alive"}, 426, "upgrade_required"),
    ({"Sec_WebSocket_Version": "8"}, 426, "websocket_version"),
    ({"Sec_WebSocket_Version": "14"}, 426, "websocket_version"),
    ({"Sec_WebSocket_Version": ""}, 426, "websocket_version"),
    ({"Sec_WebSocket_Version": None}, 426, "websocket_version"),
    ({"Sec_WebSocket_Key": None}, 400, "bad_handshake"),
    ({"Sec_WebSocket_Key": ""}, 400, "bad_handshake"),
    ({"Sec_WebSocket_Key": "no base 64 at all!!!!!!!"}, 400, "bad_handshake"),
    ({"Sec_WebSocket_Key": base64.b64encode(b"x" * 15).decode()}, 400, "bad_handshake"),
    ({"Sec_WebSocket_Key": base64.b64encode(b"x" * 17).decode()}, 400, "bad_handshake"),
    ({"Sec_WebSocket_Key": base64.b64encode(b"x" * 16).decode().rstrip("=")}, 400,
     "bad_handshake"),
])
def test_a_handshake_that_is_none_is_refused_with_a_problem(broker, changes, status, code):
    response = ask(broker, **changes)
    check_problem(response, status, code)
    if code == "upgrade_required":
        assert response.header("upgrade").lower() == "websocket"
        assert "upgrade" in response.header("connection").lower()
    if code == "websocket_version":
        assert response.header("sec-websocket-version") == "13"


def test_a_key_given_twice_is_refused(broker):
    request = encode_request("GET", "/ws", headers=handshake_fields())
    field = b"Sec-WebSocket-Key: " + base64.b64encode(b"y" * 16) + b"\r\n\r\n"
    check_problem(broker.send(request[:-2] + field), 400, "bad_handshake")


def test_http_1_0_is_refused(broker):
    check_problem(ask(broker, version="1.0"), 400, "bad_handshake")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_another_method_is_refused(broker, method):
    response = ask(broker, method, body=b"" if method == "POST" else None)
    assert response.status == 405
    assert response.header("allow") == "GET"


def test_a_handshake_with_a_body_does_no_harm(broker):
    fields = handshake_fields(Content_Length="5")
    with broker.connect() as connection:
        connection.send(encode_request("GET", "/ws", headers=fields) + b"hello")
        assert connection.head().status in (101, 400)
    broker.check_serving()


@pytest.mark.parametrize("changes", [
    {"Connection": "keep-alive, Upgrade"}, {"Connection": "upgrade"}, {"Upgrade": "WebSocket"},
    {"Connection": "Keep-Alive , uPGRADE ,"}, {"Upgrade": "h2c, websocket"},
    {"Sec_WebSocket_Version": " 13 "}, {"Origin": "http://localhost"},
])
def test_a_good_handshake_in_other_words_is_accepted(broker, changes):
    fields = handshake_fields(**changes)
    with broker.connect() as connection:
        connection.send(encode_request("GET", "/ws", headers=fields))
        response = connection.head()
        assert response.status == 101, connection.buffer
        assert response.header("upgrade").lower() == "websocket"
        assert response.header("connection").lower() == "upgrade"
        assert response.header("sec-websocket-accept") == accept_for(fields["Sec-WebSocket-Key"])
        assert response.header("sec-websocket-extensions") is None
        assert response.header("content-length") is None
        assert response.header("transfer-encoding") is None


def test_query_parameters_are_ignored(broker):
    with RawWebSocket(broker, "/ws?topic=a&token=%ff&x") as socket:
        assert b'"hello"' in socket.message().payload


def test_a_connection_that_served_requests_before_may_become_a_websocket(broker):
    with broker.connect() as connection:
        assert connection.request("GET", "/healthz").status == 200
        connection.send(encode_request("GET", "/ws", headers=handshake_fields()))
        assert connection.head().status == 101


def test_answers_to_requests_before_it_come_first(broker, topic):
    broker.publish(topic, "x")
    first = encode_request("GET", f"/topics/{topic}/messages")
    with broker.connect() as connection:
        connection.send(first + encode_request("GET", "/ws", headers=handshake_fields()))
        assert connection.response().json()["messages"][0]["data"] == "x"
        assert connection.head().status == 101


@pytest.mark.parametrize("offered, selected", [
    (None, None), ("tickertape.v1", "tickertape.v1"), ("chat, tickertape.v1", "tickertape.v1"),
    ("tickertape.v1,tickertape.v2", "tickertape.v1"), ("tickertape.v2", None),
    ("Tickertape.v1", None), ("", None),
])
def test_the_subprotocol_is_selected_if_it_is_offered(broker, offered, selected):
    with RawWebSocket(broker, protocol=offered) as socket:
        assert socket.response.header("sec-websocket-protocol") == selected
        assert b'"hello"' in socket.message().payload


def test_hello_comes_first_and_says_what_holds(start):
    own = start("--heartbeat", 7)
    number = own.publish("a", "x")
    with Gateway(own) as client:
        assert client.hello == {
            "type": "hello", "version": 1, "head": number, "heartbeat_seconds": 7,
            "limits": {"message_bytes": 1048576, "command_bytes": 16777216,
                       "topics": 128, "tail": 1000, "subscriptions": 128,
                       "unanswered_publishes": 128}}
        assert client.sync() == []


@pytest.mark.parametrize("protocol", [None, "tickertape.v1", "tickertape.v2"])
@pytest.mark.parametrize("is_silent", [True, False])
def test_hello_comes_before_everything_whoever_begins(broker, topic, protocol, is_silent):
    began = time.monotonic()
    with RawWebSocket(broker, protocol=protocol) as socket:
        if not is_silent:
            socket.send_frame(TEXT, '{"type":"subscribe","topics":["' + topic + '"],"after":0}')
        assert b'"type":"hello"' in socket.message().payload
        if not is_silent:
            assert b'"type":"subscribed"' in socket.message().payload
    assert time.monotonic() - began < 2


BOTH = {"permessage-deflate", "server_no_context_takeover", "client_no_context_takeover"}


@pytest.mark.parametrize("offered, agreed", [
    (None, None),
    ("permessage-deflate", BOTH),
    ("permessage-deflate; client_max_window_bits", BOTH),
    ("permessage-deflate; client_max_window_bits=10", BOTH),
    ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", BOTH),
    ("permessage-deflate; server_max_window_bits=9", BOTH | {"server_max_window_bits=9"}),
    ("permessage-deflate;server_max_window_bits=15", BOTH | {"server_max_window_bits=15"}),
    ("permessage-deflate; server_max_window_bits=8", None),
    ("permessage-deflate; server_max_window_bits=8, permessage-deflate", BOTH),
    ("permessage-deflate; server_max_window_bits=16", None),
    ("permessage-deflate; server_max_window_bits=010", None),
    ("permessage-deflate; server_max_window_bits", None),
    ("permessage-deflate; client_max_window_bits=7", None),
    ("permessage-deflate; server_no_context_takeover=1", None),
    ("permessage-deflate; unknown", None),
    ("permessage-deflate; unknown, x-other; a=b, permessage-deflate", BOTH),
    ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
    ("x-webkit-deflate-frame", None),
    ("bbf-usp-protocol, permessage-deflate; client_max_window_bits", BOTH),
])
def test_compression_is_agreed_on_as_offered(broker, offered, agreed):
    with RawWebSocket(broker, extensions=offered) as socket:
        answered = socket.extensions and {part.strip() for part in socket.extensions.split(";")}
        assert answered == agreed


def test_compression_can_be_switched_off(start):
    own = start("--no-websocket-compression")
    with RawWebSocket(own, extensions="permessage-deflate") as socket:
        assert socket.extensions is None


def test_a_websocket_counts_as_a_stream(start):
    own = start("--max-streams", 1)
    with Gateway(own) as client:
        response = ask(own)
        check_problem(response, 503, "too_many_streams")
        check_problem(own.request("GET", "/topics/a/events"), 503, "too_many_streams")
        client.check_alive()
    wait_for(lambda: ask_and_leave(own) == 101, 5, "the place of the one that left")


def ask_and_leave(broker):
    with broker.connect() as connection:
        connection.send(encode_request("GET", "/ws", headers=handshake_fields()))
        return connection.head().status


def test_the_echo_is_not_served_unless_asked_for(broker):
    check_problem(ask(broker, target="/ws/echo"), 404, "not_found")
