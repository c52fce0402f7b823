"""A disk that takes its time: publishers wait or are refused, readers do not notice."""

import signal
import threading
import time

import pytest

from broker import topic_path, wait_for
from disk import FaultyDisk, Hammer
from wire import check_problem, encode_request


@pytest.fixture
def slow(tmp_path, library, start):
    """Starts a broker whose every sync takes so many milliseconds."""
    def start_slow(sync_ms, *options):
        own = FaultyDisk(tmp_path / "disk", library).broker(
            tmp_path / "data", *options, sync_ms=sync_ms)
        start.track(own)
        return own.start()

    return start_slow


@pytest.mark.parametrize("options", [
    ("--queue-max-messages", "20"), ("--queue-max-bytes", "20000"),
])
def test_a_full_queue_is_answered_503_and_what_was_taken_is_kept(slow, options):
    own = slow(100, *options)
    acked, refused = {}, 0
    connections = [own.connect(30) for _ in range(20)]
    for n, connection in enumerate(connections):
        connection.send(b"".join(
            encode_request("POST", topic_path("a"), b"%d:%d:" % (n, k) + b"x" * 500)
            for k in range(20)))
    for n, connection in enumerate(connections):
        for k in range(20):
            response = connection.response()
            if response.status == 201:
                acked[response.json()["id"]] = f"{n}:{k}:" + "x" * 500
            else:
                check_problem(response, 503, "queue_full")
                refused += 1
        connection.close()
    assert acked and refused
    assert {m["id"]: m["data"] for m in own.history("a")} == acked
    own.check_serving()


def test_reading_goes_on_while_a_commit_takes_its_time(slow):
    own = slow(300)
    number = own.publish("a", "x")
    with Hammer(own, [f"load/{n}" for n in range(4)]) as hammer:
        wait_for(lambda: hammer.acked, what="a first acknowledgement")
        times = []
        for _ in range(30):
            began = time.monotonic()
            assert own.message("a", number).status == 200
            assert own.request("GET", "/healthz").status == 200
            with own.follow("a", 0) as stream:
                assert stream.next().id == number
            times.append(time.monotonic() - began)
    # Most of them, so that a busy machine does not count as a broker that waits.
    assert sorted(times)[len(times) // 2] < 0.1, times


def test_many_publishers_share_one_commit(slow):
    """Each sync takes 100 ms: one by one, 400 publishes would take 40 s."""
    own = slow(100)
    began = time.monotonic()
    threads = [threading.Thread(target=own.publish_all, args=(f"a/{n}", [b"x"] * 50))
               for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(own.history("a/*")) == 400
    assert time.monotonic() - began < 8


def test_a_message_is_not_delivered_before_its_commit_is_done(slow):
    own = slow(400)
    with own.follow("a") as stream, own.connect() as publisher:
        stream.opening()
        publisher.send(encode_request("POST", topic_path("a"), b"x"))
        began = time.monotonic()
        event = stream.next()
        assert time.monotonic() - began > 0.3
        assert publisher.response().json()["id"] == event.id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_what_was_taken_before_it(slow, number):
    own = slow(500)
    connections = [own.connect(20) for _ in range(10)]
    with own.follow("a") as stream:
        stream.opening()
        for n, connection in enumerate(connections):
            connection.send(encode_request("POST", topic_path("a"), b"%d" % n))
        wait_for(lambda: own.request("GET", "/healthz").status == 200)
        own.process.send_signal(number)
        acked = {}
        for n, connection in enumerate(connections):
            response = connection.response()
            if response.status == 201:
                acked[response.json()["id"]] = str(n)
            else:
                check_problem(response, 503, "draining")
        stream.wait_until(lambda: stream.has_ended, 10)
    assert own.wait(10) == 0
    assert acked and {number: row[3] for number, row in own.stored().items()} == acked
