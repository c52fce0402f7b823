"""`tickertape topic …`: list, show, create, delete, purge."""

import json

import pytest

from broker import topic_path
from cli import CommandLine


@pytest.fixture
def cli(broker):
    return CommandLine(broker.directory)


def rows(cli, *arguments):
    return cli.ok("topic", "list", *arguments, "--json").json()["topics"]


@pytest.fixture
def three(broker, topic):
    """Three topics with 1, 2 and 3 messages, of different sizes."""
    names = [f"{topic}/{name}" for name in "abc"]
    for count, name in enumerate(names, 1):
        broker.publish_all(name, [b"x" * (400 - 100 * count)] * count)
    return names


def test_list_for_programs(cli, topic, three):
    document = cli.ok("topic", "list", f"{topic}/*", "--json").json()
    assert document["total"] == 3 and document["next"] is None
    assert [row["topic"] for row in document["topics"]] == three
    assert [row["messages"] for row in document["topics"]] == [1, 2, 3]
    assert [row["bytes"] for row in document["topics"]] == [300, 400, 300]
    row = document["topics"][2]
    assert row["last_id"] - row["first_id"] == 2 and row["policy"] == "**"


def test_list_for_people(cli, topic, three):
    table = cli.ok("topic", "list", f"{topic}/*").rows
    assert [row["TOPIC"] for row in table] == three
    assert [row["MESSAGES"] for row in table] == ["1", "2", "3"]
    assert table[0]["BYTES"] == "300 B" and table[0]["POLICY"] == "**"
    lines = cli.ok("topic", "list", f"{topic}/*").out.splitlines()
    assert len({line.index("  ") for line in lines[1:]}) == 1
    assert not any("\x1b" in line or line.endswith(" ") for line in lines)


@pytest.mark.parametrize("arguments, order", [
    ([], "abc"), (["--reverse"], "cba"), (["--order", "desc"], "cba"),
    (["--sort", "messages"], "cba"), (["--sort", "messages", "--reverse"], "abc"),
    (["--sort", "last_id"], "cba"), (["--sort", "last-id", "--order", "asc"], "abc"),
    (["--sort", "name", "--limit", "2"], "ab"), (["--sort", "bytes", "--limit", "1"], "b"),
])
def test_order_and_limit(cli, topic, three, arguments, order):
    names = [row["topic"][-1] for row in rows(cli, f"{topic}/*", *arguments)]
    assert "".join(names) == order


@pytest.mark.parametrize("sort", ["rate", "subscribers"])
def test_the_other_orders(cli, topic, three, sort):
    assert len(rows(cli, f"{topic}/*", "--sort", sort)) == 3


def test_a_limit_says_that_there_is_more(cli, topic, three):
    result = cli.run("topic", "list", f"{topic}/*", "--limit", 2)
    assert result.code == 0 and "these are 2 of 3 topics" in result.err
    document = cli.ok("topic", "list", f"{topic}/*", "--limit", 2, "--json").json()
    assert len(document["topics"]) == 2 and document["next"] and document["total"] == 3


def test_no_topics(cli, topic):
    result = cli.run("topic", "list", f"{topic}/none/*")
    assert result.code == 0 and result.out == "" and "no topics" in result.err
    assert rows(cli, f"{topic}/none/*") == []


def test_all_pages_of_many_topics(start):
    broker = start()
    names = [f"many/{number:05}" for number in range(3_300)]
    with broker.connect(60) as connection:
        for name in names:
            assert connection.request("POST", topic_path(name), b"x").status == 201
    cli = CommandLine(broker.directory)
    assert [row["topic"] for row in rows(cli, "--all")] == names
    assert [row["topic"] for row in rows(cli, "--limit", 1_500)] == names[:1_500]
    assert [row["topic"] for row in rows(cli)] == names[:100]
    assert [row["TOPIC"] for row in cli.ok("topic", "list", "--all").rows] == names
    last = rows(cli, "--all", "--sort", "last_id", "--order", "asc")
    assert [row["topic"] for row in last] == names


def test_show(broker, cli, topic):
    broker.publish(topic, "one")
    number = broker.publish(topic, "two!")
    row = cli.ok("topic", "show", topic, "--json").json()
    assert (row["topic"], row["messages"], row["bytes"]) == (topic, 2, 7)
    text = cli.ok("topic", "show", topic).out
    assert text.startswith(f"{topic}\n") and "2, 7 B of payload" in text
    assert f"id {number:,}" in text


@pytest.mark.parametrize("name", ["a b", "ünï/中文", "per%cent/plus+", "q?x=1&y#z", "dots/..."])
def test_names_of_every_kind(cli, topic, name):
    name = f"{topic}/{name}"
    assert cli.ok("topic", "create", name).out.startswith(f"created {name}")
    assert cli.ok("publish", name, "x", "--json").json()["topic"] == name
    assert cli.ok("topic", "show", name, "--json").json()["messages"] == 1
    assert cli.ok("policy", "explain", name, "--json").json()["topic"] == name
    assert [json.loads(line)["data"] for line in
            cli.ok("tail", name, "--no-follow", "--json").out.splitlines()] == ["x"]
    assert cli.ok("topic", "delete", name, "--yes", "--json").json()["messages"] == 1


def test_create_once(cli, topic):
    row = cli.ok("topic", "create", topic, "--json").json()
    assert row["topic"] == topic and row["messages"] == 0 and row["first_id"] is None
    assert topic in cli.fails(1, "topic", "create", topic)


def test_delete(broker, cli, topic):
    broker.publish_all(topic, [b"12345"] * 4)
    result = cli.ok("topic", "delete", topic, "--yes")
    assert result.out.startswith(f"deleted {topic}: 4 messages, 20 B")
    assert broker.history(topic) == []
    cli.fails(3, "topic", "show", topic)
    broker.publish(topic, "back")
    assert cli.ok("topic", "show", topic, "--json").json()["messages"] == 1


def test_delete_ends_a_tail_of_it_alone(broker, cli, topic):
    broker.publish(topic, "one")
    with cli.spawn("tail", topic, "--after", 0) as tail:
        tail.wait_lines(1)
        cli.ok("topic", "delete", topic, "--yes")
        assert tail.wait() == 3
    assert "has been deleted" in tail.complaints[0]


def test_purge_by_id(broker, cli, topic):
    ids = broker.publish_all(topic, [b"x"] * 10)
    answer = cli.ok("topic", "purge", topic, "--before", ids[7], "--yes", "--json").json()
    assert answer["messages"] == 7 and answer["removed_through"] == ids[6]
    assert [message["id"] for message in broker.history(topic)] == ids[7:]
    with cli.spawn("tail", topic, "--after", ids[0], "--no-follow") as tail:
        assert tail.wait() == 0
    assert len(tail.lines) == 3 and "gap behind id" in tail.complaints[0]


def test_purge_by_time_and_age(broker, cli, topic):
    broker.publish_all(topic, [b"x"] * 3)
    assert "0 messages" in cli.ok("topic", "purge", topic, "--before", "1h", "--yes").out
    assert "0 messages" in cli.ok("topic", "purge", topic, "--before", "2020-01-01", "--yes").out
    result = cli.ok("topic", "purge", topic, "--before", "2999-01-01T00:00:00Z", "--yes")
    assert result.out.startswith(f"removed from {topic}: 3 messages")
    assert broker.history(topic) == []


def test_what_is_neither_an_id_nor_a_time_is_said(cli, topic):
    error = cli.fails(64, "topic", "purge", topic, "--before", -3, "--yes")
    assert "--before '-3' is neither an id nor a time" in error


def test_without_a_terminal_nothing_is_lost_by_accident(broker, cli, topic):
    broker.publish(topic, "kept")
    assert "--yes" in cli.fails(64, "topic", "delete", topic, input="y\n")
    assert "--yes" in cli.fails(64, "topic", "purge", topic, "--before", 999999, input="y\n")
    assert len(broker.history(topic)) == 1


def test_what_does_not_exist(cli, topic):
    for arguments in (["show", topic], ["delete", topic, "--yes"],
                      ["purge", topic, "--before", 5, "--yes"]):
        assert topic in cli.fails(3, "topic", *arguments)
