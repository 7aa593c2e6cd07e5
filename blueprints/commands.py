"""What the operator's commands share."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from services.errors import AppError, InvalidInput

Command = TypeVar("Command", bound=Callable[..., Any])


def plainly(command: Command) -> Command:
    """Turn a known failure into one line and exit status 1."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except InvalidInput as error:
            raise click.ClickException("; ".join(f"{wrong.field} {wrong.message}" for wrong in error.errors)) from error
        except AppError as error:
            raise click.ClickException(error.message) from error

    return run  # type: ignore[return-value]
