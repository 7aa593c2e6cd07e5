from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from services.assistants.tutor.input import SubmissionInput, TutorInput, parse_message, parse_submission
from services.errors import InvalidInput

MESSAGE: dict[str, Any] = {"session_id": "s1", "problem_id": "pair-sum", "message": "How do I start?"}
SUBMISSION: dict[str, Any] = {
    "problem_id": "pair-sum",
    "code": "pass",
    "language": "python",
    "status": "wrong answer",
    "visible_passed": 1,
    "visible_total": 3,
    "hidden_passed": 0,
    "hidden_total": 4,
    "categories": ["duplicates", "large"],
}


def bad_fields(parse: Any, data: Any) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse(data)
    assert all(error.message for error in caught.value.errors)
    return [error.field for error in caught.value.errors]


@pytest.mark.req("T36")
def test_a_message_needs_three_fields_and_no_more() -> None:
    assert parse_message(MESSAGE) == TutorInput("s1", "pair-sum", "How do I start?", hint_level=1)


@pytest.mark.req("T30", "T36")
def test_every_optional_field_is_read() -> None:
    context = {
        "messages": [{"role": "tutor", "content": "Well?"}, {"role": "user", "content": "So"}],
        "submissions": [{"status": "accepted", "visible_passed": 2, "visible_total": 2, "categories": ["a"]}],
        "code": "x",
        "language": "go",
    }

    parsed = parse_message({**MESSAGE, "hint_level": 3, "stream_id": "abc", "context": context})

    assert (parsed.hint_level, parsed.stream_id, parsed.code, parsed.language) == (3, "abc", "x", "go")
    assert parsed.messages == ({"role": "assistant", "content": "Well?"}, {"role": "user", "content": "So"})
    assert parsed.submissions is not None
    assert parsed.submissions[0]["visible_passed"] == 2
    assert parsed.submissions[0]["hidden_total"] == 0


def test_forms_send_strings() -> None:
    form = MultiDict({**MESSAGE, "hint_level": "2", "stream_id": "", "code": "a\r\nb", "context": '{"messages": []}'})

    parsed = parse_message(form)

    assert (parsed.hint_level, parsed.stream_id, parsed.code, parsed.messages) == (2, None, "a\nb", ())


@pytest.mark.req("T36")
def test_every_missing_field_is_named() -> None:
    assert bad_fields(parse_message, {}) == ["session_id", "problem_id", "message"]


def test_every_malformed_field_is_named() -> None:
    data = {
        "session_id": 3,
        "problem_id": " ",
        "message": ["x"],
        "hint_level": 4,
        "stream_id": {},
        "code": 7,
        "language": [],
        "context": "no json",
    }

    assert set(bad_fields(parse_message, data)) == set(data)


def test_every_malformed_field_of_the_context_is_named() -> None:
    context = {
        "messages": [{"role": "system", "content": "x"}, "text", {"role": "user"}],
        "submissions": [{"visible_passed": 3, "visible_total": 2, "hidden_total": -1}],
    }

    assert bad_fields(parse_message, {**MESSAGE, "context": context}) == [
        "context.messages[0].role",
        "context.messages[1]",
        "context.messages[2].content",
        "context.submissions[0].hidden_total",
        "context.submissions[0].visible_passed",
        "context.submissions[0].status",
    ]


@pytest.mark.parametrize("value", [0, 4, -1, True, 1.0, "4", "x", "1.5", [1]])
def test_a_hint_level_is_1_2_or_3(value: object) -> None:
    assert bad_fields(parse_message, {**MESSAGE, "hint_level": value}) == ["hint_level"]


@pytest.mark.parametrize("value", [None, "", 1, "1", " 1 "])
def test_a_hint_level_may_be_left_out_or_be_a_text(value: object) -> None:
    assert parse_message({**MESSAGE, "hint_level": value}).hint_level == 1


def test_a_message_has_at_most_10000_characters() -> None:
    assert len(parse_message({**MESSAGE, "message": "é" * 10_000}).message) == 10_000
    assert bad_fields(parse_message, {**MESSAGE, "message": "x" * 10_001}) == ["message"]


@pytest.mark.parametrize("name", ["session_id", "problem_id", "stream_id"])
@pytest.mark.parametrize("value", ["a\nb", "a\r", "\x00", "x" * 201, "\ud800"])
def test_names_cannot_carry_control_characters_or_be_long(name: str, value: str) -> None:
    assert bad_fields(parse_message, {**MESSAGE, name: value}) == [name]


def test_texts_are_tidied() -> None:
    parsed = parse_message({**MESSAGE, "message": "\x00a\r\nb\rc\x1b\td\ud800"})

    assert parsed.message == "a\nb\nc\td\ufffd"


def test_a_message_of_control_characters_only_is_missing() -> None:
    assert bad_fields(parse_message, {**MESSAGE, "message": "\x00\x01"}) == ["message"]


def test_a_submission_is_read() -> None:
    assert parse_submission({**SUBMISSION, "session_id": "s1"}) == SubmissionInput(
        "pair-sum", "s1", "pass", "python", "wrong answer", 1, 3, 0, 4, ("duplicates", "large")
    )


@pytest.mark.parametrize("categories", [["duplicates,  large"], ["duplicates", "large"], ["duplicates", "", "large,"]])
def test_a_submission_of_a_form_is_read(categories: list[str]) -> None:
    pairs = [(name, str(value)) for name, value in SUBMISSION.items() if name != "categories"]
    form = MultiDict([*pairs, *(("categories", item) for item in categories)])

    assert parse_submission(form).categories == ("duplicates", "large")


def test_every_missing_field_of_a_submission_is_named() -> None:
    assert set(bad_fields(parse_submission, {})) == set(SUBMISSION) - {"categories"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("visible_passed", 4),
        ("hidden_passed", 5),
        ("visible_total", "many"),
        ("hidden_total", 10**6),
        ("categories", [1]),
        ("categories", {"a": 1}),
        ("categories", ["x" * 201]),
        ("code", "x" * 50_001),
        ("status", ""),
        ("session_id", "a\nb"),
    ],
)
def test_a_malformed_field_of_a_submission_is_named(field: str, value: object) -> None:
    assert field in bad_fields(parse_submission, {**SUBMISSION, field: value})
