"""Documents over HTTP: how they come in, what is refused, what becomes of them, and how they leave."""

# ruff: noqa: F811 (fixtures are imported, and asked for by name)

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import gevent
import pytest

from services.knowledge.bases import Library
from services.media import refusals
from tests import uploads
from tests.blueprints.libraries import (  # noqa: F401 (fixtures)
    JSON,
    NOTES,
    Keeper,
    library_database,
    library_site,
    make_keeper,
    make_library_site,
    new_schema,
    owner,
    postgresql_url,
    wrong,
)


@pytest.mark.slow
@pytest.mark.req("B5")
def test_several_files_come_in_at_once_and_each_has_a_state_of_its_own(owner: Keeper) -> None:
    base_id = owner.base()

    sent = owner.send(base_id, ("a.md", b"A"), ("b.pdf", uploads.pdf()), ("c.csv", b"x,y\n1,2"))

    assert sent.status_code == 202
    assert [one["name"] for one in sent.json] == ["a.md", "b.pdf", "c.csv"]
    assert {one["status"] for one in sent.json} == {"queued"}
    listed = owner.call("GET", f"/api/v1/kbs/{base_id}/documents").json
    assert [one["id"] for one in listed["documents"]] == [one["id"] for one in reversed(sent.json)]
    assert [one["kind"] for one in listed["documents"]] == ["csv", "pdf", "markdown"]
    assert listed["next"] is None
    assert owner.call("GET", f"/api/v1/kbs/{base_id}").json["documents"] == 3


@pytest.mark.slow
@pytest.mark.req("B5")
def test_one_bad_file_does_not_lose_the_others(owner: Keeper) -> None:
    base_id = owner.base()

    sent = owner.send(base_id, ("good.md", b"Good"), ("bad.exe", b"MZ\x90\x00"), ("none.md", b""), ("twin.md", b"Good"))

    assert sent.status_code == 202
    good, bad, none, twin = sent.json
    assert (good["status"], {one["status"] for one in (bad, none, twin)}) == ("queued", {"failed"})
    assert [one["id"] for one in (bad, none, twin)] == [None] * 3
    assert (bad["code"], "type that is not taken" in bad["error"]) == ("UNSUPPORTED_TYPE", True)
    assert (none["code"], none["error"]) == ("INVALID_INPUT", "is empty")
    assert (twin["code"], twin["document"]["id"]) == ("DUPLICATE", good["id"])
    assert owner.names(base_id) == ["good.md"]


@pytest.mark.parametrize(
    ("name", "content", "status", "says"),
    [
        ("a.md", b"", 400, "is empty"),
        ("a.exe", b"MZ\x90\x00", 415, "type that is not taken"),
        ("a.png", uploads.image(), 415, "type that is not taken"),
        ("a.pdf", b"Not found", 415, "not what its name says"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), 415, "save it as .docx"),
    ],
)
def test_a_file_that_is_refused_alone_is_an_error_at_the_field(
    owner: Keeper, name: str, content: bytes, status: int, says: str
) -> None:
    base_id = owner.base()

    refused = owner.send(base_id, (name, content))

    assert refused.status_code == status
    assert refused.content_type == "application/problem+json"
    assert says in wrong(refused)["file"]
    assert refused.json["documents"][0]["name"] == name
    assert owner.names(base_id) == []


@pytest.mark.slow
@pytest.mark.req("B5")
def test_the_same_content_is_found_whatever_its_name(owner: Keeper) -> None:
    base_id, other = owner.base(), owner.base("Another")
    document_id = owner.add(base_id)

    refused = owner.send(base_id, ("copy.txt", NOTES))

    assert (refused.status_code, refused.json["code"]) == (409, "DUPLICATE")
    assert refused.json["document"]["id"] == document_id
    assert "notes.md" in refused.json["message"]
    assert owner.names(base_id) == ["notes.md"]
    assert owner.send(other, ("copy.txt", NOTES)).status_code == 202
    owner.call("DELETE", f"/api/v1/documents/{document_id}")
    assert owner.send(base_id, ("copy.txt", NOTES)).status_code == 202


@pytest.mark.slow
def test_the_same_content_sent_twice_at_the_same_moment_is_kept_once(owner: Keeper) -> None:
    base_id = owner.base()
    other = Keeper(owner.site)
    owner.let(base_id, other, "editor")

    sent = [gevent.spawn(keeper.send, base_id, ("a.md", b"Same")) for keeper in (owner, other) * 3]
    statuses = sorted(greenlet.get(timeout=30).status_code for greenlet in sent)

    assert statuses == [202] + [409] * 5
    assert owner.names(base_id) == ["a.md"]


@pytest.mark.req("B5")
def test_a_text_is_pasted(owner: Keeper) -> None:
    base_id = owner.base()
    path = f"/api/v1/kbs/{base_id}/documents"

    sent = owner.call("POST", path, json={"name": "Grüße", "text": "# Hallo\r\n\nWelt"})

    assert sent.status_code == 202
    assert owner.names(base_id) == ["Grüße.md"]
    content = owner.call("GET", f"/api/v1/documents/{sent.json[0]['id']}/content")
    assert content.data.decode() == "# Hallo\n\nWelt"
    assert owner.call("POST", path, json={"name": "table.csv", "text": "a,b"}).status_code == 202
    assert owner.call("GET", path).json["documents"][0]["kind"] == "csv"


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        ({"json": {}}, 400, "file"),
        ({"json": {"name": "x"}}, 400, "file"),
        ({"json": {"text": "x"}}, 400, "name"),
        ({"json": {"name": "x", "text": ""}}, 400, "text"),
        ({"json": {"name": "x", "text": "y" * 200_001}}, 400, "text"),
        ({"json": {"name": "x" * 121, "text": "y"}}, 400, "name"),
        ({"json": {"name": ["x"], "text": "y"}}, 400, "name"),
        ({"json": {"url": 7}}, 400, "url"),
        ({"json": {"url": "http://169.254.169.254/latest"}}, 400, "url"),
        ({"json": {"url": "file:///etc/passwd"}}, 400, "url"),
        ({"data": {}, "content_type": "multipart/form-data"}, 400, "file"),
        ({"data": {"file": "text"}, "content_type": "multipart/form-data"}, 400, "file"),
        ({"data": b"{", "content_type": "application/json"}, 400, "body"),
        ({"data": b"%PDF-1.7", "content_type": "application/pdf"}, 415, None),
        ({"data": b'"' + b"x" * 2_100_000, "content_type": "application/json"}, 413, None),
    ],
)
def test_what_is_no_document_is_refused_at_the_field(owner: Keeper, sent: Any, status: int, field: str | None) -> None:
    base_id = owner.base()

    refused = owner.call("POST", f"/api/v1/kbs/{base_id}/documents", **sent)

    assert refused.status_code == status, refused.text
    assert field is None or field in wrong(refused)
    assert owner.names(base_id) == []


class Web:
    """Stands for the guarded fetcher, which has tests of its own."""

    def get(self, url: str, into: BinaryIO, *, max_bytes: int) -> str:
        if "missing" in url:
            raise refusals.wrong("answered 404 instead of a file", field="url")
        into.write(b"<!doctype html><p>Plants make sugar of light.")
        return url.rpartition("/")[2]


@pytest.fixture
def web(owner: Keeper) -> Iterator[Web]:
    library: Library = owner.services.library
    before, library._fetcher = library._fetcher, Web()  # type: ignore[assignment]
    yield Web()
    library._fetcher = before


@pytest.mark.req("B5")
def test_an_address_is_fetched(owner: Keeper, web: Web) -> None:
    base_id = owner.base()
    path = f"/api/v1/kbs/{base_id}/documents"

    sent = owner.call("POST", path, json={"url": "https://example.org/plants.html"})
    nameless = owner.call("POST", path, json={"url": "https://example.org/"})

    assert sent.status_code == 202
    document = owner.call("GET", f"/api/v1/documents/{sent.json[0]['id']}").json
    assert (document["name"], document["kind"]) == ("plants.html", "html")
    assert document["source_url"] == "https://example.org/plants.html"
    assert nameless.json["code"] == "DUPLICATE"
    refused = owner.call("POST", path, json={"url": "https://example.org/missing"})
    assert (refused.status_code, wrong(refused)["url"]) == (400, "answered 404 instead of a file")
    assert owner.names(base_id) == ["plants.html"]


@pytest.mark.req("B5")
def test_a_document_tells_how_far_it_is(owner: Keeper) -> None:
    document_id = owner.add(owner.base())
    path = f"/api/v1/documents/{document_id}"

    def told() -> tuple[str, float, int, int]:
        document = owner.call("GET", path).json
        return document["status"], document["progress"], document["done"], document["total"]

    assert told() == ("queued", 0.0, 0, 0)
    owner.becomes(document_id, "reading")
    assert told() == ("reading", 0.0, 0, 0)
    owner.becomes(document_id, "embedding", done=3, total=8)
    assert told() == ("embedding", 0.375, 3, 8)
    owner.becomes(document_id, "ready", done=8, pages=2)
    assert told()[:2] == ("ready", 1.0)
    assert owner.call("GET", path).json["pages"] == 2


@pytest.mark.req("B5")
def test_a_failed_document_says_why_and_is_tried_again(owner: Keeper) -> None:
    document_id = owner.add(owner.base())
    owner.becomes(document_id, "failed", error="is locked with a password")
    path = f"/api/v1/documents/{document_id}"
    assert owner.call("GET", path).json["error"] == "is locked with a password"

    again = owner.call("POST", f"{path}/retry")

    assert (again.status_code, again.json["status"]) == (202, "queued")
    assert "error" not in owner.call("GET", path).json


def test_a_ready_document_is_indexed_again_and_one_at_work_is_left_to_it(owner: Keeper) -> None:
    document_id = owner.add(owner.base())
    path = f"/api/v1/documents/{document_id}/retry"
    owner.becomes(document_id, "ready")
    assert owner.call("POST", path).json["status"] == "queued"

    owner.becomes(document_id, "embedding", done=1, total=2)

    assert owner.call("POST", path).json["status"] == "embedding"


def test_a_document_comes_back_as_it_was_and_can_run_nothing(owner: Keeper) -> None:
    content = b"<script>alert(1)</script>" * 30_000
    document_id = owner.add(owner.base(), "Grüße 'x'.html", content)
    path = f"/api/v1/documents/{document_id}/content"

    response = owner.call("GET", path)

    assert response.data == content
    assert response.content_length == len(content)
    assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%27x%27.html"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    again = owner.call("GET", path, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.req("Q10")
def test_somebody_elses_document_is_not_there(make_keeper: Callable[[], Keeper]) -> None:
    ada, ben = make_keeper(), make_keeper()
    path = f"/api/v1/documents/{ada.add(ada.base())}"

    refused = [
        ben.call("GET", path),
        ben.call("GET", f"{path}/content"),
        ben.call("DELETE", path),
        ben.call("POST", f"{path}/retry"),
        ada.call("GET", f"{path}x"),
    ]

    assert {response.status_code for response in refused} == {404}
    assert ada.call("DELETE", path).status_code == 204
    assert ada.call("GET", path).status_code == 404


@pytest.mark.slow
def test_the_list_goes_on_behind_its_first_page(owner: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blueprints.base_documents.ON_A_PAGE", 2)
    base_id = owner.base()
    for number in range(3):
        owner.add(base_id, f"{number}.md", str(number).encode())
    path = f"/api/v1/kbs/{base_id}/documents"

    first = owner.call("GET", path).json
    rest = owner.call("GET", path, query_string={"before": first["next"]}).json

    assert [one["name"] for one in first["documents"]] == ["2.md", "1.md"]
    assert ([one["name"] for one in rest["documents"]], rest["next"]) == (["0.md"], None)


# -- limits


class Endless:
    """A body of any length, of which it is known how much was read."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        size = size if size >= 0 else 65536
        self.read_bytes += size
        return b"x" * size


@pytest.mark.req("B5")
def test_an_upload_of_500_mb_is_refused_before_it_is_read(owner: Keeper) -> None:
    base_id, body = owner.base(), Endless()

    refused = owner.call(
        "POST",
        f"/api/v1/kbs/{base_id}/documents",
        content_type="multipart/form-data; boundary=x",
        environ_overrides={"wsgi.input": body, "CONTENT_LENGTH": str(500 * 1024 * 1024)},
    )

    assert (refused.status_code, refused.json["code"]) == (413, "TOO_LARGE")
    assert body.read_bytes == 0
    assert owner.names(base_id) == []


@pytest.mark.slow
def test_a_file_over_the_size_is_refused_and_smaller_ones_beside_it_are_kept(
    make_library_site: Callable[..., Any],
) -> None:
    keeper = Keeper(make_library_site(MAX_UPLOAD_MB="1"))
    base_id = keeper.base()

    sent = keeper.send(base_id, ("large.txt", b"x" * (1024 * 1024 + 1)), ("small.txt", b"x" * 1024 * 1024))

    assert sent.status_code == 202
    assert [(one["status"], one.get("code")) for one in sent.json] == [("failed", "TOO_LARGE"), ("queued", None)]
    alone = keeper.send(base_id, ("large.txt", b"y" * (1024 * 1024 + 1)))
    assert (alone.status_code, "1 MB" in wrong(alone)["file"]) == (413, True)
    assert keeper.send(base_id, *[(f"{n}.txt", b"%d" % n * 1024 * 1024) for n in range(5)]).status_code == 413
    assert keeper.names(base_id) == ["small.txt"]


@pytest.mark.slow
def test_the_space_of_a_bases_owner_has_an_end_whoever_fills_it(make_library_site: Callable[..., Any]) -> None:
    site = make_library_site(BASES_TOTAL_MB="1")
    ada, eve = Keeper(site), Keeper(site)
    base_id = ada.base()
    ada.let(base_id, eve, "editor")
    document_id = ada.add(base_id, "a.txt", b"x" * 700_000)

    refused = eve.send(base_id, ("b.txt", b"y" * 700_000))

    assert (refused.status_code, refused.json["code"], refused.json["limit"]) == (413, "BASES_FULL", 1024 * 1024)
    assert eve.send(eve.base(), ("b.txt", b"y" * 700_000)).status_code == 202
    ada.call("DELETE", f"/api/v1/documents/{document_id}")
    assert eve.send(base_id, ("b.txt", b"y" * 700_000)).status_code == 202


def test_a_base_and_a_request_hold_so_many_files(owner: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.knowledge.bases.MAX_DOCUMENTS", 2)
    monkeypatch.setattr("blueprints.base_documents.MAX_FILES", 3)
    base_id = owner.base()
    files = [(f"{number}.md", str(number).encode()) for number in range(4)]

    assert "at most 3" in wrong(owner.send(base_id, *files))["file"]
    sent = owner.send(base_id, *files[:3])

    assert [(one["status"], one.get("code")) for one in sent.json] == [
        ("queued", None),
        ("queued", None),
        ("failed", "TOO_MANY_DOCUMENTS"),
    ]


@pytest.mark.slow
def test_adding_has_a_rate(owner: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    from limits import RateLimitItemPerMinute

    monkeypatch.setattr("blueprints.base_documents._RATE", RateLimitItemPerMinute(3, 1, namespace="few"))
    base_id = owner.base()
    owner.send(base_id, ("a.md", b"A"), ("b.md", b"B"))

    refused = owner.send(base_id, ("c.md", b"C"), ("d.md", b"D"))

    assert (refused.status_code, refused.json["limit"]) == (429, 3)
    assert "Retry-After" in refused.headers
    assert owner.send(base_id, ("c.md", b"C")).status_code == 202


def test_a_name_is_shown_and_never_believed(owner: Keeper) -> None:
    base_id = owner.base()
    owner.send(base_id, ("../../etc/<b>pass\u202ewd.md", b"A"), headers=JSON)

    assert owner.names(base_id) == ["<b>passwd.md"]
