"""The metrics: a valid exposition, with every name that is promised."""

import re
import shutil
import subprocess

import pytest

from admin import Admin
from broker import wait_for

SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(\{[a-z]+="[^"\\\n]*"(?:,[a-z]+="[^"\\\n]*")*\})? (\S+)')

COUNTERS = [
    "messages_published_total", "published_bytes_total", "publishes_refused_total",
    "messages_delivered_total", "delivered_bytes_total", "messages_removed_total",
    "removed_bytes_total", "commits_total", "pages_read_total",
]
GAUGES = [
    "subscribers", "subscribers_behind", "slowest_subscriber_lag_ids",
    "slowest_subscriber_lag_seconds", "connections", "topics", "log_messages", "log_bytes",
    "log_head_id", "database_size_bytes", "database_free_bytes", "write_ahead_log_size_bytes",
    "disk_free_bytes", "write_queue_messages", "write_queue_bytes", "event_loop_delay_seconds",
    "log_writable", "process_resident_memory_bytes", "retention_topics_due", "start_time_seconds",
    "build_info", "tokens", "topics_ended",
]
HISTOGRAMS = [
    "publish_to_commit_seconds", "commit_seconds", "commit_messages", "commit_to_socket_seconds",
]


def scrape(admin):
    """The exposition as name with labels -> value, and name -> type."""
    response = admin.request("GET", "/metrics")
    assert response.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    values, types, helps = {}, {}, {}
    for line in response.body.decode("utf-8").splitlines():
        if line.startswith("# HELP "):
            name, text = line[7:].split(" ", 1)
            assert name not in helps and text
            helps[name] = text
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name in helps and name not in types
            types[name] = kind
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] + (sample[2] or "") not in values
            values[sample[1] + (sample[2] or "")] = float(sample[3])
    return values, types


def test_every_metric_is_there_from_the_start(start):
    values, types = scrape(Admin(start()))
    expected = {f"tickertape_{name}": kind for names, kind in [
        (COUNTERS, "counter"), (GAUGES, "gauge"), (HISTOGRAMS, "histogram")] for name in names}
    assert types == expected
    assert values['tickertape_subscribers{transport="websocket"}'] == 0
    assert values['tickertape_tokens{state="active"}'] == 0
    assert values['tickertape_event_loop_delay_seconds{loop="0"}'] >= 0
    assert values["tickertape_log_writable"] == 1
    assert values["tickertape_process_resident_memory_bytes"] > 2**20


def test_what_happens_is_counted(start):
    broker = start()
    admin = Admin(broker)
    with broker.follow("m/**") as stream:
        stream.opening()
        broker.publish_all("m/a", [b"12345"] * 30)
        for _ in range(30):
            stream.next()
        values, _ = wait_for(lambda: (lambda found: found[0][
            "tickertape_messages_delivered_total"] == 30 and found)(scrape(admin)))
    assert values["tickertape_messages_published_total"] == 30
    assert values["tickertape_published_bytes_total"] == 150
    assert values["tickertape_delivered_bytes_total"] == 150
    assert values['tickertape_subscribers{transport="event_stream"}'] == 1
    assert values["tickertape_log_messages"] == 30 and values["tickertape_log_head_id"] == 30
    commits = values["tickertape_commits_total"]
    assert 1 <= commits <= 30
    assert values["tickertape_commit_messages_count"] == commits
    assert values["tickertape_commit_messages_sum"] == 30
    assert values["tickertape_commit_seconds_count"] == commits
    assert values["tickertape_publish_to_commit_seconds_count"] == 30
    assert values["tickertape_commit_to_socket_seconds_count"] >= 1
    for name in HISTOGRAMS:
        buckets = [value for key, value in values.items() if key.startswith(f"tickertape_{name}_b")]
        assert buckets == sorted(buckets) and len(buckets) > 10
        assert buckets[-1] == values[f"tickertape_{name}_count"]


def test_promtool_finds_nothing_to_say(broker):
    tool = shutil.which("promtool")
    if not tool:
        pytest.skip("promtool is not installed")
    text = Admin(broker).request("GET", "/metrics").body
    checked = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
