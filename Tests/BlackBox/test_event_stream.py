"""Event streams: what opens them, what they carry, and where they resume."""

import pytest

from broker import topic_path


def ids(events):
    return [event.id for event in events]


def test_the_head_of_a_stream_forbids_caching_and_buffering(broker, topic):
    with broker.follow(topic) as stream:
        assert stream.response.header("cache-control") == "no-store, no-transform"
        assert stream.response.header("x-accel-buffering") == "no"
        assert stream.response.header("content-length") is None


def test_a_live_stream_opens_with_retry_a_comment_and_the_head_of_the_log(broker, topic):
    head = broker.publish("elsewhere", "x")
    with broker.follow(topic) as stream:
        assert stream.opening() == b":\n\nretry: 3000\nid: %d\n\n" % head


def test_the_opening_of_a_stream_on_an_empty_log_is_complete(start):
    own = start()
    with own.follow("a") as stream:
        assert stream.opening() == b":\n\nretry: 3000\nid: 0\n\n"
        number = own.publish("a", "first")
        assert stream.next() == (number, "message", "first")


def test_a_resumed_stream_opens_with_retry_a_comment_and_the_first_event(broker, topic):
    first, second = broker.publish(topic, "one"), broker.publish(topic, "two", event="trade")
    with broker.follow(topic, first) as stream:
        stream.take(1)
        assert stream.raw == b":\n\nretry: 3000\nid: %d\nevent: trade\ndata: two\n\n" % second


def test_a_stream_with_nothing_to_resume_opens_at_once(broker, topic):
    last = broker.publish(topic, "x")
    with broker.follow(topic, last) as stream:
        stream.wait_until(lambda: stream.reader.comments == 1)
        assert stream.raw.startswith(b":\n\nretry: 3000\n")
        number = broker.publish(topic, "y")
        assert stream.next() == (number, "message", "y")


def test_live_messages_come_in_order_with_event_and_without_key(broker, topic):
    with broker.follow(topic) as stream:
        stream.opening()
        sent = [(broker.publish(topic, f"{n}", event="tick" if n % 2 else None, key="k"),
                 "tick" if n % 2 else "message", f"{n}") for n in range(10)]
        assert stream.take(10) == sent
        assert b"key" not in stream.raw


def test_nothing_is_lost_when_a_stream_is_cut_before_its_first_message(broker, topic):
    with broker.follow(topic) as stream:
        stream.opening()
        last = stream.reader.last_id
    number = broker.publish(topic, "meanwhile")
    with broker.follow(topic, last) as stream:
        assert stream.next() == (number, "message", "meanwhile")


def test_a_stream_resumes_right_after_the_last_event_id(broker, topic):
    published = broker.publish_all(topic, [b"%d" % n for n in range(300)])
    for index in (0, 1, 150, 298, 299):
        with broker.follow(topic, published[index]) as stream:
            assert ids(stream.take(len(published) - index - 1)) == published[index + 1:]
            published.append(broker.publish(topic, "live"))
            assert stream.next().id == published[-1]


def test_after_0_is_the_beginning_and_an_id_between_is_good(broker, topic):
    one = broker.publish(topic, "1")
    other = broker.publish("elsewhere", "x")
    two = broker.publish(topic, "2")
    for query, expected in [("after=0", [one, two]), (f"after={one}", [two]),
                            (f"after={other}", [two]), (f"last_event_id={one}", [two]),
                            ("last_event_id=0", [one, two]), (f"after={one - 1}", [one, two])]:
        with broker.stream(f"{topic_path(topic, 'events')}?{query}") as stream:
            assert ids(stream.take(len(expected))) == expected


def test_the_header_wins_over_the_query_and_an_empty_one_is_not_given(broker, topic):
    one, two, three = (broker.publish(topic, text) for text in "123")
    for name in ("after", "last_event_id"):
        with broker.follow(topic, two, **{name: one}) as stream:
            assert stream.next().id == three
        with broker.follow(topic, "", **{name: two}) as stream:
            assert stream.next().id == three
    for target in (topic_path(topic, "events"), topic_path(topic, "events", after="")):
        with broker.stream(target, "") as stream:
            assert stream.opening().endswith(b"id: %d\n\n" % three)


def test_a_backlog_and_live_messages_join_without_a_seam(broker, topic):
    broker.publish_all(topic, [b"%d" % n for n in range(3000)])
    with broker.follow(topic, 0) as stream:
        stream.take(1)
        broker.publish_all(topic, [b"%d" % n for n in range(3000, 4000)])
        texts = ["0"] + [event.data for event in stream.take(3999, 30)]
    assert texts == [str(n) for n in range(4000)]


@pytest.mark.parametrize("pattern, heard", [
    ("{}", ["root"]), ("{}/*", ["a", "b"]), ("{}/**", ["a", "b", "a/c"]), ("{}/*/c", ["a/c"]),
    ("{}/a", ["a"]), ("{}/a/**", ["a/c"]),
])
def test_a_pattern_selects_what_is_heard_live_and_replayed(broker, topic, pattern, heard):
    with broker.follow(pattern.format(topic)) as live:
        live.opening()
        before = int(live.reader.last_id)
        for name in ["root", "a", "b", "a/c"]:
            broker.publish(topic if name == "root" else f"{topic}/{name}", name)
        assert [event.data for event in live.take(len(heard))] == heard
        with broker.follow(pattern.format(topic), before) as replayed:
            assert [event.data for event in replayed.take(len(heard))] == heard
            last = broker.publish(pattern.format(topic).replace("**", "z").replace("*", "z"), "!")
            assert (live.next().id, replayed.next().id) == (last, last)


def test_tail_brings_the_last_messages_of_each_topic_in_order(broker, topic):
    sent = {}
    for n in range(5):
        for name in "abc":
            sent[name, n] = broker.publish(f"{topic}/{name}", f"{name}{n}")
    only = broker.publish(f"{topic}/d", "only")
    expected = [sent[name, n] for n in (3, 4) for name in "abc"] + [only]
    for target in (topic_path(f"{topic}/*", "events", tail=2),
                   "/events?tail=2&" + "&".join(f"topic={topic}/{name}" for name in "dcba")):
        with broker.stream(target) as stream:
            assert ids(stream.take(7)) == expected
            number = broker.publish(f"{topic}/b", "live")
            assert stream.next().id == number
        sent["b", 3], sent["b", 4] = sent["b", 4], number
        expected = sorted([sent[name, n] for n in (3, 4) for name in "abc"] + [only])


def test_tail_over_hundreds_of_topics_is_complete(broker, topic):
    texts = [f"{n}-{k}" for k in range(3) for n in range(200)]
    for text in texts:
        broker.publish(f"{topic}/{text.partition('-')[0]}", text)
    with broker.follow(f"{topic}/*", tail=1) as stream:
        assert [event.data for event in stream.take(200)] == texts[-200:]


def test_tail_is_not_used_when_a_cursor_is_given(broker, topic):
    sent = [broker.publish(topic, str(n)) for n in range(5)]
    with broker.follow(topic, sent[3], tail=5) as stream:
        assert stream.next().id == sent[4]
    with broker.follow(topic, after=sent[2], tail=1) as stream:
        assert ids(stream.take(2)) == sent[3:]


def test_tail_0_is_live_only(broker, topic):
    last = broker.publish(topic, "x")
    with broker.follow(topic, tail=0) as stream:
        stream.wait_until(lambda: b"id: " in stream.raw)
        assert stream.raw == b":\n\nretry: 3000\nid: %d\n\n" % last


def test_tail_of_a_topic_without_messages_is_a_live_start_too(broker, topic):
    head = broker.publish("elsewhere", "x")
    with broker.follow(topic, tail=5) as stream:
        stream.wait_until(lambda: b"id: " in stream.raw)
        assert stream.raw == b":\n\nretry: 3000\nid: %d\n\n" % head
        number = broker.publish(topic, "first")
        assert stream.next().id == number
