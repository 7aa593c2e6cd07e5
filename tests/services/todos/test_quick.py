import random
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from services.errors import InvalidInput
from services.todos import dates, quick, recurrence
from services.todos.quick import Chip, Quick
from services.when import InvalidDate
from tests.services.todos import table

ROWS = list(table.rows("lines.txt"))
SURVIVING = (table.HERE / "words.txt").read_text(encoding="utf-8").splitlines()
NOW = datetime(2026, 3, 16, 9, tzinfo=UTC)  # a Monday, 10:00 in Berlin
BERLIN = "Europe/Berlin"


def read(line: str) -> Quick:
    return quick.read(line, now=NOW, zone=BERLIN)


def told(todo: Quick) -> str:
    """A todo as lines.txt writes it."""
    parts = [todo.item]
    parts += [f"start {todo.start.text}"] if todo.start else []
    parts += [f"due {todo.due.text}"] if todo.due else []
    if todo.recurrence:
        parts.append(f"repeat {'~' if todo.recurrence.mode == 'completion' else ''}{todo.recurrence.rule}")
    parts += [todo.importance] if todo.importance else []
    parts += [f"#{tag}" for tag in todo.tags] + ([f"+{todo.project}"] if todo.project else [])
    return " | ".join(parts)


def read_row(row: table.Row) -> str:
    try:
        return told(quick.read(row.said, now=row.now, zone=row.zone))
    except InvalidInput as refused:
        return f"! {refused.message}"


def as_meant(row: table.Row) -> bool:
    return row.meant[2:] in read_row(row) if row.meant.startswith("! ") else read_row(row) == row.meant


@pytest.mark.req("B3")
def test_every_line_means_what_the_table_says() -> None:
    wrong = {f"{row.line}: {row.said}": (row.meant, read_row(row)) for row in ROWS if not as_meant(row)}

    assert not wrong
    assert len(ROWS) > 90


def test_words_that_only_look_like_dates_survive() -> None:
    changed = {line: told(read(line)) for line in SURVIVING if told(read(line)) != line}

    assert not changed
    assert len(SURVIVING) > 90


def test_what_looks_like_a_date_survives_beside_one_that_is() -> None:
    for line in SURVIVING:
        if line[0] in "\"'“`\\" or len(line.split()) < 2 or line.endswith((".", "!", "1:10", "1 to 10", "before")):
            continue
        todo = read(f"{line} #tag 2026-05-04")
        assert (todo.item, todo.start and todo.start.text) == (line, "2026-05-04"), line


def test_a_phrase_means_in_a_line_what_it_means_alone() -> None:
    compared = 0
    for row in table.rows("phrases.txt"):
        if row.meant.startswith("! "):
            continue
        try:
            todo = quick.read(f"Call Bob {row.said}", now=row.now, zone=row.zone)
        except InvalidInput as refused:
            pytest.fail(f"{row.said}: {refused.message}")
        found = todo.due or todo.start
        if found is not None and todo.item == "Call Bob":
            assert found.text == row.meant, row.said
            compared += 1
        else:
            assert found is None, (row.said, todo)
    assert compared > 250


@pytest.mark.slow
def test_a_repetition_means_in_a_line_what_it_means_alone() -> None:
    compared = 0
    for row in table.rows("repetitions.txt"):
        if row.meant.startswith("! ") or "=" in row.said:
            continue
        alone = recurrence.read(row.said, now=row.now, zone=row.zone)
        todo = quick.read(f"Call Bob {row.said}", now=row.now, zone=row.zone)
        assert (todo.item, todo.recurrence, todo.start) == ("Call Bob", alone.recurrence, alone.first), row.said
        compared += 1
    assert compared > 100


@pytest.mark.slow
def test_every_phrase_begins_with_a_word_that_is_looked_at() -> None:
    """Most words of a line are passed over: none of those may begin a date."""
    for name in ("phrases.txt", "repetitions.txt"):
        for row in table.rows(name):
            if row.meant.startswith("! ") or "=" in row.said:
                continue
            led = quick.read(f"Call Bob on {row.said}", now=row.now, zone=row.zone)
            plain = quick.read(f"Call Bob, {row.said}", now=row.now, zone=row.zone)
            assert plain.start or plain.due or led.start or led.due or row.said in WHOLE_ONLY, row.said


# Read by who asks for a date, and never in a line, where they may be anything.
WHOLE_ONLY = {"yesterday", "last friday", "last monday", "3wks", "10d", "2h", "two days ago", "march"}


def test_the_echo_names_what_was_read_with_weekday_and_zone() -> None:
    todo = read("Pay rent every 1st at 9 !high #home +flat")

    assert todo.chips == (
        Chip("repeat", "every 1st at 9", "every month on the 1st, first on Wed 1 Apr 2026, 09:00 (Europe/Berlin)"),
        Chip("importance", "!high", "importance high"),
        Chip("tag", "#home", "tag home"),
        Chip("project", "+flat", "project flat"),
    )


def test_a_date_is_echoed_with_its_words() -> None:
    todo = read("Call  Bob   tomorrow at  9, report by friday")

    assert todo.chips == (
        Chip("start", "tomorrow at  9", "Tue 17 Mar 2026, 09:00 (Europe/Berlin)"),
        Chip("due", "by friday", "Fri 20 Mar 2026"),
    )


def test_two_dates_that_are_joined_are_none_and_that_is_said() -> None:
    todo = read("Call Bob today and tomorrow")

    assert todo.item == "Call Bob today and tomorrow"
    assert todo.start is None
    assert todo.notes == ("“today and tomorrow” is more than one date, so it stays in the words.",)


def test_a_second_project_or_importance_stays_and_that_is_said() -> None:
    todo = read("Buy milk +shop +home !low !high")

    assert (todo.item, todo.project, todo.importance) == ("Buy milk +home !high", "shop", "low")
    assert todo.notes == (
        "A todo has one project, so “+home” stays in the words.",
        "A todo has one importance, so “!high” stays in the words.",
    )


@pytest.mark.req("D35")
def test_a_date_that_is_none_names_its_words_and_says_how_to_keep_them() -> None:
    with pytest.raises(InvalidDate) as refused:
        read("Pay rent on 31 Feb !high")

    assert refused.value.phrase == "31 Feb"
    assert refused.value.message == (
        "Invalid date format: '31 Feb'. There is no such day: Feb 2026 has 28 days. "
        "Put it in quotes to keep it as words."
    )
    assert read('Pay rent on "31 Feb" !high').item == 'Pay rent on "31 Feb"'


def test_what_is_said_of_the_clocks_is_said_of_the_line() -> None:
    todo = read("Let the cat in 29 March at 2:30")

    assert todo.notes == ("Clocks go forward: there is no 02:30 on Sun 29 Mar 2026, so 03:30.",)


@pytest.mark.parametrize("line", ["", "   ", "\t", "#home", "tomorrow", "!high +x tomorrow at 9", "x" * 1001])
def test_a_line_without_words_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(line)

    assert refused.value.errors[0].field == "item"


LIST = """\
Trip to Rome +travel
  - [ ] book train by friday
  - [x] ask Ana
    * window seat
1. Buy milk tomorrow #food
2) Call mom

Shopping:
- eggs
- 2 l milk !high
# Garden
* water plants every 3 days
Last one
\tits step
"""


@pytest.mark.req("B3")
def test_a_pasted_list_becomes_todos_with_subtasks() -> None:
    def shape(todo: Quick) -> object:
        mark = "✓" if todo.done else ""
        return (mark + told(todo), [shape(child) for child in todo.children]) if todo.children else mark + told(todo)

    found = [shape(todo) for todo in quick.read_lines(LIST, now=NOW, zone=BERLIN)]

    assert found == [
        ("Trip to Rome | +travel", ["book train | due 2026-03-20", "✓ask Ana", "window seat"]),
        "Buy milk | start 2026-03-17 | #food",
        "Call mom",
        ("Shopping", ["eggs", "2 l milk | high"]),
        ("Garden", ["water plants | start 2026-03-16 | repeat FREQ=DAILY;INTERVAL=3"]),
        ("Last one", ["its step"]),
    ]


def test_one_line_alone_is_no_numbered_list() -> None:
    (found,) = quick.read_lines("3. April Anna", now=NOW, zone=BERLIN)

    assert told(found) == "Anna | start 2026-04-03"


def test_a_list_with_too_many_lines_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at most 100 lines"):
        quick.read_lines("- a\n" * 101, now=NOW, zone=BERLIN)
    assert len(quick.read_lines("- a\n" * 100, now=NOW, zone=BERLIN)) == 100


PIECES = (
    *("a ", "1 ", "every ", "in 1 ", '"', "“", "'", "(", "5/6 ", "next ", "monday, ", "at 5 to ", "2026-01-15 "),
    *("mon,tue,", "1st, ", "9", "#a ", "\\", "the first monday of ", "in 2 hours and 3 minutes ", "\t", "\n", "٣"),
    *("from 1 july to ", "half past ", "`", "every 3 days starting tomorrow until ", "1 day from ", "17:00-18:00 "),
    *("tuesday the 31st ", "!high ", "\x00", "e\u0301", "every! ", "- [ ] ", "on the ", "due due ", "- 1. [x] # "),
)


def cpu_seconds(line: str) -> float:
    """What the slowest of the readers takes for a line, however busy the machine is."""
    slowest = 0.0
    for reader in (quick.read, quick.read_lines, dates.read, recurrence.read):
        for text in (line, line[:1000], line[:200]):
            begun = time.thread_time()
            with suppress(InvalidInput):
                reader(text, now=NOW, zone=BERLIN)
            slowest = max(slowest, time.thread_time() - begun)
    return slowest


@pytest.mark.slow
def test_ten_thousand_characters_of_anything_take_less_than_fifty_milliseconds() -> None:
    read("Warm up every 2nd day at 9")

    slow = {
        piece: took
        for piece in PIECES
        if (took := min(cpu_seconds(piece * 10_000), cpu_seconds(piece * 10_000))) > 0.05
    }

    assert not slow


@pytest.mark.slow
def test_nothing_that_is_typed_breaks_the_reader() -> None:
    chance = random.Random(5)
    words = [word for row in ROWS for word in row.said.split()] + list(PIECES)

    for _ in range(300):
        line = " ".join(chance.choices(words, k=chance.randrange(1, 9)))
        try:
            todo = read(line)
        except InvalidInput:
            continue
        assert todo.item.strip(), line
        assert told(read(line)) == told(todo), line
