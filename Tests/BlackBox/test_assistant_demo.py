"""The assistant demo in a real browser: whatever happens to the page, the text is what was generated."""

import contextlib
import json
import os
import random
import re
import socket
from pathlib import Path

import pytest

from admin import Admin, segment
from broker import ROOT, topic_path, wait_for
from browser import chromium
from proxy import CuttingProxy

REFRESHES = 50 if os.environ.get("TICKERTAPE_LONG") == "1" else 8
ANSWERS = Path(ROOT, "Sources/TickertapeServer/Demo/answers.md").read_text()
TURNS = """() => [...document.querySelectorAll('#conversation .turn')].map(({ turn }) => ({
  topic: turn.topic, fate: turn.fate, raw: turn.raw, last: turn.lastId,
  question: turn.part('question').textContent, html: turn.part('body').innerHTML }))"""
RENDER = """async (text) => {
  const { Markdown } = await import('/demo/markdown.js');
  const root = document.createElement('div'), markdown = new Markdown(root);
  markdown.write(text);
  markdown.end();
  return root.innerHTML;
}"""
OVER = ("ended", "stopped", "deleted", "refused", "failed")


@pytest.fixture(scope="module")
def browser():
    with chromium("--js-flags=--expose-gc") as running:
        yield running


class Assistant:
    """One tab, with everything that went wrong in it."""

    def __init__(self, browser, own, link=None, width=1280, height=800, context=None):
        self.own = own
        self.context = context or browser.new_context(viewport={"width": width, "height": height})
        self.page = self.context.new_page()
        self.errors, self.expects_cuts = [], False
        self.page.on("console", lambda m: m.type == "error" and not (
            self.expects_cuts and "net::ERR" in m.text) and self.errors.append(m.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: request.url.startswith("http://127.0.0.1:")
                     or self.errors.append(request.url))
        self.page.goto(link or f"http://127.0.0.1:{own.port}/demo/assistant")
        self.wait_for_state("ready", "typing")

    def wait_for_state(self, *states, timeout=20):
        self.page.wait_for_selector(
            ", ".join(f"#state[data-state={state}]" for state in states), timeout=timeout * 1000)

    def ask(self, text):
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")

    @property
    def turns(self):
        return self.page.evaluate(TURNS)

    def wait_for(self, condition, timeout=60, what="what the page shows"):
        """Polls the page, and lets it live in between."""
        return wait_for(lambda: self.page.wait_for_timeout(20) or condition(self.turns), timeout,
                        f"{what}, with {[(t['fate'], len(t['raw'])) for t in self.turns]} shown,")

    def wait_for_text(self, characters=1, timeout=30):
        return self.wait_for(lambda turns: turns and len(turns[-1]["raw"]) >= characters, timeout)

    def wait_until_over(self, count=1, timeout=90):
        self.wait_for(lambda turns: len(turns) >= count and all(
            turn["fate"] in OVER for turn in turns), timeout, "the end of all answers")
        return self.turns

    def check(self, fate="ended"):
        """Every answer is over, is what was generated, and looks as if it had come in one piece."""
        turns = self.wait_until_over()
        for turn in turns:
            assert turn["fate"] == fate
            assert turn["raw"] == generated(self.own, turn["topic"])
            assert turn["html"] == self.page.evaluate(RENDER, turn["raw"])
        return turns


def generated(own, topic):
    return "".join(message["data"] for message in own.history(topic))


def end_of(own, topic):
    head = own.page(topic, after=0, limit=1000)
    return head.get("end")


def ask_demo(own, topic, question="haiku"):
    """A question that no page has asked."""
    return own.publish("demo/assistant/questions/nobody", json.dumps(
        {"model": "demo", "question": question, "answer": topic}))


@pytest.fixture
def assistant(browser):
    tabs = []

    def open_page(own, *more, **options):
        tabs.append(Assistant(browser, own, *more, **options))
        return tabs[-1]

    yield open_page
    for tab in tabs:
        tab.context.close()
        assert tab.errors == []


# What the page is for.


def test_an_answer_types_itself_to_its_end(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    tab.ask("Write me a haiku")
    tab.wait_for_text(20)
    assert tab.page.get_attribute("#state", "data-state") == "typing"
    assert tab.turns[-1]["fate"] == "typing"
    turn = tab.check()[0]
    assert turn["question"] == "Write me a haiku"
    assert turn["raw"].startswith("### Three haiku") and turn["raw"].endswith("floor back. 🪶")
    assert end_of(own, turn["topic"])["reason"] == "ended"
    tab.wait_for_state("ready")
    # Token by token, as it was generated, and at the speed of a model.
    messages = own.history(turn["topic"])
    assert len(messages) > 100 and turn["last"] == messages[-1]["id"]


def test_every_kind_of_markup_is_made_and_text_stays_text(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    asked = 'Is <img src=x onerror="document.title=1"> & </script> safe html?'
    tab.ask(asked)
    tab.ask("Show me a table")
    tab.ask("Unicode, please")
    turns = tab.check()
    assert [turn["question"] for turn in turns][0] == asked
    assert asked in turns[0]["raw"]
    page = tab.page
    assert page.query_selector("#conversation :is(img, script, iframe, marquee, b, i:not(.thinking i))") is None
    assert page.title() == "Tickertape: an assistant"
    links = page.eval_on_selector_all("#conversation a", "all => all.map(a => a.href)")
    assert links and all(link.startswith("https://") for link in links)
    for name in ("h4", "ol", "ul", "table th", "blockquote", "pre code", "p code", "strong", "em",
                 "del", "hr"):
        assert page.query_selector(f"#conversation .body {name}"), name
    assert "👨‍👩‍👧‍👦" in page.inner_text("#conversation")


@pytest.mark.timeout(60 + 20 * REFRESHES)
def test_a_refresh_at_any_moment_costs_nothing(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    seed = int(os.environ.get("TICKERTAPE_SEED", random.randrange(2 ** 32)))
    print(f"TICKERTAPE_SEED={seed}")
    chance = random.Random(seed)
    asked = done = 0
    while done < REFRESHES:
        if not tab.turns or tab.turns[-1]["fate"] in OVER:
            tab.ask(chance.choice(["refresh", "html", "code", "emoji", "table", "haiku", "bread"]))
            asked += 1
            tab.wait_for(lambda turns: len(turns) == asked and turns[-1]["fate"] != "sending")
        tab.page.wait_for_timeout(chance.uniform(0, 1500))
        before = tab.turns[-1]
        if before["fate"] in OVER:
            continue
        tab.page.reload()
        done += 1
        tab.wait_for(lambda turns: len(turns) == asked and turns[-1]["topic"] == before["topic"]
                     and len(turns[-1]["raw"]) >= len(before["raw"]))
        assert tab.turns[-1]["raw"].startswith(before["raw"])
    assert len(tab.check()) == asked


def test_a_second_tab_shows_the_same(start, assistant):
    own = start("--demo")
    one = assistant(own)
    one.ask("What happens when I refresh?")
    one.wait_for_text(100)
    with one.context.expect_page() as opened:
        one.page.click("#second")
    opened.value.close()
    link = one.page.get_attribute("#second", "href")
    assert link == one.page.url and "#" in link
    two, three = assistant(own, link), assistant(own, link)
    two.wait_for_text(100)
    assert two.turns[0]["topic"] == one.turns[0]["topic"]
    two.ask("And a haiku")
    for tab in (one, two, three):
        tab.wait_for(lambda turns: len(turns) == 2, what="both questions")
    shown = [[turn["raw"] for turn in tab.check()] for tab in (one, two, three)]
    assert shown[0] == shown[1] == shown[2]


def test_a_network_that_is_cut_costs_nothing(start, assistant):
    own = start("--demo", "--retry", "0.3")
    tab = assistant(own)
    tab.expects_cuts = True
    tab.ask("Show me some code")
    tab.wait_for_text(30)
    tab.page.click("#cut")
    tab.wait_for_state("cut")
    length = len(tab.turns[0]["raw"])
    topic = tab.turns[0]["topic"]
    wait_for(lambda: len(generated(own, topic)) > length + 60)
    assert len(tab.turns[0]["raw"]) == length
    tab.wait_for_text(length + 60)
    tab.check()


def test_connections_that_break_cost_nothing(start, assistant):
    own = start("--demo", "--retry", "0.2")
    with CuttingProxy(own.port, 1, 10 ** 9, 10 ** 9, 0) as proxy:
        tab = assistant(own, f"http://127.0.0.1:{proxy.port}/demo/assistant")
        tab.expects_cuts = True
        tab.ask("Show me some code")
        for _ in range(5):
            tab.wait_for_text(len(tab.turns[0]["raw"]) + 30)
            for connection in list(proxy.open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        tab.check()


def test_stop_ends_the_answer_for_everyone_and_for_the_model(start, assistant):
    own = start("--demo")
    one = assistant(own)
    one.ask("Show me some code")
    one.wait_for_text(30)
    two = assistant(own, one.page.url)
    two.wait_for_text(30)
    two.page.click("#stop")
    for tab in (one, two):
        turn = tab.check("stopped")[0]
        tab.wait_for_state("ready")
    assert end_of(own, turn["topic"])["reason"] == "stopped"
    assert own.post(turn["topic"], "more").status == 409
    complete = next(text for text in ANSWERS.split("=== ") if text.startswith("code, "))
    assert len(turn["raw"]) < len(complete) / 2
    # It goes on with the next question, also after a reload.
    one.page.reload()
    one.ask("haiku")
    turns = one.wait_until_over(2)
    assert [turn["fate"] for turn in turns] == ["stopped", "ended"]
    assert turns[0]["raw"] == turn["raw"] == generated(own, turn["topic"])


def test_an_answer_that_was_cut_by_a_crash_of_the_broker_goes_on(start, assistant):
    own = start("--demo", "--retry", "0.3")
    tab = assistant(own)
    tab.expects_cuts = True
    tab.ask("haiku")
    tab.wait_for_text(60)
    own.kill()
    tab.wait_for_state("reconnecting")
    own.start()
    turn = tab.check()[0]
    assert turn["raw"].endswith("floor back. 🪶") and turn["raw"].count("Three haiku") == 1


def test_a_restart_finishes_the_newest_answers_whatever_is_finished_before_them(start, assistant):
    own = start("--demo", "--retry", "0.3")
    for n in range(100):
        own.post(f"demo/assistant/answers/done-{n}", "done", end="true")
        ask_demo(own, f"demo/assistant/answers/done-{n}")
    tab = assistant(own)
    tab.expects_cuts = True
    tab.page.wait_for_timeout(1500)
    tab.ask("haiku")
    tab.ask("Another haiku")
    tab.wait_for_text(60)
    own.kill()
    own.start()
    for turn in tab.check():
        assert turn["raw"].endswith("floor back. 🪶") and turn["raw"].count("Three haiku") == 1
    done = [m["data"] for m in own.history("demo/assistant/answers/*") if "/done-" in m["topic"]]
    assert done == ["done"] * 100


@pytest.mark.timeout(150)
def test_questions_from_before_the_start_wait_for_each_other(start, tmp_path):
    own = start(directory=tmp_path / "data")
    topics = [f"demo/assistant/answers/late-{n}" for n in range(70)]
    for topic in topics:
        ask_demo(own, topic)
    own.stop()
    own = start("--demo", directory=tmp_path / "data")
    for topic in topics:
        wait_for(lambda: end_of(own, topic), 100, f"the end of {topic}")
        assert generated(own, topic).endswith("floor back. 🪶")


def test_conversations_are_apart(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    tab.ask("haiku")
    tab.wait_for_text()
    first = tab.page.url
    tab.page.click("#new")
    assert tab.turns == [] and tab.page.url != first
    assert tab.page.is_visible("#welcome")
    tab.page.click(".ideas button:has-text('bread')")
    tab.wait_for_text()
    assert "bread" in tab.turns[0]["question"]
    # The tab remembers where it was, without the link too.
    link = tab.page.url
    tab.page.goto(first.split("#")[0].replace("assistant", "chat"))
    tab.page.goto(first.split("#")[0])
    tab.wait_for_text()
    assert tab.page.url == link
    tab.page.goto(first)
    tab.wait_for(lambda turns: turns and turns[0]["question"] == "haiku")
    tab.check()


# What a page must bear.


def ask_elsewhere(own, conversation, topic, question="?"):
    """A question that the demo's model leaves to others."""
    return own.publish(f"demo/assistant/questions/{conversation}", json.dumps(
        {"model": "test", "question": question, "answer": topic}))


def followed(tab):
    return tab.page.evaluate("[...document.querySelectorAll('#conversation .turn')]"
                             ".filter(({ turn }) => turn.connection).map(({ turn }) => turn.topic)")


def test_quick_questions_leave_connections_for_the_next_one_and_for_stop(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    tab.page.evaluate("""() => {
      globalThis.most = 0;
      setInterval(() => { most = Math.max(most, [...document.querySelectorAll('#conversation .turn')]
        .filter(({ turn }) => turn.connection).length); }, 2);
    }""")
    for n in range(8):
        tab.ask(f"haiku {n}")
        tab.wait_for(lambda turns: len(turns) == n + 1 and turns[-1]["fate"] != "sending", 5)
    tab.wait_for_text(10, 10)
    newest = tab.turns[-1]["topic"]
    assert newest in followed(tab)
    tab.page.click("#stop")
    tab.wait_for(lambda turns: turns[-1]["fate"] == "stopped", 5)
    turns = tab.wait_until_over(8)
    assert [turn["fate"] for turn in turns] == ["ended"] * 7 + ["stopped"]
    for turn in turns:
        assert turn["raw"] == generated(own, turn["topic"])
        assert turn["html"] == tab.page.evaluate(RENDER, turn["raw"])
    assert tab.page.evaluate("most") == 2


def test_a_reload_among_open_answers_follows_a_few_of_them(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    conversation = tab.page.url.split("#")[1]
    topics = [f"demo/assistant/answers/open-{n}" for n in range(8)]
    for topic in topics:
        own.publish(topic, f"text of {topic}")
        ask_elsewhere(own, conversation, topic)
    # Before the reload too they are followed, which is not what is counted.
    tab.wait_for(lambda turns: len(turns) == 8 and turns[-1]["raw"])
    requests = []
    tab.page.on("request", lambda request: "/events" in request.url and requests.append(request.url))
    tab.page.reload()
    tab.wait_for(lambda turns: len(turns) == 8 and turns[-1]["raw"])
    tab.page.wait_for_timeout(300)
    assert len(followed(tab)) == 2 and topics[-1] in followed(tab)
    assert len(requests) <= 8
    # As they end the older ones get their turn.
    for topic in reversed(topics):
        own.post(topic, " end", end="true")
    tab.check()


def test_a_part_that_is_gone_is_told(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    conversation, topic = tab.page.url.split("#")[1], "demo/assistant/answers/gone"
    last = own.publish_all(topic, [b"one ", b"two ", b"three "])[-1]
    Admin(own).ok("POST", f"/v1/topics/{segment(topic)}/purge", {"before_id": last})
    ask_elsewhere(own, conversation, topic)
    tab.wait_for(lambda turns: turns and turns[0]["raw"] == "three ")
    own.post(topic, "end", end="true")
    tab.check()
    assert tab.page.inner_text(".told") == "A part of this answer is not kept any more"


def test_a_question_that_arrived_has_no_error(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    tab.expects_cuts = True
    sent = []

    def refuse(route):
        sent.append(route.request.post_data)
        route.fulfill(status=400, json={"code": "refused", "detail": "not today"})

    tab.page.route("**/demo/assistant/questions/**", refuse)
    tab.ask("haiku")
    tab.wait_for(lambda turns: turns and turns[0]["fate"] == "failed")
    assert "not today" in tab.page.inner_text(".told")
    own.publish(f"demo/assistant/questions/{tab.page.url.split('#')[1]}", sent[0])
    tab.wait_for_text()
    assert "not today" not in tab.page.inner_text(".told")
    tab.check()
    tab.errors.clear()


@pytest.mark.parametrize("line", [
    "# a" + " " * 50_000 + "x", "# a" + " #" * 25_000 + " x", "#" + " " * 50_000 + "\u2028x",
    "```" + " " * 50_000 + "`", " " * 50_000 + "x", "|" + " " * 50_000 + "x", "- " + " " * 50_000 + "\u2028x",
    "- " * 25_000 + "x", "-" + " " * 50_000 + "-x", "1." + " " * 50_000 + "x", "#" * 50_000 + "x",
])
def test_long_lines_are_drawn_in_no_time(start, assistant, line):
    tab = assistant(start("--demo"))
    milliseconds = tab.page.evaluate("""async (line) => {
      const { Markdown } = await import('/demo/markdown.js');
      const markdown = new Markdown(document.createElement('div')), begin = performance.now();
      markdown.write(line);
      markdown.end();
      return performance.now() - begin;
    }""", line)
    assert milliseconds < 1000


def test_headings_may_be_closed(start, assistant):
    tab = assistant(start("--demo"))
    for text, heading in (("# a", "a"), ("## a ##  ", "a"), ("# C#", "C#"), ("# #", ""), ("# a # b #", "a # b"),
                          ("#   a   ", "a")):
        shown = tab.page.evaluate(RENDER, text)
        assert re.fullmatch(rf"<h[34]>{heading}</h[34]>", shown), (text, shown)


def heap(tab):
    session = tab.context.new_cdp_session(tab.page)
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
        tab.page.wait_for_timeout(50)
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return used


def test_the_memory_of_the_page_is_flat(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    conversation = tab.page.url.split("#")[1]
    # One paragraph of a long answer after the other: what has been drawn is not held twice.
    topic = "demo/assistant/answers/long"
    ask_elsewhere(own, conversation, topic)
    words = [b" word", b" **bold**", b" `code`", b".\n\n", b"- item", b"\n"] * 250
    sizes = []
    for _ in range(6):
        last = own.publish_all(topic, words)[-1]
        tab.wait_for(lambda turns: turns[0]["last"] == last)
        sizes.append(heap(tab))
    assert sizes[-1] - sizes[1] < 4_000_000, sizes
    assert own.post(topic, "", end="true").status == 201
    tab.check()
    # Old answers leave the page.
    sizes = []
    for part in range(3):
        for n in range(40):
            topic = f"demo/assistant/answers/short-{part}-{n}"
            own.publish_all(topic, [f"answer {n} ".encode()] * 20)
            own.post(topic, "end", end="true")
            ask_elsewhere(own, conversation, topic, f"question {part}.{n}")
        tab.wait_for(lambda turns: turns[-1]["topic"] == topic and turns[-1]["fate"] == "ended")
        assert len(tab.wait_until_over(40)) == 40
        sizes.append(heap(tab))
    assert sizes[-1] - sizes[0] < 1_000_000, sizes


def test_what_stands_at_the_end_does_not_depend_on_the_pieces(start, assistant):
    tab = assistant(start("--demo"))
    odd = [
        "- a\n- b\n  - c\n    - d\n- e\n\n- f\n\ntext", "1. a\n2. b\n- c\n", "> a\n> \n> b\nc",
        "| a | b |\n| :-: | --: |\n|1|`x|y`|\nafter", "|\n||\n|-|\n| a", "```\nopen\n\n\n`",
        "~~~py\nx\n```\n~~~\nz", "x" * 9000 + " **b** " + "y" * 100, "# h #\n###### six\n#no\n* * *",
        "[a](http://x.y/z) [b](javascript:1) https://a.b/c. <b>x</b> a_b_c __d__ \\*f\\* ``a`b``",
        "***x*** **a*b*c** *a **b** c* **un *clo", "\r\n- b\r\n\r\na\r\n", "👨‍👩‍👧‍👦" * 700, "- \n-x\n+ y",
    ]
    texts = [*ANSWERS.split("=== "), *odd]
    different = tab.page.evaluate("""async ([texts, seed]) => {
      const { Markdown } = await import('/demo/markdown.js');
      const render = (text, next) => {
        const root = document.createElement('div'), markdown = new Markdown(root);
        for (let at = 0; at < text.length;) {
          const size = next();
          markdown.write(text.slice(at, at + size));
          at += size;
        }
        markdown.end();
        return root.innerHTML;
      };
      const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8;
      return texts.filter((text) => {
        const whole = render(text, () => Infinity);
        return [1, 3, 20].some((size) => render(text, () => 1 + random() % size) !== whole);
      });
    }""", [texts, random.randrange(2 ** 32)])
    assert different == []


@pytest.mark.parametrize("width, height", [(320, 568), (390, 844), (844, 390), (1280, 800)])
def test_nothing_sticks_out_and_the_field_is_in_sight(start, assistant, width, height):
    own = start("--demo")
    tab = assistant(own, width=width, height=height)
    tab.ask("x" * 300)
    tab.ask("compare it with redis")
    tab.wait_for_text(400)
    page = tab.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('#scroller').scrollWidth") <= width
    box = page.locator("#text").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= height
    assert page.evaluate("getComputedStyle(document.querySelector('#text')).fontSize") == "16px"
    # The newest words are in sight, until somebody scrolls up.
    # Not by a function in the page, which its policy refuses to evaluate a second time.
    wait_for(lambda: page.evaluate("(s => s.scrollHeight - s.scrollTop - s.clientHeight < 2)"
                                   "(document.querySelector('#scroller'))"))
    page.evaluate("document.querySelector('#scroller').scrollTop = 0")
    page.wait_for_selector("#below:visible")
    tab.wait_for_text(len(tab.turns[-1]["raw"]) + 40)
    assert page.evaluate("document.querySelector('#scroller').scrollTop") == 0
    page.click("#below")
    page.wait_for_selector("#below", state="hidden")


def test_the_page_can_be_used_without_a_mouse_or_a_screen(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    page = tab.page
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("two")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("lines of haiku")
    page.keyboard.press("Enter")
    tab.wait_for_text(10)
    assert tab.turns[0]["question"] == "two\nlines of haiku"
    log = page.locator("#conversation")
    assert (log.get_attribute("role"), log.get_attribute("aria-live")) == ("log", "polite")
    # Nothing is read out before it is complete.
    assert page.get_attribute("#conversation .answer", "aria-busy") == "true"
    page.get_by_role("button", name="Stop").press("Enter")
    tab.wait_until_over()
    assert page.get_attribute("#conversation .answer", "aria-busy") == "false"
    assert page.evaluate("document.activeElement.id") == "text"
    unnamed = page.eval_on_selector_all("button, a, input, textarea", """all => all.filter(one =>
      !(one.textContent.trim() || one.ariaLabel || one.labels?.[0]?.textContent.trim()))
      .map(one => one.outerHTML)""")
    assert unnamed == []


def test_foreign_questions_do_no_harm(start, assistant):
    own = start("--demo")
    tab = assistant(own)
    topic = f"demo/assistant/questions/{tab.page.url.split('#')[1]}"
    for text in ("", "no json", "null", "[]", '{"question":5,"answer":{}}',
                 '{"model":"demo","question":"?","answer":"stocks/AAPL"}',
                 '{"model":"demo","question":"?","answer":"demo/assistant/answers/a/**"}',
                 # These would be followed: all answers there are, and the topics of others.
                 '{"model":"test","question":"?","answer":"demo/assistant/answers/**"}',
                 '{"model":"test","question":"?","answer":"demo/assistant/answers/*"}',
                 '{"model":"test","question":"?","answer":"demo/assistant/answers/../../x"}',
                 '{"model":"test","question":"?","answer":"demo/assistant/answers/a\\n"}',
                 json.dumps({"model": "demo", "question": "x" * 20_000,
                             "answer": "demo/assistant/answers/large"})):
        own.publish(topic, text)
    tab.ask("haiku")
    tab.wait_for(lambda turns: turns[-1]["fate"] == "ended", 90)
    assert [turn["question"][:5] for turn in tab.turns] == ["xxxxx", "haiku"]
    assert not any(message["data"].startswith("#") for message in own.history("stocks/AAPL"))
    assert own.history("demo/assistant/answers/large") == []


def test_the_page_connects_to_its_own_broker_alone(start, assistant):
    own, other = start("--demo"), start()
    tab = assistant(own)
    refused = tab.page.evaluate("""async (addresses) => {
      const refused = [];
      document.addEventListener('securitypolicyviolation', (event) => refused.push(event.blockedURI));
      for (const address of addresses) try { new WebSocket(address); } catch { refused.push(address); }
      await new Promise((done) => setTimeout(done, 300));
      return refused;
    }""", [f"ws://127.0.0.1:{other.port}/ws", "ws://localhost:1/", f"ws://127.0.0.1:{own.port}/ws"])
    assert len(set(refused)) == 2 and str(own.port) not in "".join(refused)
    assert all("Content Security Policy" in error for error in tab.errors)
    tab.errors.clear()


def test_the_assistant_is_not_served_unless_asked_for(start):
    own = start()
    for target in ("/demo/assistant", "/demo/assistant.js", "/demo/markdown.js"):
        assert own.request("GET", target).status == 404
    own.publish("demo/assistant/questions/a", json.dumps(
        {"model": "demo", "question": "?", "answer": "demo/assistant/answers/a"}))
    assert own.request("GET", topic_path("demo/assistant/answers/a")).json()["messages"] == []


def test_the_page_loads_nothing_from_elsewhere(start):
    own = start("--demo")
    page = own.request("GET", "/demo/assistant").body.decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "connect-src 'self';" in policy
    assert "https://" not in page and "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert b'href="/demo/assistant"' in own.request("GET", "/demo/").body
