"""Every credential over every carrier and transport, to topics that it covers and that it does not.

What has to come of a case is told by a model of a few lines, which knows grants as sets of topics.
"""

import itertools
from functools import cache

import pytest

from admin import Admin, segment
from attempts import CARRIERS, NAME, PATTERN, PATTERNS, TRANSPORTS, action, attempt
from broker import Broker, wait_for
from credentials import KeyRing, bearer, create_token, mistyped, revoke, sign, unknown_token
from hostile_tokens import HOSTILE

ANONYMOUS = {"publish": ["public/inbox"], "subscribe": ["public/**"], "stop": ["public/x"]}
JWT_GRANT = {"publish": ["stocks/**"], "subscribe": ["stocks/**", "news/*"], "stop": ["stocks/*"]}
GRANTS = {
    "nothing": ANONYMOUS,
    "wide": {"publish": ["**"], "subscribe": ["**"], "stop": ["**"]},
    "narrow": {"publish": ["stocks/*"], "subscribe": ["stocks/*"], "stop": ["stocks/*"]},
    "publish only": {"publish": ["stocks/**"], "subscribe": [], "stop": []},
    "subscribe only": {"publish": [], "subscribe": ["stocks/**"], "stop": []},
    "stop only": {"publish": [], "subscribe": [], "stop": ["stocks/**"]},
    "listed": {"publish": ["stocks/A", "news/A"], "subscribe": ["stocks/A", "news/A", "*/A"],
               "stop": ["stocks/A", "news/A"]},
    "JWT HS256": JWT_GRANT, "JWT RS256": JWT_GRANT, "JWT ES256": JWT_GRANT, "JWT EdDSA": JWT_GRANT,
    # Good, and says nothing of what may be done here.
    "JWT without claim": {"publish": [], "subscribe": [], "stop": []},
}
BAD = ["expired", "revoked", "mistyped", "unknown", *(f"JWT {name}" for name in HOSTILE)]
NAMES = [["stocks/A"], ["stocks/us/A"], ["news/A"], ["public/x"], ["public/inbox"]]
PATTERN_LISTS = [*NAMES, ["stocks/*"], ["stocks/**"], ["*/A"], ["public/**"], ["*/*"], ["**"]]
SEVERAL = [["stocks/A", "stocks/B"], ["stocks/A", "news/A"], ["stocks/*", "public/**"]]


# The model.


def selects(pattern, topic):
    if pattern[:1] == ("**",):
        return len(topic) > 0
    if not pattern or not topic:
        return pattern == topic
    return pattern[0] in ("*", topic[0]) and selects(pattern[1:], topic[1:])


LEVELS = ("stocks", "news", "public", "inbox", "us", "A", "B", "x")
UNIVERSE = [topic for depth in (1, 2, 3) for topic in itertools.product(LEVELS, repeat=depth)]


@cache
def selected(pattern):
    """All topics of a small world that a pattern stands for."""
    levels = tuple(pattern.split("/"))
    return frozenset(topic for topic in UNIVERSE if selects(levels, topic))


def expected(credential, transport, topics):
    """The code that has to come; None where it is to be done."""
    if credential not in GRANTS:
        return "invalid_token"
    granted = GRANTS[credential][action(transport)]
    if all(any(selected(topic) <= selected(pattern) for pattern in granted) for topic in topics):
        return None
    return "unauthorized" if credential == "nothing" else "forbidden"


# The table.


def lists_for(transport):
    taken = TRANSPORTS[transport][1]
    return {NAME: NAMES, PATTERN: PATTERN_LISTS, PATTERNS: PATTERN_LISTS + SEVERAL}[taken]


def carriers_of(credential, transport):
    if credential == "nothing":
        return ["nothing"]
    return [*CARRIERS, "command"] if transport.startswith("websocket") else CARRIERS


def case(*values):
    return pytest.param(*values, id=" | ".join(
        value if isinstance(value, str) else ",".join(value) for value in values))


def good_cases():
    """Every credential, transport and list of topics; the carriers take turns."""
    turn = itertools.count()
    for credential, transport in itertools.product(GRANTS, TRANSPORTS):
        carriers = carriers_of(credential, transport)
        for topics in lists_for(transport):
            yield case(credential, carriers[next(turn) % len(carriers)], transport, topics)


def carrier_cases():
    """Every carrier of two credentials, where it is granted and where it is not."""
    for credential, transport in itertools.product(("narrow", "JWT ES256"), TRANSPORTS):
        for carrier in carriers_of(credential, transport):
            for topics in (["stocks/A"], ["public/x"]):
                yield case(credential, carrier, transport, topics)


def bad_cases():
    """Bad credentials, where anybody without one would be served: no falling back to that."""
    turn = itertools.count()
    for credential, transport in itertools.product(BAD, TRANSPORTS):
        carriers = carriers_of(credential, transport)
        if transport not in ("publish", "events", "websocket subscribe"):
            carriers = [carriers[next(turn) % len(carriers)]]
        for carrier in carriers:
            yield case(credential, carrier, transport, ["public/inbox"])


CASES = [*good_cases(), *carrier_cases(), *bad_cases()]


def test_the_table_is_large_and_says_all_four_things():
    codes = {expected(credential, transport, topics)
             for credential, _, transport, topics in (case.values for case in CASES)}
    assert len(CASES) >= 300
    assert codes == {None, "unauthorized", "forbidden", "invalid_token"}
    assert len({case.id for case in CASES}) >= len(CASES) - len(list(carrier_cases()))


# The broker that all cases share.


class Locked:
    """A broker with every kind of key, its credentials, and a message in each topic."""

    def __init__(self, folder):
        self.ring = KeyRing(folder)
        self.broker = Broker(
            folder / "data", *self.ring.options, "--anonymous-subscribe", "public/**",
            "--anonymous-publish", "public/inbox", "--anonymous-stop", "public/x").start()
        self.admin = Admin(self.broker)
        self.tokens = {"nothing": None, "unknown": unknown_token()}
        for name, grant in GRANTS.items():
            if name == "JWT without claim":
                self.tokens[name] = sign(self.ring.rs, self.ring.claims(tickertape=None))
            elif name.startswith("JWT"):
                key = {"HS256": self.ring.hs, "RS256": self.ring.rs, "ES256": self.ring.es,
                       "EdDSA": self.ring.ed}[name.split()[1]]
                audience = [self.ring.audience, "another"] if key is self.ring.rs else "tickertape"
                self.tokens[name] = self.ring.token(key, **grant, aud=audience)
            elif name != "nothing":
                self.tokens[name] = create_token(self.broker, **grant)
        for name, make in HOSTILE.items():
            self.tokens[f"JWT {name}"] = make(self.ring)
        self.tokens["mistyped"] = mistyped(self.tokens["wide"])
        self.tokens["revoked"] = create_token(self.broker, ["**"], ["**"], ["**"])
        revoke(self.admin, self.tokens["revoked"])
        self.tokens["expired"] = self.make_expired_token()
        self.messages = {topic: self.admin.publish(topic, "seed") for [topic] in NAMES}
        self.seen = 0
        assert self.new_messages() == len(NAMES)

    def make_expired_token(self):
        made = self.admin.ok("POST", "/v1/tokens", {
            "publish": ["**"], "subscribe": ["**"], "stop": ["**"], "expires_in_seconds": 1}, 201)
        wait_for(lambda: self.admin.get(f"/v1/tokens/{made['id']}")["state"] == "expired", 5,
                 "the end of the token")
        return made["token"]

    def new_messages(self):
        """How many there are since this was asked last, by the way that every reader has."""
        page = self.broker.request("GET", f"/topics/**/messages?after={self.seen}",
                                   headers=bearer(self.tokens["wide"]))
        assert page.status == 200, page.body
        self.seen = page.json()["next"]
        return len(page.json()["messages"])


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    made = Locked(tmp_path_factory.mktemp("locked"))
    yield made
    made.broker.check_alive()
    made.broker.kill()


@pytest.mark.parametrize("credential, carrier, transport, topics", CASES)
def test_who_may_do_what(locked, credential, carrier, transport, topics):
    token = locked.tokens[credential]
    data = str(locked.messages[topics[0]]) if transport == "message" else f"{credential}/{carrier}"
    outcome = attempt(locked.broker, transport, topics, token, carrier, data)
    code = expected(credential, transport, topics)
    if code == "invalid_token" and carrier == "query" and len(token) > 8_000:
        code = "uri_too_long"
    assert outcome.code == code, outcome
    # A publish that was refused has left nothing behind.
    assert locked.new_messages() == (action(transport) == "publish" and code is None)
    # A stop that was refused has stopped nothing; one that was not is undone for the others.
    if action(transport) == "stop":
        path = f"/v1/topics/{segment(topics[0])}/reopen"
        locked.admin.ok("POST", path, status=200 if code is None else 409)
    check_words(outcome, credential, transport, topics, token)


def check_words(outcome, credential, transport, topics, token):
    """The detail says what is missing, and never the token."""
    if outcome.code is None:
        if outcome.granted:
            assert {name: outcome.granted[name] for name in ANONYMOUS} == GRANTS[credential]
        return
    # (A few hostile ones are words that any sentence may have.)
    assert token is None or len(token) < 10 or token not in outcome.detail
    if outcome.code == "forbidden":
        wanted = action(transport)
        granted = GRANTS[credential][wanted]
        missing = [topic for topic in topics if not any(
            selected(topic) <= selected(pattern) for pattern in granted)]
        assert wanted in outcome.detail, outcome
        assert any(outcome.detail.endswith(topic) for topic in missing), outcome
    if outcome.code == "invalid_token" and credential.startswith("JWT"):
        word = next((word for word in ("expired", "audience", "issuer", "not yet valid")
                     if word in credential), "")
        assert word in outcome.detail, outcome


def test_good_tokens_are_still_good_after_all_the_bad_ones(locked):
    # What is remembered of credentials must not be mixed up.
    for name in ("wide", "JWT RS256"):
        outcome = attempt(locked.broker, "publish", ["stocks/A"], locked.tokens[name])
        assert outcome.code is None
    own = sign(locked.ring.es, locked.ring.claims(["a"], ["b"], sub="somebody"))
    assert attempt(locked.broker, "publish", ["a"], own).code is None
    assert attempt(locked.broker, "publish", ["b"], own).code == "forbidden"
    assert locked.new_messages() == 3
