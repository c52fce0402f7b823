"""Chromium, headless: pages of the broker's own origin with a native EventSource."""

from contextlib import contextmanager
from shutil import which

from playwright.sync_api import sync_playwright

FOLLOW = """([name, url, types]) => {
  const seen = { events: [], opens: 0, errors: 0, source: new EventSource(url) };
  window[name] = seen;
  seen.source.onopen = () => { seen.opens += 1; };
  seen.source.onerror = () => { seen.errors += 1; };
  const keep = event => { seen.events.push([event.lastEventId, event.type, event.data]); };
  for (const type of types) seen.source.addEventListener(type, keep);
}"""


@contextmanager
def chromium(*options):
    """The system's Chromium; nothing is ever downloaded."""
    path = which("chromium")
    assert path, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[
            "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", *options])
        try:
            yield browser
        finally:
            browser.close()


class NativeEventSource:
    """One `new EventSource(url)` in a page; the browser reconnects by itself."""

    name = "Chromium"

    def __init__(self, browser, origin, target, types=("message",)):
        self.page = browser.new_page()
        self.page.goto(f"{origin}/healthz")
        self.page.evaluate(FOLLOW, ["seen", target, list(types)])

    def wait_until_open(self, timeout=10):
        self.page.wait_for_function("seen.opens > 0", timeout=timeout * 1000)

    def wait_for_events(self, count, timeout=30):
        self.page.wait_for_function(
            "count => seen.events.length >= count", arg=count, timeout=timeout * 1000)

    @property
    def count(self):
        return self.page.evaluate("seen.events.length")

    @property
    def opens(self):
        return self.page.evaluate("seen.opens")

    @property
    def events(self):
        return [tuple(event) for event in self.page.evaluate("seen.events")]

    def close(self):
        self.page.close()
