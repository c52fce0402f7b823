"""The JavaScript client in Chromium: every transport, tabs that share, and a network that goes away."""

import json
import re
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from admin import Admin
from broker import ROOT, wait_for
from browser import chromium
from credentials import create_token
from proxy import CuttingProxy

CLIENT = ROOT / "Sources" / "TickertapeServer" / "Client" / "tickertape.js"
TRANSPORTS = ["fetch", "event-stream", "websocket", "poll"]
SHARED = ["shared-worker", "shared-channel"]

# Follows, and keeps what it is told under a name of the page. `without` hides parts of the browser.
FOLLOW = """async ([name, options, without]) => {
  const { connect } = await import("/tickertape.js");
  const seen = window[name] = { found: [], states: [], waits: [], gaps: [], ends: [], told: [] };
  const environment = Object.fromEntries(without.map(part => [part, undefined]));
  const { tokens } = options;
  if (tokens) options.getToken = () => tokens.length > 1 ? tokens.shift() : tokens[0];
  const connection = seen.connection = connect({
    backoff: { min: 50, max: 500 }, ...options, environment,
    onMessage: ({ id, data, event }) => {
      seen.found.push(event ? [id, data, event] : [id, data]);
      return seen.wait; // Nothing, or what a slow page waits for.
    },
    onState: (state, { retryInMilliseconds }) => {
      seen.states.push(state);
      if (state === "waiting") seen.waits.push(retryInMilliseconds);
    },
    onGap: gap => seen.gaps.push(gap),
    onEnd: end => seen.ends.push(end),
    onUnauthorized: ({ reason }) => seen.told.push(reason),
  });
  connection.closed.then(({ reason, error }) => { seen.closed = { reason, code: error?.code }; });
}"""

# What a browser notes when a connection fails, a preflight that was cut included.
NOTE_CLOSED = re.compile(
    r"Failed to load resource|WebSocket connection to|net::ERR_|blocked by CORS policy")


class ClientSite:
    """An origin of its own that serves the module, as the broker does on its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            is_module = self.path == "/tickertape.js"
            body = CLIENT.read_bytes() if is_module else b"<!doctype html><title>a page</title>"
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if is_module else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    def __init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class HoldingProxy(CuttingProxy):
    """Passes on what is asked, and nothing of an event stream, as a proxy that buffers does."""

    def __init__(self, port):
        super().__init__(port, 0, 1, 1, 0)
        self.held = set()

    def _pass(self, source, sink):
        class Looking:
            shutdown = sink.shutdown

            def sendall(_, data):
                if b"/events" in data.split(b"\r\n", 1)[0]:
                    self.held.add(sink)
                sink.sendall(data)

        super()._pass(source, Looking())

    def _pass_and_cut(self, up, down):
        class Withheld:
            setsockopt, shutdown, close = down.setsockopt, down.shutdown, down.close

            def sendall(_, data):
                if up not in self.held:
                    down.sendall(data)

        super()._pass_and_cut(up, Withheld())


class Tab:
    """A page, and the connections of the client in it."""

    def __init__(self, context, origin, broker):
        self.page = context.new_page()
        self.broker = broker
        self.errors = []
        self.page.on("console", lambda message: message.type == "error"
                     and not NOTE_CLOSED.search(message.text) and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(origin)

    def follow(self, topics, name="seen", url=None, without=(), **options):
        url = url or f"http://127.0.0.1:{self.broker.port}"
        self.page.evaluate(FOLLOW, [name, {"url": url, "topics": topics, **options}, list(without)])
        return self

    def get(self, expression):
        return self.page.evaluate(expression)

    def wait_for(self, expression, timeout=20):
        self.page.wait_for_function(expression, timeout=timeout * 1000)
        return self

    def wait_until_open(self, name="seen"):
        return self.wait_for(f"{name}.connection.state === 'open'")

    def expect(self, messages, name="seen", timeout=30):
        """Exactly these, each once and in order."""
        messages = [list(message) for message in messages]
        self.wait_for(f"{name}.found.length >= {len(messages)}", timeout)
        assert self.get(f"{name}.found") == messages

    def close(self):
        self.page.close()


@pytest.fixture(scope="module")
def browser():
    with chromium("--disable-features=LocalNetworkAccessChecks") as running:
        yield running


@pytest.fixture(scope="module")
def site():
    made = ClientSite()
    yield made
    made.close()


@pytest.fixture
def context(browser):
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def own(start, site):
    return start("--allow-origin", site.origin, "--retry", "0.05", "--heartbeat", "1")


@pytest.fixture
def tab(context, site, own):
    tabs = []

    def open_tab(broker=own):
        tabs.append(Tab(context, site.origin, broker))
        return tabs[-1]

    yield open_tab
    for one in tabs:
        assert one.errors == []


def publish(broker, topic, count, start=0):
    """Publishes, and returns what a reader is to find."""
    payloads = [f"{number} é€😀" for number in range(start, start + count)]
    return list(zip(broker.publish_all(topic, [text.encode() for text in payloads]), payloads))


def stream_count(broker):
    return len(Admin(broker).get("/v1/subscribers")["subscribers"])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_message_once_on_every_transport(tab, own, transport):
    first = publish(own, "t", 5)
    page = tab()
    page.follow("t", "live", transport=transport).follow("t", "whole", transport=transport, after=0)
    page.follow("t", "middle", transport=transport, after=first[2][0]).wait_until_open("live")
    second = publish(own, "t", 20, 5)
    page.expect(second, "live")
    page.expect(first + second, "whole")
    page.expect(first[3:] + second, "middle")
    assert page.get("live.connection.transport") == transport


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_broker_that_is_killed_and_one_that_drains(tab, own, transport):
    page = tab().follow("t", transport=transport).wait_until_open()
    sent = []
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        sent += publish(own, "t", 10, len(sent))
        own.restart(number)
        sent += publish(own, "t", 10, len(sent))
    page.expect(sent)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("transport", ["fetch", "event-stream", "websocket"])
def test_a_network_that_cuts_connections_anywhere(tab, own, transport):
    sent = publish(own, "t", 200)
    with CuttingProxy(own.port, 7, 200, 2500, 15) as proxy:
        page = tab().follow("t", after=0, transport=transport, url=f"http://127.0.0.1:{proxy.port}")
        page.wait_for("seen.found.length > 20", 40)
        sent += publish(own, "t", 100, 200)
        page.expect(sent, timeout=60)
        assert proxy.cuts >= 3


def test_a_native_event_source_needs_the_names_of_events(tab, own):
    page = tab().follow("t", transport="event-stream", events=["trade"]).wait_until_open()
    page.wait_for("seen.connection.lastId !== undefined")
    one = own.publish("t", "1", event="trade")
    own.publish("t", "2", event="other")
    three = own.publish("t", "3")
    page.expect([(one, "1", "trade"), (three, "3")])


def test_a_native_event_source_that_was_refused_for_good_says_why(tab, own):
    page = tab().follow("a//b", transport="event-stream").wait_for("seen.closed")
    assert page.get("seen.closed") == {"reason": "refused", "code": "invalid_pattern"}


@pytest.mark.parametrize("transport", ["fetch", "event-stream", "websocket"])
def test_a_deleted_topic_is_the_end(tab, own, transport):
    sent = publish(own, "t", 3)
    page = tab().follow("t", after=0, transport=transport)
    page.expect(sent)
    Admin(own).ok("DELETE", "/v1/topics/t")
    page.wait_for("seen.closed")
    assert page.get("seen.closed.reason") == "deleted"
    assert page.get("seen.connection.state") == "ended"
    page.follow("t", "late", transport=transport).wait_for("late.closed")
    assert page.get("late.closed.reason") in ("ended", "deleted")


def test_where_event_streams_are_held_back_a_websocket_takes_over(tab, own):
    sent = publish(own, "t", 10)
    with HoldingProxy(own.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        page = tab().follow(["t", "u"], after=0, url=url, heartbeatSeconds=1)
        page.follow("t", "polled", after=0, url=url, heartbeatSeconds=1, without=["WebSocket"])
        page.expect(sent)
        page.expect(sent, "polled")
        assert page.get("seen.connection.transport") == "websocket"
        assert page.get("polled.connection.transport") == "poll"


def test_offline_it_does_not_try_again_and_online_it_does_at_once(tab, context, own):
    requests = []
    page = tab()
    page.page.on("request", lambda request: requests.append(request.url))
    sent = publish(own, "t", 2)
    page.follow("t", after=0, backoff={"min": 20, "max": 60_000})
    page.expect(sent)
    context.set_offline(True)
    own.kill()
    page.wait_for("seen.waits.some(wait => wait >= 60000)")
    before = len(requests)
    own.start()
    sent += publish(own, "t", 3, 2)
    page.page.wait_for_timeout(500)
    assert len(requests) == before
    context.set_offline(False)
    page.expect(sent, timeout=10)


def test_a_page_that_was_frozen_has_missed_nothing(tab, context, own):
    page = tab().follow("t", transport="fetch").wait_until_open()
    page.wait_for("seen.connection.lastId !== undefined")
    session = context.new_cdp_session(page.page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    own.restart()
    sent = publish(own, "t", 20)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    page.expect(sent)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_token_is_renewed_on_every_transport(tab, start, site, transport):
    locked = start("--auth", "--allow-origin", site.origin, "--retry", "0.05")
    good = create_token(locked, ["t"], ["t"])
    page = tab(locked).follow("t", transport=transport, tokens=["ttk_bad", good])
    page.wait_until_open()
    number = Admin(locked).publish("t", "x")
    page.expect([(number, "x")])
    assert len(page.get("seen.told")) == 1
    page.follow("t", "bad", transport=transport, tokens=["ttk_bad"]).wait_for("bad.closed")
    assert page.get("bad.closed.reason") == "unauthorized"


def test_text_is_typed_and_a_publish_of_the_page_arrives(tab, own):
    page = tab()
    page.page.evaluate("""async url => {
      const { connect, publish } = await import("/tickertape.js");
      window.text = "";
      (async () => {
        for await (const part of connect({ url, topics: "t", after: 0 }).textStream()) text += part;
      })();
      for (const data of ["Hel", "lo ", "😀"]) await publish({ url, topic: "t", data });
    }""", f"http://127.0.0.1:{own.port}")
    page.wait_for("text === 'Hello 😀'")


# Tabs that share.


def hidden(shared):
    return [] if shared == "shared-worker" else ["SharedWorker"]


@pytest.mark.parametrize("shared", SHARED)
def test_two_tabs_share_a_connection_wherever_they_begin(tab, own, shared):
    sent = publish(own, "t", 50)
    first = tab().follow("t", shared=True, after=sent[9][0], without=hidden(shared))
    first.expect(sent[10:])
    second = tab().follow("t", shared=True, after=0, without=hidden(shared))
    second.expect(sent)
    third = tab().follow("t", shared=True, without=hidden(shared)).wait_until_open()
    third.wait_for("seen.connection.lastId !== undefined")
    wait_for(lambda: stream_count(own) == 1, what="one stream for three tabs")
    later = publish(own, "t", 20, 50)
    for one, expected in ((first, sent[10:]), (second, sent), (third, [])):
        one.expect(expected + later)
        assert one.get("seen.connection.transport") == shared
    assert stream_count(own) == 1


@pytest.mark.parametrize("shared", SHARED)
def test_a_tab_that_goes_leaves_the_others_without_a_gap(tab, own, shared):
    tabs = [tab().follow("t", shared="ada", without=hidden(shared)) for _ in range(3)]
    for one in tabs:
        one.wait_until_open().wait_for("seen.connection.lastId !== undefined")
    sent = []
    while len(tabs) > 1:
        sent += publish(own, "t", 20, len(sent))
        tabs.pop(0).close()  # The first to come is the one that leads.
        sent += publish(own, "t", 20, len(sent))
        for one in tabs:
            one.expect(sent)
    wait_for(lambda: stream_count(own) == 1, what="one stream")
    tabs[0].close()
    wait_for(lambda: stream_count(own) == 0, what="no stream")


@pytest.mark.parametrize("shared", SHARED)
def test_tabs_that_share_come_back_after_a_crash(tab, own, shared):
    tabs = [tab().follow("t", shared=True, without=hidden(shared)) for _ in range(2)]
    for one in tabs:
        one.wait_until_open().wait_for("seen.connection.lastId !== undefined")
    sent = publish(own, "t", 20)
    own.restart()
    sent += publish(own, "t", 20, 20)
    own.restart(signal.SIGTERM)
    sent += publish(own, "t", 20, 40)
    for one in tabs:
        one.expect(sent)


@pytest.mark.parametrize("shared", SHARED)
def test_a_slow_tab_holds_up_no_other(tab, own, shared):
    slow, quick = (tab().follow("t", shared=True, without=hidden(shared)) for _ in range(2))
    for one in (slow, quick):
        one.wait_until_open().wait_for("seen.connection.lastId !== undefined")
    slow.get("() => { seen.wait = new Promise(resolve => { seen.go = resolve; }); }")
    sent = publish(own, "t", 1500)
    quick.expect(sent)
    assert slow.get("seen.found.length") == 1
    slow.get("() => { seen.wait = undefined; seen.go(); }")
    slow.expect(sent)


@pytest.mark.parametrize("shared", SHARED)
def test_tabs_that_share_end_and_are_refused_together(tab, own, shared):
    publish(own, "t", 3)
    tabs = [tab().follow("t", shared=True, after=0, without=hidden(shared)) for _ in range(2)]
    for one in tabs:
        one.wait_for("seen.found.length === 3")
    Admin(own).ok("DELETE", "/v1/topics/t")
    for one in tabs:
        one.wait_for("seen.closed")
        assert one.get("seen.closed.reason") in ("deleted", "ended")
    for one in tabs:
        one.follow("a//b", "bad", shared=True, without=hidden(shared)).wait_for("bad.closed")
        assert one.get("bad.closed") == {"reason": "refused", "code": "invalid_pattern"}


@pytest.mark.parametrize("shared", SHARED)
def test_tabs_that_share_are_asked_for_the_token(tab, start, site, shared):
    locked = start("--auth", "--allow-origin", site.origin, "--retry", "0.05")
    good = create_token(locked, ["t"], ["t"])
    tabs = [tab(locked).follow("t", shared="ada", tokens=["ttk_bad", good], without=hidden(shared))
            for _ in range(2)]
    for one in tabs:
        one.wait_until_open().wait_for("seen.connection.lastId !== undefined")
    number = Admin(locked).publish("t", json.dumps("x"))
    for one in tabs:
        one.expect([(number, '"x"')])
    bad = tab(locked).follow("t", shared="zed", token="ttk_bad", without=hidden(shared))
    bad.wait_for("seen.closed")
    assert bad.get("seen.closed.reason") == "unauthorized"
