"""What Alembic runs: the migrations, on the connection that `Database.migrate` opened, locked and will commit."""

from alembic import context

from services.store.schema import is_modelled, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=is_modelled,
    # SQLite changes a table by making it anew.
    render_as_batch=True,
)
context.run_migrations()
