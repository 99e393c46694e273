"""Secrets that must never be shown, and look-alikes that should be.

The secrets are put together from a shape and random letters, so that none of them is real and no
scanner of repositories takes fright.
"""

from __future__ import annotations

import base64
import random
import string

_random = random.Random(20260101)
_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"


def _draw(count: int, letters: str = _ALNUM) -> str:
    while True:
        drawn = "".join(_random.choice(letters) for _ in range(count))
        if any(letter.isdigit() for letter in drawn) or letters.isalpha():
            return drawn


def _b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _jwt() -> str:
    header = _b64('{"alg":"HS256","typ":"JWT"}')
    claims = _b64('{"sub":"' + _draw(12) + '"}')
    return f"{header}.{claims}.{_draw(43)}"


def _card(prefix: str, length: int) -> str:
    digits = prefix + "".join(_random.choice("0123456789") for _ in range(length - len(prefix) - 1))
    total = 0
    for place, digit in enumerate(reversed(digits + "0")):
        worth = int(digit) * (2 if place % 2 else 1)
        total += worth - 9 if worth > 9 else worth
    return digits + str(-total % 10)


_PREFIXED = [
    ("sk-", 48, _ALNUM),
    ("sk-proj-", 60, _ALNUM + "-_"),
    ("sk-ant-api03-", 80, _ALNUM + "-_"),
    ("sk-lf-", 32, _HEX),
    ("sk-or-v1-", 64, _HEX),
    ("sk-svcacct-", 50, _ALNUM),
    ("sk-admin-", 50, _ALNUM),
    ("sk_live_", 24, _ALNUM),
    ("sk_test_", 24, _ALNUM),
    ("rk_live_", 24, _ALNUM),
    ("whsec_", 32, _ALNUM),
    ("AKIA", 16, string.ascii_uppercase + "234567"),
    ("ASIA", 16, string.ascii_uppercase + "234567"),
    ("ghp_", 36, _ALNUM),
    ("gho_", 36, _ALNUM),
    ("ghu_", 36, _ALNUM),
    ("ghs_", 36, _ALNUM),
    ("ghr_", 36, _ALNUM),
    ("github_pat_", 82, _ALNUM + "_"),
    ("glpat-", 20, _ALNUM + "-_"),
    ("gldt-", 20, _ALNUM),
    ("glrt-", 20, _ALNUM),
    ("xoxb-", 40, string.digits + "-"),
    ("xoxp-", 60, _ALNUM),
    ("xoxa-", 40, _ALNUM),
    ("xoxr-", 40, _ALNUM),
    ("xoxs-", 40, _ALNUM),
    ("xapp-1-", 50, _ALNUM),
    ("AIza", 35, _ALNUM + "-_"),
    ("ya29.", 60, _ALNUM + "-_"),
    ("GOCSPX-", 28, _ALNUM + "-_"),
    ("1//0", 40, _ALNUM + "-_"),
    ("hf_", 34, _ALNUM),
    ("gsk_", 52, _ALNUM),
    ("r8_", 37, _ALNUM),
    ("npm_", 36, _ALNUM),
    ("pypi-AgEIcHlwaS5vcmc", 60, _ALNUM),
    ("dop_v1_", 64, _HEX),
    ("lsv2_pt_", 43, _HEX),
    ("xai-", 80, _ALNUM),
    ("nvapi-", 64, _ALNUM),
    ("pplx-", 48, _ALNUM),
    ("tvly-", 32, _ALNUM),
    ("hvs.", 90, _ALNUM),
    ("dapi", 32, _HEX),
    ("shpat_", 32, _HEX),
    ("sq0atp-", 22, _ALNUM),
    ("sq0csp-", 43, _ALNUM),
    ("SK", 32, _HEX),
    ("key-", 32, _HEX),
    ("lin_api_", 40, _ALNUM),
    ("secret_", 43, _ALNUM),
    ("ntn_", 46, _ALNUM),
    ("pcsk_", 60, _ALNUM),
    ("figd_", 40, _ALNUM),
    ("sntrys_", 60, _ALNUM),
    ("dckr_pat_", 27, _ALNUM),
    ("AGE-SECRET-KEY-1", 58, string.ascii_uppercase + string.digits),
    ("EAAG", 80, _ALNUM),
    ("PMAK-", 59, _HEX),
    ("rubygems_", 48, _HEX),
    ("glsoat-", 20, _ALNUM),
    ("glptt-", 40, _HEX),
    ("xoxe.xoxp-", 40, _ALNUM),
    ("ATATT3", 60, _ALNUM + "-_"),
    ("pat-na1-", 36, _HEX + "-"),
    ("pat-eu1-", 36, _HEX + "-"),
    ("fw_", 24, _ALNUM),
    ("sbp_", 40, _HEX),
    ("shpca_", 32, _HEX),
    ("shppa_", 32, _HEX),
    ("shpss_", 32, _HEX),
    ("glc_", 60, _ALNUM),
    ("rnd_", 28, _ALNUM),
    ("re_", 32, _ALNUM),
    ("tk_", 32, _ALNUM),
    ("sk_", 48, _HEX),
    ("rk_test_", 24, _ALNUM),
    ("api_org_", 34, _ALNUM),
    ("doo_v1_", 64, _HEX),
    ("dor_v1_", 64, _HEX),
    ("lsv2_sk_", 43, _HEX),
    ("hvb.", 90, _ALNUM),
    ("hvr.", 90, _ALNUM),
    ("ABIA", 16, string.ascii_uppercase + "234567"),
    ("ACCA", 16, string.ascii_uppercase + "234567"),
]


PREFIXES = [prefix for prefix, _, _ in _PREFIXED] + ["eyJ", "SG.", "xoxb-", "hooks.slack.com/services/"]
"""How keys and tokens begin."""


def _tokens() -> list[tuple[str, str]]:
    """Text with a secret in it, and the part of it that must not be seen."""
    found = []
    for prefix, count, letters in _PREFIXED:
        body = _draw(count, letters)
        found.append((prefix + body, body))
    for _ in range(4):
        token = _jwt()
        found.append((token, token.rpartition(".")[2]))
    first = _draw(22)
    found.append((f"SG.{first}.{_draw(43)}", first))
    bot = "AA" + _draw(33)
    found.append((f"{_draw(9, string.digits)}:{bot}", bot))
    discord = _draw(38)
    found.append((f"M{_draw(25)}.{_draw(6)}.{discord}", discord))
    hook = _draw(24)
    found.append((f"https://hooks.slack.com/services/T{_draw(8)}/B{_draw(8)}/{hook}", hook))
    return found


_CARD_KINDS = [
    ("4", 16),
    ("51", 16),
    ("55", 16),
    ("2221", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("3528", 16),
]
_PASSWORDS = ["hunter2", "S3cr3t!pass", "correct-horse9", "p@ss.W0rd~x", "Tr0ub4dor&3"]


def _in_text() -> list[tuple[str, str]]:
    found = []
    for _ in range(4):
        body = _draw(40)
        found += [
            (f"Authorization: Bearer {body}", body),
            (f'curl -H "authorization: bearer {body}" https://example.com', body),
            (f"{{'Authorization': 'Token {body}'}}", body),
            (f"https://example.com/v1?api_key={body}&page=2", body),
            (f"OPENAI_API_KEY={body}", body),
            (f'"client_secret": "{body}"', body),
            (f"x-api-key: {body}", body),
            (f"Cookie: session={body}; theme=dark", body),
            (f"AccountName=me;AccountKey={body};EndpointSuffix=core.windows.net", body),
            (f'{{\\"access_token\\": \\"{body}\\"}}', body),
        ]
        found += [
            (f"Cookie: theme=dark; session={body}", body),
            (f"Set-Cookie: sid={body}; Path=/; HttpOnly", body),
            (f"GET /cart;JSESSIONID={body}.node1", body),
            (f"sent session_id={body} along", body),
            (f'[{{"name": "PATH", "value": "/bin"}}, {{"name": "API_TOKEN", "value": "{body}"}}]', body),
        ]
    for password in _PASSWORDS:
        found += [
            (f"curl -u admin:{password} https://example.com/", password),
            (f"curl -s --user 'admin:{password}' example.com", password),
            (f"admin:{password}@tcp(db.internal:3306)/shop", password),
            (f"jdbc:oracle:thin:scott/{password}@//db:1521/shop", password),
            (f"db:\n  host: db.internal\n  password: {password}\n  port: 5432", password),
            (f"[db]\nuser = bob\npassword = {password}\n", password.partition("&")[0]),
            (f'{{"Key": "DB_PASSWORD", "Value": "{password}"}}', password),
            (f"{{'password': b'{password}'}}", password),
            (f"postgresql://admin:{password}@db.internal:5432/shop", password),
            (f"redis://:{password}@cache:6379/0", password),
            (f"password={password}", password.partition("&")[0]),
            (f'login failed: {{"password": "{password}", "user": "bob"}}', password),
            (f"connect(user='bob', passwd='{password}')", password),
            (f"DB_PASSWORD: {password}", password.partition("&")[0]),
        ]
    for password in ("hunter2", "correct-horse9", "Tr0ub4dor"):
        found += [
            (f"Use bob; the password is {password}.", password),
            (f"my API key was '{password}', now it is gone", password),
        ]
    basic = base64.b64encode(b"aladdin:opensesame").decode()
    found.append((f"Authorization: Basic {basic}", basic))
    found.append((f"sent Basic {basic} to the proxy", basic))
    userinfo = _draw(32)
    found.append((f"git clone https://{userinfo}@github.com/me/repo.git", userinfo))
    for kind in (
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ):
        body = _draw(64)
        found.append((f"-----BEGIN {kind}-----\n{body}\n{_draw(64)}\n-----END {kind}-----", body))
    for prefix, length in _CARD_KINDS:
        number = _card(prefix, length)
        found.append((f"card {number}, valid thru 12/29", number))
        if length == 16:
            spaced = " ".join(number[index : index + 4] for index in range(0, 16, 4))
            found += [(f"paid with {spaced}.", spaced), (spaced.replace(" ", "-"), spaced.replace(" ", "-"))]
    return found


SECRETS: list[tuple[str, str]] = _tokens() + _in_text()
"""A text, and the part of it that must not be seen."""

SECRET_KEYS = """password passwd pwd api_key apiKey API-KEY openai_api_key OPENAI_API_KEY x-api-key
authorization Authorization Proxy-Authorization token access_token accessToken refresh_token
id_token auth_token github_token bot_token csrf_token session_token secret client_secret
clientSecret SECRET_KEY aws_secret_access_key private_key privateKey passphrase credentials
db_password passwordHash cookie set-cookie cookies auth basic_auth bearer cvv ssn signing_key
encryption_key connection_string card_number user.password DB_PASS smtp_pass""".split()

INNOCENT_KEYS = """author authors author_name authority authenticated auth_type auth_method token_count
tokens total_tokens max_tokens prompt_tokens completion_tokens token_usage tokens_used token_type
next_token next_page_token eos_token pad_token bos_token stop_token token_limit token_budget
tokenizer tokenized session_key session_id session key keys primary_key foreign_key key_points
keyword keywords cache_key sort_key partition_key public_key keyboard monkey secretary
password_policy password_length password_required passwords_changed_at secret_name cookie_banner
cookie_policy passage compass bypass pass pass_rate cardinality card cardboard credential_type
description assign signature_count basic bearer_type access_level api_version api_url monkey_patch
turkey hockey keynote""".split()

INNOCENT_TEXTS = [
    "The password is required, and the token is invalid.",
    "The password is at least 8-16 characters long",
    "Its secret is base64-encoded, the key is sha256-hashed",
    "if the token is None, log in again",
    "My secret is that the auth was disabled in 2019",
    "docker run -u 1000:1000 image",
    "curl -u $USER:$PASSWORD https://example.com",
    "curl https://example.com:8080/health",
    "session_id=chat-2024-11-02-000123",
    "session_id=7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "sid=42",
    '{"name": "color", "value": "red"}',
    '{"Key": "Environment", "Value": "production"}',
    "user:\n  name: text\n  password: string\n  token: required",
    "type: object\ntoken: optional",
    "listening at tcp(localhost:3306)",
    "Cookie: none",
    "The author wrote about token counts: 512 tokens in all.",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "3f786850e387550fdab836ed7e6dc881de23001b  README.md",
    "550e8400-e29b-41d4-a716-446655440000",
    "id=7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "session_key=order-2024-000123",
    "Basic understanding of JavaScript",
    "bearer authentication is required",
    "The bearer of this letter",
    "basic authentication scheme",
    "a token is a piece of text: see below",
    "token: string",
    "password: required",
    "Enter your password:",
    "The secret: patience and time.",
    "key: value",
    "keys: a, b, c",
    "max_tokens=4096",
    "token_count=1204",
    "prompt_tokens: 1,204",
    "usage = {'total_tokens': 2048}",
    "https://example.com/path?page=2&sort=key",
    "https://user@example.com/inbox",
    "http://localhost:8080/api/v1/items",
    "mailto:someone@example.com",
    "git@github.com:me/repo.git",
    "2024-01-02T03:04:05.123456+00:00",
    "1732280000000000000",
    "1732280000123",
    "+1 (555) 123-4567",
    "order 1234567890123456",
    "ISBN 978-3-16-148410-0",
    "tracking 9400 1000 0000 0000 0000 00",
    "invoice 2024-0001-0002-0003",
    "IBAN DE89 3704 0044 0532 0130 00",
    "192.168.100.200",
    "v1.2.3-beta.4+build.567",
    "desk-organizer-and-shelf-unit-deluxe",
    "risk-assessment-for-the-second-quarter",
    "task-list-item-checkbox-label",
    "sk-toggleable__label-arrow",
    "disk-encryption-overview",
    "ask-me-anything-about-python-3",
    "pypi-package-name-of-some-length",
    "hf_model_name",
    "key-value-store-implementation",
    "npm_config_registry",
    "self.token = token",
    "api_key=api_key",
    "password=settings.password",
    "token=get_token()",
    "api_key=os.environ['API_KEY']",
    "password = None",
    "secret=None, token=None",
    "return authorization == expected",
    "def authenticate(user, password):",
    "if password is None:",
    "tokens = text.split()",
    "author: Jane Austen",
    "Authors: A, B",
    "the key to success: work",
    "monkey=see, monkey=do",
    "turkey: roast",
    "signal=SIGTERM",
    "design: minimal",
    "assigned: 3",
    "aGVsbG8gd29ybGQ",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit",
    "a" * 64,
    "0" * 40,
    "1" * 16,
    "deadbeef" * 4,
    "/usr/local/lib/python3.12/site-packages/pocketflow/__init__.py",
    "C:\\Users\\someone\\AppData\\Local",
    "CustomerSupportTicketAnalysisFlowWithRetries",
    "THE_QUICK_BROWN_FOX_JUMPS_OVER",
    "error_code=E1234567",
    "x-request-id: req_8f2c4d6e8a0b2c4d",
    'etag: W/"0815"',
    "trace_id=4bf92f3577b34da6a3ce929d0e0e4736",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "gpt-4o-mini-2024-07-18",
    "claude-3-5-sonnet-20241022",
    "text-embedding-3-small",
    "今天的令牌数量: 512",
    "clé: valeur",
    "пароль не задан",
    "pi=3.14159265358979323846",
    "hash=5d41402abc4b2a76b9719d911017c592",
    "seed: 1234567",
    "asic design flow",
    "hooks.slack.com/docs",
    "eyJ",
    "sk-learn",
    "AKIA is the prefix of access keys",
    "ghp_ is a prefix",
    "xoxb- tokens",
]
