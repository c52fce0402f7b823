"""Options: on the command line, in the environment, and refused with a sentence when bad."""

import json
import os
import re
import socket
import subprocess

import pytest

from broker import CRASH_MARKS, binary


def run(*arguments, **env):
    return subprocess.run(
        [str(binary()), *arguments], capture_output=True, text=True, timeout=15,
        env={name: value for name, value in os.environ.items()
             if not name.startswith("TICKERTAPE_")} | env)


@pytest.mark.parametrize("option, value", [
    ("--port", "banana"), ("--port", "70000"), ("--port", "-1"), ("--heartbeat", "0"),
    ("--heartbeat", "-1"), ("--heartbeat", "soon"), ("--retry", "-1"), ("--max-streams", "-1"),
    ("--max-message-bytes", "0"), ("--max-message-bytes", "1e99"), ("--request-timeout", "0"),
    ("--loops", "0"), ("--log-level", "loud"), ("--log-format", "xml"), ("--queue-max-bytes", "-5"),
])
def test_a_bad_value_is_refused_with_a_sentence_that_names_its_option(tmp_path, option, value):
    done = run("serve", "--data-dir", str(tmp_path / "data"), "--port", "0", option, value)
    name = "TICKERTAPE_" + option.removeprefix("--").upper().replace("-", "_")
    by_environment = run("serve", "--data-dir", str(tmp_path / "data"),
                         **{"TICKERTAPE_PORT": "0"} | {name: value})
    for refused in (done, by_environment):
        assert refused.returncode > 0 and refused.stdout == ""
        assert option in refused.stderr or name in refused.stderr
        assert not any(mark in refused.stderr for mark in CRASH_MARKS)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("make, sentence", [
    (lambda tmp, port: ["--data-dir", tmp / "file"], "file is a file, not a folder"),
    (lambda tmp, port: ["--data-dir", tmp / "file" / "below"], "cannot be made: Not a directory"),
    (lambda tmp, port: ["--data-dir", tmp / "d", "--port", port], "Address already in use"),
    (lambda tmp, port: ["--data-dir", tmp / "d", "--port", 0, "--admin-listen",
                        f"127.0.0.1:{port}"], "Address already in use"),
    (lambda tmp, port: ["--data-dir", tmp / "d", "--port", 0, "--host", "999.1.1.1", "--open"],
     "there is no host '999.1.1.1'"),
])
def test_what_cannot_be_used_is_said_in_one_sentence(tmp_path, make, sentence):
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        arguments = make(tmp_path, busy.getsockname()[1])
        done = run("serve", *(str(argument) for argument in arguments))
    assert done.returncode == 1 and done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: tickertape cannot") and last.endswith(sentence), done.stderr
    assert "errno" not in done.stderr and "NSError" not in done.stderr


def test_an_unknown_option_and_an_unknown_command_are_refused():
    assert run("serve", "--no-such-option").returncode > 0
    assert run("fly").returncode > 0


def test_help_names_every_option_and_its_default():
    text = run("serve", "--help").stdout
    for option in ["data-dir", "host", "port", "max-message-bytes", "max-streams", "retry",
                   "heartbeat", "request-timeout", "idle-timeout", "queue-max-messages",
                   "queue-max-bytes", "loops", "log-level", "log-format", "demo"]:
        assert f"--{option}" in text, option
    for default in ("1867", "1048576", "100000", "65536", "67108864", "./tickertape-data"):
        assert default in text, default


def test_the_environment_configures_and_the_command_line_wins(start, tmp_path):
    env = {"TICKERTAPE_DATA_DIR": str(tmp_path / "elsewhere"), "TICKERTAPE_PORT": "0",
           "TICKERTAPE_MAX_MESSAGE_BYTES": "5", "TICKERTAPE_RETRY": "0.5",
           "TICKERTAPE_DEMO": "true", "TICKERTAPE_HEARTBEAT": "1"}
    own = start("--retry", "2", env=env)
    assert own.ready_directory == own.directory.resolve()
    assert own.post("a", "123456").status == 413
    assert own.request("GET", "/demo/").status == 200
    with own.follow("quiet") as stream:
        assert stream.opening().startswith(b":\n\nretry: 2000\n")
    env["TICKERTAPE_DEMO"] = "false"
    assert start(env=env).request("GET", "/demo/").status == 404


def test_logs_are_json_lines_on_request(start):
    own = start("--log-format", "json", "--log-level", "trace")
    own.publish("a", "x")
    own.stop()
    lines = [json.loads(line) for line in own.stderr]
    assert lines and all(isinstance(line, dict) for line in lines)
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert all(re.fullmatch(moment, line["time"]) for line in lines), lines[0]


def test_it_can_listen_on_ipv6(start):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    own = start("--host", "::1")
    assert own.stdout[0].startswith(f"tickertape is ready on http://[::1]:{own.port},")
    own.check_serving()
