"""The study chat in Chromium: asking with files, points, versions, the queue, and nothing lost of what was typed."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import FaultProxy, sign_in, until, words
from tests.e2e.chats import answer, ask, composer, ended, shown, shows
from tests.e2e.clients import Account
from tests.e2e.files import pdf, photo
from tests.e2e.sites import Model, Site, prose
from tests.e2e.studying import (
    HALF,
    QUESTION,
    STUDY,
    TEXT,
    TEXT_FILE,
    attached,
    drop,
    ledger,
    paste,
    pick,
    points_left,
    stall,
    turns,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

NOTES: Final = pdf(
    [
        "Chapter one is about magnets and needles.",
        "Blue light is scattered more than red light\nby the molecules of the air.",
    ]
)
PDF: Final = ("notes.pdf", "application/pdf", NOTES)
PHOTO: Final = ("homework.png", "image/png", photo())


# -- points


@pytest.mark.req("U4", "U7", "R31", "D1-27")
def test_the_points_before_and_after_agree_with_the_ledger(model: Model, study: Page) -> None:
    before = points_left(study)
    composer(study).fill(QUESTION)
    expect(study.locator("#estimate")).to_contain_text("About")
    model.play(text=TEXT)
    composer(study).press("Enter")
    ended(study)

    details = answer(study).locator(".details")
    details.locator("summary").click()
    cost = int(details.get_by_role("definition").filter(has_text="point").inner_text().split()[0])
    assert cost > 0
    until(study, lambda: ledger(study)["reserved"] == 0)
    assert ledger(study)["left"] == before - cost
    until(study, lambda: points_left(study) == before - cost, what="the meter does not follow")
    study.reload()
    assert points_left(study) == before - cost


@pytest.mark.req("U13", "D1-27")
def test_the_same_question_again_costs_nothing_and_says_so(model: Model, study: Page) -> None:
    model.play(text=TEXT)
    ask(study, QUESTION)
    ended(study)
    until(study, lambda: ledger(study)["reserved"] == 0)
    before = ledger(study)["left"]

    study.goto(STUDY)
    ask(study, QUESTION)
    ended(study)
    assert shown(study) == words(TEXT)
    expect(answer(study).locator(".answer__engine")).to_contain_text("0 points")
    assert len(model.calls()) == 1
    assert ledger(study)["left"] == before
    model.play(text="Another light on it.")
    answer(study).get_by_role("button", name="Ask afresh").click()
    shows(study, "Another light on it.")
    ended(study)

    assert len(model.calls()) == 2
    until(study, lambda: ledger(study)["left"] < before)
    expect(answer(study).locator(".answer__engine")).not_to_contain_text("0 points")


# -- files


@pytest.mark.req("U4", "D1-27")
@pytest.mark.parametrize("way", [drop, paste, pick])
def test_a_pdf_and_a_photo_are_taken_and_the_answer_cites_the_page(
    way: Callable[..., None], model: Model, study: Page
) -> None:
    way(study, PDF, PHOTO)
    expect(attached(study)).to_have_count(2)
    expect(attached(study).filter(has_text="notes.pdf")).to_contain_text("2 pages")

    model.play(text="Blue light is scattered more than red light [2]. That is why.")
    ask(study, QUESTION)
    ended(study)
    sources = answer(study).get_by_role("region", name="Sources")
    expect(sources).to_contain_text("notes.pdf, page 2")
    expect(sources).to_contain_text("scattered more")
    expect(attached(study)).to_have_count(0)
    expect(study.locator(".question__file")).to_have_count(2)
    answer(study).get_by_role("link", name="Source 2", exact=True).click()
    with study.context.expect_page() as opened:
        sources.get_by_role("link", name="notes.pdf, page 2").click()
    expect(opened.value.get_by_text("scattered more than red")).to_be_visible()
    opened.value.close()
    study.reload()

    expect(answer(study).get_by_role("region", name="Sources")).to_contain_text("notes.pdf, page 2")
    expect(study.locator(".question__file")).to_have_count(2)


@pytest.mark.req("U4")
def test_files_wait_for_their_message_and_can_be_taken_back(model: Model, study: Page) -> None:
    drop(study, TEXT_FILE, PDF)
    expect(attached(study)).to_have_count(2)

    study.reload()
    expect(attached(study)).to_have_count(2)
    study.get_by_role("button", name="Remove list.txt").click()
    expect(attached(study)).to_have_count(1)
    ask(study, QUESTION)
    ended(study)

    assert study.locator(".question__file").all_inner_texts() == ["notes.pdf"]
    study.goto(STUDY)
    expect(attached(study)).to_have_count(0)


@pytest.mark.req("U12")
def test_a_file_that_cannot_be_taken_says_why_beside_its_name(study: Page) -> None:
    drop(study, ("virus.exe", "application/octet-stream", b"MZ\x90\x00" * 100))

    expect(study.locator("#attach-problem")).to_contain_text("virus.exe")
    expect(attached(study)).to_have_count(0)
    drop(study, *[(f"{at}.txt", "text/plain", f"number {at}".encode()) for at in range(9)])
    expect(attached(study)).to_have_count(8)
    expect(study.locator("#attach-problem")).to_contain_text("at most 8 files")


@pytest.mark.req("T43")
def test_a_files_name_and_words_are_only_text(model: Model, study: Page) -> None:
    hostile = "<img src=x onerror=window.pwned=1>"
    drop(study, (f"{hostile}.txt", "text/plain", f"Blue {hostile} light.".encode()))
    expect(attached(study)).to_have_count(1)
    composer(study).fill("And then?")
    model.play(text=f"It says {hostile} [1].")
    ask(study, f"What is {hostile}?")
    ended(study)
    expect(answer(study).get_by_role("region", name="Sources")).to_be_visible()
    study.reload()

    expect(study.locator(".turn__question")).to_have_text(f"What is {hostile}?")
    assert study.locator("img[src=x]").count() == 0
    assert study.evaluate("window.pwned") is None


def test_each_file_that_cannot_be_taken_has_a_line_of_its_own(study: Page) -> None:
    drop(study, *[(name, "application/octet-stream", b"MZ\x90\x00" * 100) for name in ("one.exe", "two.exe")])

    problem = study.locator("#attach-problem")
    for name in ("one.exe", "two.exe"):
        expect(problem).to_contain_text(name)
    assert len(problem.inner_text().splitlines()) == 2


# -- what is typed


def test_one_writes_at_once(study: Page) -> None:
    expect(composer(study)).to_be_focused()


def test_a_message_that_is_too_long_is_kept_whole_and_not_sent(model: Model, study: Page) -> None:
    text = "word " * 2_000 + "and more"
    study.evaluate("(text) => document.execCommand('insertText', false, text)", text)
    expect(composer(study)).to_have_value(text)
    expect(study.locator("#composer-facts")).to_contain_text("10,008 of 10,000 characters, 8 too many")

    composer(study).press("Enter")
    study.get_by_role("button", name="Send").click()
    assert "Shorten the message by 8 characters" in composer(study).evaluate("(field) => field.validationMessage")
    assert study.locator(".turn").count() == 0
    composer(study).press("Control+End")
    for _ in range(8):
        composer(study).press("Backspace")
    composer(study).press("Enter")
    ended(study)

    assert len(study.locator(".turn__question").inner_text().strip()) >= 9_990


@pytest.mark.req("U4", "D1-28")
def test_escape_stops_and_continue_goes_on(model: Model, study: Page) -> None:
    stall(model)
    ask(study, QUESTION)
    shows(study, HALF)

    study.keyboard.press("Escape")
    ended(study, "stopped")
    partial = shown(study)
    model.play(text=" and so on.")
    study.get_by_role("button", name="Continue").click()
    shows(study, "and so on.")
    ended(study)

    assert shown(study) == f"{partial} and so on."
    assert study.locator(".turn").count() == 1


@pytest.mark.req("D1-10")
def test_enter_that_chooses_a_word_sends_nothing(study: Page) -> None:
    composer(study).fill("にほん")
    for fields in ({"isComposing": True}, {"keyCode": 229}):
        composer(study).evaluate(
            "(field, more) => field.dispatchEvent(new KeyboardEvent('keydown', "
            "{ key: 'Enter', bubbles: true, cancelable: true, ...more }))",
            fields,
        )

    expect(composer(study)).to_have_value("にほん")
    assert study.locator(".turn").count() == 0


@pytest.mark.req("D1-10")
def test_drafts_are_kept_for_each_conversation(model: Model, study: Page) -> None:
    ask(study, QUESTION)
    ended(study)
    study.reload()
    composer(study).fill("a thought about this")
    study.get_by_role("navigation", name="Conversations").get_by_role("link", name="New").click()
    study.wait_for_load_state()
    expect(composer(study)).to_have_value("")
    composer(study).fill("a thought about something new")

    study.go_back()
    expect(composer(study)).to_have_value("a thought about this")
    study.goto(STUDY)
    expect(composer(study)).to_have_value("a thought about something new")


def test_a_question_that_does_not_arrive_stays_and_is_sent_again_once(
    model: Model, shared_site: Site, ada: Account, make_page: Callable[..., Page]
) -> None:
    with FaultProxy(shared_site.port) as network:
        page = sign_in(make_page(shared_site, base_url=network.origin), ada)
        page.goto(STUDY)
        page.wait_for_load_state()
        network.down()
        composer(page).fill(QUESTION)
        composer(page).press("Enter")
        expect(page.locator("#ask-problem").get_by_role("alert")).to_contain_text("send it again")
        expect(composer(page)).to_have_value(QUESTION)

        network.up()
        model.play(text="Because of the air.")
        composer(page).press("Enter")
        shows(page, "Because of the air.")

    assert len(model.calls()) == 1


def test_an_answer_is_copied_as_it_would_be_typed(model: Model, study: Page) -> None:
    study.context.grant_permissions(["clipboard-read", "clipboard-write"])
    model.play(text="So $a^2$ it is.\n\n```\nprint(1)\n```\n")
    ask(study, QUESTION)
    ended(study)

    study.get_by_role("group", name="About this answer").get_by_role("button", name="Copy").click()
    expect(study.get_by_role("group", name="About this answer").get_by_role("button", name="Copied")).to_be_visible()

    copied = study.evaluate("navigator.clipboard.readText()")
    assert "So $a^2$ it is." in copied
    assert "```\nprint(1)\n```" in copied


# -- still, and without script


def test_nothing_below_moves_while_text_streams(model: Model, study: Page) -> None:
    def place() -> Any:
        found = study.locator("#ask").bounding_box()
        assert found
        return {name: round(value) for name, value in found.items()}

    model.play(text="First.")
    ask(study, "First?")
    ended(study)
    places = [place()]
    stall(model)
    ask(study, QUESTION)
    places.append(place())
    shows(study, HALF)
    places.append(place())
    model.release()
    ended(study)
    places.append(place())

    assert places == [places[0]] * 4


@pytest.mark.req("U4", "R23", "D2-1")
def test_without_script_one_asks_with_a_file_changes_tries_again_and_rates(
    model: Model, ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    page = sign_in(make_page(shared_site, java_script_enabled=False), ada)
    page.goto(STUDY)
    page.get_by_label("Files for the next message").set_input_files(
        [{"name": "notes.pdf", "mimeType": "application/pdf", "buffer": NOTES}]
    )
    page.get_by_role("button", name="Attach").click()
    expect(page.get_by_text("notes.pdf")).to_be_visible()

    text = "A first block [2].\n\nA second block.\n\n" + prose(40)
    model.play(text=text, stall_after=25)
    composer(page).fill(QUESTION)
    page.get_by_role("button", name="Send").click(no_wait_after=True)
    expect(page.get_by_text("A first block")).to_be_visible()
    model.release()
    page.get_by_role("link", name="Back to").last.click()
    assert shown(page).startswith("A first block")
    expect(page.get_by_role("region", name="Sources")).to_contain_text("notes.pdf, page 2")
    page.get_by_role("button", name="Good answer").click()
    expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")

    model.play(text="Changed answer.")
    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Your question, changed").fill("Why is grass green?")
    page.get_by_role("button", name="Ask this instead").click(no_wait_after=True)
    expect(page.get_by_text("Changed answer.")).to_be_visible()
    page.get_by_role("link", name="Back to").last.click()
    assert turns(page) == ["Why is grass green?"]
    page.get_by_role("button", name="Previous question").click()

    assert turns(page) == [QUESTION]


@pytest.mark.req("R4", "R23", "R31")
def test_without_script_a_reload_of_the_answer_asks_nothing_again(
    model: Model, ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    page = sign_in(make_page(shared_site, java_script_enabled=False), ada)
    page.goto(STUDY)
    model.play(text="Because of the air.\n\nAnd of the sun.")
    composer(page).fill(QUESTION)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("And of the sun.")).to_be_visible()

    page.reload()

    expect(page.get_by_text("And of the sun.")).to_be_visible()
    assert len(model.calls()) == 1
    assert len(ada.call("GET", "/api/conversations").json["conversations"]) == 1
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Account")
