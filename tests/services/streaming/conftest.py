"""Workers, and a way to Valkey that can be disturbed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.streaming import nodes
from tests.services.streaming.nodes import Node
from tests.services.streaming.proxy import Forgetful, proxied


@pytest.fixture
def make_node(redis_url: str) -> Iterator[Callable[..., Node]]:
    """Workers on one Valkey; `url` names another way to it."""
    made: list[Node] = []

    def make(*, url: str | None = None, **options: Any) -> Node:
        node = nodes.make(url or redis_url, **options)
        made.append(node)
        return node

    yield make
    for node in reversed(made):
        node.close()


@pytest.fixture
def node(make_node: Callable[..., Node]) -> Node:
    """A worker."""
    return make_node()


@pytest.fixture
def other(make_node: Callable[..., Node]) -> Node:
    """Another worker of the same site."""
    return make_node()


@pytest.fixture
def proxy(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forgetful]:
    """A way to Valkey that can be disturbed."""
    directory: Path = tmp_path_factory.mktemp("p")
    with proxied(redis_url, directory / "s") as way:
        yield way
