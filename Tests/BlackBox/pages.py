"""Pages of other origins: two sites on this machine, and what a script on them can try."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HTML = b"<!doctype html><meta charset=utf-8><title>page</title><body>a page"


class Site:
    """A page on a port of its own, under any name that leads here."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(HTML)))
            self.end_headers()
            self.wfile.write(HTML)

        def log_message(self, *_):
            pass

    def __init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def origin(self, host="127.0.0.1"):
        return f"http://{host}:{self.port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# Each resolves to what a page could see: an object of plain values.

FETCH = """async ([url, options]) => {
  try {
    const response = await fetch(url, options);
    return { type: response.type, status: response.status, text: await response.text(),
             headers: Object.fromEntries(response.headers) };
  } catch (error) { return { failed: error.name }; }
}"""

EVENT_SOURCE = """([url, options]) => new Promise(resolve => {
  const source = new EventSource(url, options), seen = [];
  const end = failed => { source.close(); resolve({ seen, failed }); };
  source.onmessage = event => { seen.push(event.data); end(false); };
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) end(true); };
})"""

WEB_SOCKET = """([url, commands]) => new Promise(resolve => {
  const socket = new WebSocket(url, ["tickertape.v1"]), seen = [];
  socket.onopen = () => { for (const command of commands) socket.send(JSON.stringify(command)); };
  socket.onmessage = event => {
    seen.push(JSON.parse(event.data));
    if (seen.length > commands.length) socket.close(1000);
  };
  socket.onclose = event => resolve({ seen, code: event.code });
})"""

LOAD = """([kind, url]) => new Promise(resolve => {
  const element = document.createElement(kind);
  element.onload = () => resolve({ loaded: true });
  element.onerror = () => resolve({ loaded: false });
  if (kind === "link") { element.rel = "stylesheet"; element.href = url; } else element.src = url;
  document.body.append(element);
})"""

SUBMIT = """([url, type, name, value]) => {
  const frame = document.createElement("iframe"), form = document.createElement("form");
  document.querySelectorAll("iframe").forEach(old => old.remove());
  frame.name = form.target = `sink${performance.now()}`;
  form.method = "post"; form.action = url; form.enctype = type;
  const field = document.createElement("input");
  field.name = name; field.value = value;
  form.append(field);
  document.body.append(frame, form);
  form.submit();
}"""


class Page:
    """A script's view, on a page of one origin."""

    def __init__(self, context, address):
        self.page = context.new_page()
        self.page.goto(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.close()

    def fetch(self, url, **options):
        return self.page.evaluate(FETCH, [url, options])

    def event_source(self, url, **options):
        return self.page.evaluate(EVENT_SOURCE, [url, options])

    def web_socket(self, url, *commands):
        return self.page.evaluate(WEB_SOCKET, [url.replace("http", "ws", 1), list(commands)])

    def load(self, kind, url):
        return self.page.evaluate(LOAD, [kind, url])["loaded"]

    def submit(self, url, enctype="text/plain", name="forged", value="x"):
        """Submits a form; the status of the answer, which the page itself cannot see."""
        with self.page.expect_response(lambda response: response.request.method == "POST") as told:
            self.page.evaluate(SUBMIT, [url, enctype, name, value])
        return told.value.status

    def beacon(self, url, text):
        with self.page.expect_response(lambda response: response.request.method == "POST") as told:
            assert self.page.evaluate(
                "([url, text]) => navigator.sendBeacon(url, text)", [url, text])
        return told.value.status
