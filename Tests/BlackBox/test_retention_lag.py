"""Retention under a reader that has stopped reading: a gap that is right, and then every message."""

import json
import threading

import pytest

from admin import Admin, segment
from broker import topic_path
from wire import encode_request

KEPT = 1_000
STOPPED = 24_000
ON = 12_000
BATCH = 25


class Publisher(threading.Thread):
    """Publishes numbered messages; when `paused` is reached it waits for `go_on`."""

    def __init__(self, broker, topic):
        super().__init__(daemon=True)
        self.broker, self.topic = broker, topic
        self.ids, self.error = [], None
        self.paused, self.go_on = threading.Event(), threading.Event()

    def run(self):
        try:
            with self.broker.connect(30) as connection:
                for start in range(0, STOPPED + ON, BATCH):
                    if start == STOPPED:
                        self.paused.set()
                        assert self.go_on.wait(30)
                    connection.send(b"".join(
                        encode_request("POST", topic_path(self.topic), b"%d " % n + b"x" * 1_000)
                        for n in range(start, start + BATCH)))
                    for _ in range(BATCH):
                        response = connection.response()
                        assert response.status == 201, response.body
                        self.ids.append(response.json()["id"])
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.paused.set()


@pytest.mark.timeout(120)
def test_a_reader_that_stops_gets_one_right_gap_at_a_time_and_all_that_is_left(start):
    broker = start()
    admin = Admin(broker)
    topic = "lag/a"
    admin.ok("PUT", f"/v1/policies/{segment('lag/*')}", {"max_messages": KEPT}, 201)
    publisher = Publisher(broker, topic)
    most = 0
    with broker.stream(topic_path(topic, "events", after=0), receive_buffer=4_096,
                       timeout=30) as stream:
        publisher.start()
        first = stream.next()
        while not publisher.paused.wait(0.05):
            most = max(most, admin.topic(topic)["messages"])
        assert publisher.error is None
        # From here on it is read while messages come and go.
        publisher.go_on.set()
        events = [first]
        while not (events[-1].event != "tickertape.gap"
                   and events[-1].data.startswith(f"{STOPPED + ON - 1} ")):
            events.append(stream.next())
            if len(events) % 1_000 == 0:
                most = max(most, admin.topic(topic)["messages"])
        publisher.join(30)
    assert publisher.error is None and len(publisher.ids) == STOPPED + ON
    assert KEPT <= most <= 2 * KEPT, most

    number, after, gaps = {one: n for n, one in enumerate(publisher.ids)}, 0, 0
    expected = 0
    for place, event in enumerate(events):
        if event.event == "tickertape.gap":
            gaps += 1
            gap = json.loads(event.data)
            assert gap["reason"] == "retention" and gap["after"] == after
            # It hides nothing that is there: the message it names comes next.
            assert events[place + 1].id == gap["resumed"] and event.id < gap["resumed"]
            assert number[gap["resumed"]] > expected
            expected = number[gap["resumed"]]
            continue
        assert number[event.id] == expected, f"{event.id} came, {expected} was due"
        assert event.data.startswith(f"{expected} ")
        after, expected = event.id, expected + 1
    assert gaps >= 1 and expected == STOPPED + ON
