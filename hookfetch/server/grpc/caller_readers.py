"""Who may read what of the source cache, by the grants of who calls."""

from collections.abc import Collection

from hookfetch.server.grpc.admission.admitted import visible
from hookfetch.server.grpc.readers import Context, Readers


class OfCaller:
    """Those projects of `readers` with which the caller may do what the method does."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def projects(self, context: Context, instance_name: str) -> Collection[str]:
        """Return the caller's projects that the instance name means."""
        return visible(self._readers.projects(context, instance_name))
