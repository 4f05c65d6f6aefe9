"""Logs: one JSON object a line on standard error."""

import json
import logging
import sys
from datetime import UTC, datetime

#: Loggers whose messages are JSON objects.
MERGED = ("gateway.requests", "gateway.alerts")


class JsonLines(logging.Formatter):
    """Writes time, level, logger and message; a message that is JSON itself (requests, alerts) is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        message = record.getMessage()
        if record.name in MERGED:  # written by the thousand: two objects are made one without being read
            return f"{json.dumps(line)[:-1]}, {message[1:]}"
        line["message"] = message
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr(level: int) -> None:
    """Send what the gateway logs to standard error; libraries speak up from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("gateway").setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every form that a client broke
