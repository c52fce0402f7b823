// A seeded walk: a broker that fails in every way it can, and a reader that must see each message once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../Sources/TickertapeServer/Client/tickertape.js";
import { block, END, Random, Scripted } from "./support.mjs";

const MESSAGES = 60;

/** The whole log, of which some ids are of other topics. */
function makeLog(random) {
  const log = [];
  for (let id = 1; log.length < MESSAGES; id += 1 + random.below(3)) {
    log.push({ id, data: random.below(5) ? `m${id} é😀\nx` : "" });
  }
  return log;
}

/** One answer: what is left of the log, cut anywhere, or one of the ways to say no. */
function answerTo(random, log) {
  return async (answer, { headers }) => {
    const after = Number(headers["last-event-id"] ?? 0);
    const bytes = Buffer.from(log.filter(({ id }) => id > after)
      .map(({ id, data }) => (random.below(6) ? "" : `id: ${id - 1}\n\n`) + block(id, data)).join("") + END(log.at(-1).id));
    const kind = random.below(12);
    if (kind === 0) return answer.problem(random.of([500, 502, 503, 429]), "passing");
    if (kind === 1) return answer.response.destroy();
    if (kind === 2) return answer.problem(503, "draining", { "retry-after": "0" });
    if (kind === 3) return answer.stream("", 1).end();
    answer.stream("", random.below(4));
    // Repeats of what was sent are a proxy's fault, and no reason to tell twice.
    if (kind === 4) answer.write(log.filter(({ id }) => id <= after).slice(-3).map(({ id, data }) => block(id, data)).join(""));
    const end = kind < 11 ? Math.min(bytes.length, random.below(400)) : bytes.length;
    for (let start = 0; start < end;) {
      const size = 1 + random.below(random.below(2) ? 5 : 300);
      answer.write(bytes.subarray(start, Math.min(end, start + size)));
      start += size;
      if (random.below(3) === 0) await new Promise(setImmediate);
    }
    return end === bytes.length || kind % 2 ? answer.end() : answer.cut();
  };
}

test("whatever fails, and wherever: every message once and in order, then the end", async () => {
  const random = new Random();
  for (let round = 0; round < 25; round += 1) {
    const log = makeLog(random);
    const server = await Scripted.start(answerTo(random, log));
    try {
      const connection = connect({ url: server.url, topics: "t", after: 0,
        bufferedMessagesMax: 1 + random.below(20), backoff: { min: 0, max: 2 }, heartbeatSeconds: 2 });
      const found = [];
      for await (const { id, data } of connection) {
        found.push({ id, data });
        // Never before what was given out, never behind what was not.
        assert.ok(connection.lastId >= id, random.toString());
        assert.ok(connection.lastId < (log[found.length]?.id ?? Infinity), random.toString());
        if (random.below(8) === 0) await new Promise(setImmediate);
      }
      assert.deepEqual(found, log, random.toString());
      assert.deepEqual(await connection.closed, { reason: "ended", topic: "t", last_id: log.at(-1).id });
    } finally {
      await server.close();
    }
  }
});
