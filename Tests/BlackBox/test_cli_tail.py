"""`tickertape tail`: every message once, in order, whatever happens to the broker."""

import json
import random
import signal
import subprocess

import pytest

from broker import wait_for
from cli import CommandLine
from test_stock_prices import rows_by_symbol


@pytest.fixture
def cli(broker):
    return CommandLine(broker.directory)


def data(lines):
    return [json.loads(line)["data"] for line in lines]


def test_for_people_and_for_programs(broker, cli, topic):
    number = broker.publish(topic, "a\nb\x1b[2J", event="trade", key="k")
    [line] = cli.ok("tail", topic, "--after", 0, "--no-follow").out.splitlines()
    assert line.startswith(f"{number}  2")
    assert line.endswith(f"  {topic}  trade  [k]  a\\nb\\u{{1b}}[2J")
    message = cli.ok("tail", topic, "--after", 0, "--no-follow", "--json").json()
    assert message["id"] == number and message["topic"] == topic and message["time"].endswith("Z")
    assert (message["event"], message["key"], message["data"]) == ("trade", "k", "a\nb\x1b[2J")


def test_where_it_begins(broker, cli, topic):
    ids = [broker.publish(f"{topic}/{number % 2}", str(number)) for number in range(6)]

    def tail(*arguments):
        result = cli.ok("tail", f"{topic}/*", "--no-follow", "--json", *arguments)
        return data(result.out.splitlines())

    assert tail() == tail("--after", 0) == list("012345")
    assert tail("--after", ids[3]) == ["4", "5"]
    assert tail("--after", ids[5]) == []
    assert tail("--tail", 1) == ["4", "5"]
    assert tail("--tail", 0) == []
    assert tail("--since", "1h") == list("012345")
    assert tail("--since", "2999-01-01") == []
    assert tail("--count", 2) == ["0", "1"]


def test_live_messages_of_several_patterns(broker, cli, topic):
    with cli.spawn("tail", f"{topic}/a", f"{topic}/b/*", "--json", "--count", 3) as tail:
        wait_for(lambda: broker.publish(f"{topic}/a", "here?") and tail.lines)
        already = len(tail.lines)
        broker.publish(f"{topic}/c", "not wanted")
        broker.publish(f"{topic}/b/x", "wanted")
        broker.publish(f"{topic}/a", "wanted")
        assert already <= 3 and tail.wait() == 0
    assert len(tail.lines) == 3 and "not wanted" not in data(tail.lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(broker, cli, topic, number):
    broker.publish(topic, "one")
    with cli.spawn("tail", topic, "--after", 0) as tail:
        tail.wait_lines(1)
        tail.process.send_signal(number)
        assert tail.wait() == 0
        assert tail.complaints == []


def test_a_closed_pipe_ends_it_though_nothing_more_comes(broker, cli, topic):
    broker.publish(topic, "one")
    command = " ".join([*cli.arguments(["tail", topic, "--after", 0]), "|", "head", "-1"])
    shell = subprocess.run(["bash", "-o", "pipefail", "-c", command], env=cli.env,
                           capture_output=True, text=True, timeout=20)
    assert shell.returncode == 0 and shell.stdout.count("\n") == 1 and shell.stderr == ""


def test_a_long_replay_ends_with_a_closed_pipe_too(broker, cli, topic):
    cli.ok("publish", topic, "--lines", input="x" * 200 + "\n" + ("y" * 200 + "\n") * 20_000)
    command = " ".join([*cli.arguments(["tail", topic, "--after", 0]), "|", "head", "-1"])
    shell = subprocess.run(["bash", "-o", "pipefail", "-c", command], env=cli.env,
                           capture_output=True, text=True, timeout=20)
    assert shell.returncode == 0 and shell.stdout.count("\n") == 1 and shell.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_restarts_lose_and_repeat_nothing(start, number):
    """Real prices, published while the broker is ended again and again."""
    broker = start()
    cli = CommandLine(broker.directory)
    rows = [row for rows in rows_by_symbol().values() for row in rows]
    assert len(rows) == 12_154
    acknowledged = []
    chance = random.Random(4)
    with cli.spawn("tail", "stocks/*", "--after", 0, "--json") as tail:
        pieces = [rows[at:at + 2_000] for at in range(0, len(rows), 2_000)]
        for piece in pieces:
            # Held back while they are published, so that the end comes in the middle of them.
            tail.process.send_signal(signal.SIGSTOP)
            seen = len(tail.lines) + chance.randrange(1_000)
            acknowledged += broker.publish_all("stocks/ALL", [row.encode() for row in piece])
            tail.process.send_signal(signal.SIGCONT)
            tail.wait_lines(min(seen, len(acknowledged)))
            broker.restart(number)
        tail.wait_lines(len(rows), timeout=40)
        last = broker.publish("stocks/LAST", "end")
        tail.wait_lines(len(rows) + 1)
        tail.process.send_signal(signal.SIGINT)
        assert tail.wait() == 0
    messages = [json.loads(line) for line in tail.lines]
    assert [message["id"] for message in messages] == [*acknowledged, last]
    assert [message["data"] for message in messages] == [*rows, "end"]
    assert any("waiting for it" in line for line in tail.complaints), tail.complaints
    assert any("connected again" in line for line in tail.complaints), tail.complaints


def test_what_came_while_the_broker_was_away_is_not_missed(start, topic):
    """A live tail that has not seen any message yet knows its place, too."""
    broker = start()
    broker.publish(topic, "before it began")
    with CommandLine(broker.directory).terminal("tail", topic) as tail:
        tail.wait_for(f"following {topic}")
        broker.kill()
        tail.wait_for("waiting for it")
        broker.start()
        broker.publish(topic, "as soon as it was back")
        tail.wait_for("as soon as it was back")
        assert "before it began" not in tail.plain
        assert tail.plain.count("following") == 1
        tail.type("\x03")
        assert tail.wait() == 0 and tail.is_as_before


def test_no_broker_at_the_start_is_an_error(tmp_path):
    assert "no broker is running" in CommandLine(tmp_path).fails(2, "tail", "a")
