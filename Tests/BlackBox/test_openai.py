"""Answers in the OpenAI format: piped in as `docs/assistants.md` says, and read out by the real client.

What is run is what stands in the document: its code is taken from there.
"""

import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import pytest

from broker import ROOT, free_port, wait_for

DOCUMENT = Path(ROOT, "docs/assistants.md").read_text()
WORDS = ["Why", " the", " sky", " is", " blue", ":\n\n", "- it", " *scatters*", " 👩🏽‍💻", " é", "\t\"quoted\"",
         " and\r\nmore", ".", " data: [DO", "NE]", "\u2028", " end"]


def code(name):
    """A file that the document shows in full."""
    return re.search(rf"<!-- file: {re.escape(name)} -->\n```\w+\n(.*?)```", DOCUMENT, re.S)[1]


class Upstream:
    """A model that streams as OpenAI does."""

    def __init__(self, words, pause=0.0):
        self.words, self.pause, self.asked, self.cuts = words, pause, [], 0
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                upstream.asked.append(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream; charset=utf-8")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                try:
                    for chunk in upstream.chunks():
                        self.wfile.write(f"data: {chunk}\n\n".encode())
                        self.wfile.flush()
                        time.sleep(upstream.pause)
                except OSError:
                    upstream.cuts += 1

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def chunks(self):
        """What is said, chunk by chunk: first the role, last the reason, the usage, and DONE."""
        def chunk(choices, **more):
            return json.dumps({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
                               "model": "m", "choices": choices, **more}, ensure_ascii=False)

        def choice(delta, reason=None):
            return [{"index": 0, "delta": delta, "finish_reason": reason}]

        yield chunk(choice({"role": "assistant", "content": ""}))
        for word in self.words:
            yield chunk(choice({"content": word}))
        yield chunk(choice({}, "stop"))
        yield chunk([], usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
        yield "[DONE]"


@pytest.fixture
def upstream():
    made = []

    def begin(*arguments, **more):
        made.append(Upstream(*arguments, **more))
        return made[-1]

    yield begin
    for one in made:
        one.server.shutdown()
        one.server.server_close()


@pytest.fixture
def endpoint(tmp_path):
    """The endpoint of the document, as a process of its own."""
    processes = []

    def begin(own):
        script = tmp_path / "openai_endpoint.py"
        script.write_text(code("openai_endpoint.py"))
        port = free_port()
        process = subprocess.Popen([sys.executable, script], stderr=subprocess.DEVNULL, env={
            **os.environ, "BROKER": f"http://127.0.0.1:{own.port}", "PORT": str(port)})
        processes.append(process)
        wait_for(lambda: _listens(port), what="the endpoint")
        return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def _listens(port):
    import socket
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def pipe(upstream, own, topic, *more):
    """The two curls of the document."""
    ask = ["curl", "-sN", f"{upstream.url}/chat/completions", "-H", "Content-Type: application/json",
           "-d", '{"model":"m","stream":true,"messages":[]}']
    put = ["curl", "-sN", "-T", "-", "-H", "Content-Type: text/event-stream", *more,
           f"http://127.0.0.1:{own.port}/topics/{topic}/messages?done=%5BDONE%5D"]
    source = subprocess.Popen(ask, stdout=subprocess.PIPE)
    sink = subprocess.Popen(put, stdin=source.stdout, stdout=subprocess.PIPE)
    source.stdout.close()
    return sink


def told(sink):
    output, _ = sink.communicate(timeout=60)
    return [json.loads(line) for line in output.splitlines()]


def has_stopped(told):
    """Told between two messages, or by the refusal of one that was on its way."""
    return told.get("reason") == "stopped" or told.get("code") == "topic_ended"


def read(client, topic):
    """The text as the real client reads it, and the chunks."""
    chunks = list(client.chat.completions.create(model=topic, messages=[], stream=True))
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), chunks


def test_a_stream_piped_in_by_curl_is_read_out_whole_by_the_real_client(start, upstream, endpoint):
    own, model = start(), upstream(WORDS)
    lines = told(pipe(model, own, "answers/7"))
    ids = [line["id"] for line in lines[:-1]]
    chunks = list(model.chunks())
    assert len(ids) == len(chunks) and ids == sorted(ids)
    assert lines[-1]["ended"]["reason"] == "ended" and lines[-1]["ended"]["last_id"] == ids[-1]
    assert [m["data"] for m in own.history("answers/7")] == chunks and chunks[-1] == "[DONE]"
    client = endpoint(own)
    for _ in range(2):
        text, got = read(client, "answers/7")
        assert text == "".join(WORDS)
        assert got[-2].choices[0].finish_reason == "stop" and got[-1].usage.total_tokens == 3
    # And as a whole, byte by byte: what came in comes out, and DONE once.
    raw = client.chat.completions.with_raw_response.create(
        model="answers/7", messages=[], stream=True).http_response.read().decode()
    assert raw == "".join(f"data: {chunk}\n\n" for chunk in chunks)


def test_it_is_read_while_it_comes_and_heartbeats_do_no_harm(start, upstream, endpoint):
    own = start("--heartbeat", 1)
    model = upstream([f"word {n} " for n in range(40)], pause=0.12)
    client = endpoint(own)
    sink = pipe(model, own, "answers/live")
    times = []
    text = ""
    for chunk in client.chat.completions.create(model="answers/live", messages=[], stream=True):
        times.append(time.monotonic())
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        if len(times) == 5:
            # What others publish moves the cursor of idle streams, by blocks without data.
            for _ in range(20):
                own.publish("elsewhere", "x")
    assert text == "".join(model.words)
    assert times[-1] - times[0] > 2
    told(sink)


def test_it_is_read_to_its_end_across_restarts_of_the_broker(start, endpoint):
    own = start()
    client = endpoint(own)
    chunks = [json.dumps({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
        {"index": 0, "delta": {"content": f"{n} "}, "finish_reason": None}]}) for n in range(9)]
    read_out = []

    def reader():
        for chunk in client.chat.completions.create(model="answers/7", messages=[], stream=True):
            read_out.append(chunk.choices[0].delta.content)
        read_out.append("over")

    threading.Thread(target=reader, daemon=True).start()
    for part, number in enumerate((signal.SIGTERM, signal.SIGKILL, None)):
        for chunk in chunks[3 * part:3 * part + 3]:
            own.publish("answers/7", chunk)
        wait_for(lambda: len(read_out) == 3 * part + 3, 20, "what was published")
        if number:
            own.restart(number)
    own.post("answers/7", "[DONE]", end="true")
    wait_for(lambda: read_out[-1] == "over", 20, "the end")
    assert read_out[:-1] == [f"{n} " for n in range(9)]
    # There is nothing more after the end, also for one that was cut just before it.
    own.restart()
    text, _ = read(client, "answers/7")
    assert text == "".join(read_out[:-1])


def test_what_cannot_be_read_is_an_error_and_not_the_end(start, endpoint):
    client = endpoint(start("--auth"))
    with pytest.raises(openai.APIError, match="401"):
        read(client, "answers/7")


def test_a_stop_ends_it_for_the_reader_and_for_curl(start, upstream, endpoint):
    own = start()
    model = upstream([f"{n} " for n in range(100_000)], pause=0.02)
    sink = pipe(model, own, "answers/stopped")
    wait_for(lambda: len(own.history("answers/stopped")) > 10)
    assert own.request("POST", "/topics/answers/stopped/stop", b"").status == 200
    lines = told(sink)
    assert has_stopped(lines[-1].get("error") or lines[-1]["ended"]), lines[-1]
    text, _ = read(endpoint(own), "answers/stopped")
    messages = [json.loads(m["data"]) for m in own.history("answers/stopped")]
    assert text == "".join(c["choices"][0]["delta"]["content"] for c in messages)
    wait_for(lambda: model.cuts == 1, 20, "the end of the model")


def test_sent_again_from_its_beginning_it_is_stored_once(start, upstream, endpoint):
    own, model = start(), upstream(WORDS)
    first = told(pipe(model, own, "answers/again", "-H", "Idempotency-Key: 7"))
    again = told(pipe(model, own, "answers/again", "-H", "Idempotency-Key: 7"))
    ids = [line["id"] for line in first if "id" in line]
    assert [line["id"] for line in again if "id" in line] == ids
    assert all(line["repeated"] for line in again if "id" in line)
    assert [m["id"] for m in own.history("answers/again")] == ids


@pytest.fixture
def answer(tmp_path):
    script = tmp_path / "answer.py"
    script.write_text(code("answer.py"))
    return runpy.run_path(str(script))["answer"]


def test_the_backend_in_python_publishes_what_its_model_says(start, upstream, answer):
    own, model = start(), upstream(WORDS)
    client = openai.OpenAI(base_url=model.url, api_key="none", max_retries=0)
    for _ in range(2):
        assert answer("Why?", "answers/7", client=client, port=own.port) is None
        assert [m["data"] for m in own.history("answers/7")] == WORDS
    assert model.asked[0]["messages"][0]["content"] == "Why?" and model.asked[0]["stream"]
    assert own.page("answers/7")["end"]["reason"] == "ended"


def test_the_backend_in_python_learns_of_a_stop(start, upstream, answer):
    own = start()
    model = upstream([f"{n} " for n in range(100_000)], pause=0.02)
    client = openai.OpenAI(base_url=model.url, api_key="none", max_retries=0)
    results = []
    backend = threading.Thread(target=lambda: results.append(
        answer("Why?", "answers/7", client=client, port=own.port)), daemon=True)
    backend.start()
    wait_for(lambda: len(own.history("answers/7")) > 10)
    assert own.request("POST", "/topics/answers/7/stop", b"").status == 200
    backend.join(20)
    assert results and has_stopped(results[0]), results
    wait_for(lambda: model.cuts == 1, 20, "the end of the model")


def test_a_long_answer_does_not_wait_for_itself(start, upstream, answer):
    own, model = start(), upstream([f"word {n} " * 3 for n in range(20_000)])
    client = openai.OpenAI(base_url=model.url, api_key="none", max_retries=0)
    assert answer("Why?", "answers/long", client=client, port=own.port) is None
    assert [m["data"] for m in own.history("answers/long")] == model.words


# The module for Node, with a model that says so many words of so many characters.

MODEL = """export default class {
  chat = { completions: { create: async () => {
    const controller = new AbortController();
    const { WORDS, SIZE, PAUSE } = process.env;
    const pieces = async function* () {
      for (let n = 0; n < Number(WORDS); n += 1) {
        if (controller.signal.aborted) return;
        yield { choices: [{ delta: { content: `word ${n} `.padEnd(Number(SIZE)) } }] };
        await new Promise((done) => setTimeout(done, Number(PAUSE)));
      }
    };
    return { controller, [Symbol.asyncIterator]: pieces };
  } } };
}
"""
RUN = """import { answer } from "./answer.mjs";
const refused = await answer("Why?", "answers/7");
console.log(refused === undefined ? "whole" : refused instanceof Error ? refused.message : refused.code ?? refused.reason);
"""


@pytest.fixture
def node_answer(tmp_path):
    """The module of the document, as a process of its own."""
    if not shutil.which("node"):
        pytest.skip("no node")
    module = tmp_path / "node_modules/openai"
    module.mkdir(parents=True)
    (module / "package.json").write_text('{"name":"openai","type":"module","main":"index.js"}')
    (module / "index.js").write_text(MODEL)
    (tmp_path / "answer.mjs").write_text(code("answer.mjs"))
    (tmp_path / "run.mjs").write_text(RUN)
    processes = []

    def begin(own, words, size=8, pause=0):
        processes.append(subprocess.Popen(
            ["node", tmp_path / "run.mjs"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "BROKER": f"http://127.0.0.1:{own.port}", "WORDS": str(words),
                 "SIZE": str(size), "PAUSE": str(pause)}))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def result(process):
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    return output.strip()


def test_the_backend_in_node_publishes_what_its_model_says(start, node_answer):
    own = start()
    for _ in range(2):
        assert result(node_answer(own, 300)) == "whole"
        assert [m["data"] for m in own.history("answers/7")] == [f"word {n} ".ljust(8) for n in range(300)]
    assert own.page("answers/7", limit=1000)["end"]["reason"] == "ended"


@pytest.mark.parametrize("size, pause", [(8, 10), (60_000, 0)])
def test_the_backend_in_node_learns_of_a_stop(start, node_answer, size, pause):
    own = start()
    process = node_answer(own, 1_000_000, size, pause)
    wait_for(lambda: len(own.page("answers/7", limit=20)["messages"]) > 10)
    assert own.request("POST", "/topics/answers/7/stop", b"").status == 200
    assert result(process) in ("stopped", "topic_ended")


def test_the_backend_in_node_says_that_it_was_refused(start, node_answer):
    own = start("--auth")
    assert result(node_answer(own, 30)).startswith("401 ")


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP])
def test_the_backend_in_node_outlives_the_broker(start, node_answer, first):
    own = start()
    process = node_answer(own, 1_000_000, 60_000 if first == signal.SIGSTOP else 600, 1)
    wait_for(lambda: len(own.page("answers/7", limit=20)["messages"]) > 10)
    own.process.send_signal(first)
    if first == signal.SIGSTOP:
        # Its write does not get through any more.
        time.sleep(1)
        own.kill()
    assert result(process) not in ("whole", "")
