"""All behaviour of the site: plain Python that never sees a request."""
