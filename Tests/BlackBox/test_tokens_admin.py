"""Access tokens at the admin door and on the command line: made, listed, shown, revoked, kept."""

import hashlib
import json
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from admin import Admin, target
from broker import wait_for
from cli import CommandLine
from wire import check_problem

TOKEN = re.compile(r"ttk_[0-9A-Za-z]{49}")
DAY = 86_400
ROW = ["id", "hint", "publish", "subscribe", "stop", "created_at", "expires_at", "revoked_at",
       "state", "note"]


@pytest.fixture
def admin(broker):
    return Admin(broker)


@pytest.fixture
def cli(broker):
    return CommandLine(broker.directory)


def create(admin, **body):
    return admin.ok("POST", "/v1/tokens", body or {"subscribe": ["**"]}, 201)


def moment(text):
    return datetime.fromisoformat(text).timestamp()


def rfc3339(days):
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def every(admin, **query):
    """All rows of a list, page by page."""
    rows, cursor = [], None
    while True:
        page = admin.get("/v1/tokens", cursor=cursor, **query)
        rows += page["tokens"]
        cursor = page["next"]
        if cursor is None:
            assert page["total"] == len(rows)
            return rows


# The door.


def test_a_token_is_shown_once(admin):
    before = time.time()
    response = admin.request("POST", "/v1/tokens", {
        "publish": ["stocks/**", "é"], "subscribe": ["**"], "stop": ["stocks/*"],
        "expires_in_seconds": 60, "note": "a 'feed'"})
    assert response.status == 201 and response.header("cache-control") == "no-store"
    made = response.json()
    assert list(made) == [*ROW, "token"]
    token = made.pop("token")
    assert TOKEN.fullmatch(token) and token.startswith(made["hint"]) and len(made["hint"]) == 12
    assert made["publish"] == ["stocks/**", "é"] and made["subscribe"] == ["**"]
    assert made["stop"] == ["stocks/*"]
    assert made["state"] == "active" and made["note"] == "a 'feed'" and made["revoked_at"] is None
    assert before - 1 < moment(made["created_at"]) < time.time() + 1
    assert abs(moment(made["expires_at"]) - moment(made["created_at"]) - 60) < 1
    assert admin.get(f"/v1/tokens/{made['id']}") == made
    assert made in every(admin)
    for path in [f"/v1/tokens/{made['id']}", "/v1/tokens", "/metrics", "/v1/status"]:
        assert token[12:] not in admin.request("GET", path).body.decode("utf-8")


def test_no_two_tokens_are_alike(admin):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create(admin), range(64)))
    assert len({row["token"] for row in made}) == 64
    ids = [row["id"] for row in made]
    assert len(set(ids)) == 64 and {row["id"] for row in every(admin)} >= set(ids)


def test_a_token_may_be_without_an_end(admin):
    for body in [{}, {"expires_in_seconds": None}, {"expires_at": None}]:
        made = create(admin, publish=["a"], **body)
        assert made["expires_at"] is None and made["state"] == "active" and made["subscribe"] == []


def test_an_end_may_be_a_time(admin):
    end = rfc3339(30)
    assert moment(create(admin, publish=["a"], expires_at=end)["expires_at"]) == moment(end)


def test_a_token_is_revoked_once_and_for_good(admin):
    made = create(admin)
    made.pop("token")
    revoked = admin.ok("DELETE", f"/v1/tokens/{made['id']}")
    assert revoked == made | {"state": "revoked", "revoked_at": revoked["revoked_at"]}
    assert moment(revoked["revoked_at"]) >= moment(made["created_at"])
    assert admin.ok("DELETE", f"/v1/tokens/{made['id']}") == revoked
    assert admin.get(f"/v1/tokens/{made['id']}") == revoked
    assert revoked in every(admin, state="revoked") and revoked in every(admin, state="all")
    assert revoked not in every(admin) and revoked not in every(admin, state="expired")


def test_a_token_expires_by_itself(admin):
    made = create(admin, subscribe=["a"], expires_in_seconds=1)
    assert made["state"] == "active"
    wait_for(lambda: admin.get(f"/v1/tokens/{made['id']}")["state"] == "expired", 5)
    assert time.time() >= moment(made["expires_at"])
    assert made["id"] in [row["id"] for row in every(admin, state="expired")]
    assert made["id"] not in [row["id"] for row in every(admin, state="active")]


@pytest.mark.parametrize("body, code, part", [
    ({}, "invalid_body", "at least one pattern"),
    ({"publish": [], "subscribe": []}, "invalid_body", "at least one pattern"),
    ({"publish": ["a//b"]}, "invalid_pattern", "'a//b' in 'publish' is no pattern"),
    ({"subscribe": ["a", "**/b"]}, "invalid_pattern", "'**/b' in 'subscribe' is no pattern"),
    ({"publish": "a"}, "invalid_body", "an array of strings"),
    ({"publish": ["a"] * 129}, "invalid_body", "at most 128 patterns"),
    ({"publish": ["a"], "expires_at": rfc3339(-1)}, "invalid_body", "has passed"),
    ({"publish": ["a"], "expires_at": rfc3339(3_700)}, "invalid_body", "at most ten years"),
    ({"publish": ["a"], "expires_in_seconds": 0}, "invalid_body", "from 1 to 316224000"),
    ({"publish": ["a"], "expires_in_seconds": 3_661 * DAY}, "invalid_body", "from 1 to 316224000"),
    ({"publish": ["a"], "expires_in_seconds": 1, "expires_at": rfc3339(1)}, "invalid_body", "or"),
    ({"publish": ["a"], "note": "é" * 129}, "invalid_body", "at most 256 bytes"),
    ({"publish": ["a"], "token": "ttk_mine"}, "invalid_body", "not 'token'"),
    ([], "invalid_body", "a JSON object"),
])
def test_what_makes_no_token_is_told_why(admin, body, code, part):
    total = admin.get("/v1/tokens", state="all")["total"]
    problem = check_problem(admin.request("POST", "/v1/tokens", body), 400, code)
    assert part in problem["detail"]
    assert admin.get("/v1/tokens", state="all")["total"] == total


def test_the_largest_grant_is_taken(admin):
    patterns = [f"{number:03}{'x' * 252}" for number in range(128)]
    made = create(admin, publish=patterns, subscribe=patterns, note="n" * 256)
    assert made["publish"] == patterns and made["subscribe"] == patterns


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_token_that_does_not_exist(admin, method):
    check_problem(admin.request(method, "/v1/tokens/999999"), 404, "token_not_found")
    check_problem(admin.request(method, "/v1/tokens/x"), 400, "invalid_parameter")
    check_problem(admin.request(method, "/v1/tokens/99999999999999999999"), 400,
                  "invalid_parameter")


def test_pages_have_each_token_once(start):
    admin = Admin(start())
    made = []
    for number in range(25):
        lifetime = None if number % 5 == 0 else 1_000 + (number * 7) % 10 * 1_000
        made.append(create(admin, subscribe=[f"t/{number}"], expires_in_seconds=lifetime))
    by_end = sorted(made, key=lambda row: (row["expires_at"] or "9", row["id"]))
    for sort, expected in [("id", made), ("expires", by_end)]:
        for order in ["asc", "desc"]:
            for limit in [1, 7, 25, 1_000]:
                rows = every(admin, sort=sort, order=order, limit=limit)
                ids = [row["id"] for row in expected]
                assert [row["id"] for row in rows] == (ids if order == "asc" else ids[::-1])
    first = admin.get("/v1/tokens", limit=7)
    # Those that go in between move nobody else.
    admin.ok("DELETE", f"/v1/tokens/{first['tokens'][-1]['id']}")
    second = admin.get("/v1/tokens", limit=7, cursor=first["next"])
    assert [row["id"] for row in second["tokens"]] == [row["id"] for row in made[7:14]]
    assert second["total"] == 24
    for query in [{"state": "good"}, {"sort": "note"}, {"order": "up"}, {"limit": 0},
                  {"cursor": first["next"], "sort": "expires"}, {"cursor": "x"}]:
        check_problem(admin.request("GET", "/v1/tokens", **query), 400, "invalid_parameter")
    check_problem(admin.request("GET", "/v1/tokens", pattern="a"), 400, "unknown_parameter")


def test_the_metric_counts_those_that_are_good(start):
    admin = Admin(start())

    def active():
        text = admin.request("GET", "/metrics").body.decode("utf-8")
        return float(re.search(r'^tickertape_tokens\{state="active"\} (\S+)$', text, re.M)[1])

    assert active() == 0
    made = [create(admin) for _ in range(3)]
    create(admin, publish=["a"], expires_in_seconds=1)
    wait_for(lambda: active() == 4, 5)
    admin.ok("DELETE", f"/v1/tokens/{made[0]['id']}")
    wait_for(lambda: active() == 2, 5)


# What is kept.


def test_tokens_survive_a_crash_and_stay_as_they_were(start):
    broker = start()
    admin = Admin(broker)
    made = [create(admin, publish=[f"t/{number}"], note=f"n{number}") for number in range(5)]
    revoked = admin.ok("DELETE", f"/v1/tokens/{made[1]['id']}")
    before = every(admin, state="all")
    broker.restart()
    assert every(admin, state="all") == before
    assert admin.get(f"/v1/tokens/{made[1]['id']}") == revoked
    assert create(admin)["id"] == made[-1]["id"] + 1


def test_no_file_and_no_log_has_the_text_of_a_token(start):
    broker = start()
    admin, cli = Admin(broker), CommandLine(broker.directory)
    tokens = [create(admin, publish=["a"], note="seen")["token"] for _ in range(3)]
    tokens.append(cli.run("token", "create", "--subscribe", "**").out.strip())
    for token in tokens:
        # A token where none belongs: in a path, in a query, in a body that is refused.
        for method in ["GET", "DELETE"]:
            response = admin.request(method, target(f"/v1/tokens/{token}"))
            check_problem(response, 400, "invalid_parameter")
            assert b"ttk_" not in response.body
        response = admin.request("GET", "/v1/tokens", cursor=token)
        assert response.status == 400 and b"ttk_" not in response.body
        admin.request("POST", "/v1/tokens", {"publish": [token], "expires_in_seconds": 0})
    hints = [token[:12] for token in tokens]

    def check():
        files = [path for path in broker.directory.iterdir() if path.is_file()]
        content = b"".join(path.read_bytes() for path in files)
        for token, hint in zip(tokens, hints):
            assert hint.encode() in content and token[12:].encode() not in content
            assert token[12:] not in broker.log
        return content

    check()
    assert broker.stop() == 0
    stored = check()
    for token in tokens:
        assert hashlib.sha256(token.encode()).digest() in stored


def test_what_ended_long_ago_is_gone_after_a_start(start):
    broker = start()
    admin = Admin(broker)
    ids = [create(admin)["id"] for _ in range(4)]
    broker.stop()
    now = int(time.time() * 1_000)
    for number, column, days in [(ids[0], "revoked", 31), (ids[1], "expires", 31),
                                 (ids[2], "revoked", 29)]:
        broker.sql(f"UPDATE tokens SET {column} = {now - days * DAY * 1_000} WHERE id = {number}")
    broker.start()
    assert [row["id"] for row in every(admin, state="all")] == ids[2:]
    assert create(admin)["id"] == ids[-1] + 1
    broker.stop()
    assert broker.sql("SELECT count(*) FROM tokens") == [(3,)]


# The command line.


def test_create_prints_the_token_alone(cli, admin):
    result = cli.run("token", "create", "--publish", "a/**", "--publish", "b", "--subscribe", "**",
                     "--expires", "12h", "--note", "for a test")
    assert result.code == 0
    token = result.out.removesuffix("\n")
    assert TOKEN.fullmatch(token)
    assert token not in result.err and token[:12] in result.err
    assert "a/** b" in result.err and "for a test" in result.err and "once" in result.err
    row = next(row for row in every(admin, sort="id") if row["hint"] == token[:12])
    assert f"new token {row['id']}\n" in result.err
    assert row["publish"] == ["a/**", "b"] and row["subscribe"] == ["**"]
    assert abs(moment(row["expires_at"]) - time.time() - 12 * 3_600) < 60


@pytest.mark.parametrize("options, days", [
    ([], 90), (["--expires", "30d"], 30), (["--expires", "never"], None)])
def test_how_long_a_token_is_good(cli, options, days):
    made = cli.ok("token", "create", "--subscribe", "a", *options, "--json").json()
    assert TOKEN.fullmatch(made["token"]) and list(made) == [*ROW, "token"]
    if days is None:
        assert made["expires_at"] is None
    else:
        assert abs(moment(made["expires_at"]) - moment(made["created_at"]) - days * DAY) < 60


def test_a_token_that_cannot_be_shown_can_be_revoked(cli, admin):
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(cli.arguments(["token", "create", "--subscribe", "a"]), stdout=full,
                               stderr=subprocess.PIPE, env=cli.env, timeout=30)
    assert ended.returncode == 1
    number = re.search(rb"tickertape token revoke (\d+)", ended.stderr)[1].decode()
    assert f"token {number} " in cli.ok("token", "revoke", number).out


def test_list_show_and_revoke(start):
    broker = start()
    cli = CommandLine(broker.directory)
    result = cli.run("token", "list")
    assert result.code == 0 and result.out == "" and "no tokens" in result.err
    ids = []
    for number in range(3):
        made = cli.ok("token", "create", "--publish", f"t/{number}", "--note", f"n{number}",
                      "--expires", f"{9 - number}d", "--json").json()
        ids.append(str(made["id"]))
    table = cli.ok("token", "list").rows
    assert [row["ID"] for row in table] == ids
    assert table[0]["PUBLISH"] == "t/0" and table[0]["SUBSCRIBE"] == "-"
    assert table[0]["STATE"] == "active" and table[0]["NOTE"] == "n0"
    assert re.fullmatch(r"ttk_[0-9A-Za-z]{8}…", table[0]["TOKEN"])
    assert [row["ID"] for row in cli.ok("token", "list", "--sort", "expires").rows] == ids[::-1]
    text = cli.ok("token", "show", ids[0]).out
    assert text.startswith(f"token {ids[0]}\n") and "t/0" in text and "active" in text
    assert "subscribes to  nothing" in text

    assert cli.ok("token", "revoke", ids[0]).out.startswith(f"token {ids[0]} (ttk_")
    assert "revoked" in cli.ok("token", "show", ids[0]).out
    assert [row["ID"] for row in cli.ok("token", "list").rows] == ids[1:]
    assert [row["ID"] for row in cli.ok("token", "list", "--all").rows] == ids
    assert [row["ID"] for row in cli.ok("token", "list", "--state", "revoked").rows] == ids[:1]
    document = cli.ok("token", "list", "--all", "--json").json()
    assert [str(row["id"]) for row in document["tokens"]] == ids and document["total"] == 3
    answer = cli.ok("token", "revoke", *ids[1:], "--json").json()
    assert [(str(row["id"]), row["state"]) for row in answer["revoked"]] == [
        (ids[1], "revoked"), (ids[2], "revoked")]
    shown = cli.ok("token", "show", ids[2], "--json").json()
    assert shown["state"] == "revoked" and "token" not in shown


def test_of_several_those_that_exist_are_revoked(cli, admin):
    ids = [create(admin)["id"] for _ in range(2)]
    result = cli.run("token", "revoke", ids[0], 999_998, ids[1], 999_999)
    assert result.code == 3 and len(result.out.splitlines()) == 2
    assert "999998" in result.err and "999999" in result.err
    assert {admin.get(f"/v1/tokens/{number}")["state"] for number in ids} == {"revoked"}


@pytest.mark.parametrize("arguments", [("show", 999_999), ("revoke", 999_999),
                                       ("revoke", 999_999, "--json")])
def test_a_missing_token_is_its_own_exit_code(cli, arguments):
    assert "no token has the id 999999" in cli.fails(3, "token", *arguments)


def test_nothing_of_a_token_can_move_the_cursor_of_a_terminal(cli, admin):
    create(admin, subscribe=["a\u202eb"], note="x\x1b[2J\ny")
    out = cli.ok("token", "list", "--all").out
    assert "\x1b" not in out and "\u202e" not in out and "\\u{1b}[2J\\ny" in out


def test_ids_of_tokens_are_offered_by_the_shell(cli, admin):
    made, gone = create(admin), create(admin)
    admin.ok("DELETE", f"/v1/tokens/{gone['id']}")
    script = cli.run("---completion", "token", "revoke", "--", "positional@0", "0", "0", "")
    offered = script.out.split()
    assert str(made["id"]) in offered and str(gone["id"]) not in offered


def test_the_answer_of_the_door_is_what_the_command_prints(cli, admin):
    document = json.loads(cli.ok("token", "list", "--all", "--json").out)
    assert document["tokens"] == every(admin, state="all")
