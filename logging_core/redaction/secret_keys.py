"""Which keys name a secret: `password`, `X-Api-Key`, `dbPassword`, and not `token_count`, `secretary` or `author`.

A key is split into words (at `_`, `-`, spaces and capitals) and is secret if the words of a secret name stand in it
side by side. A name of five or more letters may also end a longer word (`dbpassword`), and so may one in a script
without capitals. A last word that tells of a property of the secret (`count`, `type`, `expires`) makes a key harmless.
"""

import re
from collections.abc import Iterable
from string import ascii_lowercase, ascii_uppercase

#: Their words may be joined, or separated by whatever separates words; the case of ASCII letters is nothing.
DEFAULT_KEYS = (
    "password", "passwords", "passwd", "passphrase", "pwd", "password_hash", "passcode",
    "secret", "secrets", "secret_key", "secret_access_key",
    "token", "access_tokens", "refresh_tokens", "auth_tokens", "api_tokens", "jwt",
    "api_key", "api_keys", "access_key", "access_keys", "private_key", "private_keys", "encryption_key", "signing_key",
    "master_key", "account_key", "subscription_key", "auth_key", "ssh_key",
    "authorization", "auth_header", "credential", "credentials",
    "cookie", "cookies", "session_id", "session_key", "sess_id", "phpsessid",
    "csrf", "xsrf", "otp", "totp", "pin_code", "mfa_code",
    "card_number", "card_num", "card_no", "credit_card", "debit_card", "cvv", "cvv2", "cvc", "cvc2", "ssn",
    "social_security",
    "密码", "口令", "密钥", "令牌",
)  # fmt: skip

#: As the last word of a key they say what is told of the secret, and it is not the secret.
_PROPERTIES = frozenset({
    "count", "counts", "counter", "total", "used", "usage", "limit", "limits", "budget", "length", "len", "size",
    "type", "types", "name", "names", "field", "fields", "expiry", "expires", "expired", "expiration", "at", "in",
    "ttl", "age", "since", "until", "date", "time", "days", "seconds", "valid", "invalid", "verified", "changed",
    "reset", "required", "enabled", "disabled", "exists", "present", "missing", "status", "state", "policy",
    "strength", "url", "uri", "endpoint", "path", "file", "version", "issuer", "audience", "scope", "scopes",
    "algorithm", "alg", "provider", "kind", "class", "brand", "domain", "secure", "samesite", "httponly", "format",
    "error", "errors",
})  # fmt: skip
SEPARATORS = "_- "  #: between the words of one name
_SEGMENT = re.compile(r"[A-Za-z0-9_ \-\x80-\U0010ffff]+")  # all else (`.`, `/`, `[`) parts names
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\x00-\x7f]+")
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # `str.lower` would turn the Kelvin sign into a k
_SHORTEST_END = 5  #: letters of a name that may end a longer word
_MAX_VERDICTS, _MAX_KEY = 4096, 200  #: keys remembered; characters of a key that are looked at


class SecretKeys:
    """A set of secret names, and which keys carry one. `allow` lists whole keys that do not, whatever is in them."""

    def __init__(self, names: Iterable[str], allow: Iterable[str] = ()) -> None:
        self.names = tuple(dict.fromkeys(_checked(name) for name in names))
        self._joined = frozenset("".join(words_of(name)) for name in self.names)
        self._allowed = frozenset("".join(words_of(_checked(key))) for key in allow)
        self._last_words = frozenset(words[-1] for name in self.names if len(words := words_of(name)) > 1)
        self._verdicts: dict[str, bool] = {}

    def is_secret(self, key: str) -> bool:
        """Whether what stands under this key is to be hidden."""
        verdict = self._verdicts.get(key)
        if verdict is None:
            if len(self._verdicts) >= _MAX_VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[key[:_MAX_KEY]] = any(map(self._holds_name, _SEGMENT.findall(key[:_MAX_KEY])))
        return verdict

    def is_name(self, phrase: str) -> bool:
        """Whether these words are a secret name and nothing else, as in `api key: ...`."""
        joined = "".join(words_of(phrase))
        return joined in self._joined and joined not in self._allowed

    def may_end_phrase(self, word: str) -> bool:
        """Whether a name of several words ends in this one."""
        return word.lower() in self._last_words

    def _holds_name(self, segment: str) -> bool:
        words = words_of(segment)
        joined = "".join(words)
        if joined in self._allowed or not words:
            return False
        if joined in self._joined:
            return True
        return words[-1] not in _PROPERTIES and any(_stands_in(name, joined, words) for name in self._joined)


def words_of(key: str) -> list[str]:
    """`X-ApiKey` -> ["x", "api", "key"]."""
    return [word.translate(_LOWER) for word in _WORD.findall(key)]


def _stands_in(name: str, joined: str, words: list[str]) -> bool:
    """Whether the name ends where a word ends, and begins where one begins (or may end a longer word)."""
    if name not in joined:
        return False
    may_end_a_word = len(name) >= _SHORTEST_END or not name.isascii()
    start = 0
    for first, word in enumerate(words):
        rest = joined[start:]
        if rest.startswith(name) and _ends_a_word(len(name), words[first:]):
            return True
        if may_end_a_word and word.endswith(name):
            return True
        start += len(word)
    return False


def _ends_a_word(length: int, words: list[str]) -> bool:
    for word in words:
        length -= len(word)
        if length <= 0:
            return length == 0
    return False


def _checked(name: str) -> str:
    if not isinstance(name, str) or not words_of(name) or not _SEGMENT.fullmatch(name):
        raise ValueError(f"a key's name is letters and digits, with {SEPARATORS!r} between its words; not {name!r}")
    return name
