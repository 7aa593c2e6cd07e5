"""The todo agent: a person's list, kept by talking to it.

One turn: the engine is asked with the tools it may use (`tools`, `schema`), each step is carried out and told
(`steps`), and its result goes back to the engine, until it has nothing left to do. `input` checks what clients send,
`resolving` makes a turn's facts and keeps the books, `plain` is the engine without a model, `redact` what must not be
seen of a result, `sentences` what a step is called in words, `telling` the events.
"""
