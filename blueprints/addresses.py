"""Where a running answer is followed and stopped, for responses and templates alike. Pure."""


def stream_url(stream_id: str) -> str:
    """Where to follow a stream."""
    return f"/api/streams/{stream_id}"


def stop_url(stream_id: str) -> str:
    """Where to stop it."""
    return f"/api/streams/{stream_id}/stop"


def live(stream_id: str) -> dict[str, str]:
    """What templates need of an answer that runs."""
    return {"id": stream_id, "html_url": f"{stream_url(stream_id)}?view=html", "stop_url": stop_url(stream_id)}
