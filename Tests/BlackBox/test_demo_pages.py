"""The small pages of the demo: each does in a real browser what it says."""

import re
from pathlib import Path

import pytest

from broker import ROOT, wait_for
from browser import chromium
from credentials import bearer, create_token, unknown_token

FOLDER = Path(ROOT, "Sources/TickertapeServer/Demo/pages")
NAMES = sorted(path.stem for path in FOLDER.glob("*.html") if path.stem != "index")


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def show(browser):
    contexts = []

    def open_page(own, name, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(f"http://127.0.0.1:{own.port}/demo/pages/{name}")
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.errors == []
        context.close()


def lines(page, selector="pre"):
    return page.inner_text(selector).strip().split("\n")


def wait_for_lines(page, *expected, selector="pre", timeout=20):
    """Waits until the lines match these patterns, one by one."""
    def matches():
        page.wait_for_timeout(20)
        shown = lines(page, selector)
        return len(shown) == len(expected) and all(
            re.fullmatch(pattern, line) for pattern, line in zip(expected, shown))
    wait_for(matches, timeout, f"the lines {expected}, with {lines(page, selector)} shown,")


def test_the_index_leads_to_every_page_and_back(start, show):
    own = start("--demo")
    page = show(own, "")
    links = page.eval_on_selector_all("dt a", "all => all.map(a => new URL(a.href).pathname)")
    assert sorted(links) == [f"/demo/pages/{name}" for name in NAMES]
    for link in links:
        answer = own.request("GET", link)
        assert (answer.status, answer.header("content-type")) == (200, "text/html; charset=utf-8")
        assert b'<a href="/demo/pages/">' in answer.body
        assert answer.body.count(b"\n") < 100, f"{link} is short"
        assert not re.search(rb"(src|href)=.https?:", answer.body)
    assert b'href="/demo/pages/"' in own.request("GET", "/demo/").body
    assert own.request("GET", "/demo/pages").status == 404


@pytest.mark.parametrize("name", ["typewriter-post", "typewriter-eventsource"])
def test_typewriters_type_to_the_end(start, show, name):
    own = start("--demo")
    page = show(own, name)
    methods = []
    page.on("request", lambda request: "/events" in request.url and methods.append(request.method))
    page.fill("input", "A haiku, please")
    page.click("button")
    page.wait_for_function("document.querySelector('pre').textContent.length > 20")
    assert page.inner_text("#state") == ""
    page.wait_for_selector("#state:has-text('\"reason\":\"ended\"')", timeout=60_000)
    topic = re.search(r'"topic":"([^"]+)"', page.inner_text("#state"))[1]
    generated = "".join(message["data"] for message in own.history(topic))
    assert page.text_content("pre") == generated and "haiku" in generated
    assert methods == ["POST" if name == "typewriter-post" else "GET"]


def test_people_chat(start, show):
    own = start("--demo")
    one, two = show(own, "chat-websocket"), show(own, "chat-websocket")
    for page in (one, two):
        page.wait_for_selector("#state:text-is('Live')")
    for page, text in ((one, "hello"), (two, "<b>hi</b>")):
        page.fill("input", text)
        page.press("input", "Enter")
        for reader in (one, two):
            reader.wait_for_function("text => document.querySelector('pre').textContent.endsWith(text + '\\n')", arg=text)
    # Who comes later sees the same, and who was away as well, once.
    three = show(own, "chat-websocket")
    own.restart()
    own.publish("demo/pages/chat", "meanwhile")
    for page in (one, two, three):
        wait_for_lines(page, "hello", "<b>hi</b>", "meanwhile")


def test_custom_events_have_their_names_and_ids(start, show):
    own = start("--demo", "--retry", 2)
    page = show(own, "events")
    for number, name in enumerate(["price", "news", ""], 1):
        page.click(f"button[value='{name}']")
        page.wait_for_selector(f"#events:has-text('number {number}')")
    wait_for_lines(page, r"price \(id \d+\): number 1", r"news \(id \d+\): number 2",
                   r"message \(id \d+\): number 3", selector="#events")
    ids = re.findall(r"id (\d+)", page.inner_text("#events"))
    page.wait_for_selector("#bytes:has-text('number 3')")
    raw = page.text_content("#bytes")
    assert "retry: 2000\n" in raw
    for block in (f"id: {ids[0]}\nevent: price\ndata: number 1\n\n",
                  f"id: {ids[1]}\nevent: news\ndata: number 2\n\n",
                  f"id: {ids[2]}\ndata: number 3\n\n"):
        assert block in raw


def test_the_browser_stays_away_after_the_tenth_event(start, show):
    own = start("--demo", "--retry", "0.2")
    page = show(own, "tenth")
    answers = []
    page.on("response", lambda response: "/events" in response.url
            and answers.append(response.status))
    page.click("button")
    wait_for_lines(
        page, "open", *[rf"message {n} \(id \d+\)" for n in range(1, 11)],
        r'tickertape\.end \{.*"reason":"ended".*\}', "error, the EventSource is connecting",
        "error, the EventSource is closed")
    assert answers == [200, 204]
    # It would have come back by now.
    page.wait_for_timeout(1000)
    assert answers == [200, 204]


@pytest.mark.parametrize("way", ["header", "query", "cookie"])
def test_credentials_cross_origins(start, show, way):
    demo = start("--demo")
    other = start("--auth", "--allow-origin", f"http://127.0.0.1:{demo.port}")
    token = create_token(other, ["**"], ["**"])
    other.publish("demo/pages/credentials", "for your eyes only", bearer(token))
    page = show(demo, "credentials")
    assert page.input_value("#broker") == f"http://localhost:{demo.port}"
    page.fill("#broker", f"http://127.0.0.1:{other.port}")
    page.fill("#token", token)
    page.click(f"#{way}")
    page.wait_for_selector("pre:has-text('message: for your eyes only')")
    assert "open" in lines(page)
    # Without a good token it is told why, if the answer may be read.
    page.fill("#token", unknown_token())
    page.click(f"#{way}")
    page.wait_for_function("/token/.test(document.querySelector('pre').textContent.split('\\n').slice(1).join())")
    assert "for your eyes only" not in page.inner_text("pre")


@pytest.mark.parametrize("way", ["header", "query", "cookie"])
def test_a_broker_that_does_not_know_the_origin_is_explained(start, show, way):
    demo, other = start("--demo"), start()
    page = show(demo, "credentials")
    page.fill("#broker", f"http://127.0.0.1:{other.port}")
    page.click(f"#{way}")
    page.wait_for_selector(f"pre:has-text('--allow-origin http://127.0.0.1:{demo.port}')")


@pytest.mark.parametrize("name", ["", *NAMES])
def test_pages_fit_a_phone(start, show, name):
    page = show(start("--demo"), name, viewport={"width": 320, "height": 568})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_they_are_not_served_unless_asked_for(start):
    own = start()
    for name in ("", *NAMES):
        assert own.request("GET", f"/demo/pages/{name}").status == 404
