// What the tests share: seeded chance, a scripted server, the real broker, nginx before it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTCPServer, connect as connectTCP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Mulberry32. Prints nothing; put it into the message of an assertion. */
export class Random {
  constructor(seed = Number(process.env.TICKERTAPE_SEED ?? Date.now() % 1_000_000)) {
    this.seed = this.state = seed;
  }

  next() {
    this.state = (this.state + 0x6D2B79F5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  below(bound) { return Math.floor(this.next() * bound); }
  of(values) { return values[this.below(values.length)]; }
  toString() { return `TICKERTAPE_SEED=${this.seed}`; }
}

/** Waits until it is true, and says so otherwise. */
export async function until(condition, what = condition.toString(), milliseconds = 10_000) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * A server that follows a script: one function for each request, the last one for all that follow.
 * `requests` keeps what was asked.
 */
export class Scripted {
  requests = [];

  static start(...steps) { return this.startAt(0, ...steps); }

  static async startAt(port, ...steps) {
    const scripted = new Scripted();
    scripted.steps = steps;
    scripted.server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const { method, headers, url } = request;
      const asked = { method, headers, url, path: url.split("?")[0], body: Buffer.concat(chunks).toString(),
        query: new URL(url, "http://x").searchParams, at: Date.now(), isClosed: false };
      response.on("close", () => { asked.isClosed = true; });
      scripted.requests.push(asked);
      const step = scripted.steps.length > 1 ? scripted.steps.shift() : scripted.steps[0];
      await step(new Answer(response), asked);
    });
    scripted.server.listen(port, "127.0.0.1");
    await once(scripted.server, "listening");
    scripted.port = scripted.server.address().port;
    scripted.url = `http://127.0.0.1:${scripted.port}/`;
    return scripted;
  }

  get count() { return this.requests.length; }

  async close() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

export class Answer {
  constructor(response) { this.response = response; }

  /** Opens an event stream as the broker does. */
  stream(text = "", retry = 5) {
    this.response.writeHead(200, { "content-type": "text/event-stream" });
    this.response.write(`:\n\nretry: ${retry}\n\n${text}`);
    return this;
  }

  write(text) { this.response.write(text); return this; }
  end(text = "") { this.response.end(text); return this; }

  /** Cuts the connection once all before it has gone out. */
  cut(text = "") {
    this.response.write(text, () => setImmediate(() => this.response.destroy()));
    return this;
  }

  problem(status, code, headers = {}) {
    this.response.writeHead(status, { "content-type": "application/problem+json", ...headers });
    this.response.end(JSON.stringify({ status, code, title: "a title", detail: `it is ${code}` }));
  }

  json(value, status = 200) {
    this.response.writeHead(status, { "content-type": "application/json" });
    this.response.end(JSON.stringify(value));
  }

  status(status, headers = {}) {
    this.response.writeHead(status, headers);
    this.response.end();
  }
}

/** A message as a block. */
export const block = (id, data = `m${id}`, event) =>
  `id: ${id}\n${event ? `event: ${event}\n` : ""}${data.split("\n").map((line) => `data: ${line}\n`).join("")}\n`;

export const END = (lastID, reason = "ended", topic = "t") =>
  `event: tickertape.end\ndata: ${JSON.stringify({ topic, reason, last_id: lastID })}\n\n`;

/** Short times, and no chance. */
export const QUICK = { backoff: { min: 5, max: 40 }, environment: { random: () => 0 } };

/** Runs a program and waits for a line of its output. */
async function started(command, options, ready) {
  const child = spawn(command, options, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (data) => { output += data; });
  child.stderr.on("data", (data) => { output += data; });
  const match = await until(() => {
    if (child.exitCode !== null) throw new Error(`${command} ended: ${output}`);
    return ready(output);
  }, `${command} is ready`, 20_000);
  return { child, match };
}

/** The real broker, restarted at will on its port. */
export class Broker {
  static isThere = Boolean(process.env.TICKERTAPE_BIN);

  static async start(...options) {
    const broker = new Broker();
    broker.options = options;
    broker.directory = await mkdtemp(join(tmpdir(), "tickertape-js-"));
    broker.port = 0;
    await broker.run();
    return broker;
  }

  async run() {
    const { child, match } = await started(process.env.TICKERTAPE_BIN,
      ["serve", "--data-dir", this.directory, "--port", String(this.port), ...this.options],
      (output) => /ready on https?:\/\/\S+:(\d+),/.exec(output));
    this.child = child;
    this.port = Number(match[1]);
    this.url = `http://127.0.0.1:${this.port}/`;
  }

  async end(signal) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await once(this.child, "exit");
  }

  async restart(signal) {
    await this.end(signal);
    await this.run();
  }

  async close() {
    await this.end("SIGKILL");
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** nginx that speaks HTTP/1.0 to the broker, as it does unless told, and holds back what it should pass on. */
export class BufferingProxy {
  static async start(port) {
    const proxy = new BufferingProxy();
    proxy.directory = await mkdtemp(join(tmpdir(), "tickertape-nginx-"));
    proxy.port = await freePort();
    const file = join(proxy.directory, "nginx.conf");
    await writeFile(file, `
      daemon off; pid ${proxy.directory}/pid; error_log stderr; worker_processes 1;
      events {}
      http {
        access_log off;
        ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
    `${name}_temp_path ${proxy.directory}/${name};`).join(" ")}
        server {
          listen 127.0.0.1:${proxy.port};
          location / {
            proxy_pass http://127.0.0.1:${port};
            proxy_buffering on;
            proxy_ignore_headers X-Accel-Buffering;
          }
        }
      }`);
    ({ child: proxy.child } = await started("nginx", ["-p", proxy.directory, "-c", file], () => true));
    await until(() => canConnect(proxy.port), "nginx listens");
    proxy.url = `http://127.0.0.1:${proxy.port}/`;
    return proxy;
  }

  async close() {
    this.child.kill("SIGTERM");
    if (this.child.exitCode === null) await once(this.child, "exit");
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function freePort() {
  const server = createTCPServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

function canConnect(port) {
  return new Promise((resolve) => {
    const socket = connectTCP(port, "127.0.0.1");
    socket.on("connect", () => { socket.destroy(); resolve(true); });
    socket.on("error", () => resolve(false));
  });
}

/** A TCP proxy that resets its connections at random places, as a bad network does. */
export class CuttingProxy {
  cuts = 0;

  static async start(port, random, most, cutsMax) {
    const proxy = new CuttingProxy();
    proxy.sockets = new Set();
    proxy.server = createTCPServer((down) => {
      const up = connectTCP(port, "127.0.0.1");
      let left = 1 + random.below(most);
      for (const socket of [down, up]) {
        proxy.sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => { proxy.sockets.delete(socket); up.destroy(); down.destroy(); });
      }
      down.pipe(up);
      up.on("data", (data) => {
        left -= data.length;
        if (left > 0 || proxy.cuts >= cutsMax) { down.write(data); return; }
        proxy.cuts += 1;
        down.write(data.subarray(0, Math.max(0, data.length + left)), () => down.resetAndDestroy());
      });
    });
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}/`;
    return proxy;
  }

  async close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, "close");
  }
}
