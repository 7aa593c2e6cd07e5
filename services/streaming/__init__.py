"""The streaming engine: runs, their logs in Redis and the viewers that read them.

It knows no assistant, no HTML and no SQL.
"""
