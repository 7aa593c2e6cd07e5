"""All behaviour of the site: plain Python that never sees a request."""

import os

# Read when numpy is loaded: threads of its own would fight with each other, and with the other workers, for the
# processor that this one has.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
