"""Gaps: a subscriber is told whenever messages after its cursor no longer exist."""

import json

import pytest

GAP = "tickertape.gap"


def gap(event):
    assert event.event == GAP
    return event.id, json.loads(event.data)


def test_a_cursor_ahead_of_the_log_is_told_and_goes_on_live(broker, topic):
    head = broker.publish(topic, "x")
    for name in ("last_id", "after"):
        with broker.follow(topic, **{name: head + 1000}) as stream:
            number, told = gap(stream.next())
            assert told == {"after": head + 1000, "resumed": head, "reason": "reset"}
            assert number == head
            head = broker.publish(topic, "live")
            assert stream.next() == (head, "message", "live")


def test_a_reset_opens_with_retry_a_comment_and_the_gap(broker, topic):
    head = broker.publish(topic, "x")
    with broker.follow(topic, head + 1) as stream:
        stream.next()
        assert stream.raw == (
            b':\n\nretry: 3000\nid: %d\nevent: tickertape.gap\n'
            b'data: {"after":%d,"resumed":%d,"reason":"reset"}\n\n' % (head, head + 1, head))


@pytest.mark.parametrize("cursor", [
    "abc", "-1", "1.5", "0x10", "1e3", "12 34", "+1", "%31", "urn:uuid:0f9b", "１２",
])
def test_a_cursor_that_is_no_number_is_told_and_goes_on_live(broker, topic, cursor):
    head = broker.publish(topic, "x")
    with broker.follow(topic, cursor) as stream:
        assert gap(stream.next()) == (head, {"after": None, "resumed": head, "reason": "unknown"})
        number = broker.publish(topic, "live")
        assert stream.next() == (number, "message", "live")


@pytest.mark.parametrize("cursor", [2**63 - 1, 2**63, 2**64, 10**40])
def test_a_cursor_beyond_any_id_is_a_reset(broker, topic, cursor):
    head = broker.publish(topic, "x")
    with broker.follow(topic, cursor) as stream:
        number, told = gap(stream.next())
        assert (number, told["resumed"], told["reason"]) == (head, head, "reset")
        assert broker.publish(topic, "y") == stream.next().id


def test_leading_zeros_are_still_a_number(broker, topic):
    one, two = broker.publish(topic, "1"), broker.publish(topic, "2")
    with broker.follow(topic, f"000{one}") as stream:
        assert stream.next().id == two


def trimmed(start, statement):
    """A broker whose log had a/1..a/5 and b, after which `statement` removed some rows."""
    own = start()
    ids = [own.publish("a", str(n)) for n in range(1, 6)]
    other = own.publish("b", "b")
    own.stop()
    own.sql(statement)
    return own.start(), ids, other


def test_rows_removed_behind_the_cursor_are_told_before_the_first_event(start):
    own, ids, _ = trimmed(start, "DELETE FROM messages WHERE id <= 3")
    for cursor in (0, 1, 2):
        for pattern in ("a", "*", "**"):
            with own.follow(pattern, cursor) as stream:
                number, told = gap(stream.next())
                assert told == {"after": cursor, "resumed": 4, "reason": "retention"}
                assert cursor < number < 4
                assert [event.data for event in stream.take(2)] == ["4", "5"]


def test_a_client_cut_right_after_the_gap_goes_on_behind_it(start):
    own, ids, _ = trimmed(start, "DELETE FROM messages WHERE id <= 3")
    with own.follow("a", 1) as stream:
        number, _ = gap(stream.next())
    with own.follow("a", number) as stream:
        assert [event.data for event in stream.take(2)] == ["4", "5"]
        assert GAP.encode() not in stream.raw


def test_there_is_no_gap_for_a_cursor_behind_what_was_removed(start):
    own, ids, _ = trimmed(start, "DELETE FROM messages WHERE id <= 3")
    with own.follow("a", 3) as stream:
        assert [event.data for event in stream.take(2)] == ["4", "5"]


def test_there_is_no_gap_for_a_subscriber_of_another_topic(start):
    own, ids, other = trimmed(start, "DELETE FROM messages WHERE id <= 3")
    with own.follow("b", 0) as stream:
        assert stream.next() == (other, "message", "b")
    assert "gap" not in own.page("b")


def test_when_nothing_is_left_the_gap_names_the_head(start):
    own, ids, other = trimmed(start, "DELETE FROM messages WHERE topic_id = 1")
    with own.follow("a", 2) as stream:
        number, told = gap(stream.next())
        assert told == {"after": 2, "resumed": other, "reason": "retention"}
        next_id = own.publish("a", "new")
        assert stream.next() == (next_id, "message", "new")


def test_what_survives_between_removed_rows_is_delivered_under_a_gap(start):
    own, ids, _ = trimmed(start, "DELETE FROM messages WHERE id IN (1, 3, 5)")
    with own.follow("a", 0) as stream:
        _, told = gap(stream.next())
        assert told["reason"] == "retention"
        number = own.publish("a", "new")
        events = stream.take(3)
        assert [event.data for event in events] == ["2", "4", "new"]
        assert events[-1].id == number


def test_a_page_of_history_tells_the_gap_too(start):
    own, ids, _ = trimmed(start, "DELETE FROM messages WHERE id <= 3")
    page = own.page("a", after=1)
    assert page["gap"] == {"after": 1, "resumed": 4, "reason": "retention"}
    assert [message["data"] for message in page["messages"]] == ["4", "5"]
    assert "gap" not in own.page("a", after=3)
    assert own.page("*", after=0)["gap"]["resumed"] == 4


def test_tail_and_live_starts_have_no_gap(start):
    own, ids, _ = trimmed(start, "DELETE FROM messages WHERE id <= 3")
    with own.follow("a", tail=10) as stream:
        assert [event.data for event in stream.take(2)] == ["4", "5"]
    with own.follow("a") as stream:
        assert b"event" not in stream.opening()


def test_a_restored_older_log_is_a_reset_for_those_who_saw_more(start, tmp_path):
    own = start()
    own.publish("a", "1")
    own.stop()
    backup = own.database.read_bytes()
    own.start()
    seen = own.publish("a", "2")
    own.stop()
    own.database.write_bytes(backup)
    own.start()
    with own.follow("a", seen) as stream:
        assert gap(stream.next()) == (1, {"after": seen, "resumed": 1, "reason": "reset"})
