"""Makes credentials, good and bad: access tokens through the command line, JWTs byte by byte."""

import base64
import hashlib
import json
import os
import time

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from cli import CommandLine

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
COOKIE = "tickertape_token"


# Keys.


class Secret:
    """A key of HS256: both sides have it."""

    algorithm = "HS256"

    def __init__(self, data=None):
        self.data = data or base64.b64encode(os.urandom(48))

    def sign(self, signed):
        mac = hmac.HMAC(self.data, hashes.SHA256())
        mac.update(signed)
        return mac.finalize()

    def write(self, path):
        """The file for `--jwt-secret-file`."""
        path.write_bytes(self.data + b"\n")
        return path


class Key:
    """A key of RS256, ES256 or EdDSA."""

    def __init__(self, algorithm, kid=None):
        self.algorithm, self.kid = algorithm, kid
        self.private = {
            "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate}[algorithm]()
        self.public = self.private.public_key()

    def sign(self, signed):
        if self.algorithm == "RS256":
            return self.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "EdDSA":
            return self.private.sign(signed)
        r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    @property
    def pem(self):
        return self.public.public_bytes(serialization.Encoding.PEM,
                                        serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def private_pem(self):
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption())

    @property
    def jwk(self):
        """The public half as a member of a key set."""
        if self.algorithm == "RS256":
            numbers = self.public.public_numbers()
            key = {"kty": "RSA", "n": base64url(number_bytes(numbers.n)),
                   "e": base64url(number_bytes(numbers.e))}
        elif self.algorithm == "ES256":
            numbers = self.public.public_numbers()
            key = {"kty": "EC", "crv": "P-256", "x": base64url(numbers.x.to_bytes(32, "big")),
                   "y": base64url(numbers.y.to_bytes(32, "big"))}
        else:
            raw = self.public.public_bytes(serialization.Encoding.Raw,
                                           serialization.PublicFormat.Raw)
            key = {"kty": "OKP", "crv": "Ed25519", "x": base64url(raw)}
        key |= {"alg": self.algorithm, "use": "sig"}
        return key | ({"kid": self.kid} if self.kid else {})

    def write(self, path):
        """The file for `--jwt-key-file`, as PEM."""
        path.write_bytes(self.pem)
        return path


def write_key_set(path, *keys):
    """The file for `--jwt-key-file`, as a JWKS; a file that is there is replaced as a whole."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps({"keys": [key.jwk for key in keys]}))
    new.replace(path)
    return path


class KeyRing:
    """A key of every kind, in files as a broker takes them."""

    issuer, audience = "https://issuer.example", "tickertape"

    def __init__(self, folder):
        self.folder = folder
        self.hs = Secret()
        self.rs, self.es = Key("RS256"), Key("ES256")
        self.ed = Key("EdDSA", kid="ed-1")
        self.hs.write(folder / "secret")
        self.rs.write(folder / "rs.pem")
        self.es.write(folder / "es.pem")
        write_key_set(folder / "keys.json", self.ed)

    @property
    def options(self):
        return ["--auth", "--jwt-secret-file", self.folder / "secret",
                *(option for name in ("rs.pem", "es.pem", "keys.json")
                  for option in ("--jwt-key-file", self.folder / name)),
                "--jwt-issuer", self.issuer, "--jwt-audience", self.audience]

    def claims(self, publish=("**",), subscribe=("**",), **more):
        """What this broker takes, with everything granted unless said otherwise."""
        return claims(publish, subscribe, **{"iss": self.issuer, "aud": self.audience} | more)

    def token(self, key=None, publish=("**",), subscribe=("**",), **more):
        return sign(key or self.hs, self.claims(publish, subscribe, **more))


# JWTs.


def number_bytes(number):
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def grant(publish=(), subscribe=(), stop=()):
    return {"publish": list(publish), "subscribe": list(subscribe), "stop": list(stop)}


def claims(publish=(), subscribe=(), stop=(), seconds=3600, **more):
    """A good payload; a claim that is None in `more` is left out."""
    granted = grant(publish, subscribe, stop)
    all_claims = {"tickertape": granted, "exp": int(time.time()) + seconds} | more
    return {name: value for name, value in all_claims.items() if value is not None}


def part(value):
    """One of the three parts: of an object, or of bytes that need not be one."""
    return base64url(value if isinstance(value, bytes) else json.dumps(value).encode("utf-8"))


def sign(key, payload, header=None, signature=None):
    """A JWT: `header` adds to the usual one or, as bytes, replaces it; so does `signature`."""
    if not isinstance(header, bytes):
        kid = {"kid": key.kid} if getattr(key, "kid", None) else {}
        header = {"alg": key.algorithm, "typ": "JWT"} | kid | (header or {})
        header = {name: value for name, value in header.items() if value is not None}
    signed = f"{part(header)}.{part(payload)}"
    made = key.sign(signed.encode("ascii")) if signature is None else signature
    return f"{signed}.{base64url(made)}"


def with_flipped_bit(token):
    """The same JWT with one bit of its signature turned over."""
    head, _, signature = token.rpartition(".")
    data = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    data[len(data) // 2] ^= 1
    return f"{head}.{base64url(bytes(data))}"


# Access tokens.


def create_token(broker, publish=(), subscribe=(), stop=(), expires=None, note=None):
    """A new access token of a running broker, made by its command line."""
    lists = {"--publish": publish, "--subscribe": subscribe, "--stop": stop}
    options = [option for flag, patterns in lists.items()
               for pattern in patterns for option in (flag, pattern)]
    options += ["--expires", expires] if expires else []
    options += ["--note", note] if note else []
    result = CommandLine(broker.directory).run("token", "create", *options)
    assert result.code == 0, result
    token, end, rest = result.out.partition("\n")
    assert token.startswith("ttk_") and end == "\n" and not rest, "one line, the token alone"
    return token


def token_id(admin, token):
    """The number of an access token: its hint is how it begins."""
    found = [row["id"] for row in admin.get("/v1/tokens", state="all", limit=1000)["tokens"]
             if token.startswith(row["hint"])]
    assert len(found) == 1, found
    return found[0]


def revoke(admin, token):
    row = admin.ok("DELETE", f"/v1/tokens/{token_id(admin, token)}")
    assert row["state"] == "revoked" and row["revoked_at"], row


def base62(data, count):
    number, text = int.from_bytes(data, "big"), ""
    for _ in range(count):
        number, digit = divmod(number, 62)
        text = DIGITS[digit] + text
    return text


def unknown_token():
    """Well made, its checksum right, and of no broker."""
    secret = "ttk_" + base62(os.urandom(32), 43)
    return secret + base62(hashlib.sha256(secret.encode("ascii")).digest()[:4], 6)


def mistyped(token):
    """The same with one digit of the secret changed."""
    return token[:20] + ("x" if token[20] != "x" else "y") + token[21:]


# Carriers.


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def cookie(token, name=COOKIE):
    return {"Cookie": f"{name}={token}"}


def with_query(target, token):
    return f"{target}{'&' if '?' in target else '?'}access_token={token}"
