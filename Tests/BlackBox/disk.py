"""A disk that fails on demand, by a library preloaded into the broker (`faults.c`)."""

import random
import struct
import subprocess
import threading
from pathlib import Path

from broker import Broker, topic_path

ENTRY = struct.Struct("=5Q")
SECTOR = 512


def build_library(directory):
    library = Path(directory) / "faults.so"
    subprocess.run(["gcc", "-Wall", "-Wextra", "-O1", "-shared", "-fPIC", "-o", library,
                    Path(__file__).with_name("faults.c"), "-ldl", "-lpthread"], check=True)
    return library


class FaultyDisk:
    """The directory through which the library and the test talk."""

    def __init__(self, directory, library):
        self.directory, self.library = Path(directory), library
        self.directory.mkdir()

    def broker(self, data, *options, **settings):
        env = {"TICKERTAPE_FAULTS": str(self.directory)}
        env |= {f"TICKERTAPE_FAULTS_{name.upper()}": str(value) for name, value in settings.items()}
        return Broker(data, *options, env=env, preload=self.library)

    def begin(self, fault):
        (self.directory / fault).touch()

    def end(self, fault):
        (self.directory / fault).unlink()

    @property
    def refused_calls(self):
        """The calls that were made to fail so far."""
        path = self.directory / "calls"
        return path.read_text().split() if path.exists() else []

    def cut_power(self, data, seed):
        """Undoes what was written but not synced; some of it may have reached the disk all the
        same, whole or in part, as a real disk does. Returns how many writes were undone."""
        choices, undone = random.Random(seed), 0
        for record in sorted(self.directory.glob("record-*")):
            entries = list(read_entries(record.read_bytes()))
            with open(Path(data) / record.name.removeprefix("record-"), "r+b") as file:
                for offset, size, is_truncation, before, _ in reversed(entries):
                    file.seek(offset)
                    file.write(before)
                    file.truncate(size)
                for offset, _, is_truncation, _, after in entries:
                    fate = choices.choice(("lost", "lost", "whole", "torn"))
                    undone += fate != "whole"
                    if fate == "lost":
                        continue
                    if is_truncation:
                        file.truncate(offset)
                        continue
                    if fate == "torn":
                        after = after[:choices.randrange(0, len(after) + 1, SECTOR)]
                    file.seek(offset)
                    file.write(after)
            record.unlink()
        # The index of the WAL lives in memory; after a power cut there is none.
        (Path(data) / "tickertape.db-shm").unlink(missing_ok=True)
        return undone


def read_entries(data):
    """(offset, size of the file before, is truncation, bytes before, bytes after)"""
    at = 0
    while at + ENTRY.size <= len(data):
        offset, before, after, size, is_truncation = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        if at + before + after > len(data):
            return  # The process was killed while it recorded: the write never happened.
        yield (offset, size, bool(is_truncation),
               data[at:at + before], data[at + before:at + before + after])
        at += before + after


class Hammer:
    """Publishers over connections of their own that keep what was acked and what was refused."""

    def __init__(self, broker, topics):
        self.broker = broker
        self.acked, self.refused = {}, []
        self.stopping = threading.Event()
        # Connections that broke; right only when the broker was killed.
        self.broken = []
        self.failure = None
        self.threads = [threading.Thread(target=self.run, args=(topic,), daemon=True)
                        for topic in topics]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
        assert kind or self.failure is None, self.failure

    def run(self, topic):
        count = 0
        try:
            with self.broker.connect() as connection:
                while not self.stopping.is_set():
                    text = f"{topic}:{count}:{'x' * (count * 37 % 3000)}"
                    count += 1
                    response = connection.request("POST", topic_path(topic), text.encode())
                    if response.status == 201:
                        self.acked[text] = response.json()["id"]
                    else:
                        self.refused.append((text, response))
                        self.stopping.wait(0.01)
        except OSError as error:
            self.broken.append(error)
        except Exception as error:
            self.failure = error
