"""Flashcards in Chromium: from an answer to a review by keyboard, on a phone, and without script."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.decks import reply_text
from tests.e2e.browsing import Watch, sign_in
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.sites import Model, Site, eventually, running
from tests.e2e.visiting import serious, visits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ASK: Final = "/api/stream/stream-conversation"
SMALL: Final = {**PHONE, "viewport": {"width": 360, "height": 640}}


@pytest.fixture(scope="module")
def notes_site(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A site without a model, whose study chat answers from its notes."""
    with running(tmp_path_factory.mktemp("notes"), STUDY_RATE_LIMIT="1000/minute", BUILTIN_PACE_MS="0") as site:
        yield site
        assert site.complaints() == []


@pytest.fixture
def grace(notes_site: Site) -> Account:
    """Somebody new there."""
    return Account(notes_site)


def answered(account: Account, message: str = "What is photosynthesis?") -> str:
    """The id of a complete answer of the study chat."""
    asked = account.call("POST", ASK, {"message": message})
    assert asked.status == 201, asked
    path = f"/api/conversations/{asked.json['interaction_id']}"

    def ended() -> Any:
        last = account.call("GET", path).json["messages"][-1]
        return last if last.get("outcome") else None

    answer = eventually(ended, what="the answer did not end")
    assert answer["outcome"] == "completed", answer
    return str(answer["id"])


def deck_of(account: Account) -> dict[str, Any]:
    """A deck, made through the API."""
    made = account.call("POST", f"/api/cards/from/{answered(account)}")
    assert made.status == 201, made
    deck: dict[str, Any] = made.json
    return deck


@pytest.fixture
def signed_in_page(make_page: Callable[..., Page], notes_site: Site, grace: Account) -> Any:
    """Grace's browser; nothing may be complained about or reached for."""
    page = make_page(notes_site)
    watch = Watch(page)
    yield sign_in(page, grace)
    assert watch.complaints == []
    assert watch.foreign == []


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


@pytest.mark.req("D2-2")
def test_from_a_conversation_to_a_deck(signed_in_page: Page, grace: Account) -> None:
    page = signed_in_page
    message_id = answered(grace)
    conversation = grace.call("GET", "/api/conversations?assistant=study").json["conversations"][0]["id"]
    page.goto(f"/study/{conversation}")
    page.get_by_role("link", name="Quiz me").click()
    expect(page).to_have_url(f"/study/cards/from/{message_id}")
    before = grace.call("GET", "/api/points").json["left"]

    page.get_by_role("button", name="Make them").press("Enter")

    page.wait_for_url("**/study/cards/decks/*")
    expect(page.get_by_role("heading", level=1)).to_have_text("What is photosynthesis?")
    expect(page.get_by_text("built-in engine")).to_be_visible()
    cost = before - grace.call("GET", "/api/points").json["left"]
    expect(page.get_by_text(f"{cost} point")).to_be_visible()


@pytest.mark.req("D1-8", "D2-2")
def test_a_deck_is_reviewed_by_keyboard_alone(signed_in_page: Page, grace: Account) -> None:
    page, deck = signed_in_page, deck_of(grace)
    page.goto("/study/cards/review")
    page.wait_for_load_state()
    fronts = []

    for left in range(deck["card_count"], 0, -1):
        expect(page.locator(".review__facts strong")).to_have_text(str(left))
        fronts.append(page.locator("[data-front]").inner_text())
        press(page, "3")  # not before the answer has been seen
        expect(page.locator("[data-back]")).to_be_hidden()
        press(page, "Space")
        expect(page.locator("[data-back]")).to_be_focused()
        press(page, "4", "4")  # a double press rates one card

    expect(page.get_by_text("Done for now.")).to_be_visible()
    assert len(set(fronts)) == deck["card_count"]
    cards = grace.call("GET", f"/api/cards?deck={deck['id']}").json
    assert [card["reps"] for card in cards["cards"]] == [1] * deck["card_count"]
    assert (cards["due"], cards["reviewed_today"]) == (0, deck["card_count"])


def test_the_next_card_takes_the_focus_and_a_second_tab_is_noticed(
    signed_in_page: Page, grace: Account, make_page: Callable[..., Page], notes_site: Site
) -> None:
    page, deck = signed_in_page, deck_of(grace)
    other = sign_in(make_page(notes_site), grace)
    for tab in (page, other):
        tab.goto("/study/cards/review")
        tab.wait_for_load_state()
        press(tab, "Space")
    first = page.locator("[data-front]").inner_text()

    press(page, "4")
    expect(page.locator("[data-front]")).not_to_have_text(first)
    expect(page.locator("[data-front]")).to_be_focused()
    press(other, "1")

    expect(other.get_by_text("reviewed already")).to_be_visible()
    assert sum(card["reps"] for card in grace.call("GET", f"/api/cards?deck={deck['id']}").json["cards"]) == 1


def test_keys_typed_elsewhere_review_nothing(signed_in_page: Page, grace: Account) -> None:
    page = signed_in_page
    deck_of(grace)
    page.goto("/study/cards/review")
    page.wait_for_load_state()
    press(page, "Space")
    expect(page.locator("[data-back]")).to_be_focused()

    page.get_by_role("link", name="Study", exact=True).focus()
    press(page, "1", "Control+2")
    page.locator("[data-back]").focus()
    press(page, "4")

    expect(page.locator(".review__facts")).to_contain_text("1 reviewed today")
    states = [card["state"] for card in grace.call("GET", "/api/cards").json["cards"] if card["reps"]]
    assert states == ["review"], "only what was pressed on the card counted"


def test_a_lost_connection_leaves_the_card_to_be_rated_again(
    make_page: Callable[..., Page], notes_site: Site, grace: Account
) -> None:
    page = sign_in(make_page(notes_site), grace)
    deck_of(grace)
    page.goto("/study/cards/review")
    page.wait_for_load_state()
    press(page, "Space")
    page.context.set_offline(True)

    press(page, "4")

    expect(page.get_by_text("the connection is lost")).to_be_visible()
    page.context.set_offline(False)
    press(page, "4")
    expect(page.locator(".review__facts")).to_contain_text("1 reviewed today")
    expect(page.get_by_text("the connection is lost")).to_be_hidden()


def test_the_quiz_and_the_files(signed_in_page: Page, grace: Account, tmp_path: Path) -> None:
    page, deck = signed_in_page, deck_of(grace)
    page.goto(f"/study/cards/decks/{deck['id']}")
    page.get_by_role("link", name="Quiz", exact=True).click()
    for number, question in enumerate(deck["quiz"]):
        page.locator(f"[name=q{number}]").nth(question["answer"]).check()
    page.get_by_role("button", name="Check my answers").click()
    total = len(deck["quiz"])
    expect(page.get_by_text(f"{total} of {total}")).to_be_visible()
    page.goto(f"/study/cards/decks/{deck['id']}")

    with page.expect_download() as sent:
        page.get_by_role("link", name="Anki").click()

    sent.value.save_as(tmp_path / "deck.apkg")
    assert sent.value.suggested_filename == "rill-cards.apkg"
    assert zipfile.is_zipfile(tmp_path / "deck.apkg")


@pytest.mark.req("D1-8")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_small_phone(
    make_page: Callable[..., Page], notes_site: Site, grace: Account, scheme: str
) -> None:
    deck = deck_of(grace)
    own = f"/study/cards/decks/{deck['id']}"
    page = sign_in(make_page(notes_site, **SMALL, color_scheme=scheme), grace)
    offer = f"/study/cards/from/{answered(grace, 'Explain photosynthesis once more')}"

    for path in ("/study/cards", own, f"{own}/quiz", f"{own}/sheet", "/study/cards/review", offer):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= SMALL["viewport"]["width"], path
    page.goto("/study/cards/review")
    page.get_by_text("Show the answer").tap()
    boxes = [button.bounding_box() for button in page.locator(".review__rate").all()]
    assert all(box and box["height"] >= 44 and box["width"] >= 44 for box in boxes)
    page.get_by_role("button", name="Easy").tap()
    expect(page.locator(".review__facts")).to_contain_text("1 reviewed today")


@pytest.mark.req("D2-1")
def test_all_of_it_works_without_script(make_page: Callable[..., Page], notes_site: Site, grace: Account) -> None:
    page = sign_in(make_page(notes_site, java_script_enabled=False), grace)
    page.goto(f"/study/cards/from/{answered(grace)}")
    page.get_by_role("button", name="Make them").click()
    page.get_by_role("link", name="Review").click()

    page.get_by_text("Show the answer").click()
    page.get_by_role("button", name="Good").click()

    expect(page.locator(".review__facts")).to_contain_text("1 reviewed today")
    page.goto("/study/cards")
    page.get_by_role("link", name="What is photosynthesis?", exact=True).click()
    page.get_by_role("link", name="Quiz", exact=True).click()
    page.get_by_role("button", name="Check my answers").click()
    expect(page.get_by_role("link", name="Try again")).to_be_visible()


@pytest.mark.req("D2-15")
def test_the_sheet_prints_questions_first_and_answers_on_a_page_of_their_own(
    signed_in_page: Page, grace: Account
) -> None:
    page, deck = signed_in_page, deck_of(grace)
    page.goto(f"/study/cards/decks/{deck['id']}/sheet")
    expect(page.locator(".sheet__answers")).to_be_hidden()

    page.emulate_media(media="print")

    expect(page.locator(".sheet__answers")).to_be_visible()
    expect(page.locator(".sheet__fold").first).to_be_hidden()
    expect(page.locator("header.header")).to_be_hidden()
    assert page.pdf().startswith(b"%PDF")


def test_a_models_cards_with_formulas_and_markup_are_shown_inert(
    model: Model, shared_site: Site, ada: Account, make_page: Callable[..., Page]
) -> None:
    hostile = [
        {"front": "What is $E$ in $E = mc^2$?", "back": "Energy: $$E = mc^2$$"},
        {"front": "<img src=x onerror=alert(1)> what?", "back": "<script>alert(1)</script> this"},
    ]
    model.play(text="An answer about energy and light. " * 20)
    message_id = answered(ada, "What is energy?")
    cards = [*hostile, *json.loads(reply_text())["cards"][:4]]
    model.play(text=reply_text(cards=cards))
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, ada)
    page.goto(f"/study/cards/from/{message_id}")

    page.get_by_role("button", name="Make them").click()
    page.wait_for_url("**/study/cards/decks/*")
    page.get_by_text("made by scripted").wait_for()
    page.locator(".cards__front").nth(0).click()
    page.locator(".cards__front").nth(1).click()

    expect(page.locator(".cards__list .katex").first).to_be_visible()
    expect(page.locator(".cards__list")).to_contain_text("<script>alert(1)</script> this")
    assert page.locator(".cards__list img, .cards__list script").count() == 0
    assert watch.dialogs == []
    assert watch.complaints == []
    assert watch.foreign == []


@pytest.mark.req("D1-8")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(signed_in_page: Page, grace: Account, scheme: Any) -> None:
    page, deck = signed_in_page, deck_of(grace)
    own = f"/study/cards/decks/{deck['id']}"
    answers = [None, *(question["answer"] for question in deck["quiz"][1:])]
    tried = grace.call("POST", f"/api/cards/decks/{deck['id']}/quiz", {"answers": answers}).json["id"]
    card = f"/study/cards/card/{deck['cards'][0]['id']}"
    offer = f"/study/cards/from/{answered(grace, 'Explain photosynthesis once more')}"
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    paths = ("/study/cards", own, f"{own}/quiz", f"{own}/quiz?attempt={tried}", f"{own}/sheet", card, offer)

    found = [
        (path, *violation) for path, _ in visits(page, (*paths, "/study/cards/review")) for violation in serious(page)
    ]

    assert found == []
