"""Topics that end on the command line: `topic end` and `reopen`, `publish --end`, `tail`."""

import json
import subprocess

import pytest

from admin import Admin, segment
from broker import wait_for
from cli import CommandLine


@pytest.fixture
def cli(broker):
    return CommandLine(broker.directory)


def end_of(broker, topic):
    return Admin(broker).topic(topic)["end"]


def test_a_topic_is_ended_shown_and_reopened(broker, cli, topic):
    last = broker.publish(topic, "x")
    assert cli.ok("topic", "end", topic).out == f"{topic} has ended after id {last:,}\n"
    document = cli.ok("topic", "end", topic, "--json").json()
    assert document == end_of(broker, topic) and document["last_id"] == last
    shown = cli.ok("topic", "show", topic).out
    assert f"has ended after id {last:,}, {document['time']}" in shown
    assert cli.ok("topic", "show", topic, "--json").json()["end"] == document
    assert "has ended" in cli.fails(1, "publish", topic, "y")
    assert cli.ok("topic", "reopen", topic).out == f"reopened {topic}\n"
    assert "takes messages" in cli.ok("topic", "show", topic).out
    assert "takes messages already" in cli.fails(1, "topic", "reopen", topic)
    assert cli.ok("publish", topic, "y").out
    cli.ok("topic", "end", topic)
    assert cli.ok("topic", "reopen", topic, "--json").json()["end"] is None


def test_a_topic_that_does_not_exist_is_not_ended(cli, topic):
    assert f"there is no topic '{topic}'" in cli.fails(3, "topic", "end", topic)
    assert f"there is no topic '{topic}'" in cli.fails(3, "topic", "reopen", topic)
    cli.ok("topic", "create", topic)
    assert cli.ok("topic", "end", topic).out == f"{topic} has ended without a message\n"


def test_lists_mark_what_has_ended(broker, cli, topic):
    for name in "abc":
        broker.publish(f"{topic}/{name}", "x")
    cli.ok("topic", "end", f"{topic}/b")
    table = cli.ok("topic", "list", f"{topic}/*").rows
    assert [row["STATE"] for row in table] == ["open", "ended", "open"]
    for flag, names in [("--ended", "b"), ("--open", "ac")]:
        rows = cli.ok("topic", "list", f"{topic}/*", flag, "--json").json()["topics"]
        assert "".join(row["topic"][-1] for row in rows) == names
    assert "of them ended" in cli.ok("status").out


def test_completion_offers_what_can_be_ended_or_reopened(broker, cli, topic):
    for name in "ab":
        broker.publish(f"{topic}/{name}", "x")
    cli.ok("topic", "end", f"{topic}/b")
    script = cli.ok("--generate-completion-script", "bash").out
    assert "topic_end" in script.replace("-", "_") and "reopen" in script


def test_a_message_may_be_the_last(broker, cli, topic):
    cli.ok("publish", topic, "x")
    out = cli.ok("publish", topic, "y", "--end").out
    assert out.endswith(f" to {topic}, which has ended\n")
    assert end_of(broker, topic)["reason"] == "ended"
    assert "has ended" in cli.fails(1, "publish", topic, "z", "--end")
    cli.ok("topic", "reopen", topic)
    assert cli.ok("publish", topic, "z", "--end", "--json").json()["ended"] is True


def test_lines_end_the_topic_when_their_input_ends(broker, cli, topic):
    with cli.spawn("publish", topic, "--lines", "--end", stdin=subprocess.PIPE) as publish:
        for line in "ab":
            publish.process.stdin.write(line + "\n")
            publish.process.stdin.flush()
            wait_for(lambda: cli.run("tail", topic, "--after", 0, "--no-follow").out.count("\n")
                     == "ab".index(line) + 1)
        assert end_of(broker, topic) is None
        publish.process.stdin.close()
        assert publish.wait() == 0
    assert "published 2 lines" in publish.lines[0] and "has ended" in publish.lines[0]
    assert end_of(broker, topic)["reason"] == "ended"
    summary = cli.ok("publish", f"{topic}/x", "--lines", "--end", "--json", input="a").json()
    assert summary["published"] == 1 and summary["ended"] is True
    assert "ended" not in cli.ok("publish", f"{topic}/y", "--lines", "--json", input="a").json()


def test_lines_that_are_refused_end_nothing(broker, cli, topic):
    Admin(broker).ok("PUT", f"/v1/policies/{segment(topic)}", {"max_message_bytes": 3}, 201)
    error = cli.fails(1, "publish", topic, "--lines", "--end", input="abc\nabcd\nabc\n")
    assert "line 2" in error and "1 line published before that" in error
    assert end_of(broker, topic) is None


def test_an_interrupted_input_ends_nothing(broker, cli, topic):
    with cli.spawn("publish", topic, "--lines", "--end", stdin=subprocess.PIPE) as publish:
        publish.process.stdin.write("a\n")
        publish.process.stdin.flush()
        wait_for(lambda: cli.run("tail", topic, "--after", 0, "--no-follow").out)
        publish.process.terminate()
        assert publish.wait() == 130
    assert end_of(broker, topic) is None


def test_a_tail_ends_with_its_topic(broker, cli, topic):
    broker.publish(topic, "one")
    with cli.spawn("tail", topic, "--after", 0, "--json") as tail:
        tail.wait_lines(1)
        cli.ok("publish", topic, "two", "--end")
        assert tail.wait() == 0
    assert [json.loads(line)["data"] for line in tail.lines] == ["one", "two"]
    assert tail.complaints == [f"tickertape: {topic} has ended\n"]
    again = cli.run("tail", topic, "--after", 0)
    assert again.code == 0 and again.out.count("\n") == 2 and "has ended" in again.err
    for start in [[], ["--tail", 0], ["--no-follow", "--tail", 0]]:
        result = cli.run("tail", topic, *start)
        assert result.code == 0 and not result.out and f"{topic} has ended" in result.err


def test_a_tail_of_a_deleted_topic_still_says_that_it_is_missing(broker, cli, topic):
    broker.publish(topic, "one")
    cli.ok("topic", "end", topic)
    cli.ok("topic", "delete", topic, "--yes")
    assert "has been deleted" in cli.fails(3, "tail", topic)


def test_a_policy_for_what_has_ended(broker, cli, topic):
    pattern = f"{topic}/*"
    cli.ok("publish", f"{topic}/a", "xyz", "--end")
    set_policy = ["policy", "set", pattern, "--remove-ended-after", "1s"]
    plan = wait_for(lambda: (out := cli.ok(*set_policy, "--dry-run").out) != (
        "This removes nothing.\n") and out)
    assert "deletes 1 topic that ended long ago" in plan and "deleted" in plan.splitlines()[-1]
    said = cli.run(*set_policy)
    assert said.code == 0 and "1 message from 1 topic, 1 of them deleted" in said.err
    assert "deleted after 1s" in said.out
    assert cli.ok("policy", "list", "--json").json()["policies"][0][
        "removes_ended_after_seconds"] == 1
    assert "deleted after 1s" in cli.ok("policy", "explain", f"{topic}/a").out
    wait_for(lambda: cli.run("topic", "show", f"{topic}/a").code == 3, 20)
    lifted = cli.ok(*set_policy[:-1], "none", "--yes")
    assert "kept" in lifted.out
    cli.ok("policy", "remove", pattern, "--yes")


def test_a_token_to_stop_with(broker, cli, topic):
    made = cli.run("token", "create", "--stop", f"{topic}/*", "--note", topic, "--json").json()
    assert made["stop"] == [f"{topic}/*"] and made["publish"] == []
    assert f"may stop       {topic}/*" in cli.ok("token", "show", made["id"]).out
    row = next(row for row in cli.ok("token", "list", "--all").rows if row["ID"] == str(made["id"]))
    assert row["STOP"] == f"{topic}/*" and row["PUBLISH"] == "-"
