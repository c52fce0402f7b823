"""`tickertape policy …`, `subscriber …` and `status`."""

import pytest

from cli import CommandLine


@pytest.fixture
def cli(broker):
    return CommandLine(broker.directory)


@pytest.fixture
def pattern(cli, topic):
    """A pattern of this test alone, without a policy before and after."""
    pattern = f"{topic}/**"
    yield pattern
    cli.run("policy", "remove", pattern)


def policy(cli, pattern):
    policies = cli.ok("policy", "list", "--json").json()["policies"]
    return next((policy for policy in policies if policy["pattern"] == pattern), None)


def test_a_limit_above_the_brokers_own_is_set_and_warned_about(cli, pattern):
    result = cli.run("policy", "set", pattern, "--max-message-bytes", "2MiB", "--json")
    assert result.code == 0
    assert "warning: this broker takes messages of at most 1048576 bytes" in result.err
    assert len(result.json()["warnings"]) == 1
    assert policy(cli, pattern)["max_message_bytes"] == 2 * 2**20
    assert "warnings" not in policy(cli, pattern)
    quiet = cli.ok("policy", "set", pattern, "--max-message-bytes", "1MiB", "--json")
    assert quiet.err == "" and "warnings" not in quiet.json()


def test_only_what_is_named_changes(cli, pattern):
    out = cli.ok("policy", "set", pattern, "--max-age", "30d", "--max-messages", "10k",
                 "--max-bytes", "10GiB", "--max-message-bytes", "64KiB", "--no-create-topics",
                 "--max-publishes-per-second", "0.5", "--max-publish-bytes-per-second", "64KiB",
                 "--description", "for a test").out
    assert out.startswith(f"new policy of {pattern}\n") and "30d" in out and "10.0 GiB" in out
    assert "0.5/s" in out and "64.0 KiB/s" in out
    expected = {"pattern": pattern, "max_age_seconds": 2_592_000, "max_messages": 10_000,
                "max_bytes": 10 * 2**30, "removes_ended_after_seconds": None,
                "max_message_bytes": 65_536, "creates_topics": False,
                "max_publishes_per_second": 0.5, "max_publish_bytes_per_second": 65_536,
                "description": "for a test"}
    assert policy(cli, pattern) == expected
    assert cli.ok("policy", "set", pattern, "--max-age", "none").out.startswith("changed policy")
    assert policy(cli, pattern) == expected | {"max_age_seconds": None}
    row = next(row for row in cli.ok("policy", "list").rows if row["PATTERN"] == pattern)
    assert row["PUBLISHES"] == "0.5/s" and row["PUBLISH BYTES"] == "64.0 KiB/s"
    cli.ok("policy", "set", pattern, "--max-publish-bytes-per-second", "none")
    expected["max_publish_bytes_per_second"] = None
    assert policy(cli, pattern) == expected | {"max_age_seconds": None}
    answer = cli.ok("policy", "set", pattern, "--create-topics", "--description", "", "--json")
    assert answer.json() == policy(cli, pattern) == expected | {
        "max_age_seconds": None, "creates_topics": True, "description": ""}


def test_the_list_has_the_most_specific_first(cli, pattern, topic):
    cli.ok("policy", "set", f"{topic}/a", "--max-messages", 5)
    cli.ok("policy", "set", pattern, "--max-age", "1d")
    table = cli.ok("policy", "list").rows
    patterns = [row["PATTERN"] for row in table]
    assert patterns.index(f"{topic}/a") < patterns.index(pattern) < patterns.index("**")
    assert table[patterns.index(pattern)]["MAX AGE"] == "1d"
    cli.ok("policy", "remove", f"{topic}/a")


def test_explain(cli, pattern, topic):
    explained = cli.ok("policy", "explain", f"{topic}/x", "--json").json()
    assert explained["policy"]["pattern"] == "**" and explained["also_matching"] == []
    cli.ok("policy", "set", pattern, "--max-age", "90m")
    explained = cli.ok("policy", "explain", f"{topic}/x", "--json").json()
    assert explained["policy"]["pattern"] == pattern and explained["also_matching"] == ["**"]
    text = cli.ok("policy", "explain", f"{topic}/x").out
    assert explained["reason"] in text and "90m" in text


def test_a_dry_run_changes_nothing_and_tells_who_would_see_a_gap(broker, cli, pattern, topic):
    ids = broker.publish_all(f"{topic}/a", [b"12345"] * 10)
    plan = cli.ok("policy", "set", pattern, "--max-messages", 3, "--dry-run", "--json").json()
    assert (plan["messages"], plan["bytes"], plan["topics_total"]) == (7, 35, 1)
    assert plan["topics"][0] == {"topic": f"{topic}/a", "messages": 7, "bytes": 35,
                                 "removed_through": ids[6], "deletes_topic": False}
    text = cli.ok("policy", "set", pattern, "--max-messages", 3, "--dry-run").out
    assert "removes 7 messages (35 B of payload) from 1 topic" in text
    assert policy(cli, pattern) is None and len(broker.history(f"{topic}/a")) == 10
    nothing = cli.ok("policy", "set", pattern, "--max-messages", 10, "--dry-run").out
    assert nothing == "This removes nothing.\n"
    assert cli.ok("policy", "remove", "**", "--dry-run").out == "This removes nothing.\n"


def test_a_policy_takes_effect_at_once(broker, cli, pattern, topic):
    broker.publish(f"{topic}/known", "x")
    cli.ok("policy", "set", pattern, "--max-message-bytes", 10, "--no-create-topics")
    assert pattern in cli.fails(1, "publish", f"{topic}/known", "12345678901")
    error = cli.fails(3, "publish", f"{topic}/unknown", "x")
    assert pattern in error
    assert error.endswith(f"; create it with: tickertape topic create {topic}/unknown\n")
    assert pattern in cli.fails(1, "publish", f"{topic}/known", "--lines", input="ok\n" + "x" * 11)
    cli.ok("topic", "create", f"{topic}/unknown")
    cli.ok("publish", f"{topic}/unknown", "x")


def test_without_a_terminal_it_says_what_goes(broker, cli, pattern, topic):
    for name in ("a", "b"):
        broker.publish_all(f"{topic}/{name}", [b"12345"] * 10)
    result = cli.run("policy", "set", pattern, "--max-messages", 6)
    assert result.code == 0, result
    assert result.err == "tickertape: this removes 8 messages from 2 topics\n"
    cli.ok("policy", "set", pattern, "--max-messages", 3, "--yes")
    cli.ok("policy", "set", pattern, "--max-messages", 20)


def test_remove(cli, pattern):
    cli.ok("policy", "set", pattern, "--max-age", "1d")
    assert cli.ok("policy", "remove", pattern, "--json").json() == {"removed": pattern}
    assert pattern in cli.fails(3, "policy", "remove", pattern)
    assert "default" in cli.ok("policy", "remove", "**").out


def test_wrong_limits_say_what_is_right(cli, topic):
    assert "unit" in cli.fails(64, "policy", "set", topic, "--max-age", "30")
    assert "64KiB" in cli.fails(64, "policy", "set", topic, "--max-bytes", "lots")
    assert "at least 1" in cli.fails(64, "policy", "set", topic, "--max-messages", "0")
    assert "10k" in cli.fails(64, "policy", "set", topic, "--max-messages", "lots")
    assert "for a month say 30d" in cli.fails(64, "policy", "set", topic, "--max-age", "1M")
    assert "none" in cli.fails(64, "policy", "set", topic)
    assert "no pattern" in cli.fails(64, "policy", "set", "a**", "--max-age", "1d")


def test_subscribers(broker, cli, topic):
    broker.publish(topic, "x")
    with broker.follow(topic) as stream:
        stream.opening()
        document = cli.ok("subscriber", "list", topic, "--json").json()
        [row] = document["subscribers"]
        assert document["total"] == 1 and row["topics"] == [topic]
        assert row["transport"] == "event_stream" and row["state"] == "live"
        [shown] = cli.ok("subscriber", "list", topic).rows
        assert shown["ID"] == str(row["id"]) and shown["TOPICS"] == topic
        out = cli.ok("subscriber", "disconnect", row["id"]).out
        assert out == f"disconnected subscriber {row['id']}\n"
        stream.read_to_end()
    assert "no subscribers" in cli.run("subscriber", "list", topic).err
    assert str(row["id"]) in cli.fails(3, "subscriber", "disconnect", row["id"])


def test_status(broker, cli):
    broker.publish("status/a", "x")
    document = cli.ok("status", "--json").json()
    assert document["state"] == "serving" and document["is_writable"] is True
    assert document["address"].endswith(f":{broker.port}")
    assert document["log"]["head"] >= 1 and document["topics"] >= 1
    text = cli.ok("status").out
    assert "serving" in text and document["version"] in text and document["address"] in text
