"""Todos: what they are made of, and what is done to them. The assistant that is talked to is elsewhere."""
