"""A site with a few views of the tests' own, one for each kind of access."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NoReturn

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from blueprints import body, identity
from blueprints.extensions import creation_rate
from blueprints.security import accepts_uploads
from services import errors, settings
from services.streaming.embedded_valkey import private_valkey
from tests import sites
from tests.blueprints.doers import Doer
from tests.blueprints.people import Person
from tests.blueprints.searchers import Searcher
from tests.blueprints.streams import Streams
from tests.blueprints.students import Student
from tests.model_server import ModelServer
from tests.sites import PASSWORD, sign_up

# What a server has unless told otherwise.
DATABASES = 16


@pytest.fixture
def make_site(make_app: Callable[..., Flask]) -> Callable[..., Flask]:
    """Sites of the test's own, with probes; keyword arguments are environment variables."""
    return lambda **environ: _with_probes(make_app(**environ))


@pytest.fixture(scope="session")
def site(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A site with probes and default settings, shared: accounts that a test ends are its own newcomers."""
    environ = {
        "DATA_DIR": str(tmp_path_factory.mktemp("shared")),
        "SECRET_KEY": "a secret for the shared site of these tests",
        "REDIS_URL": valkey_url,
        "REGISTRATION_RATE_LIMIT": "100000/hour",  # every test's newcomer comes from here
    }
    made = _with_probes(sites.build(settings.load(environ)))
    services = made.extensions["rill"]
    services.start()
    yield made
    services.close()


@pytest.fixture(scope="session")
def _people(site: Flask) -> dict[str, FlaskClient]:
    # In this order: the first account is the admin.
    return {name: register(site, f"{name}@example.org") for name in ("ana", "ben")}


@pytest.fixture
def ana(site: Flask, _people: dict[str, FlaskClient]) -> FlaskClient:
    """The site's first account, in a browser, with its CSRF token."""
    return same_person(site, _people["ana"])


@pytest.fixture
def ben(site: Flask, _people: dict[str, FlaskClient]) -> FlaskClient:
    """The site's second account, in a browser of its own."""
    return same_person(site, _people["ben"])


@pytest.fixture
def newcomer(site: Flask, _people: dict[str, FlaskClient]) -> FlaskClient:
    """An account that belongs to the test alone; its address is in `newcomer.email`."""
    email = f"{secrets.token_hex(6)}@example.org"
    client = register(site, email)
    client.email = email
    return client


def same_person(site: Flask, client: FlaskClient) -> FlaskClient:
    """Another browser with the same cookie, on the same site or on one with the same database and secret."""
    again = site.test_client()
    cookie = client.get_cookie("rill_session")
    assert cookie is not None
    again.set_cookie("rill_session", cookie.value)
    again.environ_base["HTTP_X_CSRF_TOKEN"] = client.environ_base["HTTP_X_CSRF_TOKEN"]
    return again


def csrf_of(client: FlaskClient, path: str) -> str:
    """The CSRF token in a page."""
    text = client.get(path, headers={"Accept": "text/html"}).text
    return text.split('name="csrf-token" content="', 1)[1].split('"', 1)[0]


def register(site: Flask, email: str, **form: str) -> FlaskClient:
    """A browser in which an account has just been made."""
    return sign_up(site.test_client(), email, **form)


def login_token(site: Flask, email: str, password: str = PASSWORD) -> str:
    """A login JWT."""
    sent = site.test_client().post("/api/auth/token", json={"email": email, "password": password})
    assert sent.status_code == 200, sent.text
    return str(sent.json["access_token"])


def personal_token(client: FlaskClient, name: str = "script") -> str:
    """A personal token of whoever is signed in."""
    sent = client.post("/api/auth/tokens", json={"name": name})
    assert sent.status_code == 201, sent.text
    return str(sent.json["token"])


def bearer(token: str) -> dict[str, str]:
    """The header of an API client."""
    return {"Authorization": f"Bearer {token}"}


def _with_probes(site: Flask) -> Flask:
    site.config["PROPAGATE_EXCEPTIONS"] = False  # a failing view is answered, as in production

    def who(found: identity.Identity, **more: Any) -> dict[str, Any]:
        return {"email": found.user.email, "kind": found.kind, **more}

    def echo() -> dict[str, Any]:
        sent = dict(body.fields(request).values) if request.method == "POST" else {}
        return who(identity.require(), sent=sent)

    @identity.subscribes
    def follow(stream_id: str | None = None) -> dict[str, Any]:
        found, which = identity.for_stream(stream_id)
        return who(found, stream=which)

    @identity.starts
    def begin() -> dict[str, Any]:
        return who(identity.require())

    @creation_rate("tutor")
    def create() -> dict[str, Any]:
        return who(identity.require())

    def fail(how: str) -> NoReturn:
        raise FAILURES[how]()

    @accepts_uploads
    def upload() -> dict[str, int]:
        return {"bytes": len(request.get_data())}

    def streamed() -> Response:
        return Response(": hello\n\n", content_type="text/event-stream", headers={"X-Stream-Id": "s7"})

    site.add_url_rule("/v1/probe", view_func=echo, methods=["GET", "POST"])
    site.add_url_rule("/page", endpoint="page", view_func=lambda: who(identity.require()), methods=["GET", "POST"])
    site.add_url_rule("/v1/streams", endpoint="named", view_func=follow)
    site.add_url_rule("/v1/streams/<stream_id>", endpoint="in_path", view_func=follow)
    site.add_url_rule("/v1/begin", view_func=begin)
    site.add_url_rule("/v1/create", view_func=create, methods=["POST"])
    site.add_url_rule("/v1/fail/<how>", view_func=fail)
    site.add_url_rule("/fail/<how>", endpoint="fail_page", view_func=fail)
    site.add_url_rule("/v1/upload", view_func=upload, methods=["POST"])
    site.add_url_rule("/v1/streamed", view_func=streamed)
    return site


FAILURES: dict[str, Callable[[], Exception]] = {
    "input": lambda: errors.InvalidInput([errors.FieldError("a", "is missing"), errors.FieldError("b", "is wrong")]),
    "anonymous": errors.NotSignedIn,
    "forbidden": errors.Forbidden,
    "unknown": lambda: errors.NotFound("Stream not found"),
    "busy": lambda: errors.StreamBusy(extra={"stream_id": "s1"}),
    "large": errors.TooLarge,
    "type": errors.UnsupportedType,
    "slots": lambda: errors.NoSlotFree(
        "User has reached maximum concurrent streams (2)",
        retry_after_s=7,
        extra={"limit": 2, "current": 2, "running": ["s1"]},
    ),
    "full": lambda: errors.SiteFull(retry_after_s=5),
    "away": errors.Unavailable,
    "bug": lambda: RuntimeError("secret detail of a bug"),
}


@pytest.fixture
def streams(signed_in: FlaskClient) -> Streams:
    """Streams of the account that `signed_in` is."""
    return Streams(signed_in)


@pytest.fixture
def slow_streams(make_app: Callable[..., Flask]) -> Streams:
    """Streams of an account on a site whose answers take seconds."""
    return Streams(sign_up(make_app(BUILTIN_PACE_MS="100").test_client(), "slow@example.org"))


@pytest.fixture
def streams_of() -> Callable[..., Streams]:
    """Streams of a new account on a site of the test's own."""
    return lambda app, email="ada@example.org": Streams(sign_up(app.test_client(), email))


@pytest.fixture(scope="session")
def make_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Flask]]:
    """Sites for a whole session, each with a database of its own in Redis too; every test brings its own people."""
    made, urls = [], []
    with ExitStack() as servers:

        def make(**environ: str) -> Flask:
            if not urls:
                url = servers.enter_context(private_valkey(tmp_path_factory.mktemp("sites")))
                urls.extend(f"{url}?db={number}" for number in range(DATABASES))
            own = {
                "DATA_DIR": str(tmp_path_factory.mktemp("site")),
                "SECRET_KEY": "a secret for a site that tests share",
                "REDIS_URL": urls.pop(),
                "TUTOR_RATE_LIMIT": "100000/minute",
                "REGISTRATION_RATE_LIMIT": "100000/hour",
                "MAX_STREAMING_CONNECTIONS": "10000",
                "BUILTIN_PACE_MS": "0",
            }
            site = sites.build(settings.load({**own, **environ}))
            made.append(site.extensions["rill"])
            made[-1].start()
            return site

        yield make
        for services in made:
            services.close()


@pytest.fixture(scope="session")
def _model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def model(_model: ModelServer) -> Iterator[ModelServer]:
    """The scripted model behind the shared sites: twenty words at once unless a test plays something else."""
    _model.reset()
    script = _model.script
    yield _model
    _model.release()
    # A test that gave it another script for all requests gave it to itself only.
    _model.script = script


@pytest.fixture(scope="session")
def modelled(make_shared: Callable[..., Flask], _model: ModelServer) -> Flask:
    """A site whose model is `model`."""
    return make_shared(OPENAI_BASE_URL=_model.base_url, OPENAI_MODEL="scripted")


@pytest.fixture
def make_person(model: ModelServer) -> Iterator[Callable[[Flask], Person]]:
    """Somebody on a shared site; what they leave running is stopped before the next test plays its script."""
    people: list[Person] = []

    def make(site: Flask) -> Person:
        people.append(Person(site, model))
        return people[-1]

    yield make
    for somebody in people:
        somebody.stop_all()


@pytest.fixture
def person(modelled: Flask, make_person: Callable[[Flask], Person]) -> Person:
    """Somebody on the site whose model is `model`."""
    return make_person(modelled)


@pytest.fixture
def stranger(modelled: Flask, make_person: Callable[[Flask], Person]) -> Person:
    """Somebody else on that site."""
    return make_person(modelled)


@pytest.fixture
def ask_of() -> Callable[..., Any]:
    """Who asks a question of the first problem there is, unless told otherwise."""

    def of(client: FlaskClient) -> Callable[..., Any]:
        problem_id = client.get("/v1/tutor/problems").json["problems"][0]["id"]

        def send(**fields: Any) -> Any:
            headers = fields.pop("headers", {})
            body = {"session_id": "s1", "problem_id": problem_id, "message": "How do I start?", **fields}
            return client.post("/v1/tutor/messages", json=body, headers=headers)

        return send

    return of


@pytest.fixture
def ask(ask_of: Callable[..., Any], signed_in: FlaskClient) -> Callable[..., Any]:
    """Asks as `signed_in`."""
    return ask_of(signed_in)


@pytest.fixture
def ask_slowly(ask_of: Callable[..., Any], slow_streams: Streams) -> Callable[..., Any]:
    """As `ask`, on a site whose answers take a while."""
    return ask_of(slow_streams.client)


@pytest.fixture(scope="session")
def plain(make_shared: Callable[..., Flask]) -> Flask:
    """A site without a model."""
    return make_shared(STUDY_RATE_LIMIT="100000/minute")


@pytest.fixture(scope="session")
def scripted(make_shared: Callable[..., Flask], _model: ModelServer) -> Flask:
    """A site whose model is scripted."""
    limits = {"STUDY_RATE_LIMIT": "100000/minute", "STUDY_CONTEXT_TOKENS": "500"}
    return make_shared(OPENAI_BASE_URL=_model.base_url, OPENAI_MODEL="scripted", **limits)


@pytest.fixture
def student(plain: Flask) -> Student:
    return Student(plain)


@pytest.fixture
def modelled_student(scripted: Flask, model: ModelServer) -> Iterator[Student]:
    somebody = Student(scripted)
    yield somebody
    model.release()
    somebody.stop_all()


@pytest.fixture(scope="session")
def searching(make_shared: Callable[..., Flask]) -> Flask:
    """A site without a model, where documents are put in by tests."""
    return make_shared(SEARCH_RATE_LIMIT="100000/minute", INGEST_PROCESSES="0")


@pytest.fixture(scope="session")
def modelled_searching(make_shared: Callable[..., Flask], _model: ModelServer) -> Flask:
    """The same with a model that is scripted."""
    limits = {"SEARCH_RATE_LIMIT": "100000/minute", "INGEST_PROCESSES": "0"}
    return make_shared(OPENAI_BASE_URL=_model.base_url, OPENAI_MODEL="scripted", **limits)


@pytest.fixture
def searcher(searching: Flask) -> Searcher:
    """Somebody with documents."""
    return Searcher(searching)


@pytest.fixture
def other_searcher(searching: Flask) -> Searcher:
    """Somebody else there, without documents."""
    return Searcher(searching, has_documents=False)


@pytest.fixture
def modelled_searcher(modelled_searching: Flask, model: ModelServer) -> Iterator[Searcher]:
    """Somebody with documents, on a site whose model is `model`."""
    somebody = Searcher(modelled_searching)
    yield somebody
    model.release()
    somebody.stop_all()


@pytest.fixture(scope="session")
def keeping(make_shared: Callable[..., Flask]) -> Flask:
    """A site without a model, where people talk to the todo agent."""
    return make_shared(TODOS_RATE_LIMIT="100000/minute")


@pytest.fixture(scope="session")
def modelled_keeping(make_shared: Callable[..., Flask], _model: ModelServer) -> Flask:
    """The same with a model that is scripted."""
    limits = {"TODOS_RATE_LIMIT": "100000/minute"}
    return make_shared(OPENAI_BASE_URL=_model.base_url, OPENAI_MODEL="scripted", **limits)


@pytest.fixture
def doer(keeping: Flask) -> Doer:
    """Somebody with an empty list."""
    return Doer(keeping)


@pytest.fixture
def modelled_doer(modelled_keeping: Flask, model: ModelServer) -> Iterator[Doer]:
    """Somebody with an empty list, on a site whose model is `model`."""
    somebody = Doer(modelled_keeping)
    yield somebody
    model.release()
    somebody.stop_all()
