"""Starting, configuring and stopping: one sentence when it cannot, exit 0 when it was asked to."""

import hashlib
import os
import random
import re
import signal
import sqlite3
import stat
import threading

import pytest

from broker import CRASH_MARKS, Broker, topic_path, wait_for
from wire import Closed


def refuse(broker):
    """Starts a broker that must not start; what it says on stderr."""
    broker.spawn()
    assert broker.wait(15) == 1, broker.log
    assert broker.stdout == []
    assert not any(mark in broker.log for mark in CRASH_MARKS), broker.log
    assert re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", broker.log), broker.log
    return broker.log


def digest(directory):
    """Names and contents of the database files."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in directory.iterdir() if path.name.startswith("tickertape.db")}


def test_the_ready_line_says_address_directory_and_count(start, tmp_path):
    own = start(directory=tmp_path / "new" / "data")
    assert own.port != 0 and own.host == "127.0.0.1"
    assert own.ready_directory == (tmp_path / "new" / "data").resolve()
    assert own.ready_count == 0
    for n in range(3):
        own.publish("a", str(n))
    own.restart(signal.SIGTERM)
    assert own.ready_count == 3
    assert own.stdout == [f"tickertape is ready on http://127.0.0.1:{own.port}, data in"
                          f" {own.ready_directory}, 3 messages in the log\n"]


def test_a_relative_directory_is_named_in_full(start, tmp_path):
    own = start(directory=os.path.relpath(tmp_path / "data"))
    assert own.ready_directory == (tmp_path / "data").resolve()


def test_the_data_directory_holds_the_documented_files(start):
    own = start()
    own.publish("a", "x")
    assert {"tickertape.db", "lock", "admin.sock", "admin-token"} <= {
        path.name for path in own.directory.iterdir()}
    own.stop()
    assert own.sql("PRAGMA application_id") == [(0x54415045,)]
    assert own.sql("PRAGMA user_version") == [(5,)]
    assert own.sql("PRAGMA journal_mode") == [("wal",)]


def test_the_log_is_its_owners_alone_also_in_a_folder_that_others_may_enter(start, tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    own = start(directory=folder)
    own.publish("a", "x")
    for name in ("tickertape.db", "tickertape.db-wal", "tickertape.db-shm", "lock"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name


def test_a_second_broker_on_the_same_directory_is_refused(start):
    own = start()
    own.publish("a", "x")
    second = Broker(own.directory)
    start.track(second)
    assert "is in use by another tickertape" in refuse(second)
    own.check_serving()
    own.kill()
    second.start()
    assert [m["data"] for m in second.history("a")] == ["x"]


def test_a_taken_port_is_refused_with_a_sentence(start):
    own = start()
    other = Broker(own.directory.with_name("other"), "--port", own.port)
    start.track(other)
    assert str(own.port) in refuse(other)


def test_a_log_of_a_newer_schema_is_refused_and_untouched(start):
    own = start()
    own.publish("a", "x")
    own.stop()
    own.sql("PRAGMA user_version = 1000")
    before = digest(own.directory)
    assert re.search("newer|version", refuse(own))
    assert digest(own.directory) == before


def make_foreign(path):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, text TEXT)")
        connection.execute("INSERT INTO messages VALUES (1, 'mine')")
    connection.close()


def make_foreign_with_our_version(path):
    make_foreign(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 1")
    connection.close()


NO_LOGS = {
    "random bytes": lambda path: path.write_bytes(random.Random(1).randbytes(20_000)),
    "a text": lambda path: path.write_text("my notes\n" * 1000),
    "one byte": lambda path: path.write_bytes(b"x"),
    "a foreign database": make_foreign,
    "a foreign database of version 1": make_foreign_with_our_version,
    "a header and nothing else": lambda path: path.write_bytes(
        b"SQLite format 3\0" + random.Random(2).randbytes(4080)),
}


@pytest.mark.parametrize("make", NO_LOGS.values(), ids=[name.replace(" ", "-") for name in NO_LOGS])
def test_a_file_that_is_no_log_is_refused_and_untouched(start, tmp_path, make):
    own = Broker(tmp_path / "data")
    start.track(own)
    own.directory.mkdir()
    make(own.database)
    before = digest(own.directory)
    refuse(own)
    assert digest(own.directory) == before


def test_an_empty_file_becomes_a_log(start, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tickertape.db").touch()
    start(directory=tmp_path / "data").check_serving()


def test_a_data_directory_that_is_a_file_is_refused(start, tmp_path):
    (tmp_path / "file").write_text("x")
    own = Broker(tmp_path / "file")
    start.track(own)
    assert str(tmp_path / "file") in refuse(own)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_exits_0_keeps_every_answer_and_ends_streams_cleanly(start, number):
    own = start()
    acked, failures = {}, []

    def publish(name):
        count = 0
        try:
            with own.connect() as connection:
                while True:
                    text = f"{name}:{count}"
                    response = connection.request("POST", topic_path("load"), text.encode())
                    if response.status != 201:
                        assert response.json()["code"] == "draining", response.body
                        return
                    acked[response.json()["id"]] = text
                    count += 1
                    if response.closes:
                        return
        except (Closed, OSError):
            pass
        except Exception as error:
            failures.append(error)

    streams = [own.follow("load") for _ in range(20)]
    for stream in streams:
        stream.opening()
    publishers = [threading.Thread(target=publish, args=(n,)) for n in range(8)]
    for publisher in publishers:
        publisher.start()
    wait_for(lambda: len(acked) > 200)
    own.process.send_signal(number)
    retries = set()
    for stream in streams:
        stream.read_to_end(10)
        assert stream.raw.endswith(b"retry: %d\n\n" % stream.reader.retry)
        assert 1000 <= stream.reader.retry <= 5000
        assert not stream.reader.sins
        retries.add(stream.reader.retry)
    assert len(retries) > 1, "the reconnection time must be jittered"
    assert own.wait(10) == 0
    for publisher in publishers:
        publisher.join(10)
    assert not failures
    stored = own.stored()
    assert all(stored[number][3] == text for number, text in acked.items())
    own.start()
    assert len(own.history("load")) == len(stored)


def test_a_stop_answers_a_waiting_read_and_closes_idle_connections(start):
    own = start()
    with own.connect() as waiting, own.connect() as idle, own.connect() as silent:
        assert idle.request("GET", "/healthz").status == 200
        waiting.send(f"GET {topic_path('a', wait=60)} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        with own.follow("a") as stream:
            stream.opening()
            own.process.send_signal(signal.SIGTERM)
            stream.read_to_end(10)
        assert own.wait(10) == 0
        response = waiting.response()
        assert response.status in (200, 503)
        assert idle.is_closed_by_peer() and silent.is_closed_by_peer()


def test_a_stop_does_not_wait_for_a_subscriber_that_never_reads(start):
    own = start()
    with own.stream(topic_path("a", "events"), receive_buffer=4096):
        for _ in range(30):
            own.publish("a", b"x" * 1_000_000)
        assert own.stop(timeout=10) == 0


def test_ids_go_on_increasing_after_the_newest_rows_were_deleted(start):
    own = start()
    ids = [own.publish("a", str(n)) for n in range(10)]
    own.stop()
    own.sql(f"DELETE FROM messages WHERE id >= {ids[5]}")
    own.start()
    assert own.publish("a", "next") > ids[-1]
    own.restart()
    own.stop()
    own.sql("DELETE FROM messages")
    own.start()
    assert own.publish("a", "after all") > ids[-1] + 1


def test_health_is_ok_from_the_first_moment(start):
    own = start()
    assert own.is_healthy
    assert own.request("HEAD", "/healthz").status in (200, 405)
