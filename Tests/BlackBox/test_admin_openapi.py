"""The OpenAPI document, held against what the door answers.

A table of requests, good and bad, to every operation: each answer has to be one that the document
has for it, with the type and the schema that stand there.
"""

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from admin import JSON, Admin, segment

S = segment("openapi/a")
MESSAGES = f"/v1/topics/{S}/messages"

REQUESTS = [
    # operation, path of the request, body, headers, status
    ("GET /", "/", None, {}, 200),
    ("GET /", "/?x=1", None, {}, 400),
    ("GET /openapi.json", "/openapi.json", None, {}, 200),
    ("GET /metrics", "/metrics", None, {}, 200),
    ("GET /v1/status", "/v1/status", None, {}, 200),
    ("GET /v1/status", "/v1/status", None, {"Host": "evil.example"}, 403),
    ("GET /v1/statistics", "/v1/statistics", None, {}, 200),
    ("POST /v1/topics", "/v1/topics", {"topic": "openapi/a"}, {}, 201),
    ("POST /v1/topics", "/v1/topics", {"topic": "openapi/a"}, {}, 409),
    ("POST /v1/topics", "/v1/topics", {"topic": ""}, {}, 400),
    ("POST /v1/topics", "/v1/topics", "{}", {"Content-Type": "text/plain"}, 415),
    ("POST /v1/topics", "/v1/topics", " " * 70_000, JSON, 413),
    ("POST /v1/topics/{topic}/messages", MESSAGES, "one", {}, 201),
    ("POST /v1/topics/{topic}/messages", MESSAGES, "two", {"Idempotency-Key": "k"}, 201),
    ("POST /v1/topics/{topic}/messages", MESSAGES, "two", {"Idempotency-Key": "k"}, 200),
    ("POST /v1/topics/{topic}/messages", MESSAGES, "other", {"Idempotency-Key": "k"}, 422),
    ("POST /v1/topics/{topic}/messages", MESSAGES + "?lines=true", "a\nb\n", {}, 200),
    ("POST /v1/topics/{topic}/messages", MESSAGES + "?lines=true", "", {}, 200),
    ("POST /v1/topics/{topic}/messages", MESSAGES + "?lines=true", b"a\n\xff\n", {}, 415),
    ("POST /v1/topics/{topic}/messages", MESSAGES, b"x" * 1_048_577, {}, 413),
    ("POST /v1/topics/{topic}/messages", MESSAGES + "?event=tickertape.x", "x", {}, 400),
    ("GET /v1/topics", "/v1/topics?sort=bytes&limit=1", None, {}, 200),
    ("GET /v1/topics", "/v1/topics?sort=size", None, {}, 400),
    ("POST /v1/topics/{topic}/reopen", f"/v1/topics/{S}/reopen", None, {}, 409),
    ("POST /v1/topics/{topic}/reopen", "/v1/topics/none/reopen", None, {}, 404),
    ("POST /v1/topics/{topic}/messages", MESSAGES + "?end=true&key=last", "x", {}, 201),
    ("POST /v1/topics/{topic}/messages", MESSAGES, "x", {}, 409),
    ("POST /v1/topics/{topic}/messages", MESSAGES + "?lines=true", "x\ny", {}, 409),
    ("POST /v1/topics/{topic}/messages", MESSAGES + "?end=yes", "x", {}, 400),
    ("POST /v1/topics/{topic}/end", f"/v1/topics/{S}/end", None, {}, 200),
    ("POST /v1/topics/{topic}/end", "/v1/topics/none/end", None, {}, 404),
    ("POST /v1/topics/{topic}/end", f"/v1/topics/{S}/end?x=1", None, {}, 400),
    ("GET /v1/topics", "/v1/topics?state=ended", None, {}, 200),
    ("GET /v1/topics", "/v1/topics?state=closed", None, {}, 400),
    ("GET /v1/events", f"/v1/events?topic={S}", None, {}, 204),
    ("POST /v1/retention/plan", "/v1/retention/plan",
     {"set": {"pattern": "openapi/*", "removes_ended_after_seconds": 1}}, {}, 200),
    ("POST /v1/topics/{topic}/reopen", f"/v1/topics/{S}/reopen", None, {}, 200),
    ("POST /v1/topics/{topic}/messages", MESSAGES + "?lines=true&end=true", "a\nb", {}, 200),
    ("POST /v1/topics/{topic}/reopen", f"/v1/topics/{S}/reopen", None, {}, 200),
    ("GET /v1/topics/{topic}", f"/v1/topics/{S}", None, {}, 200),
    ("GET /v1/topics/{topic}", "/v1/topics/none", None, {}, 404),
    ("GET /v1/topics/{topic}/policy", "/v1/topics/none/policy", None, {}, 200),
    ("GET /v1/topics/{topic}/policy", "/v1/topics/%FF/policy", None, {}, 400),
    ("GET /v1/messages", "/v1/messages?topic=openapi/*", None, {}, 200),
    ("GET /v1/messages", "/v1/messages?topic=openapi/*&after=999999999", None, {}, 200),
    ("GET /v1/messages", "/v1/messages", None, {}, 400),
    ("GET /v1/events", "/v1/events?topic=a&tail=x", None, {}, 400),
    ("GET /v1/policies", "/v1/policies", None, {}, 200),
    ("PUT /v1/policies/{pattern}", "/v1/policies/openapi%2F*", {"max_messages": 2}, {}, 201),
    ("PUT /v1/policies/{pattern}", "/v1/policies/openapi%2F*", {}, {}, 200),
    ("PUT /v1/policies/{pattern}", "/v1/policies/openapi%2F*", {"max": 2}, {}, 400),
    ("PUT /v1/policies/{pattern}", "/v1/policies/openapi%2F*", "{}", {}, 415),
    ("GET /v1/policies/{pattern}", "/v1/policies/openapi%2F*", None, {}, 200),
    ("GET /v1/policies/{pattern}", "/v1/policies/none", None, {}, 404),
    ("POST /v1/retention/plan", "/v1/retention/plan", {}, {}, 200),
    ("POST /v1/retention/plan", "/v1/retention/plan",
     {"set": {"pattern": "openapi/*", "max_messages": 1}}, {}, 200),
    ("POST /v1/retention/plan", "/v1/retention/plan", {"remove": "none"}, {}, 404),
    ("POST /v1/retention/plan", "/v1/retention/plan", {"set": {}}, {}, 400),
    ("DELETE /v1/policies/{pattern}", "/v1/policies/openapi%2F*", None, {}, 204),
    ("DELETE /v1/policies/{pattern}", "/v1/policies/openapi%2F*", None, {}, 404),
    ("GET /v1/subscribers", "/v1/subscribers?sort=lag", None, {}, 200),
    ("GET /v1/subscribers", "/v1/subscribers?limit=0", None, {}, 400),
    ("DELETE /v1/subscribers/{id}", "/v1/subscribers/999999", None, {}, 404),
    ("DELETE /v1/subscribers/{id}", "/v1/subscribers/x", None, {}, 400),
    ("POST /v1/tokens", "/v1/tokens", {"publish": ["openapi/**"], "expires_in_seconds": 60}, {}, 201),
    ("POST /v1/tokens", "/v1/tokens", {"subscribe": ["**"], "note": "x"}, {}, 201),
    ("POST /v1/tokens", "/v1/tokens", {"stop": ["openapi/*"]}, {}, 201),
    ("POST /v1/tokens", "/v1/tokens", {}, {}, 400),
    ("POST /v1/tokens", "/v1/tokens", {"publish": ["a//b"]}, {}, 400),
    ("POST /v1/tokens", "/v1/tokens", "{}", {}, 415),
    ("POST /v1/tokens", "/v1/tokens", " " * 400_000, JSON, 413),
    ("GET /v1/tokens", "/v1/tokens", None, {}, 200),
    ("GET /v1/tokens", "/v1/tokens?state=all&sort=expires&order=desc&limit=1", None, {}, 200),
    ("GET /v1/tokens", "/v1/tokens?state=good", None, {}, 400),
    ("GET /v1/tokens/{id}", "/v1/tokens/1", None, {}, 200),
    ("GET /v1/tokens/{id}", "/v1/tokens/999999", None, {}, 404),
    ("GET /v1/tokens/{id}", "/v1/tokens/x", None, {}, 400),
    ("DELETE /v1/tokens/{id}", "/v1/tokens/1", None, {}, 200),
    ("DELETE /v1/tokens/{id}", "/v1/tokens/1", None, {}, 200),
    ("DELETE /v1/tokens/{id}", "/v1/tokens/999999", None, {}, 404),
    ("GET /v1/tokens", "/v1/tokens?state=revoked", None, {}, 200),
    ("POST /v1/topics/{topic}/purge", f"/v1/topics/{S}/purge", {"before_id": 2}, {}, 200),
    ("POST /v1/topics/{topic}/purge", f"/v1/topics/{S}/purge", {}, {}, 400),
    ("POST /v1/topics/{topic}/purge", "/v1/topics/none/purge", {"before_id": 1}, {}, 404),
    ("DELETE /v1/topics/{topic}", f"/v1/topics/{S}", None, {}, 200),
    ("DELETE /v1/topics/{topic}", f"/v1/topics/{S}", None, {}, 404),
]


@pytest.fixture(scope="module")
def document(module_broker):
    return Admin(module_broker).get("/openapi.json")


@pytest.fixture(scope="module")
def registry(document):
    return Registry().with_resource("urn:door", Resource(document, DRAFT202012))


def resolved(document, part):
    while "$ref" in part:
        name = part["$ref"]
        part = document
        for step in name.removeprefix("#/").split("/"):
            part = part[step]
    return part


def absolute(part):
    """The same schema with references that are found from anywhere."""
    if isinstance(part, dict):
        return {name: f"urn:door{value}" if name == "$ref" else absolute(value)
                for name, value in part.items()}
    return [absolute(value) for value in part] if isinstance(part, list) else part


def check(document, registry, operation, response):
    method, path = operation.split(" ")
    described = document["paths"][path][method.lower()]["responses"]
    assert str(response.status) in described, f"{operation} has no {response.status}"
    content = resolved(document, described[str(response.status)]).get("content", {})
    if not content:
        assert response.body == b""
        return
    kind = response.header("content-type").split(";")[0]
    assert kind in content, f"{operation}: {response.status} has no {kind}"
    if "json" in kind:
        schema = absolute(content[kind]["schema"])
        Draft202012Validator(schema, registry=registry).validate(response.json())


def test_every_answer_is_one_that_the_document_has(broker, document, registry):
    admin = Admin(broker)
    with broker.follow("openapi/**") as stream:
        stream.opening()
        for operation, path, body, headers, status in REQUESTS:
            response = admin.request(operation.split(" ")[0], path, body, headers)
            assert response.status == status, (operation, path, response.status, response.body[:300])
            check(document, registry, operation, response)


def test_over_tcp_every_operation_may_be_refused(start, document, registry):
    admin = Admin.tcp(start("--admin-listen", "127.0.0.1:0"), "wrong-0123456789")
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            response = admin.request(method.upper(), path.replace("{", "").replace("}", ""))
            assert response.status == 401
            response.fields = [field for field in response.fields if field[0] != "www-authenticate"]
            check(document, registry, f"{method.upper()} {path}", response)


def test_every_operation_is_asked(document):
    described = {f"{method.upper()} {path}" for path, item in document["paths"].items()
                 for method in item.keys() - {"parameters"}}
    assert {request[0] for request in REQUESTS} == described


def test_examples_are_what_their_schemas_say(document, registry):
    def walk(part):
        if isinstance(part, dict):
            if "examples" in part and isinstance(part["examples"], list) and "type" in part:
                for example in part["examples"]:
                    Draft202012Validator(absolute(part), registry=registry).validate(example)
            if isinstance(part.get("examples"), dict) and "schema" in part:
                for example in part["examples"].values():
                    Draft202012Validator(
                        absolute(part["schema"]), registry=registry).validate(example["value"])
        for value in part.values() if isinstance(part, dict) else part:
            if isinstance(value, (dict, list)):
                walk(value)

    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    walk(document)
