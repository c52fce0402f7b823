// Tabs that share a connection, with channels and locks that are played here; the real ones are
// tested in a browser.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { connect } from "../../Sources/TickertapeServer/Client/tickertape.js";
import { block, END, QUICK, Scripted, until } from "./support.mjs";

const open = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** What the tabs of one origin have in common. */
function newOrigin() {
  const channels = new Set();
  const queues = new Map();
  class BroadcastChannel {
    constructor(name) { this.name = name; channels.add(this); }
    close() { channels.delete(this); }
    postMessage(message) {
      const data = structuredClone(message);
      const others = [...channels].filter((other) => other !== this && other.name === this.name);
      // As in a browser: later, and not to those that have closed meanwhile.
      setImmediate(() => {
        for (const other of others) if (channels.has(other)) other.onmessage?.({ data });
      });
    }
  }
  const locks = {
    async request(name, ...rest) {
      const action = rest.pop();
      const before = queues.get(name) ?? Promise.resolve();
      const aborted = new Promise((_, reject) => rest[0]?.signal?.addEventListener("abort",
        () => reject(rest[0].signal.reason)));
      aborted.catch(() => {});
      const held = Promise.race([before, aborted]).then(action);
      queues.set(name, Promise.allSettled([before, held]));
      return held;
    },
  };
  return { BroadcastChannel, locks, SharedWorker: undefined, random: () => 0 };
}

async function script(...steps) {
  const server = await Scripted.start(...steps);
  open.push(() => server.close());
  return server;
}

/** A tab, with what it was told. */
function tabOf(server, environment, options = {}) {
  const found = [];
  const connection = connect({ url: server.url, topics: "t", shared: "user", ...QUICK, environment,
    onMessage: ({ id }) => found.push(id), ...options });
  open.push(() => connection.close());
  return { connection, found };
}

test("tabs of a channel share one request, and go on when the one that leads closes", async () => {
  const server = await script(
    (answer) => answer.stream(block(1) + block(2)),
    (answer) => answer.stream(block(3) + END(3)).end());
  const environment = newOrigin();
  const first = tabOf(server, environment);
  await until(() => first.found.length === 2);
  assert.equal(first.connection.transport, "shared-channel");
  assert.equal(server.count, 1, "the tab that leads has asked twice");
  const second = tabOf(server, environment, { after: 2 });
  await until(() => second.connection.state === "open");
  first.connection.close();
  assert.equal((await second.connection.closed).reason, "ended");
  assert.deepEqual(second.found, [3]);
});

test("of tabs that come at the same time nothing stays behind", async () => {
  const server = await script((answer) => answer.stream());
  const environment = newOrigin();
  const tabs = [1, 2, 3].map(() => tabOf(server, environment));
  await until(() => tabs.every(({ connection }) => connection.state === "open"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const { connection } of tabs) connection.close();
  for (const tab of tabs) assert.deepEqual(await tab.connection.closed, { reason: "closed" });
  await until(() => server.requests.every(({ isClosed }) => isClosed), "all have ended", 2000);
  // One that is known is not another one, however often it says that it is there.
  assert.ok(server.count <= tabs.length, `${server.count} requests`);
});
