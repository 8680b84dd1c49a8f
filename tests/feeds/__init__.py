"""Documents of upstreams: real ones, documented shapes, and hostile ones."""
