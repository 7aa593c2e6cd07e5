"""Embeddings: the built-in model's, and the provider's, who may be slow, away, or talk nonsense."""

import base64
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services import settings as site_settings
from services.errors import ModelUnreachable
from services.llm import embed, static
from services.llm.embed import Embedder
from services.llm.vectors import WIDTH, cosines
from tests.model_scripts import Script
from tests.model_server import ModelServer, refused_port

MakeEmbedder = Callable[..., Embedder]
SECRET = "a secret for tests only"


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that were made between attempts, which took no time."""
    return []


@pytest.fixture
def make_embedder(model_server: ModelServer, tmp_path: Path, pauses: list[float]) -> Iterator[MakeEmbedder]:
    """Embedders of the scripted server; keyword arguments are settings."""
    made: list[Embedder] = []

    def make(**environ: str) -> Embedder:
        own = {"DATA_DIR": str(tmp_path), "SECRET_KEY": SECRET, "OPENAI_BASE_URL": model_server.base_url}
        settings = site_settings.load({**own, "EMBEDDING_MODEL": "reply-256", **environ})
        made.append(Embedder(settings, pause=pauses.append))
        return made[-1]

    yield make
    for embedder in made:
        embedder.close()


@pytest.fixture
def built_in(tmp_path: Path) -> Embedder:
    return Embedder(site_settings.load({"DATA_DIR": str(tmp_path), "SECRET_KEY": SECRET}))


def bodies(server: ModelServer) -> list[dict[str, Any]]:
    return [call.body for call in server.calls]


# -- built in


def test_the_built_in_model_finds_what_is_meant(built_in: Embedder) -> None:
    question = built_in.query("How do I save a copy of my database?")
    texts = ["Dumping a PostgreSQL database to a backup file.", "The cat sat on the mat.", "Baking bread at home."]

    near = cosines(question.int8, [one.int8 for one in built_in.documents(texts)])

    assert (built_in.model, built_in.is_built_in) == (static.NAME, True)
    assert near[0] == max(near)
    assert near[0] > 2 * near[1]


@pytest.mark.slow
def test_the_built_in_model_is_what_its_package_says(built_in: Embedder) -> None:
    wordllama = pytest.importorskip("wordllama")
    package = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    texts = ["One short text.", "数据 und Größe", "x" * 3000, "a longer text " * 200]

    assert np.allclose(static.StaticModel().embed(texts), package.embed(texts), atol=1e-5)


def test_a_text_alone_has_the_vector_that_it_has_among_others(built_in: Embedder) -> None:
    texts = ["First.", "", "A second text that is longer.", "\U0001f642" * 40]

    assert built_in.documents(texts) == [built_in.documents([text])[0] for text in texts]
    assert built_in.documents([]) == []


def test_a_question_of_any_length_has_a_vector(built_in: Embedder) -> None:
    assert len(built_in.query("word " * 100_000).int8) == WIDTH
    assert len(built_in.query("").int8) == WIDTH


# -- the provider's


def test_the_provider_is_asked_for_the_width_that_is_kept(
    make_embedder: MakeEmbedder, model_server: ModelServer
) -> None:
    embedder = make_embedder(OPENAI_API_KEY="key")

    one, other = embedder.documents(["first", "second"])

    (call,) = model_server.calls
    assert call.body == {
        "model": "reply-256",
        "input": ["first", "second"],
        "dimensions": 256,
        "encoding_format": "base64",
    }
    assert call.headers["authorization"] == "Bearer key"
    assert (embedder.model, embedder.is_built_in) == ("reply-256", False)
    assert cosines(one.int8, [one.int8, other.int8]) == pytest.approx([1.0, 0.0], abs=0.2)
    assert embedder.query("first") == one


def test_many_texts_go_in_batches_and_come_in_their_order(
    make_embedder: MakeEmbedder, model_server: ModelServer
) -> None:
    embedder = make_embedder()
    texts = [f"text {number}" for number in range(2 * embed.BATCH + 1)]

    made = embedder.documents(texts)

    assert [len(body["input"]) for body in bodies(model_server)] == [embed.BATCH, embed.BATCH, 1]
    assert made[20] == embedder.documents([texts[20]])[0]


def test_another_server_for_embeddings_does_not_get_the_models_key(
    make_embedder: MakeEmbedder, model_server: ModelServer
) -> None:
    own = {
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "OPENAI_API_KEY": "chat",
        "EMBEDDING_BASE_URL": model_server.base_url,
    }

    make_embedder(**own).query("a")
    make_embedder(**own, EMBEDDING_API_KEY="own").query("a")

    assert [call.headers["authorization"] for call in model_server.calls] == ["Bearer none", "Bearer own"]


@pytest.mark.parametrize("param", ["dimensions", "encoding_format", None])
def test_a_server_that_refuses_an_option_is_asked_without_from_then_on(
    make_embedder: MakeEmbedder, model_server: ModelServer, param: str | None
) -> None:
    embedder = make_embedder()
    model_server.play(Script(status=400, body={"error": {"message": "no", "param": param}}))

    embedder.documents(["a"])
    embedder.documents(["b"])

    first, *others = bodies(model_server)
    assert (first["dimensions"], first["encoding_format"]) == (256, "base64")
    for body in others:
        assert ("dimensions" in body, body["encoding_format"]) == (
            (True, "float") if param == "encoding_format" else (False, "base64")
        )


def test_a_server_that_refuses_everything_is_asked_three_times(
    make_embedder: MakeEmbedder, model_server: ModelServer, pauses: list[float]
) -> None:
    with pytest.raises(ModelUnreachable) as failure:
        make_embedder(EMBEDDING_MODEL="status-400").documents(["a"])

    assert failure.value.code == "MODEL_REJECTED"
    assert "sk-secret" not in str(failure.value)
    assert (len(model_server.calls), pauses) == (3, [])


def test_vectors_of_any_width_fit(make_embedder: MakeEmbedder, model_server: ModelServer) -> None:
    for width in (64, 256, 1024):
        embedder = make_embedder(EMBEDDING_MODEL=f"reply-{width}")
        model_server.play(Script(status=400, body={"error": {"message": "no", "param": "dimensions"}}))

        (vector,) = embedder.documents(["text"])

        assert len(vector.int8) == WIDTH, width


def test_a_busy_provider_is_given_time(
    make_embedder: MakeEmbedder, model_server: ModelServer, pauses: list[float]
) -> None:
    model_server.play("status-503", "status-429-7", "status-500")

    assert len(make_embedder().documents(["a"])) == 1

    assert len(model_server.calls) == 4
    assert pauses[1] == 7
    assert 0.5 < pauses[0] < pauses[2] < 8


@pytest.mark.parametrize(
    ("script", "code", "asked"),
    [
        ("status-401", "MODEL_AUTH", 1),
        ("status-404", "MODEL_NOT_FOUND", 1),
        ("status-503", "MODEL_UNREACHABLE", 5),
        ("status-429-3600", "MODEL_BUSY", 1),
    ],
)
def test_a_provider_that_fails_is_given_up_in_the_end(
    make_embedder: MakeEmbedder, model_server: ModelServer, script: str, code: str, asked: int
) -> None:
    with pytest.raises(ModelUnreachable) as failure:
        make_embedder(EMBEDDING_MODEL=script).documents(["a"])

    assert failure.value.code == code
    assert len(model_server.calls) == asked


def test_a_question_is_asked_once_only_and_a_known_one_not_at_all(
    make_embedder: MakeEmbedder, model_server: ModelServer, pauses: list[float]
) -> None:
    embedder = make_embedder()
    model_server.play("status-503")

    with pytest.raises(ModelUnreachable):
        embedder.query("what?")
    assert embedder.query("what?") == embedder.query("what?")

    assert (len(model_server.calls), pauses) == (2, [])


def test_a_provider_that_is_away_or_silent_is_unreachable(
    make_embedder: MakeEmbedder, model_server: ModelServer
) -> None:
    away = make_embedder(OPENAI_BASE_URL=f"http://127.0.0.1:{refused_port()}/v1")
    silent = make_embedder(EMBEDDING_MODEL="stall-headers", MODEL_FIRST_TOKEN_TIMEOUT="0.2")

    with pytest.raises(ModelUnreachable) as refused:
        away.query("a")
    with pytest.raises(ModelUnreachable) as late:
        silent.query("a")

    assert (refused.value.code, late.value.code) == ("MODEL_UNREACHABLE", "MODEL_TIMEOUT")


def answer(*vectors: Any) -> Script:
    return Script(body={"data": [{"index": index, "embedding": one} for index, one in enumerate(vectors)]})


@pytest.mark.parametrize(
    "nonsense",
    [
        Script(body={"data": "none"}),
        Script(body={"error": "none"}),
        answer(),
        answer([1.0], [2.0]),
        answer([]),
        answer([[1.0]]),
        answer(["x"]),
        answer("not base64!"),
        answer("AAA="),
        answer(base64.b64encode(struct.pack("<f", float("nan"))).decode()),
        answer([0.0] * 20_000),
        answer(None),
    ],
)
def test_an_answer_that_makes_no_sense_is_none(
    make_embedder: MakeEmbedder, model_server: ModelServer, nonsense: Script
) -> None:
    embedder = make_embedder()
    model_server.play(nonsense)

    with pytest.raises(ModelUnreachable) as failure:
        embedder.documents(["a"])

    assert failure.value.code == "MODEL_REJECTED"


def test_a_model_without_a_server_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(site_settings.BadSetting, match="EMBEDDING_MODEL needs"):
        site_settings.load({"DATA_DIR": str(tmp_path), "EMBEDDING_MODEL": "some-model"})
