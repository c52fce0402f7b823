"""The operator's console in a real browser, on a real broker, under its own strict policy."""

import json
import re
import signal
from itertools import count

import pytest

from admin import Admin
from broker import ROOT, free_port, topic_path, wait_for
from browser import chromium
from wire import encode_request

PAGE = ROOT / "Sources" / "TickertapeAdmin" / "Resources" / "console.html"
VIEWS = ["overview", "topics", "tail", "publish", "policies", "subscribers", "tokens"]
ROWS = """() => [...document.querySelectorAll('#tail-rows tr')].map(row => row.message
  ? [row.message.id, row.cells[2].textContent, row.cells[5].textContent] : row.textContent)"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def serve(start):
    """A broker whose admin door is on TCP too, at the same port through restarts."""

    def serve_one(*options, **more):
        port = free_port()
        own = start("--admin-listen", f"127.0.0.1:{port}", *options, **more)
        own.door = port
        own.token = (own.directory / "admin-token").read_text().strip()
        return own

    return serve_one


class Console:
    """The page in a profile of its own, with everything that went wrong on it."""

    def __init__(self, browser, broker, view="", width=1280, height=900, **more):
        self.context = browser.new_context(viewport={"width": width, "height": height}, **more)
        self.page = self.context.new_page()
        self.errors, self.asked = [], []
        self.page.on("console", self.told)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.origin = f"http://127.0.0.1:{broker.door}"
        # A browser asks for the password; here it is in the address, as some people have it too.
        self.page.goto(f"http://any:{broker.token}@127.0.0.1:{broker.door}/{view}")
        self.wait_until("live")

    def told(self, message):
        # A connection that is refused, and an answer that is no 2xx, are shown on the page.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def wait_until(self, state, timeout=20):
        self.page.wait_for_selector(f"#state[data-state={state}]", timeout=timeout * 1000)

    def go(self, view):
        self.page.evaluate("hash => { location.hash = hash; }", view.removeprefix("#"))

    def text(self, selector):
        return self.page.inner_text(selector)

    def wait_for_text(self, selector, text, timeout=15):
        self.page.locator(selector).filter(has_text=text).first.wait_for(timeout=timeout * 1000)

    @property
    def rows(self):
        """The rows of the tail: `[id, topic, data]`, or a text in between."""
        return self.page.evaluate(ROWS)

    def follow(self, topics, start="live", amount=None):
        self.go("#/tail")
        self.page.fill("#tail-form [name=topics]", topics)
        self.page.select_option("#tail-form [name=start]", start)
        if amount is not None:
            self.page.fill("#tail-form [name=amount]", amount)
        self.page.click("#tail-start")
        self.page.wait_for_selector("#tail-state[data-state=live]")

    def wait_for_messages(self, *texts, timeout=15):
        """Waits until these are the messages of the tail, once each and in the order of their ids."""
        messages = []

        def are_shown():
            self.page.wait_for_timeout(20)
            messages[:] = [row for row in self.rows if isinstance(row, list)]
            return [data for _, _, data in messages] == list(texts)

        try:
            wait_for(are_shown, timeout)
        except TimeoutError:
            assert [data for _, _, data in messages] == list(texts)
            raise
        assert all(one[0] < two[0] for one, two in zip(messages, messages[1:]))


@pytest.fixture
def console(browser):
    opened = []

    def open_page(broker, view="", **more):
        opened.append(Console(browser, broker, view, **more))
        return opened[-1]

    yield open_page
    for one in opened:
        one.context.close()
        assert one.errors == []
        assert all(url.startswith((one.origin, "data:")) or "@127.0.0.1" in url
                   for url in one.asked)


def publish_to_many(broker, topics):
    """One message each, many at a time."""
    with broker.connect(60) as connection:
        for start in range(0, len(topics), 500):
            batch = topics[start:start + 500]
            connection.send(b"".join(
                encode_request("POST", topic_path(topic), b"1") for topic in batch))
            for _ in batch:
                assert connection.response().status == 201


# What the page is made of.


def test_the_page_has_one_style_one_script_and_nothing_else_inline():
    text = PAGE.read_text()
    markup = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.S)
    assert text.count("<style") == text.count("<script") == 1
    assert not re.search(r"\s(style|on[a-z]+)=", markup)
    assert "innerHTML" not in text and "insertAdjacentHTML" not in text
    assert set(re.findall(r"https?://[^/'\"]+", text)) == {"http://www.w3.org"}


def test_ids_and_labels_are_as_a_screen_reader_needs_them(serve, console):
    shown = console(serve())
    for view in VIEWS:
        shown.go(f"#/{view}")
        shown.page.wait_for_selector(f"#{view}:not([hidden])")
    found = shown.page.evaluate("""() => {
      const all = [...document.querySelectorAll('*')], ids = all.map(e => e.id).filter(Boolean);
      const named = e => e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim();
      const refers = (e, name) => (e.getAttribute(name) ?? '').split(' ').filter(Boolean);
      return {
        twice: ids.filter((id, index) => ids.indexOf(id) !== index),
        nameless: all.filter(e => e.matches('button, a, input, select, textarea') && !named(e))
          .map(e => e.outerHTML),
        dangling: all.flatMap(e => [...refers(e, 'aria-labelledby'),
          ...refers(e, 'aria-describedby')]).filter(id => !document.getElementById(id)),
        headless: [...document.querySelectorAll('main table')]
          .filter(t => [...t.querySelectorAll('thead th')].some(h => h.scope !== 'col')).length,
        jumps: all.filter(e => e.tabIndex > 0).length,
        headings: all.filter(e => e.tagName === 'H1' && !e.closest('[hidden]')).length,
        landmarks: ['header', 'nav', 'main'].map(n => document.querySelectorAll(n).length),
        language: document.documentElement.lang,
      };
    }""")
    assert found == {"twice": [], "nameless": [], "dangling": [], "headless": 0, "jumps": 0,
                     "headings": 1, "landmarks": [1, 1, 1], "language": "en"}


def luminance(color):
    values = [int(color[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, two):
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_the_contrast_that_reading_takes(serve, console, scheme):
    shown = console(serve(), color_scheme=scheme)
    names = ["page", "card", "hover", "ink", "soft", "accent", "up", "down", "late", "field",
             "tape", "print", "blue", "down-tint", "new-tint"]
    color = shown.page.evaluate("""names => Object.fromEntries(names.map(name => [name,
      getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()]))""", names)
    # WCAG 2.2: 4.5 for text (1.4.3), 3 for the edges of fields (1.4.11).
    for ground in ("page", "card", "hover"):
        for ink in ("ink", "soft", "accent", "up", "down", "late"):
            assert contrast(color[ink], color[ground]) >= 4.5, (ink, ground)
        assert contrast(color["field"], color[ground]) >= 3, ground
    for ink, ground in (("print", "tape"), ("blue", "tape"), ("ink", "down-tint"),
                        ("ink", "new-tint")):
        assert contrast(color[ink], color[ground]) >= 4.5, (ink, ground)
    assert contrast("#ffffff", color["blue"]) >= 4.5 and contrast("#ffffff", "#b3261e") >= 4.5


def test_the_policy_of_the_page_lets_nothing_else_run(serve, console):
    shown = console(serve())
    shown.page.evaluate("""() => {
      window.violations = [];
      addEventListener('securitypolicyviolation', e => violations.push(e.effectiveDirective));
      document.body.insertAdjacentHTML('beforeend', '<img src="http://127.0.0.1:9/x" onerror="1">'
        + '<p style="color: red"></p>');
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      fetch('http://127.0.0.1:9/').catch(() => {});
    }""")
    shown.page.wait_for_function("violations.length >= 4")
    assert shown.page.evaluate("window.ran") is None
    assert {"img-src", "style-src-attr", "script-src-elem", "connect-src"} <= set(
        shown.page.evaluate("violations"))
    # Those were asked for; what the page itself does brings none.
    shown.errors.clear()
    shown.asked.clear()


# The views.


def test_the_overview_moves(serve, console):
    shown = console(serve("--demo"))
    shown.page.wait_for_selector("#hottest tr td.name >> text=stocks/")
    shown.page.wait_for_function("document.querySelector('#moving .in').getAttribute('d')")
    shown.page.wait_for_function(
        "parseFloat(document.querySelector('[data-figure=in]').textContent) > 0")
    before = shown.page.evaluate("document.querySelector('#moving .in').getAttribute('d')")
    head = shown.text("#log dd >> nth=0")
    shown.page.wait_for_function(
        "before => document.querySelector('#moving .in').getAttribute('d') !== before", arg=before)
    wait_for(lambda: shown.text("#log dd >> nth=0") != head)
    assert "in " in shown.page.get_attribute("#tape", "aria-label")
    assert shown.page.evaluate("past.in.length") <= 300
    shown.page.click("#minute summary")
    wait_for(lambda: shown.page.locator("#minute-rows tr").count() == 6)


def test_statistics_are_asked_for_once_a_second_and_only_by_a_page_that_is_seen(serve, console):
    shown = console(serve())
    shown.page.wait_for_timeout(3500)
    asked = [url for url in shown.asked if url.endswith("/v1/statistics")]
    assert 3 <= len(asked) <= 6
    shown.page.evaluate("""() => {
      Object.defineProperty(document, 'hidden', { get: () => window.isHidden, configurable: true });
      window.isHidden = true;
    }""")
    shown.page.wait_for_timeout(1500)
    shown.asked.clear()
    shown.page.wait_for_timeout(2500)
    assert shown.asked == []
    shown.page.evaluate("""() => { window.isHidden = false;
      document.dispatchEvent(new Event('visibilitychange')); }""")
    wait_for(lambda: shown.page.wait_for_timeout(20) or shown.asked)


@pytest.mark.timeout(240)
def test_100_000_topics_are_browsed_a_page_at_a_time(serve, console):
    own = serve()
    publish_to_many(own, [f"sensors/{n // 1000:03}/{n % 1000:03}" for n in range(100_000)])
    for topic in ("stocks/AAPL", "stocks/BRK.B", "räume/ä b"):
        for _ in range(3):
            own.publish(topic, "x" * 100)
    shown = console(own, "#/topics")
    shown.wait_for_text("#topics-place", "of 100,003")
    assert shown.page.locator("#topics-rows tr").count() == 100
    shown.page.click("#topics-next")
    shown.wait_for_text("#topics-place", "101–200 of")
    shown.page.keyboard.press("n")
    shown.wait_for_text("#topics-place", "201–300 of")
    shown.page.click("#topics-before")
    shown.wait_for_text("#topics-place", "101–200 of")
    assert shown.page.url.endswith("from=101")
    shown.page.click("#topics-first")
    shown.wait_for_text("#topics-place", "1–100 of")
    shown.page.click("#topics-head button:text('Messages')")
    shown.page.wait_for_selector("th[data-sort=messages][aria-sort=descending]")
    shown.wait_for_text("#topics-rows tr:first-child td >> nth=1", "3")
    shown.page.fill("#topics-pattern", "stocks/*")
    shown.page.press("#topics-pattern", "Enter")
    shown.wait_for_text("#topics-place", "1–2 of 2")
    shown.page.fill("#topics-pattern", "sensors/042")
    shown.page.press("#topics-pattern", "Enter")
    shown.page.click("text=Look below sensors/042/**")
    shown.wait_for_text("#topics-place", "1–100 of 1,000")
    # A link leads somebody else to the same page.
    second = console(own, shown.page.url.partition("/#")[2].join(["#", ""]))
    second.wait_for_text("#topics-place", "1–100 of 1,000")
    assert second.page.input_value("#topics-pattern") == "sensors/042/**"
    second.page.fill("#topics-pattern", "räume/**")
    second.page.press("#topics-pattern", "Enter")
    second.page.click("text=räume/ä b")
    second.wait_for_text("#topic-title", "räume/ä b")
    second.page.wait_for_selector("#topic-messages button")
    assert second.page.locator("#topic-messages tr").count() == 3


def test_a_row_that_moves_down_is_not_shown_on_the_next_page_again(serve, console):
    own = serve()
    publish_to_many(own, [f"t/{n:03}" for n in range(150)] + ["hot/a"] * 5 + ["hot/b"] * 4)
    shown = console(own, "#/topics?sort=messages&order=desc")
    shown.wait_for_text("#topics-place", "1–100 of 152")
    # What is looked at stays as it is, until the next page is asked for.
    shown.page.evaluate("topics.seconds = 3600")
    names = "#topics-rows tr td.name"
    first = shown.page.locator(names).all_inner_texts()
    assert first[:2] == ["hot/a", "hot/b"]
    Admin(own).ok("POST", "/v1/topics/hot%2Fa/purge", {"before_id": 10**15})
    shown.page.click("#topics-next")
    shown.wait_for_text("#topics-place", "101–152 of")
    second = shown.page.locator(names).all_inner_texts()
    assert sorted(first + second) == ["hot/a", "hot/b"] + [f"t/{n:03}" for n in range(150)]


def test_a_wrong_pattern_is_told_in_a_sentence(serve, console):
    shown = console(serve(), "#/topics")
    shown.page.fill("#topics-pattern", "a/**/b")
    shown.page.press("#topics-pattern", "Enter")
    shown.page.wait_for_selector("#topics-trouble:not(:empty)")
    assert shown.page.get_attribute("#topics-pattern", "aria-invalid") == "true"


def test_what_is_published_here_appears_in_the_tail(serve, console):
    own = serve()
    shown, other = console(own), console(own, "#/publish")
    shown.follow("news/*\nstocks/**")
    for data, event, key in (('{"a": 1}', "headline", ""), ("<b>bold</b>", "", "k1")):
        other.page.fill("#publish-here [name=topic]", "news/finance")
        other.page.fill("#publish-here [name=event]", event)
        other.page.fill("#publish-here [name=key]", key)
        other.page.fill("#publish-here [name=data]", data)
        other.page.press("#publish-here [name=data]", "Control+Enter")
        other.wait_for_text("#published", "news/finance")
        other.wait_for_text("#publish-here [data-part=result]", "Published as id")
        wait_for(lambda: other.page.wait_for_timeout(20) or own.history()[-1:] and
                 own.history()[-1]["data"] == data)
    shown.wait_for_messages('{"a": 1}', "<b>bold</b>")
    assert shown.page.query_selector("#tail-rows b") is None
    stored = own.history()
    assert [(m.get("event"), m.get("key")) for m in stored] == [("headline", None), (None, "k1")]
    # Filters find what has passed already.
    shown.page.fill("#tail-event", "headline")
    shown.wait_for_messages('{"a": 1}')
    shown.page.fill("#tail-event", "")
    shown.page.fill("#tail-key", "k1")
    shown.wait_for_messages("<b>bold</b>")
    shown.page.fill("#tail-key", "")
    shown.page.fill("#tail-text", "BOLD")
    shown.wait_for_messages("<b>bold</b>")
    shown.page.fill("#tail-text", "")
    shown.page.click("#tail-pause")
    own.publish("stocks/AAPL", "later")
    shown.wait_for_text("#tail-count", "1 waiting")
    shown.wait_for_messages('{"a": 1}', "<b>bold</b>")
    shown.page.click("#tail-pause")
    shown.wait_for_messages('{"a": 1}', "<b>bold</b>", "later")
    shown.page.click("#tail-rows tr button.id >> nth=0")
    assert json.loads(shown.text("#message-data")) == {"a": 1}
    shown.page.keyboard.press("Escape")
    shown.page.click("#tail-clear")
    shown.wait_for_messages()


def test_json_is_a_hint_and_no_condition(serve, console):
    own = serve()
    shown = console(own, "#/publish?topic=a/b")
    hint, data = "#publish-here [data-part=hint]", "#publish-here [name=data]"
    shown.page.fill(data, '{"a": 1}')
    shown.wait_for_text(hint, "JSON, 8 bytes.")
    shown.page.fill(data, '{"ä": ')
    shown.wait_for_text(hint, "No valid JSON")
    shown.page.click("#publish-here button")
    shown.wait_for_text("#publish-here [data-part=result]", "Published as id 1.")
    assert own.history()[0]["data"] == '{"ä": '


@pytest.mark.timeout(120)
def test_the_tail_and_the_page_survive_restarts_of_the_broker(serve, console):
    own = serve()
    shown = console(own)
    shown.follow("a/*")
    texts = []
    for number, sent in zip(count(), (signal.SIGKILL, signal.SIGTERM)):
        texts.append(f"{number} before")
        own.publish("a/b", texts[-1])
        shown.wait_for_messages(*texts)
        own.process.send_signal(sent)
        own.wait()
        shown.wait_until("gone")
        assert "does not answer" in shown.text("#banner-text")
        shown.page.wait_for_selector("#tail-state[data-state=reconnecting]")
        own.start()
        texts.append(f"{number} after")
        own.publish("a/b", texts[-1])
        shown.wait_until("live")
        shown.wait_for_messages(*texts, timeout=40)
        shown.page.wait_for_selector("#banner", state="hidden")
    assert not any("Gap" in row for row in shown.rows if isinstance(row, str))


def test_a_break_before_the_first_message_loses_nothing(serve, console):
    own = serve()
    own.publish("a/b", "old")
    shown = console(own)
    shown.follow("a/*")
    own.kill()
    own.start()
    own.publish("a/b", "meanwhile")
    shown.wait_for_messages("meanwhile", timeout=40)


def test_a_gap_is_shown_where_it_is(serve, console):
    own = serve()
    ids = own.publish_all("a/b", [str(n).encode() for n in range(10)])
    shown = console(own, "#/topic?name=a/b")
    shown.page.wait_for_selector("#topic-messages button")
    shown.page.click("#topic-purge")
    shown.page.fill("#confirm [aria-label=Id]", str(ids[4]))
    assert shown.page.is_disabled("#confirm-do")
    shown.page.fill("#confirm-typed", "a/b")
    shown.page.click("#confirm-do")
    shown.wait_for_text("#topic-notice", "Removed 4 messages")
    shown.follow("a/b", "after", "0")
    shown.wait_for_messages(*map(str, range(4, 10)))
    assert any(row.startswith("Gap: messages after id 0, up to ") for row in shown.rows
               if isinstance(row, str))


def test_the_tail_is_bounded(serve, console):
    own = serve()
    shown = console(own)
    shown.follow("a/*")
    own.publish_all("a/b", [f"{n} {'x' * 1000}".encode() for n in range(3000)])
    shown.wait_for_text("#tail-count", "3,000 received")
    wait_for(lambda: shown.page.wait_for_timeout(20) or shown.rows[-1][2].startswith("2999 "))
    assert shown.page.locator("#tail-rows tr").count() <= 500
    assert shown.page.evaluate("tail.kept.length") <= 2000
    assert shown.page.evaluate("tail.waiting.length") == 0
    own.publish("a/b", "y" * 1_000_000)
    shown.wait_for_text("#tail-count", "3,001 received")
    assert shown.page.evaluate("tail.kept.at(-1).message.data.length") == 65536


def test_a_policy_is_tried_before_it_is_saved(serve, console):
    own = serve()
    own.publish_all("stocks/AAPL", [b"x" * 10] * 50)
    shown = console(own, "#/policies")
    shown.page.click("#policy-new")
    shown.page.fill("#policy-dialog [name=pattern]", "stocks/*")
    shown.page.fill("#policy-dialog [name=messages]", "20")
    shown.page.fill("#policy-dialog [name=publishes]", "0.5")
    shown.page.fill("#policy-dialog [name=flow]", "64")
    shown.page.fill("#policy-dialog [name=description]", "prices")
    shown.page.click("#policy-save")
    # Nothing is saved by the first press, because it would delete something.
    shown.wait_for_text("#policy-plan", "Would delete 30 messages")
    shown.wait_for_text("#policy-plan", "stocks/AAPL")
    assert len(own.history()) == 50
    shown.page.fill("#policy-dialog [name=messages]", "40")
    assert shown.page.is_hidden("#policy-plan")
    shown.page.click("#policy-dry")
    shown.wait_for_text("#policy-plan", "Would delete 10 messages")
    shown.page.click("text=Save and delete 10 messages")
    shown.wait_for_text("#policies-notice", "The policy of stocks/* is in force.")
    wait_for(lambda: len(own.history()) == 40)
    shown.page.fill("#explain-form [name=topic]", "stocks/NEW")
    shown.page.press("#explain-form [name=topic]", "Enter")
    shown.wait_for_text("#explained", "Keeps at most 40 messages of each topic.")
    shown.wait_for_text("#explained", "A client may publish 0.5 and 64 KiB a second.")
    shown.page.click("[aria-label='Edit the policy of stocks/*']")
    assert shown.page.input_value("#policy-dialog [name=messages]") == "40"
    assert shown.page.input_value("#policy-dialog [name=publishes]") == "0.5"
    assert shown.page.input_value("#policy-dialog [name=flow]") == "64"
    shown.page.fill("#policy-dialog [name=publishes]", "0")
    shown.page.click("#policy-save")
    shown.wait_for_text("#policy-trouble", "at least 0.001")
    shown.page.fill("#policy-dialog [name=publishes]", "")
    shown.page.fill("#policy-dialog [name=messages]", "0")
    shown.page.click("#policy-save")
    shown.wait_for_text("#policy-trouble", "at least 1")
    shown.page.keyboard.press("Escape")
    shown.page.click("[aria-label='Remove the policy of stocks/*']")
    shown.wait_for_text("#confirm-more", "Nothing would be deleted now.")
    shown.page.click("#confirm-do")
    shown.wait_for_text("#policies-notice", "was removed")
    wait_for(lambda: shown.page.locator("#policy-rows tr").count() == 1)


def test_a_subscriber_that_would_miss_of_two_topics_is_counted_once(serve, console):
    shown = console(serve())
    told = shown.page.evaluate("""() => {
      const one = topic => ({ id: 7, transport: 'websocket', address: '127.0.0.1:9', topic,
        topics: ['**'], cursor: 1, messages_missed: topic === 'a' ? 3 : null });
      const topics = ['a', 'b'].map(topic => (
        { topic, messages: 3, bytes: 9, removed_through: 4 }));
      return planNodes({ messages: 6, bytes: 18, topics, topics_total: 2,
        subscribers: [one('a'), one('b')] }).map(node => node.textContent).join(' ');
    }""")
    assert "Would delete 6 messages (18 B) from 2 topics." in told
    assert "1 connected subscriber would see a gap." in told


def test_what_the_door_refuses_stands_beside_the_form(serve, console):
    shown = console(serve(), "#/policies")
    shown.page.click("#policy-new")
    shown.page.fill("#policy-dialog [name=pattern]", "a/**/b")
    shown.page.click("#policy-save")
    shown.page.wait_for_selector("#policy-trouble:not(:empty)")
    assert shown.page.get_attribute("#policy-dialog [name=pattern]", "aria-invalid") == "true"
    shown.page.keyboard.press("Escape")
    shown.go("#/publish?topic=a/*")
    shown.page.click("#publish-here button")
    shown.page.wait_for_selector("#publish-here [data-part=trouble]:not(:empty)")


def test_a_topic_is_created_and_deleted_by_its_name(serve, console):
    own = serve()
    shown = console(own, "#/topics")
    shown.page.click("#topic-new")
    shown.page.fill("#topic-dialog [name=topic]", "made/by hand")
    shown.page.press("#topic-dialog [name=topic]", "Enter")
    shown.wait_for_text("#topic-title", "made/by hand")
    shown.page.fill("#topic-publish [name=data]", "one")
    shown.page.click("#topic-publish button")
    shown.wait_for_text("#topic-messages", "one")
    shown.page.click("#topic-delete")
    shown.page.fill("#confirm-typed", "made/by")
    assert shown.page.is_disabled("#confirm-do")
    shown.page.fill("#confirm-typed", "made/by hand")
    shown.page.press("#confirm-typed", "Enter")
    shown.wait_for_text("#topic-notice", "Deleted, with 1 message")
    shown.page.wait_for_selector("#topic-trouble:not(:empty)")
    assert own.history() == []


def test_a_subscriber_is_seen_and_disconnected(serve, console):
    own = serve()
    with own.follow("stocks/*") as stream:
        stream.opening()
        shown = console(own, "#/subscribers")
        row = "#subscriber-rows tr:has-text('stocks/*')"
        shown.wait_for_text(row, "live")
        shown.page.fill("#subscribers-form [name=pattern]", "news/*")
        shown.page.press("#subscribers-form [name=pattern]", "Enter")
        shown.wait_for_text("#subscribers-none", "Nobody follows")
        shown.page.fill("#subscribers-form [name=pattern]", "")
        shown.page.press("#subscribers-form [name=pattern]", "Enter")
        shown.page.click(f"{row} button")
        shown.page.click("#confirm-do")
        shown.wait_for_text("#subscribers-notice", "was disconnected")
        shown.wait_for_text("#subscribers-none", "Nobody follows anything now.")


def test_a_token_is_shown_once_and_revoked(serve, console):
    own = serve()
    door = Admin.tcp(own)
    shown = console(own, "#/tokens")
    page = shown.page
    shown.wait_for_text("#tokens-none", "No token is good now.")
    page.click("#token-new")
    page.click("#token-create")
    shown.wait_for_text("#token-new-trouble", "at least one pattern")
    page.fill("#token-dialog [name=publish]", "a//b")
    page.click("#token-create")
    shown.wait_for_text("#token-new-trouble", "'a//b' in 'publish' is no pattern")
    page.fill("#token-dialog [name=publish]", "stocks/**\n\n news/* \n")
    page.fill("#token-dialog [name=lifetime]", "30")
    page.fill("#token-dialog [name=note]", "price feed")
    page.click("#token-create")
    page.wait_for_selector("#token-shown[open]")
    token = page.input_value("#token-text")
    assert re.fullmatch(r"ttk_[0-9A-Za-z]{49}", token)
    # It would be gone.
    page.keyboard.press("Escape")
    assert page.is_visible("#token-text")
    page.click("#token-copy")
    wait_for(lambda: shown.text("#token-copy") != "Copy")
    page.click("#token-shown [data-close]")
    row = "#token-rows tr:has-text('price feed')"
    shown.wait_for_text(row, "active")
    assert token[12:] not in page.content() and page.input_value("#token-text") == ""
    assert "ttk_" not in page.url
    made = door.get("/v1/tokens")["tokens"][0]
    assert made["publish"] == ["stocks/**", "news/*"] and made["subscribe"] == []
    assert made["hint"] == token[:12]
    shown.wait_for_text(row, "in 29 d 23 h")
    page.click(f"{row} button")
    shown.wait_for_text("#confirm-text", "publishes to stocks/** news/*")
    assert door.get("/v1/tokens")["total"] == 1
    page.click("#confirm-do")
    shown.wait_for_text("#tokens-notice", "was revoked")
    shown.wait_for_text("#tokens-none", "No token is good now.")
    page.select_option("#tokens-form [name=state]", "revoked")
    shown.wait_for_text(row, "revoked")
    assert page.is_hidden(f"{row} button")
    assert "state=revoked" in page.url


def test_a_token_without_an_end(serve, console):
    own = serve()
    shown = console(own, "#/tokens?state=all&sort=expires")
    shown.page.click("#token-new")
    shown.page.fill("#token-dialog [name=subscribe]", "**")
    shown.page.fill("#token-dialog [name=lifetime]", "0")
    shown.page.click("#token-create")
    shown.wait_for_text("#token-new-trouble", "is a number")
    shown.page.fill("#token-dialog [name=lifetime]", "")
    shown.page.click("#token-create")
    shown.page.click("#token-shown [data-close]")
    shown.wait_for_text("#token-rows tr", "never")
    assert Admin.tcp(own).get("/v1/tokens")["tokens"][0]["expires_at"] is None


# Everybody.


def test_everything_can_be_done_from_the_keyboard(serve, console):
    shown = console(serve())
    press = shown.page.keyboard.press

    def focused():
        return shown.page.evaluate("document.activeElement.id || document.activeElement.tagName")

    press("Tab")
    assert shown.page.evaluate("document.activeElement.className") == "skip"
    press("Enter")
    assert focused() == "main" and "main" not in shown.page.url
    for number, view in enumerate(VIEWS, 1):
        press(str(number))
        shown.page.wait_for_selector(f"#{view}:not([hidden])")
        assert focused() == f"{view}-title"
        assert shown.page.locator("#views [aria-current=page]").count() == 1
    press("2")
    press("/")
    assert focused() == "topics-pattern"
    # In a field keys are text.
    press("3")
    assert shown.page.input_value("#topics-pattern") == "3"
    shown.page.evaluate("document.activeElement.blur()")
    press("?")
    shown.page.wait_for_selector("#keys-dialog[open]")
    shown.page.uncheck("#keys-on")
    press("Escape")
    shown.page.wait_for_selector("#keys-dialog:not([open])", state="attached")
    press("1")
    assert shown.page.is_visible("#topics")
    shown.page.focus("#topic-new")
    press("Enter")
    assert shown.page.evaluate("document.activeElement.name") == "topic"
    press("Escape")
    assert focused() == "topic-new"
    outline = shown.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("width", [360, 390, 768, 1440])
def test_nothing_sticks_out_at_the_side(serve, console, width):
    own = serve()
    for name in ("stocks/AAPL", "a/" + "long-name-" * 12 + "x"):
        own.publish(name, json.dumps({"text": "wide " * 60 + "x" * 400}), event="e" * 40, key="k")
    with own.follow("a/" + "long-name-" * 12 + "x") as stream:
        stream.opening()
        shown = console(own, width=width)
        for view in [*VIEWS, "topic?name=a/" + "long-name-" * 12 + "x", "tail?topic=**&start=tail&n=5"]:
            shown.go(f"#/{view}")
            shown.page.wait_for_timeout(600)
            widths = shown.page.evaluate(
                "[document.documentElement.scrollWidth, document.body.scrollWidth]")
            assert max(widths) <= width, view
