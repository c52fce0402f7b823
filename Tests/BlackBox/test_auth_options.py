"""How a broker is locked or left open: what it refuses to start with, and what it says."""

import datetime
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from attempts import attempt
from broker import Broker, wait_for
from cli import CommandLine
from credentials import Key, KeyRing, Secret, claims, create_token, sign, write_key_set

SECRET = b"x" * 32
BAD_ORIGINS = ["app.example.com", "https://app.example.com/", "https://app.example.com/path",
               "ftp://app.example.com", "https://*", "https://*example.com", "https://a.*.com",
               "https://", "null", "https://app.example.com:0x50", "https://user@app.example.com"]


def refusal(tmp_path, *options, **env):
    """The last line a broker says that does not start."""
    broker = Broker(tmp_path / "data", *options, env=env).spawn()
    try:
        assert broker.wait() != 0
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it has started: {broker.stdout}") from None
    finally:
        broker.kill()
    assert broker.stdout == [] and "Fatal" not in broker.log, broker.log
    return broker.log


# Where it listens.


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_open_broker_refuses_to_listen_beyond_this_machine(tmp_path, host):
    said = refusal(tmp_path, "--host", host)
    assert "--auth" in said and "--open" in said, said
    assert not (tmp_path / "data" / "tickertape.db").exists()


def test_it_does_so_when_told_to_and_warns_at_every_start(start):
    own = start("--host", "0.0.0.0", "--open")
    for _ in range(2):
        warning = wait_for(lambda: [line for line in own.stderr if " warning " in line.lower()
                                    and "open" in line.lower()], 5, "the warning")
        assert len(warning) == 1
        own.host = "127.0.0.1"
        own.publish("a", "x")
        own.restart()


def test_with_grants_it_listens_anywhere_and_warns_of_nothing(start):
    own = start("--host", "0.0.0.0", "--auth")
    assert not any("open" in line.lower() and "warning" in line.lower() for line in own.stderr)
    own.host = "127.0.0.1"
    assert attempt(own, "publish", ["a"]).code == "unauthorized"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "::1"])
def test_loopback_needs_no_word(start, host):
    assert start("--host", host).is_healthy


# Options that go together.


@pytest.mark.parametrize("options", [
    ("--anonymous-subscribe", "public/**"), ("--anonymous-publish", "public/**"),
    ("--anonymous-stop", "public/**"),
    ("--jwt-secret-file", "secret"), ("--jwt-key-file", "key.pem"), ("--jwt-issuer", "i"),
    ("--jwt-audience", "a"),
])
def test_what_only_makes_sense_with_grants_is_refused_without(tmp_path, options):
    (tmp_path / "secret").write_bytes(SECRET)
    Key("EdDSA").write(tmp_path / "key.pem")
    value = tmp_path / options[1] if options[0].endswith("-file") else options[1]
    said = refusal(tmp_path, options[0], value)
    assert options[0] in said and "--auth" in said, said
    name = "TICKERTAPE_" + options[0].removeprefix("--").upper().replace("-", "_")
    said = refusal(tmp_path, **{name: str(value)})
    assert "--auth" in said, said


def write_short_secret(path):
    path.write_bytes(b"x" * 31 + b"\n")


def write_private_key(path):
    path.write_bytes(Key("ES256").private_pem)


@pytest.mark.parametrize("option, write", [
    ("--jwt-secret-file", write_short_secret),
    ("--jwt-secret-file", lambda path: path.write_bytes(b"")),
    ("--jwt-secret-file", lambda path: None),
    ("--jwt-key-file", lambda path: None),
    ("--jwt-key-file", lambda path: path.write_text("no key")),
    ("--jwt-key-file", lambda path: path.write_text("{")),
    ("--jwt-key-file", lambda path: path.write_text('{"keys":7}')),
    ("--jwt-key-file", lambda path: path.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n")),
    ("--jwt-key-file", write_private_key),
])
def test_a_key_file_that_is_none_is_refused_by_name(tmp_path, option, write):
    path = tmp_path / "the-file"
    write(path)
    said = refusal(tmp_path, "--auth", option, path)
    assert "the-file" in said, said
    assert "xxxxxxxx" not in said


@pytest.mark.parametrize("option, value", [
    ("--anonymous-subscribe", "a**"), ("--anonymous-publish", ""), ("--anonymous-stop", "a//b"),
    ("--trusted-proxy", "10.0.0.0/33"), ("--trusted-proxy", "proxy.example"),
    ("--client-max-streams", "-1"),
    ("--client-publishes-per-second", "0"), ("--client-bytes-per-second", "-5"),
    *(("--allow-origin", origin) for origin in BAD_ORIGINS),
])
def test_a_bad_value_is_refused_with_its_option(tmp_path, option, value):
    assert option in refusal(tmp_path, "--auth", option, value)


# Keys of every kind.


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(
        key.public).serial_number(7).not_valid_before(now).not_valid_after(
        now + datetime.timedelta(days=1)).sign(
        key.private, None if key.algorithm == "EdDSA" else hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("form", ["pem", "certificate", "set", "set among others"])
def test_a_key_is_taken_in_every_form(start, tmp_path, algorithm, form):
    key = Key(algorithm, kid="mine" if "set" in form else None)
    path = tmp_path / "key"
    if form == "pem":
        key.write(path)
    elif form == "certificate":
        path.write_bytes(certificate(key))
    else:
        others = [Key("ES256", "other"), Key("RS256", "third")] if "others" in form else []
        write_key_set(path, *others, key)
    own = start("--auth", "--jwt-key-file", path)
    token = sign(key, claims(["a"], ["a"]))
    assert attempt(own, "publish", ["a"], token).code is None
    nameless = sign(key, claims(["a"], ["a"]), {"kid": None})
    assert attempt(own, "publish", ["a"], nameless).code is None
    assert attempt(own, "publish", ["b"], token).code == "forbidden"


def test_a_secret_is_taken_without_its_line_end_and_to_the_last_byte(start, tmp_path):
    secret = Secret(SECRET)
    own = start("--auth", "--jwt-secret-file", secret.write(tmp_path / "secret"))
    assert attempt(own, "publish", ["a"], sign(secret, claims(["a"]))).code is None
    shorter = sign(Secret(SECRET[:-1]), claims(["a"]))
    assert attempt(own, "publish", ["a"], shorter).code == "invalid_token"


def test_lists_in_the_environment_are_separated_by_commas_or_spaces(start):
    own = start("--auth", env={"TICKERTAPE_ANONYMOUS_SUBSCRIBE": "a/*,b/** c",
                               "TICKERTAPE_ANONYMOUS_PUBLISH": "c"})
    for pattern, code in [("a/x", None), ("b/x/y", None), ("c", None), ("d", "unauthorized")]:
        assert attempt(own, "history", [pattern]).code == code
    assert attempt(own, "publish", ["c"]).code is None
    assert attempt(own, "publish", ["a/x"]).code == "unauthorized"


def test_the_cookie_has_the_name_it_is_given(start):
    own = start("--auth", "--auth-cookie", "session")
    token = create_token(own, ["a"], ["a"])
    for name, status in [("session", 201), ("tickertape_token", 401), ("Session", 401)]:
        assert own.post("a", "x", {"Cookie": f"{name}={token}"}).status == status, name


# `token sign`.


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_a_token_that_the_command_line_signs_is_taken(start, tmp_path, algorithm):
    ring = KeyRing(tmp_path)
    key = {"HS256": ring.hs, "RS256": ring.rs, "ES256": ring.es, "EdDSA": ring.ed}[algorithm]
    if algorithm == "HS256":
        options = ["--secret-file", tmp_path / "secret"]
    else:
        (tmp_path / "private").write_bytes(key.private_pem)
        options = ["--key-file", tmp_path / "private"]
    options += ["--key-id", key.kid] if getattr(key, "kid", None) else []
    signed = CommandLine().run(
        "token", "sign", *options, "--publish", "a/*", "--subscribe", "**", "--expires", "1h",
        "--subject", "me", "--issuer", ring.issuer, "--audience", ring.audience)
    assert signed.code == 0, signed
    token = signed.out.removesuffix("\n")
    assert token.count(".") == 2 and not token.split()[1:]
    own = start(*ring.options)
    assert attempt(own, "publish", ["a/x"], token).code is None
    assert attempt(own, "publish", ["b"], token).code == "forbidden"
    assert attempt(own, "history", ["**"], token).code is None
