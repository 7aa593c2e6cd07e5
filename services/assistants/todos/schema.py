"""Typed functions as tools: the JSON schema that a model is shown, and the check of what it sends. Pure.

A tool is a method whose parameters after `self` and `by` are annotated: `Annotated[str, "what it is"]`, `Literal`,
`bool`, `int`, `list[str]`, each of them with `| None` where it may be left out. Models are forgiven what is certain to
be meant (a number as text, one text for a list of one, null for what is left out); all else is told them by name.
"""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, Union

import orjson

_OWN: Final = ("self", "by")
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"false", "no", "0"})
# No tool takes lists of lists; what is made to be deep must not exhaust the stack of whoever looks into it.
_MAX_DEPTH: Final = 12
_TYPES: Final[Mapping[Any, str]] = {str: "string", bool: "boolean", int: "integer"}


class BadArguments(ValueError):
    """Arguments that do not fit; its text is for the model."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    kind: Any
    about: str
    required: bool


def schema(function: Callable[..., Any]) -> dict[str, Any]:
    """A function as the chat completions API describes one."""
    fields = _fields(function)
    return {
        "type": "function",
        "function": {
            "name": function.__name__,
            "description": " ".join((inspect.getdoc(function) or "").split()),
            "parameters": {
                "type": "object",
                "properties": {field.name: {**_shape(field.kind), "description": field.about} for field in fields},
                "required": [field.name for field in fields if field.required],
                "additionalProperties": False,
            },
        },
    }


def parsed(text: str) -> dict[str, Any]:
    """The arguments that a model wrote; nothing at all is no arguments.

    Raises:
        BadArguments: They are no JSON object.
    """
    try:
        found = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        raise BadArguments("The arguments are not valid JSON. Send one JSON object.") from None
    if not isinstance(found, dict):
        raise BadArguments("The arguments must be one JSON object.")
    if _is_deep(found):
        raise BadArguments(f"The arguments are nested too deeply: at most {_MAX_DEPTH} levels.")
    return found


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [child for children in inner for child in children]
    return bool(level)


def checked(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the function takes them.

    Raises:
        BadArguments: Naming every one that is missing, unknown or malformed.
    """
    fields = {field.name: field for field in _fields(function)}
    wrong = [f"{name!r} is no argument of this tool" for name in arguments if name not in fields]
    taken: dict[str, Any] = {}
    for name, field in fields.items():
        value = arguments.get(name)
        if value is None:
            if field.required:
                wrong.append(f"{name!r} is missing")
            continue
        try:
            taken[name] = _value(field.kind, value)
        except ValueError as exc:
            wrong.append(f"{name!r} {exc}")
    if wrong:
        known = ", ".join(fields) or "none"
        raise BadArguments(f"{'; '.join(wrong[:5])}. Arguments of {function.__name__}: {known}.")
    return taken


@cache
def _fields(function: Callable[..., Any]) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(function, include_extras=True)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in _OWN:
            continue
        hint, about = hints[name], ""
        if typing.get_origin(hint) is Annotated:
            hint, about = typing.get_args(hint)[:2]
        found.append(_Field(name, _without_none(hint), about, parameter.default is inspect.Parameter.empty))
    return tuple(found)


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (Union, types.UnionType):
        rest = [one for one in typing.get_args(hint) if one is not types.NoneType]
        assert len(rest) == 1, "a tool's argument has one type"
        return rest[0]
    return hint


def _shape(kind: Any) -> dict[str, Any]:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return {"type": "string", "enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": _shape(inner[0])}
    return {"type": _TYPES[kind]}


def _value(kind: Any, value: Any) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        word = value.strip().casefold() if isinstance(value, str) else value
        if word not in inner:
            raise ValueError(f"must be one of {', '.join(inner)}")
        return word
    if origin is list:
        return [_value(inner[0], one) for one in (value if isinstance(value, list) else [value])]
    if kind is bool:
        return _yes_or_no(value)
    if kind is int:
        return _whole(value)
    if not isinstance(value, str):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise ValueError("must be a text")
    return value


def _yes_or_no(value: Any) -> bool:
    word = str(value).strip().casefold()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError("must be true or false")


def _whole(value: Any) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be a whole number") from None
    if isinstance(value, bool) or number != number or abs(number) > 1e9 or number != int(number):
        raise ValueError("must be a whole number")
    return int(number)
