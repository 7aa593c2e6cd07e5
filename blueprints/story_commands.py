"""The stories' test client: `flask --app app stories-client`, against a site that runs.

It checks the protocol (REQUIREMENTS A2): the order of events, that the same request is the same story, chapters that
follow each other, refusals.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import click

from blueprints import trying
from blueprints.commands import plainly
from blueprints.trying import Api, Failed, expect

_PATH: Final = "/api/v1/stories/generate/stream"
_CHILDREN: Final = "/api/v1/children"
_STORIES: Final = "/api/v1/stories"
_NONSENSE: Final = "nonsense"
_STRANGER: Final = 2_000_000_000
# The order of the specification (Y13); steps of our own may stand between.
_ORDER: Final = (
    ("node", "workflow", "started"),
    ("node", "generate_content", "started"),
    ("content", None, None),
    ("node", "generate_content", "completed"),
    ("node", "safety_check", "started"),
    ("safety_check", None, "approved"),
    ("node", "safety_check", "completed"),
    ("metadata", None, None),
    ("complete", None, None),
)
_TOLD: Final = frozenset(
    {
        "success", "story_content", "choices", "choice_question", "educational_elements", "estimated_reading_time",
        "safety_score", "content_approved", "vocabulary_level",
    }
)  # fmt: skip

Event = dict[str, Any]


@click.command("stories-client")
@click.option("--url", default=None, help="The site's address. Default: this site's own.")
@click.option("--token", default=None, envvar="STORIES_TOKEN", help="A login JWT or a personal token.")
@click.option("--as", "email", default=None, help="Instead of a token: an account of this site, by its address.")
@click.option("--theme", default="ocean", show_default=True, help="What the stories are about.")
@plainly
def stories_client(url: str | None, token: str | None, email: str | None, theme: str) -> None:
    """Try the stories' API: a child, a chapter, coming back, the next chapter, the shelf, error handling.

    Tells three chapters to a child of its own, which is deleted with its stories in the end. Exits 1 if a check fails.
    """
    api = trying.api(url, token, email)
    status, body = api.call("POST", _CHILDREN, {"name": "Robin", "age": 6, "interests": ["whales"]})
    if status != 201:
        raise click.ClickException(f"no child could be made: {status} {body.decode('utf-8', 'replace')}")
    asked = {"child_id": json.loads(body)["id"], "theme": theme}
    try:
        trying.run(
            {
                "streaming": lambda: check_stream(api, asked),
                "coming back": lambda: check_again(api, asked),
                "chapters": lambda: check_chapters(api, asked),
                "shelf": lambda: check_shelf(api, asked),
                "error handling": lambda: check_errors(api, asked),
            }
        )
    finally:
        api.call("DELETE", f"{_CHILDREN}/{asked['child_id']}")


def check_stream(api: Api, asked: Event) -> str:
    """A GET tells a chapter, in the specification's order."""
    return _whole(_told(api, "GET", asked))


def check_again(api: Api, asked: Event) -> str:
    """The same GET is the same chapter; so is its stream's own address."""
    first = _told(api, "GET", asked)
    again = _told(api, "GET", asked)
    expect(again[0]["stream_id"] == first[0]["stream_id"], "the same request has told another story")
    followed = [event for _, event in api.stream("GET", first[0]["stream_url"])]
    expect(followed[-1] == first[-1] == again[-1], "its end is another one")
    return f"{first[0]['stream_id']}, three times"


def check_chapters(api: Api, asked: Event) -> str:
    """A POST tells another story, and its second chapter goes on from a choice."""
    first = _told(api, "POST", asked)
    again = _told(api, "GET", asked)[0]
    expect(first[0]["stream_id"] != again["stream_id"], "a POST has told the same story")
    story = first[-1]["story"]
    second = {**asked, "chapter_number": 2, "story_session": story["story_id"], "choice": "surprise me"}
    told = _told(api, "POST", second)
    expect(told[-1]["story"]["story_id"] == story["story_id"], "the second chapter is another story's")
    return f"{_whole(first)}; then {_whole(told)}"


def check_shelf(api: Api, asked: Event) -> str:
    """What was told stands on the shelf, and can be read."""
    found = json.loads(api.call("GET", f"{_STORIES}?child_id={asked['child_id']}")[1])["stories"]
    expect(len(found) == 2, f"{len(found)} stories instead of 2")
    read = [json.loads(api.call("GET", f"{_STORIES}/{story['id']}")[1]) for story in found]
    counts = sorted(len(story["chapters"]) for story in read)
    expect(counts == [1, 2], f"chapters {counts}")
    return f"{len(found)} stories, {sum(counts)} chapters"


def check_errors(api: Api, asked: Event) -> str:
    """Refusals come as JSON with their status, before anything is told."""

    def refused(more: Mapping[str, Any], token: str | None = None) -> tuple[int, bytes]:
        return api.call("GET", _url({**asked, **more}), token=token)

    status, body = refused({"theme": _NONSENSE})
    expect(status == 400 and len(json.loads(body).get("themes", ())) >= 10, f"the themes are not told: {status}")
    return trying.refusals(
        {
            "no token": (401, lambda: refused({}, "")),
            "a bad token": (401, lambda: refused({}, _NONSENSE)),
            "no child": (400, lambda: refused({"child_id": ""})),
            "a foreign child": (404, lambda: refused({"child_id": _STRANGER})),
            "a theme that there is not": (400, lambda: refused({"theme": _NONSENSE})),
            "a chapter without the one before": (409, lambda: refused({"chapter_number": 9})),
        }
    )


def _url(query: Mapping[str, Any]) -> str:
    return f"{_PATH}?{urlencode({name: value for name, value in query.items() if value != ''})}"


def _told(api: Api, method: str, asked: Event) -> list[Event]:
    return list(_events(api, method, asked))


def _events(api: Api, method: str, asked: Event) -> Iterator[Event]:
    """The events of a chapter, as they come, up to `complete`."""
    events = api.stream("GET", _url(asked)) if method == "GET" else api.stream("POST", _PATH, asked)
    for _, event in events:
        if event["type"] == "error":
            raise Failed(f"{event.get('error_code')} {event.get('message')}")
        yield event
        if event["type"] == "complete":
            return
    raise Failed("the stream ended without complete or error")


def _whole(events: list[Event]) -> str:
    """Check that a chapter has its events in order, and is what its end says it is."""
    seen = iter([(event["type"], event.get("node"), event.get("status")) for event in events])
    for wanted in _ORDER:
        expect(wanted in seen, f"{wanted} does not come in its place: {[event['type'] for event in events]}")
    end = events[-1]
    text = "".join(event["chunk"] for event in events if event["type"] == "content")
    expect(text == end["story"]["story_content"], "the chunks are not the story")
    expect(hashlib.sha256(text.encode()).hexdigest() == end["content_sha256"], "the hash does not fit")
    expect(set(end["story"]) >= _TOLD, f"the story lacks {sorted(_TOLD - set(end['story']))}")
    percents = [event["progress"]["percent"] for event in events if event["type"] == "progress"]
    expect(percents == sorted(percents) and percents[-1:] == [100], f"progress {percents}")
    minutes = end["story"]["estimated_reading_time"]
    return f"{len(events)} events, {len(text.split())} words, {minutes} min, told by {end['engine']}"
