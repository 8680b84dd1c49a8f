"""The door's HTTP/1.1: as much of it as a webhook needs, in llhttp's grammar, and every limit before
the signature.

`request` and `chunked` are what a sender may write (pure), `senders` who may stand at the door
and how many at once (pure), `gunzip` a compressed body within bounds, `connection` the protocol
that ties them to a socket. A general server offers far more to strangers and bounds less: it
has no time-out for headers, and answers what it cannot parse with words of its own.
"""
