"""What people had before conversations were trees."""

import alembic.command
import alembic.config
import sqlalchemy
from sqlalchemy import text

from services.store import conversations, search, users
from services.store.database import _MIGRATIONS, Database

AT = "2026-03-01 12:00:00+00:00"


def test_lists_become_paths_that_are_found_and_have_been_seen(empty_url: str) -> None:
    database = Database(empty_url)
    with database.engine.connect() as connection:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0001")
        fill(connection)
        connection.commit()
        connection.invalidate()

    database.migrate()

    path = database.run(conversations.path, 1, "c1")
    assert [row.content for row in path] == ["Why?", "Half", "of it", "And now?", "Straße"]
    assert [row.parent_id for row in path] == [None, "m0", "m1", "m2", "m3"]
    assert database.run(conversations.alternatives, "c1") == {}
    assert database.run(conversations.path, 1, "c2") == []
    conversation = database.run(conversations.get, 1, "c1")
    assert (conversation.head_id, conversation.unread) == ("m4", False)
    assert database.run(conversations.unread_count, 1) == 0
    for q, found in (("strasse", ["c1"]), ("first why", ["c1"]), ("title", ["c1", "c2"]), ("nothing", [])):
        assert sorted(one.conversation.id for one in database.run(search.find, 1, q)) == found, q
    database.run(users.delete, 1)
    assert database.run(lambda s: s.execute(text("SELECT count(*) FROM search_entries")).scalar_one()) == 0
    database.close()


def fill(connection: sqlalchemy.Connection) -> None:
    connection.execute(
        text(
            "INSERT INTO users (id, email, email_key, password_hash, is_admin, epoch, language, zone, created_at)"
            " VALUES (1, 'a@example.org', 'a@example.org', '!', :no, 0, 'en', 'UTC', :at)"
        ),
        {"no": False, "at": AT},
    )
    for its, title, length in (("c1", "First title", 5), ("c2", "Title only", 0)):
        connection.execute(
            text(
                "INSERT INTO conversations (id, user_id, assistant, title, length, created_at, updated_at)"
                " VALUES (:its, 1, 'tutor', :title, :length, :at, :at)"
            ),
            {"its": its, "title": title, "length": length, "at": AT},
        )
    said = [
        ("user", "Why?"),
        ("assistant", "Half"),
        ("assistant", "of it"),
        ("user", "And now?"),
        ("assistant", "Straße"),
    ]
    for position, (role, content) in enumerate(said):
        connection.execute(
            text(
                "INSERT INTO messages (id, conversation_id, position, role, content, outcome, fallback, continues_id,"
                " created_at) VALUES (:id, 'c1', :position, :role, :content, :outcome, :no, :continues, :at)"
            ),
            {
                "id": f"m{position}",
                "position": position,
                "role": role,
                "content": content,
                "outcome": "completed" if role == "assistant" else None,
                "no": False,
                "continues": "m1" if position == 2 else None,
                "at": AT,
            },
        )
