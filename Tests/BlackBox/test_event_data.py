"""Event streams carry any text, and no text can be taken for something else."""

import pytest

from wire import check_problem
from broker import topic_path

TEXTS = {
    "empty": "",
    "one space": " ",
    "leading spaces": "  two",
    "trailing space": "end ",
    "leading colon": ": no comment",
    "two lines": "a\nb",
    "empty lines between": "a\n\n\nb",
    "leading newline": "\na",
    "trailing newline": "a\n",
    "trailing newlines": "a\n\n",
    "only a newline": "\n",
    "carriage return": "a\rb",
    "trailing carriage return": "a\r",
    "crlf": "a\r\nb\r\n",
    "lf then cr": "a\n\rb",
    "cr cr lf": "a\r\r\nb",
    "line separator": "a\u2028b\u2029c",
    "next line": "a\u0085b\x0b\x0cc",
    "controls": "\x01\x02\x1b[31m\x7f",
    "nul": "a\x00b",
    "byte order mark": "\ufeffa",
    "emoji": "📈👩‍👩‍👧‍👦🇩🇪e\u0301",
    "chinese": "新闻/财经\n上证指数",
    "field names": "data: a\nid: 99\nevent: b\nretry: 1\n:c",
    "no colon": "data\nid\nevent\nretry",
    "json": '{"price": 1.5,\n "s": "\\n"}',
    "long line": "x" * 300_000,
    "one mebibyte": "m" * 1_048_576,
    "many empty lines": "\n" * 20_000,
    "many short lines": "ab\r\n" * 20_000,
    "long emoji line": "😀" * 200_000,
}

FORGERIES = [
    "x\n\nid: 999999\ndata: forged\n\n",
    "x\r\rid: 999999\rdata: forged\r\r",
    "x\r\n\r\nid: 999999\r\nevent: tickertape.gap\r\ndata: {}\r\n\r\n",
    "\n\n:\n\nretry: 1\n\n",
    "x\u2028\u2028id: 999999\u2028data: forged\u2028\u2028",
    "x\x85\x85id: 999999\x85data: forged\x85\x85",
    "\n\ndata: forged\n\nid\n\n",
    "0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
]


def received(text):
    """What a receiver sees: every line end is LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("text", TEXTS.values(), ids=[name.replace(" ", "-") for name in TEXTS])
def test_a_text_arrives_live_and_replayed(broker, topic, text):
    with broker.follow(topic) as live:
        live.opening()
        number = broker.publish(topic, text)
        marker = broker.publish(topic, "marker")
        expected = [(number, "message", received(text)), (marker, "message", "marker")]
        assert live.take(2, 20) == expected
    with broker.follow(topic, number - 1) as replayed:
        assert replayed.take(2, 20) == expected
    assert broker.message(topic, number).json()["data"] == text


def test_a_message_is_one_block_of_id_event_and_data_lines(broker, topic):
    with broker.follow(topic) as stream:
        opening = stream.opening()
        one = broker.publish(topic, "a\r\n\rb", event="trade", key="k")
        two = broker.publish(topic, "")
        stream.take(2)
        lines = stream.raw[len(opening):].split(b"\n")
    assert lines[:6] == [b"id: %d" % one, b"event: trade", b"data: a", b"data: ", b"data: b", b""]
    # The space behind the colon of an empty line makes no difference to a receiver.
    assert [line.rstrip() for line in lines[6:]] == [b"id: %d" % two, b"data:", b"", b""]


@pytest.mark.parametrize("text", FORGERIES, ids=range(len(FORGERIES)))
def test_a_payload_cannot_forge_events_ids_or_fields(broker, topic, text):
    with broker.follow(topic) as stream:
        stream.opening()
        number = broker.publish(topic, text, event="e")
        after = broker.publish(topic, "after")
        assert stream.take(2) == [(number, "e", received(text)), (after, "message", "after")]
        assert stream.reader.retry == 3000


@pytest.mark.parametrize("text", [
    "a\nid: 9", "a\rdata: forged", "a\r\n\r\ndata: forged", "\n", "a\x00",
])
def test_an_event_name_cannot_forge_anything(broker, topic, text):
    response = broker.post(topic, "x", event=text)
    check_problem(response, 400, "invalid_parameter")


@pytest.mark.parametrize("text", [
    "a\nid: 9", "a\r\rdata: forged\r\r", "\n\ndata: forged\n\n", "a\x00",
])
def test_a_key_cannot_forge_anything(broker, topic, text):
    with broker.follow(topic) as stream:
        stream.opening()
        response = broker.post(topic, "x", key=text)
        assert response.status in (201, 400)
        after = broker.publish(topic, "after")
        events = stream.take(1 if response.status == 400 else 2)
        assert events[-1] == (after, "message", "after")
        assert b"forged" not in stream.raw


@pytest.mark.parametrize("name", [
    "a", "trade", "with space", "ünï:cödé", " leading", "trailing ", ":colon", "message", "open",
    "error", "e" * 128, "😀" * 32,
])
def test_an_event_name_arrives_as_given(broker, topic, name):
    with broker.follow(topic) as stream:
        stream.opening()
        number = broker.publish(topic, "x", event=name)
        assert stream.next() == (number, name, "x")


def test_a_topic_never_stands_on_the_stream_so_it_cannot_forge(broker):
    name = "id: 1/data: x/event"
    with broker.follow(name) as stream:
        stream.opening()
        number = broker.publish(name, "plain")
        assert stream.next() == (number, "message", "plain")
    assert broker.request("POST", topic_path("a\n\ndata: x"), b"").status == 400


def test_events_larger_than_any_buffer_arrive_back_to_back(broker, topic):
    texts = [chr(0x4E00 + n) * 349_000 for n in range(12)]
    with broker.follow(topic) as stream:
        stream.opening()
        for text in texts:
            broker.publish(topic, text)
        assert [event.data for event in stream.take(12, 30)] == texts
