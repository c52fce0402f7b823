"""Tries to do one thing over one transport with one credential, and tells what came of it."""

import json
from typing import NamedTuple
from urllib.parse import quote, urlencode

from websockets.exceptions import InvalidStatus

from broker import topic_path
from credentials import bearer, cookie, with_query
from gateway import Gateway
from wire import check_problem, encode_request

CARRIERS = ("authorization", "query", "cookie")
STATUS = {"unauthorized": 401, "invalid_token": 401, "forbidden": 403, "uri_too_long": 414}


class Outcome(NamedTuple):
    """`code` is None when it was done."""

    code: str | None
    detail: str = ""
    # What `authorized` said, where a credential was sent by command.
    granted: dict | None = None


DONE = Outcome(None)


def carried(target, token, carrier):
    """The target and the fields of a request that carries `token`."""
    if token is None or carrier == "command":
        return target, {}
    if carrier == "query":
        return with_query(target, quote(token, safe="")), {}
    return target, bearer(token) if carrier == "authorization" else cookie(token)


# Over HTTP.


def refused(response):
    """The outcome of a problem, whose status and fields have to suit its code."""
    code = response.json()["code"]
    problem = check_problem(response, STATUS[code], code)
    expected = {"unauthorized": 'Bearer realm="tickertape"',
                "invalid_token": 'Bearer realm="tickertape", error="invalid_token"'}.get(code)
    assert response.header("www-authenticate") == expected
    return Outcome(code, problem["detail"])


def request(broker, method, target, token, carrier, body=None, good=200, **fields):
    target, proof = carried(target, token, carrier)
    response = broker.request(method, target, body, fields | proof)
    return DONE if response.status == good else refused(response)


def open_stream(broker, method, target, token, carrier, body=None, **fields):
    """Opens an event stream and leaves it at once."""
    target, proof = carried(target, token, carrier)
    fields = {"Accept": "text/event-stream"} | fields | proof
    with broker.connect() as connection:
        connection.send(encode_request(method, target, body, fields))
        response = connection.head()
        if response.status == 200:
            assert response.header("content-type") == "text/event-stream"
            return DONE
        while len(connection.buffer) < int(response.header("content-length")):
            connection.fill()
        response.body = connection.buffer
        return refused(response)


def publish(broker, topics, token, carrier, data):
    return request(broker, "POST", topic_path(topics[0]), token, carrier, data.encode(), good=201)


def history(broker, topics, token, carrier, _):
    return request(broker, "GET", topic_path(topics[0]), token, carrier)


def message(broker, topics, token, carrier, data):
    """`data` is the id."""
    return request(broker, "GET", topic_path(topics[0], f"messages/{data}"), token, carrier)


def topic_events(broker, topics, token, carrier, _):
    return open_stream(broker, "GET", topic_path(topics[0], "events"), token, carrier)


def events(broker, topics, token, carrier, _):
    target = "/events?" + urlencode([("topic", topic) for topic in topics])
    return open_stream(broker, "GET", target, token, carrier)


def posted_events(broker, topics, token, carrier, _):
    body = json.dumps({"topics": topics}).encode()
    return open_stream(broker, "POST", "/events", token, carrier, body,
                       **{"Content-Type": "application/json"})


def stop(broker, topics, token, carrier, _):
    return request(broker, "POST", topic_path(topics[0], "stop"), token, carrier)


# Over a WebSocket.


def command(broker, token, carrier, kind, **members):
    path, proof = carried("/ws", token, carrier)
    try:
        client = Gateway(broker, path, additional_headers=proof)
    except InvalidStatus as error:
        code = json.loads(error.response.body)["code"]
        assert error.response.status_code == STATUS[code]
        return Outcome(code, json.loads(error.response.body)["detail"])
    with client:
        granted = None
        if token is not None and carrier == "command":
            granted = client.ask("auth", token=token)
            if granted["type"] == "error":
                assert client.closed() == 4401
                return Outcome(granted["code"], granted["detail"])
        reply = client.ask(kind, **members)
        if reply["type"] == "error":
            client.check_alive()
            return Outcome(reply["code"], reply["detail"], granted)
        return Outcome(None, granted=granted)


def websocket_subscribe(broker, topics, token, carrier, _):
    return command(broker, token, carrier, "subscribe", topics=topics)


def websocket_publish(broker, topics, token, carrier, data):
    return command(broker, token, carrier, "publish", topic=topics[0], data=data)


def websocket_stop(broker, topics, token, carrier, _):
    return command(broker, token, carrier, "stop", topic=topics[0])


# Each with what it takes: names, patterns, or several of them.
NAME, PATTERN, PATTERNS = "name", "pattern", "patterns"
TRANSPORTS = {
    "publish": (publish, NAME), "history": (history, PATTERN), "message": (message, NAME),
    "topic events": (topic_events, PATTERN), "events": (events, PATTERNS),
    "posted events": (posted_events, PATTERNS),
    "websocket subscribe": (websocket_subscribe, PATTERNS),
    "websocket publish": (websocket_publish, NAME),
    "stop": (stop, NAME), "websocket stop": (websocket_stop, NAME),
}


def action(transport):
    """What has to be granted for it."""
    return {"publish": "publish", "websocket publish": "publish", "stop": "stop",
            "websocket stop": "stop"}.get(transport, "subscribe")


def attempt(broker, transport, topics, token=None, carrier="authorization", data="x"):
    return TRANSPORTS[transport][0](broker, topics, token, carrier, data)
