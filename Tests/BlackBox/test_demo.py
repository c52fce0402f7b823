"""The demo page in a real browser: prices move, and a dropped connection costs nothing."""

import pytest

from broker import wait_for
from browser import chromium

LAST_ID = "() => Number(document.querySelector('#last-id').textContent.replace(/\\D/g, ''))"


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


class Demo:
    """The page, with everything that went wrong on it and the streams it holds open."""

    def __init__(self, browser, broker, width=1280):
        self.page = browser.new_page(viewport={"width": width, "height": 800})
        self.errors, self.streams, self.most_streams, self.addresses = [], set(), 0, []
        self.page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self.began)
        self.page.on("requestfinished", self.ended)
        self.page.on("requestfailed", self.ended)
        self.page.goto(f"http://127.0.0.1:{broker.port}/demo/")

    def began(self, request):
        assert request.url.startswith("http://127.0.0.1:"), f"the page asks for {request.url}"
        if "/events" in request.url:
            self.streams.add(request)
            self.addresses.append(request.url)
            self.most_streams = max(self.most_streams, len(self.streams))

    def ended(self, request):
        self.streams.discard(request)

    def wait_until_live(self, timeout=10):
        self.page.wait_for_selector("#state[data-state=live]", timeout=timeout * 1000)

    @property
    def last_id(self):
        return self.page.evaluate(LAST_ID)

    def wait_for_last_id_beyond(self, number, timeout=10):
        self.page.wait_for_function(f"number => ({LAST_ID})() > number", arg=number,
                                    timeout=timeout * 1000)


@pytest.fixture
def demo(start, browser):
    pages = []

    def open_page(broker, **more):
        pages.append(Demo(browser, broker, **more))
        return pages[-1]

    yield open_page
    for page in pages:
        page.page.close()


def test_prices_of_many_symbols_and_headlines_arrive_live(start, demo):
    shown = demo(start("--demo"))
    shown.wait_until_live()
    shown.page.wait_for_function("document.querySelectorAll('#quotes [data-symbol]').length >= 20",
                                 timeout=20_000)
    shown.wait_for_last_id_beyond(shown.last_id)
    shown.wait_for_last_id_beyond(shown.last_id)
    shown.page.wait_for_function("document.querySelectorAll('#news li').length > 0", timeout=30_000)
    assert shown.most_streams == 1 and len(shown.streams) == 1
    assert shown.errors == []


def test_what_was_published_during_a_drop_comes_back_once_and_in_order(start, demo):
    shown = demo(start("--demo"))
    shown.wait_until_live()
    shown.wait_for_last_id_beyond(0)
    for _ in range(2):
        before = shown.last_id
        shown.page.evaluate("document.querySelector('#recovered').hidden = true")
        shown.page.click("#drop")
        shown.page.wait_for_selector("#state:not([data-state=live])")
        shown.page.wait_for_selector("#recovered:not([hidden])", timeout=30_000)
        told = shown.page.evaluate("({...document.querySelector('#recovered').dataset})")
        assert int(told["expected"]) > 0, told
        assert told["cameBack"] == told["expected"], told
        assert (told["missing"], told["duplicates"]) == ("0", "0"), told
        shown.wait_until_live()
        shown.wait_for_last_id_beyond(before + int(told["expected"]))
    assert shown.page.inner_text("#disorder") == "0"
    assert shown.most_streams == 1 and len(shown.streams) == 1
    assert shown.errors == []


def test_the_page_comes_back_by_itself_when_the_broker_was_killed(start, demo):
    own = start("--demo", "--retry", "0.3")
    shown = demo(own)
    shown.wait_until_live()
    shown.wait_for_last_id_beyond(0)
    own.kill()
    shown.page.wait_for_selector("#state[data-state=reconnecting]")
    before = shown.last_id
    own.start()
    shown.wait_until_live(20)
    shown.wait_for_last_id_beyond(before, 20)
    assert shown.page.inner_text("#disorder") == "0"
    assert shown.most_streams == 1


def change_transport(shown, to):
    shown.page.check(f"#transport input[value={to}]", force=True)


def test_the_transport_changes_in_mid_stream_and_nothing_is_missed_or_repeated(start, demo):
    shown = demo(start("--demo"))
    shown.wait_until_live()
    shown.wait_for_last_id_beyond(0)
    for n in range(9):
        change_transport(shown, ("websocket", "eventsource")[n % 2])
        shown.page.wait_for_timeout((30, 400, 1500)[n % 3])
    shown.page.wait_for_selector("#switched:not(.waiting):not([hidden])", timeout=20_000)
    told = shown.page.evaluate("({...document.querySelector('#switched').dataset})")
    assert int(told["expected"]) > 50, told
    assert (told["missing"], told["duplicates"]) == ("0", "0"), told
    assert [shown.page.inner_text(f"#{name}") for name in ("changes", "missed", "disorder")] == [
        "9", "0", "0"]
    assert shown.most_streams <= 1
    before = shown.last_id
    shown.wait_for_last_id_beyond(before)
    assert shown.errors == []


def test_a_drop_costs_nothing_over_a_websocket_either(start, demo):
    own = start("--demo")
    shown = demo(own)
    shown.wait_until_live()
    change_transport(shown, "websocket")
    shown.wait_until_live()
    shown.wait_for_last_id_beyond(0)
    shown.page.click("#drop")
    shown.page.wait_for_selector("#recovered:not([hidden])", timeout=30_000)
    told = shown.page.evaluate("({...document.querySelector('#recovered').dataset})")
    assert int(told["expected"]) > 0 and told["cameBack"] == told["expected"], told
    assert (told["missing"], told["duplicates"]) == ("0", "0"), told
    own.kill()
    shown.page.wait_for_selector("#state[data-state=reconnecting]")
    before = shown.last_id
    own.start()
    shown.wait_until_live(20)
    shown.wait_for_last_id_beyond(before, 20)
    assert shown.page.inner_text("#disorder") == "0"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out_at_the_side(start, demo, width):
    shown = demo(start("--demo"), width=width)
    shown.wait_until_live()
    shown.page.wait_for_function("document.querySelectorAll('#quotes [data-symbol]').length >= 20",
                                 timeout=20_000)
    # A horizontal scroll bar of the page, or of its body, is what must not be.
    widths = shown.page.evaluate(
        "[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(widths) <= width
    assert shown.errors == []


def test_the_command_on_the_page_publishes_what_the_page_then_shows(start, demo):
    own = start("--demo")
    shown = demo(own)
    shown.wait_until_live()
    command = shown.page.inner_text("#curl")
    assert command.startswith("curl ") and f":{own.port}/topics/" in command
    own.publish("news/you", '{"section":"you","source":"me","headline":"Hello, <b>tape</b>"}',
                event="headline")
    shown.page.wait_for_function(
        "document.querySelector('#news').textContent.includes('Hello, <b>tape</b>')")
    assert shown.page.query_selector("#news b") is None
    assert shown.errors == []


def test_a_message_that_is_no_json_does_not_disturb_the_page(start, demo):
    own = start("--demo")
    shown = demo(own)
    shown.wait_until_live()
    for text in ("", "no json", "null", "[]", '{"price":"x"}',
                 '{"symbol":"<img src=x onerror=alert(1)>","price":1}'):
        for event in ("trade", "headline", "error", None):
            last = own.publish("stocks/odd", text, event=event)
    shown.wait_for_last_id_beyond(last)
    wait_for(lambda: shown.page.get_attribute("#state", "data-state") == "live")
    assert shown.page.query_selector("img") is None
    assert shown.errors == []


def test_the_demo_is_not_served_unless_asked_for(start):
    own = start()
    for target in ("/demo/", "/demo", "/"):
        assert own.request("GET", target).status == 404
    assert own.history() == []


def test_the_address_of_the_demo_without_its_slash_redirects(start):
    own = start("--demo")
    response = own.request("GET", "/demo")
    assert (response.status, response.header("location")) == (308, "/demo/")
    page, head = own.request("GET", "/demo/"), own.request("HEAD", "/demo/")
    assert page.header("content-type").lower().replace(" ", "") == "text/html;charset=utf-8"
    assert (head.status, head.body) == (200, b"")
    assert head.header("content-length") == page.header("content-length")
