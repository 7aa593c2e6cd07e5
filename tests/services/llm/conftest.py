"""The scripted model, and engines that talk to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.llm.client import OpenAIEngine
from services.llm.messages import Delta, Part
from services.settings import Settings
from tests.model_server import ModelServer

# Of no use to anybody: made for 127.0.0.1 and this suite, key and all.
CERTIFICATE = Path(__file__).parents[2] / "fixtures" / "llm" / "tls.pem"

MakeSettings = Callable[..., Settings]
MakeEngine = Callable[..., OpenAIEngine]


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def tls_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """The scripted model behind TLS, with a certificate that engines made in the test trust."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with ModelServer(certificate=CERTIFICATE) as server:
        yield server


@pytest.fixture
def make_model_settings(model_server: ModelServer, tmp_path: Path) -> MakeSettings:
    def make(**changes: Any) -> Settings:
        values = {"openai_base_url": model_server.base_url, "openai_model": "scripted", **changes}
        return Settings(secret_key="a secret for tests", data_dir=tmp_path, **values)

    return make


@pytest.fixture
def make_engine(make_model_settings: MakeSettings) -> Iterator[MakeEngine]:
    made: list[OpenAIEngine] = []

    def make(**changes: Any) -> OpenAIEngine:
        made.append(OpenAIEngine(make_model_settings(**changes), jitter=lambda: 0.0))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def until_said(reply: Iterator[Part], words: int) -> list[Part]:
    """The parts until so many words have come, however many of them came together."""
    parts: list[Part] = []
    while "".join(part.text for part in parts if isinstance(part, Delta)).count(" ") < words:
        parts.append(next(reply))
    return parts
