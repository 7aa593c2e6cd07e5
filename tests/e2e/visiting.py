"""Every page there is, and what axe says of one."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Page, Response

from tests.decks import reply_text
from tests.e2e.browsing import ROOT
from tests.e2e.chats import PROBLEM
from tests.e2e.clients import Account
from tests.e2e.searching import DEPOSIT, stocked
from tests.e2e.sites import Model, Site, eventually, prose
from tests.e2e.studying import QUESTION

_AXE: Final = (ROOT / "tests/e2e/node_modules/axe-core/axe.min.js").read_text()
# Everything that a page's text can be made of.
RICH: Final = r"""Think of *pairs* first: $a \oplus a = 0$, so

$$\bigoplus_{i=1}^{n} socks_i = x$$

| step | left |
| --- | --- |
| one | 4, 9, 4 |
| two | 9 |

1. Read the [list](https://example.org/list) once.
2. Keep `one` number only.

> Which one stays?

```tests
[{"input": "socks = [7]", "expected": "7", "why": "a single sock"}]
```
"""
PUBLIC: Final = ("/", "/login", "/register", "/nothing-here")


@dataclass(frozen=True, slots=True)
class Storied:
    """Somebody whose pages have all kinds of things on them."""

    account: Account
    pages: Sequence[str]


def storied(site: Site, model: Model) -> Storied:
    """Make them."""
    somebody = Account(site)
    for script in ({"text": RICH}, {"text": prose(40), "cut_after": 20}):
        model.play(**script)
        somebody.stored(somebody.start(session_id="page-odd-sock", problem_id="odd-sock"))
    conversation_id = _studied(somebody, model)
    own = ("/", "/tutor", "/tutor?q=zzz", "/tutor/new", "/account", PROBLEM, "/tutor/nothing-here")
    study = ("/study", "/study?q=Why%3F", f"/study/{conversation_id}", "/study/nothing-here", "/points")
    past = ("/history", "/history?q=sky", "/history?q=zzz", "/history?bookmarked=1")
    kept = (*_with_a_file(somebody), *_with_a_deck(somebody, model, conversation_id), *_with_todos(somebody))
    kept = (*kept, *_with_stories(somebody))
    return Storied(somebody, (*own, *study, *past, *kept, *_searched(somebody, model)))


def _with_stories(somebody: Account) -> Sequence[str]:
    """The pages of stories: of two children, with a story that two ways were taken in, and something held back."""
    children = [
        somebody.call("POST", "/api/v1/children", child)
        for child in ({"name": "Mia", "age": 7, "interests": ["whales"]}, {"name": "Bo", "age": 10, "daily_limit": 9})
    ]
    assert [made.status for made in children] == [201, 201], children
    child_id, tell = children[0].json["id"], "/api/v1/stories/generate/stream"
    about: dict[str, Any] = {"child_id": child_id, "theme": "forest"}
    for more in ({}, {"chapter_number": 2}, {"chapter_number": 2}):
        told = somebody.call("POST", tell, {**about, **more})
        assert told.status == 201, told
        somebody.stored(told.json["stream_id"])
        first = about.setdefault("from_chapter", told.json["chapter_id"])
        about["story_session"] = told.json["story_id"]
    assert first
    refused = somebody.call(
        "POST", tell, {"child_id": child_id, "theme": "magic", "custom_user_input": "a bloody murder"}
    )
    assert refused.status == 400, refused
    story, one = f"/stories/{about['story_session']}", f"/stories/children/{child_id}"
    own = ("/stories", "/stories?q=zebra", story, f"{story}/booklet", one, f"{one}/delete", "/stories/children/new")
    return (*own, "/stories/review", "/stories/hand-over", "/stories/pin", "/stories/nothing-here")


def _with_a_file(somebody: Account) -> Sequence[str]:
    """The pages about a file of theirs."""
    body = f'--x\r\nContent-Disposition: form-data; name="file"; filename="sky.md"\r\n\r\n{RICH}\r\n--x--\r\n'
    kind = {"Authorization": f"Bearer {somebody.token}", "Content-Type": "multipart/form-data; boundary=x"}
    with somebody.connect() as connection:
        connection.request("POST", "/api/media", body.encode(), {**kind, "Accept": "application/json"})
        told = json.loads(connection.getresponse().read())
    return ("/media", f"/api/media/{told['id']}/pages/1", "/api/media/nothing-here/pages/1")


def _with_a_deck(somebody: Account, model: Model, conversation_id: str) -> Sequence[str]:
    """The pages of cards and a quiz that were made from an answer, which is bookmarked."""
    messages = somebody.call("GET", f"/api/conversations/{conversation_id}").json["messages"]
    answer = next(message["id"] for message in messages if message["role"] == "assistant")
    assert somebody.call("PUT", f"/api/messages/{answer}/bookmark").status == 200
    model.play(text=reply_text())
    made = somebody.call("POST", f"/api/cards/from/{answer}")
    assert made.status == 201, made
    deck, own = made.json, f"/study/cards/decks/{made.json['id']}"
    tried = somebody.call("POST", f"/api/cards{own.removeprefix('/study/cards')}/quiz", {"answers": [0, None, 1]})
    assert tried.status in (200, 201), tried
    attempt, card = f"{own}/quiz?attempt={tried.json['id']}", f"/study/cards/card/{deck['cards'][0]['id']}"
    offer = f"/study/cards/from/{messages[-1]['id']}"
    return ("/study/cards", offer, own, f"{own}/sheet", f"{own}/quiz", attempt, card, "/study/cards/review")


def _with_todos(somebody: Account) -> Sequence[str]:
    """The pages of a list with all kinds of todos."""
    rich = {
        "item": "Pay rent",
        "notes": RICH,
        "due_time": "2020-01-15 14:00:00",
        "importance": "high",
        "tags": ["home"],
        "project": "Flat",
        "subtasks": ["Ask", "Send"],
    }
    made = [somebody.call("POST", "/api/todos", todo) for todo in (rich, {"item": "Call Ada", "importance": "low"})]
    assert [each.status for each in made] == [201, 201], made
    todo_id, done_id = (each.json["id"] for each in made)
    assert somebody.call("POST", f"/api/todos/{done_id}/complete").status == 200
    one = tuple(f"/todos/{todo_id}{part}" for part in ("", "/when", "/delete"))
    filters = ("/todos", "/todos?show=done", "/todos?show=today&tag=home", "/todos?tag=nothing")
    return (*filters, *one, "/todos/changes", "/todos/nothing-here")


def _searched(somebody: Account, model: Model) -> Sequence[str]:
    """The pages of a search that was answered, and of what it was answered from."""
    base_id = stocked(somebody, {"faq.md": f"# Money\n\n## Deposit\n\n{DEPOSIT}"})
    path = f"/api/v1/kbs/{base_id}"
    eventually(lambda: somebody.call("GET", path).json["ready"], within_s=60, what="the document is not ready")
    document_id = somebody.call("GET", f"{path}/documents").json["documents"][0]["id"]
    model.play(text="Eight weeks after the keys [1].")
    told = somebody.call("POST", "/search", {"query": "When does the deposit come back?"})
    assert told.status == 200, told
    thread, base = f"/search/{told.json['conversation_id']}", f"/search/bases/{base_id}"
    document = f"/search/documents/{document_id}?page=1&start=0&end=40"
    return ("/search", "/search?q=Why%3F", thread, "/search/nothing-here", "/search/bases", base, document)


def _studied(somebody: Account, model: Model) -> str:
    """A conversation of the study chat: rich, cut off, and with a question that was changed; its id."""
    body: dict[str, Any] = {"message": QUESTION}
    for script in ({"text": RICH}, {"text": prose(40), "cut_after": 20}):
        model.play(**script)
        asked = somebody.call("POST", "/api/stream/stream-conversation", body)
        assert asked.status == 201, asked
        somebody.stored(asked.json["stream_id"])
        body = {"message": "And at dusk?", "interaction_id": asked.json["interaction_id"]}
    conversation_id: str = body["interaction_id"]
    messages = somebody.call("GET", f"/api/conversations/{conversation_id}").json["messages"]
    model.play(text="Red light is scattered least.")
    changed = somebody.call("POST", f"/api/messages/{messages[2]['id']}/edit", {"message": "And in the evening?"})
    assert changed.status == 201, changed
    somebody.stored(changed.json["stream_id"])
    return conversation_id


def visits(page: Page, paths: Sequence[str]) -> Iterator[tuple[str, Response]]:
    """Each page, with all that can be opened open."""
    for path in paths:
        answered = page.goto(path)
        assert answered
        # A page that follows its list is never idle.
        page.wait_for_load_state("load" if page.locator("#todos-live").count() else "networkidle")
        for details in page.locator("details").all():
            details.evaluate("(element) => { element.open = true }")
        yield path, answered


def serious(page: Page) -> list[tuple[str, str]]:
    """What axe calls serious or critical: its rule, and where."""
    page.evaluate(_AXE)
    result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        (violation["id"], str([node["target"] for node in violation["nodes"]]))
        for violation in result["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
