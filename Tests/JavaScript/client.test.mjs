// The client against a server that follows a script: everything that can go wrong on the way.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { connect, publish, stop } from "../../Sources/TickertapeServer/Client/tickertape.js";
import { block, END, QUICK, Scripted, until } from "./support.mjs";

const open = [];

async function script(...steps) {
  const server = await Scripted.start(...steps);
  open.push(() => server.close());
  return server;
}

/** A connection to the topic `t`, with short times, closed after the test. */
function follow(server, options = {}) {
  const connection = connect({ url: server.url, topics: "t", ...QUICK, ...options });
  open.push(() => connection.close());
  return connection;
}

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function all(source) {
  const found = [];
  for await (const item of source) found.push(item);
  return found;
}

/** What must not take long. */
function soon(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, 2000, new Error("too late"));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const ids = (messages) => messages.map(({ id }) => id);

// The request.

test("one topic is asked for by its path, as an event stream", async () => {
  const server = await script((answer) => answer.stream(block(1) + END(1)).end());
  const messages = await all(follow(server, { topics: "a b/ü", headers: { "X-One": "1" }, token: "secret" }));
  assert.deepEqual(messages, [{ id: 1, topic: "a b/ü", data: "m1" }]);
  const [{ method, path, headers }] = server.requests;
  assert.equal(`${method} ${path}`, "GET /topics/a%20b/%C3%BC/events");
  assert.equal(headers.accept, "text/event-stream");
  assert.equal(headers["x-one"], "1");
  assert.equal(headers.authorization, "Bearer secret");
  assert.equal(headers["last-event-id"], undefined);
});

test("several topics go into the query, and many into the body", async () => {
  const server = await script((answer) => answer.status(204));
  await follow(server, { topics: ["a/*", "b"], tail: 5, coalesce: "text" }).closed;
  const many = Array.from({ length: 100 }, (_, index) => `some/long/name/of/a/topic/${index}`);
  await follow(server, { topics: many, tail: 5, coalesce: "text" }).closed;
  await follow(server, { topics: ["a"], method: "POST", after: 3 }).closed;
  const [first, second, third] = server.requests;
  assert.equal(first.path, "/events");
  assert.deepEqual(first.query.getAll("topic"), ["a/*", "b"]);
  assert.equal(first.query.get("tail"), "5");
  assert.equal(first.query.get("coalesce"), "text");
  assert.equal(`${second.method} ${second.url}`, "POST /events");
  assert.deepEqual(JSON.parse(second.body), { topics: many, caught_up: true, tail: 5, coalesce: "text" });
  assert.equal(third.headers["last-event-id"], "3");
  assert.deepEqual(JSON.parse(third.body), { topics: ["a"], caught_up: true });
});

test("the broker may live below a path", async () => {
  const server = await script((answer) => answer.status(204));
  await follow({ url: `${server.url}push/` }).closed;
  await follow({ url: `${server.url}push` }).closed;
  assert.deepEqual(server.requests.map(({ path }) => path), Array(2).fill("/push/topics/t/events"));
});

test("what cannot work is refused at once", () => {
  const url = "http://127.0.0.1:1/";
  for (const options of [{ topics: [] }, { url: "ftp://x/" }, { url: undefined }, { url: "/relative" },
    { headers: { "no header": "1" } }, { transport: "pigeon" }, { transport: "event-stream" },
    { transport: "websocket", environment: { WebSocket: undefined } }, { topics: undefined, transport: "poll" },
    { topics: undefined, shared: true }, { topics: undefined, body: new ReadableStream() },
    { transport: "websocket", headers: { "x-one": "1" }, environment: { WebSocket: class {} } },
    { headers: { "x-one": "1" }, environment: { fetch: undefined, EventSource: class {} } },
    { transport: "event-stream", method: "POST", environment: { EventSource: class {} } }]) {
    assert.throws(() => connect({ url, topics: "t", ...options }), TypeError, JSON.stringify(options));
  }
});

// Messages.

test("a message has its id, event and data, and no more", async () => {
  const server = await script((answer) => answer.stream(block(1) + block(2, "a\nb", "trade") + END(2)).end());
  assert.deepEqual(await all(follow(server)),
    [{ id: 1, topic: "t", data: "m1" }, { id: 2, topic: "t", event: "trade", data: "a\nb" }]);
  const several = await script((answer) => answer.stream(block(1) + END(1)).end());
  assert.deepEqual(await all(follow(several, { topics: ["a", "b"] })), [{ id: 1, data: "m1" }]);
});

test("callbacks get what an iterator gets, one after the other", async () => {
  const server = await script((answer) => answer.stream(
    `${block(1)}id: 3\nevent: tickertape.caught-up\ndata: {"id":3}\n\n${block(4)}`
    + `event: tickertape.expiring\ndata: {"seconds":30}\n\n${END(4, "stopped")}`).end());
  const told = [];
  const connection = follow(server, {
    onMessage: async ({ id }) => { told.push(["begin", id]); await new Promise(setImmediate); told.push(["end", id]); },
    onCaughtUp: ({ id }) => told.push(["caught up", id]),
    onExpiring: ({ seconds }) => told.push(["expiring", seconds]),
    onEnd: (end) => told.push(["over", end]),
    onState: (state) => told.push(["state", state]),
  });
  const outcome = await connection.closed;
  assert.deepEqual(outcome, { topic: "t", reason: "stopped", last_id: 4 });
  assert.deepEqual(told, [["state", "open"], ["begin", 1], ["end", 1], ["caught up", 3], ["begin", 4], ["end", 4],
    ["expiring", 30], ["over", { topic: "t", reason: "stopped", last_id: 4 }], ["state", "ended"]]);
  assert.equal(connection.state, "ended");
  assert.equal(connection.lastId, 4);
});

test("an exception of a callback is reported, and ends nothing", async () => {
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  try {
    const server = await script((answer) => answer.stream(block(1) + block(2) + END(2)).end());
    await follow(server, { onMessage: ({ id }) => { throw new Error(`no ${id}`); } }).closed;
    assert.deepEqual(reported, ["no 1", "no 2"]);
    assert.equal(server.count, 1);
  } finally {
    delete globalThis.reportError;
  }
});

test("textStream is the data alone, as an iterable and as a stream", async () => {
  const server = await script((answer) => answer.stream(block(1, "Hel") + block(2, "lo\n") + END(2)).end());
  assert.deepEqual(await all(follow(server).textStream()), ["Hel", "lo\n"]);
  const stream = follow(server).textStream();
  assert.ok(stream instanceof ReadableStream);
  assert.equal(await new Response(stream.pipeThrough(new TextEncoderStream())).text(), "Hello\n");
});

test("a gap in a text is an error, unless somebody looks", async () => {
  const gap = `id: 9\nevent: tickertape.gap\ndata: {"after":1,"resumed":10,"reason":"retention"}\n\n`;
  const server = await script((answer) => answer.stream(block(1) + gap + block(10) + END(10)).end());
  await assert.rejects(all(follow(server).textStream()), { name: "TickertapeError", code: "gap" });
  const gaps = [];
  assert.deepEqual(await all(follow(server, { onGap: (told) => gaps.push(told) }).textStream()), ["m1", "m10"]);
  assert.deepEqual(gaps, [{ after: 1, resumed: 10, reason: "retention" }]);
});

test("a slow reader makes the broker wait, and nothing grows", async () => {
  const payload = "x".repeat(100_000);
  let sent = 0, wake;
  const server = await script(async (answer, asked) => {
    answer.stream();
    answer.response.on("drain", () => wake()).on("close", () => wake());
    while (!asked.isClosed && sent < 1000) {
      sent += 1;
      if (answer.response.write(block(sent, payload))) continue;
      await new Promise((resolve) => { wake = resolve; });
    }
    if (!asked.isClosed) answer.end(END(1000));
  });
  const connection = follow(server, { bufferedMessagesMax: 4, after: 0 });
  const iterator = connection[Symbol.asyncIterator]();
  assert.equal((await iterator.next()).value.id, 1);
  // It comes to rest once the buffers of the connection are full.
  let before = -1;
  await until(async () => {
    const rests = sent === before;
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return rests && sent === before;
  });
  assert.ok(sent < 300, `${sent} messages were sent to a reader that took one`);
  assert.equal(connection.lastId, 1);
  const rest = await all({ [Symbol.asyncIterator]: () => iterator });
  assert.deepEqual(ids(rest), Array.from({ length: 999 }, (_, index) => index + 2));
  assert.equal(server.count, 1);
});

test("leaving the loop, close() and abort end the request", async () => {
  const server = await script((answer) => answer.stream(block(1)));
  const left = follow(server);
  for await (const message of left) { assert.equal(message.id, 1); break; }
  assert.deepEqual(await left.closed, { reason: "closed" });

  const closed = follow(server);
  const iterator = closed[Symbol.asyncIterator]();
  await iterator.next();
  const pending = iterator.next();
  closed.close();
  assert.deepEqual(await pending, { done: true, value: undefined });
  assert.deepEqual(await closed.closed, { reason: "closed" });
  assert.equal(closed.state, "closed");

  const controller = new AbortController();
  const aborted = follow(server, { signal: controller.signal });
  await until(() => aborted.state === "open");
  controller.abort();
  assert.deepEqual(await aborted.closed, { reason: "aborted" });
  assert.deepEqual(await follow(server, { signal: controller.signal }).closed, { reason: "aborted" });
  await until(() => server.requests.every(({ isClosed }) => isClosed));
  assert.equal(server.count, 3);
});

test("a connection has one reader", () => {
  const connection = connect({ url: "http://127.0.0.1:1/", topics: "t" });
  connection.textStream();
  assert.throws(() => connection[Symbol.asyncIterator](), TypeError);
  connection.close();
});

// Coming back.

test("a cut resumes behind the last whole event", async () => {
  const server = await script(
    (answer) => answer.stream(block(1) + block(2)).cut("id: 3\ndata: ha"),
    (answer) => answer.stream("").cut(),
    (answer) => answer.stream(block(3)).end(),
    (answer) => answer.stream(block(4) + END(4)).end());
  assert.deepEqual(ids(await all(follow(server, { after: 0 }))), [1, 2, 3, 4]);
  assert.deepEqual(server.requests.map(({ headers }) => headers["last-event-id"]), ["0", "2", "2", "3"]);
});

test("an id without data is a cursor too, and tail is asked for once", async () => {
  const server = await script(
    (answer) => answer.stream("id: 41\n\n").cut(),
    (answer) => answer.stream(END(41)).end());
  await follow(server, { tail: 10 }).closed;
  assert.deepEqual(server.requests.map(({ headers, query }) => [headers["last-event-id"], query.get("tail")]),
    [[undefined, "10"], ["41", null]]);
});

test("what comes twice is told once, unless the log was reset", async () => {
  const gap = `id: 2\nevent: tickertape.gap\ndata: {"after":9,"resumed":2,"reason":"reset"}\n\n`;
  const server = await script(
    (answer) => answer.stream(block(7) + block(8) + block(9)).cut(),
    (answer) => answer.stream(block(8) + block(9) + gap + block(3)).cut(),
    (answer) => answer.stream(END(3)).end());
  const gaps = [];
  const messages = await all(follow(server, { onGap: (told) => gaps.push(told) }));
  assert.deepEqual(ids(messages), [7, 8, 9, 3]);
  assert.deepEqual(gaps, [{ after: 9, resumed: 2, reason: "reset" }]);
  assert.equal(server.requests[2].headers["last-event-id"], "3");
});

test("204 is the end", async () => {
  const server = await script((answer) => answer.stream(block(1)).cut(), (answer) => answer.status(204));
  const ends = [];
  const connection = follow(server, { onEnd: (end) => ends.push(end) });
  assert.deepEqual(ids(await all(connection)), [1]);
  assert.deepEqual(await connection.closed, { reason: "ended" });
  assert.equal(connection.state, "ended");
  assert.deepEqual(ends, [{ reason: "ended" }]);
  assert.equal(server.count, 2);
});

test("a deleted topic ends with that reason", async () => {
  const server = await script((answer) => answer.stream(
    `event: tickertape.end\ndata: {"topic":"t","reason":"deleted"}\n\n`).end());
  assert.deepEqual(await follow(server).closed, { topic: "t", reason: "deleted" });
});

test("4xx is an error with the problem's code and detail, and not repeated", async () => {
  for (const status of [400, 403, 404, 410, 414, 501, 505]) {
    const server = await script((answer) => answer.problem(status, "some_code"));
    const connection = follow(server);
    await assert.rejects(all(connection),
      { name: "TickertapeError", status, code: "some_code", detail: "it is some_code" });
    const { reason, error } = await connection.closed;
    assert.equal(reason, "refused");
    assert.equal(error.problem.title, "a title");
    assert.equal(connection.state, "closed");
    assert.equal(server.count, 1);
  }
});

test("an answer of somebody else's has a code of its status", async () => {
  const server = await script((answer) => {
    answer.response.writeHead(404, { "content-type": "text/html" });
    answer.end("<h1>Not found");
  });
  assert.equal((await follow(server).closed).error.code, "http_404");
  const page = await script((answer) => {
    answer.response.writeHead(200, { "content-type": "text/html" });
    answer.end("<h1>Log in");
  });
  assert.equal((await follow(page).closed).error.code, "not_an_event_stream");
});

test("5xx, 408 and 429 are tried again", async () => {
  const passing = [500, 502, 503, 504, 507, 408, 429];
  const server = await script(...passing.map((status) => (answer) => answer.problem(status, "passing")),
    (answer) => answer.stream(block(1) + END(1)).end());
  const states = [];
  const connection = follow(server, { onState: (state, { error }) => states.push([state, error?.status]) });
  assert.deepEqual(ids(await all(connection)), [1]);
  assert.equal(server.count, passing.length + 1);
  assert.deepEqual(states.filter(([state]) => state === "waiting").map(([, status]) => status), passing);
});

test("Retry-After, the time of a drain and retry: are waited for, and jitter comes on top", async () => {
  const waits = [];
  const options = { environment: { random: () => 0.5 }, backoff: { min: 10, max: 1000 }, onState: (state, more) => {
    if (state === "waiting") waits.push(more.retryInMilliseconds);
  } };
  const server = await script(
    (answer) => answer.problem(503, "draining", { "retry-after": "1" }),
    (answer) => answer.stream(block(1), 40).end("retry: 200\n\n"), // Drained.
    (answer) => answer.stream(block(2), 40).cut(),
    (answer) => answer.stream(END(2)).end());
  await follow(server, options).closed;
  assert.deepEqual(waits, [1125, 250, 50]);
  const [first, second, third, fourth] = server.requests.map(({ at }) => at);
  assert.ok(second - first >= 1115 && third - second >= 240 && fourth - third >= 45);
});

test("a wait longer than a timer can hold is no storm of attempts", async () => {
  const forever = "9".repeat(400);
  const waiting = [];
  for (const [name, step] of Object.entries({
    "Retry-After": (answer) => answer.problem(503, "draining", { "retry-after": "2592000" }),
    "Retry-After without end": (answer) => answer.problem(503, "busy", { "retry-after": forever }),
    "retry:": (answer) => answer.stream("", "9999999999").end(),
    "retry: without end": (answer) => answer.stream("", forever).end(),
  })) {
    const server = await script(step);
    const told = [];
    follow(server, { onState: (state, more) => told.push(more.retryInMilliseconds) });
    waiting.push({ name, server, told });
  }
  const busy = await script((answer) => answer.problem(503, "busy", { "retry-after": "2592000" }));
  const controller = new AbortController();
  const { signal } = controller;
  const published = publish({ url: busy.url, topic: "t", retries: 3, signal, ...QUICK });
  published.catch(() => {}); // Looked at below.
  waiting.push({ name: "publish", server: busy });
  const quiet = await script((answer) => answer.stream());
  follow(quiet, { heartbeatSeconds: 2_592_000 });
  waiting.push({ name: "heartbeats", server: quiet });
  const offline = { url: "http://127.0.0.1:1/" };
  let tries = 0;
  follow(offline, { backoff: { min: 1, max: Infinity }, environment: {
    random: () => 0, isOnline: () => false,
    fetch: () => { tries += 1; return Promise.reject(new TypeError("unreachable")); } } });
  await until(() => tries > 0 && waiting.every(({ server }) => server.count > 0));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(tries, 1);
  for (const { name, server, told } of waiting) {
    assert.equal(server.count, 1, name);
    if (told) assert.equal(told.at(-1), 0x7FFFFFFF, name);
  }
  controller.abort();
  await assert.rejects(published, { name: "AbortError" });
});

test("the wait grows with each failure up to its bound, and a success ends that", async () => {
  const waits = [];
  let count = 0;
  const environment = { random: () => 1, fetch: (...request) => {
    count += 1;
    return count === 7 || count === 9 ? fetch(...request) : Promise.reject(new TypeError("unreachable"));
  } };
  const server = await script((answer) => answer.stream(block(1), 2).cut(), (answer) => answer.status(204));
  await follow(server, { environment, backoff: { min: 2, max: 30 }, onState: (state, more) => {
    if (state === "waiting") waits.push(more.retryInMilliseconds);
  } }).closed;
  assert.deepEqual(waits, [3, 6, 12, 24, 30, 30, 3, 6]);
});

test("a server that is not there yet is found when it comes", async () => {
  const gone = await Scripted.start((answer) => answer.status(204));
  await gone.close();
  const connection = follow(gone);
  await until(() => connection.state === "waiting");
  const back = await Scripted.startAt(gone.port, (answer) => answer.stream(block(1) + END(1)).end());
  open.push(() => back.close());
  assert.deepEqual(ids(await all(connection)), [1]);
});

test("silence ends a connection: heartbeats are not silence", async () => {
  const server = await script(
    async (answer, asked) => {
      answer.stream(block(1));
      for (let beat = 0; beat < 8; beat += 1) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        answer.write(":\n\n");
      }
      await until(() => asked.isClosed);
    },
    (answer) => answer.stream(block(2) + END(2)).end());
  const began = Date.now();
  assert.deepEqual(ids(await all(follow(server, { heartbeatSeconds: 0.04 }))), [1, 2]);
  assert.ok(server.requests[1].at - began >= 8 * 20 + 90, "it was cut between heartbeats");
  assert.equal(server.requests[1].headers["last-event-id"], "1");
});

test("a reader that is slow is not taken for a silent broker", async () => {
  const server = await script(
    async (answer) => {
      answer.stream(block(1) + block(2) + block(3));
      for (let beat = 0; beat < 20; beat += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        answer.write(":\n\n");
      }
      answer.end(END(3));
    });
  const found = [];
  for await (const { id } of follow(server, { heartbeatSeconds: 0.2, bufferedMessagesMax: 1 })) {
    found.push(id);
    await new Promise((resolve) => setTimeout(resolve, 600)); // Longer than silence may last.
  }
  assert.deepEqual(found, [1, 2, 3]);
  assert.equal(server.count, 1);
});

test("a fetch that forgets its signal can be closed, and is given up when silent", async () => {
  const server = await script((answer) => answer.stream(block(1)),
    (answer) => answer.stream(block(2)), (answer) => answer.stream(block(3)));
  const environment = { random: () => 0, fetch: (url, { signal, ...init }) => fetch(url, init) };
  const found = [];
  const silent = follow(server, { environment, heartbeatSeconds: 0.1,
    onMessage: ({ id }) => found.push(id) });
  await until(() => found.length === 2);
  silent.close();
  assert.deepEqual(await soon(silent.closed), { reason: "closed" });
  const closed = follow(server, { environment });
  await until(() => closed.state === "open");
  closed.close();
  assert.deepEqual(await soon(closed.closed), { reason: "closed" });
  await until(() => server.requests.every(({ isClosed }) => isClosed));
  const slow = await script((answer) => {
    answer.response.writeHead(200, { "content-type": "application/json" });
    answer.write("{");
  });
  const controller = new AbortController();
  const options = { url: slow.url, topic: "t", environment, signal: controller.signal };
  const published = publish(options);
  const polled = follow(slow, { environment, transport: "poll" });
  await until(() => slow.count === 2);
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort();
  polled.close();
  await assert.rejects(soon(published), { name: "AbortError" });
  assert.deepEqual(await soon(polled.closed), { reason: "closed" });
});

// Credentials.

test("401 asks for another token once", async () => {
  const server = await script(
    (answer) => answer.problem(401, "invalid_token"),
    (answer) => answer.stream(block(1)).cut(),
    (answer) => answer.problem(401, "invalid_token"),
    (answer) => answer.problem(401, "invalid_token"));
  let count = 0;
  const told = [];
  const connection = follow(server, {
    getToken: async () => `token-${count += 1}`, onUnauthorized: ({ reason }) => told.push(reason) });
  await assert.rejects(all(connection), { code: "invalid_token", status: 401 });
  assert.equal((await connection.closed).reason, "unauthorized");
  assert.deepEqual(server.requests.map(({ headers }) => headers.authorization),
    ["token-1", "token-2", "token-2", "token-3"].map((token) => `Bearer ${token}`));
  assert.deepEqual(told, ["it is invalid_token", "it is invalid_token"]);
});

test("a token that cannot be renewed is refused once", async () => {
  const server = await script((answer) => answer.problem(401, "invalid_token"));
  assert.equal((await follow(server, { token: "bad" }).closed).reason, "unauthorized");
  assert.equal(server.count, 1);
});

test("a credential that ends in mid-stream is renewed, and nothing is lost", async () => {
  const server = await script(
    (answer) => answer.stream(`${block(1)}event: tickertape.unauthorized\ndata: {"reason":"expired"}\n\n`).end(),
    (answer) => answer.stream(block(2) + END(2)).end());
  let count = 0;
  const told = [];
  const connection = follow(server, {
    getToken: () => `token-${count += 1}`, onUnauthorized: (why) => told.push(why) });
  assert.deepEqual(ids(await all(connection)), [1, 2]);
  assert.deepEqual(told, [{ reason: "expired" }]);
  assert.deepEqual(server.requests.map(({ headers }) => [headers.authorization, headers["last-event-id"]]),
    [["Bearer token-1", undefined], ["Bearer token-2", "1"]]);
});

test("a getToken that fails is tried again", async () => {
  const server = await script((answer) => answer.stream(END(0)).end());
  let count = 0;
  const getToken = async () => { if ((count += 1) < 3) throw new Error("no network"); return "good"; };
  assert.equal((await follow(server, { getToken }).closed).reason, "ended");
  assert.equal(server.requests[0].headers.authorization, "Bearer good");
});

test("a getToken that never answers holds up neither close() nor abort", async () => {
  const server = await script((answer) => answer.status(204));
  const never = () => new Promise(() => {});
  const connection = follow(server, { getToken: never });
  await new Promise(setImmediate);
  connection.close();
  assert.deepEqual(await soon(connection.closed), { reason: "closed" });
  const controller = new AbortController();
  const options = { url: server.url, topic: "t", getToken: never, signal: controller.signal };
  const aborted = follow(server, options);
  const published = publish(options);
  await new Promise(setImmediate);
  controller.abort();
  assert.deepEqual(await soon(aborted.closed), { reason: "aborted" });
  await assert.rejects(soon(published), { name: "AbortError" });
  await assert.rejects(soon(stop(options)), { name: "AbortError" });
  assert.equal(server.count, 0);
});

test("a network that comes back while a token is asked for begins anew", async () => {
  const page = new Page();
  FakeSocket.made = [];
  const answers = [];
  const getToken = () => new Promise((resolve) => answers.push(resolve));
  const { connection, socket } = overSocket({ getToken, page });
  await until(() => answers.length === 1);
  page.tell("online");
  await until(() => answers.length === 2);
  answers[1]("new");
  const first = await socket(0);
  answers[0]("old"); // Late, and of no use any more.
  first.open();
  assert.equal(first.commands[0].token, "new");
  first.end(1006);
  const second = await socket(1);
  second.open();
  assert.equal(second.commands[0].token, "new");
  connection.close();
  assert.deepEqual(await soon(connection.closed), { reason: "closed" });
  assert.equal(second.closed, 1000);
});

test("close() by onState before a request is one request less", async () => {
  const server = await script((answer) => answer.response.destroy());
  let tries = 0;
  const connection = follow(server, {
    environment: { random: () => 0,
      fetch: (...request) => { tries += 1; return fetch(...request); } },
    onState: (state) => { if (state === "connecting") connection.close(); } });
  assert.deepEqual(await connection.closed, { reason: "closed" });
  assert.deepEqual([server.count, tries], [1, 1]);
});

// Endpoints of one's own.

test("POST with a body to an endpoint of one's own, whose end is the end", async () => {
  const server = await script((answer) => {
    answer.response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    answer.end("data: one\r\n\r\ndata: two\r\n\r\n");
  });
  const connection = follow(server, { url: `${server.url}chat?x=1`, topics: undefined, body: { question: "?" } });
  assert.deepEqual(await all(connection), [{ data: "one" }, { data: "two" }]);
  assert.deepEqual(await connection.closed, { reason: "ended" });
  const [{ method, url, body, headers }] = server.requests;
  assert.deepEqual([method, url, body], ["POST", "/chat?x=1", '{"question":"?"}']);
  assert.equal(headers["content-type"], "application/json");
});

test("one that gives ids is resumed by Last-Event-ID, whatever they are", async () => {
  const server = await script(
    (answer) => answer.stream("id: a-1\ndata: one\n\n").cut(),
    (answer) => answer.stream("id: a-2\ndata: two\n\n").end(),
    (answer) => answer.status(204));
  const connection = follow(server, { url: `${server.url}chat`, topics: undefined, method: "POST", body: "hi" });
  assert.deepEqual(await all(connection), [{ id: "a-1", data: "one" }, { id: "a-2", data: "two" }]);
  assert.deepEqual(server.requests.map(({ body, headers }) => [body, headers["last-event-id"]]),
    [["hi", undefined], ["hi", "a-1"], ["hi", "a-2"]]);
});

test("an event of the broker's needs no data", async () => {
  for (const data of ["", "[DONE]", "null", "[1]", '"stopped"']) {
    const events = ["gap", "expiring", "end"].map((name) =>
      `event: tickertape.${name}\ndata: ${data}\n\n`);
    const server = await script((answer) => answer.stream(block("a-1") + events.join("")).end(),
      (answer) => answer.status(404));
    const told = [];
    const connection = follow(server, { url: `${server.url}chat`, topics: undefined,
      onGap: (gap) => told.push(gap), onEnd: (end) => told.push(end) });
    assert.deepEqual(await all(connection), [{ id: "a-1", data: "ma-1" }]);
    assert.deepEqual(await connection.closed, { reason: "ended" });
    assert.deepEqual(told, [{ after: null, reason: "unknown" }, { reason: "ended" }]);
    assert.equal(server.count, 1, data);
  }
  const reasons = [];
  const server = await script(
    (answer) => answer.stream(`${block("a-1")}event: tickertape.unauthorized\ndata:\n\n`).end(),
    (answer) => answer.stream('event: tickertape.end\ndata: {"reason":"stopped"}\n\n').end());
  const { closed } = follow(server, { url: `${server.url}chat`, topics: undefined,
    getToken: () => "good", onUnauthorized: ({ reason }) => reasons.push(reason) });
  assert.deepEqual(await closed, { reason: "stopped" });
  assert.deepEqual(reasons, ["unauthorized"]);
});

test("an id beyond Latin-1 goes into the header as the bytes of its UTF-8", async () => {
  for (const id of ["ä", "漢字-1", "😀", "€".repeat(2000)]) {
    const server = await script(
      (answer) => answer.stream(`id: ${id}\ndata: one\n\n`).cut(),
      (answer) => answer.status(204));
    const connection = follow(server, { url: `${server.url}chat`, topics: undefined });
    assert.deepEqual(await soon(all(connection)), [{ id, data: "one" }]);
    const asked = server.requests.at(-1).headers["last-event-id"];
    assert.equal(Buffer.from(asked, "latin1").toString(), id);
    assert.equal(server.count, 2);
  }
});

test("work that cannot be resumed is not done twice", async () => {
  const server = await script((answer) => answer.stream("data: one\n\n").cut());
  const connection = follow(server, { url: `${server.url}chat`, topics: undefined, body: "hi" });
  await assert.rejects(all(connection), { code: "cut" });
  assert.equal(server.count, 1);
});

// The network, and pages that nobody looks at.

class Page extends EventTarget {
  visibilityState = "visible";
  isOnline = true;

  get environment() {
    return { document: this, events: this, isOnline: () => this.isOnline, random: () => 0 };
  }

  tell(name, members) { this.dispatchEvent(Object.assign(new Event(name), members)); }
}

test("online reconnects at once, from a wait as from a connection that may hang", async () => {
  const page = new Page();
  const server = await script((answer) => answer.stream(block(1)), (answer) => answer.stream(block(2)).cut(),
    (answer) => answer.stream(block(3) + END(3)).end());
  const found = [];
  const connection = follow(server, {
    environment: page.environment, backoff: { min: 60_000, max: 60_000 },
    onMessage: ({ id }) => found.push(id), onState: (state) => found.push(state) });
  await until(() => found.includes(1));
  page.tell("online");
  await until(() => found.includes(2));
  server.steps[0] = (answer) => answer.stream(block(3) + END(3)).end();
  await until(() => connection.state === "waiting");
  page.tell("online");
  await connection.closed;
  assert.deepEqual(found.filter((item) => typeof item === "number"), [1, 2, 3]);
});

test("offline, it does not keep trying; hidden, neither", async () => {
  for (const set of [(page) => { page.isOnline = false; }, (page) => { page.visibilityState = "hidden"; }]) {
    const page = new Page();
    let count = 0;
    const waits = [];
    const environment = { ...page.environment, fetch: () => { count += 1; return Promise.reject(new TypeError()); } };
    set(page);
    const connection = follow({ url: "http://127.0.0.1:1/" }, {
      environment, backoff: { min: 1, max: 60_000 },
      onState: (state, more) => state === "waiting" && waits.push(more.retryInMilliseconds) });
    await until(() => waits.at(-1) === 60_000);
    assert.ok(count <= 2);
    const before = count;
    page.isOnline = true;
    page.visibilityState = "visible";
    page.tell(waits.length === 1 ? "online" : "visibilitychange");
    await until(() => count > before);
    connection.close();
    await connection.closed;
  }
});

test("what the broker has ordered holds when the network comes back", async () => {
  const page = new Page();
  const server = await script((answer) => answer.problem(503, "draining", { "retry-after": "1" }),
    (answer) => answer.status(204));
  const connection = follow(server, { environment: page.environment });
  await until(() => connection.state === "waiting");
  page.tell("online");
  await connection.closed;
  assert.ok(server.requests[1].at - server.requests[0].at >= 990);
});

test("a page that is looked at again finds out that its connection is dead", async () => {
  const page = new Page();
  const server = await script((answer) => answer.stream(block(1)), (answer) => answer.stream(END(1)).end());
  const connection = follow(server, { environment: page.environment });
  await until(() => connection.state === "open" && connection.lastId === undefined);
  const iterator = connection[Symbol.asyncIterator]();
  await iterator.next();
  page.tell("visibilitychange");
  assert.equal(server.count, 1); // Too early to be dead.
  const { now } = Date;
  Date.now = () => now() + 60_000; // The machine has slept.
  try {
    page.tell("visibilitychange");
  } finally {
    Date.now = now;
  }
  assert.equal((await iterator.next()).done, true);
  assert.equal((await connection.closed).reason, "ended");
  assert.equal(server.requests[1].headers["last-event-id"], "1");
});

// Proxies that hold everything back.

function historyOf(log) {
  return (answer, { query }) => {
    const after = query.get("after");
    const head = log.at(-1)?.id ?? 0;
    if (Number(after) > head) {
      return answer.json({ messages: [], next: head, gap: { after: 2 ** 53, resumed: head, reason: "reset" } });
    }
    const messages = log.filter(({ id }) => id > Number(after)).slice(0, 2);
    const next = messages.at(-1)?.id ?? head;
    return answer.json({ messages, next, ...(next === head && log.isOver
      ? { end: { topic: "t", reason: "ended", last_id: head, time: "2026-01-02T09:30:00.125Z" } } : {}) });
  };
}

test("where nothing comes through, history is asked for instead", async () => {
  const log = [1, 2, 3, 5, 8].map((id) => ({ id, topic: "t", time: "2026-01-02T09:30:00.125Z", key: "k", data: `m${id}` }));
  log.isOver = true;
  const server = await script(
    (answer) => answer.response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders(),
    historyOf(log));
  const ends = [];
  const connection = follow(server, { after: 0, heartbeatSeconds: 0.1, onEnd: (end) => ends.push(end),
    environment: { random: () => 0, WebSocket: undefined } });
  assert.deepEqual(await all(connection), [...log]);
  assert.equal(connection.transport, "poll");
  assert.equal(ends[0].last_id, 8);
  assert.deepEqual(server.requests.map(({ path, query }) => [path, query.get("after")]),
    [["/topics/t/events", null], ...["0", "2", "5"].map((after) => ["/topics/t/messages", after])]);
});

test("what headers carry is not lost on the way to another transport", async () => {
  FakeSocket.made = [];
  const log = [{ id: 1, topic: "t", data: "m1" }];
  log.isOver = true;
  const head = { "content-type": "text/event-stream" };
  const server = await script((answer) => answer.response.writeHead(200, head).flushHeaders(),
    historyOf(log));
  const headers = { "x-key": "secret" };
  const connection = follow(server, { after: 0, heartbeatSeconds: 0.1, headers,
    environment: { random: () => 0, WebSocket: FakeSocket } });
  assert.deepEqual(await all(connection), [...log]);
  assert.equal(connection.transport, "poll");
  assert.deepEqual(server.requests.map(({ headers }) => headers["x-key"]), ["secret", "secret"]);
  assert.deepEqual(FakeSocket.made, []);
});

test("a poll without a cursor begins at the head", async () => {
  const log = [{ id: 4, topic: "t", data: "old" }];
  const server = await script((answer, asked) => {
    if (asked.query.get("after") === "4") { log.push({ id: 6, topic: "t", data: "new" }); log.isOver = true; }
    return historyOf(log)(answer, asked);
  });
  const gaps = [];
  const connection = follow(server, { transport: "poll", onGap: (gap) => gaps.push(gap) });
  assert.deepEqual(ids(await all(connection)), [6]);
  assert.deepEqual(gaps, []);
  assert.deepEqual(server.requests.map(({ query }) => query.get("wait")), [null, "25"]);
});

// EventSource and WebSocket, as far as they can be played here; the real ones are tested in a browser.

class FakeSource extends EventTarget {
  static made = [];
  CLOSED = 2;
  readyState = 0;
  constructor(url, options) { super(); Object.assign(this, { url, options }); FakeSource.made.push(this); }
  close() { this.readyState = 2; }
  open() { this.readyState = 1; this.onopen(); }
  fail(isForGood) { this.readyState = isForGood ? 2 : 0; this.onerror({}); }
  tell(type, data, lastEventId) { this.dispatchEvent(Object.assign(new Event(type), { data, lastEventId: String(lastEventId) })); }
}

test("a native EventSource resumes by its address, and reconnects by itself", async () => {
  FakeSource.made = [];
  const server = await script((answer) => answer.problem(503, "passing"), (answer) => answer.status(204));
  const states = [];
  const connection = follow(server, { transport: "event-stream", events: ["trade"], token: "t k", after: 1,
    environment: { EventSource: FakeSource, random: () => 0 }, onState: (state) => states.push(state) });
  const iterator = connection[Symbol.asyncIterator]();
  const source = await until(() => FakeSource.made[0]);
  assert.equal(source.url, `${server.url}topics/t/events?caught_up=true&after=1&access_token=t+k`);
  source.open();
  source.tell("message", "m2", 2);
  source.tell("trade", "m3", 3);
  assert.deepEqual((await iterator.next()).value, { id: 2, topic: "t", data: "m2" });
  assert.deepEqual((await iterator.next()).value, { id: 3, topic: "t", event: "trade", data: "m3" });
  source.fail(false);
  await until(() => connection.state === "waiting");
  source.open();
  source.tell("message", "m3", 3);
  source.tell("message", "m4", 4);
  assert.equal((await iterator.next()).value.id, 4);
  source.fail(true); // Asks why: 503.
  const second = await until(() => FakeSource.made[1]);
  assert.match(second.url, /after=4/);
  second.fail(true); // And again: 204.
  assert.equal((await connection.closed).reason, "ended");
  assert.deepEqual(states, ["open", "waiting", "open", "waiting", "connecting", "ended"]);
});

test("a native EventSource that opens without a word is given up", async () => {
  FakeSource.made = [];
  const connection = follow({ url: "http://127.0.0.1:1/" }, { transport: "event-stream", heartbeatSeconds: 0.02,
    environment: { EventSource: FakeSource, random: () => 0 } });
  (await until(() => FakeSource.made[0])).open();
  (await until(() => FakeSource.made[1])).open();
  assert.equal(FakeSource.made[0].readyState, 2);
  connection.close();
});

class FakeSocket {
  static made = [];
  OPEN = 1;
  readyState = 0;
  commands = [];
  constructor(url, protocols) { Object.assign(this, { url, protocols }); FakeSocket.made.push(this); }
  send(text) { this.commands.push(JSON.parse(text)); }
  close(code) { this.readyState = 3; this.closed = code; }
  open(heartbeat = 15) {
    this.readyState = 1;
    this.onopen();
    this.tell({ type: "hello", version: 1, head: 9, heartbeat_seconds: heartbeat });
  }
  tell(value) { this.onmessage?.({ data: JSON.stringify(value) }); }
  end(code, reason = "") { this.readyState = 3; this.onclose?.({ code, reason }); }
}

function overSocket({ page, ...options } = {}) {
  FakeSocket.made = [];
  const connection = follow({ url: "https://broker.example/push/" }, {
    transport: "websocket", ...options,
    environment: { ...page?.environment, WebSocket: FakeSocket, random: () => 0 } });
  return { connection, socket: (index) => until(() => FakeSocket.made[index]) };
}

test("a WebSocket authorizes, subscribes, and resumes after its cursor", async () => {
  let count = 0;
  const { connection, socket } = overSocket({ topics: ["t", "u/*"], tail: 3, getToken: () => `token-${count += 1}` });
  const iterator = connection[Symbol.asyncIterator]();
  const first = await socket(0);
  assert.equal(first.url, "wss://broker.example/push/ws");
  assert.deepEqual(first.protocols, ["tickertape.v1"]);
  first.open();
  assert.deepEqual(first.commands, [{ ref: "auth", type: "auth", token: "token-1" },
    { ref: "subscribe", type: "subscribe", topics: ["t", "u/*"], tail: 3 }]);
  first.tell({ ref: "subscribe", type: "subscribed", subscription: "1", head: 9 });
  first.tell({ type: "message", subscription: "1", id: 7, topic: "u/a", time: "T", event: "e", key: "k", data: "d" });
  assert.deepEqual((await iterator.next()).value, { id: 7, topic: "u/a", event: "e", key: "k", time: "T", data: "d" });
  first.tell({ type: "cursor", subscription: "1", id: 12 });
  first.tell({ type: "expiring", seconds: 30 });
  await until(() => first.commands.length === 3);
  assert.deepEqual(first.commands[2], { ref: "auth", type: "auth", token: "token-2" });
  first.tell({ type: "draining", retry_after_ms: 20 });
  first.end(1012);
  const second = await socket(1);
  second.open();
  assert.deepEqual(second.commands[1], { ref: "subscribe", type: "subscribe", topics: ["t", "u/*"], after: 12 });
  second.end(4401, "expired");
  const third = await socket(2);
  third.open();
  assert.equal(third.commands[0].token, "token-3");
  third.tell({ type: "subscribed", head: 12 });
  third.tell({ type: "gap", after: 12, resumed: 20, reason: "retention" });
  third.tell({ type: "message", id: 20, topic: "t", data: "x" });
  assert.equal((await iterator.next()).value.id, 20);
  third.tell({ type: "end", subscription: "1", topic: "t", reason: "ended", last_id: 20 });
  assert.equal((await iterator.next()).done, true);
  assert.deepEqual(await connection.closed, { topic: "t", reason: "ended", last_id: 20 });
  assert.equal(third.closed, 1000);
});

test("close codes and errors over a WebSocket say what to do", async () => {
  for (const [code, expected] of [[1002, "websocket_1002"], [1003, "websocket_1003"], [1007, "websocket_1007"]]) {
    const { connection, socket } = overSocket();
    const first = await socket(0);
    first.open();
    first.end(code);
    const { reason, error } = await connection.closed;
    assert.deepEqual([reason, error.code], ["refused", expected]);
  }
  for (const [told, reason] of [[{ code: "forbidden", detail: "no" }, "refused"], [{ code: "topic_deleted" }, "deleted"],
    [{ code: "invalid_token" }, "unauthorized"]]) {
    const { connection, socket } = overSocket();
    const first = await socket(0);
    first.open();
    first.tell({ ref: "subscribe", type: "error", ...told });
    assert.equal((await connection.closed).reason, reason);
  }
  const waits = [];
  const { connection, socket } = overSocket({ onState: (state, more) => waits.push(more.retryInMilliseconds) });
  (await socket(0)).end(1011);
  await until(() => waits.at(-1) >= 5000);
  connection.close();
});

test("a quiet WebSocket is asked, and a dead one given up", async () => {
  const { socket } = overSocket();
  const first = await socket(0);
  first.open(0.03);
  first.tell({ type: "subscribed", head: 9 });
  const began = Date.now();
  await until(() => first.commands.some(({ type }) => type === "ping"));
  first.tell({ ref: "ping", type: "pong" });
  const second = await socket(1);
  assert.ok(Date.now() - began >= 75);
  second.open();
  assert.equal(second.commands[0].after, 9); // The head at the start is the cursor of a live one.
});

test("a WebSocket with few heartbeats is not asked all the time", async () => {
  const { socket } = overSocket();
  const first = await socket(0);
  first.open(2_592_000);
  first.tell({ type: "subscribed", head: 9 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(first.commands.length, 1);
});

test("what piles up over a WebSocket is bounded: it is cut, and the rest read from the log", async () => {
  const { connection, socket } = overSocket({ bufferedMessagesMax: 2, after: 0 });
  const iterator = connection[Symbol.asyncIterator]();
  const first = await socket(0);
  first.open();
  first.tell({ type: "subscribed", head: 9 });
  let sent = 0;
  while (first.closed === undefined) first.tell({ type: "message", id: sent += 1, topic: "t", data: "x" });
  assert.ok(sent <= 1030);
  let last = 0;
  while (FakeSocket.made.length === 1) {
    const { value } = await iterator.next();
    assert.equal(value.id, last + 1);
    last = value.id;
    await new Promise(setImmediate);
  }
  const second = await socket(1);
  second.open();
  const { after } = second.commands[0];
  assert.ok(after >= last && after <= last + 3);
  second.tell({ type: "message", id: after + 1, topic: "t", data: "x" });
  for (; last <= after; last += 1) assert.equal((await iterator.next()).value.id, last + 1);
});

// Publishing.

test("a publish is repeated with its key until it is answered", async () => {
  const server = await script((answer) => answer.cut(), (answer) => answer.problem(503, "queue_full", { "retry-after": "0" }),
    (answer) => answer.json({ id: 7, topic: "a/b" }, 200));
  const answer = await publish({ url: server.url, topic: "a/b", data: { x: 1 }, event: "e", key: "k", end: true,
    token: "secret", ...QUICK });
  assert.deepEqual(answer, { id: 7, topic: "a/b", repeated: true });
  assert.equal(server.count, 3);
  for (const { method, url, body, headers } of server.requests) {
    assert.deepEqual([method, url, body], ["POST", "/topics/a/b/messages?event=e&key=k&end=true", '{"x":1}']);
    assert.match(headers["idempotency-key"], /^[0-9a-f]{32}$/);
    assert.equal(headers["idempotency-key"], server.requests[0].headers["idempotency-key"]);
    assert.equal(headers.authorization, "Bearer secret");
  }
});

test("a publish that is refused is not repeated, one that is given up stops", async () => {
  const server = await script((answer) => answer.problem(409, "topic_ended"));
  await assert.rejects(publish({ url: server.url, topic: "t", data: "x" }), { status: 409, code: "topic_ended" });
  assert.equal(server.count, 1);
  const busy = await script((answer) => answer.problem(503, "queue_full"));
  await assert.rejects(publish({ url: busy.url, topic: "t", data: "x", retries: 2, ...QUICK }), { code: "queue_full" });
  assert.equal(busy.count, 3);
  const controller = new AbortController();
  const waiting = publish({ url: busy.url, topic: "t", data: "x", signal: controller.signal, backoff: { min: 60_000 } });
  await until(() => busy.count === 4);
  controller.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});

test("a publish gets a fresh token once, and has the key it is given", async () => {
  const server = await script((answer) => answer.problem(401, "invalid_token"),
    (answer) => answer.json({ id: 1, topic: "t" }, 201), (answer) => answer.problem(401, "invalid_token"));
  let count = 0;
  const getToken = () => `token-${count += 1}`;
  assert.deepEqual(await publish({ url: server.url, topic: "t", data: "x", idempotencyKey: "mine", getToken }),
    { id: 1, topic: "t" });
  assert.deepEqual(server.requests.map(({ headers }) => [headers.authorization, headers["idempotency-key"]]),
    [["Bearer token-1", "mine"], ["Bearer token-2", "mine"]]);
  await assert.rejects(publish({ url: server.url, topic: "t", getToken }), { status: 401 });
  assert.equal(server.count, 4);
});

test("stop asks for the end, and says what it is", async () => {
  const server = await script((answer) => answer.cut(),
    (answer) => answer.json({ topic: "answers/7", reason: "stopped", last_id: 1043 }));
  assert.deepEqual(await stop({ url: server.url, topic: "answers/7", token: "secret", ...QUICK }),
    { topic: "answers/7", reason: "stopped", last_id: 1043 });
  assert.deepEqual(server.requests.map(({ method, url }) => `${method} ${url}`), Array(2).fill("POST /topics/answers/7/stop"));
});

test("a publish that is not answered is repeated", async () => {
  const server = await script(() => {}, (answer) => answer.json({ id: 1, topic: "t" }, 201));
  const options = { url: server.url, topic: "t", data: "x", timeoutSeconds: 0.05, ...QUICK };
  assert.equal((await publish(options)).id, 1);
  assert.equal(server.count, 2);
});

test("a retry: of 0 is no reason to spin", async () => {
  const waits = [];
  const server = await script((answer) => answer.stream("", 0).end());
  const connection = follow(server, { after: 1, backoff: { min: 50, max: 100 }, onState: (state, more) => {
    if (state === "waiting") waits.push(more.retryInMilliseconds);
  } });
  await until(() => server.count >= 6);
  connection.close();
  assert.ok(server.requests[5].at - server.requests[0].at >= 190, `${waits}`);
});
