"""Fixtures: one broker for each module, further ones on demand, a fresh topic for each test.

What the environment can say: `TICKERTAPE_BIN` the binary under test, `TICKERTAPE_SEED` the seed
that a failed run has printed, `TICKERTAPE_CRASH_SECONDS` how long the crash test lasts,
`TICKERTAPE_LONG=1` for the crowds that take longer to gather.
"""

import itertools
import re
import resource

import pytest

from broker import Broker, binary
from disk import FaultyDisk, build_library

counter = itertools.count(1)


def pytest_report_header():
    return f"tickertape: {binary()}"


def pytest_configure():
    # Thousands of connections need as many open files, here and in the broker.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """What makes the disk of a broker fail, compiled once."""
    return build_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def disk(tmp_path, library):
    return FaultyDisk(tmp_path / "disk", library)


@pytest.fixture
def start(tmp_path):
    """Starts a broker of this test's own: `start("--retry", 1)`; ended with the test."""
    brokers = []

    def start_one(*options, directory=None, **more):
        broker = Broker(directory or tmp_path / f"data-{len(brokers)}", *options, **more)
        brokers.append(broker)
        return broker.start()

    start_one.track = brokers.append
    try:
        yield start_one
    finally:
        for broker in brokers:
            broker.kill()


@pytest.fixture(scope="module")
def module_broker(tmp_path_factory):
    running = Broker(tmp_path_factory.mktemp("data")).start()
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture
def broker(module_broker):
    """The module's broker with default options, alive before and after the test."""
    if not module_broker.is_running:
        module_broker.start()
    yield module_broker
    module_broker.check_alive()


@pytest.fixture
def topic(request):
    """A topic that no other test uses."""
    return f"{re.sub('[^a-z]+', '-', request.node.originalname)[:60]}/{next(counter)}"
