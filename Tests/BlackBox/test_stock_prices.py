"""Thirteen years of five stocks, one publish a day, to clients that are cut again and again.

Every client must end with every row exactly once, in the order of ids, byte for byte; the only
thing it may use to go on after a cut is the Last-Event-ID.
"""

import gzip
import importlib.util
import os
import random
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest

import clients
from broker import topic_path, wait_for
from browser import NativeEventSource, chromium
from proxy import CuttingProxy

SEED = int(os.environ.get("TICKERTAPE_SEED", "0")) or random.SystemRandom().randrange(2**32)
CUTS = 12
PATTERN = "stocks/*"


def rows_by_symbol():
    package = importlib.util.find_spec("bokeh_sampledata").submodule_search_locations[0]
    lines = gzip.decompress((Path(package) / "_data" / "stocks.csv.gz").read_bytes())
    rows = lines.decode("utf-8").splitlines()[1:]
    symbols = defaultdict(list)
    for row in rows:
        symbols[row.partition(",")[0]].append(row)
    assert len(rows) == 12_154 and len(symbols) == 5
    return symbols


class Follower(threading.Thread):
    """One client that is cut at random points and resumed with its last id alone."""

    def __init__(self, kind, url, total, seed):
        super().__init__(daemon=True)
        self.kind, self.url, self.total = kind, url, total
        self.cut_points = sorted(random.Random(seed).sample(range(1, total), CUTS), reverse=True)
        self.events = []
        self.is_open = threading.Event()
        self.connections = 0
        self.failure = None

    def run(self):
        try:
            last_id = None
            while len(self.events) < self.total:
                last_id = self.read_one_connection(last_id)
        except Exception as error:  # Told to the test by the main thread.
            self.failure = error

    def read_one_connection(self, last_id):
        client = self.kind(self.url, last_id)
        self.connections += 1
        self.is_open.set()
        stop = self.cut_points.pop() if self.cut_points else self.total
        try:
            for number, event, data in client:
                last_id = number
                if data == "":  # No row is empty: httpx-sse dispatches blocks without data.
                    continue
                self.events.append((int(number), event, data))
                if len(self.events) >= stop:
                    break
        finally:
            client.close()
        return last_id


class SelfReconnecting(Follower):
    """A client that reconnects by itself, through a proxy that cuts it."""

    def read_one_connection(self, last_id):
        client = self.kind(self.url, last_id)
        self.is_open.set()
        for number, event, data in client:
            self.events.append((int(number), event, data))
            if len(self.events) >= self.total:
                break
        client.close()


def publish_rows(broker, symbol, rows, ids):
    with broker.connect(30) as connection:
        target = topic_path(f"stocks/{symbol}")
        for row in rows:
            response = connection.request("POST", target, row.encode("utf-8"))
            assert response.status == 201, response.body
            ids[response.json()["id"]] = row


@pytest.mark.timeout(180)
def test_every_price_reaches_every_client_exactly_once_in_order_through_cuts(start):
    print(f"TICKERTAPE_SEED={SEED}")
    broker = start("--retry", "0.1")
    symbols = rows_by_symbol()
    total = sum(map(len, symbols.values()))
    target = topic_path(PATTERN, "events")
    url = f"http://127.0.0.1:{broker.port}{target}"
    ids = {}
    with CuttingProxy(broker.port, SEED + 1, 1_000, 120_000, CUTS) as for_launchdarkly, \
            CuttingProxy(broker.port, SEED + 2, 1_000, 120_000, CUTS) as for_chromium, \
            chromium() as browser:
        followers = [Follower(kind, url, total, SEED + 10 + index) for index, kind in
                     enumerate((clients.HttpxSSE, clients.SSEClientPy, clients.Curl))]
        followers.append(SelfReconnecting(
            clients.LaunchDarkly, f"http://127.0.0.1:{for_launchdarkly.port}{target}", total, 0))
        for follower in followers:
            follower.start()
        native = NativeEventSource(browser, f"http://127.0.0.1:{for_chromium.port}", target)
        native.wait_until_open()
        for follower in followers:
            wait_for(lambda: follower.is_open.is_set() or follower.failure, 20, follower.kind.name)
            assert follower.failure is None, (follower.kind.name, follower.failure)

        began = time.monotonic()
        publishers = [threading.Thread(target=publish_rows, args=(broker, symbol, rows, ids))
                      for symbol, rows in symbols.items()]
        for publisher in publishers:
            publisher.start()
        for publisher in publishers:
            publisher.join(120)
        print(f"published {len(ids)} rows in {time.monotonic() - began:.1f} s")
        native.wait_for_events(total, 60)
        for follower in followers:
            follower.join(60)
        reconnects = native.opens - 1
        heard = {"Chromium": native.events}

    assert len(ids) == total
    expected = [(number, "message", ids[number]) for number in sorted(ids)]
    for symbol, rows in symbols.items():
        assert [row for _, _, row in expected if row.startswith(f"{symbol},")] == rows
    heard = {name: [(int(number), event, data) for number, event, data in events]
             for name, events in heard.items()}
    for follower in followers:
        assert follower.failure is None, (follower.kind.name, follower.failure)
        heard[follower.kind.name] = follower.events
    for name, events in heard.items():
        assert len(events) == total, f"{name} has {len(events)} of {total}"
        assert events == expected, f"{name} differs first at " + str(next(
            (got, wanted) for got, wanted in zip(events, expected) if got != wanted))
    assert for_chromium.cuts >= 5 and reconnects >= for_chromium.cuts
    assert for_launchdarkly.cuts >= 5
    assert all(follower.connections == CUTS + 1 for follower in followers[:3])
