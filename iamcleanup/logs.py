"""What a log line looks like: JSON in production, plain text elsewhere; never a secret."""

from __future__ import annotations

import logging.config
from typing import TypedDict

import structlog
from structlog.typing import Processor


class LogSettings(TypedDict):
    """`settings.LOGGING`: the lowest level that is written, and in which form."""

    level: str
    as_json: bool


def configure(settings: LogSettings) -> None:
    """Send structlog and the standard library through one formatter to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Processor = (
        structlog.processors.JSONRenderer()
        if settings["as_json"]
        # The renderer's own tracebacks show local variables, and so might show a secret (rule 16).
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        last,
                    ]
                    if settings["as_json"]
                    else [structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": settings["level"]},
            # At DEBUG botocore logs request bodies and signatures, and slack_sdk what it posts; a
            # warning of urllib3 may hold an address, and a webhook's is a secret (rule 16).
            "loggers": {
                "botocore": {"level": "WARNING"},
                "slack_sdk": {"level": "WARNING"},
                "urllib3": {"level": "ERROR"},
            },
        }
    )
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
