"""The assistants: each is one generator, `reply(turn)`, over the engine's events."""
