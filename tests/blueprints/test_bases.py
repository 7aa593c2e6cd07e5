"""Bases over HTTP: who makes, sees, shares and deletes them."""

# ruff: noqa: F811 (fixtures are imported, and asked for by name)

from collections.abc import Callable
from typing import Any

import pytest

from tests.blueprints.libraries import (  # noqa: F401 (fixtures)
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

KBS = "/api/v1/kbs"


def seen(keeper: Keeper) -> list[tuple[str, str]]:
    return [(base["name"], base["role"]) for base in keeper.call("GET", KBS).json["kbs"]]


@pytest.mark.slow
def test_nothing_hides_in_a_bases_name_or_turns_it_round(owner: Keeper) -> None:
    assert owner.call("POST", KBS, json={"name": "Hand\u202e\u200bbook \u2066"}).json["name"] == "Handbook"


@pytest.mark.slow
@pytest.mark.req("B5")
def test_a_base_is_made_renamed_shared_and_deleted(owner: Keeper) -> None:
    made = owner.call("POST", KBS, json={"name": "  Hand \n book "})
    place = f"{KBS}/{made.json['id']}"
    assert made.status_code == 201
    assert made.headers["Location"] == place
    told = {"name": "Hand book", "role": "owner", "shared": False, "documents": 0, "ready": 0, "failed": 0}
    assert made.json == {"id": made.json["id"], **told}

    changed = owner.call("PATCH", place, json={"name": "Manual", "shared": True})

    assert (changed.json["name"], changed.json["shared"]) == ("Manual", True)
    assert owner.call("PATCH", place, json={"shared": False}).json["name"] == "Manual"
    assert owner.call("GET", place).json == {**changed.json, "shared": False}
    assert seen(owner) == [("Manual", "owner")]
    assert owner.call("DELETE", place).status_code == 204
    assert (owner.call("GET", place).status_code, seen(owner)) == (404, [])


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \n "}, "name"),
        ({"name": "\u202e\u200b\u200d"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x", "shared": "perhaps"}, "shared"),
        ({"name": "x", "shared": 1}, "shared"),
    ],
)
def test_a_mistake_stands_at_its_field(owner: Keeper, sent: Any, field: str) -> None:
    refused = owner.call("POST", KBS, json=sent)

    assert refused.status_code == 400
    assert list(wrong(refused)) == [field]
    assert seen(owner) == []


@pytest.mark.slow
@pytest.mark.req("Q10", "B5")
def test_a_private_base_is_nobody_elses(make_keeper: Callable[[], Keeper]) -> None:
    ada, ben = make_keeper(), make_keeper()
    place = f"{KBS}/{ada.base()}"

    refused = [
        ben.call("GET", place),
        ben.call("PATCH", place, json={"name": "Mine"}),
        ben.call("DELETE", place),
        ben.call("GET", f"{place}/members"),
        ben.call("PUT", f"{place}/members", json={"email": ben.email, "role": "editor"}),
        ben.call("DELETE", f"{place}/members", json={"email": ben.email}),
        ben.call("GET", f"{place}/documents"),
        ben.call("GET", f"{place}/progress"),
        ben.send(place.rpartition("/")[2], ("a.md", b"A")),
    ]

    assert {response.status_code for response in refused} == {404}
    assert seen(ben) == []
    assert seen(ada) == [("Handbook", "owner")]


@pytest.mark.slow
@pytest.mark.req("Q10", "B5")
def test_readers_read_editors_edit_and_the_owner_decides(make_keeper: Callable[[], Keeper]) -> None:
    ada, eve, rex = make_keeper(), make_keeper(), make_keeper()
    base_id = ada.base()
    place = f"{KBS}/{base_id}"
    document_id = ada.add(base_id)
    ada.let(base_id, eve, "editor")
    ada.let(base_id, rex, "reader")

    assert (seen(eve), seen(rex)) == ([("Handbook", "editor")], [("Handbook", "reader")])
    assert eve.send(base_id, ("b.md", b"B")).status_code == 202
    refused = [
        rex.send(base_id, ("c.md", b"C")),
        rex.call("DELETE", f"/api/v1/documents/{document_id}"),
        rex.call("POST", f"/api/v1/documents/{document_id}/retry"),
        *(keeper.call("PATCH", place, json={"name": "Mine"}) for keeper in (eve, rex)),
        *(keeper.call("DELETE", place) for keeper in (eve, rex)),
        *(keeper.call("PUT", f"{place}/members", json={"email": ada.email, "role": "reader"}) for keeper in (eve, rex)),
        eve.call("DELETE", f"{place}/members", json={"email": rex.email}),
    ]
    assert {response.status_code for response in refused} == {403}
    assert rex.names(base_id) == ["b.md", "notes.md"]
    assert rex.call("GET", f"/api/v1/documents/{document_id}/content").status_code == 200

    ada.let(base_id, rex, "editor")
    assert rex.call("DELETE", f"/api/v1/documents/{document_id}").status_code == 204
    members = ada.call("GET", f"{place}/members").json["members"]
    assert {member["email"]: member["role"] for member in members} == {eve.email: "editor", rex.email: "editor"}


@pytest.mark.slow
def test_a_member_leaves_or_is_taken_out(make_keeper: Callable[[], Keeper]) -> None:
    ada, eve, rex = make_keeper(), make_keeper(), make_keeper()
    base_id = ada.base()
    members = f"{KBS}/{base_id}/members"
    ada.let(base_id, eve)
    ada.let(base_id, rex)

    assert eve.call("DELETE", members, query_string={"email": eve.email}).status_code == 204
    assert ada.call("DELETE", members, json={"email": rex.email}).status_code == 204

    assert (seen(eve), seen(rex)) == ([], [])
    assert ada.call("DELETE", members, json={"email": rex.email}).status_code == 404
    assert ada.call("GET", members).json == {"members": []}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"email": "nobody@example.org", "role": "reader"}, "email"),
        ({"role": "reader"}, "email"),
        ({"email": "x@example.org", "role": "owner"}, "role"),
        ({"email": "x@example.org"}, "role"),
        ({"email": "x@example.org", "role": ["reader"]}, "role"),
    ],
)
def test_a_member_that_cannot_be_is_an_error_at_the_field(owner: Keeper, sent: Any, field: str) -> None:
    refused = owner.call("PUT", f"{KBS}/{owner.base()}/members", json=sent)

    assert refused.status_code == 400
    assert field in wrong(refused)


def test_the_owner_is_no_member_of_their_own_base(owner: Keeper) -> None:
    sent = {"email": owner.email, "role": "reader"}

    assert "own" in wrong(owner.call("PUT", f"{KBS}/{owner.base()}/members", json=sent))["email"]


@pytest.mark.req("B5")
def test_a_shared_base_is_read_by_everybody_and_changed_by_its_own(make_keeper: Callable[[], Keeper]) -> None:
    ada, ben = make_keeper(), make_keeper()
    base_id = ada.base("All hands", shared=True)
    ada.add(base_id)

    assert seen(ben) == [("All hands", "reader")]
    assert ben.names(base_id) == ["notes.md"]
    assert ben.send(base_id, ("c.md", b"C")).status_code == 403
    ada.call("PATCH", f"{KBS}/{base_id}", json={"shared": False})
    assert seen(ben) == []


@pytest.mark.slow
def test_bases_have_an_end(make_library_site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.knowledge.bases.MAX_BASES", 2)
    keeper = Keeper(make_library_site())
    keeper.base("One")
    keeper.base("Two")

    refused = keeper.call("POST", KBS, json={"name": "Three"})

    assert (refused.status_code, refused.json["code"], refused.json["limit"]) == (409, "TOO_MANY_BASES", 2)
    assert len(seen(keeper)) == 2
