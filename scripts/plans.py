"""How a database goes about queries: do they read a table whole?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import event

from services.store.database import Database

# What our queries make for themselves, and read as they made it.
_OWN: Final = frozenset({"above", "together", "one", "CONSTANT"})
_QUERIES: Final = ("SELECT", "WITH", "UPDATE", "DELETE")


@contextmanager
def explained(database: Database, tell: Callable[[str, str], None]) -> Iterator[None]:
    """While the block runs, tell of each query and of each step of its plan."""
    is_sqlite = database.engine.dialect.name == "sqlite"

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.lstrip("( ").startswith(_QUERIES):
            return
        asked = connection.connection.cursor()
        if not is_sqlite:
            # A planner reads a small table whole, and a large one of which most is wanted. With this it does so
            # only where nothing leads to the rows.
            asked.execute("SET LOCAL enable_seqscan = off")
        asked.execute(("EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN ") + statement, parameters)
        steps = [" ".join(map(str, row)) for row in asked.fetchall()]
        if not is_sqlite:
            asked.execute("SET LOCAL enable_seqscan = on")
        for step in steps:
            tell(statement, step)

    event.listen(database.engine, "before_cursor_execute", explain)
    try:
        yield
    finally:
        event.remove(database.engine, "before_cursor_execute", explain)


def reads_whole(step: str) -> bool:
    """Whether a step of a plan reads a table whole."""
    if "Seq Scan" in step:
        return True
    words = step.split()
    if "SCAN" not in words or "USING" in words:
        return False
    of = words[words.index("SCAN") + 1 :]
    # FTS5 says by the number of its index whether it was asked for words.
    is_match = "VIRTUAL" in of and ":M" in of[-1]
    return not is_match and of[0] not in _OWN and not of[0].startswith("(")
