"""The address of a project, as `honed project add` prints it, and where things for it go."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Dsn:
    """Where a project's things go, and with which key."""

    #: http or https.
    scheme: str
    #: With the port, where one is told.
    host: str
    #: What stands before every path of the server; empty: nothing.
    base: str
    project: str
    key: str = field(repr=False)

    @property
    def envelope_path(self) -> str:
        """Where events go, as SDKs of Sentry send them."""
        return f"{self.base}/api/{self.project}/envelope/"

    @property
    def tests_url(self) -> str:
        """Where results of tests go."""
        return f"{self.scheme}://{self.host}{self.base}/api/v1/tests"

    @classmethod
    def of(cls, text: str) -> "Dsn":
        """Return what ``http://<key>@<host>:<port>/<project>`` says.

        Raises:
            ValueError: it has another form; the message does not repeat it.
        """
        try:
            parts = urlsplit(text.strip())
            base, _, project = parts.path.rstrip("/").rpartition("/")
            is_one = parts.scheme in {"http", "https"} and parts.port != 0 and project.isalnum()
        except ValueError:
            is_one = False
        if not (is_one and parts.username and parts.hostname):
            raise ValueError(_FORM)
        host = parts.netloc.rpartition("@")[2]
        return cls(parts.scheme, host, base, project, parts.username)


_FORM = "a DSN has the form http://<key>@<host>:<port>/<project>"
