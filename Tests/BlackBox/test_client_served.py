"""The JavaScript client as the broker serves it: to everyone, with a tag, and never stale."""

import re
from pathlib import Path

import pytest

from broker import ROOT
from browser import chromium
from credentials import unknown_token
from http2 import HTTP2
from pages import Page, Site
from wire import check_problem

CLIENT = Path(ROOT, "Sources/TickertapeServer/Client")
FILES = [("/tickertape.js", "text/javascript; charset=utf-8"),
         ("/tickertape.d.ts", "text/plain; charset=utf-8")]


@pytest.mark.parametrize("target, kind", FILES)
def test_it_is_served_with_a_tag_and_asked_for_again(broker, target, kind):
    answer = broker.request("GET", target)
    assert (answer.status, answer.header("content-type")) == (200, kind)
    assert answer.body == (CLIENT / target[1:]).read_bytes()
    assert answer.header("cache-control") == "no-cache"
    assert answer.header("x-content-type-options") == "nosniff"
    tag = answer.header("etag")
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    head = broker.request("HEAD", target)
    assert (head.status, head.body, head.header("etag")) == (200, b"", tag)
    assert head.header("content-length") == str(len(answer.body))
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*", f'W/"x" ,{tag},"y"'):
        same = broker.request("GET", target, headers={"If-None-Match": known})
        assert (same.status, same.body, same.header("etag")) == (304, b"", tag), known
        assert same.header("cache-control") == "no-cache"
        assert same.header("content-type") is None and same.header("content-length") is None
    for other in ('"other"', tag[1:-1], tag[:-2] + '"', "W/*", ""):
        again = broker.request("GET", target, headers={"If-None-Match": other})
        assert (again.status, again.body) == (200, answer.body), other
    assert broker.request("HEAD", target, headers={"If-None-Match": tag}).status == 304


def test_a_connection_goes_on_after_an_answer_without_a_body(broker):
    with broker.connect() as connection:
        tag = connection.request("GET", "/tickertape.js").header("etag")
        for _ in range(3):
            same = connection.request("GET", "/tickertape.js", headers={"If-None-Match": tag})
            assert same.status == 304
            assert connection.request("GET", "/healthz").status == 200


def test_the_tags_differ(broker):
    assert len({broker.request("GET", target).header("etag") for target, _ in FILES}) == 2


def test_other_methods_and_paths_are_refused(broker):
    for target, _ in FILES:
        answer = broker.request("POST", target, b"")
        check_problem(answer, 405, "method_not_allowed")
        assert answer.header("allow") == "GET, HEAD"
        assert broker.request("GET", target + "/").status == 404
        assert broker.request("GET", target + "?v=1").status == 200


def test_pages_of_every_origin_may_have_it(start):
    own = start("--auth")
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"},
                    {"Sec-Fetch-Site": "cross-site"}, {"Host": "rebound.example"},
                    {"Authorization": f"Bearer {unknown_token()}"}):
        answer = own.request("GET", "/tickertape.js", headers=headers)
        assert answer.status == 200, headers
        assert answer.header("access-control-allow-origin") == "*"
        assert answer.header("access-control-allow-credentials") is None
        assert answer.header("cross-origin-resource-policy") == "cross-origin"
        # Nothing else opens with it.
        assert own.request("POST", "/tickertape.js", b"", headers).status in (403, 405)
        assert own.request("GET", "/tickertape.js/x", headers=headers).status in (403, 404)


def test_a_page_of_another_origin_imports_it_and_follows(start):
    site = Site()
    try:
        own = start("--allow-origin", site.origin())
        own.publish("a", "hello")
        with chromium() as browser, Page(browser.new_context(), site.origin()) as shown:
            told = shown.page.evaluate("""async (broker) => {
              const { connect } = await import(`${broker}/tickertape.js`);
              for await (const { data } of connect({ topics: "a", after: 0 })) return data;
            }""", f"http://127.0.0.1:{own.port}")
            assert told == "hello"
    finally:
        site.close()


def test_it_comes_over_http2_too(start):
    own = start("--h2c")
    with HTTP2(own) as client:
        answer = client.request("GET", "/tickertape.js")
        assert answer.status == 200 and answer.body == (CLIENT / "tickertape.js").read_bytes()
        tag = answer.header("etag")
        same = client.request("GET", "/tickertape.js", headers={"if-none-match": tag})
        assert (same.status, same.body, same.header("etag")) == (304, b"", tag)
