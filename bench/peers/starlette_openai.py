"""sse-starlette over AsyncOpenAI's stream, under uvicorn."""

import json
import os

from openai import AsyncOpenAI
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Route

client = AsyncOpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="none", timeout=600)


async def generate():
    stream = await client.chat.completions.create(
        model="bench", messages=[{"role": "user", "content": "Where do I begin?"}], stream=True
    )
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield {"data": json.dumps({"d": chunk.choices[0].delta.content})}
    yield {"event": "done", "data": "{}"}


async def chat(request):
    return EventSourceResponse(generate())


app = Starlette(routes=[Route("/chat", chat)])
