"""Every query of children and stories has an index."""

import pytest
import sqlalchemy
from sqlalchemy import text

from services.store import sessions
from services.store.children import Child
from services.store.database import Database
from tests.services.store.families import Family


@pytest.mark.slow
def test_no_query_reads_a_whole_table(family: Family, database: Database) -> None:
    mira = family.child()
    statements: list[tuple[str, object]] = []

    @sqlalchemy.event.listens_for(database.engine, "before_cursor_execute")
    def note(_c: object, _k: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            statements.append((statement, parameters))

    _ask_everything(family, database, mira)
    sqlalchemy.event.remove(database.engine, "before_cursor_execute", note)

    assert len(statements) > 60
    for statement, parameters in statements:
        assert not _scans(database, statement, parameters), statement


def _ask_everything(family: Family, database: Database, mira: Child) -> None:
    stories, me = family.stories, family.user_id
    first = family.tell(mira, facts={"title": "x"})
    second = family.tell(mira, 2)
    family.place(mira, 2)
    family.place(mira, 1, session="new")
    family.place(mira, 3, session=first.story_id)
    family.place(mira, 2, from_chapter=first.id)
    family.again(second, from_partial=True)
    stories.children(me)
    stories.change_child(me, mira.id, mira.draft())
    stories.day(me, mira.id, "UTC")
    for before in (None, first.story_id):
        for child_id in (None, mira.id):
            stories.shelf(me, child_id, before=before)
    stories.counts(me)
    stories.story(me, first.story_id)
    stories.openings(me, mira.id)
    stories.story_of_stream(me, first.stream_id)
    stories.streams_of_child(me, mira.id)
    stories.withheld(me, first.id, 0, "x", "weapons", "rules")
    stories.refused(me, mira.id, "choice", "x", "weapons")
    for more in ({}, {"child_id": mira.id}, {"story_id": first.story_id}, {"before": "Z"}):
        stories.reviews(me, **more)  # type: ignore[arg-type]
    stories.unseen(me)
    stories.seen(me, ["x"])
    stories.seen(me)
    session = database.run(sessions.open, me, user_agent="x", address="::1")
    stories.set_pin(me, "2580")
    stories.check_pin(me, "2580")
    stories.is_pin_locked(me)
    stories.hand_over(me, session.id, mira.id)
    stories.leave(me, session.id)
    stories.note_word(me, mira.id, "brave")
    stories.words_of(me, mira.id)
    stories.delete_child(me, mira.id)


def _scans(database: Database, statement: str, parameters: object) -> bool:
    """Whether the database would read the whole of a table for it."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
            found = [row[-1] for row in plan]
            return any(row.startswith("SCAN") and not row.startswith(("SCAN latest", "SCAN above")) for row in found)
        # A table this small is read whole whatever indexes it has, unless that costs too much.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)  # type: ignore[arg-type]
        return any("Seq Scan" in row[0] for row in plan)
