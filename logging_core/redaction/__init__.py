"""Secrets are hidden before a record leaves the thread that logs it: by key, and by what they look like.

Most records hold none, and it has to take a fraction of a microsecond to know that. So `suspects` looks at the record
as it is encoded, for the few signs that each family of secrets has (`secret_patterns.Sign`); where one is, it looks
closer; and only what it suspects is walked and copied by `clean`. It may suspect too much, and never too little.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from string import ascii_letters, digits
from typing import Any

from logging_core.redaction.assignments import has_separator, secrets_in
from logging_core.redaction.secret_keys import DEFAULT_KEYS, SecretKeys
from logging_core.redaction.secret_patterns import CAPITALS, DEFAULT_PATTERNS, Pattern, Sign
from logging_core.sanitize import MAX_DEPTH

PLACEHOLDER = "[redacted]"
#: Deeper than anything that a record can hold once it was encoded.
_DEEPEST = MAX_DEPTH + 5

#: All that is no sign by itself. 0xEF begins the wide forms of : and = in UTF-8.
_NO_MARK = bytes({*range(256)} - {*b"=:[\xef", *CAPITALS.encode()})
_RUNS = bytes.maketrans((ascii_letters + digits + "_-").encode(), b"a" * 64)
_LONG = b"a" * 20
_ID = re.compile(rb'(?<=")[0-9a-f\-]+"')  # a whole text
_TO_ZERO = bytes.maketrans(digits.encode(), b"0" * 10)
_CARD = b"0" * 13
#: The first of a pair is a name, not a text in which one occurs.
_MAX_PAIR_KEY, _NO_NAME = 64, re.compile(r"[^\w.\-']")
_CONTAINERS = (dict, list, tuple)
_FIRST = re.compile(rb'\["([^"\\]{1,256})",')  # of a list, if it is a text
_FIRST_CARD = 10**12
#: So many harmless keys, and as many texts of at most so many characters (messages, user agents), are remembered.
_MAX_REMEMBERED, _MAX_TEXT = 2048, 256


class Redactor:
    """Hides secrets in the fields of records and in texts.

    Args:
        keys: names of secrets (see secret_keys.py). `(*DEFAULT_KEYS, "iban")` adds to those we know.
        patterns: what secrets look like (see secret_patterns.py); a text is a regular expression.
        allow: whole keys that are never secret, whatever is in them.
        placeholder: what stands in a secret's place.

    Raises:
        ValueError: a bad key, pattern or placeholder.
    """

    def __init__(
        self,
        keys: Iterable[str] = DEFAULT_KEYS,
        patterns: Iterable[Pattern | str] = DEFAULT_PATTERNS,
        allow: Iterable[str] = (),
        placeholder: str = PLACEHOLDER,
    ) -> None:
        if not isinstance(placeholder, str):
            raise ValueError(f"placeholder is a text, not {placeholder!r}")
        self._keys = SecretKeys(keys, allow)
        self._placeholder = placeholder
        self._harmless: set[Any] = set()  # keys
        self._harmless_texts: set[str] = set()
        known = [Pattern(each) if isinstance(each, str) else each for each in patterns]
        signed = {sign: tuple(each for each in known if each.sign is sign) for sign in (*Sign, None)}
        self._sought = tuple(needle.encode() for needle in _needles(signed[Sign.NEEDLE]))
        self._long = _needles(signed[Sign.LONG])
        self._capitals = _by_capital(_needles(signed[Sign.CAPITAL]))
        self._separated, self._digits, self._unsigned = signed[Sign.SEPARATOR], signed[Sign.DIGITS], signed[None]
        self._signed = signed

    def suspects(self, fields: Mapping[str, Any], encoded: bytes) -> bool:
        """Whether `clean` may change these fields, of which `encoded` is the JSON, as orjson writes it."""
        for needle in self._sought:
            if encoded.find(needle) >= 0:
                return True
        marks = encoded.translate(None, _NO_MARK)
        return bool(
            # Each key has a colon behind it. Whatever else is in there is a mark.
            (len(marks) != len(fields) and self._is_marked(fields, encoded, marks))
            or (not self._harmless.issuperset(fields) and self._has_secret_key(fields))
            or ((at := (runs := encoded.translate(_RUNS)).find(_LONG)) >= 0 and self._has_long(encoded, runs, at))
            or (encoded.translate(_TO_ZERO, b" -").find(_CARD) >= 0 and self._holds(self._has_digits, fields))
            or (self._unsigned and self._holds(self._is_unsigned, fields))
        )

    def clean(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A copy with the placeholder in place of each secret; the containers inside are copies too."""
        return {key: self._clean_field(key, value, 1) for key, value in fields.items()}

    def text(self, text: str) -> str:
        """The same text with the placeholder in place of each secret."""
        for sign, patterns in self._signed.items():
            if sign is None or sign.may_be_in(text):
                for pattern in patterns:
                    if pattern.may_be_in(text):
                        text = pattern.hide(text, self._placeholder)
        if not has_separator(text):
            return text
        parts: list[str] = []
        done = 0
        for start, end in secrets_in(text, self._keys):
            parts += text[done:start], self._placeholder
            done = end
        return "".join((*parts, text[done:])) if parts else text

    def _clean_field(self, key: Any, value: Any, depth: int) -> Any:
        if self._is_secret(key) and not _gives_nothing_away(value):
            return self._placeholder
        return self._clean(value, depth)

    def _clean(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, _CONTAINERS):
            if depth > _DEEPEST:
                return self._placeholder
            if isinstance(value, dict):
                return {key: self._clean_field(key, item, depth + 1) for key, item in value.items()}
            if self._is_pair(value):  # of a header, say
                return [value[0], self._clean_field(value[0], value[1], depth + 1)]
            return [self._clean(item, depth + 1) for item in value]
        return self._placeholder if self._has_digits(value) else value

    def _is_secret(self, key: Any) -> bool:
        if isinstance(key, bytes):
            key = key.decode("latin-1")
        return isinstance(key, str) and self._keys.is_secret(key)

    def _is_pair(self, value: Any) -> bool:
        """Whether these two are a secret key and what stands under it."""
        if len(value) != 2 or not isinstance(value[0], (str, bytes)) or len(value[0]) > _MAX_PAIR_KEY:
            return False
        return self._is_secret(value[0]) and not _NO_NAME.search(str(value[0]))

    def _has_secret_key(self, keys: Iterable[Any]) -> bool:
        for key in keys:
            if self._is_secret(key):
                return True
            _remember(key, self._harmless)
        return False

    def _is_marked(self, fields: Mapping[str, Any], encoded: bytes, marks: bytes) -> bool:
        """Whether the marks mean anything: capitals a token, separators a nested key, a URL or an assignment."""
        if marks.isupper():  # nothing but capitals among what has a case, and at least one
            for capital, needles in self._capitals.items():
                if capital in marks and _is_any_in(needles, encoded):
                    return True
        if b"[" in marks and any(self._is_secret(name.decode()) for name in _FIRST.findall(encoded)):
            return True  # a pair
        if b"=" not in marks and b"\xef" not in marks:
            colons = marks.count(b":")
            if colons == len(fields):
                return False
            if encoded.find(b"{", 1) > 0:  # keys of dicts inside, perhaps nothing else
                keys = self._harmless_keys(fields)
                if keys is None or colons == keys:
                    return keys is None
        return self._is_given_away(fields)

    def _harmless_keys(self, value: Any, depth: int = 0) -> int | None:
        """How many keys there are in there, at all depths; None where one of them may be secret."""
        count = 0
        if isinstance(value, dict):
            if not self._harmless.issuperset(value) and self._has_secret_key(value):
                return None
            count = len(value)
            value = value.values()
        for item in value:
            kind = type(item)
            if kind is str or kind is int or not isinstance(item, _CONTAINERS):
                continue
            inner = None if depth > _DEEPEST else self._harmless_keys(item, depth + 1)
            if inner is None:
                return None
            count += inner
        return count

    def _is_given_away(self, value: Any, depth: int = 0) -> bool:
        """Whether there is a secret key in there, or a text with a separator that has a secret behind it."""
        if isinstance(value, dict):
            if not self._harmless.issuperset(value) and self._has_secret_key(value):
                return True
            value = value.values()
        for item in value:
            if isinstance(item, str):
                if (":" in item or "=" in item or not item.isascii()) and self._is_separated(item):
                    return True
            elif isinstance(item, _CONTAINERS) and (depth > _DEEPEST or self._is_given_away(item, depth + 1)):
                return True
        return False

    def _has_long(self, encoded: bytes, runs: bytes, at: int) -> bool:
        """Whether a needle goes with the long runs, unless all are texts of hex digits: ids of traces and requests."""
        while at >= 0:
            identifier = _ID.match(encoded, at)
            if identifier is None:
                return _is_any_in(self._long, encoded)
            at = runs.find(_LONG, identifier.end())
        return False

    def _holds(self, test: Callable[[Any], bool], value: Any, depth: int = 0) -> bool:
        """Whether there is a secret key in there, or a leaf that the test holds for."""
        if isinstance(value, dict):
            if not self._harmless.issuperset(value) and self._has_secret_key(value):
                return True
            value = value.values()
        for item in value:
            if isinstance(item, _CONTAINERS):
                if depth > _DEEPEST or self._holds(test, item, depth + 1):
                    return True
            elif test(item):
                return True
        return False

    def _is_separated(self, leaf: str) -> bool:
        if leaf in self._harmless_texts or not has_separator(leaf):
            return False
        for pattern in self._separated:
            if pattern.may_be_in(leaf) and pattern.is_in(leaf):
                return True
        if next(secrets_in(leaf, self._keys), None) is not None:
            return True
        if len(leaf) <= _MAX_TEXT:
            _remember(leaf, self._harmless_texts)
        return False

    def _has_digits(self, leaf: Any) -> bool:
        if type(leaf) is int:
            return leaf >= _FIRST_CARD and any(each.is_in(str(leaf)) for each in self._digits)
        return isinstance(leaf, str) and Sign.DIGITS.may_be_in(leaf) and any(each.is_in(leaf) for each in self._digits)

    def _is_unsigned(self, leaf: Any) -> bool:
        return isinstance(leaf, str) and any(each.is_in(leaf) for each in self._unsigned)


def _gives_nothing_away(value: Any) -> bool:
    return value is None or isinstance(value, bool) or (isinstance(value, (str, dict, list, tuple)) and not value)


def _remember(item: Any, known: set[Any]) -> None:
    if len(known) >= _MAX_REMEMBERED:
        known.clear()
    known.add(item)


def _needles(patterns: Iterable[Pattern]) -> tuple[str, ...]:
    """One of them is in each match of any of the patterns; the empty text is in everything."""
    return tuple(dict.fromkeys(needle for each in patterns for needle in each.needles or ("",)))


def _by_capital(needles: Iterable[str]) -> dict[bytes, tuple[str, ...]]:
    """The needles by the capital that they have, or under each of them where they have none."""
    groups: dict[bytes, tuple[str, ...]] = {letter.encode(): () for letter in CAPITALS}
    for needle in needles:
        for letter in next(filter(needle.__contains__, CAPITALS), CAPITALS):
            groups[letter.encode()] += (needle,)
    return groups


def _is_any_in(needles: Iterable[str], encoded: bytes) -> bool:
    text = encoded.decode("latin-1")
    for needle in needles:  # noqa: SIM110  # a generator takes half as long again
        if needle in text:
            return True
    return False


@cache
def default_redactor() -> Redactor:
    """The one that every handler has, unless it is given another."""
    return Redactor()


def chosen(redact: bool | Redactor) -> Redactor | None:  # noqa: FBT001  # an argument of handlers, passed on
    """Who hides secrets: the default where `redact` is True, nobody where it is False."""
    return default_redactor() if redact is True else redact or None
