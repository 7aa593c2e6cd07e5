"""Finding, naming and clearing away what was asked before; what is new; and the keyboard."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import ROOT, sign_in, until
from tests.e2e.chats import PROBLEM, ask, ended, shown
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.conversations import menu, options, palette, titles, told
from tests.e2e.sites import Model, Site, prose
from tests.e2e.studying import STUDY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

AXE: Final = (ROOT / "tests/e2e/node_modules/axe-core/axe.min.js").read_text()


# -- finding


@pytest.mark.req("D2-10", "D1-9")
def test_the_palette_finds_and_opens_by_keyboard_alone(model: Model, study: Page) -> None:
    magnets = told(study, model, "What is a magnet?", "It attracts iron.")
    told(study, model, "What is a shadow?", "Light is missing there.")
    study.goto(PROBLEM)
    model.play(text="Look at the pairs.")
    ask(study)
    ended(study)

    study.keyboard.press("Control+k")
    expect(options(study).first).to_contain_text("odd sock")
    study.keyboard.type("iron")
    expect(options(study)).to_have_count(1)
    expect(options(study).locator("mark")).to_have_text("iron")
    expect(options(study).first).to_have_attribute("aria-selected", "true")
    study.keyboard.press("Enter")
    study.wait_for_url(re.compile(rf"{re.escape(magnets)}\?at=\w+#at$"))

    study.keyboard.press("Control+k")
    study.keyboard.type("pairs")
    expect(options(study)).to_have_count(1)
    study.keyboard.press("Enter")
    study.wait_for_url(re.compile(rf"{PROBLEM}\?at=\w+#at$"))
    study.keyboard.press("Control+k")
    expect(options(study).nth(2)).to_be_visible()
    study.keyboard.press("ArrowDown")
    study.keyboard.press("ArrowDown")
    study.keyboard.press("ArrowUp")
    expect(options(study).nth(1)).to_have_attribute("aria-selected", "true")
    assert palette(study).get_by_role("combobox").get_attribute("aria-activedescendant") == options(study).nth(
        1
    ).get_attribute("id")
    study.keyboard.type("zzzz")
    expect(palette(study)).to_contain_text("Nothing fits")
    study.keyboard.press("Escape")
    expect(palette(study)).to_be_hidden()


@pytest.mark.req("D1-9")
def test_the_history_is_searched_with_what_matches_marked(model: Model, study: Page) -> None:
    told(study, model, "What is a magnet?", "It attracts iron and <b>steel</b>.")
    told(study, model, "What is a shadow?", "Light is missing there.")

    study.goto("/history")
    expect(titles(study)).to_have_text(["What is a shadow?", "What is a magnet?"])
    study.get_by_label("Words").fill("iron steel")
    study.get_by_label("Words").press("Enter")
    expect(titles(study)).to_have_text(["What is a magnet?"])
    expect(study.locator(".past__snippet mark")).to_have_text(["iron", "steel"])
    study.get_by_label("Assistant").select_option("tutor")
    study.get_by_role("button", name="Search").click()
    study.get_by_text("Nothing fits.").get_by_role("link", name="Show all").click()

    expect(titles(study)).to_have_count(2)


# -- naming, clearing away, taking along


@pytest.mark.req("D1-9")
def test_a_conversation_is_renamed_beside_itself(model: Model, study: Page) -> None:
    told(study, model, "What is a magnet?", "It attracts iron.")
    expect(titles(study)).to_have_text(["What is a magnet?"])
    expect(study.locator(".past__link")).to_have_attribute("aria-current", "page")

    title = menu(study, "magnet").get_by_label("Title")
    expect(title).to_be_focused()
    study.keyboard.type("Poles & fields")
    study.keyboard.press("Enter")

    expect(titles(study)).to_have_text(["Poles & fields"])
    expect(study.get_by_role("heading", level=1)).to_have_text("Poles & fields")
    expect(study).to_have_title("Poles & fields · Rill")
    study.reload()
    expect(study).to_have_title("Poles & fields · Rill")


@pytest.mark.req("D1-9")
def test_a_conversation_is_deleted_after_a_second_thought(model: Model, study: Page) -> None:
    magnets = told(study, model, "What is a magnet?", "It attracts iron.")
    told(study, model, "What is a shadow?", "Light is missing there.")
    expect(titles(study)).to_have_count(2)

    offered = menu(study, "magnet")
    expect(offered.get_by_role("button", name="Delete for good")).to_be_hidden()
    offered.get_by_text("Delete…").click()
    study.keyboard.press("Escape")
    expect(titles(study)).to_have_count(2)
    offered = menu(study, "magnet")
    offered.get_by_role("button", name="Delete for good").click()

    expect(titles(study)).to_have_text(["What is a shadow?"])
    assert study.context.request.get(magnets).status == 404
    offered = menu(study, "shadow")
    offered.get_by_text("Delete…").click()
    offered.get_by_role("button", name="Delete for good").click()
    study.wait_for_url(f"**{STUDY}")
    expect(titles(study)).to_have_count(0)


@pytest.mark.req("D1-9")
def test_one_and_all_are_exported(model: Model, study: Page) -> None:
    told(study, model, "What is a magnet?", "It attracts iron.")
    study.goto("/history")

    with study.expect_download() as one:
        menu(study, "magnet").get_by_role("link", name="Markdown").click()
    with study.expect_download() as everything:
        study.locator(".history__foot").get_by_role("link", name="JSON").click()

    assert "It attracts iron." in one.value.path().read_text()
    assert "What is a magnet?" in json.dumps(json.loads(everything.value.path().read_text()))


@pytest.mark.req("D1-9")
def test_without_script_the_history_is_searched_renamed_and_deleted(
    model: Model, study: Page, shared_site: Site, ada: Account, make_page: Callable[..., Page]
) -> None:
    told(study, model, "What is a magnet?", "It attracts iron.")
    told(study, model, "What is a shadow?", "Light is missing there.")
    plain = sign_in(make_page(shared_site, java_script_enabled=False), ada)

    plain.goto("/history")
    plain.get_by_label("Words").fill("iron")
    plain.get_by_role("button", name="Search").click()
    expect(titles(plain)).to_have_text(["What is a magnet?"])
    offered = menu(plain, "magnet")
    offered.get_by_label("Title").fill("Poles")
    offered.get_by_role("button", name="Rename").click()
    expect(titles(plain)).to_have_text(["Poles"])
    assert plain.url.endswith("q=iron&assistant=")
    offered = menu(plain, "Poles")
    offered.get_by_text("Delete…").click()
    offered.get_by_role("button", name="Delete for good").click()
    expect(plain.get_by_text("Nothing fits.")).to_be_visible()
    plain.get_by_role("link", name="Show all").click()
    expect(titles(plain)).to_have_text(["What is a shadow?"])
    plain.get_by_role("link", name="What is a shadow?").click()

    expect(plain.get_by_role("heading", level=1)).to_have_text("What is a shadow?")
    plain.goto(STUDY)
    plain.get_by_role("link", name="All conversations").click()
    expect(plain.get_by_label("Assistant")).to_have_value("study")


# -- what is new


@pytest.mark.req("D2-8")
def test_an_answer_that_ends_while_one_is_elsewhere_leaves_a_dot_and_a_number(model: Model, study: Page) -> None:
    model.play(text=prose(60), stall_after=20)
    ask(study, "What is a magnet?")
    study.wait_for_url("**/study/*")
    study.goto("/history")
    link = study.get_by_role("link", name="History", exact=False).and_(study.locator("header a"))
    expect(link.locator(".unread")).to_be_hidden()

    model.release()

    # It is asked for every few seconds while something runs.
    expect(study).to_have_title("(1) History · Rill", timeout=15_000)
    expect(link).to_have_accessible_name("History 1 unread")
    study.goto("/tutor")
    expect(study).to_have_title("(1) Tutor · Rill")
    study.goto(STUDY)
    expect(study.locator(".past--unread")).to_have_count(1)
    study.get_by_role("link", name="New answer: What is a magnet?").click()
    ended(study)
    expect(study).to_have_title("What is a magnet? · Rill")
    expect(study.locator(".past--unread")).to_have_count(0)
    expect(link.locator(".unread")).to_be_hidden()


@pytest.mark.req("D2-8")
def test_what_one_looks_at_while_it_comes_is_never_new(model: Model, study: Page) -> None:
    other = study.context.new_page()
    other.goto("/history")
    told(study, model, "What is a magnet?", prose(40))

    until(study, lambda: _conversation(study)["answered_at"], what="the answer is not settled")
    until(study, lambda: not _conversation(study)["unread"], what="who looks has seen it")
    until(study, lambda: not study.title().startswith("("), what="the number stays")
    until(other, lambda: other.title() == "History · Rill", what="the other tab is not told")


@pytest.mark.req("D2-8")
def test_an_answer_that_ends_in_a_hidden_tab_is_new_until_the_tab_is_looked_at(model: Model, study: Page) -> None:
    model.play(text=prose(60), stall_after=20)
    ask(study, "What is a magnet?")
    study.wait_for_url("**/study/*")
    other = study.context.new_page()
    other.goto("/history")
    _turn(study, "hidden")

    model.release()
    ended(study)
    expect(other).to_have_title("(1) History · Rill", timeout=15_000)
    expect(study).to_have_title(re.compile(r"^\(1\) "))
    _turn(study, "visible")

    expect(study).to_have_title(re.compile(r"^[^(]"))
    expect(other).to_have_title("History · Rill")


def _turn(page: Page, state: str) -> None:
    """Hide a tab or bring it back; a headless browser shows all of them."""
    page.evaluate(
        """(state) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" })
          Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state })
          document.dispatchEvent(new Event("visibilitychange"))
        }""",
        state,
    )


def _conversation(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.context.request.get(f"/api/conversations/{page.url.rpartition('/')[2]}").json()
    return found


# -- on every screen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_nobody_is_kept_out(
    scheme: Any, screen: str, model: Model, study: Page, shared_site: Site, ada: Account, make_page: Callable[..., Page]
) -> None:
    told(study, model, "What is a magnet?", "It attracts iron.")
    options_ = {**(PHONE if screen == "phone" else {}), "color_scheme": scheme, "bypass_csp": True}
    if screen == "phone":
        options_["viewport"] = {"width": 360, "height": 740}
    page = sign_in(make_page(shared_site, **options_), ada)
    found: list[str] = []

    def look(where: str) -> None:
        page.evaluate(AXE)
        violations = page.evaluate("axe.run().then(({ violations }) => violations)")
        found.extend(
            f"{where}: {one['id']} {one['nodes'][0]['html']}"
            for one in violations
            if one["impact"] in ("serious", "critical")
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{where} is too wide"

    page.goto("/history?q=iron")
    menu(page, "magnet").get_by_text("Delete…").click()
    look("history")
    page.keyboard.press("Control+k")
    options(page).first.wait_for()
    look("palette")
    palette(page).get_by_role("button", name="All shortcuts").click()
    look("shortcuts")
    page.goto(study.url)
    page.locator(".past").wait_for(state="attached")
    look("panel")

    assert found == []
    assert shown(study) == "It attracts iron."
