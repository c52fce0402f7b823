"""Starts, watches and ends the real binary."""

import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import quote, urlencode

from sse import Stream
from wire import Connection, check_problem, encode_request

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(
    r"tickertape is ready on https?://(\S+):(\d+), data in (/.+), (\d+) messages? in the log\n")
CRASH_MARKS = ("Fatal error", "Crash:", "*** Program crashed", "Thread 0 crashed")


def binary():
    """The binary under test: TICKERTAPE_BIN, else the release build, else the debug build."""
    named = os.environ.get("TICKERTAPE_BIN")
    candidates = [Path(named)] if named else [
        ROOT / ".build" / kind / "tickertape" for kind in ("release", "debug")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    raise FileNotFoundError(f"no binary at {' or '.join(map(str, candidates))}: build it first")


def free_port():
    """A port nobody listens on, none of those that the kernel gives to connections."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_for(condition, timeout=10.0, what="the condition"):
    """Polls until `condition()` is true and returns its value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout} s")
        time.sleep(0.01)
    return value


def topic_path(topic, what="messages", **query):
    """The target of a request about a topic or pattern."""
    query = {name: value for name, value in query.items() if value is not None}
    return f"/topics/{quote(topic, safe='/*')}/{what}" + (f"?{urlencode(query)}" if query else "")


class Broker:
    """One data directory and the process that serves it, restarted at will."""

    def __init__(self, directory, *options, env=None, preload=None, open_files=None):
        self.directory = Path(directory)
        self.options = [str(option) for option in options]
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith("TICKERTAPE_")} | (env or {})
        # A task for an event loop that has ended is a crash, not a line nobody reads.
        self.env.setdefault("SWIFTNIO_STRICT", "1")
        if preload:
            self.env["LD_PRELOAD"] = str(preload)
        self.wrapper = ["prlimit", f"--nofile={open_files}"] if open_files else []
        self.host, self.port = "127.0.0.1", 0
        self.process = None
        self.stdout, self.stderr = [], []

    # The process.

    def spawn(self, *more):
        """Starts the process without waiting for anything."""
        arguments = [*self.wrapper, binary(), "serve", "--data-dir", self.directory]
        if "--port" not in self.options and "TICKERTAPE_PORT" not in self.env:
            arguments += ["--port", str(self.port)]
        self.process = subprocess.Popen(
            [str(argument) for argument in [*arguments, *self.options, *more]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.env, text=True, errors="replace")
        self.stdout, self.stderr = [], []
        self.collectors = [
            threading.Thread(target=lines.extend, args=(pipe,), daemon=True)
            for lines, pipe in ((self.stdout, self.process.stdout),
                                (self.stderr, self.process.stderr))]
        for collector in self.collectors:
            collector.start()
        return self

    def start(self, *more, timeout=15.0):
        """Starts the process and waits for its ready line."""
        self.spawn(*more)
        wait_for(lambda: self.stdout or self.process.poll() is not None, timeout, "the ready line")
        if not self.stdout:
            self.wait()
            raise AssertionError(f"exit {self.process.returncode} at start: {self.log[-2000:]}")
        ready = READY.fullmatch(self.stdout[0])
        assert ready, self.stdout
        self.host = ready[1].strip("[]")
        self.port = int(ready[2])
        self.ready_directory, self.ready_count = Path(ready[3]), int(ready[4])
        return self

    @property
    def log(self):
        return "".join(self.stderr)

    def wait(self, timeout=15.0):
        """The exit code; by then all output was collected."""
        code = self.process.wait(timeout)
        for collector in self.collectors:
            collector.join(5)
        return code

    def stop(self, number=signal.SIGTERM, timeout=10.0):
        """Ends the process politely; the exit code."""
        self.process.send_signal(number)
        return self.wait(timeout)

    def kill(self):
        """Ends the process at once."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.wait()

    def restart(self, number=signal.SIGKILL):
        """Ends the process and starts it again on the same directory and port."""
        self.process.send_signal(number)
        self.wait()
        return self.start()

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def check_alive(self):
        assert self.is_running, f"exit {self.process.returncode}: {self.log[-2000:]}"
        assert not any(mark in self.log for mark in CRASH_MARKS), self.log[-2000:]
        assert len(self.stdout) == 1, self.stdout

    @property
    def resident_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    # Requests.

    def connect(self, timeout=10.0, **more):
        return Connection(self.host, self.port, timeout, **more)

    def request(self, method, target, body=None, headers=None, version="1.1", timeout=10.0):
        """One request over a connection of its own."""
        with self.connect(timeout) as connection:
            return connection.request(method, target, body, headers, version)

    def send(self, data, timeout=10.0):
        """The answer to exactly these bytes."""
        with self.connect(timeout) as connection:
            connection.send(data)
            return connection.response()

    def post(self, topic, data=b"", headers=None, **query):
        body = data.encode("utf-8") if isinstance(data, str) else data
        return self.request("POST", topic_path(topic, **query), body, headers)

    def publish(self, topic, data=b"", headers=None, **query):
        """Publishes and returns the id."""
        response = self.post(topic, data, headers, **query)
        assert response.status == 201, (response.status, response.body[:300])
        return response.json()["id"]

    def publish_all(self, topic, payloads):
        """Publishes in order over one connection, many at a time; the ids."""
        ids = []
        with self.connect(30) as connection:
            for start in range(0, len(payloads), 50):
                batch = payloads[start:start + 50]
                connection.send(b"".join(
                    encode_request("POST", topic_path(topic), payload) for payload in batch))
                for _ in batch:
                    response = connection.response()
                    assert response.status == 201, response.body
                    ids.append(response.json()["id"])
        return ids

    def page(self, pattern, timeout=10.0, **query):
        response = self.request("GET", topic_path(pattern, **query), timeout=timeout)
        assert response.status == 200, (response.status, response.body[:300])
        assert response.header("content-type") == "application/json"
        return response.json()

    def history(self, pattern="**", after=0, limit=1000):
        """All messages, page by page."""
        messages = []
        with self.connect(20) as connection:
            while True:
                response = connection.request(
                    "GET", topic_path(pattern, after=after, limit=limit))
                assert response.status == 200, response.body[:300]
                page = response.json()
                assert page["next"] >= after
                if not page["messages"] and page["next"] == after:
                    return messages
                messages += page["messages"]
                after = page["next"]

    def message(self, topic, number):
        return self.request("GET", topic_path(topic, f"messages/{number}"))

    def stream(self, target, last_id=None, **more):
        return Stream(self.host, self.port, target, last_id, **more)

    def follow(self, pattern, last_id=None, headers=None, receive_buffer=None, **query):
        return self.stream(topic_path(pattern, "events", **query), last_id, headers=headers,
                           receive_buffer=receive_buffer)

    @property
    def is_healthy(self):
        try:
            response = self.request("GET", "/healthz", timeout=5)
        except OSError:
            return False
        if response.status == 200:
            assert response.json() == {"status": "ok"}
            return True
        check_problem(response, 503, {"log_unavailable", "draining", "queue_full", "disk_full"})
        return False

    def check_serving(self):
        """Alive and able to do its work from end to end."""
        self.check_alive()
        topic = "check/serving"
        with self.follow(topic) as stream:
            stream.opening()
            number = self.publish(topic, "still here")
            assert stream.next() == (number, "message", "still here")
        assert self.message(topic, number).json()["data"] == "still here"

    # The database of a stopped broker.

    @property
    def database(self):
        return self.directory / "tickertape.db"

    def sql(self, *statements):
        """Runs statements on the database; the rows of the last one."""
        assert not self.is_running
        connection = sqlite3.connect(self.database)
        try:
            with connection:
                for statement in statements:
                    rows = connection.execute(statement).fetchall()
            return rows
        finally:
            connection.close()

    def stored(self):
        """What stands in the log: id -> (topic, event, key, data)."""
        rows = self.sql(
            "SELECT messages.id, name, event, messages.key, data FROM messages"
            " JOIN topics ON topics.id = topic_id ORDER BY messages.id")
        return {row[0]: (row[1], row[2], row[3], bytes(row[4]).decode("utf-8")) for row in rows}
