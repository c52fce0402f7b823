"""The command line as people see it: colours, questions, progress, and `top`."""

import json
import os
import signal
import subprocess

import pytest

from broker import wait_for
from cli import CommandLine


@pytest.fixture
def cli(broker):
    return CommandLine(broker.directory)


def test_colours_are_for_terminals(broker, cli, topic):
    broker.publish(topic, "x")
    assert "\x1b" not in cli.ok("topic", "list", topic).out
    with cli.terminal("topic", "list", topic, columns=120) as terminal:
        assert terminal.wait() == 0
        wait_for(lambda: "\x1b[36m" in terminal.text)
        assert topic in terminal.plain
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with cli.terminal("topic", "list", topic, columns=120, **env) as terminal:
            assert terminal.wait() == 0
            terminal.wait_for(topic)
            assert "\x1b[3" not in terminal.text


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_a_table_fits_the_window(broker, cli, topic, columns):
    name = f"{topic}/a-very-long-name-of-a-topic/東京証券取引所/that-goes-on-and-on-and-on"
    broker.publish(name, "x")
    with cli.terminal("topic", "list", f"{topic}/**", columns=columns) as terminal:
        assert terminal.wait() == 0
        terminal.wait_for("\n", 5)
        wait_for(lambda: terminal.plain.count("\n") >= 2)
        for line in terminal.plain.splitlines():
            width = sum(2 if ord(letter) > 0x2E80 else 1 for letter in line)
            assert width <= columns, line
        assert (name in terminal.plain) == (columns == 200)


def test_names_cannot_drive_the_terminal(broker, cli, topic):
    broker.publish(topic, "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e")
    with cli.terminal("tail", topic, "--no-follow", NO_COLOR="1") as terminal:
        assert terminal.wait() == 0
        terminal.wait_for("\\u{202e}")
        assert "\x1b]" not in terminal.text and "\x1b[2J" not in terminal.text
        assert "\x9b" not in terminal.text and "\u202e" not in terminal.text


@pytest.mark.parametrize("answer, code", [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 1)])
def test_a_question_before_something_is_lost(broker, cli, topic, answer, code):
    broker.publish_all(topic, [b"12345"] * 3)
    with cli.terminal("topic", "delete", topic) as terminal:
        terminal.wait_for("[y/N]")
        assert f"Delete {topic} with 3 messages (15 B), followed by 0 subscribers?" in terminal.plain
        terminal.type(answer)
        assert terminal.wait() == code
        terminal.wait_for("deleted" if code == 0 else "nothing was changed")
    assert len(broker.history(topic)) == (0 if code == 0 else 3)


def test_a_policy_asks_only_when_messages_would_go(broker, cli, topic):
    broker.publish_all(topic, [b"12345"] * 3)
    with cli.terminal("policy", "set", topic, "--max-messages", 5) as terminal:
        assert terminal.wait() == 0
    with cli.terminal("policy", "set", topic, "--max-messages", 1) as terminal:
        terminal.wait_for("[y/N]")
        assert "removes 2 messages (10 B of payload) from 1 topic" in terminal.plain
        terminal.type("n\n")
        assert terminal.wait() == 1
    assert len(broker.history(topic)) == 3
    with cli.terminal("policy", "set", topic, "--max-messages", 1, "--yes") as terminal:
        assert terminal.wait() == 0
    wait_for(lambda: len(broker.history(topic)) == 1, what="retention")
    cli.ok("policy", "remove", topic)


def test_purge_asks(broker, cli, topic):
    ids = broker.publish_all(topic, [b"12345"] * 3)
    with cli.terminal("topic", "purge", topic, "--before", ids[2]) as terminal:
        terminal.wait_for("[y/N]")
        terminal.type("y\n")
        assert terminal.wait() == 0
        assert (f"This removes 2 messages, 10 B, up to id {ids[1]:,}, from {topic}: "
                "of 3 messages.") in terminal.plain
    assert [message["id"] for message in broker.history(topic)] == ids[2:]
    with cli.terminal("topic", "purge", topic, "--before", ids[2] + 1) as terminal:
        terminal.wait_for("all it has.")
        terminal.wait_for(f"before id {ids[2] + 1:,}? [y/N]")
        terminal.type("n\n")
        assert terminal.wait() == 1


def test_lines_show_progress_on_standard_error_alone(cli, topic, tmp_path):
    (tmp_path / "lines").write_text("x" * 100 + "\n" + ("y" * 100 + "\n") * 300_000)
    with cli.terminal("publish", topic, "--lines", "--file", tmp_path / "lines") as terminal:
        assert terminal.wait() == 0
        terminal.wait_for("published 300,001 lines")
        assert "\r\x1b[K" in terminal.text


def test_top_needs_a_terminal_or_once(cli):
    assert "--once" in cli.fails(64, "top")
    assert cli.ok("top", "--json").json()["write_queue"]["messages_max"] > 0


def test_one_frame_of_top(broker, cli, topic):
    broker.publish_all(topic, [b"x"] * 50)
    wait_for(lambda: topic in cli.ok("top", "--once").out, 10, "the topic among the hottest")
    text = cli.ok("top", "--once").out
    for part in ("serving", "commits", "write queue", "subscribers", "on disk", "SLOWEST", "TOPIC"):
        assert part in text, text
    assert "\x1b" not in text
    assert "no subscribers" in text
    row = next(line for line in text.splitlines() if line.startswith(topic))
    assert "50 B" in row and "B/s" in row, row
    assert "BYTES" in cli.ok("top", "--once", "--sort", "messages").out


def test_refused_publishes_have_a_line_of_their_own(start):
    own = start()
    cli = CommandLine(own.directory)
    assert "no topic has been published to lately" in cli.ok("top", "--once").out
    cli.ok("policy", "set", "closed/*", "--no-create-topics")
    own.post("closed/a", "x")

    def line():
        text = cli.ok("top", "--once").out
        return next((line for line in text.splitlines() if "since start" in line), None)

    assert wait_for(line, what="the next sample").split() == ["refused", "1", "publish", "since", "start"]


def test_top_is_live_and_leaves_the_terminal_as_it_was(broker, cli, topic):
    broker.publish(topic, "x")
    with cli.terminal("top", "--interval", "0.2", columns=120, rows=30) as terminal:
        frame = terminal.wait_frame(lambda frame: "serving" in frame[0])
        assert "\x1b[?1049h" in terminal.text and "\x1b[?25l" in terminal.text
        assert len(frame) == 30 and "quit" in frame[-1]
        with broker.follow(topic) as stream:
            stream.opening()
            terminal.wait_frame(lambda frame: any(
                line.startswith("subscribers") and " 1 (1 event stream" in line for line in frame))
            terminal.wait_frame(lambda frame: any("event_stream" in line for line in frame))
        terminal.type("q")
        assert terminal.wait() == 0
        wait_for(lambda: terminal.text.endswith("\x1b[?25h\x1b[?1049l"))
        assert terminal.is_as_before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_top_leaves_cleanly_on_signals(cli, number):
    with cli.terminal("top") as terminal:
        terminal.wait_frame(lambda frame: "serving" in frame[0])
        assert not terminal.is_as_before
        terminal.process.send_signal(number)
        assert terminal.wait() == 0
        wait_for(lambda: terminal.text.endswith("\x1b[?25h\x1b[?1049l"))
        assert terminal.is_as_before


def test_ctrl_c_typed_leaves_top(cli):
    with cli.terminal("top") as terminal:
        terminal.wait_frame(lambda frame: "serving" in frame[0])
        terminal.type("\x03")
        assert terminal.wait() == 0 and terminal.is_as_before


@pytest.mark.parametrize("columns, rows", [(40, 10), (80, 24), (200, 60), (20, 4), (5, 2)])
def test_top_fits_every_window(broker, cli, topic, columns, rows):
    broker.publish(f"{topic}/東京証券取引所", "x")
    with cli.terminal("top", "--interval", "0.2", columns=120, rows=30) as terminal:
        terminal.wait_frame(lambda frame: len(frame) == 30)
        terminal.resize(columns, rows)
        terminal.process.send_signal(signal.SIGWINCH)
        frame = terminal.wait_frame(lambda frame: len(frame) == rows)
        if columns >= 40:
            for line in frame:
                width = sum(2 if ord(letter) > 0x2E80 else 1 for letter in line)
                assert width <= columns, line
        terminal.type("q")
        assert terminal.wait() == 0


def test_keys_sort_and_pause(broker, cli, topic):
    for name, count in (("few", 1), ("many", 9)):
        broker.publish_all(f"{topic}/{name}", [b"x"] * count)
    with cli.terminal("top", "--interval", "0.2", columns=120, rows=40) as terminal:
        terminal.wait_frame(lambda frame: "serving" in frame[0])

        def place(frame, name):
            return next((at for at, line in enumerate(frame) if f"{topic}/{name}" in line), None)

        terminal.type("m")
        terminal.wait_frame(lambda frame: (place(frame, "many") or 99) < (place(frame, "few") or 99))
        terminal.type("n")
        terminal.wait_frame(lambda frame: place(frame, "few")
                            and place(frame, "few") < (place(frame, "many") or 99))
        terminal.type("p")
        terminal.wait_frame(lambda frame: "paused" in frame[0])
        terminal.type("\x1b[A")
        terminal.type("p")
        terminal.wait_frame(lambda frame: "paused" not in frame[0])
        terminal.type("q")
        assert terminal.wait() == 0


def test_top_survives_a_restart_of_the_broker(start):
    broker = start()
    with CommandLine(broker.directory).terminal("top", "--interval", "0.2", columns=200) as terminal:
        terminal.wait_frame(lambda frame: "serving" in frame[0])
        broker.kill()
        terminal.wait_frame(lambda frame: "no broker is running" in frame[-1])
        broker.start()
        terminal.wait_frame(lambda frame: "quit" in frame[-1])
        terminal.type("q")
        assert terminal.wait() == 0


def test_json_on_a_terminal_is_plain(broker, cli, topic):
    broker.publish(topic, "x")
    with cli.terminal("topic", "list", topic, "--json", columns=40) as terminal:
        assert terminal.wait() == 0
        wait_for(lambda: terminal.text.endswith("\r\n"))
        assert json.loads(terminal.text)["total"] == 1


def test_a_full_disk_behind_a_pipe_is_said(cli):
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(cli.arguments(["status"]), env=cli.env, stdout=full,
                               stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 1 and "standard output cannot be written" in ended.stderr
    assert os.path.exists("/dev/full")
