"""Chromium on other origins: what is listed works, what is not gets nothing."""

import pytest

from admin import Admin
from broker import Broker
from browser import chromium
from credentials import create_token, with_query
from pages import Page, Site
from proxy import RecordingProxy

REBOUND = "evil.example"


@pytest.fixture(scope="module")
def browser():
    # Not every browser guards the machine it runs on; this one is told not to.
    with chromium(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
                  "--disable-features=LocalNetworkAccessChecks") as running:
        yield running


@pytest.fixture(scope="module")
def sites():
    made = [Site(), Site()]
    yield made
    for site in made:
        site.close()


@pytest.fixture(scope="module")
def module_locked(tmp_path_factory, sites):
    """A broker that knows the first site."""
    broker = Broker(tmp_path_factory.mktemp("data"), "--auth", "--allow-origin",
                    sites[0].origin(), "--client-publishes-per-second", 1_000).start()
    broker.url = f"http://127.0.0.1:{broker.port}"
    broker.token = create_token(broker, ["a", "b"], ["a", "b"])
    yield broker
    broker.kill()


@pytest.fixture
def locked(module_locked):
    yield module_locked
    module_locked.check_alive()


@pytest.fixture
def context(browser, locked):
    """A profile of its own, with the cookie."""
    made = browser.new_context()
    made.add_cookies([{"name": "tickertape_token", "value": locked.token, "url": locked.url,
                       "httpOnly": True}])
    yield made
    made.close()


@pytest.fixture
def listed(context, sites, locked):
    with Page(context, sites[0].origin()) as page:
        yield page


@pytest.fixture(params=["another port", "another site", "null"])
def unlisted(request, context, sites, locked):
    if request.param == "null":
        with Page(context, "data:text/html,<body>a page") as page:
            yield page
    else:
        host = "127.0.0.1" if request.param == "another port" else "localhost"
        with Page(context, sites[1].origin(host)) as page:
            yield page


def stored(broker):
    return Admin(broker).get("/v1/messages", topic="**", after=0, limit=1000)["messages"]


def replay(broker, data="for the page"):
    """The target of a stream that has something to send at once."""
    number = Admin(broker).publish("a", data)
    return f"{broker.url}/topics/a/events?after={number - 1}"


# A listed origin.


def test_a_plain_event_source_with_its_token_in_the_address(listed, locked):
    seen = listed.event_source(with_query(replay(locked), locked.token))
    assert seen == {"seen": ["for the page"], "failed": False}


def test_an_event_source_with_a_cookie(listed, locked):
    assert listed.event_source(replay(locked), withCredentials=True)["seen"] == ["for the page"]
    # Without it no cookie is sent, and so nothing is granted.
    assert listed.event_source(replay(locked)) == {"seen": [], "failed": True}


def test_a_bad_token_ends_an_event_source_for_good(listed, locked):
    seen = listed.event_source(with_query(replay(locked), "ttk_bad"))
    assert seen == {"seen": [], "failed": True}


def test_fetch_publishes_after_a_preflight_and_reads_the_answer(listed, locked):
    headers = {"Authorization": f"Bearer {locked.token}", "Idempotency-Key": "once",
               "Content-Type": "text/plain"}
    url = f"{locked.url}/topics/b/messages"
    first = listed.fetch(url, method="POST", body="x", headers=headers)
    assert (first["type"], first["status"]) == ("cors", 201)
    assert first["headers"]["location"].startswith("/topics/b/messages/")
    again = listed.fetch(url, method="POST", body="x", headers=headers)
    assert again["status"] == 200 and again["headers"]["location"] == first["headers"]["location"]
    page = listed.fetch(url, headers={"Authorization": f"Bearer {locked.token}"})
    assert '"data":"x"' in page["text"]
    assert listed.fetch(url, credentials="include")["status"] == 200


def test_what_is_refused_can_be_read_as_well(listed, locked):
    for path, headers, status in [
            ("/topics/a/messages", {}, 401),
            ("/topics/a/messages", {"Authorization": "Bearer x"}, 401),
            ("/topics/c/messages", {"Authorization": f"Bearer {locked.token}"}, 403),
            ("/topics/a/messages/999999", {"Authorization": f"Bearer {locked.token}"}, 404),
            ("/nothing", {"Authorization": f"Bearer {locked.token}"}, 404)]:
        answer = listed.fetch(locked.url + path, headers=headers)
        assert answer["status"] == status and f'"status":{status}' in answer["text"]
        if status == 401:
            assert answer["headers"]["www-authenticate"].startswith("Bearer")


def test_a_websocket_with_its_token_in_the_address_by_cookie_or_by_command(listed, locked):
    publish = {"ref": 1, "type": "publish", "topic": "a", "data": "from a page"}
    for url, commands in [
            (with_query(f"{locked.url}/ws", locked.token), [publish]),
            (f"{locked.url}/ws", [publish]),
            (f"{locked.url}/ws", [{"ref": 0, "type": "auth", "token": locked.token}, publish])]:
        seen = listed.web_socket(url, *commands)
        assert seen["seen"][-1]["type"] == "published" and seen["code"] == 1000, seen


def test_a_preflight_is_asked_once(listed, locked):
    with RecordingProxy(locked.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/topics/b/messages"
        for number in range(5):
            answer = listed.fetch(url, method="POST", body=str(number), headers={
                "Authorization": f"Bearer {locked.token}", "Idempotency-Key": f"p{number}"})
            assert answer["status"] == 201
        sent = b"".join(proxy.sent)
        assert sent.count(b"OPTIONS /topics/b/messages ") == 1
        assert sent.count(b"POST /topics/b/messages ") == 5


# Any other origin, with the same cookie in the same browser.


def test_another_origin_gets_no_stream(unlisted, locked):
    for url in (replay(locked), with_query(replay(locked), locked.token)):
        for with_credentials in (False, True):
            seen = unlisted.event_source(url, withCredentials=with_credentials)
            assert seen == {"seen": [], "failed": True}


def test_another_origin_neither_publishes_nor_reads(unlisted, locked):
    before = stored(locked)
    url = f"{locked.url}/topics/b/messages"
    proof = {"Authorization": f"Bearer {locked.token}"}
    assert unlisted.fetch(url, method="POST", body="forged", headers=proof) == {
        "failed": "TypeError"}
    for mode in ("cors", "no-cors"):
        answer = unlisted.fetch(url, method="POST", body="forged", credentials="include", mode=mode)
        assert answer.get("text", "") == "" and answer.get("status", 0) == 0
        answer = unlisted.fetch(url, credentials="include", mode=mode)
        assert answer.get("text", "") == ""
    assert unlisted.submit(with_query(url, locked.token)) == 403
    assert stored(locked) == before


def test_another_origin_gets_no_websocket(unlisted, locked):
    before = stored(locked)
    publish = {"ref": 1, "type": "publish", "topic": "b", "data": "forged"}
    for url in (f"{locked.url}/ws", with_query(f"{locked.url}/ws", locked.token)):
        assert unlisted.web_socket(url, publish) == {"seen": [], "code": 1006}
    assert stored(locked) == before


# A hostile page, and an open broker on this machine.


@pytest.fixture(scope="module")
def open_broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("open")).start()
    broker.url = f"http://127.0.0.1:{broker.port}"
    yield broker
    broker.kill()


@pytest.fixture(params=["another port", "localhost", REBOUND, "null"])
def hostile(request, browser, sites):
    context = browser.new_context()
    address = "data:text/html,<body>a page"
    if request.param != "null":
        host = "127.0.0.1" if request.param == "another port" else request.param
        address = sites[1].origin(host)
    with Page(context, address) as page:
        yield page
    context.close()


SECRET = "SECRET=1;"
PLAIN = {"Content-Type": "text/plain"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_hostile_page_gets_nothing_from_an_open_broker(hostile, open_broker, host):
    """Neither reads nor writes, by any of the ways that a page has."""
    admin = Admin(open_broker)
    number = admin.publish("private", SECRET)
    before = stored(open_broker)
    base = f"http://{host}:{open_broker.port}"
    publish, read = f"{base}/topics/forged/messages", f"{base}/topics/private/messages"
    # Writing.
    for options in ({"mode": "no-cors"}, {"mode": "no-cors", "headers": PLAIN}, {"headers": PLAIN},
                    {"headers": {"Idempotency-Key": "x"}}):
        answer = hostile.fetch(publish, method="POST", body="forged", **options)
        assert answer.get("text", "") == "", answer
    for enctype in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert hostile.submit(publish, enctype) == 403
    assert hostile.beacon(publish, "forged") == 403
    assert hostile.web_socket(f"{base}/ws", {
        "ref": 1, "type": "publish", "topic": "forged", "data": "x"}) == {"seen": [], "code": 1006}
    # Reading.
    for mode in ("cors", "no-cors"):
        for url in (read, f"{read}/{number}", f"{base}/healthz"):
            assert hostile.fetch(url, mode=mode).get("text", "") == ""
    for url in (f"{base}/topics/private/events?after=0", f"{base}/events?topic=**&after=0"):
        assert hostile.event_source(url) == {"seen": [], "failed": True}
    for kind in ("img", "link", "script"):
        assert not hostile.load(kind, read), kind
    assert stored(open_broker) == before


def test_a_name_that_was_turned_to_this_machine_gets_nothing(browser, open_broker):
    """DNS rebinding: the page is, to the browser, of the broker's own origin."""
    admin = Admin(open_broker)
    number = admin.publish("private", SECRET)
    before = stored(open_broker)
    origin = f"http://{REBOUND}:{open_broker.port}"
    context = browser.new_context()
    # The page itself came from elsewhere, before the name was turned.
    context.route(f"{origin}/page", lambda route: route.fulfill(
        body="<!doctype html><body>evil", content_type="text/html"))
    with Page(context, f"{origin}/page") as page:
        assert page.page.evaluate("location.origin") == origin
        for path in ("/topics/private/messages", f"/topics/private/messages/{number}",
                     "/topics/private/events", "/events?topic=**"):
            answer = page.fetch(path)
            assert answer["status"] == 403 and "forbidden_host" in answer["text"], answer
            assert SECRET not in answer["text"]
        answer = page.fetch("/topics/forged/messages", method="POST", body="forged")
        assert answer["status"] == 403 and "forbidden_host" in answer["text"]
        assert page.submit("/topics/forged/messages") == 403
        assert page.event_source("/events?topic=**&after=0")["failed"]
        assert page.web_socket(f"{origin}/ws")["code"] == 1006
    context.close()
    assert stored(open_broker) == before


def test_the_brokers_own_pages_are_served_as_ever(browser, open_broker):
    context = browser.new_context()
    for host in ("127.0.0.1", "localhost"):
        with Page(context, f"http://{host}:{open_broker.port}/healthz") as page:
            answer = page.fetch("/topics/own/messages", method="POST", body=host)
            assert answer["status"] == 201
            seen = page.event_source("/topics/own/events?tail=1")
            assert seen == {"seen": [host], "failed": False}
            seen = page.web_socket(f"http://{host}:{open_broker.port}/ws", {
                "ref": 1, "type": "publish", "topic": "own", "data": "x"})
            assert seen["seen"][-1]["type"] == "published"
    context.close()
