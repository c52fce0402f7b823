// Tickertape's client: follow topics, publish, stop. One module, no dependency, no build step.
//
// A `Connection` is what a program holds. A `Follower` keeps it going: it makes one attempt after
// the other and owns the cursor, the id after which the next attempt goes on. An attempt is one
// generator of *signals* (a message, a gap, the end, …), over an event stream read by fetch or by
// EventSource, a WebSocket, long polls of history, or the connection of another tab. Signals are
// pulled: a reader that is slow makes the attempt wait, and the broker's log is the buffer. Nothing
// here grows without bound.

/** Messages that wait for a slow reader before reading stops. */
const BUFFERED_MESSAGES_MAX = 256;
/**
 * Signals a transport that cannot be held back may pile up before it is cut, to go on from the log.
 */
const BUFFERED_SIGNALS_MAX = 1024;
/** Characters of one event, and of one line: beyond it whoever sends is not a broker. */
const EVENT_CHARACTERS_MAX = 64 * 1024 * 1024;
/** Longer addresses are refused on the way; what follows more topics is asked for by POST. */
const URL_CHARACTERS_MAX = 2000;
const HEARTBEAT_SECONDS = 15;
/** Heartbeats without a sign of life after which a connection is dead. */
const SILENT_HEARTBEATS = 2.5;
/**
 * The same before the first byte. The broker sends it at once; what swallows it is a buffering
 * proxy.
 */
const OPENING_HEARTBEATS = 2 / 3;
const POLL_SECONDS = 25;
/** A publish without an answer is repeated after this. */
const REQUEST_SECONDS = 30;
/** The longest a timer can wait; what is longer would be over at once. */
const TIMER_MILLISECONDS_MAX = 0x7FFFFFFF;
/** What a connection has to last to count as a success by itself. */
const STABLE_MILLISECONDS = 5000;
const BROKER_EVENTS = ["tickertape.gap", "tickertape.end", "tickertape.unauthorized",
  "tickertape.expiring", "tickertape.caught-up"];
const SUBPROTOCOL = "tickertape.v1";
/** Above every id: history answers it with the head. Too large for a number. */
const BEYOND_EVERY_ID = "9223372036854775807";

/** Why an attempt was given up by us; compared by identity. */
const SILENT = new DOMException("nothing came within the time of the watchdog", "TimeoutError");
const WOKEN = new DOMException("the network came back", "NetworkError");

// Errors

/** What the broker, or the way to it, has refused. `code` is what programs look at. */
export class TickertapeError extends Error {
  constructor(code, detail, { status, retryAfter, problem, cause } = {}) {
    super(detail ? `${code}: ${detail}` : code, cause === undefined ? undefined : { cause });
    this.name = "TickertapeError";
    Object.assign(this, { code, detail, status, retryAfter, problem });
  }

  /** Whether the same request can succeed later. */
  get isRetryable() {
    return [408, 425, 429].includes(this.status)
      || (this.status >= 500 && this.status !== 501 && this.status !== 505);
  }

  static async from(response, now = Date.now()) {
    let problem = {};
    try {
      problem = JSON.parse(await response.text()) ?? {};
    } catch { /* Not of the broker: the status has to do. */ }
    const { status, statusText, headers } = response;
    const { code = `http_${status}`, title = statusText, detail = title } = problem;
    const retryAfter = secondsOf(headers.get("retry-after"), now);
    return new TickertapeError(code, detail, { status, problem, retryAfter });
  }
}

/** `Retry-After` in seconds; it is a number or a date. */
function secondsOf(field, now) {
  if (!field) return undefined;
  if (/^\d+$/.test(field)) return Number(field);
  const date = Date.parse(field);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - now) / 1000);
}

// Event streams

/**
 * Text or bytes in, in pieces of any size; events out, as WHATWG HTML §9.2.6 has it.
 *
 * An event is `{event, data, id}`. Two more things are told that an `EventSource` keeps to itself:
 * `{id}` for a block without data, which moves the cursor, and `{retry}` in milliseconds. What is
 * not closed by an empty line is never told: the next connection brings it again.
 */
export class EventStreamParser {
  #decoder = new TextDecoder(); // It drops one byte order mark, as it must.
  #isFirst = true;
  #isAfterCarriageReturn = false;
  #partialLine = "";
  #data = [];
  #characters = 0;
  #event = "";
  #id;
  #lastEventId;

  constructor({ lastEventId = "" } = {}) {
    this.#id = this.#lastEventId = String(lastEventId);
  }

  push(chunk) {
    let text = typeof chunk === "string" ? chunk : this.#decoder.decode(chunk, { stream: true });
    if (text === "") return [];
    const isText = typeof chunk === "string";
    if (this.#isFirst && isText && text.startsWith("\uFEFF")) text = text.slice(1);
    this.#isFirst = false;
    const found = [];
    // Only what is new is searched: a long line in small pieces must not cost its square.
    let start = this.#isAfterCarriageReturn && text[0] === "\n" ? 1 : 0;
    if (text !== "") this.#isAfterCarriageReturn = text.endsWith("\r");
    const lineEnd = /\r\n?|\n/g;
    lineEnd.lastIndex = start;
    for (let match = lineEnd.exec(text); match; match = lineEnd.exec(text)) {
      const line = this.#partialLine + text.slice(start, match.index);
      this.#partialLine = "";
      start = lineEnd.lastIndex;
      this.#take(line, found);
    }
    this.#partialLine += text.slice(start);
    this.#check(this.#partialLine.length);
    return found;
  }

  #check(more) {
    if (this.#characters + more > EVENT_CHARACTERS_MAX) {
      const detail = `an event has over ${EVENT_CHARACTERS_MAX} characters`;
      throw new TickertapeError("event_too_large", detail, { status: 200 });
    }
  }

  #take(line, found) {
    if (line === "") return this.#dispatch(found);
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") {
      const characters = value.length + 1; // With its line end: empty lines take space, too.
      this.#check(characters);
      this.#characters += characters;
      this.#data.push(value);
    } else if (field === "event") {
      this.#event = value;
    } else if (field === "id") {
      if (!value.includes("\0")) this.#id = value;
    } else if (field === "retry") {
      if (/^[0-9]+$/.test(value)) found.push({ retry: Number(value) });
    }
  }

  #dispatch(found) {
    const hasMoved = this.#id !== this.#lastEventId;
    this.#lastEventId = this.#id;
    if (this.#data.length > 0) {
      found.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.#id });
    } else if (hasMoved) {
      found.push({ id: this.#id });
    }
    this.#data = [];
    this.#characters = 0;
    this.#event = "";
  }
}

/** The events of a `Response`, a `ReadableStream`, or an iterable of bytes or text. */
export async function* parseEventStream(source, { lastEventId, cursors = false } = {}) {
  const parser = new EventStreamParser({ lastEventId });
  for await (const chunk of chunksOf(source.body ?? source)) {
    for (const found of parser.push(chunk)) if (cursors || found.data !== undefined) yield found;
  }
}

/** Not every browser can iterate over a stream. */
async function* chunksOf(source) {
  if (!source.getReader) return yield* source;
  const reader = source.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Ids of the broker are numbers; an endpoint of somebody else's may have any text. */
function idOf(text) {
  if (text === "" || text === undefined || text === null) return undefined;
  return /^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

/**
 * What an event of the broker's says. An endpoint of somebody else's may leave it out, and must not
 * be asked again for that.
 */
function detailsOf(data) {
  try {
    const details = JSON.parse(data);
    if (typeof details === "object" && !Array.isArray(details)) return details ?? {};
  } catch { /* Not JSON: the name of the event has to do. */ }
  return {};
}

/** What something that stands in an event stream means. */
function signalOf({ event, data, id: text, retry }, topic) {
  if (retry !== undefined) return { type: "retry", milliseconds: retry };
  const id = idOf(text);
  if (data === undefined) return { type: "cursor", id };
  switch (event) {
    case "tickertape.gap": {
      return { type: "gap", id, gap: { after: null, reason: "unknown", ...detailsOf(data) } };
    }
    case "tickertape.end": return { type: "end", end: { reason: "ended", ...detailsOf(data) } };
    case "tickertape.unauthorized": {
      return { type: "unauthorized", reason: detailsOf(data).reason ?? "unauthorized" };
    }
    case "tickertape.expiring": return { type: "expiring", seconds: detailsOf(data).seconds };
    case "tickertape.caught-up": return { type: "caught-up", id };
    case "message": return messageSignal({ id, topic, data });
    default: return messageSignal({ id, topic, event, data });
  }
}

/** A message has only the members that it has. */
function messageSignal({ id, topic, event, key, time, data }) {
  const message = { id, topic, event, key, time, data };
  for (const name in message) if (message[name] === undefined) delete message[name];
  return { type: "message", id, message };
}

// Requests

/** What is followed, and how each transport asks for it. Never changes. */
class Subscription {
  constructor({ url, topics, tail, coalesce, method, headers, body, credentials, events = [] }) {
    this.topics = topics === undefined ? undefined : [topics].flat();
    if (this.topics?.length === 0) throw new TypeError("topics is empty");
    Object.assign(this, { tail, coalesce, method, body, credentials, events });
    this.headers = new Headers(headers ?? {}); // Throws here and now if one is no header.
    this.base = baseURL(url);
    if (body?.getReader) throw new TypeError("body is a stream: it cannot be sent a second time");
    if (body && Object.getPrototypeOf(body) === Object.prototype) {
      this.body = JSON.stringify(body);
      if (!this.headers.has("content-type")) this.headers.set("content-type", "application/json");
    }
    this.isRepeatable = body === undefined && (method ?? "GET") === "GET";
  }

  /** Whether it is the broker that answers, and not an endpoint of the program's own. */
  get isOfBroker() { return this.topics !== undefined; }
  get #solePattern() { return this.topics?.length === 1 ? this.topics[0] : undefined; }
  /** The topic of every message, if there is one: event streams do not say it. */
  get topic() { return this.#solePattern?.includes("*") ? undefined : this.#solePattern; }

  /** Where its stream is; `start` says where it begins, as far as the address does. */
  #address(start) {
    if (!this.isOfBroker) return new URL(this.base);
    const sole = this.#solePattern;
    const url = at(this.base, sole === undefined ? "events" : `topics/${encodeTopic(sole)}/events`);
    const listed = sole === undefined ? this.topics : [];
    for (const topic of listed) url.searchParams.append("topic", topic);
    if (this.coalesce) url.searchParams.set("coalesce", this.coalesce);
    for (const [name, value] of Object.entries(start)) url.searchParams.set(name, value);
    return url;
  }

  fetchRequest(cursor, token) {
    const headers = new Headers(this.headers);
    headers.set("accept", "text/event-stream");
    if (token) headers.set("authorization", `Bearer ${token}`);
    // The cursor goes into the header: it is what an endpoint of the program's own can know.
    if (cursor !== undefined) headers.set("last-event-id", byteString(cursor));
    const start = { caught_up: true };
    if (cursor === undefined && this.tail) start.tail = this.tail;
    const url = this.#address(start);
    const more = this.#requestOf(headers);
    if (this.isOfBroker && (this.method === "POST" || url.href.length > URL_CHARACTERS_MAX)) {
      headers.set("content-type", "application/json");
      const body = { topics: this.topics, ...start, coalesce: this.coalesce };
      const { href } = at(this.base, "events");
      return [href, { ...more, method: "POST", body: JSON.stringify(body) }];
    }
    if (this.body !== undefined) more.body = this.body;
    const method = this.method ?? (this.body === undefined ? "GET" : "POST");
    return [url.href, { ...more, method }];
  }

  #requestOf(headers) {
    const request = { headers, cache: "no-store" };
    if (this.credentials) request.credentials = this.credentials;
    return request;
  }

  /**
   * A new EventSource cannot set a header; of those it sends by itself the last id wins over
   * `after`.
   */
  eventSourceURL(cursor, token) {
    const start = { caught_up: true };
    if (cursor !== undefined) start.after = cursor;
    else if (this.tail) start.tail = this.tail;
    if (token) start.access_token = token;
    return this.#address(start).href;
  }

  webSocketURL() {
    const url = at(this.base, "ws");
    url.protocol = url.protocol.replace("http", "ws");
    return url.href;
  }

  subscribeCommand(cursor) {
    const { topics, coalesce } = this;
    const start = cursor === undefined ? { tail: this.tail } : { after: cursor };
    return { ref: "subscribe", type: "subscribe", topics, coalesce, ...start };
  }

  /** History knows no tail, and one pattern at a time. */
  canPoll(cursor) {
    return this.#solePattern !== undefined && (cursor !== undefined || !this.tail);
  }

  pollRequest(cursor, token) {
    const url = at(this.base, `topics/${encodeTopic(this.#solePattern)}/messages`);
    url.searchParams.set("after", cursor ?? BEYOND_EVERY_ID);
    url.searchParams.set("limit", 1000);
    if (cursor !== undefined) url.searchParams.set("wait", POLL_SECONDS);
    const headers = new Headers(this.headers);
    if (token) headers.set("authorization", `Bearer ${token}`);
    return [url.href, this.#requestOf(headers)];
  }
}

/** Headers take bytes alone. Those of UTF-8 are what a native EventSource sends. */
function byteString(value) {
  const bytes = new TextEncoder().encode(String(value));
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

const encodeTopic = (topic) => topic.split("/").map(encodeURIComponent).join("/");

/** The broker's address, by default that of this module; relative ones are the page's. */
function baseURL(url) {
  const isFile = import.meta.url.startsWith("file:");
  if (url === undefined && isFile) throw new TypeError("url is missing");
  const base = url === undefined
    ? new URL(".", import.meta.url) : new URL(url, globalThis.location?.href);
  if (!/^https?:$/.test(base.protocol)) throw new TypeError(`${base.href} is not http or https`);
  return base.href;
}

function at(base, path) {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/$/, "")}/${path}`;
  return url;
}

/** The credential: asked for when there is none, kept until it is refused. */
class Credentials {
  #token;
  #asked;

  constructor({ token, getToken, onUnauthorized }) {
    this.#token = token;
    this.get = getToken;
    this.canRefresh = Boolean(getToken || onUnauthorized); // Whoever is told may renew a cookie.
  }

  async token() {
    if (this.#token !== undefined && this.#token !== null) return this.#token;
    const asked = this.#asked = {};
    const token = await this.get?.();
    // One that was given up may be answered after the next, and its token be an old one.
    if (asked === this.#asked) this.#token = token;
    return token;
  }

  forget() {
    if (this.get) this.#token = undefined;
  }

  /** A fresh one, if there is a way to get it. */
  async renewed() {
    this.forget();
    return this.get && this.token();
  }
}

// Time and surroundings

/** What the module uses of the world; tests and odd runtimes replace parts of it. */
function environmentOf(given = {}) {
  const global = globalThis;
  return {
    fetch: global.fetch && ((...request) => global.fetch(...request)),
    EventSource: global.EventSource,
    WebSocket: global.WebSocket,
    SharedWorker: global.SharedWorker,
    BroadcastChannel: global.BroadcastChannel,
    locks: global.navigator?.locks,
    document: global.document,
    events: global.addEventListener ? global : undefined,
    isOnline: () => global.navigator?.onLine !== false,
    random: Math.random,
    ...given,
  };
}

/** A time that a timer can wait. */
const timely = (milliseconds) => Math.min(milliseconds, TIMER_MILLISECONDS_MAX);

/**
 * How long to wait before the next attempt: at least what the broker says, longer after each
 * failure.
 */
class Backoff {
  #failures = 0;
  #asked;

  constructor({ min = 500, max = 30_000 } = {}, random = Math.random) {
    Object.assign(this, { min, max, random });
  }

  /** The reconnection time of `retry:`. */
  set asked(milliseconds) { this.#asked = milliseconds; }
  /** Whether it was more than one bad moment. */
  get hasFailedAgain() { return this.#failures > 1; }

  succeeded() { this.#failures = 0; }

  next() {
    const asked = this.#asked ?? this.min;
    const floor = this.#failures > 0 ? Math.max(asked, this.min) : asked; // It may ask for 0.
    const grown = Math.min(this.max, floor * 1.5 * 2 ** this.#failures);
    this.#failures += 1;
    return this.between(floor, Math.max(floor * 1.25, grown));
  }

  /**
   * A wait that was ordered, with some jitter on top: whoever got the same order comes some other
   * time.
   */
  ordered(milliseconds) { return this.between(milliseconds, milliseconds * 1.25); }

  /** Nothing beyond what a timer holds, or the wait would be none. */
  between(...bounds) {
    const [least, most] = bounds.map(timely);
    return least + this.random() * (most - least);
  }
}

/**
 * Says when nothing was heard for too long. Looks at the clock, since timers sleep with the
 * machine.
 */
class Watchdog {
  #timer;
  #deadline = Infinity;

  constructor(onSilence) {
    this.onSilence = onSilence;
  }

  /** 0 turns it off. */
  arm(milliseconds) {
    this.disarm();
    if (!(milliseconds > 0)) return;
    this.#deadline = Date.now() + timely(milliseconds);
    this.#timer = setTimeout(() => this.onSilence(), timely(milliseconds));
  }

  disarm() {
    clearTimeout(this.#timer);
    this.#deadline = Infinity;
  }

  check() {
    if (Date.now() >= this.#deadline) this.onSilence();
  }
}

/**
 * Calls `onWake` when the network comes back or the page is looked at again. The answer ends that.
 */
function watchSurroundings({ document, events }, onWake) {
  const look = () => document.visibilityState === "visible" && onWake("visible");
  const listeners = [
    [events, "online", () => onWake("online")],
    // From the cache of pages: its connections were cut.
    [events, "pageshow", ({ persisted }) => persisted && onWake("online")],
    [document, "resume", () => onWake("visible")],
    [document, "visibilitychange", look],
  ].filter(([target]) => target?.addEventListener);
  for (const [target, name, listener] of listeners) target.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of listeners) target.removeEventListener(name, listener);
  };
}

/** A promise with its ends outside. */
function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

/**
 * What is promised, or the reason of the signal if that is first: what a program has promised may
 * never come.
 */
async function unlessAborted(promised, signal) {
  if (!signal) return promised;
  const { promise: aborted, reject } = deferred();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promised, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** A bounded queue with one reader. Who puts waits for room; who cannot wait asks for it. */
class Queue {
  #items = [];
  #end; // Once it is known: {error?}.
  #wanted;
  #room;

  constructor(limit) {
    this.limit = limit;
  }

  get isEmpty() { return this.#items.length === 0; }
  get isFull() { return this.#items.length >= this.limit; }

  add(item) {
    if (this.#end) return;
    this.#items.push(item);
    this.#wakeReaders();
  }

  #wakeReaders() {
    this.#wanted?.resolve();
    this.#wanted = undefined;
  }

  async put(item) {
    while (this.isFull && !this.#end) await (this.#room ??= deferred()).promise;
    this.add(item);
  }

  /** What is queued is still read, unless it is to be dropped. */
  finish({ error, isDropped = false } = {}) {
    if (isDropped) this.#items = [];
    this.#end ??= { error };
    this.#wakeReaders();
    this.#room?.resolve();
  }

  async next() {
    while (this.isEmpty && !this.#end) await (this.#wanted ??= deferred()).promise;
    if (!this.isEmpty) {
      const value = this.#items.shift();
      if (!this.isFull) { this.#room?.resolve(); this.#room = undefined; }
      return { done: false, value };
    }
    const { error } = this.#end;
    this.#end = {}; // An error is thrown once.
    if (error) throw error;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator]() { return this; }
}

// Transports
//
// Each is a generator of the signals of one attempt. It returns when the connection has ended,
// throws when it was refused or cut, and lets go of everything in `finally`.

/** What one attempt has to know, and how it shows that it is alive. */
class Attempt {
  hasHeard = false;

  constructor(members) {
    Object.assign(this, members);
    this.watchdog = new Watchdog(() => this.controller.abort(SILENT));
  }

  get signal() { return this.controller.signal; }

  /** From now on something must come: within a short time at first, then within some heartbeats. */
  expect(seconds = 0) {
    const isOpening = !this.hasHeard && this.subscription.isOfBroker;
    const heartbeats = isOpening ? OPENING_HEARTBEATS : SILENT_HEARTBEATS;
    // 0 means that the other side promises nothing.
    const expected = this.heartbeatSeconds > 0 ? this.heartbeatSeconds * heartbeats + seconds : 0;
    this.watchdog.arm(expected * 1000);
  }

  heard() {
    this.hasHeard = true;
    this.watchdog.disarm();
  }
}

/** An event stream, or why there is none. */
async function openEventStream(attempt) {
  const [url, init] = attempt.subscription.fetchRequest(attempt.cursor, attempt.token);
  const response = await attempt.environment.fetch(url, { ...init, signal: attempt.signal });
  if (response.status === 204) return undefined;
  if (response.status !== 200) throw await TickertapeError.from(response);
  const type = response.headers.get("content-type") ?? "none";
  if (/^text\/event-stream\s*(;|$)/i.test(type)) return response;
  response.body?.cancel().catch(() => {});
  const detail = `the answer's Content-Type is ${type}`;
  throw new TickertapeError("not_an_event_stream", detail, { status: 200 });
}

async function* followByFetch(attempt) {
  attempt.expect();
  const response = await openEventStream(attempt);
  if (!response) return yield { type: "end", end: { reason: "ended" } };
  yield { type: "open" };
  const parser = new EventStreamParser({ lastEventId: attempt.cursor ?? "" });
  const reader = response.body.getReader();
  try {
    for (;;) {
      attempt.expect(); // Only while we read: a slow program is no silent broker.
      // Node 18 may leave a read without an answer when its request is aborted.
      const { done, value } = await unlessAborted(reader.read(), attempt.signal);
      if (done) return;
      attempt.heard();
      for (const found of parser.push(value)) yield signalOf(found, attempt.subscription.topic);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * The browser reconnects, with the broker's `retry` and the last id, which a page cannot see. Nor
 * does it see heartbeats: only that a stream opens without the `tickertape.caught-up` that comes on
 * each.
 */
async function* followByEventSource(attempt) {
  const { subscription, environment } = attempt;
  const signals = new Queue(BUFFERED_SIGNALS_MAX);
  let isClosed = false;
  const source = new environment.EventSource(
    subscription.eventSourceURL(attempt.cursor, attempt.token),
    { withCredentials: subscription.credentials === "include" });
  attempt.signal.addEventListener("abort", () => signals.finish({ error: attempt.signal.reason }));
  for (const name of ["message", ...BROKER_EVENTS, ...subscription.events]) {
    source.addEventListener(name, (event) => {
      if (event.data === undefined) return; // Its own `error` or `open`.
      attempt.heard();
      if (signals.isFull) return overflow(signals, () => source.close());
      const told = { event: name, data: event.data, id: event.lastEventId };
      signals.add(signalOf(told, subscription.topic));
    });
  }
  attempt.watchdog.arm(attempt.heartbeatSeconds * SILENT_HEARTBEATS * 1000);
  source.onopen = () => {
    if (subscription.isOfBroker) attempt.expect();
    else attempt.watchdog.disarm();
    signals.add({ type: "open" });
  };
  source.onerror = (event) => {
    if (event.data !== undefined) return;
    attempt.watchdog.disarm();
    isClosed = source.readyState === source.CLOSED;
    if (isClosed) signals.finish();
    else signals.add({ type: "state", state: "waiting" });
  };
  try {
    yield* signals;
    if (isClosed) yield* explainClosed(attempt);
  } finally {
    source.close();
  }
}

/** An EventSource does not say why it gave up. The same request by fetch does. */
async function* explainClosed(attempt) {
  if (!attempt.environment.fetch) return;
  attempt.expect();
  const response = await openEventStream(attempt);
  if (response) response.body.cancel().catch(() => {});
  else yield { type: "end", end: { reason: "ended" } };
}

/** What is queued is read, and then everything after it is read from the log. */
function overflow(signals, close) {
  close();
  signals.add({ type: "resume", milliseconds: 0 });
  signals.finish();
}

async function* followByWebSocket(attempt) {
  const { subscription, environment } = attempt;
  const signals = new Queue(BUFFERED_SIGNALS_MAX);
  const socket = new environment.WebSocket(subscription.webSocketURL(), [SUBPROTOCOL]);
  const send = (command) => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(command));
  };
  const authorize = (token) => token && send({ ref: "auth", type: "auth", token });
  let heartbeat, retryAfter, isQuiet = true;
  attempt.signal.addEventListener("abort", () => signals.finish({ error: attempt.signal.reason }));
  attempt.expect();
  socket.onopen = () => {
    // Commands are carried out in order: the second has what the first grants.
    authorize(attempt.token);
    send(subscription.subscribeCommand(attempt.cursor));
  };
  socket.onmessage = ({ data }) => {
    attempt.heard();
    attempt.expect();
    isQuiet = false;
    const told = JSON.parse(data);
    if (told.type === "hello") {
      attempt.heartbeatSeconds = told.heartbeat_seconds;
      clearInterval(heartbeat);
      // Pages do not see the pings of the protocol, so they ask.
      heartbeat = setInterval(() => {
        if (isQuiet) send({ ref: "ping", type: "ping" });
        isQuiet = true;
      }, timely(attempt.heartbeatSeconds * 1000));
    } else if (told.type === "draining") {
      retryAfter = told.retry_after_ms;
    } else if (told.type === "expiring") {
      attempt.credentials.renewed().then(authorize, () => {}); // Else the end comes, and says so.
    }
    const signal = signalOfCommand(told);
    if (!signal) return;
    if (signal.error) signals.finish(signal);
    else if (signals.isFull) overflow(signals, () => socket.close(1000));
    else signals.add(signal);
  };
  socket.onclose = ({ code, reason }) => {
    signals.finish(afterClose(code, reason, retryAfter, environment.random));
  };
  try {
    yield* signals;
  } finally {
    clearInterval(heartbeat);
    socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }
}

function signalOfCommand(told) {
  const { type, id } = told;
  switch (type) {
    case "subscribed": return { type: "open", head: told.head };
    case "message": return messageSignal(told);
    case "cursor": return { type: "cursor", id };
    case "caught_up": return { type: "caught-up", id };
    case "end": {
      const { topic, reason, last_id } = told;
      return { type, end: { topic, reason, last_id } };
    }
    case "expiring": return { type, seconds: told.seconds };
    case "gap": {
      const gap = { after: told.after, resumed: told.resumed, reason: told.reason };
      // After a retention gap the cursor stays until the next message.
      return { type, gap, id: told.reason === "retention" ? undefined : told.resumed };
    }
    case "error": {
      if (told.code === "topic_deleted") return { type: "end", end: { reason: "deleted" } };
      const more = { status: statusOfCommand(told), retryAfter: told.retry_after_seconds };
      return { error: new TickertapeError(told.code, told.detail, more) };
    }
    default: return undefined;
  }
}

/** The status that HTTP would have: what may be tried again, and what needs another credential. */
function statusOfCommand({ code, retry_after_seconds: seconds }) {
  if (code === "unauthorized" || code === "invalid_token") return 401;
  return seconds === undefined ? 400 : 503;
}

/** What a close code asks of a client (§19.27). */
function afterClose(code, reason, retryAfter, random) {
  const error = (status, seconds) => ({
    error: new TickertapeError(`websocket_${code}`, reason, { status, retryAfter: seconds }) });
  switch (code) {
    case 4401: return error(401);
    case 1002: case 1003: case 1007: case 1009: return error(400);
    case 1011: return error(503, 5 + random() * 10);
    case 1012: return error(503, retryAfter === undefined ? 1 + random() * 4 : retryAfter / 1000);
    default: return {}; // The network.
  }
}

/** Whole answers, one after the other: they come through every proxy, however it buffers. */
async function* followByPolling(attempt) {
  let { cursor } = attempt;
  for (let isOpen = false; ;) {
    attempt.expect(cursor === undefined ? 0 : POLL_SECONDS);
    const [url, init] = attempt.subscription.pollRequest(cursor, attempt.token);
    const response = await attempt.environment.fetch(url, { ...init, signal: attempt.signal });
    if (response.status !== 200) throw await TickertapeError.from(response);
    const page = await unlessAborted(response.json(), attempt.signal);
    attempt.heard();
    if (!isOpen) yield { type: "open" };
    isOpen = true;
    // Without a cursor it was the head that was asked for, by what would be a gap.
    const isReset = page.gap?.reason === "reset";
    if (page.gap && cursor !== undefined) {
      yield { type: "gap", gap: page.gap, id: isReset ? page.next : undefined };
    }
    for (const message of page.messages) yield messageSignal(message);
    cursor = page.next;
    yield { type: "cursor", id: cursor };
    if (page.end) yield { type: "end", end: page.end };
  }
}

const TRANSPORTS = {
  fetch: followByFetch,
  "event-stream": followByEventSource,
  websocket: followByWebSocket,
  poll: followByPolling,
  "shared-worker": (attempt) => followByTabs(attempt, workerLink(attempt)),
  "shared-channel": (attempt) => followByTabs(attempt, channelLink(attempt)),
};

/** The transports to try, the next one when nothing at all comes over the last. */
function transportsOf({ transport = "auto", shared }, subscription, environment) {
  const { fetch, EventSource, WebSocket, SharedWorker, BroadcastChannel, locks } = environment;
  if (transport !== "auto" && !(transport in TRANSPORTS)) {
    throw new TypeError(`unknown transport ${transport}`);
  }
  if (!subscription.isOfBroker && ["websocket", "poll"].includes(transport)) {
    throw new TypeError(`transport ${transport} needs topics`);
  }
  const hasHeaders = [...subscription.headers].length > 0;
  const isPlain = subscription.isRepeatable && !hasHeaders;
  if (transport === "event-stream" && !isPlain) {
    throw new TypeError("an EventSource takes no method, headers or body: use the transport fetch");
  }
  if (transport === "websocket" && hasHeaders) {
    throw new TypeError("a WebSocket takes no headers: use the transport fetch");
  }
  // An EventSource is the last to choose: it needs the names of events, and hides heartbeats.
  const every = fetch ? ["fetch", "websocket", "poll"] : ["event-stream", "websocket"];
  const possible = subscription.isOfBroker ? every : every.slice(0, 1);
  const chosen = transport === "auto" ? possible : [transport];
  // What loses headers is no way out either: one of them may be what lets the request in.
  const has = { fetch, "event-stream": isPlain && EventSource,
    websocket: !hasHeaders && WebSocket, poll: fetch };
  const usable = chosen.filter((name) => has[name]);
  if (usable.length === 0) {
    const what = isPlain ? "" : " for a method, headers or body";
    throw new TypeError(`there is no ${chosen.join(" or ")}${what} here`);
  }
  if (!shared) return usable;
  if (!subscription.isOfBroker) throw new TypeError("shared needs topics");
  const tabs = [];
  if (SharedWorker) tabs.push("shared-worker");
  if (BroadcastChannel && locks) tabs.push("shared-channel");
  return [...tabs, ...usable];
}

// Coming back

/**
 * Follows until there is nothing more to follow, over any number of attempts, and gives each signal
 * to `sink`, waiting for it. Owns the cursor: every message is told once.
 */
class Follower {
  #options;
  #sink;
  #environment;
  #transports;
  #credentials;
  #backoff;
  #attempt;
  #stopped;
  #wake;
  #refusals = 0;
  #renewed = 0;
  cursor;
  state = "connecting";

  constructor(options, sink) {
    this.#options = options;
    this.#sink = sink;
    this.#environment = environmentOf(options.environment);
    this.subscription = new Subscription(options);
    this.#transports = transportsOf(options, this.subscription, this.#environment);
    this.#credentials = new Credentials(options);
    this.#backoff = new Backoff(options.backoff, this.#environment.random);
    this.cursor = idOf(options.after);
  }

  get transport() { return this.#transports[0]; }

  /** Resolves to what has ended it: `{reason, …}`. */
  async run() {
    const unwatch = watchSurroundings(this.#environment, (kind) => this.#woken(kind));
    try {
      for (;;) {
        const verdict = this.#stopped ? {} : await this.#try();
        const outcome = this.#stopped ?? verdict.outcome;
        if (outcome) return outcome;
        await this.#pause(verdict);
      }
    } finally {
      unwatch();
    }
  }

  stop(outcome) {
    this.#stopped ??= outcome;
    this.#attempt?.controller.abort();
    this.#wake?.("stop");
  }

  /**
   * One attempt: `{outcome}` at the end of all, else `{milliseconds, isOrdered}` until the next.
   */
  async #try() {
    await this.#setState("connecting");
    if (this.#stopped) return {}; // By its callback: there was no attempt to abort yet.
    const { subscription, cursor } = this;
    const promised = subscription.isOfBroker ? HEARTBEAT_SECONDS : 0;
    const attempt = this.#attempt = new Attempt({
      subscription, cursor, options: this.#options, environment: this.#environment,
      credentials: this.#credentials, controller: new AbortController(),
      heartbeatSeconds: this.#options.heartbeatSeconds ?? promised });
    const began = Date.now();
    let last;
    try {
      attempt.token = await unlessAborted(this.#credentials.token(), attempt.signal);
      attempt.signal.throwIfAborted(); // Since then: a transport is only told of what is to come.
      for await (const signal of TRANSPORTS[this.transport](attempt)) {
        if (this.#stopped) return {};
        last = signal;
        const verdict = await this.#take(signal);
        if (verdict) return verdict;
      }
      return this.#afterEnd(last);
    } catch (error) {
      return await this.#afterError(error, attempt);
    } finally {
      attempt.watchdog.disarm();
      attempt.controller.abort();
      if (attempt.hasHeard && Date.now() - began > STABLE_MILLISECONDS) this.#backoff.succeeded();
    }
  }

  async #take(signal) {
    const { type, id } = signal;
    if (type === "retry") { this.#backoff.asked = signal.milliseconds; return undefined; }
    if (type === "resume") return { milliseconds: signal.milliseconds, isOrdered: true };
    if (type === "state") return this.#setState(signal.state);
    if (type === "final") return { outcome: signal.outcome };
    // The hub of many tabs sees to it by itself; here it is only told.
    const isHandled = this.transport.startsWith("shared-");
    if (type === "unauthorized" && !isHandled) return this.#unauthorized(signal);
    if (type === "open") {
      this.#refusals = 0;
      if (this.cursor === undefined && !this.subscription.tail) this.cursor = signal.head;
      return this.#setState("open");
    }
    // A broker's ids grow. What is not beyond the cursor was told before, on another connection.
    const isKnown = typeof id === "number" && typeof this.cursor === "number" && id <= this.cursor;
    if (type === "message" && isKnown && this.subscription.isOfBroker) return undefined;
    // A gap alone may lead back: the log was another one.
    if (type === "gap" ? id !== undefined : "id" in signal && !isKnown) this.cursor = id;
    if (type === "message" || type === "caught-up") this.#backoff.succeeded();
    await this.#sink(signal);
    return type === "end" ? { outcome: { reason: "ended", ...signal.end } } : undefined;
  }

  /** The other side has closed without a word of an end. */
  #afterEnd(last) {
    // Somebody else's endpoint that gives no ids can only mean that it is done.
    if (!this.subscription.isOfBroker && this.cursor === undefined && this.transport === "fetch") {
      return { outcome: { reason: "ended" } };
    }
    this.#rotate();
    // A stream that ends with `retry` was put off or drained: that time is an order.
    return { milliseconds: this.#backoff.next(), isOrdered: last?.type === "retry" };
  }

  async #afterError(error, attempt) {
    const reason = attempt.signal.aborted ? attempt.signal.reason : undefined;
    if (this.#stopped) return {};
    if (reason === WOKEN) return { milliseconds: 0 };
    if (reason === SILENT) {
      this.#rotate(true);
      return { milliseconds: this.#backoff.next(), error: SILENT };
    }
    if (error instanceof TickertapeError) {
      if (error.status === 401) return this.#refused(error);
      if (!error.isRetryable) return { outcome: { reason: "refused", error } };
      const isOrdered = error.retryAfter !== undefined;
      const asked = isOrdered ? this.#backoff.ordered(error.retryAfter * 1000) : 0;
      return { milliseconds: Math.max(asked, this.#backoff.next()), isOrdered, error };
    }
    // What was sent once and cannot be resumed is not sent again: it could do its work twice.
    if (!this.subscription.isOfBroker && !this.subscription.isRepeatable
      && this.state === "open" && this.cursor === undefined) {
      const detail = "the stream was cut, and has no id to resume from";
      const cut = new TickertapeError("cut", detail, { cause: error });
      return { outcome: { reason: "refused", error: cut } };
    }
    this.#rotate();
    return { milliseconds: this.#backoff.next(), error };
  }

  /**
   * On to the next transport, if nothing came over this one. Only silence speaks against the first.
   */
  #rotate(isSilent = false) {
    const isFirst = ["fetch", "event-stream"].includes(this.transport);
    if (this.#attempt.hasHeard || (isFirst && !isSilent)) return;
    this.#transports.push(this.#transports.shift());
    const isInVain = this.transport === "poll" && !this.subscription.canPoll(this.cursor);
    if (isInVain) this.#transports.push(this.#transports.shift());
  }

  /** The request was refused: a fresh credential is asked for once. */
  async #refused(error) {
    this.#refusals += 1;
    const isFinal = this.#refusals > 1 || !this.#credentials.canRefresh;
    if (isFinal) return { outcome: { reason: "unauthorized", error } };
    return this.#unauthorized({ type: "unauthorized", reason: error.detail ?? error.code });
  }

  /** What was granted has ended: on with a fresh credential. */
  async #unauthorized(signal) {
    this.#credentials.forget();
    await this.#sink(signal);
    const isSoon = Date.now() - this.#renewed < STABLE_MILLISECONDS; // Such tokens are of no use.
    this.#renewed = Date.now();
    return { milliseconds: isSoon ? this.#backoff.next() : 0 };
  }

  async #pause({ milliseconds, isOrdered = false, error }) {
    const { document, isOnline } = this.#environment;
    const isHidden = document?.visibilityState === "hidden" && this.#backoff.hasFailedAgain;
    // Nobody looks, or nothing can be reached: seldom is enough, and whoever comes wakes us.
    const isSeldom = !isOnline() || isHidden;
    const wait = timely(isSeldom ? Math.max(milliseconds, this.#backoff.max) : milliseconds);
    if (this.#stopped || wait <= 0) return;
    await this.#setState("waiting", { retryInMilliseconds: wait, error });
    const done = deferred();
    const until = Date.now() + milliseconds;
    let timer = setTimeout(done.resolve, wait);
    this.#wake = (kind) => {
      clearTimeout(timer);
      // An order of the broker's holds, whatever the network does.
      const rest = isOrdered && kind !== "stop" ? until - Date.now() : 0;
      timer = setTimeout(done.resolve, Math.max(0, rest));
    };
    if (this.#stopped) this.#wake("stop");
    await done.promise;
    this.#wake = undefined;
  }

  #woken(kind) {
    if (this.#wake) this.#wake(kind);
    // The old connection may hang on a network that is gone; a new one resumes at no cost.
    else if (kind === "online") this.#attempt?.controller.abort(WOKEN);
    else this.#attempt?.watchdog.check();
  }

  async #setState(state, more = {}) {
    if (state === this.state && state !== "waiting") return;
    this.state = state;
    await this.#sink({ type: "state", state, transport: this.transport, ...more });
  }
}

// What programs hold

/** An exception of a callback is its program's affair: reported, and no reason to reconnect. */
async function call(callback, ...values) {
  try {
    await callback?.(...values);
  } catch (error) {
    if (globalThis.reportError) globalThis.reportError(error);
    else queueMicrotask(() => { throw error; });
  }
}

/** Topics that are followed: iterate over it, or give it callbacks. Made by `connect()`. */
class Connection {
  #options;
  #follower;
  #queue;
  #isIterated = false;
  #lastId;
  #hasGapReader = false;
  #state = "connecting";
  /** Resolves, and never rejects, when all is over: `{reason, topic?, last_id?, error?}`. */
  closed;

  constructor(options) {
    this.#options = options;
    this.#queue = new Queue(options.bufferedMessagesMax ?? BUFFERED_MESSAGES_MAX);
    this.#follower = new Follower(options, (signal) => this.#take(signal));
    this.#lastId = this.#follower.cursor;
    const abort = () => this.#stop({ reason: "aborted" });
    if (options.signal?.aborted) abort();
    options.signal?.addEventListener("abort", abort);
    // Callbacks may use the connection, so the caller has it first.
    this.closed = Promise.resolve().then(() => this.#follower.run())
      .catch((error) => ({ reason: "refused", error }))
      .then((outcome) => {
        options.signal?.removeEventListener("abort", abort);
        return this.#finish(outcome);
      });
  }

  get state() { return this.#state; }
  /** The id of the last message that was given out; go on from it with `after`. */
  get lastId() { return this.#lastId; }
  get transport() { return this.#follower.transport; }

  close() { this.#stop({ reason: "closed" }); }

  /** Messages, one reader at a time. Who leaves the loop closes the connection. */
  [Symbol.asyncIterator]() {
    if (this.#isIterated) throw new TypeError("this connection is being read already");
    this.#isIterated = true;
    return {
      next: async () => {
        const item = await this.#queue.next();
        if (!item.done && item.value.id !== undefined) this.#lastId = item.value.id;
        return item;
      },
      return: async (value) => {
        this.close();
        return { done: true, value };
      },
      [Symbol.asyncIterator]() { return this; },
    };
  }

  /**
   * The data alone, a `ReadableStream` that can be iterated over everywhere. A gap is an error of
   * it.
   */
  textStream() {
    this.#hasGapReader = true;
    const messages = this[Symbol.asyncIterator]();
    const stream = new ReadableStream({
      async pull(controller) {
        const { done, value } = await messages.next();
        if (done) controller.close();
        else controller.enqueue(value.data);
      },
      cancel: () => this.close(),
    }, { highWaterMark: 0 });
    if (!stream[Symbol.asyncIterator]) stream[Symbol.asyncIterator] = () => chunksOf(stream);
    return stream;
  }

  #stop(outcome) {
    this.#queue.finish({ isDropped: true });
    this.#follower.stop(outcome);
  }

  async #take(signal) {
    const options = this.#options;
    switch (signal.type) {
      case "message": {
        if (options.onMessage) await call(options.onMessage, signal.message);
        // Without a callback somebody is going to read, also if they have not begun.
        if (this.#isIterated || !options.onMessage) await this.#queue.put(signal.message);
        else if (signal.id !== undefined) this.#lastId = signal.id;
        break;
      }
      case "gap": {
        if (this.#hasGapReader && !options.onGap) {
          const detail = "messages are missing from the text";
          const error = new TickertapeError("gap", detail, { problem: signal.gap });
          this.#follower.stop({ reason: "refused", error });
        }
        await call(options.onGap, signal.gap);
        break;
      }
      case "end": await call(options.onEnd, signal.end); break;
      case "caught-up": await call(options.onCaughtUp, { id: signal.id }); break;
      case "expiring": await call(options.onExpiring, { seconds: signal.seconds }); break;
      case "unauthorized": await call(options.onUnauthorized, { reason: signal.reason }); break;
      case "state": return this.#show(signal.state, signal);
    }
    // What was passed over need not be looked at again, once all before it was given out.
    if (signal.type !== "message" && this.#queue.isEmpty) this.#lastId = this.#follower.cursor;
  }

  #show(state, { transport, retryInMilliseconds, error } = {}) {
    this.#state = state;
    return call(this.#options.onState, state, { transport, retryInMilliseconds, error });
  }

  async #finish(outcome) {
    const isEnd = ["ended", "stopped", "deleted"].includes(outcome.reason);
    const { error } = outcome;
    this.#queue.finish({ error });
    await this.#show(isEnd ? "ended" : "closed", { error, transport: this.transport });
    return outcome;
  }
}

/** Follows topics of a broker, or any event stream of an endpoint of your own. */
export function connect(options = {}) {
  return new Connection(options);
}

// Publishing

/** One request, repeated as long as that can help. It must be safe to repeat. */
async function ask(url, init, options) {
  const environment = environmentOf(options.environment);
  const credentials = new Credentials(options);
  const backoff = new Backoff(options.backoff, environment.random);
  for (let left = options.retries ?? 5, hasRefreshed = false; ;) {
    let error;
    try {
      const token = await unlessAborted(credentials.token(), options.signal);
      return await askOnce(url, init, { ...options, environment, token });
    } catch (thrown) {
      if (options.signal?.aborted) throw options.signal.reason;
      error = thrown;
    }
    if (error.status === 401 && options.getToken && !hasRefreshed) {
      hasRefreshed = true;
      credentials.forget();
      continue;
    }
    if ((error instanceof TickertapeError && !error.isRetryable) || left === 0) throw error;
    left -= 1;
    const ordered = backoff.ordered((error.retryAfter ?? 0) * 1000);
    await sleep(Math.max(backoff.next(), ordered), options.signal);
  }
}

/**
 * The JSON of the answer and its status. A server that does not answer is given up after a time.
 */
async function askOnce(url, { method, body, ...init }, { environment, token, signal, ...options }) {
  const headers = new Headers(options.headers ?? {});
  for (const [name, value] of Object.entries(init.headers ?? {})) headers.set(name, value);
  if (token) headers.set("authorization", `Bearer ${token}`);
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  const watchdog = new Watchdog(() => controller.abort(SILENT));
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  watchdog.arm((options.timeoutSeconds ?? REQUEST_SECONDS) * 1000);
  try {
    const request = { method, body, headers, signal: controller.signal };
    if (options.credentials) request.credentials = options.credentials;
    const response = await environment.fetch(url, request);
    if (!response.ok) throw await TickertapeError.from(response);
    return [await unlessAborted(response.json(), controller.signal), response.status];
  } finally {
    watchdog.disarm();
    signal?.removeEventListener("abort", abort);
  }
}

function sleep(milliseconds, signal) {
  const { promise, resolve, reject } = deferred();
  const timer = setTimeout(resolve, milliseconds);
  const abort = () => { clearTimeout(timer); reject(signal.reason); };
  signal?.addEventListener("abort", abort);
  return promise.finally(() => signal?.removeEventListener("abort", abort));
}

/** 128 random bits, for names alone: Node 18 has no `crypto`, pages without TLS no `randomUUID`. */
function randomName() {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto) crypto.getRandomValues(bytes);
  else bytes.forEach((_, index) => { bytes[index] = Math.random() * 256; });
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Publishes one message. Repeats are safe: they have the same idempotency key. */
export async function publish(options) {
  const { topic, data = "", event, key, end, idempotencyKey = randomName() } = options;
  const url = at(baseURL(options.url), `topics/${encodeTopic(topic)}/messages`);
  if (event) url.searchParams.set("event", event);
  if (key) url.searchParams.set("key", key);
  if (end) url.searchParams.set("end", true);
  const body = typeof data === "string" ? data : JSON.stringify(data);
  const init = { method: "POST", body, headers: { "idempotency-key": idempotencyKey } };
  const [answer, status] = await ask(url.href, init, options);
  return status === 200 ? { ...answer, repeated: true } : answer;
}

/** Asks whoever publishes to a topic to stop: the topic ends. */
export async function stop(options) {
  const url = at(baseURL(options.url), `topics/${encodeTopic(options.topic)}/stop`);
  const [answer] = await ask(url.href, { method: "POST" }, options);
  return answer;
}

// One connection for many tabs
//
// A hub holds one follower for each subscription, the *feed*, and any number of guests: the tabs.
// It runs in a SharedWorker, which is this very module, or else in the tab that holds a Web Lock. A
// guest that wants to begin elsewhere than where the feed is, or that has fallen behind, gets a
// follower of its own until that one's cursor has passed the feed's. All of a hub happens on one
// thread, so at that moment nothing is between the two: the guest joins the feed, without a buffer,
// a gap or a repetition.

/** Signals on their way to a tab that it has not taken yet; then it is fed from the log. */
const GUEST_SIGNALS_MAX = 256;
/** A tab that has slept may never answer. */
const TOKEN_SECONDS = 10;
/** Timers of a leader nobody looks at run once a minute. */
const THROTTLED_SECONDS = 60;
/**
 * Tabs of another version have a hub of their own: raise it when what they say to each other
 * changes.
 */
const HUB = "tickertape-1";
const SHARED_OPTIONS = ["url", "topics", "tail", "coalesce", "transport", "credentials", "events",
  "heartbeatSeconds", "backoff"];

/** What tabs must have in common to share a feed: one user's must not reach another's. */
function sharedDescription(options) {
  const description = Object.fromEntries(SHARED_OPTIONS.map((name) => [name, options[name]]));
  description.url = baseURL(options.url);
  description.headers = [...new Headers(options.headers ?? {})];
  const own = { name: options.shared, token: digest(options.token ?? "") };
  const common = { ...description, tail: undefined, ...own };
  return { description, feed: JSON.stringify(common) };
}

/** Tells tokens apart without showing them: 53 bits, in the manner of cyrb53. */
function digest(text) {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (const character of text) {
    high = Math.imul(high ^ character.codePointAt(0), 2654435761);
    low = Math.imul(low ^ character.codePointAt(0), 1597334677);
  }
  return 4294967296 * (2097151 & low) + (high >>> 0);
}

/** The way to the hub in the SharedWorker. */
function workerLink({ environment }) {
  const worker = new environment.SharedWorker(import.meta.url, { type: "module", name: HUB });
  const link = {
    send: (message) => worker.port.postMessage(message),
    close: () => worker.port.close(),
  };
  worker.port.onmessage = ({ data }) => link.onmessage(data);
  worker.onerror = () => link.onfailure();
  return link;
}

/** The way to the hub in the leading tab; it may turn out to be this one. */
function channelLink({ environment, controller, options }) {
  const { feed } = sharedDescription(options);
  const name = `${HUB}:${feed}`;
  const channel = new environment.BroadcastChannel(name);
  const link = {
    send: (message) => channel.postMessage({ to: "hub", ...message }),
    close: () => channel.close(),
  };
  channel.onmessage = ({ data }) => data.to !== "hub" && link.onmessage(data);
  lead(name, environment, controller.signal);
  return link;
}

/** Waits in line to be the leader, for as long as the attempt lasts, and is the hub then. */
function lead(name, environment, signal) {
  environment.locks.request(name, { signal }, async () => {
    const channel = new environment.BroadcastChannel(name);
    const hub = new Hub(environment);
    channel.onmessage = ({ data }) => {
      const answer = (message) => channel.postMessage({ to: data.tab, ...message });
      if (data.to === "hub") hub.receive(data, answer);
    };
    channel.postMessage({ to: "all", type: "hub" });
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    hub.close();
    channel.close();
  }).catch(() => {}); // Aborted while waiting.
}

/** The tab's side: signals of the hub, each acknowledged when the next is wanted. */
async function* followByTabs(attempt, link) {
  const tab = randomName();
  const signals = new Queue(Infinity); // The hub sends no more than it has acknowledgements for.
  const { locks, events } = attempt.environment;
  const { description, feed } = sharedDescription(attempt.options);
  let { cursor } = attempt; // Of what has come, taken or not: a new leader goes on from there.
  const attach = () => link.send({
    type: "attach", tab, feed, description, after: cursor, token: attempt.token,
    isLocked: Boolean(locks), canAuthorize: Boolean(attempt.credentials.get) });
  const leave = () => link.send({ type: "detach", tab });
  attempt.signal.addEventListener("abort", () => signals.finish({ error: attempt.signal.reason }));
  link.onfailure = () => signals.finish();
  link.onmessage = (message) => {
    if (message.type === "hub") return attach(); // A new leader, who knows nobody.
    if (message.to !== undefined && message.to !== tab) return;
    attempt.heard();
    attempt.expect(THROTTLED_SECONDS);
    if (message.type === "signal") {
      cursor = message.signal.id ?? cursor;
      signals.add(message.signal);
    }
    if (message.type === "token") answerForToken(attempt, link, tab);
    if (message.type === "final") {
      signals.add({ type: "final", outcome: received(message.outcome) });
    }
  };
  attempt.expect();
  events?.addEventListener("pagehide", leave);
  const gone = deferred();
  if (locks) {
    await new Promise((locked) => locks.request(lockOf(tab), () => {
      locked();
      return gone.promise;
    }));
  }
  try {
    attach();
    for await (const signal of signals) {
      yield signal;
      link.send({ type: "taken", tab });
    }
  } finally {
    events?.removeEventListener("pagehide", leave);
    leave();
    link.close();
    gone.resolve();
  }
}

function answerForToken({ credentials }, link, tab) {
  credentials.renewed().then(
    (token) => link.send({ type: "token", tab, token }),
    () => link.send({ type: "token", tab }));
}

/** A tab that dies says nothing, but it lets go of its lock. */
const lockOf = (tab) => `${HUB}:tab:${tab}`;

/** Errors lose their class on the way between tabs. */
const sent = ({ error, ...outcome }) => error === undefined ? outcome : {
  ...outcome, error: { code: error.code ?? error.name, detail: error.detail ?? error.message,
    status: error.status, problem: error.problem } };
const received = ({ error, ...outcome }) => error === undefined ? outcome
  : { ...outcome, error: new TickertapeError(error.code, error.detail, error) };

/** A tab, as the hub sees it. */
class Guest {
  #unacknowledged = 0;
  #room;
  isJoined = false;
  isGone = false;
  follower; // Its own, while it is not joined.
  token; // Where to put the token it was asked for.

  constructor({ tab, after, description, canAuthorize }, send) {
    Object.assign(this, { tab, cursor: after, tail: description.tail, canAuthorize, send });
  }

  get hasRoom() { return this.#unacknowledged < GUEST_SIGNALS_MAX; }

  tell(signal) {
    const { type, id } = signal;
    const isKnown = typeof id === "number" && typeof this.cursor === "number" && id <= this.cursor;
    if (isKnown && type !== "gap" && type !== "caught-up") return;
    if (id !== undefined && !(isKnown && type !== "gap")) this.cursor = id;
    this.#unacknowledged += 1;
    // Of a state the rest is not for other tabs, and may not be to send.
    const told = type === "state" ? { type, state: signal.state } : signal;
    this.send({ type: "signal", signal: told });
  }

  taken() {
    // Some may be meant for the last leader.
    this.#unacknowledged = Math.max(0, this.#unacknowledged - 1);
    if (this.#unacknowledged <= GUEST_SIGNALS_MAX / 2) this.#free();
  }

  #free() {
    this.#room?.resolve();
    this.#room = undefined;
  }

  async room() {
    if (!this.hasRoom && !this.isGone) await (this.#room ??= deferred()).promise;
  }

  finish(outcome) {
    this.send({ type: "final", outcome: sent(outcome) });
  }

  leave() {
    this.isGone = true;
    this.follower?.stop({ reason: "closed" });
    this.token?.resolve();
    this.#free();
  }
}

/** One subscription of a hub and the tabs that follow it. */
class Feed {
  #guests = new Map();
  #options;
  #live;
  #isOver = false;
  #beat;

  constructor({ description, token }, environment, onEnd) {
    const getToken = () => this.#askForToken(token);
    this.#options = { ...description, token, environment, getToken };
    this.onEnd = onEnd;
    const seconds = description.heartbeatSeconds || HEARTBEAT_SECONDS;
    const beat = () => this.#everyone((guest) => guest.send({ type: "alive" }));
    this.#beat = setInterval(beat, timely(seconds * 1000));
  }

  #everyone(action) { for (const guest of [...this.#guests.values()]) action(guest); }

  guest(tab) { return this.#guests.get(tab); }

  attach(guest) {
    this.#guests.set(guest.tab, guest);
    guest.send({ type: "alive" });
    if (this.#live) return this.#catchUp(guest);
    guest.isJoined = true;
    this.#live = this.#follow(guest, (signal) => this.#broadcast(signal));
    this.#run();
  }

  async #run() {
    const outcome = await this.#live.run();
    this.#end();
    this.#everyone((guest) => guest.isJoined && guest.finish(outcome));
  }

  /** From now on nobody joins; those that still catch up come to the end by themselves. */
  #end() {
    this.#isOver = true;
    this.onEnd();
  }

  #follow({ cursor, tail }, sink) {
    const start = cursor === undefined ? { tail } : { after: cursor, tail: undefined };
    return new Follower({ ...this.#options, ...start }, sink);
  }

  #broadcast(signal) {
    this.#everyone((guest) => {
      if (!guest.isJoined) this.#tryToJoin(guest);
      else if (guest.hasRoom) guest.tell(signal);
      else this.#fallBehind(guest);
    });
  }

  async #fallBehind(guest) {
    guest.isJoined = false;
    await guest.room();
    if (!guest.isGone) this.#catchUp(guest);
  }

  async #catchUp(guest) {
    const follower = guest.follower = this.#follow(guest, async (signal) => {
      guest.tell(signal);
      this.#tryToJoin(guest);
      await guest.room();
    });
    const outcome = await follower.run();
    if (guest.follower === follower && !guest.isGone) guest.finish(outcome);
  }

  #tryToJoin(guest) {
    const [own, live] = [guest.follower?.cursor, this.#live.cursor];
    if (this.#isOver || typeof own !== "number" || typeof live !== "number" || own < live) return;
    const { follower } = guest;
    guest.follower = undefined;
    guest.isJoined = true;
    follower.stop({ reason: "closed" });
    guest.tell({ type: "state", state: this.#live.state });
  }

  detach(tab) {
    this.#guests.get(tab)?.leave();
    this.#guests.delete(tab);
    if (this.#guests.size > 0) return;
    clearInterval(this.#beat);
    this.#end(); // Now, so that whoever comes next does not find what is about to stop.
    this.#live.stop({ reason: "closed" });
  }

  /** Any of the tabs can have one; those that do not answer are passed over. */
  async #askForToken(token) {
    for (const guest of [...this.#guests.values()].filter(({ canAuthorize }) => canAuthorize)) {
      guest.token = deferred();
      const timer = setTimeout(guest.token.resolve, TOKEN_SECONDS * 1000);
      guest.send({ type: "token" });
      const answer = await guest.token.promise;
      clearTimeout(timer);
      if (answer) return answer;
    }
    return token;
  }
}

/** Where the tabs come together. */
class Hub {
  #feeds = new Map();
  #feedOf = new Map();

  constructor(environment) {
    this.environment = environment;
  }

  receive(message, send) {
    const { type, tab } = message;
    if (type === "attach") return this.#attach(message, send);
    const feed = this.#feedOf.get(tab);
    if (type === "taken") feed?.guest(tab)?.taken();
    if (type === "token") feed?.guest(tab)?.token?.resolve(message.token);
    if (type === "detach") this.#detach(tab);
  }

  #attach(message, send) {
    const { feed: key, tab } = message;
    // A tab says so by itself and when a leader asks; as another guest it would be fed twice.
    if (this.#feedOf.has(tab)) return;
    let feed = this.#feeds.get(key);
    if (!feed) {
      const made = feed = new Feed(message, this.environment, () => {
        if (this.#feeds.get(key) === made) this.#feeds.delete(key);
      });
      this.#feeds.set(key, feed);
    }
    this.#feedOf.set(tab, feed);
    feed.attach(new Guest(message, send));
    if (message.isLocked) this.environment.locks?.request(lockOf(tab), () => this.#detach(tab));
  }

  #detach(tab) {
    this.#feedOf.get(tab)?.detach(tab);
    this.#feedOf.delete(tab);
  }

  close() { for (const tab of [...this.#feedOf.keys()]) this.#detach(tab); }
}

// The same module as the worker of all tabs.
const { SharedWorkerGlobalScope } = globalThis;
if (SharedWorkerGlobalScope && globalThis instanceof SharedWorkerGlobalScope) {
  const hub = new Hub(environmentOf());
  globalThis.addEventListener("connect", ({ ports: [port] }) => {
    port.onmessage = ({ data }) => hub.receive(data, (message) => port.postMessage(message));
  });
}
