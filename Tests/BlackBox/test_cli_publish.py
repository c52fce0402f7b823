"""`tickertape publish`: one message, a file, and endless lines."""

import os
import signal
import subprocess
import time

import pytest

from broker import wait_for
from cli import CommandLine


@pytest.fixture
def cli(broker):
    return CommandLine(broker.directory)


def payloads(broker, topic):
    return [message["data"] for message in broker.history(topic)]


def test_one_message(broker, cli, topic):
    result = cli.ok("publish", topic, "Good morning")
    message = broker.history(topic)[0]
    assert result.out == f"published {message['id']:,} to {topic}\n"
    assert message["data"] == "Good morning"


def test_json_and_every_field(broker, cli, topic):
    answer = cli.ok("publish", topic, "187.4", "--event", "trade", "--key", "k & ü", "--json").json()
    assert answer["topic"] == topic
    message = broker.message(topic, answer["id"]).json()
    assert (message["event"], message["key"], message["data"]) == ("trade", "k & ü", "187.4")


@pytest.mark.parametrize("text", ["", "two\nlines\n", "ünï 中文 🙂", "--not-an-option", "\x1b[31m"])
def test_standard_input_is_taken_as_it_is(broker, cli, topic, text):
    cli.ok("publish", topic, "-", input=text)
    cli.ok("publish", topic, input=text)
    assert payloads(broker, topic) == [text, text]


def test_a_message_that_looks_like_an_option(broker, cli, topic):
    cli.ok("publish", topic, "--", "--json")
    assert payloads(broker, topic) == ["--json"]


def test_a_file(broker, cli, topic, tmp_path):
    (tmp_path / "tick.json").write_text('{"price":187.4}\n')
    cli.ok("publish", topic, "--file", tmp_path / "tick.json")
    assert payloads(broker, topic) == ['{"price":187.4}\n']
    assert "cannot be read" in cli.fails(1, "publish", topic, "--file", tmp_path / "none")
    assert "folder" in cli.fails(1, "publish", topic, "--file", tmp_path)


def test_an_idempotency_key_publishes_once(broker, cli, topic):
    first = cli.ok("publish", topic, "once", "--idempotency-key", "k-1", "--json").json()
    assert cli.ok("publish", topic, "once", "--idempotency-key", "k-1", "--json").json() == first
    assert "key" in cli.fails(1, "publish", topic, "other", "--idempotency-key", "k-1").lower()
    assert payloads(broker, topic) == ["once"]


def test_what_the_broker_refuses_is_a_sentence(cli, topic):
    assert "UTF-8" in cli.fails(1, "publish", topic, "-", input=b"\xff\xfe")
    assert "1048576" in cli.fails(1, "publish", topic, "-", input=b"x" * 1_048_577)
    assert "no topic" in cli.fails(64, "publish", "a//b", "x")
    assert "no topic" in cli.fails(64, "publish", "a/*", "x")


def test_lines_keep_their_number_and_order(broker, cli, topic):
    lines = [f"line {number} ünï" for number in range(100_000)]
    started = time.monotonic()
    answer = cli.ok("publish", topic, "--lines", "--json", input="\n".join(lines)).json()
    seconds = time.monotonic() - started
    assert answer["published"] == 100_000 and answer["last_id"] - answer["first_id"] == 99_999
    assert payloads(broker, topic) == lines
    # Far below what it does, and far above one request a line.
    assert 100_000 / seconds > 10_000


def test_lines_with_every_ending(broker, cli, topic):
    result = cli.ok("publish", topic, "--lines", "--event", "log", input="one\ntwo\r\n\n  four \nlast")
    assert "published 5 lines" in result.out
    assert payloads(broker, topic) == ["one", "two", "", "  four ", "last"]
    assert {message["event"] for message in broker.history(topic)} == {"log"}


def test_no_lines_at_all(broker, cli, topic):
    assert cli.ok("publish", topic, "--lines", "--json").json()["published"] == 0
    assert payloads(broker, topic) == []


def test_a_file_of_lines(broker, cli, topic, tmp_path):
    (tmp_path / "lines").write_text("a\nb\n")
    cli.ok("publish", topic, "--lines", "--file", tmp_path / "lines")
    assert payloads(broker, topic) == ["a", "b"]


def test_a_line_goes_out_at_once_and_the_input_need_not_end(broker, cli, topic):
    with cli.spawn("publish", topic, "--lines", stdin=subprocess.PIPE) as publish:
        def say(text):
            publish.process.stdin.write(text)
            publish.process.stdin.flush()
        expected = []
        for number in range(5):
            say(f"{number}\nhalf")
            expected.append(str(number))
            wait_for(lambda: payloads(broker, topic) == expected, 5, f"{expected}")
            say(" a line\n")
            expected.append("half a line")
            wait_for(lambda: payloads(broker, topic) == expected, 5, f"{expected}")
        publish.process.stdin.close()
        assert publish.wait() == 0


def test_ctrl_c_says_what_was_published(broker, cli, topic):
    with cli.spawn("publish", topic, "--lines", stdin=subprocess.PIPE) as publish:
        publish.process.stdin.write("one\ntwo\n")
        publish.process.stdin.flush()
        wait_for(lambda: len(payloads(broker, topic)) == 2)
        publish.process.send_signal(signal.SIGINT)
        assert publish.wait() == 130
    assert "published 2 lines" in publish.complaints[0]


def test_a_line_that_is_refused_is_named(broker, cli, topic):
    error = cli.fails(1, "publish", topic, "--lines", input=b"good\n\xff\xfe\nnever\n")
    assert "line 2" in error and "1 line published" in error
    assert payloads(broker, topic) == ["good"]


def test_lines_wait_for_a_broker_that_restarts(start, topic):
    broker = start()
    cli = CommandLine(broker.directory)
    with cli.spawn("publish", topic, "--lines", stdin=subprocess.PIPE) as publish:
        def say(line):
            publish.process.stdin.write(line + "\n")
            publish.process.stdin.flush()
        say("before")
        wait_for(lambda: len(payloads(broker, topic)) == 1)
        broker.kill()
        say("while it was away")
        broker.start()
        wait_for(lambda: len(payloads(broker, topic)) == 2)
        broker.restart(signal.SIGTERM)
        say("after")
        publish.process.stdin.close()
        assert publish.wait() == 0, publish.complaints
    assert payloads(broker, topic) == ["before", "while it was away", "after"]
    assert publish.lines[0].startswith("published 3 lines")


def test_lines_give_up_on_a_broker_that_does_not_come_back(start, topic):
    broker = start()
    cli = CommandLine(broker.directory)
    with cli.spawn("publish", topic, "--lines", "--retry-for", "1s", stdin=subprocess.PIPE) as publish:
        publish.process.stdin.write("one\n")
        publish.process.stdin.flush()
        wait_for(lambda: len(payloads(broker, topic)) == 1)
        broker.kill()
        publish.process.stdin.write("two\n")
        publish.process.stdin.flush()
        assert publish.wait() == 2
    assert "no broker is running" in publish.complaints[0]
    assert "1 line published before that" in publish.complaints[0]


def test_no_broker_is_said_before_any_input(tmp_path):
    reading, writing = os.pipe()
    try:
        with CommandLine(tmp_path).spawn("publish", "a", "--lines", stdin=reading) as publish:
            assert publish.wait() == 2
    finally:
        os.close(reading)
        os.close(writing)
