"""The engine without a model: plain sentences become the same tool calls, and it says what it cannot do. Pure.

A plan is a generator: it gives the next calls, is sent their results, and returns what there is to say. What it is
about is looked up by name in the list as it is; where several may be meant it asks, and each option stands for one
certain call.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Protocol

from services.assistants.todos import agreeing, everyday, moving, phrases, pieces, viewing, wording
from services.assistants.todos.matching import Item, find, named
from services.assistants.todos.phrases import Wish
from services.assistants.todos.viewing import Wanted, wanted
from services.errors import InvalidInput
from services.todos import quick
from services.todos.quick import Quick
from services.when import InvalidDate, When, today

MAX_OPTIONS: Final = 8
MAX_SENTENCES: Final = 20
_MAX_NAMES: Final = 20


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that is certain."""

    name: str
    arguments: Mapping[str, Any]


class Look(Protocol):
    """Looks things up in a list (`looking.py`)."""

    def named(self, name: str, *, is_done: bool = False) -> Sequence[Item]:
        """Todos with the words of a name; without a name the first ones."""
        ...

    def last(self) -> Item | None:
        """The last one of those that are open."""
        ...


Results = Sequence[Mapping[str, Any]]
Plan = Generator[list[Call], Results, str]
_Part = Generator[list[Call], Results, list[str]]


@dataclass(slots=True)
class Planner:
    """Plans one answer.

    Args:
        look: Looks things up in the list as it is.
        facts: The turn's: `chosen`, `may_delete`, `declined`.

    Attributes:
        choices: What each option of a question stands for: {text, name, arguments}.
    """

    question: str
    now: datetime
    zone: str
    look: Look
    facts: Mapping[str, Any] = field(default_factory=dict)
    choices: list[dict[str, Any]] = field(default_factory=list)
    _asked: bool = False
    _sentence: str = ""

    def plan(self) -> Plan:
        """The steps, and at the end what there is to say."""
        if chosen := self.facts.get("chosen"):
            said = yield from self._do([Call(str(chosen["name"]), dict(chosen["arguments"]))])
        elif agreed := self.facts.get("may_delete"):
            said = yield from self._do([Call("delete_todo", {"todo_id": todo_id}) for todo_id in agreed])
        elif self.facts.get("declined"):
            said = [wording.KEPT]
        else:
            said = yield from self._read()
        return "\n\n".join(text for text in said if text)

    def _read(self) -> _Part:
        if pieces.is_pasted(self.question):
            return (yield from self._several(self.question))
        said: list[str] = []
        parts = phrases.sentences(self.question)
        for part in parts[:MAX_SENTENCES]:
            said += yield from self._one(part)
            if self._asked:
                break
        return said + ([wording.TOO_MANY] if len(parts) > MAX_SENTENCES else [])

    def _one(self, sentence: str) -> _Part:
        wish, self._sentence = phrases.read(sentence), sentence
        try:
            return (yield from self._wished(wish, sentence))
        except InvalidInput as wrong:
            return [wording.refused(wrong)]

    def _new(self, wish: Wish, sentence: str) -> _Part:
        """A new todo; or what only looks like one: a yes to nothing, what was done, what is cancelled."""
        if agreeing.agrees(sentence) or (agreeing.refuses(sentence) and len(sentence.split()) == 1):
            return [wording.NOT_ASKED]
        if everyday.is_nothing(sentence):
            return [wording.KEPT_ALL]
        for name in everyday.done_names(sentence):
            if self._find(named(name)):
                return (yield from self._about(Wish("complete", name)))
        if done := everyday.did(sentence):
            return [f"{wording.not_found(named(done[1]))} {wording.TO_ADD}"]
        unwanted = everyday.unwanted(sentence)
        if unwanted and self._find(named(unwanted)):
            return (yield from self._about(Wish("delete", unwanted)))
        first, _, rest = phrases.parted(sentence)
        after = phrases.read(rest) if rest and phrases.read(first).kind == "create" else None
        if after is not None and after.name and self._find(named(after.name)):
            return (yield from self._one(first)) + (yield from self._one(rest))
        line = quick.read(everyday.weighed(wish.words), now=self.now, zone=self.zone)
        return (yield from self._made(everyday.each(sentence, line)))

    def _wished(self, wish: Wish, sentence: str) -> _Part:
        match wish.kind:
            case "create":
                return (yield from self._new(wish, sentence))
            case "list":
                return (yield from self._listed(wish.words, sentence))
            case "search":
                return (yield from self._do([Call("search_todos", {"query": named(wish.words)})]))
            case "tags":
                return (yield from self._do([Call("list_tags", {})]))
            case "undo":
                return (yield from self._do([Call("undo", {})]))
            case "help":
                return [wording.HELP]
            case "thanks":
                return [wording.HELLO if phrases.greets(sentence) else wording.WELCOME]
            case "unknown":
                return [wording.UNKNOWN]
        return (yield from self._about(wish))

    # -- what is about todos that there are

    def _about(self, wish: Wish) -> _Part:
        is_done = wish.kind == "reopen"
        name = "everything" if everyday.is_whole_list(wish.name) else wish.name
        if bulk := wanted(name, now=self.now, zone=self.zone, whole=True):
            return (yield from self._all(wish, bulk))
        if everyday.is_it(wish.name):
            return (yield from self._about_it(wish, is_done=is_done))
        groups = self._meant(wish.name, is_done=is_done)
        calls: list[Call] = []
        for name, found in groups:
            if not found and everyday.may_be_new(wish.kind, self._sentence):
                return (yield from self._new(Wish("create", words=everyday.as_new(self._sentence)), self._sentence))
            if not found:
                return [wording.not_found(name, is_done=is_done)]
            made = [self._call(wish, item) for item in found[: MAX_OPTIONS + 1]]
            if len(found) > 1:
                return (yield from self._which(wish, found, made))
            if isinstance(made[0], str):
                return [made[0]]
            calls.append(made[0])
        return (yield from self._do(calls))

    def _about_it(self, wish: Wish, *, is_done: bool) -> _Part:
        """What was spoken of last; which of them, if "it" may be several."""
        ids = everyday.spoken_of(self.facts.get("messages") or ())
        found = [item for item in self.look.named("", is_done=is_done) if item.id in ids]
        if not found:
            return [wording.WHICH]
        made = [self._call(wish, item) for item in found[: MAX_OPTIONS + 1]]
        if len(found) > 1 and not everyday.is_them(wish.name):
            return (yield from self._which(wish, found, made))
        wrong = next((call for call in made if isinstance(call, str)), None)
        return [wrong] if wrong else (yield from self._do([call for call in made if isinstance(call, Call)]))

    def _meant(self, name: str, *, is_done: bool) -> list[tuple[str, list[Item]]]:
        """The todos that a name may mean; several names if the whole is none."""
        whole = named(name)
        found = self._find(whole, is_done=is_done)
        if not found and not is_done and pieces.is_list(name):
            parts = [(part, self._find(part)) for part in map(named, pieces.listed(name)[:_MAX_NAMES]) if part]
            if parts and any(found for _, found in parts):
                return parts
        # What is spelled otherwise is looked for among all.
        return [(whole, found or find(whole, self.look.named("", is_done=is_done)))]

    def _find(self, name: str, *, is_done: bool = False) -> list[Item]:
        return find(name, self.look.named(name, is_done=is_done)) if name else []

    def _which(self, wish: Wish, found: Sequence[Item], made: Sequence[Call | str]) -> _Part:
        """Ask which one is meant; each option stands for its own call."""
        options = wording.options(wish.kind, found[:MAX_OPTIONS])
        for option, call in zip(options, made, strict=False):
            if isinstance(call, str):
                return [call]
            self.choices.append({"text": option, "name": call.name, "arguments": dict(call.arguments)})
        self._asked = True
        question = wording.which(named(wish.name), len(found))
        yield [Call("ask_user", {"question": question, "options": options})]
        return []

    def _all(self, wish: Wish, bulk: Wanted) -> _Part:
        """The same for every todo of a view."""
        view = bulk.arguments if wish.kind != "reopen" else {**bulk.arguments, "view": "done"}
        results = yield [Call("list_todos", view)]
        listed = results[0].get("todos") or ()
        if results[0].get("status") == "error" or not listed:
            return [wording.result("list_todos", view, results[0], self._today)]
        calls = []
        for one in listed:
            is_done = one.get("status") == "done"
            if wish.kind == "complete" and is_done:
                continue
            when = str(one.get("due_time") or one.get("start_time") or "")
            tags = tuple(one.get("tags") or ())
            item = Item(str(one["todo_id"]), str(one.get("item")), is_done, "", tags, bool(one.get("due_time")), when)
            made = self._call(wish, item)
            if isinstance(made, str):
                return [made]
            calls.append(made)
        said = yield from self._do(calls)
        return said + ([wording.MORE] if results[0].get("more") else [])

    def _call(self, wish: Wish, item: Item) -> Call | str:
        """The call that a wish is for a todo; or why there is none."""
        todo = {"todo_id": item.id}
        match wish.kind:
            case "complete" | "reopen" | "delete":
                return Call(f"{wish.kind}_todo", todo)
            case "top":
                return Call("move_todo", todo)
            case "bottom" | "after":
                return self._moved(wish, item)
            case "rename":
                return Call("update_todo", {**todo, "item": wish.words.strip(" .\"'“”")})
            case "repeat":
                return Call("update_todo", {**todo, "recurrence": wish.words.strip(" .")})
            case "importance":
                return Call("update_todo", {**todo, "importance": wording.importance(wish.words)})
            case "project":
                return Call("update_todo", {**todo, "project": named(wish.words)})
            case "undate":
                return Call("update_todo", {**todo, "start_time": "", "due_time": ""})
            case "subtasks":
                return Call("add_subtasks", {**todo, "items": pieces.listed(wish.words)})
            case "tag" | "untag":
                return self._tagged(wish, item)
            case "reschedule" | "change":
                return self._rescheduled(wish, item)
        return wording.UNKNOWN

    def _moved(self, wish: Wish, item: Item) -> Call | str:
        if wish.kind == "bottom":
            last = self.look.last()
            target = [last] if last is not None and last.id != item.id else []
        else:
            target = [one for one in self._find(named(wish.words)) if one.id != item.id and not one.parent_id]
        if len(target) != 1:
            return (
                wording.not_found(named(wish.words)) if not target else wording.several(named(wish.words), len(target))
            )
        return Call("move_todo", {"todo_id": item.id, "after_id": target[0].id})

    def _tagged(self, wish: Wish, item: Item) -> Call | str:
        named_tags = [word.strip("# ") for word in pieces.listed(wish.words.replace("#", " ")) if word.strip("# ")]
        tags = [tag for word in named_tags for tag in word.split()]
        folded = {tag.casefold() for tag in tags}
        if wish.kind == "untag":
            kept = [tag for tag in item.tags if tags and tag.casefold() not in folded]
        else:
            kept = [*(tag for tag in item.tags if tag.casefold() not in folded), *tags]
        return Call("update_todo", {"todo_id": item.id, "tags": kept})

    def _rescheduled(self, wish: Wish, item: Item) -> Call | str:
        words = wish.words.strip(" .")
        if not words:
            return wording.WHEN
        is_due, phrase = pieces.dated(words)
        try:
            moved = moving.moved(phrase, item.when, now=self.now, zone=self.zone)
        except InvalidDate as wrong:
            if wish.kind == "change":
                return Call("update_todo", {"todo_id": item.id, "item": words})
            return wording.refused(wrong)
        # A todo that is due stays one: its due date is what is put off.
        name = "due_time" if is_due or item.has_due else "start_time"
        return Call("update_todo", {"todo_id": item.id, name: moved})

    # -- steps and words

    def _listed(self, words: str, sentence: str) -> _Part:
        since = everyday.finished_since(sentence, self._today)
        if since is not None:
            results = yield [Call("list_todos", {"view": "done"})]
            done = everyday.completed_since(results[0].get("todos") or (), since, self.zone)
            told = everyday.here({**results[0], "todos": done}, self.zone)
            return [wording.result("list_todos", {"view": "done"}, told, self._today) if done else wording.NONE_DONE]
        if found := viewing.lists_of(words):
            results = yield [Call("search_todos", {"query": found, "view": "open"})]
            return [wording.result("search_todos", {"query": found}, everyday.here(results[0], self.zone), self._today)]
        asked = wanted(words, now=self.now, zone=self.zone)
        return (yield from self._do([Call("list_todos", asked.arguments if asked else {"view": "open"})]))

    def _several(self, text: str) -> _Part:
        """A pasted list: one todo a line, what is indented under one its subtasks."""
        try:
            lines = quick.read_lines(pieces.without_heading(text), now=self.now, zone=self.zone)
        except InvalidInput as wrong:
            return [wording.refused(wrong)]
        return (yield from self._made(lines))

    def _made(self, lines: Sequence[Quick]) -> _Part:
        """A todo for each line, and what has to be said of how it was understood."""
        wanted_lines = [line for line in lines if not line.done]
        notes = list(dict.fromkeys(note for line in wanted_lines for note in line.notes))
        said = yield from self._do([_creating(line, self.zone) for line in wanted_lines])
        left_out = [wording.TICKED] if len(wanted_lines) < len(lines) else []
        return [*said, *map(wording.note, notes), *left_out]

    def _do(self, calls: list[Call]) -> _Part:
        """Calls, and a sentence for each result."""
        if not calls:
            return [wording.NOTHING]
        results = yield calls
        told = [
            wording.result(call.name, call.arguments, everyday.here(result, self.zone), self._today)
            for call, result in zip(calls, results, strict=False)
        ]
        return ["\n".join(text for text in told if text)]

    @property
    def _today(self) -> date:
        return today(self.now, self.zone)


def _creating(line: Quick, zone: str) -> Call:
    """The call that makes what a line means to somebody in `zone`."""
    given: dict[str, Any] = {"item": line.item}
    if line.start is not None:
        given["start_time"] = _date(line.start, zone)
    if line.due is not None:
        given["due_time"] = _date(line.due, zone)
    given |= {"importance": line.importance} if line.importance else {}
    given |= {"tags": list(line.tags)} if line.tags else {}
    given |= {"project": line.project} if line.project else {}
    if line.recurrence is not None:
        given["recurrence"] = wording.repetition(line)
    if line.children:
        given["subtasks"] = [child.item for child in line.children]
    return Call("create_todo", given)


def _date(day: When, zone: str) -> str:
    """A date as the tools take it; a time of another zone names it."""
    return day.text if day.zone in {None, zone} else f"{day.text} {day.zone}"
