"""The search's pages as a server makes them: whose they are, what they hold, and a passage in its document."""

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, update

from services.store import documents, users
from services.store.base import utc_now
from services.store.database import Session
from services.store.documents import DocumentPage, DocumentRow, Kind

PAGE = {"Accept": "text/html"}
HTMX = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
HANDBOOK = "# Leaving\n\nA tenant gives three months' notice.\n\nThe <b>deposit</b> comes back later."
PASSAGE = "three months' notice."


@pytest.fixture
def put_in(site: Flask) -> Callable[..., str]:
    """Put a document that has been read into a base, or one that is being read; its id."""

    def put(
        base_id: str, email: str, pages: Mapping[int, str], *, name: str = "handbook.md", kind: Kind = "markdown"
    ) -> str:
        content = "\f".join(pages.values()).encode()

        def store(s: Session) -> str:
            user = users.by_email(s, email)
            assert user is not None
            document = documents.add(
                s,
                user.id,
                base_id,
                name=name,
                kind=kind,
                mime="text/markdown",
                bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                content=io.BytesIO(content),
                max_total_bytes=1_000_000,
            )
            # One without pages is somebody's, who reads it for as long as the test takes.
            ready = {"state": "ready", "pages": len(pages)}
            waits = {"state": "reading", "claimed_by": "test", "claimed_until": utc_now() + timedelta(hours=1)}
            s.execute(update(DocumentRow).where(DocumentRow.id == document.id).values(ready if pages else waits))
            if pages:
                rows = [{"document_id": document.id, "number": at, "text": text} for at, text in pages.items()]
                s.execute(insert(DocumentPage), rows)
            return document.id

        found: str = site.extensions["rill"].database.run(store)
        return found

    return put


def new_base(client: FlaskClient, name: str = "Housing") -> str:
    made = client.post("/api/v1/kbs", json={"name": name})
    assert made.status_code == 201, made.text
    return str(made.json["id"])


def place(text: str = HANDBOOK, passage: str = PASSAGE) -> str:
    start = text.index(passage)
    return f"page=1&start={start}&end={start + len(passage)}"


def marks(html: str) -> list[str]:
    return re.findall(r"<mark[^>]*>(.*?)</mark>", html, re.DOTALL)


# -- the page


def test_who_has_no_documents_is_led_to_them(newcomer: FlaskClient) -> None:
    html = newcomer.get("/search", headers=PAGE).text

    assert 'href="/search/bases"' in html
    assert 'id="message"' not in html, "there is nothing to ask"


@pytest.mark.req("Q9")
def test_the_page_asks_within_the_bases_that_one_may_read(
    newcomer: FlaskClient, ben: FlaskClient, put_in: Callable[..., str]
) -> None:
    mine, foreign = new_base(newcomer), new_base(ben, "Ben's own")
    put_in(mine, newcomer.email, {1: HANDBOOK})

    html = newcomer.get(f"/search?kb={mine}&q=%3Cb%3ENotice", headers=PAGE).text

    assert f'name="kb_ids" value="{mine}" checked' in html
    assert foreign not in html
    assert "Ben&#39;s own" not in html
    assert '<form class="composer" id="ask" method="post" action="/search"' in html
    assert 'name="query"' in html
    assert "&lt;b&gt;Notice</textarea>" in html
    assert "1 document in 1 base." in html


def test_documents_on_their_way_are_told_of(newcomer: FlaskClient, put_in: Callable[..., str]) -> None:
    base_id = new_base(newcomer)
    put_in(base_id, newcomer.email, {1: HANDBOOK})
    put_in(base_id, newcomer.email, {}, name="later.md")

    html = newcomer.get("/search", headers=PAGE).text

    assert "1 document in 1 base, 1 more on the way" in html


@pytest.mark.slow
def test_a_name_of_a_base_is_only_text(newcomer: FlaskClient, put_in: Callable[..., str]) -> None:
    base_id = new_base(newcomer, "<img src=x onerror=alert(1)>")
    put_in(base_id, newcomer.email, {1: HANDBOOK}, name='"><script>alert(1)</script>.md')
    document_id = put_in(base_id, newcomer.email, {1: "<script>alert(1)</script>"}, name="<script>.md")

    for path in ("/search", f"/search/documents/{document_id}"):
        html = newcomer.get(path, headers=PAGE).text
        assert "<img src=x" not in html
        assert "<script>alert" not in html


@pytest.mark.slow
@pytest.mark.req("Q10")
def test_a_thread_is_its_owners_only_and_no_other_assistants(newcomer: FlaskClient, ben: FlaskClient) -> None:
    question = {"message": "What is photosynthesis?"}
    sent = newcomer.post("/api/stream/stream-conversation", json=question, headers={"Accept": "application/json"})
    study_id = sent.json["interaction_id"]

    assert newcomer.get(f"/search/{study_id}", headers=PAGE).status_code == 404
    assert newcomer.get("/search/nothing", headers=PAGE).status_code == 404
    assert ben.get(f"/search/{study_id}", headers=PAGE).status_code == 404


# -- a document


@pytest.mark.req("Q4")
def test_a_passage_is_marked_in_its_document(newcomer: FlaskClient, put_in: Callable[..., str]) -> None:
    document_id = put_in(new_base(newcomer), newcomer.email, {1: HANDBOOK})

    shown = newcomer.get(f"/search/documents/{document_id}?{place()}", headers=PAGE)

    assert shown.status_code == 200
    assert marks(shown.text) == ["three months&#39; notice."]
    assert '<mark id="passage">' in shown.text
    assert "<h1" in shown.text
    assert "handbook.md" in shown.text
    assert '<h2 class="doc__heading">Leaving</h2>' in shown.text
    assert "The &lt;b&gt;deposit&lt;/b&gt; comes back later." in shown.text
    assert f'href="/api/v1/documents/{document_id}/content"' in shown.text
    assert shown.headers["Cache-Control"] == "no-store"


@pytest.mark.req("Q4")
def test_beside_an_answer_only_the_passage_and_its_surroundings_are_read(
    newcomer: FlaskClient, put_in: Callable[..., str]
) -> None:
    long = "\n\n".join(f"Paragraph {number}. " + "word " * 60 for number in range(300)) + f"\n\n{HANDBOOK}"
    document_id = put_in(new_base(newcomer), newcomer.email, {1: long})

    shown = newcomer.get(f"/search/documents/{document_id}?{place(long)}", headers=HTMX)

    assert "<html" not in shown.text
    assert marks(shown.text) == ["three months&#39; notice."]
    assert len(shown.text) < 8_000
    assert f'href="/search/documents/{document_id}?page=1&amp;start=' in shown.text


def test_pages_of_a_pdf_are_turned(newcomer: FlaskClient, put_in: Callable[..., str]) -> None:
    pages = {1: "First page.", 2: "Second page.", 3: "Third page."}
    document_id = put_in(new_base(newcomer), newcomer.email, pages, name="three.pdf", kind="pdf")

    html = newcomer.get(f"/search/documents/{document_id}?page=2", headers=PAGE).text

    assert "Second page." in html
    assert "First page." not in html
    assert "Page 2 of 3" in html
    assert f'rel="prev" href="/search/documents/{document_id}?page=1"' in html
    assert f'rel="next" href="/search/documents/{document_id}?page=3"' in html


@pytest.mark.parametrize(
    "query", ["", "page=1&start=x&end=-3", "start=99999999999999999999&end=1", "start=9&end=3", "page=&start=²&end=٣"]
)
def test_places_that_there_are_not_mark_nothing(query: str, newcomer: FlaskClient, put_in: Callable[..., str]) -> None:
    document_id = put_in(new_base(newcomer), newcomer.email, {1: HANDBOOK})

    shown = newcomer.get(f"/search/documents/{document_id}?{query}", headers=PAGE)

    assert shown.status_code == 200
    assert marks(shown.text) == []


def test_a_page_that_there_is_not_is_not_found(newcomer: FlaskClient, put_in: Callable[..., str]) -> None:
    document_id = put_in(new_base(newcomer), newcomer.email, {1: HANDBOOK})

    assert newcomer.get(f"/search/documents/{document_id}?page=7", headers=PAGE).status_code == 404


def test_a_document_that_waits_says_so(newcomer: FlaskClient, put_in: Callable[..., str]) -> None:
    document_id = put_in(new_base(newcomer), newcomer.email, {}, name="later.md")

    shown = newcomer.get(f"/search/documents/{document_id}", headers=PAGE)

    assert shown.status_code == 200
    assert "later.md" in shown.text


@pytest.mark.req("Q10")
def test_a_document_is_read_by_those_of_its_base_only(
    newcomer: FlaskClient, ben: FlaskClient, put_in: Callable[..., str]
) -> None:
    base_id = new_base(newcomer)
    document_id = put_in(base_id, newcomer.email, {1: HANDBOOK})
    path = f"/search/documents/{document_id}?{place()}"
    for headers in (PAGE, HTMX):
        refused = ben.get(path, headers=headers)
        assert refused.status_code == 404
        assert "three months" not in refused.text
        assert "handbook" not in refused.text

    role = {"email": "ben@example.org", "role": "reader"}
    assert newcomer.put(f"/api/v1/kbs/{base_id}/members", json=role).status_code == 200

    assert marks(ben.get(path, headers=PAGE).text) == ["three months&#39; notice."]
