"""The tutor in Chromium: from the first visit to a streamed hint, and nothing lost on the way."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import FaultProxy, Watch, sign_in, until, words
from tests.e2e.chats import PROBLEM, QUESTION, answer, ask, composer, ended, shown, shows, watch_lengths
from tests.e2e.clients import Account
from tests.e2e.conftest import PASSWORD
from tests.e2e.sites import Model, Site, prose

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

TEXT = prose(80, seed=5)
FIRST = 40  # so many words come before a stall
# What is surely shown then: the last words may be held back until it is clear what they begin.
HALF = words(" ".join(TEXT.split()[:30]))
TESTS = (
    "Try these first.\n\n```tests\n"
    '[{"input": "socks = [7]", "expected": "7", "why": "a single sock"}, {"input": "socks = [1, 1, 2]"}]\n```\n'
)


def stall(model: Model, text: str = TEXT) -> None:
    """The next answer falls silent in its middle until it is released."""
    model.play(text=text, stall_after=FIRST)


# -- the newcomer's way


@pytest.mark.req("T2", "T42", "R30")
def test_a_newcomer_comes_from_the_first_page_to_a_streamed_hint(
    make_site: Callable[..., Site], make_page: Callable[..., Page]
) -> None:
    page = make_page(make_site())
    watch = Watch(page)

    page.goto("/")
    page.get_by_role("link", name="Create the first account").click()
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("link", name="Open the tutor").click()
    page.get_by_role("link", name="The odd sock").click()
    page.wait_for_load_state()  # before that the answer would come as without script
    watch_lengths(page)
    composer(page).fill(QUESTION)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".turn__question")).to_have_text(QUESTION)
    ended(page)

    lengths = page.evaluate("lengths")
    assert len(lengths) > 5, "the hint must come bit by bit"
    assert lengths == sorted(lengths), "nothing that was shown may go"
    hint = shown(page)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in").first.click()
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Open the tutor").click()
    page.get_by_role("link", name="The odd sock").click()
    ended(page)

    assert shown(page) == hint
    expect(answer(page).locator(".answer__engine")).to_contain_text("Built-in engine")
    assert (watch.complaints, watch.foreign) == ([], [])


# -- nothing is lost


@pytest.mark.req("T42", "R4", "A6-9")
def test_reload_in_mid_answer_shows_everything_and_goes_on(model: Model, chat: Page) -> None:
    stall(model)
    ask(chat)
    shows(chat, HALF)

    chat.reload()
    shows(chat, HALF)
    model.release()
    ended(chat)

    assert shown(chat) == words(TEXT)
    assert chat.locator(".turn").count() == 1
    assert len(model.calls()) == 1


@pytest.mark.req("T42", "R4")
def test_a_second_tab_and_a_second_device_show_the_same(
    model: Model, shared_site: Site, ada: Account, chat: Page, make_page: Callable[..., Page]
) -> None:
    stall(model)
    ask(chat)
    shows(chat, HALF)

    tab = chat.context.new_page()
    tab.goto(PROBLEM)
    device = sign_in(make_page(shared_site), ada)
    device.goto(PROBLEM)
    for page in (tab, device):
        shows(page, HALF)
    model.release()
    for page in (chat, tab, device):
        ended(page)

    assert [shown(page) for page in (chat, tab, device)] == [words(TEXT)] * 3


@pytest.mark.req("T42", "T32")
@pytest.mark.parametrize("how", ["the network breaks", "the cable is pulled"])
def test_without_a_network_in_mid_answer_nothing_is_lost(
    how: str, model: Model, shared_site: Site, ada: Account, make_page: Callable[..., Page]
) -> None:
    text = prose(90, seed=6)
    model.play(text=text, pace_s=0.05)
    with FaultProxy(shared_site.port) as network:
        page = sign_in(make_page(shared_site, base_url=network.origin), ada)
        page.goto(PROBLEM)
        ask(page)
        shows(page, words(" ".join(text.split()[:10])))

        if how == "the network breaks":
            network.down()
        else:
            network.freeze()
            page.context.set_offline(True)
        expect(page.get_by_text("Connection lost, reconnecting…")).to_be_visible()
        before = shown(page)
        until(page, lambda: model.call()["outcome"] == "whole", what="the answer must go on meanwhile")
        assert shown(page) == before, "the page must not have been connected"
        network.up()
        page.context.set_offline(False)
        ended(page)

        assert shown(page) == words(text)
        expect(page.get_by_text("Connection lost, reconnecting…")).to_be_hidden()
        assert len(model.calls()) == 1


# -- stop, continue, start over


@pytest.mark.req("T9", "T38")
def test_stop_keeps_what_came_and_continue_goes_on_from_it(model: Model, chat: Page) -> None:
    stall(model)
    ask(chat)
    shows(chat, HALF)

    chat.get_by_role("button", name="Stop", exact=True).click()
    ended(chat, "stopped")
    partial = shown(chat)
    assert partial.startswith(HALF)
    assert words(TEXT).startswith(partial)
    expect(chat.get_by_text("Stopped. What came is kept.")).to_be_visible()
    model.play(text=" and so it goes on.")
    chat.get_by_role("button", name="Continue").click()
    shows(chat, "and so it goes on.")
    ended(chat)

    assert shown(chat) == f"{partial} and so it goes on."
    chat.reload()
    assert chat.locator(".answer").count() == 1, "a continued answer is one answer"
    assert shown(chat) == f"{partial} and so it goes on."


@pytest.mark.req("T38", "T41")
def test_a_failed_answer_says_so_and_can_be_started_over(model: Model, chat: Page) -> None:
    model.play(text=TEXT, cut_after=FIRST)
    ask(chat)
    ended(chat, "failed")
    assert shown(chat).startswith(HALF)
    expect(answer(chat).get_by_role("alert")).to_be_visible()
    assert "Request" in answer(chat).get_by_role("alert").inner_text()

    model.play(text="Another try.")
    chat.get_by_role("button", name="Try again").click()
    shows(chat, "Another try.")
    ended(chat)

    assert shown(chat) == "Another try."
    expect(chat.locator(".outcome__actions:visible")).to_have_count(0)


@pytest.mark.req("T9")
def test_escape_stops(model: Model, chat: Page) -> None:
    stall(model)
    ask(chat)
    shows(chat, HALF)

    chat.keyboard.press("Escape")

    ended(chat, "stopped")
    until(chat, lambda: model.call()["closed_s"], what="the model's connection is open")


@pytest.mark.req("T38")
def test_the_keyboard_alone_asks_and_stops(model: Model, chat: Page) -> None:
    stall(model)

    tab_to(chat, "message")
    chat.keyboard.type("Where do")
    chat.keyboard.press("Shift+Enter")
    chat.keyboard.type("I begin?")
    chat.keyboard.press("Enter")
    shows(chat, HALF)
    assert chat.locator(".turn__question").inner_text() == "Where do\nI begin?"
    assert chat.evaluate("document.activeElement.id") == "message", "the focus stays in the composer"
    tab_to(chat, "Stop", key="Shift+Tab")
    chat.keyboard.press("Enter")

    ended(chat, "stopped")


def tab_to(page: Page, wanted: str, *, key: str = "Tab") -> None:
    """Move the focus to the element with this id or text."""
    seen = []
    for _ in range(60):
        page.keyboard.press(key)
        seen.append(page.evaluate("[document.activeElement.id, document.activeElement.textContent.trim()]"))
        if wanted in seen[-1]:
            return
    raise AssertionError(f"{key} does not lead to {wanted}: {seen}")


# -- what is typed


def test_a_draft_is_kept_until_it_is_sent(model: Model, chat: Page) -> None:
    composer(chat).fill("half a thought")
    chat.reload()
    expect(composer(chat)).to_have_value("half a thought")

    ask(chat, "half a thought")
    ended(chat)
    expect(composer(chat)).to_have_value("")
    chat.reload()

    expect(composer(chat)).to_have_value("")


@pytest.mark.req("T23", "T18")
def test_a_refused_question_stays_in_its_field(model: Model, ada: Account, chat: Page) -> None:
    model.play(text=TEXT, stall_after=1, times=2)
    running_answers = [ada.start(), ada.start()]

    composer(chat).fill(QUESTION)
    composer(chat).press("Enter")
    alert = chat.locator("#ask-problem").get_by_role("alert")
    expect(alert).to_contain_text("maximum concurrent streams (2)")
    expect(composer(chat)).to_have_value(QUESTION)
    assert chat.locator(".turn").count() == 0
    alert.get_by_role("button", name="Stop running answer 1").click()
    expect(alert).to_be_hidden()
    composer(chat).press("Enter")
    ended(chat)

    assert [ada.standing(stream_id)["outcome"] for stream_id in running_answers].count("stopped") == 1


# -- the ladder


@pytest.mark.req("T25")
def test_the_ladder_locks_softly(model: Model, chat: Page) -> None:
    bigger = chat.get_by_role("button", name="Bigger hint")
    ask(chat)
    ended(chat)

    expect(chat.get_by_label("Guidance")).to_be_disabled()
    expect(bigger).to_be_disabled()
    chat.get_by_role("button", name="Show anyway").click()
    expect(chat.get_by_label("Guidance")).to_be_enabled()
    bigger.click()
    expect(answer(chat).locator(".badge--hint")).to_have_text("Hint 2 of 3")
    ended(chat)
    chat.get_by_role("button", name="Smaller hint").click()
    expect(chat.locator(".turn")).to_have_count(3)
    expect(answer(chat).locator(".badge--hint")).to_have_text("Hint 1 of 3")
    ended(chat)

    chat.goto("/tutor")
    expect(chat.get_by_role("listitem").filter(has_text="The odd sock")).to_contain_text("Hint 2 of 3 seen")


@pytest.mark.req("T25")
def test_the_next_rung_opens_after_a_while(
    model: Model, ada: Account, shared_site: Site, make_page: Callable[..., Page]
) -> None:
    page = make_page(shared_site)
    page.clock.install()
    sign_in(page, ada)
    page.goto(PROBLEM)
    ask(page)
    ended(page)
    expect(page.get_by_label("Guidance")).to_be_disabled()

    page.clock.fast_forward("01:00")

    expect(page.get_by_label("Guidance")).to_be_enabled()
    expect(page.get_by_label("Directions")).to_be_disabled()


@pytest.mark.req("T26", "T30", "T36")
def test_a_noted_attempt_opens_the_next_rung_and_reaches_the_tutor(model: Model, chat: Page) -> None:
    ask(chat)
    ended(chat)
    expect(chat.get_by_label("Guidance")).to_be_disabled()

    chat.get_by_text("Note how an attempt went").click()
    form = chat.locator("form[action='/v1/tutor/submissions']")
    chat.get_by_role("textbox", name="My code").fill("return socks[0]")
    form.locator("[name=visible_passed]").fill("9")
    form.get_by_role("button", name="Save the result").click()
    expect(chat.locator("#submission-problem").get_by_role("alert")).to_be_visible()
    form.locator("[name=visible_passed]").fill("3")
    form.locator("[name=hidden_passed]").fill("1")
    form.locator("[name=hidden_total]").fill("5")
    form.locator("[name=categories]").fill("single sock, large input")
    form.get_by_role("button", name="Save the result").click()

    expect(chat.locator("#submission")).to_contain_text("Wrong answer")
    expect(chat.locator("#submission")).to_contain_text("1 of 5")
    expect(chat.locator("#submission-problem")).to_be_empty()
    expect(chat.get_by_label("Guidance")).to_be_enabled()
    ask(chat, "And now?")
    ended(chat)
    prompt = str(model.call()["body"]["messages"])
    assert "3/4" in prompt.replace(" of ", "/")
    assert "large input" in prompt


@pytest.mark.req("T6", "T13", "R19")
def test_suggested_tests_are_a_card_with_copy(model: Model, chat: Page) -> None:
    chat.context.grant_permissions(["clipboard-read", "clipboard-write"])
    model.play(text=TESTS)

    ask(chat)
    ended(chat)
    card = chat.get_by_role("region", name="Suggested tests")
    card.get_by_role("button", name="Copy").first.click()
    expect(card.get_by_role("button", name="Copied")).to_be_visible()

    assert chat.evaluate("navigator.clipboard.readText()") == "socks = [7]"
    expect(card.get_by_role("listitem")).to_have_count(2)
    expect(card).to_contain_text("a single sock")
    assert shown(chat) == "Try these first."
    chat.reload()
    expect(chat.get_by_role("region", name="Suggested tests").get_by_role("listitem")).to_have_count(2)


# -- problems


@pytest.mark.req("T26")
def test_ones_own_problem_is_read_by_the_tutor(model: Model, chat: Page) -> None:
    chat.goto("/tutor")
    chat.get_by_role("link", name="Bring your own").click()
    chat.get_by_label("Title").fill("Tallest tower")
    chat.get_by_label("Statement").fill("Given *heights*, return the largest: $h_{max}$.")
    chat.get_by_role("button", name="Save and open").click()

    expect(chat.get_by_role("heading", level=1)).to_have_text("Tallest tower")
    expect(chat.locator(".problem__statement em")).to_have_text("heights")
    ask(chat)
    ended(chat)
    assert "return the largest" in str(model.call()["body"]["messages"])
    chat.goto("/tutor")
    expect(chat.get_by_role("listitem").filter(has_text="Tallest tower")).to_contain_text("yours")


def test_filters_leave_what_fits(chat: Page) -> None:
    chat.goto("/tutor")
    everything = chat.locator(".problems__item").count()

    chat.get_by_label("Difficulty").select_option("easy")
    chat.get_by_role("button", name="Filter").click()
    chat.wait_for_url("**difficulty=easy**")
    easy = chat.locator(".problems__item").count()
    assert 0 < easy < everything
    expect(chat.locator(".problems__item .badge--easy")).to_have_count(easy)
    chat.get_by_label("Words").fill("odd sock")
    chat.get_by_label("Words").press("Enter")
    expect(chat.locator(".problems__item")).to_have_count(1)
    chat.get_by_label("Progress").select_option("solved")
    chat.get_by_role("button", name="Filter").click()
    chat.get_by_text("Nothing fits these filters.").get_by_role("link", name="Show all").click()

    expect(chat.locator(".problems__item")).to_have_count(everything)
