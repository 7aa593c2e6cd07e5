"""Rules about the tree itself: what a reviewer would otherwise have to remember."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from blueprints.dialects.registry import published
from services import settings
from services.streaming import events
from services.streaming.events import Entry, Event

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 400
MAX_FUNCTION_LINES = 40

# Everything that anybody may ask for without saying who they are.
PUBLIC = {
    "auth.login",
    "auth.login_form",
    "auth.logout",
    "auth.register",
    "auth.register_form",
    "auth.token",
    "pages.health",
    "pages.home",
    "pages.ready",
    "static",
    "study.health",
    "todo_files.feed",
}
# A refusal in the tone of the asked: a redirect to the sign-in page, or 401. A GET in the HTML flavour,
# which always answers 200 and explains, is asked for by `?view=html` only.
REFUSALS = {303, 401}

# Who may import what, `services/wiring.py` aside: everything else goes through these.
DOORS = {
    # What decodes other people's files runs in the child only.
    "PIL": {"services/reading/"},
    "pypdfium2": {"services/reading/"},
    "selectolax": {"services/reading/"},
    "tokenizers": {"services/llm/static.py"},
    "icalendar": {"services/todos/"},
    "openai": {"services/llm/client.py"},
    "dateutil": {"services/todos/rules.py"},
    "sqlalchemy": {"services/store/"},
    "redis": {"services/streaming/"},
    "gevent": {
        "app.py",
        "services/streaming/",
        "services/store/",
        "services/passwords.py",  # hashes off the event loop
        "services/media/fetching.py",  # one deadline for a look-up, redirects and content
        "services/watching.py",  # one greenlet for all viewers of one thing
        "services/knowledge/ingest.py",  # renews a claim while its document is read
        "services/cards/anki.py",  # packages off the event loop
        "services/todos/importing.py",  # reads files off the event loop
        "services/knowledge/retrieve.py",  # looks for words and for meaning at the same time
        "services/assistants/endings.py",  # the sweep of answers whose worker died waits between rounds
    },
}

# What each published dialect does not show, and why nothing is lost.
NOT_SHOWN = {
    "tutor": {
        events.START: "message.start is made from `metadata`, which says who answers",
        events.STEP: "the tutor has no workflow",
        events.PROGRESS: "the tutor has no workflow",
        events.TOOL_CALL: "the tutor's only tool is shown by `tests`",
        events.TOOL_RESULT: "the tutor's only tool is shown by `tests`",
        events.CITATION: "the tutor cites nothing",
        events.CHECK: "what is withheld never becomes an event",
        events.MESSAGE: "the tutor's text comes in deltas",
        events.HISTORY: "history is asked for by /api/conversations",
        events.SEAL: "no dialect shows it",
    },
    "search": {
        events.START: "the first frame says where the answer is, and who gives it",
        events.METADATA: "the same; `done` says who has given it",
        events.STEP: "the search has no workflow",
        events.PROGRESS: "the search has no workflow",
        events.TOOL_CALL: "the search has no tools",
        events.TOOL_RESULT: "the search has no tools",
        events.TESTS: "the search suggests no tests",
        events.CHECK: "the search withholds nothing",
        events.MESSAGE: "passages, confidence and related questions are told with `done`",
        events.HISTORY: "history is asked for by /api/conversations",
        events.SEAL: "no dialect shows it",
        events.CLOSE: "`done` is the last event",
    },
    "todos": {
        events.STEP: "the agent has no workflow; its steps are calls of tools",
        events.PROGRESS: "nobody knows how many steps there will be",
        events.CITATION: "the agent cites nothing",
        events.TESTS: "the agent suggests no tests",
        events.CHECK: "what is withheld never becomes an event",
        events.ERROR: "told by the last event, in the place of the history",
        events.HISTORY: "the last event tells it, made of the first one and the answer",
        events.SEAL: "no dialect shows it",
    },
    "study": {
        events.START: "`metadata` says who answers, and where",
        events.STEP: "the specification has no frame for it; what it waits for comes next",
        events.PROGRESS: "the study chat has none",
        events.TOOL_CALL: "the study chat has no tools",
        events.TOOL_RESULT: "the study chat has no tools",
        events.CITATION: "told with `complete`",
        events.TESTS: "the study chat suggests none",
        events.CHECK: "the study chat checks nothing",
        events.MESSAGE: "the summary is told with `complete`",
        events.HISTORY: "history is asked for by /api/conversations",
        events.SEAL: "no dialect shows it",
        events.CLOSE: "`complete` or `error` is the last",
    },
    "stories": {
        events.METADATA: "the first frame says who is asked, the last one who has told",
        events.TOOL_CALL: "stories have no tools",
        events.TOOL_RESULT: "stories have no tools",
        events.CITATION: "stories cite nothing",
        events.TESTS: "stories suggest none",
        events.HISTORY: "the shelf is asked for by /api/v1/stories",
        events.SEAL: "no dialect shows it",
        events.CLOSE: "`complete` or `error` is the last",
    },
}
EXAMPLES: dict[str, dict[str, Any]] = {
    events.MESSAGE: {"kind": "said", "content": "a"},
    events.DELTA: {"text": "a"},
    events.TESTS: {"tests": []},
    events.END: {"usage": {"total_tokens": 1}, "finish_reason": "stop", "content_length": 0, "content_sha256": ""},
    events.CLOSE: {"reason": "idle"},
}
OWN_EXAMPLES: dict[str, dict[str, dict[str, Any]]] = {"stories": {events.MESSAGE: {"kind": "chapter"}}}


def sources(*folders: str, suffix: str = ".py") -> Iterator[Path]:
    for folder in folders:
        path = ROOT / folder
        yield from [path] if path.is_file() else sorted(path.rglob(f"*{suffix}"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """The modules that a file imports when it runs; what only the type checker sees does not count."""
    return frozenset(_imported(parsed(path)))


def _imported(tree: ast.Module) -> Iterator[str]:
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in node.body
        for inner in ast.walk(child)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.slow
def test_only_what_is_on_the_public_list_is_answered_without_a_login(app: Flask, client: FlaskClient) -> None:
    answered = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<int:\w+>", "1", re.sub(r"<(?!int:)[^>]+>", "x", rule.rule))
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}:
            response = client.open(path, method=method, buffered=True)
            if response.status_code not in REFUSALS or not (
                response.status_code == 401 or response.headers["Location"].startswith("/login")
            ):
                answered.add(rule.endpoint)

    # Two of them lead to the sign-in page when there is nothing else to say.
    assert answered | {"auth.logout"} == PUBLIC
    assert {rule.endpoint for rule in app.url_map.iter_rules()} > PUBLIC


def test_every_event_has_a_row_in_the_documentation() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/events.md").read_text(), re.MULTILINE)

    assert sorted(rows) == sorted(events.EVENT_NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("assistant", sorted(NOT_SHOWN))
def test_every_event_has_a_place_in_each_dialect(assistant: str, app: Flask) -> None:
    with app.app_context():
        dialect = published(assistant)

    examples = {**EXAMPLES, **OWN_EXAMPLES.get(assistant, {})}

    silent = {
        name for name in events.EVENT_NAMES if not dialect.shows(Entry(1, 1, Event(name, examples.get(name, {}))))
    }

    assert silent == set(NOT_SHOWN[assistant])


def test_every_published_dialect_is_looked_at() -> None:
    from services.assistants import registry

    built = [name for name in settings.ASSISTANTS if (ROOT / f"blueprints/{name}.py").exists()]

    assert sorted(NOT_SHOWN) == sorted(built) == sorted(registry.NAMES)


def setting_names() -> set[str]:
    return {*settings.FIELDS, *settings.PER_ASSISTANT, *settings.SPECIAL}


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    text = (ROOT / "docs/configuration.md").read_text()

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == setting_names()


def test_the_example_environment_names_every_setting_and_sets_none() -> None:
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line.strip()]

    assert set(re.findall(r"^# ?([A-Z_]+)=", "\n".join(lines), re.MULTILINE)) == setting_names()
    assert all(line.startswith("#") for line in lines), "copied as it is, it changes nothing"


def test_secrets_have_no_default_and_are_not_shown(tmp_path: Path) -> None:
    first = settings.load({"DATA_DIR": str(tmp_path / "a")})
    second = settings.load({"DATA_DIR": str(tmp_path / "b")})

    assert first.secret_key != second.secret_key
    assert not first.openai_api_key
    for name in ("secret_key", "openai_api_key", "database_url", "redis_url"):
        assert not settings.Settings.__dataclass_fields__[name].repr
    assert not re.search(r"^# ?(SECRET_KEY|OPENAI_API_KEY)=\S", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_migrations_are_linear() -> None:
    parents: dict[str, str | None] = {}
    for path in sources("services/store/migrations/versions"):
        text = path.read_text()
        revision = re.search(r'^revision\b.*= "(\w+)"', text, re.MULTILINE)
        parent = re.search(r'^down_revision\b.*= (?:"(\w+)"|None)', text, re.MULTILINE)
        assert revision, path
        assert parent, path
        assert revision[1] not in parents, f"{path} repeats a revision"
        parents[revision[1]] = parent[1]

    assert parents
    assert list(parents.values()).count(None) == 1
    assert len(set(parents.values())) == len(parents), "two migrations follow the same one"
    assert set(parents.values()) - {None} < set(parents)


def test_no_template_trusts_text_by_hand() -> None:
    for path in sources("templates", suffix=""):
        if path.is_file():
            text = path.read_text()
            assert not re.search(r"\|\s*safe\b|autoescape\s+false", text), named(path)
            assert not re.search(r"<script(?![^>]*\bsrc=)", text), f"{named(path)} has an inline script"
            assert not re.search(r"\son\w+=|\sstyle=", text), f"{named(path)} has inline behaviour or style"


@pytest.mark.slow
def test_text_is_declared_safe_in_one_place_only() -> None:
    users = {
        named(path)
        for path in sources("blueprints", "services", "app.py")
        if re.search(r"\bMarkup\(", path.read_text())
    }

    assert users == {"blueprints/dialects/markdown.py"}


@pytest.mark.slow
def test_no_module_is_too_long() -> None:
    for path in sources("app.py", "gunicorn.conf.py", "blueprints", "services", "scripts", "bench", "tests"):
        if "peers" not in path.parts and "node_modules" not in path.parts:
            assert len(path.read_text().splitlines()) <= MAX_LINES, named(path)


@pytest.mark.slow
def test_no_function_is_too_long() -> None:
    for path in sources("app.py", "blueprints", "services", "scripts"):
        if "versions" in path.parts:
            continue  # migrations are written once and never edited
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                assert length <= MAX_FUNCTION_LINES, f"{named(path)}: {node.name}"


def test_every_module_has_a_subject() -> None:
    for path in sources("blueprints", "services", "tests", "scripts"):
        assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}, named(path)


def test_the_patch_is_the_first_line_of_app() -> None:
    assert (ROOT / "app.py").read_text().startswith("from gevent import monkey; monkey.patch_all()")


def test_the_tests_import_app_before_anything_else() -> None:
    tree = ast.parse((ROOT / "tests/conftest.py").read_text())
    first = next(node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))

    assert ast.unparse(first).startswith("import app")


@pytest.mark.slow
def test_nothing_imports_app() -> None:
    for path in sources("blueprints", "services"):
        assert "app" not in imported(path), named(path)


@pytest.mark.parametrize("package", sorted(DOORS))
def test_each_library_has_one_door(package: str) -> None:
    allowed = {*DOORS[package], "services/wiring.py"}

    strangers = {
        named(path)
        for path in sources("app.py", "blueprints", "services")
        if any(module.split(".")[0] == package for module in imported(path))
        and not named(path).startswith(tuple(allowed))
    }

    assert not strangers


def test_a_broad_except_stands_at_the_top_of_a_greenlet_only() -> None:
    for path in sources("app.py", "blueprints", "services"):
        for line in path.read_text().splitlines():
            if re.search(r"except( Exception| BaseException)?( as \w+)?:", line):
                assert "# " in line or "except BaseException" in line, f"{named(path)} does not say why: {line.strip()}"


@pytest.mark.slow
def test_no_test_sleeps() -> None:
    for path in sources("tests"):
        if path.name.startswith("test_") and path != Path(__file__):
            assert not re.search(r"\b(time|gevent)\.sleep\((?!0\))", path.read_text()), named(path)


@pytest.mark.parametrize("pair", [("requirements", "requirements-dev"), ("requirements-dev", "requirements-e2e")])
def test_the_larger_requirements_hold_the_smaller_ones_in_the_same_versions(pair: tuple[str, str]) -> None:
    smaller, larger = (
        set(re.findall(r"^([a-z0-9._-]+==[^\s;]+)", (ROOT / f"{name}.txt").read_text(), re.MULTILINE)) for name in pair
    )

    assert smaller
    assert smaller <= larger


def test_requirements_are_pinned_with_hashes_and_name_no_index() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-e2e.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text, name
        for block in re.split(r"\n(?=\S)", text.strip()):
            if not block.startswith("#"):
                assert "--hash=sha256:" in block, f"{name}: {block.splitlines()[0]}"


@pytest.mark.slow
def test_npm_packages_are_locked_and_name_no_registry() -> None:
    lock = (ROOT / "tests/e2e/package-lock.json").read_text()

    assert '"integrity"' in lock
    assert "resolved" not in lock
