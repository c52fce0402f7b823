"""Credentials that no broker may take, by what is wrong with them.

Each is made from a ring of keys that the broker trusts, and would grant everything.
"""

import base64
import json
import time

from credentials import (Key, Secret, base64url, part, sign, unknown_token, with_flipped_bit)

DAY = 86_400


def without_signature(ring, algorithm):
    return sign(ring.hs, ring.claims(), {"alg": algorithm}, signature=b"")


def with_payload_of_another(ring, key):
    """The signature of a token that grants nothing, on a payload that grants everything."""
    head, _, signature = ring.token(key, publish=(), subscribe=()).split(".")
    return f"{head}.{part(ring.claims())}.{signature}"


def confused(ring, secret, **header):
    """What a broker takes that believes `alg`, and takes the public key for a secret."""
    return sign(Secret(secret), ring.claims(), header)


def of_size(ring, size):
    """A good token of so many bytes; base64 cannot hit every length with the payload alone."""
    for kind in ("J", "JW", "JWT", "JWTs"):
        missing = size - len(sign(ring.hs, ring.claims(sub=""), {"typ": kind}))
        for filler in range(missing * 3 // 4 - 3, missing * 3 // 4 + 3):
            token = sign(ring.hs, ring.claims(sub="x" * filler), {"typ": kind})
            if len(token) == size:
                return token
    raise AssertionError(f"no token of {size} bytes")


def in_own_key(ring):
    """Signed by a stranger who brings the key along."""
    stranger = Key("ES256")
    return sign(stranger, ring.claims(), {"jwk": stranger.jwk, "jku": "https://evil.example/keys"})


def with_padding(ring):
    head, payload, signature = ring.token().split(".")
    payload, signature = (text + "=" * (-len(text) % 4) for text in (payload, signature))
    return f"{head}.{payload}.{signature}"


def in_other_alphabet(ring):
    """The signature in base64 with `+` and `/`, until it has one of them."""
    while True:
        head, payload, signature = ring.token(jti=unknown_token()).split(".")
        data = base64.urlsafe_b64decode(signature + "=")
        plain = base64.b64encode(data).decode("ascii").rstrip("=")
        if plain != signature:
            return f"{head}.{payload}.{plain}"


def nested(text):
    """JSON that takes a parser 2,000 levels down."""
    return text + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}"


def claimed(**more):
    return lambda ring: sign(ring.hs, ring.claims(**more))


# Each takes the ring and makes the token.
HOSTILE = {
    "forged HS256": lambda ring: with_flipped_bit(ring.token()),
    "forged RS256": lambda ring: with_flipped_bit(ring.token(ring.rs)),
    "forged ES256": lambda ring: with_flipped_bit(ring.token(ring.es)),
    "forged EdDSA": lambda ring: with_flipped_bit(ring.token(ring.ed)),
    "payload of another HS256": lambda ring: with_payload_of_another(ring, ring.hs),
    "payload of another RS256": lambda ring: with_payload_of_another(ring, ring.rs),
    "zero signature ES256": lambda ring: sign(ring.es, ring.claims(), signature=bytes(64)),
    "zero signature EdDSA": lambda ring: sign(ring.ed, ring.claims(), signature=bytes(64)),
    "empty signature HS256": lambda ring: sign(ring.hs, ring.claims(), signature=b""),
    "foreign key HS256": lambda ring: sign(Secret(), ring.claims()),
    "foreign key RS256": lambda ring: sign(Key("RS256"), ring.claims()),
    "foreign key ES256": lambda ring: sign(Key("ES256"), ring.claims()),
    "foreign key EdDSA": lambda ring: sign(Key("EdDSA", "ed-1"), ring.claims()),
    "own key in the header": in_own_key,
    "alg none": lambda ring: without_signature(ring, "none"),
    "alg None": lambda ring: without_signature(ring, "None"),
    "alg nOnE": lambda ring: without_signature(ring, "nOnE"),
    "alg none with a signature": lambda ring: sign(ring.hs, ring.claims(), {"alg": "none"}),
    "alg empty": lambda ring: sign(ring.hs, ring.claims(), {"alg": ""}),
    "alg missing": lambda ring: sign(ring.hs, ring.claims(), {"alg": None}),
    "alg hs256": lambda ring: sign(ring.hs, ring.claims(), {"alg": "hs256"}),
    "alg HS512 on HS256": lambda ring: sign(ring.hs, ring.claims(), {"alg": "HS512"}),
    "alg RS512 on RS256": lambda ring: sign(ring.rs, ring.claims(), {"alg": "RS512"}),
    "alg PS256 on RS256": lambda ring: sign(ring.rs, ring.claims(), {"alg": "PS256"}),
    "alg no string": lambda ring: sign(ring.hs, ring.claims(), {"alg": ["HS256"]}),
    "confused with the RSA key": lambda ring: confused(ring, ring.rs.pem),
    "confused with the stripped RSA key": lambda ring: confused(ring, ring.rs.pem.strip()),
    "confused with the EC key": lambda ring: confused(ring, ring.es.pem),
    "confused with the key set": lambda ring: confused(
        ring, (ring.folder / "keys.json").read_bytes(), kid="ed-1"),
    "unknown kid": lambda ring: sign(ring.ed, ring.claims(), {"kid": "ed-2"}),
    "kid of a path": lambda ring: sign(ring.ed, ring.claims(), {"kid": "../../../dev/null"}),
    "kid of another alg": lambda ring: sign(ring.hs, ring.claims(), {"kid": "ed-1"}),
    "crit": lambda ring: sign(ring.hs, ring.claims(), {"crit": ["exp"], "exp": 1}),
    "crit of nothing": lambda ring: sign(ring.hs, ring.claims(), {"crit": []}),
    "expired": claimed(exp=int(time.time()) - 5),
    "expired long ago": claimed(exp=1),
    "expires before the epoch": claimed(exp=-1),
    "no exp": claimed(exp=None),
    "exp a string": claimed(exp=str(int(time.time()) + DAY)),
    "exp true": claimed(exp=True),
    "exp of infinity": lambda ring: sign(ring.hs, json.dumps(
        ring.claims()).replace('"exp": 1', '"exp": 1e999, "x": 1').encode()),
    "not yet valid": claimed(nbf=int(time.time()) + DAY),
    "nbf a string": claimed(nbf="tomorrow"),
    "wrong audience": claimed(aud="somebody-else"),
    "wrong audiences": claimed(aud=["somebody", "else"]),
    "no audience": claimed(aud=None),
    "audience in other case": claimed(aud="Tickertape"),
    "wrong issuer": claimed(iss="https://issuer.example.evil.example"),
    "no issuer": claimed(iss=None),
    "claim a string": claimed(tickertape="**"),
    "claim a list": claimed(tickertape=["**"]),
    "claim of a string": claimed(tickertape={"publish": "**", "subscribe": "**"}),
    "claim of numbers": claimed(tickertape={"publish": [1], "subscribe": [2]}),
    "bad pattern": claimed(tickertape={"publish": ["a**"], "subscribe": ["**"]}),
    "empty pattern": claimed(tickertape={"publish": [""], "subscribe": ["**"]}),
    "too many patterns": claimed(tickertape={
        "publish": ["**"], "subscribe": ["**", *(f"p/{n}" for n in range(128))]}),
    "truncated by a byte": lambda ring: ring.token()[:-1],
    "truncated by half": lambda ring: (token := ring.token())[:len(token) // 2],
    "truncated signature": lambda ring: ring.token().rpartition(".")[0],
    "truncated to its dots": lambda ring: "..",
    "five parts": lambda ring: ring.token() + ".e30.e30",
    "four parts": lambda ring: ring.token() + ".",
    "padding": with_padding,
    "other alphabet": in_other_alphabet,
    "header no JSON": lambda ring: sign(ring.hs, ring.claims(), b'{"alg":"HS256"'),
    "header a list": lambda ring: sign(ring.hs, ring.claims(), b'["HS256"]'),
    "payload no JSON": lambda ring: sign(ring.hs, b"no JSON"),
    "payload a list": lambda ring: sign(ring.hs, b"[]"),
    "payload not UTF-8": lambda ring: sign(ring.hs, b'{"exp":9999999999,"sub":"\xff"}'),
    "header too deep": lambda ring: sign(
        ring.hs, ring.claims(), nested(b'{"alg":"HS256"'), signature=b"x" * 32),
    "payload too deep": lambda ring: sign(ring.hs, nested(b'{"exp":9999999999')),
    "header in place of all": lambda ring: base64url(b'{"alg":"HS256"}'),
    "some word": lambda ring: "secret",
    "oversized": lambda ring: of_size(ring, 8_193),
}
