"""Who may read which originals, by the grants of who asks (`MayRead` of the originals' server)."""

import time

from aiohttp import web

from hookfetch.server.access.access import Access, NotKnown
from hookfetch.server.access.audit import Audit
from hookfetch.server.access.http import CHALLENGE, caller_of_http


class ByGrants:
    """Lets callers whom `access` knows read, with the scope `originals`, what is kept for their projects, and
    with it for any project at all what is kept of public upstreams."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._audit = Audit(time.monotonic)

    def __call__(self, request: web.BaseRequest, project: str | None) -> bool:
        """Return whether what is kept for `project` alone, or of public upstreams (None), may be read;
        web.HTTPUnauthorized when nobody is known by what was shown."""
        try:
            caller = caller_of_http(self._access, request.headers).caller
        except NotKnown as error:
            self._audit.refused(
                caller=None,
                peer=request.remote or "",
                method=f"{request.method} {request.path}",
                projects=(),
                reason=str(error),
            )
            headers = {"WWW-Authenticate": CHALLENGE}
            raise web.HTTPUnauthorized(text=f"{error}\n", headers=headers) from None
        if project is None:
            return caller.may_somewhere("originals")
        return caller.may("originals", project)
