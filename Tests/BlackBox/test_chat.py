"""The chat page in a real browser: no line is lost or shown twice, whatever the broker does."""

import contextlib
import json
import signal
import sqlite3

import pytest
from playwright.sync_api import Error

from broker import wait_for
from browser import chromium

LINES = """() => [...document.querySelectorAll('#scroller .line')].map(line => [
  line.dataset.id ? Number(line.dataset.id) : null, line.querySelector('.text').textContent,
  line.classList.contains('own')])"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


class Chat:
    """One person at the page, in a browser profile of their own."""

    def __init__(self, browser, broker, name, room="lobby", width=1280, height=800):
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.page = self.context.new_page()
        self.errors = []
        self.page.on("console", lambda m: m.type == "error"
                     and "WebSocket connection to" not in m.text and self.errors.append(m.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: request.url.startswith("http://127.0.0.1:")
                     or self.errors.append(request.url))
        self.page.goto(f"http://127.0.0.1:{broker.port}/demo/chat#{room}")
        self.wait_until_live()
        if name:
            self.page.fill("#name", name)
            self.page.click("#naming button")

    def wait_until_live(self, timeout=15):
        self.page.wait_for_selector("#state[data-state=live]", timeout=timeout * 1000)

    def say(self, text):
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")

    def enter(self, room):
        self.page.click(f"#rooms button:has-text('{room}')")

    @property
    def lines(self):
        return [tuple(line) for line in self.page.evaluate(LINES)]

    def wait_for_lines(self, *texts, timeout=15):
        """Waits until exactly these lines are shown, each of them in the log; their ids."""
        wait_for(lambda: self.page.wait_for_timeout(20) or [
            text for number, text, _ in self.lines if number] == list(texts), timeout,
            f"the lines {texts}, with {self.lines} shown,")
        ids = [number for number, _, _ in self.lines]
        assert all(one < two for one, two in zip(ids, ids[1:])), ids
        return ids


@pytest.fixture
def chat(browser):
    open_pages = []

    def open_page(broker, name, **more):
        open_pages.append(Chat(browser, broker, name, **more))
        return open_pages[-1]

    yield open_page
    for one in open_pages:
        one.context.close()
        assert one.errors == []


def test_two_people_talk(start, chat):
    own = start("--demo")
    ada, zed = chat(own, "Ada"), chat(own, "Zed")
    ada.say("Good morning")
    zed.wait_for_lines("Good morning")
    zed.say("Hello, <b>Ada</b>")
    ids = ada.wait_for_lines("Good morning", "Hello, <b>Ada</b>")
    assert zed.wait_for_lines("Good morning", "Hello, <b>Ada</b>") == ids
    assert [is_own for _, _, is_own in ada.lines] == [True, False]
    assert ada.page.query_selector("#scroller b") is None
    assert [json.loads(m["data"]) for m in own.history("chat/lobby")] == [
        {"name": "Ada", "text": "Good morning"}, {"name": "Zed", "text": "Hello, <b>Ada</b>"}]


def test_who_comes_later_finds_the_last_50_lines(start, chat):
    own = start("--demo")
    for n in range(60):
        own.publish("chat/lobby", json.dumps({"name": "Bot", "text": str(n)}))
    chat(own, None).wait_for_lines(*map(str, range(10, 60)))


def test_a_line_is_shown_as_sending_until_it_is_in_the_log(start, chat):
    own = start("--demo")
    ada = chat(own, "Ada")
    own.process.send_signal(signal.SIGSTOP)
    ada.say("is anybody there?")
    ada.page.wait_for_selector(".own.sending")
    assert ada.lines == [(None, "is anybody there?", True)]
    own.process.send_signal(signal.SIGCONT)
    ada.wait_for_lines("is anybody there?")
    assert ada.page.query_selector(".sending") is None


@pytest.mark.timeout(120)
def test_what_is_said_while_the_broker_is_down_arrives_once_and_in_order(start, chat):
    own = start("--demo")
    ada, zed = chat(own, "Ada"), chat(own, "Zed")
    said = []
    for round_number in range(3):
        for n in range(3):
            said.append(f"{round_number}.{n} up")
            ada.say(said[-1])
        own.kill()
        ada.page.wait_for_selector("#state[data-state=reconnecting]")
        for n in range(3):
            said.append(f"{round_number}.{n} down")
            ada.say(said[-1])
        own.start()
        assert ada.wait_for_lines(*said, timeout=30) == zed.wait_for_lines(*said, timeout=30)
    stored = [json.loads(m["data"])["text"] for m in own.history("chat/lobby")]
    assert stored == said


def test_after_a_restart_the_page_comes_back_when_it_was_told_to(start, chat):
    own = start("--demo")
    ada = chat(own, "Ada")
    ada.say("before")
    ada.wait_for_lines("before")
    own.restart(signal.SIGTERM)
    own.publish("chat/lobby", '{"name":"Zed","text":"meanwhile"}')
    ada.wait_until_live()
    ada.say("after")
    ada.wait_for_lines("before", "meanwhile", "after")


def test_what_was_not_sent_survives_a_reload(start, chat):
    own = start("--demo")
    ada = chat(own, "Ada")
    ada.say("sent")
    ada.wait_for_lines("sent")
    own.kill()
    ada.say("not sent")
    ada.page.wait_for_selector(".own.sending")
    with pytest.raises(Error):
        ada.page.reload()
    own.start()
    ada.page.goto(f"http://127.0.0.1:{own.port}/demo/chat")
    ada.wait_for_lines("sent", "not sent")
    assert [is_own for _, _, is_own in ada.lines] == [True, True]
    assert len(own.history("chat/*")) == 2


def test_unread_lines_of_other_rooms_are_counted(start, chat):
    own = start("--demo")
    ada = chat(own, "Ada")
    ada.page.wait_for_function("[...rooms.values()].every(room => !room.isReading)")
    for n in range(3):
        own.publish("chat/help", json.dumps({"name": "Ida", "text": str(n)}))
    ada.page.wait_for_selector("#rooms button:has-text('help') .unread:text-is('3')")
    assert ada.page.title().startswith("(3) ")
    ada.enter("help")
    ada.wait_for_lines("0", "1", "2")
    ada.page.wait_for_function("!document.title.startsWith('(')")


def test_any_room_can_be_joined_and_left(start, chat):
    own = start("--demo")
    ada = chat(own, "Ada")
    ada.page.fill("#room-name", "a/b")
    ada.page.press("#room-name", "Enter")
    assert ada.page.evaluate("document.querySelector('#room-name').validationMessage")
    ada.page.fill("#room-name", "Neue Räume")
    ada.page.press("#room-name", "Enter")
    ada.say("hallo")
    ada.wait_for_lines("hallo")
    assert [m["topic"] for m in own.history("chat/*")] == ["chat/neue-räume"]
    ada.page.click("#leave")
    own.publish("chat/neue-räume", '{"name":"x","text":"y"}')
    assert ada.page.query_selector("#rooms :text('neue-räume')") is None
    ada.enter("trading-floor")
    ada.say("still here")
    ada.wait_for_lines("still here")


def test_foreign_payloads_are_shown_as_they_are_and_do_no_harm(start, chat):
    own = start("--demo")
    ada = chat(own, "Ada")
    odd = ["", "plain", "null", "[]", '{"text":5}', '{"name":{},"text":"t"}', '{"price":1}',
           '{"name":"<img src=x onerror=alert(1)>","text":"<script>alert(2)</script>"}',
           "\u202eevil", "x" * 100_000, "\n" * 10_000]
    for text in odd:
        own.publish("chat/lobby", text, event="error")
    last = own.publish("chat/lobby", '{"name":"Zed","text":"end"}')
    ada.page.wait_for_selector(f"#scroller .line[data-id='{last}']")
    assert len(ada.lines) == len(odd) + 1
    assert ada.page.query_selector("#scroller img, #scroller script") is None


def test_a_replaced_log_is_told_as_a_gap(start, chat):
    own = start()
    own.publish("chat/den", json.dumps({"name": "Zed", "text": "long ago"}))
    own.stop()
    # The demo publishes into the new log too: the old one must be further ahead than that comes.
    with contextlib.closing(sqlite3.connect(own.directory / "tickertape.db")) as database:
        database.execute("UPDATE sqlite_sequence SET seq = 1000000 WHERE name = 'messages'")
        database.commit()
    own.start("--demo")
    ada = chat(own, "Ada", room="den")
    ada.say("of the old log")
    ada.wait_for_lines("long ago", "of the old log")
    own.kill()
    for file in own.directory.glob("tickertape.db*"):
        file.unlink()
    own.start("--demo")
    ada.wait_until_live(30)
    ada.page.wait_for_selector("#scroller .said")
    ada.say("of the new one")
    ada.page.wait_for_function(
        "document.querySelectorAll('#scroller .own:not(.sending)').length === 2")
    assert [text for _, text, _ in ada.lines] == ["long ago", "of the old log", "of the new one"]


@pytest.mark.parametrize("width, height", [(320, 568), (390, 844), (844, 390), (1280, 800)])
def test_nothing_sticks_out_and_the_field_is_in_sight(start, chat, width, height):
    own = start("--demo")
    ada = chat(own, "A" * 40, width=width, height=height)
    for n in range(30):
        own.publish("chat/lobby", json.dumps({"name": "Zed", "text": "wide " * n + "x" * 200}))
    ada.page.wait_for_function("document.querySelectorAll('#scroller .line').length === 30")
    assert ada.page.evaluate("document.documentElement.scrollWidth") <= width
    assert ada.page.evaluate("document.documentElement.scrollHeight") <= height
    box = ada.page.locator("#text").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= height
    assert ada.page.evaluate("getComputedStyle(document.querySelector('#text')).fontSize") == "16px"
    # The newest line is in sight.
    ada.page.wait_for_function("(s => s.scrollHeight - s.scrollTop - s.clientHeight < 2)"
                               "(document.querySelector('#scroller'))")


def test_the_chat_is_not_served_unless_asked_for(start):
    assert start().request("GET", "/demo/chat").status == 404


def test_the_pages_link_to_each_other(start):
    own = start("--demo")
    chat_page, ticker = own.request("GET", "/demo/chat"), own.request("GET", "/demo/")
    assert chat_page.header("content-type") == ticker.header("content-type")
    assert b'href="/demo/"' in chat_page.body and b'href="/demo/chat"' in ticker.body
    for page in (chat_page, ticker):
        assert b"http://" not in page.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in page.body
