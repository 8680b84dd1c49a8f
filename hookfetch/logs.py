"""How the service logs: one event a line, key=value for people or JSON for machines, on stderr."""

import logging
import os
import sys
from typing import Literal

import structlog

LogFormat = Literal["text", "json"]


def configure_logs(form: LogFormat, least: int = logging.INFO) -> None:
    """Send log lines from `least` up to stderr in `form`; other libraries' from warnings up."""
    renderer: structlog.typing.Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # gRPC's core writes to stderr itself, also of connections that end as they should.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
