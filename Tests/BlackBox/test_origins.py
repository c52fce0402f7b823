"""Origins and hosts, request by request: who is served, and what browsers are told."""

import pytest

from broker import Broker, topic_path
from credentials import bearer, create_token, unknown_token
from frames import handshake_fields
from wire import check_problem, encode_request

APP = "https://app.example.com"
EXPOSED = {"location", "retry-after", "www-authenticate"}
READ = topic_path("a")
CORS = ("access-control-allow-origin", "access-control-allow-credentials",
        "access-control-expose-headers")


@pytest.fixture(scope="module")
def module_locked(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("data"), "--auth", "--anonymous-subscribe", "a",
                    "--allow-origin", APP, "--allow-origin", "https://*.wild.example",
                    "--allow-origin", "http://app.example.com:8080").start()
    broker.token = create_token(broker, ["a"], ["a"])
    broker.publish("a", "x", bearer(broker.token))
    yield broker
    broker.kill()


@pytest.fixture
def locked(module_locked):
    yield module_locked
    module_locked.check_alive()


def ask(broker, origin, method="GET", target=READ, body=None, **headers):
    fields = {"Origin": origin} | {n.replace("_", "-"): v for n, v in headers.items()}
    return broker.request(method, target, body, fields)


def check_cors(response, origin):
    """What a page of a listed origin has to be told with every answer."""
    assert response.header("access-control-allow-origin") == origin
    assert response.header("access-control-allow-credentials") == "true"
    exposed = response.header("access-control-expose-headers").lower().replace(" ", "").split(",")
    assert EXPOSED <= set(exposed)
    assert "origin" in response.header("vary").lower()
    assert response.header("x-content-type-options") == "nosniff"
    assert response.header("cross-origin-resource-policy") == "cross-origin"


def check_refused(response, code="forbidden_origin"):
    check_problem(response, 403, code)
    assert not any(response.header(name) for name in CORS)


# Which origins.


@pytest.mark.parametrize("origin", [
    APP, "http://app.example.com:8080", "https://a.wild.example", "https://a-1.wild.example",
    "https://xn--bcher-kva.wild.example",
])
def test_a_listed_origin_is_served(locked, origin):
    response = ask(locked, origin)
    assert response.status == 200
    check_cors(response, origin)


@pytest.mark.parametrize("origin", [
    "null", "", "https://evil.example", "http://app.example.com", "https://app.example.com:8443",
    "http://app.example.com:80801", "https://app.example.com.evil.example",
    "https://evil.example/https://app.example.com", "https://evilapp.example.com",
    "https://app.example.com.", "https://app.example.co", "https://app.example.comm",
    "https://app.example.com@evil.example", "https://app.example.com/", "app.example.com",
    "https://app.example.com, https://evil.example", "https://evil.example https://app.example.com",
    "https://wild.example", "http://a.wild.example", "https://awild.example",
    "https://a.wild.example.evil.example", "https://a.wild.example:8443", "https://.wild.example",
    "https://evil.example#.wild.example", "https://evil.example/.wild.example",
    "https://evil.example?.wild.example", "https://evil.example\\.wild.example",
    "https://evil.example:x.wild.example", "https://user@a.wild.example",
    "https://a.wild.example.", "file://", "https://", "https", "chrome-extension://abcdef",
    "https://[::1].wild.example", "https://a%00.wild.example", "javascript://a.wild.example",
    "https://127.0.0.1", "http://localhost:1", "http://127.0.0.1", "http://[::1]",
    "https://evil.example,https://a.wild.example", "https://é.wild.example",
])
def test_any_other_is_refused_before_anything_is_done(locked, origin):
    for method, target, body in [
            ("GET", READ, None), ("POST", READ, b"forged"), ("GET", "/healthz", None),
            ("GET", topic_path("a", "events"), None), ("GET", "/nothing", None)]:
        check_refused(ask(locked, origin, method, target, body, **bearer(locked.token)))
    check_refused(locked.request("GET", "/ws", headers=handshake_fields(Origin=origin)))
    assert "forged" not in [message["data"] for message in locked.history("a")]


def test_two_origins_are_never_served(locked):
    for first, second in [(APP, "https://evil.example"), ("https://evil.example", APP)]:
        request = encode_request("GET", READ, headers={"Origin": first})
        response = locked.send(request[:-2] + f"Origin: {second}\r\n\r\n".encode())
        assert response.status in (400, 403)
        assert not any(response.header(name) for name in CORS)


def test_without_an_origin_nothing_is_added(locked):
    response = locked.request("GET", READ)
    assert response.status == 200
    for name in (*CORS, "cross-origin-resource-policy", "x-content-type-options"):
        assert response.header(name) is None


@pytest.mark.parametrize("host, origin", [
    ("localhost:{port}", "http://localhost:{port}"), ("localhost", "http://localhost"),
    ("127.0.0.1:{port}", "http://127.0.0.1:{port}"),
    ("LOCALHOST:{port}", "http://localhost:{port}"),
    ("[::1]:{port}", "http://[::1]:{port}"), ("push.example:{port}", "http://push.example:{port}"),
    ("push.example:80", "http://push.example"),
])
def test_the_own_origin_is_served(locked, host, origin):
    host, origin = (text.format(port=locked.port) for text in (host, origin))
    for target in (READ, "/healthz"):
        assert ask(locked, origin, target=target, Host=host).status == 200
    for other in (origin.replace("http:", "https:"), origin + "1", origin.replace("//", "//x.")):
        check_refused(ask(locked, other, Host=host))


# What is said with every answer.


@pytest.mark.parametrize("method, target, body, headers, status", [
    ("GET", READ, None, {}, 200), ("HEAD", READ, None, {}, 200),
    ("GET", topic_path("a", "messages/1"), None, {}, 200),
    ("POST", READ, b"", {"token": "good"}, 201), ("POST", READ, b"", {}, 401),
    ("GET", READ, None, {"token": "bad"}, 401),
    ("GET", topic_path("b"), None, {"token": "good"}, 403),
    ("GET", "/topics/a**/messages", None, {}, 400), ("GET", READ + "?limit=0", None, {}, 400),
    ("GET", "/topics/%zz/messages", None, {}, 400), ("GET", "/nothing", None, {}, 404),
    ("GET", topic_path("a", "messages/99999"), None, {}, 404), ("DELETE", READ, None, {}, 405),
    ("POST", READ, b"\xff", {"token": "good"}, 415), ("POST", "/events", b"{}", {}, 415),
    ("GET", "/ws", None, {}, 426), ("GET", "/healthz", None, {}, 200),
    ("POST", READ, b"x" * 1_100_000, {"token": "good"}, 413),
    ("GET", topic_path("a", "events"), None, {"Accept": "text/event-stream", "token": "bad"}, 401),
    ("GET", "/events", None, {}, 400),
])
def test_answers_of_every_kind_can_be_read_by_a_listed_page(
        locked, method, target, body, headers, status):
    kind = headers.get("token")
    fields = {name: value for name, value in headers.items() if name != "token"}
    fields |= bearer(locked.token if kind == "good" else unknown_token()) if kind else {}
    response = ask(locked, APP, method, target, body, **fields)
    assert response.status == status, response.body
    check_cors(response, APP)


def test_an_event_stream_can_be_read_by_a_listed_page(locked):
    with locked.follow("a", headers={"Origin": APP}) as stream:
        check_cors(stream.response, APP)
    # Also one that is told to come back later.
    fields = {"Origin": APP, "Accept": "text/event-stream"}
    with locked.connect() as connection:
        connection.send(encode_request("GET", topic_path("a", "events"), headers=fields))
        check_cors(connection.head(), APP)


def test_a_refusal_for_a_while_can_be_read_by_a_listed_page(start):
    own = start("--allow-origin", APP, "--max-streams", 1, "--client-publishes-per-second", 1)
    with own.follow("a"):
        response = ask(own, APP, target=topic_path("a", "events"))
        assert response.status == 503
        check_cors(response, APP)
        response = ask(own, APP, target=topic_path("a", "events"), Accept="text/event-stream")
        assert response.status == 200 and b"retry:" in response.body
        check_cors(response, APP)
    with own.connect() as connection:
        responses = [connection.request("POST", READ, b"x", {"Origin": APP}) for _ in range(4)]
    for response in responses:
        check_cors(response, APP)
    refused = [response for response in responses if response.status == 429]
    assert refused and all(response.header("retry-after") for response in refused)


# Preflights.


def preflight(broker, origin, target=READ, method="POST", headers="authorization,idempotency-key"):
    return ask(broker, origin, "OPTIONS", target, Access_Control_Request_Method=method,
               Access_Control_Request_Headers=headers)


@pytest.mark.parametrize("target", [
    READ, topic_path("b/**"), topic_path("a", "messages/1"), topic_path("a", "events"), "/events",
    "/events?topic=a",
])
def test_a_preflight_of_a_listed_origin_is_answered_and_kept(locked, target):
    # Nothing is asked for: a browser sends no credential along.
    response = preflight(locked, APP, target)
    assert (response.status, response.body) == (204, b"")
    assert response.header("access-control-allow-origin") == APP
    assert response.header("access-control-allow-credentials") == "true"
    assert "origin" in response.header("vary").lower()

    def listed(name):
        return {word.strip().lower() for word in response.header(name).split(",")}

    assert {"get", "post"} <= listed("access-control-allow-methods")
    assert not listed("access-control-allow-methods") & {"put", "delete", "*"}
    assert {"authorization", "content-type", "idempotency-key", "last-event-id"} <= listed(
        "access-control-allow-headers")
    assert "*" not in listed("access-control-allow-headers")
    assert response.header("access-control-max-age") == "7200"
    assert not response.closes


def test_a_preflight_of_another_origin_is_refused(locked):
    for origin in ("https://evil.example", "null"):
        check_refused(preflight(locked, origin))


def test_preflights_and_requests_share_a_connection(locked):
    fields = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    with locked.connect() as connection:
        for _ in range(3):
            assert connection.request("OPTIONS", READ, headers=fields).status == 204
            assert connection.request("GET", READ, headers={"Origin": APP}).status == 200


# Everybody.


def test_a_star_serves_all_pages_and_no_cookie(start):
    own = start("--auth", "--allow-origin", "*")
    token = create_token(own, ["a"], ["a"])
    for origin in ("https://any.example", "null", "http://localhost:5"):
        response = ask(own, origin, **bearer(token))
        assert response.status == 200
        assert response.header("access-control-allow-origin") == "*"
        assert response.header("access-control-allow-credentials") is None
        # A cookie goes along by itself, whoever wrote the page: it proves nothing here.
        response = ask(own, origin, Cookie=f"tickertape_token={token}")
        assert response.status in (401, 403), "a cookie of a page from anywhere"
    assert preflight(own, "https://any.example").status == 204


# Pages that send no origin.


@pytest.mark.parametrize("site, mode, destination, status", [
    ("cross-site", "no-cors", "image", 403), ("cross-site", "no-cors", "script", 403),
    ("cross-site", "navigate", "document", 200), ("same-origin", "cors", "empty", 200),
    ("none", "navigate", "document", 200),
])
def test_elements_of_other_sites_are_refused(locked, site, mode, destination, status):
    fields = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}
    response = locked.request("GET", READ, headers=fields)
    assert response.status == status
    if status == 403:
        check_refused(response)
    assert response.header("x-content-type-options") == "nosniff"
    assert response.header("cross-origin-resource-policy") == "same-origin"


# Names of an open broker.


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("localhost:{port}", 200), ("LocalHost", 200), ("app.localhost:80", 200),
    ("127.0.0.1:{port}", 200), ("192.168.1.5", 200), ("[::1]:{port}", 200), ("broker", 200),
    ("broker:1867", 200), ("push.example.com", 200), ("PUSH.example.com:443", 200),
    ("evil.example", 403), ("evil.example:{port}", 403), ("localhost.evil.example", 403),
    ("127.0.0.1.evil.example", 403), ("x.push.example.com", 403), ("push.example.com.evil", 403),
    ("xlocalhost.com", 403), ("a.b", 403), ("127.0.0.1@evil.example", 403),
])
def test_an_open_broker_answers_to_its_names_alone(start_open, host, status):
    host = host.format(port=start_open.port)
    for method, target, body in [("GET", READ, None), ("POST", READ, b"x"),
                                 ("GET", topic_path("a", "messages/1"), None)]:
        response = start_open.request(method, target, body, {"Host": host})
        if status == 403:
            assert response.status in (400, 403)
            if response.status == 403:
                check_refused(response, "forbidden_host")
        else:
            assert response.status in (200, 201)


@pytest.fixture(scope="module")
def start_open(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("open"), "--allow-host", "push.example.com").start()
    broker.publish("a", "first")
    yield broker
    broker.check_alive()
    broker.kill()
