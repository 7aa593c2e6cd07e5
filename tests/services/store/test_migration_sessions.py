"""Who was signed in before a session could show a child's screen."""

import alembic.command
import alembic.config
import pytest
from sqlalchemy import text

from services.store import sessions, users
from services.store.base import utc_now
from services.store.database import _MIGRATIONS, Database
from tests.services.store.families import Family


@pytest.mark.slow
def test_who_was_signed_in_stays_so_and_shows_no_childs_screen(empty_url: str) -> None:
    database = Database(empty_url)
    with database.engine.connect() as connection:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0009")
        at = {"at": utc_now().isoformat(sep=" "), "no": False}
        connection.execute(
            text(
                "INSERT INTO users (id, email, email_key, password_hash, is_admin, epoch, language, zone, created_at)"
                " VALUES (1, 'a@example.org', 'a@example.org', '!', :no, 0, 'en', 'UTC', :at)"
            ),
            at,
        )
        connection.execute(
            text(
                "INSERT INTO sessions (id, user_id, epoch, user_agent, address, created_at, last_seen_at)"
                " VALUES ('laptop', 1, 0, 'Browser', '::1', :at, :at)"
            ),
            {"at": at["at"]},
        )
        connection.commit()
        connection.invalidate()

    database.migrate()

    found = database.run(sessions.user_of, "laptop")
    assert found is not None
    session, user = found
    assert (session.child_id, session.user_agent) == (None, "Browser")
    # What the new column does is as for a session that is made today.
    family = Family(database, user)
    mira = family.child()
    family.stories.set_pin(user.id, "2580")
    family.stories.hand_over(user.id, "laptop", mira.id)
    family.stories.delete_child(user.id, mira.id)
    assert database.run(sessions.user_of, "laptop") is None
    assert database.run(users.by_id, 1) == user
    database.close()
