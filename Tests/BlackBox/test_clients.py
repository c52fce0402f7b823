"""The same messages through clients that others wrote: ids, types and texts are the same for all.

Where a client is known to be wrong, `QUIRKS` says how: the broker sends what the standard asks
for, and no expectation is loosened for all because of one.
"""

import pytest

import clients
from browser import NativeEventSource, chromium
from broker import topic_path
from test_event_data import FORGERIES, TEXTS, received

LARGE = {"one mebibyte", "long line", "long emoji line", "many empty lines", "many short lines"}
SMALL = [text for name, text in TEXTS.items() if name not in LARGE] + FORGERIES

# What a live start looks like to each client: it opens with the head of the log, as a block that
# has an id and no data, which the standard says to remember and not to dispatch.
QUIRKS = {
    "httpx-sse": "dispatches a block that has an id but no data, as an empty message",
    "sseclient-py": "passes over the id of a block without data",
    "launchdarkly-eventsource": "passes over the id of a block without data",
}


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


def publish_texts(broker, topic, texts):
    """Publishes all texts, every third with an event name; what clients are to see."""
    expected = []
    for index, text in enumerate(texts):
        kind = "alert" if index % 3 == 0 else None
        number = broker.publish(topic, text, event=kind)
        expected.append((str(number), kind or "message", received(text)))
    return expected


def first_difference(got, expected):
    for index, (one, other) in enumerate(zip(got, expected)):
        if one != other:
            return index, *([str(part)[:80] for part in event] for event in (one, other))
    return None if len(got) == len(expected) else (len(got), len(expected))


@pytest.mark.parametrize("client", clients.ALL, ids=lambda client: client.name)
def test_a_client_replays_every_odd_text(broker, topic, client):
    start = broker.publish(topic, "start")
    expected = publish_texts(broker, topic, SMALL)
    url = f"http://127.0.0.1:{broker.port}{topic_path(topic, 'events')}"
    got = clients.collect(client(url, start), len(expected))
    assert first_difference(got, expected) is None


@pytest.mark.parametrize("client", clients.ALL, ids=lambda client: client.name)
def test_a_client_hears_live_messages_after_the_head_of_the_log(broker, topic, client):
    head = broker.publish(topic, "before")
    url = f"http://127.0.0.1:{broker.port}{topic_path(topic, 'events')}"
    opened = client(url)
    expected = publish_texts(broker, topic, ["one", "two", ""])
    if QUIRKS.get(client.name, "").startswith("dispatches"):
        expected = [(str(head), "message", ""), *expected]
    assert clients.collect(opened, len(expected)) == expected


@pytest.mark.parametrize("client", clients.ALL, ids=lambda client: client.name)
def test_a_client_receives_large_texts(broker, topic, client):
    start = broker.publish(topic, "start")
    expected = publish_texts(broker, topic, [TEXTS[name] for name in sorted(LARGE)])
    url = f"http://127.0.0.1:{broker.port}{topic_path(topic, 'events')}"
    got = clients.collect(client(url, start), len(expected))
    assert first_difference(got, expected) is None


def test_chromium_hears_every_odd_text_live_and_large_ones_too(broker, topic, browser):
    source = NativeEventSource(browser, f"http://127.0.0.1:{broker.port}",
                               topic_path(topic, "events"), ("message", "alert"))
    source.wait_until_open()
    expected = publish_texts(broker, topic, SMALL + [TEXTS[name] for name in sorted(LARGE)])
    source.wait_for_events(len(expected))
    # Text in a page is UTF-16; every text here is well formed and must come through whole.
    assert first_difference(source.events, expected) is None
    assert source.page.evaluate("seen.errors") == 0
    source.close()


def test_chromium_replays_from_a_cursor_in_the_address(broker, topic, browser):
    start = broker.publish(topic, "start")
    expected = publish_texts(broker, topic, SMALL)
    source = NativeEventSource(browser, f"http://127.0.0.1:{broker.port}",
                               topic_path(topic, "events", after=start), ("message", "alert"))
    source.wait_for_events(len(expected))
    assert first_difference(source.events, expected) is None
    source.close()


def test_chromium_follows_topics_outside_ascii(broker, browser):
    source = NativeEventSource(browser, f"http://127.0.0.1:{broker.port}",
                               "/events?topic=新闻/财经&topic=新闻/体育", ("message", "新"))
    source.wait_until_open()
    number = broker.publish("新闻/财经", "上涨", event="新")
    source.wait_for_events(1)
    assert source.events == [(str(number), "新", "上涨")]
    source.close()


def test_chromium_comes_back_by_itself_after_a_restart_of_the_broker(start, browser):
    own = start("--retry", "0.2")
    source = NativeEventSource(browser, f"http://127.0.0.1:{own.port}", topic_path("a", "events"))
    source.wait_until_open()
    ids = [own.publish("a", "0")]
    source.wait_for_events(1)
    for n in range(1, 4):
        own.kill()
        own.start()
        ids.append(own.publish("a", str(n)))
        source.wait_for_events(n + 1)
    assert source.events == [(str(i), "message", str(n)) for n, i in enumerate(ids)]
    source.close()


def test_chromium_waits_its_turn_when_there_are_too_many_streams(start, browser):
    own = start("--max-streams", 1)
    with own.follow("a") as stream:
        stream.opening()
        source = NativeEventSource(
            browser, f"http://127.0.0.1:{own.port}", topic_path("a", "events"))
        source.page.wait_for_function("seen.errors > 0")
        # CONNECTING, not CLOSED: it will come back by itself.
        assert source.page.evaluate("seen.source.readyState") == 0
    source.close()
