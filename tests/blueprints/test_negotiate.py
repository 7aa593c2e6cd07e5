import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from blueprints.negotiate import wants

CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HTMX_4 = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}


def request(**headers: str) -> Request:
    return Request(EnvironBuilder(headers=headers).get_environ())


@pytest.mark.req("R23", "A6-16")
@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        pytest.param({"Accept": CHROMIUM}, "page", id="chromium navigates"),
        pytest.param({"Accept": FIREFOX}, "page", id="firefox navigates"),
        pytest.param({"Accept": "text/event-stream"}, "sse", id="EventSource"),
        pytest.param(HTMX_4, "fragment", id="htmx 4 posts"),
        pytest.param({"Accept": "*/*", "HX-Request": "true"}, "fragment", id="htmx 2 posts"),
        pytest.param({"Accept": "text/html, */*", "HX-Request": "true"}, "fragment", id="htmx 1 posts"),
        pytest.param(HTMX_4 | {"HX-Boosted": "true"}, "page", id="htmx follows a boosted link"),
        pytest.param(HTMX_4 | {"HX-History-Restore-Request": "true"}, "page", id="htmx restores a page of its history"),
        pytest.param({"Accept": "application/json"}, "json", id="API client"),
        pytest.param({"Accept": "application/json, text/plain, */*"}, "json", id="axios"),
        pytest.param({"Accept": "text/event-stream, application/json"}, "sse", id="stream first"),
        pytest.param({"Accept": "application/json, text/event-stream"}, "json", id="JSON first"),
        pytest.param({"Accept": "application/json;q=0.5, text/event-stream;q=0.9"}, "sse", id="stream by q"),
        pytest.param({"Accept": "text/event-stream;q=0.1, application/json"}, "json", id="JSON by q"),
        pytest.param({"Accept": "text/event-stream;q=0, */*"}, "json", id="anything but a stream"),
        pytest.param({"Accept": "TEXT/EVENT-STREAM ; Q=1.0"}, "sse", id="case and space do not matter"),
        pytest.param({"Accept": "text/event-stream;q=nonsense, text/html;q=0.3"}, "page", id="malformed q"),
        pytest.param({"Accept": "image/png"}, "json", id="something we do not have"),
        pytest.param({"Accept": ",;,"}, "json", id="nothing but commas"),
    ],
)
def test_wants_follows_order_and_q(headers: dict[str, str], wanted: str) -> None:
    assert wants(request(**headers)) == wanted


@pytest.mark.req("R23")
@pytest.mark.parametrize("headers", [{"Accept": "*/*"}, {}, {"Accept": ""}], ids=["curl", "none", "empty"])
@pytest.mark.parametrize("default", ["sse", "json", "page"])
def test_a_client_that_takes_anything_gets_the_default(headers: dict[str, str], default: str) -> None:
    assert wants(request(**headers), default) == default
