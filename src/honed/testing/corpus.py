"""Planted secrets and personal data, and decoys that only look like them, for every way in.

Nothing of it is real: addresses and numbers are those set aside for documentation and tests, and
secrets are drawn from a seed when the module is imported. All of it is put together from parts, so
that a scanner of this repository finds nothing.
"""

import base64
import hashlib
import json
import random
import string
import uuid
from dataclasses import dataclass

SEED = 20261121
_CHANCE = random.Random(SEED)  # noqa: S311 - what it draws must be the same in every run
_ALPHANUMERIC = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_CAPITALS = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class Planted:
    """A text with something in it that may not be stored."""

    #: What it is.
    name: str
    #: A sentence, a line of a log, a piece of a program that contains it.
    text: str
    #: What may not survive.
    secret: str


def _drawn(length: int, signs: str = _ALPHANUMERIC) -> str:
    """Return ``length`` signs by chance, a digit and letters of both sizes among them."""
    least = "".join(group for group in ("7", "Q", "k") if group in signs)
    return least + "".join(_CHANCE.choices(signs, k=length - len(least)))


def _in(name: str, before: str, secret: str, after: str = "") -> Planted:
    return Planted(name, f"{before}{secret}{after}", secret)


def _joined(*parts: str) -> str:
    return "".join(parts)


def _base64url(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _jwt() -> str:
    header, claims = (
        {"alg": "HS256", "typ": "JWT"},
        {"sub": "4711", "name": "Bob", "iat": 1516239022},
    )
    return ".".join((_base64url(header), _base64url(claims), _drawn(43)))


def _private_key() -> str:
    dashes, label = "-" * 5, "RSA PRIVATE" + " KEY"
    lines = [_drawn(64) for _ in range(4)]
    return "\n".join((f"{dashes}BEGIN {label}{dashes}", *lines, f"{dashes}END {label}{dashes}"))


_AT = "@"
_BOB = _joined("bob", _AT, "example.com")
_VISA = ("4111", "1111", "1111", "1111")
_PASSWORD = _joined("Tr0ub4dor", "&", "3")
_KEY_LINES = _private_key()

_CLOUD = (
    _in("aws access key", "export AWS_ACCESS_KEY_ID=", _joined("AK", "IA", _drawn(16, _CAPITALS))),
    _in(
        "aws temporary key", "Invalid key ", _joined("AS", "IA", _drawn(16, _CAPITALS)), " in use."
    ),
    _in("aws secret key", "aws_secret_access_" + "key = ", _drawn(40)),
    _in(
        "aws secret key beside its id",
        _joined("aws: ", "AK", "IA", _drawn(16, _CAPITALS), " "),
        _drawn(40, _ALPHANUMERIC + "/+"),
        " was refused",
    ),
    _in(
        "aws secret key in a sentence",
        "the sec" + "ret of the batch account is ",
        _drawn(40, _ALPHANUMERIC + "/+"),
        ", which nobody should see",
    ),
    _in("google api key", "GET /maps/api?key=", _joined("AI", "za", _drawn(35)), "&q=Paris"),
    _in("google oauth token", "refused ", _joined("ya", "29.", _drawn(60))),
    _in("azure storage key", "AccountName=acme;Account" + "Key=", _joined(_drawn(86), "=="), ";"),
    _in("digitalocean token", "doctl: ", _joined("do", "p_v1_", _drawn(64, _HEX))),
    _in("databricks token", "using ", _joined("da", "pi", _drawn(32, _HEX)), " for jobs"),
    _in(
        "heroku key", "HEROKU=", _joined("HR", "KU-", str(uuid.UUID(int=_CHANCE.getrandbits(128))))
    ),
    _in("vault token", "X-Vault: ", _joined("hv", "s.", _drawn(24))),
    _in("google refresh token", "grant ", _joined("1/", "/0", _drawn(40))),
    _in("google client secret", "oauth ", _joined("GOC", "SPX-", _drawn(28))),
    _in("azure signature", "GET /blob?sv=2024-11-04&si" + "g=", _joined(_drawn(40), "%3D"), " 403"),
    _in("planetscale token", "connect ", _joined("psc", "ale_tkn_", _drawn(43))),
    _in("supabase key", "supabase ", _joined("sb", "p_", _drawn(40, _HEX))),
    _in("age key", "# key\n", _joined("AGE-SEC", "RET-KEY-1", _drawn(58, _CAPITALS)), "\n"),
)
_CODE_HOSTS = (
    _in("github token", "remote refused ", _joined("gh", "p_", _drawn(36))),
    _in(
        "github fine-grained token",
        "with ",
        _joined("github", "_pat_", _drawn(22), "_", _drawn(59)),
    ),
    _in("gitlab token", "PRIVATE: ", _joined("gl", "pat-", _drawn(20))),
    _in("npm token", "//registry.example/:_auth" + "Tok" + "en=", _joined("np", "m_", _drawn(36))),
    _in("pypi token", "twine -p ", _joined("py", "pi-AgE", _drawn(80))),
    _in("docker token", "docker login ", _joined("dck", "r_pat_", _drawn(27))),
    _in("bitbucket token", "push as ", _joined("AT", "BB", _drawn(32))),
    _in("atlassian token", "jira -u bob ", _joined("AT", "ATT3", _drawn(180))),
    _in("rubygems key", "gem push ", _joined("ruby", "gems_", _drawn(48, _HEX))),
)
_SERVICES = (
    _in(
        "slack token",
        "posting as ",
        _joined("xo", "xb-", _drawn(12, string.digits), "-", _drawn(24)),
    ),
    _in(
        "slack webhook",
        "POST https://hooks.slack." + "com/services/",
        _joined("T", _drawn(8, _CAPITALS), "/B", _drawn(8, _CAPITALS), "/", _drawn(24)),
    ),
    _in("stripe key", "stripe.error: ", _joined("sk", "_live_", _drawn(24)), " is not valid"),
    _in("stripe webhook secret", "signed with ", _joined("wh", "sec_", _drawn(32))),
    _in("sendgrid key", "mailer ", _joined("S", "G.", _drawn(22), ".", _drawn(43))),
    _in("twilio key", "twilio ", _joined("S", "K", _drawn(32, _HEX))),
    _in("mailgun key", "api:", _joined("ke", "y-", _drawn(32, _HEX))),
    _in("mailchimp key", "list of ", _joined(_drawn(32, _HEX), "-us", "14")),
    _in("shopify token", "shop ", _joined("shp", "at_", _drawn(32, _HEX))),
    _in("telegram token", "/bot", _joined("110201543:", "AA", _drawn(33)), "/getMe"),
    _in("discord token", "login with ", _joined("M", _drawn(23), ".", _drawn(6), ".", _drawn(38))),
    _in("sentry dsn", "dsn=https://", _drawn(32, _HEX), "@o42.ingest.sentry.example/17"),
    _in("linear key", "issues of ", _joined("lin", "_api_", _drawn(40))),
    _in("grafana token", "grafana: ", _joined("gl", "sa_", _drawn(32), "_", _drawn(8, _HEX))),
    _in("password hash", "row: bob,", _joined("$2", "b$12$", _drawn(53))),
    _in(
        "slack app token", "socket ", _joined("xa", "pp-1-", _drawn(11, _CAPITALS), "-", _drawn(64))
    ),
    _in(
        "discord webhook",
        "POST https://discord." + "com",
        _joined("/api/web", "hooks/", _drawn(18, string.digits), "/", _drawn(68)),
    ),
    _in("square token", "square ", _joined("sq", "0csp-", _drawn(43))),
    _in("sentry token", "sentry-cli ", _joined("snt", "rys_", _drawn(80))),
    _in("postman key", "newman ", _joined("PM", "AK-", _drawn(24, _HEX), "-", _drawn(34, _HEX))),
    _in("new relic key", "agent ", _joined("NR", "AK-", _drawn(27, _CAPITALS))),
    _in("notion token", "notion ", _joined("nt", "n_", _drawn(46))),
    _in("figma token", "figma ", _joined("fi", "gd_", _drawn(40))),
    _in("airtable token", "airtable ", _joined("pa", "t", _drawn(14), ".", _drawn(64, _HEX))),
)
_MODELS = (
    _in("openai key", "Incorrect API key provided: ", _joined("s", "k-", _drawn(48)), "."),
    _in("openai project key", "client ", _joined("s", "k-proj-", _drawn(60))),
    _in("anthropic key", "x-api-" + "key: ", _joined("s", "k-ant-api03-", _drawn(80))),
    _in("hugging face token", "login ", _joined("h", "f_", _drawn(34))),
    _in("groq key", "GROQ: ", _joined("gs", "k_", _drawn(52))),
    _in("xai key", "grok ", _joined("xa", "i-", _drawn(80))),
    _in("replicate token", "replicate ", _joined("r", "8_", _drawn(37))),
)
_CREDENTIALS = (
    _in("private key", "loaded\n", _KEY_LINES, "\nand used"),
    _in("jwt", "cannot decode ", _jwt(), " (expired)"),
    _in(
        "bearer token", "curl -H 'Authorization: Bear" + "er ", _drawn(30), "' https://example.com"
    ),
    _in("bearer without header", "sent Bear" + "er ", _drawn(12), " upstream"),
    _in(
        "basic authorization",
        "Authorization: Bas" + "ic ",
        base64.b64encode(_joined("bob:", _PASSWORD).encode()).decode(),
    ),
    _in(
        "cookie",
        "Coo" + "kie: ",
        _joined("session", "id=", _drawn(32), "; theme=dark"),
        "\r\nHost: x",
    ),
    _in("password assignment", "connect(user=bob, pass" + "word=", _PASSWORD, ")"),
    _in(
        "password in quotes", "config = {'db_pass" + "word': '", "correct horse", "', 'port': 5432}"
    ),
    _in("password in json", '{"user": "bob", "pass' + 'word": "', "swordfish", '"}'),
    _in("password in yaml", "smtp:\n  pass" + "word: ", "swordfish", "\n  port: 25"),
    _in("password in xml", "<user>bob</user><pass" + "word>", "swordfish", "</pass" + "word>"),
    _in("password option", "mysqldump --pass" + "word ", _PASSWORD, " shop"),
    _in("client secret", "client_sec" + "ret=", _drawn(24), "&grant_type=client_credentials"),
    _in("token in query", "GET /hook?access_to" + "ken=", _drawn(20), "&page=2 HTTP/1.1"),
    _in("encoded query", "next=%2Flogin%3Fto" + "ken%3D", _drawn(20)),
    _in("typed assignment", "API_" + 'KEY: str = "', _drawn(24), '"'),
    _in(
        "url credentials", "cloning https://", _joined("bob:", _drawn(10)), "@git.example.com/a.git"
    ),
    _in("postgresql url", "dsn=postgresql://", _joined("shop:", "p", _AT, "ss/w#rd"), "@db/shop"),
    _in("redis url", "CELERY=redis://:", _drawn(16), "@cache:6379/0"),
    _in(
        "libpq password",
        "host=db user=shop pass" + "word=",
        _joined("a,b;c&", _drawn(8)),
        " dbname=x",
    ),
    _in("libpq quoted", "dbname=x host=db pass" + "word='", "it\\'s me", "'"),
    _in(
        "digest authorization",
        "Authorization: Dig" + "est ",
        _joined('username="bob", nonce="', _drawn(20), '", response="', _drawn(32, _HEX), '"'),
    ),
    _in("headers as printed", "[(b'x-api-" + "key', b'", _drawn(20), "'), (b'host', b'x')]"),
    _in("password in html", "&quot;pass" + "word&quot;:&quot;", "swordfish", "&quot;"),
    _in("encoded bearer token", "?auth=Bear" + "er%20", _drawn(30), "&x=1"),
    _in("signed address", "GET /a.pdf?X-Amz-Signa" + "ture=", _drawn(64, _HEX), " 403"),
    _in("second password", '"pass' + 'word2": "', "swordfish", '"'),
)
_PERSONAL = (
    _in("e-mail", "Mail to ", _BOB, " bounced."),
    _in(
        "e-mail with tag", "<", _joined("Bob.O-Neil+shop", _AT, "mail.example.co.uk"), ">: unknown"
    ),
    _in("e-mail in query", "GET /unsubscribe?user=", _joined("bob", "%40", "example.com"), "&x=1"),
    _in("e-mail of other letters", "von ", _joined("jürgen", _AT, "müller.example"), " gesendet"),
    _in("e-mail after line break", "To:\n", _BOB, "\nSubject: hi"),
    _in("international phone", "call ", _joined("+49 ", "30 ", "901820"), " now"),
    _in("phone with area", "call ", _joined("+44 (0)20 ", "7946 0958"), "."),
    _in("e.164 phone", "sms:", _joined("+1415", "5550132")),
    _in("american phone", "Phone ", _joined("(415) ", "555-0132"), " is busy"),
    _in("american phone with dashes", "fax ", _joined("415-", "555-0132")),
    _in("french phone", "tél ", _joined("01 99 ", "00 12 34")),
    _in("german phone", "Tel. ", _joined("030 ", "23125 012")),
    _in("phone by name", '{"phone": "', _joined("4155", "550132"), '"}'),
    _in("ipv4", "refused by ", _joined("203.0.", "113.77"), ":443"),
    _in("ipv6", "from [", _joined("2001:db8", "::8a2e:370:7334"), "]:8080"),
    _in("full ipv6", "peer ", _joined("fe80:0:0:0:", "202:b3ff:fe1e:8329")),
    _in("card", "charged ", "".join(_VISA), " twice"),
    _in("card with spaces", "card ", " ".join(_VISA), ", exp 12/27"),
    _in("card with dashes", "card=", "-".join(_VISA), ";"),
    _in("card with odd spaces", "card ", "\u00a0".join(_VISA), " declined"),
    _in("american express", "amex ", _joined("3782 ", "822463 ", "10005")),
    _in("iban", "to ", _joined("DE89", "370400440532013000"), " failed"),
    _in("iban with spaces", "IBAN ", _joined("GB82 WEST ", "1234 5698 7654 32"), "."),
)

#: Each has something that may not be stored.
PLANTED: tuple[Planted, ...] = (
    *_CLOUD,
    *_CODE_HOSTS,
    *_SERVICES,
    *_MODELS,
    *_CREDENTIALS,
    *_PERSONAL,
)


def _sha(name: str, text: str) -> str:
    return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def _sri() -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(b"script").digest()).decode()


_TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/app/orders.py", line 214, in load
    order = Order.objects.get(id=order_id)
  File "/srv/app/db.py", line 87, in get
    raise DoesNotExist(model)
shop.models.Order.DoesNotExist: Order matching query does not exist."""

#: Texts that hold nothing of the sort and stay as they are.
DECOYS: tuple[str, ...] = (
    # Hashes and ids.
    f"etag {_sha('md5', 'a page')}",
    f"sha256:{_sha('sha256', 'an image')}",
    f"merge commit {_sha('sha1', 'a commit')}",
    f"HEAD is now at {_sha('sha1', 'another')[:7]} Fix the build",
    f'<script integrity="{_sri()}">',
    f"the aws deployment runs commit {_sha('sha1', 'a third')}",
    f"aws secret rotation at revision {_sha('sha1', 'a fourth').upper()}",
    f"the secret was {base64.b64encode(b'The quick brown fox 4711 jumps').decode()}",
    "aws s3 cp /srv/Backups/Shop/2026/October/03/full/dump.gz",
    "read AWSLogs/123456789012/CloudTrail/eu/2026/ of aws",
    "SecretsManagerRotationFunctionV2Resource0 of aws",
    f"request {uuid.UUID(int=_CHANCE.getrandbits(128), version=4)}",
    f"trace_id={_sha('md5', 'trace')} span_id={_sha('md5', 'span')[:16]}",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "order 4711-0815-2342",
    "order number 2026-000123-77",
    "invoice INV-20261003-0042 for 12 items",
    "tracking number 1Z999AA10123456784",
    "ISBN 978-3-16-148410-0",
    "job 18446744073709551615 finished",
    "snowflake 1541815603606036480",
    # Times and numbers.
    "2026-10-03T12:33:44.123456Z",
    "2026-10-03 12:33:44,123 +0200",
    "Sat, 03 Oct 2026 12:33:44 +1000 2026",
    "03.10.2026 12:33",
    "1790000000.123456",
    "start 1790000000123456789 end 1790000000223456789",
    "barcodes 4006381333931 and 4012345678901",
    "between -2147483648 and +2147483647",
    "took 0.5346278127364511 s",
    "price 1,299.00 EUR, was 1.499,00",
    "42 of 1000000 rows, 99.95 %",
    "range 10-20, 300-400 and 5000-6000",
    '127.0.0.1 - - "GET / HTTP/1.1" 200 512 1024',
    "12:33:44 up 16:32, load average: 0.89, 1.25, 1.75",
    "at 52.520008, 13.404954",
    # Versions and packages.
    "Python 3.11.7 on linux",
    "Django==5.1.2, psycopg[binary]>=3.2.1",
    "version 1.2.3.4 of the driver",
    "Chrome/126.0.6478.127 Safari/537.36",
    "Chrome/120.0.0.0",
    "react-dom@18.3.1 and lodash@4.17.21",
    "wheel foo-1.2.3.4-py3-none-any.whl",
    "PostgreSQL 18.6 (Debian 18.6-1.pgdg120+1)",
    # Names in programs.
    "django.core.handlers.exception.convert_exception_to_response",
    "std::vector<int>::push_back",
    "honed.storage.db.Database at 0x7f3a2c1b4d90",
    "/usr/lib/python3.11/site-packages/django/core/handlers/base.py",
    "get_self_improvement_engine_configuration",
    "AbstractSingletonProxyFactoryBean",
    "@app.route('/users/<int:user_id>')",
    "git clone git@github.com:acme/shop.git",
    "icon@2x.png",
    "SELECT id, email FROM users WHERE id = $1 AND state = %s",
    "x = values[1::2]",
    "margin: 0 auto; color: #ff8800",
    # Look-ups of secrets, which are none themselves.
    'password = os.environ["DATABASE_PASSWORD"]',
    "api_key=settings.API_KEY",
    "token = request.headers.get('X-Token')",
    "secret: ${{ secrets.DEPLOY_KEY }}",
    "password=${DB_PASSWORD}",
    "def login(user: str, password: str) -> None:",
    "login(user=user, password=password)",
    '{"password": "[Filtered]"}',
    "--pass" + "word ******",
    "postgresql://localhost:5432/shop",
    "https://example.com:8443/a/b?page=2&sort=-date#top",
    # Prose.
    "Invalid password for user 17",
    "password: must be at least 8 characters",
    "SyntaxError: unexpected token: '}'",
    "max_tokens: 4096, prompt_tokens=1281, total_tokens: 1530",
    "the bearer of bad news",
    "Basic authentication is required",
    "authorization: required",
    "KeyError: 'customer_key'",
    "The key question is whether the secret ballot passes.",
    "A task-force was sk-etched by disk-utility-manager-extended.",
    "Order 66 was executed at 5 p.m.; see section 4.2.1.3.",
    "He paid $1,000 & left.",
    _TRACEBACK,
)
