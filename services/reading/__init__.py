"""Reading files that nobody vouches for: what they are, their text, a picture of them.

A program of its own (`python -m services.reading`), so that a file that is made to break its reader breaks a
child that has no secrets, little memory and little time. `services.media.reader` starts it. Knows no database,
no user and no request.
"""
