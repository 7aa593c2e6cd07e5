"""Pictures in a question: sent to a model that sees, left out for one that does not, and never in silence."""

from typing import Any

import pytest

from services.errors import ModelUnreachable
from services.llm import pictures
from services.llm.builtin import BuiltinEngine
from services.llm.messages import Began, Delta, Image, Message, Request
from tests.model_server import ModelServer, Script

from .conftest import MakeEngine

REQUEST = Request(
    [Message("system", "S"), Message("user", "Solve", images=[Image("image/png", b"\x89PNG", "a.png")])], "A"
)


def refusal(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": None, "param": None}}


def began(parts: list[Any]) -> Began:
    assert isinstance(parts[0], Began)
    return parts[0]


def test_a_picture_goes_as_a_part_of_its_message(make_engine: MakeEngine, model_server: ModelServer) -> None:
    parts = list(make_engine().stream(REQUEST))

    system, user = model_server.calls[-1].body["messages"]
    assert system["content"] == "S"
    assert user["content"] == [
        {"type": "text", "text": "Solve"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]
    assert began(parts).facts == {}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "scripted is not a multimodal model"),
        (422, "messages[1].content: invalid type: sequence, expected a string"),
        (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
        (404, "No endpoints found that support image input"),
    ],
)
def test_a_model_that_refuses_pictures_is_asked_again_without(
    make_engine: MakeEngine, model_server: ModelServer, status: int, message: str
) -> None:
    model_server.play(Script(status=status, body=refusal(message)), Script(text="Well."))

    parts = list(make_engine().stream(REQUEST))

    assert len(model_server.calls) == 2
    told = model_server.calls[-1].body["messages"][-1]["content"]
    assert told.startswith("Solve")
    assert "a.png" in told
    assert began(parts).facts == {"blind": True}
    assert "".join(part.text for part in parts if isinstance(part, Delta)) == "Well."


def test_a_refusal_for_another_reason_is_a_refusal(make_engine: MakeEngine, model_server: ModelServer) -> None:
    model_server.play(*[Script(status=400, body=refusal("Too long"))] * 2)

    with pytest.raises(ModelUnreachable) as failure:
        list(make_engine().stream(REQUEST))

    assert failure.value.code == "MODEL_REJECTED"
    assert len(model_server.calls) == 2


def test_where_vision_is_off_no_attempt_is_made(make_engine: MakeEngine, model_server: ModelServer) -> None:
    parts = list(make_engine(model_vision=False).stream(REQUEST))

    assert len(model_server.calls) == 1
    assert began(parts).facts == {"blind": True}


def test_the_built_in_engine_says_that_it_sees_nothing() -> None:
    assert began(list(BuiltinEngine(0).stream(REQUEST))).facts == {"blind": True}
    assert began(list(BuiltinEngine(0).stream(Request([Message("user", "x")], "A")))).facts == {}


def test_what_is_left_out_is_named() -> None:
    (message,) = pictures.left_out(Request([Message("user", "x", images=[Image("image/png", b"")])], "")).messages

    assert message.images == ()
    assert "a photo" in message.content
