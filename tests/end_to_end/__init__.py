"""The service as processes of its own, from a push to what comes of it."""
