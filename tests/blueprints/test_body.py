import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from blueprints.body import Fields, fields
from services.errors import InvalidInput, UnsupportedType


def request(data: bytes, content_type: str | None) -> Request:
    return Request(EnvironBuilder(method="POST", data=data, content_type=content_type).get_environ())


def test_json_and_form_give_the_same_fields() -> None:
    sent_json = fields(request(b'{"name": "a b"}', "application/json; charset=utf-8"))
    sent_form = fields(request(b"name=a+b", "application/x-www-form-urlencoded"))

    assert sent_json.values == sent_form.values == {"name": "a b"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"a": NaN}',
        b'"text"',
        b"[]",
        b"null",
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b"[" * 5000,
    ],
)
def test_json_that_is_no_object_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        fields(request(data, "application/json"))

    assert [wrong.field for wrong in refused.value.errors] == ["body"]


def test_another_type_is_refused() -> None:
    with pytest.raises(UnsupportedType):
        fields(request(b"<a/>", "text/xml"))


def test_no_body_has_no_fields() -> None:
    assert fields(request(b"", None)).values == {}


def test_check_names_every_wrong_field() -> None:
    sent = Fields({"number": 5, "long": "x" * 11, "blank": "  ", "short": "abc", "good": " yes\x00 "})

    good = sent.text("good", max_chars=10)
    for name in ("missing", "number", "long", "blank"):
        sent.text(name, max_chars=10)
    sent.secret("short", min_chars=4, max_chars=10)
    sent.text("left_out", max_chars=10, required=False)

    assert good == "yes"
    with pytest.raises(InvalidInput) as refused:
        sent.check()
    assert [wrong.field for wrong in refused.value.errors] == ["missing", "number", "long", "blank", "short"]


def test_a_password_is_taken_as_typed() -> None:
    assert Fields({"password": "  spaced out  "}).secret("password", max_chars=50) == "  spaced out  "


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_lines_of_a_text_end_as_one_kind(ends: str) -> None:
    assert Fields({"text": f"{ends}one{ends}two\ttabbed{ends}"}).text("text", max_chars=50) == "one\ntwo\ttabbed"
