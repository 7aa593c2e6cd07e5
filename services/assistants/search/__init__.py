"""The search: answers from the documents that a person may read, each claim with the number of its passage."""

from services.assistants.search.input import SearchInput, parse_search

__all__ = ["SearchInput", "parse_search"]
