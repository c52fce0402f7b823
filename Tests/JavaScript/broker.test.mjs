// The client against the real broker (TICKERTAPE_BIN): killed, drained, overloaded, behind proxies that
// buffer and cut. Every message arrives once, in order.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { connect, publish } from "../../Sources/TickertapeServer/Client/tickertape.js";
import { Broker, BufferingProxy, CuttingProxy, Random, until } from "./support.mjs";

const skip = Broker.isThere ? false : "TICKERTAPE_BIN names no broker";
const hasNginx = (() => {
  try { execFileSync("nginx", ["-v"], { stdio: "ignore" }); return true; } catch { return false; }
})();

let broker;
let topicNumber = 0;
before(async () => { if (!skip) broker = await Broker.start("--retry", "0.05", "--heartbeat", "1"); });
after(() => broker?.close());

const newTopic = () => `javascript/${topicNumber += 1}`;
const QUICK = { backoff: { min: 20, max: 200 } };

/** Publishes `count` messages while `also` happens in their midst; what was acknowledged, in order. */
async function publishAll(topic, count, also = async () => {}, url = broker.url) {
  const acknowledged = [];
  let other;
  for (let number = 0; number < count; number += 1) {
    if (number === Math.floor(count / 3)) other = also();
    const data = `${number} é€😀`;
    const { id } = await publish({ url, topic, data, retries: 50, ...QUICK });
    acknowledged.push({ id, data });
  }
  await other;
  return acknowledged;
}

/** A connection whose messages are kept. */
function reader(options) {
  const found = [];
  const connection = connect({ url: broker.url, ...QUICK, onMessage: ({ id, data }) => { found.push({ id, data }); },
    ...options });
  return { connection, found };
}

async function expectAll({ connection, found }, expected) {
  await until(() => found.length >= expected.length, `${expected.length} messages`, 30_000);
  connection.close();
  assert.deepEqual(found, expected);
  assert.deepEqual(await connection.closed, { reason: "closed" });
}

for (const transport of ["auto", "fetch", "poll"]) {
  test(`every message once, over ${transport}: live, from the beginning, in the middle`, { skip }, async () => {
    const topic = newTopic();
    const first = await publishAll(topic, 5);
    const live = reader({ topics: topic, transport });
    const whole = reader({ topics: topic, transport, after: 0 });
    const middle = reader({ topics: topic, transport, after: first[2].id });
    await until(() => live.connection.state === "open");
    const second = await publishAll(topic, 20);
    await expectAll(live, second);
    await expectAll(whole, [...first, ...second]);
    await expectAll(middle, [...first.slice(3), ...second]);
  });
}

test("a broker that is killed with -9 and started again", { skip }, async () => {
  const topic = newTopic();
  const live = reader({ topics: ["javascript/none", topic] });
  const polled = reader({ topics: topic, transport: "poll" });
  await until(() => live.connection.state === "open" && polled.connection.state === "open");
  const sent = await publishAll(topic, 120, async () => {
    await broker.restart("SIGKILL");
    await broker.restart("SIGKILL");
  });
  await expectAll(live, sent);
  await expectAll(polled, sent);
});

test("a broker that drains says when to come back", { skip }, async () => {
  const topic = newTopic();
  const waits = [];
  const live = reader({ topics: topic, onState: (state, more) => {
    if (state === "waiting") waits.push(more.retryInMilliseconds);
  } });
  await until(() => live.connection.state === "open");
  const sent = await publishAll(topic, 60, () => broker.restart("SIGTERM"));
  await expectAll(live, sent);
  assert.ok(waits[0] >= 1000 && waits[0] <= 6250, `it waits ${waits}`);
});

test("a broker with one place serves the second when the first has left", { skip, timeout: 60_000 }, async () => {
  const small = await Broker.start("--max-streams", "1");
  try {
    const topic = newTopic();
    const first = reader({ url: small.url, topics: topic });
    await until(() => first.connection.state === "open");
    const waits = [];
    const second = reader({ url: small.url, topics: topic, after: 0, onState: (state, more) => {
      if (state === "waiting") waits.push(more.retryInMilliseconds);
    } });
    await until(() => waits.length > 0);
    assert.ok(waits[0] >= 5000, "it comes back when it is told to");
    const sent = await publishAll(topic, 5, undefined, small.url);
    await expectAll(first, sent);
    await expectAll(second, sent);
  } finally {
    await small.close();
  }
});

test("a network that cuts connections anywhere", { skip }, async () => {
  const random = new Random();
  const proxy = await CuttingProxy.start(broker.port, random, 3000, 40);
  try {
    const topic = newTopic();
    const sent = await publishAll(topic, 300);
    const fetched = reader({ url: proxy.url, topics: topic, after: 0 });
    const polled = reader({ url: proxy.url, topics: topic, after: 0, transport: "poll" });
    await until(() => fetched.found.length > 10, "the first messages", 30_000);
    sent.push(...await publishAll(topic, 50));
    await expectAll(fetched, sent);
    await expectAll(polled, sent);
    assert.ok(proxy.cuts > 5, `${proxy.cuts} cuts, ${random}`);
  } finally {
    await proxy.close();
  }
});

test("behind an nginx that buffers, history takes over", { skip: skip || (!hasNginx && "there is no nginx") }, async () => {
  const proxy = await BufferingProxy.start(broker.port);
  try {
    const topic = newTopic();
    const sent = await publishAll(topic, 10);
    const environment = { WebSocket: undefined };
    const options = { url: proxy.url, topics: topic, heartbeatSeconds: 1, environment };
    const held = reader({ ...options, after: 0 });
    const live = reader(options);
    await until(() => live.connection.transport === "poll" && live.connection.state === "open");
    const later = await publishAll(topic, 40, () => broker.restart("SIGKILL"));
    await expectAll(held, [...sent, ...later]);
    await expectAll(live, later);
    assert.equal(held.connection.transport, "poll");
  } finally {
    await proxy.close();
  }
});

test("a quiet stream stays open by the broker's heartbeats", { skip }, async () => {
  const topic = newTopic();
  const states = [];
  const live = reader({ topics: topic, heartbeatSeconds: 1, onState: (state) => states.push(state) });
  await until(() => live.connection.state === "open");
  const began = Date.now();
  await until(() => Date.now() - began > 3500, "the time of a watchdog and more");
  await expectAll(live, await (async () => {
    const sent = await publishAll(topic, 1);
    await until(() => live.found.length === 1);
    return sent;
  })());
  assert.deepEqual(states, ["open", "closed"]);
});

test("a pattern is refused with the broker's own words", { skip }, async () => {
  const { error, reason } = await connect({ url: broker.url, topics: "a//b" }).closed;
  assert.deepEqual([reason, error.status, error.code], ["refused", 400, "invalid_pattern"]);
  assert.match(error.detail, /level must not be empty/);
  await assert.rejects(publish({ url: broker.url, topic: "a//b" }), { status: 400, code: "invalid_topic" });
});

test("the same publish twice is one message", { skip }, async () => {
  const topic = newTopic();
  const options = { url: broker.url, topic, data: "x", idempotencyKey: "once" };
  const first = await publish(options);
  assert.deepEqual(await publish(options), { ...first, repeated: true });
  await assert.rejects(publish({ ...options, data: "y" }), { status: 422, code: "idempotency_key_reused" });
});

test("tail, many topics and names that need escaping", { skip }, async () => {
  const topic = `${newTopic()}/a b+c?%é`;
  const sent = await publishAll(topic, 10);
  await expectAll(reader({ topics: topic, tail: 3 }), sent.slice(-3));
  const many = Array.from({ length: 120 }, (_, index) => `some/long/name/of/a/topic/${index}`);
  await expectAll(reader({ topics: [...many, topic], tail: 2 }), sent.slice(-2));
  await expectAll(reader({ topics: [topic, topic.replace(/[^/]+$/, "*")], after: 0, method: "POST" }), sent);
});

test("access: 401 without a token, and tokens that are renewed", { skip }, async () => {
  const locked = await Broker.start("--auth", "--heartbeat", "1");
  try {
    const made = execFileSync(process.env.TICKERTAPE_BIN, ["token", "create", "--data-dir", locked.directory,
      "--publish", "t", "--subscribe", "t", "--json"], { encoding: "utf8" });
    const good = JSON.parse(made).token;
    const none = await connect({ url: locked.url, topics: "t" }).closed;
    assert.deepEqual([none.reason, none.error.code], ["unauthorized", "unauthorized"]);
    const tokens = ["ttk_bad", good];
    const told = [];
    const live = reader({ url: locked.url, topics: "t", getToken: () => tokens.shift(),
      onUnauthorized: ({ reason }) => told.push(reason) });
    await until(() => live.connection.state === "open");
    const { id } = await publish({ url: locked.url, topic: "t", data: "x", token: good });
    await expectAll(live, [{ id, data: "x" }]);
    assert.equal(told.length, 1);
    const forbidden = await connect({ url: locked.url, topics: "u", token: good }).closed;
    assert.deepEqual([forbidden.reason, forbidden.error.code], ["refused", "forbidden"]);
  } finally {
    await locked.close();
  }
});
