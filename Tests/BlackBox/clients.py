"""Event stream clients that others wrote, behind one small face.

Each class opens one connection at `last_id` (None: live), which is subscribed once it is made, and
yields (id, event type, data) until the connection ends or `close()` is called, from any thread.
"""

import subprocess
import threading

import httpx
import requests
import sseclient
from httpx_sse import connect_sse
from ld_eventsource import SSEClient
from ld_eventsource.config import ConnectStrategy, ErrorStrategy, RetryDelayStrategy

import sse


class HttpxSSE:
    name = "httpx-sse"

    def __init__(self, url, last_id=None):
        self.client = httpx.Client(timeout=30, trust_env=False)
        headers = {"Last-Event-ID": str(last_id)} if last_id is not None else {}
        self.context = connect_sse(self.client, "GET", url, headers=headers)
        self.source = self.context.__enter__()
        self.source.response.raise_for_status()

    def __iter__(self):
        for event in self.source.iter_sse():
            yield event.id, event.event, event.data

    def close(self):
        self.source.response.close()
        self.client.close()


class SSEClientPy:
    name = "sseclient-py"

    def __init__(self, url, last_id=None):
        self.session = requests.Session()
        self.session.trust_env = False
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        self.response = self.session.get(url, headers=headers, stream=True, timeout=30)
        self.response.raise_for_status()
        self.client = sseclient.SSEClient(self.response)

    def __iter__(self):
        for event in self.client.events():
            yield event.id, event.event, event.data

    def close(self):
        self.response.close()
        self.session.close()


class LaunchDarkly:
    """Reconnects by itself: it is given no cursor but at the very start."""

    name = "launchdarkly-eventsource"

    def __init__(self, url, last_id=None):
        self.client = SSEClient(
            ConnectStrategy.http(url),
            last_event_id=None if last_id is None else str(last_id),
            initial_retry_delay=0.05,
            retry_delay_strategy=RetryDelayStrategy.default(max_delay=0.2),
            error_strategy=ErrorStrategy.always_continue())
        self.client.start()

    def __iter__(self):
        for event in self.client.events:
            yield event.last_event_id, event.event, event.data

    def close(self):
        self.client.close()


class Curl:
    name = "curl"

    def __init__(self, url, last_id=None):
        command = ["curl", "--silent", "--show-error", "--no-buffer", "--include", "--noproxy", "*",
                   "--globoff", "--header", "Accept: text/event-stream"]
        if last_id is not None:
            command += ["--header", f"Last-Event-ID: {last_id}"]
        self.process = subprocess.Popen([*command, url], stdout=subprocess.PIPE)
        self.reader = sse.Reader()
        self.first = b""
        while b"\r\n\r\n" not in self.first:
            data = self.process.stdout.read1(65536)
            if not data:
                raise ConnectionError(f"curl ended after {self.first!r}")
            self.first += data
        head, _, self.first = self.first.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head

    def __iter__(self):
        data = self.first
        while data or (data := self.process.stdout.read1(65536)):
            for event in self.reader.feed(data):
                yield str(event.id), event.event, event.data
            data = b""
        assert not self.reader.sins, self.reader.sins

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()


ALL = (HttpxSSE, SSEClientPy, LaunchDarkly, Curl)


def collect(client, count, timeout=30):
    """The first `count` events; the client is closed."""
    events = []

    def read():
        try:
            for event in client:
                events.append(event)
                if len(events) >= count:
                    break
        finally:
            client.close()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        client.close()
        raise TimeoutError(f"{client.name} had {len(events)} of {count} events: {events[-3:]}")
    return events
