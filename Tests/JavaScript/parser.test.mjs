// The parser against golden streams: every corner of WHATWG HTML §9.2.6, cut at every byte and at random.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EventStreamParser, parseEventStream } from "../../Sources/TickertapeServer/Client/tickertape.js";
import { Random } from "./support.mjs";

const e = (data, event = "message", id = "") => ({ event, data, id });
const at = (id) => ({ id });
const retry = (milliseconds) => ({ retry: milliseconds });

/** [what it shows, the stream, what it says] */
const GOLDEN = [
  ["an event", "data: a\n\n", [e("a")]],
  ["two events", "data: a\n\ndata: b\n\n", [e("a"), e("b")]],
  ["line ends LF, CR and CRLF", "data: a\n\ndata: b\r\rdata: c\r\n\r\n", [e("a"), e("b"), e("c")]],
  ["line ends that are mixed", "data: a\r\ndata: b\rdata: c\n\r", [e("a\nb\nc")]],
  ["LF and CR are two line ends", "data: a\n\rdata: b\n\r", [e("a"), e("b")]],
  ["one byte order mark is dropped", "\uFEFFdata: a\n\n", [e("a")]],
  ["the second spoils its field", "\uFEFF\uFEFFdata: a\ndata: b\n\n", [e("b")]],
  ["one inside is data", "data: a\uFEFFb\n\n", [e("a\uFEFFb")]],
  ["a comment is nothing", ": hi\n:\n::data: x\ndata: a\n\n", [e("a")]],
  ["a comment does not end an event", "data: a\n: hi\ndata: b\n\n", [e("a\nb")]],
  ["one leading space is removed", "data:a\ndata: b\ndata:  c\ndata:\td\n\n", [e("a\nb\n c\n\td")]],
  ["a field without a colon has an empty value", "data\n\ndata\ndata\n\n", [e(""), e("\n")]],
  ["an empty value is data", "data:\n\ndata: \n\n", [e(""), e("")]],
  ["a colon in a value stays", "data: a:b: c\n\n", [e("a:b: c")]],
  ["names are case sensitive, others unknown", "Data: a\ndatas: b\n data: c\nfoo\ndata : d\ndata: e\n\n",
    [e("e")]],
  ["an event name", "event: add\ndata: 1\n\ndata: 2\n\n", [e("1", "add"), e("2")]],
  ["the last event name wins, the empty one is none", "event: a\nevent: b\ndata: 1\n\nevent: a\nevent:\ndata: 2\n\n",
    [e("1", "b"), e("2")]],
  ["an event name without data is forgotten", "event: add\n\ndata: 1\n\n", [e("1")]],
  ["an id stays", "id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n",
    [e("a", "message", "1"), e("b", "message", "1"), e("c", "message", "2")]],
  ["an id without data is kept and told", "id: 7\n\ndata: a\n\n", [at("7"), e("a", "message", "7")]],
  ["the same id again is not told", "id: 7\n\nid: 7\n\n", [at("7")]],
  ["an empty id resets", "id: 1\ndata: a\n\nid\ndata: b\n\n", [e("a", "message", "1"), e("b")]],
  ["an empty id without data resets", "id: 1\ndata: a\n\nid:\n\n", [e("a", "message", "1"), at("")]],
  ["an id with U+0000 is ignored", "id: 1\ndata: a\n\nid: 2\0 3\ndata: b\n\n",
    [e("a", "message", "1"), e("b", "message", "1")]],
  ["an id may be any text", "id: ä b:c\ndata: a\n\n", [e("a", "message", "ä b:c")]],
  ["a reconnection time", "retry: 1000\n\ndata: a\n\n", [retry(1000), e("a")]],
  ["a reconnection time in an event", "data: a\nretry: 5\n\n", [retry(5), e("a")]],
  ["a bad reconnection time is ignored", "retry: 1000x\nretry: -1\nretry: 1.5\nretry:\nretry: ١\nretry:  7\n\n", []],
  ["the last event is not closed", "data: a\n\nid: 9\ndata: b\n", [e("a")]],
  ["the last line is not closed", "data: a\n\nid: 9\ndata: b", [e("a")]],
  ["an id that is not closed does not count", "data: a\n\nid: 9", [e("a")]],
  ["many empty lines", "\n\n\r\n\r\ndata: a\n\n\n\n\n", [e("a")]],
  ["nothing", "", []],
  ["U+0000 and U+2028 are data", "data: a\0b\u2028c\u0085d\u000Be\n\n", [e("a\0b\u2028c\u0085d\u000Be")]],
  ["text of all lengths in UTF-8", "event: é\ndata: é€😀\u{10FFFF}\nid: 😀\n\n", [e("é€😀\u{10FFFF}", "é", "😀")]],
  ["what the broker opens with", ":\n\nretry: 3000\nid: 1043\nevent: trade\ndata: {\ndata: }\n\n",
    [retry(3000), e("{\n}", "trade", "1043")]],
];

/** Bytes that are no UTF-8 become U+FFFD, as many as the standard says. */
const BROKEN = [
  [[0x64, 0x61, 0x74, 0x61, 0x3A, 0xFF, 0x61, 0xC3, 0x0A, 0x0A], [e("\uFFFDa\uFFFD")]],
  [[0x64, 0x61, 0x74, 0x61, 0x3A, 0xF0, 0x9F, 0x98, 0x0A, 0x0A], [e("\uFFFD")]],
];

function parse(chunks) {
  const parser = new EventStreamParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

const streams = [
  ...GOLDEN.map(([name, text, expected]) => [name, new TextEncoder().encode(text), expected]),
  ...BROKEN.map(([bytes, expected]) => ["bytes that are no UTF-8", new Uint8Array(bytes), expected]),
];

for (const [name, bytes, expected] of streams) {
  test(`golden: ${name}`, () => {
    assert.deepEqual(parse([bytes]), expected);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      assert.deepEqual(parse([bytes.subarray(0, cut), bytes.subarray(cut)]), expected, `cut at ${cut}`);
    }
    assert.deepEqual(parse([...bytes].map((byte) => Uint8Array.of(byte))), expected, "byte by byte");
  });
}

test("text is parsed like bytes, in pieces of any size", () => {
  for (const [name, text, expected] of GOLDEN) {
    assert.deepEqual(parse([text]), expected, name);
    assert.deepEqual(parse([...text]), expected, name);
  }
});

test("all golden streams in a row, in random pieces", () => {
  const random = new Random();
  const bytes = Buffer.concat(streams.map(([, stream]) => stream));
  const whole = parse([bytes]);
  assert.ok(whole.length > 40);
  for (let round = 0; round < 300; round += 1) {
    const chunks = [];
    for (let start = 0; start < bytes.length;) {
      const end = start + random.below(round % 3 === 0 ? 4 : 60);
      chunks.push(bytes.subarray(start, end));
      start = end;
    }
    assert.deepEqual(parse(chunks), whole, random.toString());
  }
});

test("random streams of a broker survive encoding, cutting and parsing", () => {
  const random = new Random();
  const alphabet = ["a", "é", "€", "😀", " ", ":", "\n", "\n", "\0", "\uFEFF", "data: ", "\u2028"];
  for (let round = 0; round < 300; round += 1) {
    const messages = Array.from({ length: 1 + random.below(6) }, (_, index) => ({
      event: random.below(2) ? "message" : "token", id: String(index + 1),
      data: Array.from({ length: random.below(12) }, () => random.of(alphabet)).join("") }));
    const lineEnd = random.of(["\n", "\r", "\r\n"]);
    const text = messages.map(({ event, data, id }) => [`id: ${id}`, `event: ${event}`,
      ...data.split("\n").map((line) => `data: ${line}`), "", ""].join(lineEnd)).join("");
    const bytes = Buffer.from(text);
    const cut = random.below(bytes.length + 1);
    assert.deepEqual(parse([bytes.subarray(0, cut), bytes.subarray(cut)]), messages, random.toString());
  }
});

test("a stream that goes on after a cut keeps the last id", () => {
  const parser = new EventStreamParser({ lastEventId: 41 });
  assert.deepEqual(parser.push("data: a\n\n"), [e("a", "message", "41")]);
});

test("a line of a mebibyte in small pieces takes no time to speak of", () => {
  const parser = new EventStreamParser();
  const piece = "x".repeat(16);
  const began = performance.now();
  parser.push("data: ");
  for (let count = 0; count < 65_536; count += 1) parser.push(piece);
  const [event] = parser.push("\n\n");
  assert.equal(event.data.length, 1_048_576);
  assert.ok(performance.now() - began < 5000);
});

test("a line without an end is refused", () => {
  const parser = new EventStreamParser();
  const piece = "x".repeat(8 * 1024 * 1024);
  assert.throws(() => { for (let count = 0; count < 9; count += 1) parser.push(piece); },
    { name: "TickertapeError", code: "event_too_large" });
});

test("lines of nothing are an event too large as well", () => {
  const parser = new EventStreamParser();
  const most = 64 * 1024 * 1024;
  const lines = "data\n".repeat(1024 * 1024);
  parser.push(`data: ${"x".repeat(most - 1024 * 1024 - 1)}\n`);
  parser.push(lines); // As many characters as there may be: each line end is one.
  assert.throws(() => parser.push("data\n"), { name: "TickertapeError", code: "event_too_large" });
});

test("parseEventStream reads responses, streams and iterables, and lets go of them", async () => {
  const text = "retry: 1\nid: 1\n\ndata: a\n\nevent: b\ndata: c\n\n";
  const expected = [e("a", "message", "1"), e("c", "b", "1")];
  const all = async (source, options) => {
    const found = [];
    for await (const event of parseEventStream(source, options)) found.push(event);
    return found;
  };
  assert.deepEqual(await all(new Response(text)), expected);
  assert.deepEqual(await all(new Response(text).body), expected);
  assert.deepEqual(await all([text.slice(0, 9), text.slice(9)]), expected);
  assert.deepEqual(await all([text], { cursors: true }), [retry(1), at("1"), ...expected]);

  let isCancelled = false;
  const endless = new ReadableStream({
    pull(controller) { controller.enqueue(new TextEncoder().encode("data: a\n\n")); },
    cancel() { isCancelled = true; },
  });
  for await (const event of parseEventStream(endless)) { assert.equal(event.data, "a"); break; }
  assert.ok(isCancelled);
});
