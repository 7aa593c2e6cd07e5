"""The settings that the stories' specification names (Y43), and the documented service that carries them."""

import re
from pathlib import Path

import pytest
from flask import Flask

from services import settings
from tests.conftest import sign_up

ROOT = Path(__file__).resolve().parents[3]
NAMED = {
    "STREAMING_ENABLED": "true",
    "MAX_STREAMING_CONNECTIONS": "100",
    "STREAMING_TIMEOUT": "300",
    "STREAMING_CHUNK_SIZE": "200",
    "VITE_STREAMING_ENABLED": "true",
    "VITE_STREAMING_RETRY_ATTEMPTS": "3",
}


@pytest.mark.req("Y43")
def test_the_specifications_settings_are_taken_and_are_what_is_usual(tmp_path: Path) -> None:
    usual = settings.load({"DATA_DIR": str(tmp_path)})
    named = settings.load({"DATA_DIR": str(tmp_path), **NAMED})

    assert named == usual
    assert (named.streaming_enabled, named.max_streaming_connections) == (True, 100)
    assert (named.streaming_timeout_s, named.streaming_chunk_size_words, named.stream_retry_attempts) == (300, 200, 3)


@pytest.mark.req("Y43")
def test_the_documented_service_carries_settings_that_there_are(tmp_path: Path) -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    service = text.split("```yaml\n", 1)[1].split("```", 1)[0]

    carried = dict(re.findall(r'^ {6}([A-Z_]+): "?([^"\n]+)"?$', service, re.MULTILINE))

    assert "\n  api:\n" in service
    assert carried.items() >= {name: NAMED[name] for name in ("STREAMING_ENABLED", "MAX_STREAMING_CONNECTIONS")}.items()
    known = {*settings.FIELDS, *settings.PER_ASSISTANT, *settings.SPECIAL}
    assert set(carried) <= known
    assert settings.load({**carried, "DATA_DIR": str(tmp_path)}).bind == "0.0.0.0"


@pytest.mark.slow
@pytest.mark.req("Y43", "R27")
def test_pages_tell_their_scripts_how_often_to_try_again(telling: Flask) -> None:
    visitor = sign_up(telling.test_client(), "retry-visitor@example.org")

    assert 'data-retry-attempts="3"' in visitor.get("/account", headers={"Accept": "text/html"}).text
