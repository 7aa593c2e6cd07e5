"""What the scripted model answers at once, in one piece: embeddings and moderations. Pure."""

import base64
import random
import struct
from typing import Any

from tests.model_scripts import Script


def embedded(script: Script, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
    """What a request for embeddings is answered with: the same numbers for the same text, `script.tokens` of them
    unless a width is asked for."""
    if script.status != 200 or script.body:
        extra = {"Retry-After": script.retry_after} if script.retry_after is not None else {}
        return script.status, script.body or {"error": {"message": "sk-secret detail", "code": None}}, extra
    width = body.get("dimensions") or script.tokens
    data = []
    # Backwards: the order is the index's, not the list's.
    for index, text in reversed(list(enumerate(body["input"]))):
        chance = random.Random(text)
        numbers = [chance.uniform(-1, 1) for _ in range(width)]
        is_binary = body.get("encoding_format") == "base64"
        packed = base64.b64encode(struct.pack(f"<{width}f", *numbers)).decode() if is_binary else numbers
        data.append({"object": "embedding", "index": index, "embedding": packed})
    return 200, {"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 1}}, {}


def moderated(script: Script, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
    """What a request for moderation is answered with: flagged if the script's text, if it has one, stands in it."""
    if script.status != 200 or script.body:
        return script.status, script.body or {"error": {"message": "sk-secret detail", "code": None}}, {}
    flagged = bool(script.text) and str(script.text) in body["input"]
    scores = {"violence": 0.93 if flagged else 0.002, "hate": 0.001}
    result = {"flagged": flagged, "categories": {"violence": flagged, "hate": False}, "category_scores": scores}
    return 200, {"id": "m", "model": body["model"], "results": [result]}, {}
