"""Runs the real command line: as programs do, over pipes, and as people do, on a terminal."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading

from broker import binary, wait_for

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Result:
    """How a command ended, and what it said."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}\nout: {self.out[:2000]}\nerr: {self.err[:2000]}"

    def json(self):
        """The one document on standard output; nothing else may be there."""
        assert self.code == 0, self
        return json.loads(self.out)

    @property
    def rows(self):
        """The cells of a table, by the names in its header."""
        header, *lines = self.out.splitlines()
        names = re.split(r"\s{2,}", header.strip())
        return [dict(zip(names, re.split(r"\s{2,}", line.strip()))) for line in lines]


class CommandLine:
    """The commands, towards one data directory or URL."""

    def __init__(self, directory=None, **env):
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith("TICKERTAPE_") and name != "NO_COLOR"}
        self.env["TERM"] = "xterm-256color"
        if directory:
            self.env["TICKERTAPE_DATA_DIR"] = str(directory)
        self.env |= {name: str(value) for name, value in env.items()}

    def arguments(self, arguments):
        return [str(binary()), *(str(argument) for argument in arguments)]

    def run(self, *arguments, input=b"", timeout=60, cwd=None):
        data = input.encode("utf-8") if isinstance(input, str) else input
        ended = subprocess.run(self.arguments(arguments), input=data, capture_output=True,
                               env=self.env, timeout=timeout, cwd=cwd)
        return Result(ended.returncode, ended.stdout.decode("utf-8"), ended.stderr.decode("utf-8"))

    def ok(self, *arguments, **more):
        """What a command prints that must succeed and complain about nothing."""
        result = self.run(*arguments, **more)
        assert result.code == 0 and not result.err, result
        return result

    def fails(self, code, *arguments, **more):
        """The complaint of a command that must fail: sentences on standard error, nothing else."""
        result = self.run(*arguments, **more)
        assert result.code == code, result
        assert result.out == "", result
        assert result.err and "Swift" not in result.err and "Error(" not in result.err, result
        return result.err

    def spawn(self, *arguments, stdin=subprocess.DEVNULL):
        return Running(self.arguments(arguments), self.env, stdin)

    def terminal(self, *arguments, columns=100, rows=30, **env):
        return Terminal(self.arguments(arguments), self.env | env, columns, rows)


class Running:
    """A command that goes on, with its lines as they come."""

    def __init__(self, arguments, env, stdin):
        self.process = subprocess.Popen(
            arguments, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="strict")
        self.lines, self.complaints = [], []
        self.collectors = [
            threading.Thread(target=lines.extend, args=(pipe,), daemon=True)
            for lines, pipe in ((self.lines, self.process.stdout),
                                (self.complaints, self.process.stderr))]
        for collector in self.collectors:
            collector.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def wait_lines(self, count, timeout=20):
        wait_for(lambda: len(self.lines) >= count or self.process.poll() is not None, timeout,
                 f"{count} lines, there are {len(self.lines)}: {self.complaints}")
        return self.lines[:count]

    def wait_complaint(self, part, timeout=20):
        return wait_for(lambda: next((line for line in self.complaints if part in line), None),
                        timeout, f"'{part}' in {self.complaints}")

    def wait(self, timeout=20):
        code = self.process.wait(timeout)
        for collector in self.collectors:
            collector.join(5)
        return code


class Terminal:
    """A command on a terminal of its own; all that it writes is kept."""

    def __init__(self, arguments, env, columns, rows):
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.output = b""
        self.process = subprocess.Popen(
            arguments, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self.slave)
        self.reader.join(5)
        os.close(self.master)

    def read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # All other ends are closed.
                return
            self.output += data

    @property
    def text(self):
        return self.output.decode("utf-8", "replace")

    @property
    def plain(self):
        """Without what only the terminal sees."""
        return ESCAPE.sub("", self.text)

    @property
    def frame(self):
        """The last whole frame of a screen, line by line."""
        frames = self.text.split("\x1b[H")
        complete = [frame for frame in frames[1:] if "\x1b[J" in frame]
        return ESCAPE.sub("", complete[-1].split("\x1b[J")[0]).split("\r\n") if complete else []

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode("utf-8"))

    def wait_for(self, part, timeout=20):
        wait_for(lambda: part in self.plain, timeout, f"'{part}' in {self.plain[-2000:]!r}")

    def wait_frame(self, condition, timeout=20):
        wait_for(lambda: self.frame and condition(self.frame), timeout, f"a frame: {self.frame}")
        return self.frame

    def wait(self, timeout=20):
        return self.process.wait(timeout)

    @property
    def is_as_before(self):
        return termios.tcgetattr(self.slave) == self.before
