"""A plain Flask generator over the openai SDK's stream iterator, under gunicorn's gevent worker."""

import json
import os

from flask import Flask, Response
from openai import OpenAI

app = Flask(__name__)
client = OpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="none", timeout=600)


@app.get("/chat")
def chat():
    def generate():
        stream = client.chat.completions.create(
            model="bench", messages=[{"role": "user", "content": "Where do I begin?"}], stream=True
        )
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield f"data: {json.dumps({'d': chunk.choices[0].delta.content})}\n\n"
        yield "event: done\ndata: {}\n\n"

    return Response(generate(), mimetype="text/event-stream")
