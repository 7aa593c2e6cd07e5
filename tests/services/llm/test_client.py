from time import monotonic

import pytest

from services.errors import ModelBroken, ModelError, ModelUnreachable
from services.llm.client import OpenAIEngine
from services.llm.messages import Began, Delta, Finish, Message, Part, Request, ToolCall, Usage
from tests.model_server import ModelServer, Script

from .conftest import MakeEngine, until_said

REQUEST = Request([Message("system", "You tutor."), Message("user", "Hélp!")], "authored")
# How much later than its deadline a wait may end on a busy machine.
LATE_S = 0.4


def text_of(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Delta))


def failure_of(engine: OpenAIEngine, request: Request = REQUEST) -> ModelError:
    with pytest.raises(ModelError) as raised:
        list(engine.stream(request))
    return raised.value


def test_the_models_text_arrives_as_it_was_sent(make_engine: MakeEngine, model_server: ModelServer) -> None:
    text = "a\r\nb\x00 \u2028 «é» 🙂 \n\n  indented\n"
    model_server.play(Script(text=text))

    parts = list(make_engine().stream(REQUEST))

    assert parts[0] == Began("scripted")
    assert text_of(parts) == text
    assert parts[-2:] == [Usage(7, len(Script(text=text).words())), Finish("stop")]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_reply_cut_into_single_bytes_is_the_same(
    newline: str, chunked: bool, make_engine: MakeEngine, model_server: ModelServer
) -> None:
    model_server.play(Script(text="Hé 🙂 there", frame_bytes=1, newline=newline, chunked=chunked))

    parts = list(make_engine().stream(REQUEST))

    assert text_of(parts) == "Hé 🙂 there"
    assert parts[-1] == Finish("stop")


@pytest.mark.req("T29")
def test_the_request_holds_the_messages_and_what_was_asked(make_engine: MakeEngine, model_server: ModelServer) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    messages = [
        Message("user", "Look."),
        Message("assistant", "", tool_calls=[ToolCall("c1", "look", "{}")]),
        Message("tool", "seen", tool_call_id="c1"),
    ]
    request = Request(messages, "", max_tokens=9, temperature=0.5, tools=[tool])

    list(make_engine(openai_api_key="sk-1").stream(request))

    body = model_server.calls[0].body
    assert body == {
        "model": "scripted",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "temperature": 0.5,
        "tools": [tool],
        "messages": [
            {"role": "user", "content": "Look."},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "seen", "tool_call_id": "c1"},
        ],
    }
    assert model_server.calls[0].headers["authorization"] == "Bearer sk-1"
    assert model_server.calls[0].headers["accept-encoding"] == "identity"


def test_a_partial_answer_is_given_to_the_model_to_go_on_from(
    make_engine: MakeEngine, model_server: ModelServer
) -> None:
    list(make_engine().stream(Request([Message("user", "Help!")], "authored", partial="Look at the")))

    roles = [(message["role"], message["content"]) for message in model_server.calls[0].body["messages"]]
    assert roles[:2] == [("user", "Help!"), ("assistant", "Look at the")]
    assert roles[2][0] == "user"
    assert "Repeat nothing" in roles[2][1]


def test_tool_calls_are_given_whole(make_engine: MakeEngine) -> None:
    parts = list(make_engine(openai_model="tools").stream(REQUEST))

    assert parts == [
        Began("tools"),
        ToolCall("call-0", "look", '{"at": "é"}'),
        ToolCall("call-1", "add", "{}"),
        Usage(7, 0),
        Finish("tool_calls"),
    ]


@pytest.mark.req("A6-6")
def test_without_the_providers_count_usage_is_estimated(make_engine: MakeEngine, model_server: ModelServer) -> None:
    model_server.play(Script(text="abcde", usage=False))

    parts = list(make_engine().stream(REQUEST))

    asked = len("You tutor.") + len("Hélp!")
    assert parts[-2] == Usage(-(-asked // 4), 2, estimated=True)


@pytest.mark.req("A6-6")
def test_an_empty_answer_began_and_finished(make_engine: MakeEngine) -> None:
    assert list(make_engine(openai_model="empty").stream(REQUEST)) == [Began("empty"), Usage(7, 0), Finish("stop")]


def test_an_answer_at_its_length_says_so(make_engine: MakeEngine) -> None:
    assert list(make_engine(openai_model="length").stream(REQUEST))[-1] == Finish("length")


def test_reasoning_is_not_part_of_the_answer(make_engine: MakeEngine, model_server: ModelServer) -> None:
    model_server.play(Script(text="answer", reasoning=3))

    assert text_of(list(make_engine().stream(REQUEST))) == "answer"


def test_a_finished_answer_is_whole_whatever_comes_after(make_engine: MakeEngine, model_server: ModelServer) -> None:
    finish = '{"choices": [{"delta": {"content": "all"}, "finish_reason": "stop"}]}'
    model_server.play(Script(raw=[finish, "{nonsense"]), Script(raw=[finish]), Script(raw=[finish, "[DONE]", "{x"]))
    engine = make_engine()

    for _ in range(3):
        parts = list(engine.stream(REQUEST))

        assert text_of(parts) == "all"
        assert parts[-1] == Finish("stop")


@pytest.mark.parametrize("script", [Script(raw=["[DONE]"]), Script(raw=[]), Script(finish=None, tokens=0)])
def test_a_reply_without_token_and_finish_reason_is_unreachable(
    script: Script, make_engine: MakeEngine, model_server: ModelServer
) -> None:
    model_server.script = script if script.raw or script.finish is None else Script(tokens=0, cut_after=0)

    assert isinstance(failure_of(make_engine(model_first_token_timeout_s=0.2)), ModelUnreachable)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("ending", ["close", "done", "reset"])
def test_a_reply_cut_off_is_broken_however_it_ends(
    chunked: bool, ending: str, make_engine: MakeEngine, model_server: ModelServer
) -> None:
    if ending == "done" and not chunked:
        ending = "close"
    model_server.play(Script(cut_after=4, ending=ending, chunked=chunked))
    reply = make_engine().stream(REQUEST)
    seen = until_said(reply, 4)

    with pytest.raises(ModelBroken) as raised:
        next(reply)

    assert text_of(seen) == "word0 word1 word2 word3 "
    assert raised.value.code == "MODEL_BROKEN"
    assert len(model_server.calls) == 1, "after the first token nothing is retried"


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["status-500", "status-429", "status-408", "cut-after-0", "reset-after-0", "error-after-0"]
)
def test_a_passing_fault_before_the_first_token_is_retried(
    fault: str, make_engine: MakeEngine, model_server: ModelServer
) -> None:
    model_server.play(fault, fault, "reply-3")

    parts = list(make_engine().stream(REQUEST))

    assert text_of(parts) == "word0 word1 word2 "
    assert parts.count(Began("scripted")) == 1
    assert len(model_server.calls) == 3


@pytest.mark.slow
def test_there_are_no_more_than_two_retries(make_engine: MakeEngine, model_server: ModelServer) -> None:
    model_server.script = Script(status=500)

    assert failure_of(make_engine()).code == "MODEL_UNREACHABLE"
    assert len(model_server.calls) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_that_would_come_again_is_not_retried(
    status: int, make_engine: MakeEngine, model_server: ModelServer
) -> None:
    model_server.script = Script(status=status)

    failure = failure_of(make_engine())

    assert not failure.retryable
    assert len(model_server.calls) == 1


def test_a_quota_that_is_used_up_is_not_retried(make_engine: MakeEngine, model_server: ModelServer) -> None:
    model_server.script = Script(status=429, body={"error": {"message": "sk-secret", "code": "insufficient_quota"}})

    assert failure_of(make_engine()).code == "MODEL_QUOTA"
    assert len(model_server.calls) == 1


def test_the_pause_that_a_429_asks_for_is_kept(make_engine: MakeEngine, model_server: ModelServer) -> None:
    model_server.play("status-429-0.3", "reply-1")

    list(make_engine().stream(REQUEST))

    first, second = model_server.calls
    assert second.started_s - first.started_s >= 0.3


def test_a_pause_past_the_first_tokens_deadline_is_not_waited_for(
    make_engine: MakeEngine, model_server: ModelServer
) -> None:
    model_server.play("status-429-17.2", "reply-1")
    began_s = monotonic()

    failure = failure_of(make_engine(model_first_token_timeout_s=5.0))

    assert monotonic() - began_s < LATE_S
    assert (failure.code, failure.retry_after_s, failure.retryable) == ("MODEL_BUSY", 18, True)
    assert len(model_server.calls) == 1


def test_retries_share_one_first_token_deadline(make_engine: MakeEngine, model_server: ModelServer) -> None:
    model_server.play("status-500", "stall-first")
    began_s = monotonic()

    assert failure_of(make_engine(model_first_token_timeout_s=0.6)).code == "MODEL_TIMEOUT"
    assert 0.6 <= monotonic() - began_s < 0.6 + LATE_S


def test_an_option_that_the_server_refuses_is_left_out_from_then_on(
    make_engine: MakeEngine, model_server: ModelServer
) -> None:
    for name in ("temperature", "max_tokens"):
        model_server.play(Script(status=400, body={"error": {"message": "no", "param": name, "code": "unsupported"}}))
    engine = make_engine()
    request = Request(REQUEST.messages, "", temperature=0.7, max_tokens=5)

    for _ in range(2):
        assert list(engine.stream(request))[-1] == Finish("stop")

    bodies = [call.body for call in model_server.calls]
    assert ["temperature" in body for body in bodies] == [True, False, False, False]
    assert ["max_tokens" in body for body in bodies] == [True, True, False, False]
    assert [body.get("max_completion_tokens") for body in bodies] == [None, None, 5, 5]
