"""Pictures in what goes to a model, and how a model that sees none is told of them. Pure."""

import base64
import re
from dataclasses import replace
from typing import Any, Final

from services.llm.messages import Message, Request

# What servers answer when their model takes no pictures: a refusal of the message or (llama.cpp) a plain 500.
_REFUSALS: Final = frozenset({400, 415, 422})
_PERHAPS: Final = frozenset({404, 500, 501})
_ABOUT_THEM: Final = re.compile(r"image|vision|multi-?modal|mmproj|modalit", re.IGNORECASE)
_UNSEEN: Final = "\n\n[A picture, {name}, was attached, but you cannot see pictures. Do not guess what it shows.]"


def any_in(request: Request) -> bool:
    """Whether any message comes with a picture."""
    return any(message.images for message in request.messages)


def as_parts(message: Message) -> list[dict[str, Any]]:
    """A message's text and pictures as the chat completions API has them."""
    return [
        {"type": "text", "text": message.content},
        *(
            {
                "type": "image_url",
                "image_url": {"url": f"data:{image.mime};base64,{base64.b64encode(image.data).decode('ascii')}"},
            }
            for image in message.images
        ),
    ]


def left_out(request: Request) -> Request:
    """The request for a model that sees nothing: it is told what it does not see."""
    messages = [
        replace(
            message,
            content=message.content + "".join(_UNSEEN.format(name=image.name or "a photo") for image in message.images),
            images=(),
        )
        for message in request.messages
    ]
    return replace(request, messages=messages)


def are_refused(status: int, reason: str) -> bool:
    """Whether a refusal may be for the pictures' sake, so that the same question is worth asking without them."""
    return status in _REFUSALS or (status in _PERHAPS and bool(_ABOUT_THEM.search(reason)))
