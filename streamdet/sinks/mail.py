"""Alerts by e-mail, each a message with its picture."""

import base64
import json
import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from streamdet.errors import ConfigError
from streamdet.media.locations import redact
from streamdet.sinks.events import DeliveryError

_TIMEOUT_S = 10.0
_PORTS = {"smtp": 25, "smtps": 465}


class MailTransport:
    """Hands messages to a mail server, over TLS where it offers that.

    Args:
        url: `smtp://user:password@host:587/receiver@example.org`, several receivers with commas; smtps:// where TLS
            comes first; `?from=` is the sender, else the user, else the first receiver.

    Raises:
        ConfigError: it lacks its host or a receiver.
    """

    def __init__(self, url: str, timeout_s: float = _TIMEOUT_S) -> None:
        try:
            parts = urlsplit(url)
            self._host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError(f"{redact(url)}: expected smtp://host/receiver@example.org: {error}") from error
        self._to = [each for each in unquote(parts.path).strip("/ ").split(",") if "@" in each and each.isprintable()]
        if not self._host or not self._to:
            raise ConfigError(f"{redact(url)}: expected smtp://host/receiver@example.org")
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        [sender] = parse_qs(parts.query).get("from", [self._user if "@" in self._user else self._to[0]])[:1]
        self._from, self._scheme = sender, parts.scheme.lower()
        self._port, self._timeout_s = port or _PORTS[self._scheme], timeout_s
        self._server: smtplib.SMTP | None = None

    def send(self, lines: Sequence[bytes]) -> None:
        """Deliver a message for each line.

        Raises:
            DeliveryError: the server is not there, refuses, or takes too long.
        """
        try:
            for line in lines:
                self._server = self._server or self._connect()
                self._server.send_message(_message(json.loads(line), self._from, self._to))
        except smtplib.SMTPAuthenticationError as error:
            self.close()
            raise DeliveryError("the user name or password is wrong", refused=True) from error
        except smtplib.SMTPResponseException as error:
            self.close()
            text = (
                error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            raise DeliveryError(f"answers {error.smtp_code} {redact(text)}", final=error.smtp_code >= 550) from error
        except smtplib.SMTPRecipientsRefused as error:
            self.close()
            raise DeliveryError("no receiver is accepted", refused=True) from error
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise DeliveryError(redact(getattr(error, "strerror", None) or str(error))) from error

    def close(self) -> None:
        """Say goodbye to the server."""
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError, smtplib.SMTPException):
                server.quit()

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout_s, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=self._timeout_s)
        try:
            server.ehlo()
            if self._scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=context)
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server


def _message(alert: dict[str, Any], sender: str, receivers: Sequence[str]) -> EmailMessage:
    message = EmailMessage()
    who = alert.get("class") or f"{alert.get('count', 'many')} objects"
    subject = f"{alert['source']}: {who} {alert['kind']} {alert['zone']}"
    message["Subject"] = "".join(letter if letter.isprintable() else " " for letter in subject)
    message["From"], message["To"] = sender, ", ".join(receivers)
    message["Message-ID"] = f"<{alert['id']}@streamdet>"
    picture = alert.pop("picture", None)
    message.set_content("\n".join(f"{key}: {value}" for key, value in alert.items() if key != "type") + "\n")
    if picture is not None:
        message.add_attachment(base64.b64decode(picture), maintype="image", subtype="jpeg", filename="alert.jpg")
    return message
