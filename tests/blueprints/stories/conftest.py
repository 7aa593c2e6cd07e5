"""Sites where stories are told, by the built-in storyteller and by a scripted model."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.blueprints.stories.tellers import Teller
from tests.model_server import ModelServer


@pytest.fixture(scope="session")
def telling(make_shared: Callable[..., Flask]) -> Flask:
    """A site without a model."""
    return make_shared(STORIES_RATE_LIMIT="100000/minute")


@pytest.fixture(scope="session")
def modelled_telling(make_shared: Callable[..., Flask], _model: ModelServer) -> Flask:
    """A site whose model is scripted, and whose pieces are checked by the rules alone."""
    limits = {"STORIES_RATE_LIMIT": "100000/minute", "STORIES_CHECK": "rules"}
    return make_shared(OPENAI_BASE_URL=_model.base_url, OPENAI_MODEL="scripted", **limits)


@pytest.fixture
def teller(telling: Flask) -> Teller:
    """Somebody with a child of six."""
    return Teller(telling)


@pytest.fixture
def stranger(telling: Flask) -> Teller:
    """Somebody else there."""
    return Teller(telling)


@pytest.fixture
def modelled_teller(modelled_telling: Flask, model: ModelServer) -> Iterator[Teller]:
    """Somebody with a child of six, on a site whose model is `model`."""
    somebody = Teller(modelled_telling)
    yield somebody
    model.release()
    somebody.stop_all()


@pytest.fixture(scope="session")
def _elsewhere(make_shared: Callable[..., Flask]) -> Flask:
    return make_shared(STORIES_RATE_LIMIT="100000/minute", CORS_ORIGINS="https://pages.example", BUILTIN_PACE_MS="10")


@pytest.fixture
def telling_for_others(_elsewhere: Flask) -> Iterator[Teller]:
    """Somebody on a site that pages of another origin may read."""
    somebody = Teller(_elsewhere)
    yield somebody
    somebody.stop_all()


@pytest.fixture
def slow_teller(_elsewhere: Flask) -> Iterator[Teller]:
    """Somebody on a site whose storyteller takes its time."""
    somebody = Teller(_elsewhere)
    yield somebody
    somebody.stop_all()
