"""What is wrong is refused by its name, in order, and nothing of it remains (API.md, "Errors")."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from services.store.sqlite import DRIVER
from tests.blueprints.people import MESSAGES, PROBLEM, Person
from tests.factories import make_conversation
from tests.model_server import ModelServer

PROBLEMS = "/v1/tutor/problems"
SUBMISSIONS = "/v1/tutor/submissions"
GOOD = {"session_id": "s1", "problem_id": PROBLEM, "message": "How?"}
DEEP = b'{"session_id": ' + b"[" * 900 + b"]" * 900 + b"}"
# Values that no field of ours takes, as JSON.
WRONG = [
    b"1", b"-0", b"1e400", b"123456789012345678901234567890", b"true", b"[]", b"[[1]]", b"{}", b'{"a": {"b": []}}',
    b'"\\u0000"', b'"\\u001f"', b'"   "', b'""', b"null", b'"' + b"x" * 60_000 + b'"',
]  # fmt: skip
BODIES = [
    b"", b"{", b"null", b"[]", b'"text"', b"7", b"{}", b"[{}]", b'{"session_id": NaN}', b'{"message": "\\ud800"}',
    b"\xff\xfe", b'{"a": 1, "a": 2}', DEEP, b"[" * 100_000, b'{"": ""}', b'\xef\xbb\xbf{}',
]  # fmt: skip
FIELDS = {
    MESSAGES: ["session_id", "problem_id", "message", "hint_level", "stream_id", "context", "code", "language"],
    PROBLEMS: ["id", "title", "statement", "examples", "tests", "hints", "tags", "difficulty", "solution", "source"],
    SUBMISSIONS: [
        "problem_id", "session_id", "code", "language", "status", "visible_passed", "visible_total", "hidden_passed",
        "hidden_total", "categories",
    ],
    "/api/auth/tokens": ["name"],
    "/api/auth/token": ["email", "password"],
}  # fmt: skip
INSIDES = [
    "expected str",
    "Traceback",
    "orjson",
    "JSONDecodeError",
    "sqlite",
    "redis",
    "KeyError",
    "TypeError",
    "line 1",
]


def check_refusal(response: Any, *allowed: int) -> None:
    assert response.status_code in (allowed or (400, 404)), response.text
    assert response.content_type == "application/problem+json"
    problem = response.json
    assert problem["status"] == response.status_code
    assert all(problem[name] for name in ("title", "detail", "code", "message", "request_id"))
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert not [inside for inside in INSIDES if inside in response.text]
    if response.status_code == 400:
        assert problem["errors"]
        assert all(set(error) == {"field", "message"} and error["message"] for error in problem["errors"])


def check_nothing_remains(person: Person) -> None:
    assert person.kept == set()
    assert person.client.get("/api/conversations").json["conversations"] == []
    assert person.client.get("/api/streams").json == {"streams": []}
    assert person.services.redis.zcard("rill:{site}:slots") == 0
    assert person.model.calls == []


@pytest.mark.req("R25", "A6-7")
@pytest.mark.parametrize("url", FIELDS)
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_of_any_shape_is_refused_in_words_of_ours(person: Person, url: str, kind: str) -> None:
    for body in BODIES:
        check_refusal(person.client.post(url, data=body, content_type=kind), 400, 401)
    check_nothing_remains(person)


@pytest.mark.req("R25", "A6-7")
@pytest.mark.parametrize(("url", "field"), [(url, field) for url, fields in FIELDS.items() for field in fields])
def test_a_field_of_any_type_is_refused_by_its_name_or_means_nothing(person: Person, url: str, field: str) -> None:
    for value in WRONG:
        body = b'{"%b": %b}' % (field.encode(), value)
        response = person.client.post(url, data=body, content_type="application/json")
        if response.status_code != 201:
            check_refusal(response, 400, 401)
    if url == MESSAGES:
        check_nothing_remains(person)


@pytest.mark.req("T36", "R25")
def test_every_wrong_field_of_a_question_is_named(person: Person) -> None:
    context = {
        "messages": [{"role": "robot"}, 7],
        "submissions": [{"visible_passed": 2, "visible_total": 1, "categories": 7}],
        "code": 9,
    }
    body = {"session_id": 1, "problem_id": [], "message": " ", "hint_level": 4, "stream_id": {}, "context": context}

    response = person.client.post(MESSAGES, json=body)

    check_refusal(response, 400)
    assert {error["field"] for error in response.json["errors"]} == {
        "session_id",
        "problem_id",
        "message",
        "hint_level",
        "stream_id",
        "context.messages[0].role",
        "context.messages[0].content",
        "context.messages[1]",
        "context.submissions[0].status",
        "context.submissions[0].visible_passed",
        "context.submissions[0].categories",
        "context.code",
    }
    check_nothing_remains(person)


@pytest.mark.req("T36")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"message": "x" * 10_001}, "message"),
        ({"session_id": "x" * 201}, "session_id"),
        ({"session_id": "a\nb"}, "session_id"),
        ({"hint_level": 0}, "hint_level"),
        ({"hint_level": 1.5}, "hint_level"),
        ({"hint_level": "two"}, "hint_level"),
        ({"hint_level": True}, "hint_level"),
        ({"context": []}, "context"),
        ({"context": {"messages": [{"role": "user", "content": "x"}] * 201}}, "context.messages"),
    ],
)
def test_limits_of_a_question_are_told_by_field(person: Person, changes: dict[str, Any], field: str) -> None:
    response = person.client.post(MESSAGES, json={**GOOD, **changes})

    check_refusal(response, 400)
    assert [error["field"] for error in response.json["errors"]] == [field]
    check_nothing_remains(person)


@pytest.mark.parametrize(
    "changes", [{"message": "x" * 10_000}, {"hint_level": "3"}, {"stream_id": None}, {"unknown": 1}, {"context": None}]
)
def test_what_is_within_the_limits_is_taken(person: Person, changes: dict[str, Any]) -> None:
    assert person.client.post(MESSAGES, json={**GOOD, **changes}).status_code == 201


@pytest.mark.parametrize("key", [None, "once"])
def test_fields_that_mean_nothing_here_may_be_nested_at_will(person: Person, key: str | None) -> None:
    body = b'{"session_id": "s", "problem_id": "%b", "message": "m", "more": %b}' % (
        PROBLEM.encode(),
        b"[" * 900 + b"]" * 900,
    )
    headers = {"Idempotency-Key": key} if key else {}

    first, again = (
        person.client.post(MESSAGES, data=body, content_type="application/json", headers=headers) for _ in range(2)
    )

    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.json == again.json) is (key is not None)


@pytest.mark.parametrize("url", [*FIELDS, "/api/conversations/{}"])
def test_a_body_of_another_type_is_415(person: Person, url: str) -> None:
    conversation_id = person.services.database.run(make_conversation, person.user.id).id
    method = "PATCH" if "{}" in url else "POST"

    for kind in ("text/plain", "application/xml", "application/octet-stream", "nonsense", ""):
        response = person.client.open(url.format(conversation_id), method=method, data=b"x=1", content_type=kind)
        check_refusal(response, 415)


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
@pytest.mark.parametrize("url", [*FIELDS, "/api/streams/0/stop", "/api/streams/0/continue"])
def test_a_body_over_the_cap_is_413(person: Person, url: str, kind: str) -> None:
    response = person.client.post(url, data=b'{"message": "' + b"x" * (1 << 20) + b'"}', content_type=kind)

    check_refusal(response, 413)
    check_nothing_remains(person)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/v1/tutor/problems/nothing"),
        ("GET", "/v1/tutor/problems/%00"),
        ("GET", "/v1/tutor/problems/..%2f..%2fetc"),
        ("GET", "/api/conversations/nothing"),
        ("GET", "/api/conversations/%00"),
        ("DELETE", "/api/conversations/nothing"),
        ("GET", "/v1/nothing"),
        ("POST", "/api/streams/%00/stop"),
    ],
)
def test_what_is_not_there_is_404(person: Person, method: str, url: str) -> None:
    check_refusal(person.client.open(url, method=method), 404)


def test_methods_that_an_address_does_not_take_are_405(person: Person) -> None:
    for method, url in (("GET", MESSAGES), ("PUT", MESSAGES), ("PATCH", PROBLEMS), ("POST", "/v1/tutor/stream")):
        response = person.client.open(url, method=method)
        check_refusal(response, 405)
        assert response.headers["Allow"]


@pytest.mark.req("A6-5")
@pytest.mark.parametrize("stream_id", ["unknown", "0" * 24, "a:b", "{u1}", "é", "\U0001f44b"])
def test_a_follow_up_to_an_unknown_stream_is_404(person: Person, stream_id: str) -> None:
    check_refusal(person.client.post(MESSAGES, json={**GOOD, "stream_id": stream_id}), 404)
    check_nothing_remains(person)


@pytest.mark.req("T24")
def test_an_unknown_problem_is_404(person: Person, stranger: Person) -> None:
    own = stranger.client.post(PROBLEMS, json={"title": "Mine", "statement": "Count."}).json["id"]

    for problem_id in ("nothing", own, "é", "a/b"):
        check_refusal(person.client.post(MESSAGES, json={**GOOD, "problem_id": problem_id}), 404)
    check_nothing_remains(person)


def test_an_idempotency_key_may_not_be_endless(person: Person) -> None:
    response = person.client.post(MESSAGES, json=GOOD, headers={"Idempotency-Key": "k" * 256})

    check_refusal(response, 400)
    assert response.json["errors"][0]["field"] == "Idempotency-Key"
    check_nothing_remains(person)


# -- order of checks


@pytest.mark.slow
@pytest.mark.req("R7", "A6-12")
def test_the_rate_comes_before_the_input_and_counts_what_is_refused_later(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person]
) -> None:
    person = make_person(make_shared(TUTOR_RATE_LIMIT="2/hour"))

    statuses = [person.client.post(MESSAGES, json=body).status_code for body in ({}, {}, {}, GOOD)]

    assert statuses == [400, 400, 429, 429]
    check_nothing_remains(person)


def test_identity_comes_first_and_input_before_ownership(person: Person) -> None:
    assert person.site.test_client().post(MESSAGES, data=b"{").status_code == 401
    assert person.client.post(MESSAGES, json={**GOOD, "stream_id": "0" * 24, "hint_level": 7}).status_code == 400


# -- what a refusal leaves behind


@pytest.mark.slow
@pytest.mark.req("T18", "T23", "A6-12", "R1")
def test_a_start_over_the_limit_leaves_nothing(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6", "stall-after-6")
    person.asked(session_id="a"), person.asked(session_id="b")
    before = person.kept

    refused = person.ask(session_id="c", headers={"Idempotency-Key": "k"})

    check_refusal(refused, 429)
    assert refused.json["detail"] == "User has reached maximum concurrent streams (2)"
    assert person.kept == before
    assert {row["session_id"] for row in person.client.get("/api/conversations").json["conversations"]} == {"a", "b"}
    assert person.services.redis.zcard("rill:{site}:slots") == 2


@pytest.mark.slow
@pytest.mark.req("R1")
def test_a_full_site_is_503_and_leaves_nothing(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], model: ModelServer
) -> None:
    site = make_shared(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted", MAX_STREAMING_CONNECTIONS="1")
    first, second = make_person(site), make_person(site)
    model.play("stall-after-6")
    first.asked()

    refused = second.ask()

    check_refusal(refused, 503)
    assert refused.json["code"] == "SITE_FULL"
    assert int(refused.headers["Retry-After"]) >= 1
    assert second.kept == set()
    assert second.client.get("/api/conversations").json["conversations"] == []
    first.stop_all()
    assert second.ask().status_code == 201


@pytest.mark.slow
@pytest.mark.req("R1")
def test_the_limit_over_all_assistants_is_told_like_the_others(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], model: ModelServer
) -> None:
    site = make_shared(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted", USER_MAX_STREAMS="1")
    person = make_person(site)
    model.play("stall-after-6")
    running = person.asked()["stream_id"]

    refused = person.ask()

    check_refusal(refused, 429)
    assert (refused.json["limit"], refused.json["current"]) == (1, 1)
    assert refused.json["running"] == [{"stream_id": running, "stop_url": f"/api/streams/{running}/stop"}]
    assert int(refused.headers["Retry-After"]) >= 1


@pytest.mark.slow
def test_a_start_that_cannot_be_stored_is_taken_back(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], model: ModelServer
) -> None:
    site = make_shared(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted")
    person = make_person(site)
    path = site.extensions["rill"].settings.data_dir / "rill.sqlite3"
    with DRIVER.connect(path) as other:
        other.execute("ALTER TABLE messages RENAME TO elsewhere")

    refused = person.ask(headers={"Idempotency-Key": "k"})

    check_refusal(refused, 503)
    with DRIVER.connect(path) as other:
        other.execute("ALTER TABLE elsewhere RENAME TO messages")
    check_nothing_remains(person)
    assert person.ask(headers={"Idempotency-Key": "k"}).status_code == 201


def test_answers_can_be_switched_off(make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person]) -> None:
    person = make_person(make_shared(STREAMING_ENABLED="off"))

    refused = person.ask()

    check_refusal(refused, 503)
    assert refused.json["code"] == "STREAMING_OFF"
    check_nothing_remains(person)
