"""What the command line says when something is wrong: a sentence that says what to do, and a code."""

import os
import re
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from broker import free_port, wait_for
from cli import CommandLine

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """A broker whose door is on TCP, too: its broker and its URL."""
    from broker import Broker
    port = free_port()
    running = Broker(tmp_path_factory.mktemp("remote"), "--admin-listen", f"127.0.0.1:{port}",
                     env={"TICKERTAPE_ADMIN_TOKEN": TOKEN}).start()
    yield running, f"http://127.0.0.1:{port}"
    running.kill()


EVERY_COMMAND = [
    ["status"], ["top", "--once"], ["topic", "list"], ["topic", "show", "a"],
    ["topic", "create", "a"], ["topic", "delete", "a", "--yes"],
    ["topic", "purge", "a", "--before", "5", "--yes"], ["policy", "list"],
    ["policy", "set", "a", "--max-age", "1d"], ["policy", "remove", "a"],
    ["policy", "explain", "a"], ["publish", "a", "x"], ["publish", "a", "--lines"],
    ["tail", "a"], ["subscriber", "list"], ["subscriber", "disconnect", "1"],
]


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_no_broker(tmp_path, command):
    (tmp_path / "tickertape-data").mkdir()
    error = CommandLine().fails(2, *command, cwd=tmp_path)
    assert error == (
        "tickertape: no broker is running on ./tickertape-data (there is no admin.sock); "
        "start one with: tickertape serve --data-dir ./tickertape-data\n")


def test_no_such_folder(tmp_path):
    error = CommandLine().fails(2, "status", cwd=tmp_path)
    assert "no broker is running on ./tickertape-data (there is no such folder)" in error
    assert "is no" in CommandLine(tmp_path / "none" / "there").fails(2, "status")


def test_a_socket_that_was_left_behind(start):
    broker = start()
    cli = CommandLine(broker.directory)
    cli.ok("status")
    broker.process.send_signal(signal.SIGKILL)
    broker.wait()
    assert "was left behind" in cli.fails(2, "status")
    assert "was left behind" in cli.fails(2, "tail", "a")
    broker.start()
    cli.ok("status")


def test_a_file_is_no_data_directory(tmp_path):
    (tmp_path / "file").write_text("")
    assert "file is a file; --data-dir is the folder" in CommandLine(tmp_path / "file").fails(
        2, "status")


def test_what_is_missing_is_said_once(broker, topic):
    error = CommandLine(broker.directory).fails(3, "topic", "show", topic)
    assert error == f"tickertape: there is no topic '{topic}'\n"


def test_what_is_no_socket(tmp_path):
    (tmp_path / "admin.sock").write_text("")
    assert "is no socket" in CommandLine(tmp_path).fails(2, "status")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become someone else")
def test_no_permission(start):
    broker = start()
    cli = CommandLine(broker.directory)

    def run_as_nobody():
        return subprocess.run(
            cli.arguments(["status"]), env=cli.env, capture_output=True, text=True,
            preexec_fn=lambda: os.setuid(65534))

    try:
        ended = run_as_nobody()
    except PermissionError:
        pytest.skip("the binary cannot be run by others here")
    assert ended.returncode == 2 and "no permission" in ended.stderr, ended


def test_a_data_directory_with_a_long_name(start, tmp_path):
    directory = tmp_path / ("long-" * 20) / ("name-" * 20)
    broker = start(directory=directory)
    cli = CommandLine(broker.directory)
    cli.ok("publish", "a", "x")
    assert cli.ok("status", "--json").json()["log"]["messages"] == 1
    cli.ok("tail", "a", "--after", 0, "--count", 1)


def test_a_data_directory_with_an_odd_name(start, tmp_path):
    broker = start(directory=tmp_path / "dä ta%2F?#")
    CommandLine(broker.directory).ok("publish", "a", "x")


def test_the_token(remote, tmp_path):
    broker, url = remote
    for name in ("TICKERTAPE_ADMIN_TOKEN", "none"):
        env = {name: "wrong"}
        error = CommandLine(**env).fails(1, "status", "--url", url)
        assert "token" in error and "--token-file" in error and "wrong" not in error
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    CommandLine().ok("status", "--url", url, "--token-file", file)
    CommandLine().ok("status", "--url", url, "--token", TOKEN)
    CommandLine(TICKERTAPE_URL=url, TICKERTAPE_ADMIN_TOKEN=TOKEN).ok("status")
    CommandLine(TICKERTAPE_URL=url, TICKERTAPE_ADMIN_TOKEN_FILE=file).ok("status")
    assert "cannot be read" in CommandLine().fails(1, "status", "--url", url, "--token-file",
                                                   tmp_path / "none")
    CommandLine(broker.directory, TICKERTAPE_ADMIN_TOKEN="wrong").ok("status")


def test_everything_works_over_tcp(remote):
    _, url = remote
    cli = CommandLine(TICKERTAPE_URL=url, TICKERTAPE_ADMIN_TOKEN=TOKEN)
    cli.ok("publish", "tcp/a", "--lines", input="one\ntwo\n")
    assert len(cli.ok("tail", "tcp/*", "--after", 0, "--no-follow").out.splitlines()) == 2
    cli.ok("policy", "set", "tcp/*", "--max-messages", 5)
    cli.ok("topic", "delete", "tcp/a", "--yes")
    cli.ok("top", "--once")


@pytest.mark.parametrize("arguments", [
    ["--help"], ["status", "--help"], ["help", "publish"], ["nonsense"], ["status", "nonsense"],
    ["topic", "list", "--limit", "x"], ["--generate-completion-script", "bash"],
])
def test_the_token_is_never_shown(remote, arguments):
    _, url = remote
    cli = CommandLine(TICKERTAPE_URL=url, TICKERTAPE_ADMIN_TOKEN=TOKEN)
    result = cli.run(*arguments)
    assert TOKEN not in result.out + result.err and result.code in (0, 64)


def test_wrong_addresses(remote, start):
    broker, _ = remote
    cli = CommandLine()
    assert "refuses connections" in cli.fails(2, "status", "--url", f"http://127.0.0.1:{free_port()}")
    assert "no host" in cli.fails(2, "status", "--url", "http://no-such-host.invalid:1868")
    tls = cli.fails(2, "status", "--url", remote[1].replace("http:", "https:"))
    assert "does not speak TLS; use http://" in tls and ".c" not in tls
    assert "http://" in cli.fails(64, "status", "--url", "localhost:1868")
    assert "--token-file" in cli.fails(64, "status", "--url", "http://u:secret@localhost:1868")
    public = f"http://127.0.0.1:{broker.port}"
    assert "public port" in cli.fails(1, "status", "--url", public)
    assert "public port" in cli.fails(1, "tail", "a", "--url", public)


class Stranger(BaseHTTPRequestHandler):
    """Another server than a broker."""

    answer = (200, b"<html>hello</html>")

    def do_GET(self):
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("answer, code, part", [
    ((200, b"<html>hello</html>"), 1, "different versions"),
    ((200, b"{}"), 1, "different versions"),
    ((404, b"<html>nothing</html>"), 2, "not as the admin door"),
    ((502, b""), 2, "not as the admin door"),
    ((404, b'{"status":404,"code":"not_found","title":"t"}'), 1, "older broker"),
    ((500, b'{"status":500,"code":"internal_error","title":"Broken","detail":"a\\u001b[2Jb"}'), 1,
     "Broken: a\\u{1b}[2Jb"),
])
def test_other_servers(answer, code, part):
    handler = type("Handler", (Stranger,), {"answer": answer})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        assert part in CommandLine().fails(code, "status", "--url", url)
    finally:
        server.shutdown()
        server.server_close()


def test_wrong_usage_is_64():
    cli = CommandLine()
    for arguments in (["nonsense"], ["topic", "nonsense"], ["topic", "show"], ["tail"],
                      ["status", "--data-dir", "a", "--url", "http://b"]):
        assert "Usage:" in cli.fails(64, *arguments)


def test_the_version():
    assert re.fullmatch(r"tickertape \d+\.\d+\.\d+\n", CommandLine().ok("--version").out)


def test_help_names_every_command():
    cli = CommandLine()
    text = cli.ok("--help").out
    for name in ("serve", "status", "top", "tail", "publish", "topic", "policy", "token", "subscriber"):
        assert f"  {name} " in text
    for command in (["topic"], ["policy"], ["token"], ["subscriber"], ["publish"], ["tail"],
                    ["top"]):
        assert "USAGE: tickertape" in cli.ok(*command, "--help").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell, tmp_path):
    script = CommandLine().ok("--generate-completion-script", shell).out
    assert "subscriber" in script and "--max-age" in script or "max-age" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_bash_offers_the_names_of_topics(broker, tmp_path):
    cli = CommandLine(broker.directory)
    for name in ("offer/stocks/AAPL", "offer/stocks/MSFT", "offer/news", "offer/with space"):
        broker.publish(name, "x")
    script = cli.ok("--generate-completion-script", "bash").out
    # The script calls `tickertape`, whatever the binary under test is called.
    (tmp_path / "tickertape").symlink_to(cli.arguments([])[0])

    def offers(*words):
        line = " ".join(words)
        program = (f"{script}\nexport PATH={tmp_path}:$PATH\n"
                   f"COMP_LINE='{line}'; COMP_POINT={len(line)}\n"
                   f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
                   "_tickertape tickertape \"${COMP_WORDS[COMP_CWORD]}\" x\n"
                   "printf '%s\\n' \"${COMPREPLY[@]}\"\n")
        ended = subprocess.run(["bash", "-c", program], env=cli.env, capture_output=True,
                               text=True, timeout=20)
        return ended.stdout.split()

    assert offers("tickertape", "topic", "show", "offer/st") == [
        "offer/stocks/AAPL", "offer/stocks/MSFT"]
    assert "offer/stocks/*" in offers("tickertape", "tail", "offer/stocks/")
    assert "show" in offers("tickertape", "topic", "sh")
    broker.check_alive()


def test_completion_without_a_broker_offers_nothing(tmp_path):
    result = CommandLine(tmp_path).run("---completion", "topic", "show", "--", "topic", "0", "0", "a")
    assert result.out.strip() == "" and "tickertape:" not in result.err


def test_a_command_answers_quickly(broker):
    """Where a second is felt: the whole command, with its start."""
    cli = CommandLine(broker.directory)
    import time
    seconds = []
    for _ in range(5):
        started = time.monotonic()
        cli.ok("status")
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 0.3
    wait_for(lambda: broker.is_healthy)
