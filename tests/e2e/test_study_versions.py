"""Versions of questions and answers, ways on, feedback and the queue of the study chat, in Chromium."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.chats import ask, composer, ended, shown, shows
from tests.e2e.sites import Model
from tests.e2e.studying import HALF, QUESTION, stall, turns

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


def test_a_changed_question_keeps_what_was_there_as_another_version(model: Model, study: Page) -> None:
    for text in ("First answer.", "Second answer."):
        model.play(text=text)
        ask(study, f"About the {text.split()[0].lower()}?")
        ended(study)

    model.play(text="Changed answer.")
    study.get_by_text("Edit", exact=True).first.click()
    changed = study.get_by_label("Your question, changed").first
    changed.fill("About something else?")
    changed.press("Control+Enter")
    shows(study, "Changed answer.")
    ended(study)
    assert turns(study) == ["About something else?"]
    expect(study.get_by_role("group", name="Versions of this question")).to_contain_text("2 of 2")
    study.get_by_role("button", name="Previous question").click()
    expect(study.locator(".turn__question")).to_have_count(2)
    assert shown(study) == "Second answer."
    study.reload()

    assert turns(study) == ["About the first?", "About the second?"]
    study.get_by_role("button", name="Next question").click()
    expect(study.locator(".turn__question")).to_have_count(1)


def test_another_try_keeps_the_first_as_another_version(model: Model, study: Page) -> None:
    model.play(text="First try.")
    ask(study, QUESTION)
    ended(study)

    model.play(text="Second try.")
    study.get_by_role("button", name="Try again").click()
    shows(study, "Second try.")
    ended(study)
    versions = study.get_by_role("group", name="Versions of this answer")
    expect(versions).to_contain_text("2 of 2")
    study.get_by_role("button", name="Previous answer").click()
    shows(study, "First try.")

    expect(versions).to_contain_text("1 of 2")
    assert turns(study) == [QUESTION]


@pytest.mark.req("D1-28", "D2-9")
def test_ways_on_ask_from_the_last_answer(model: Model, study: Page) -> None:
    model.play(text="A hard answer.")
    ask(study, QUESTION)
    ended(study)

    model.play(text="An easy answer.")
    study.get_by_role("button", name="Simpler").click()
    shows(study, "An easy answer.")
    ended(study)

    assert turns(study)[1] == "Explain that more simply."
    assert "A hard answer." in str(model.call()["body"]["messages"])


def test_what_one_thinks_of_an_answer_is_kept(model: Model, study: Page) -> None:
    model.play(text="A doubtful answer.")
    ask(study, QUESTION)
    ended(study)

    study.get_by_role("button", name="Bad answer").click()
    study.get_by_label("What was wrong with it?").fill("It has no reason.")
    study.get_by_label("What was wrong with it?").press("Enter")
    expect(study.get_by_text("Thank you.")).to_be_visible()
    # It goes away when the reason has been taken; the thanks may be for the thumb.
    expect(study.get_by_label("What was wrong with it?")).to_be_hidden()
    study.reload()

    expect(study.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    expect(study.get_by_label("What was wrong with it?")).to_have_value("It has no reason.")
    study.get_by_role("button", name="Bad answer").click()
    expect(study.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "false")
    study.reload()
    expect(study.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "false")


# -- the queue


@pytest.mark.req("D2-7")
def test_what_is_sent_meanwhile_waits_and_goes_in_turn(model: Model, study: Page) -> None:
    stall(model)
    ask(study, QUESTION)
    shows(study, HALF)
    for message in ("And at dusk?", "And on Mars?", "Never mind."):
        composer(study).fill(message)
        composer(study).press("Enter")
    queue = study.get_by_role("list", name="Next").get_by_role("listitem")
    expect(queue).to_have_count(3)

    queue.nth(2).get_by_role("button", name="Remove").click()
    study.reload()
    expect(queue).to_have_count(2)
    queue.nth(1).get_by_role("button", name="Edit").click()
    expect(composer(study)).to_have_value("And on Mars?")
    composer(study).fill("And on Venus?")
    composer(study).press("Enter")
    expect(queue).to_have_count(2)
    model.play(text="Red then.")
    model.play(text="Yellow there.")
    model.release()
    shows(study, "Yellow there.")
    ended(study)

    assert turns(study) == [QUESTION, "And at dusk?", "And on Venus?"]
    expect(queue).to_have_count(0)
    assert len(model.calls()) == 3


@pytest.mark.req("D2-7")
def test_send_now_stops_the_answer_and_a_stopped_one_holds_the_queue_back(model: Model, study: Page) -> None:
    stall(model)
    ask(study, QUESTION)
    shows(study, HALF)
    composer(study).fill("And at dusk?")
    composer(study).press("Enter")

    study.keyboard.press("Escape")
    ended(study, "stopped")
    expect(study.get_by_text("Held back")).to_be_visible()
    model.play(text="Red then.")
    study.get_by_role("button", name="Send now").click()
    shows(study, "Red then.")
    ended(study)

    assert turns(study) == [QUESTION, "And at dusk?"]
    assert study.locator(".outcome--stopped").count() == 1
