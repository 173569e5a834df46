"""Secrets are hidden before a record leaves the thread that logs it: by key, and by what they look like.

Most records hold none, and it has to take a fraction of a microsecond to know that. So `suspects` looks at the record
as it is encoded, for the few signs that each family of secrets has (`secret_patterns.Sign`); where one is, it looks
closer; and only what it suspects is walked and copied by `clean`. It may suspect too much, and never too little.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from string import ascii_letters, digits
from typing import Any

from logging_core.assignments import secrets_in
from logging_core.sanitize import MAX_DEPTH
from logging_core.secret_keys import DEFAULT_KEYS, SecretKeys
from logging_core.secret_patterns import DEFAULT_PATTERNS, Pattern, Sign

PLACEHOLDER = "[redacted]"
#: Deeper than anything that a record can hold once it was encoded.
_DEEPEST = MAX_DEPTH + 5

#: All that is no sign by itself. 0xEF begins the wide forms of : and = in UTF-8.
_NO_MARK = bytes({*range(256)} - {*b"=:BIJ\xef"})
_RUNS = bytes.maketrans((ascii_letters + digits).encode(), b"a" * 62)
_LONG = b"a" * 16
_TO_ZERO = bytes.maketrans(digits.encode(), b"0" * 10)
_CARD = b"0" * 13
_MAX_KEYS = 4096  #: harmless ones remembered


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
        self._patterns = tuple(Pattern(each) if isinstance(each, str) else each for each in patterns)
        self._placeholder = placeholder
        self._harmless: set[str] = set()
        signed = {sign: [each for each in self._patterns if each.sign is sign] for sign in (*Sign, None)}
        self._capital, self._long = _needles(signed[Sign.CAPITAL]), _needles(signed[Sign.LONG])
        self._separated, self._digits, self._unsigned = signed[Sign.SEPARATOR], signed[Sign.DIGITS], signed[None]

    def suspects(self, fields: Mapping[str, Any], encoded: bytes) -> bool:
        """Whether `clean` may change these fields, of which `encoded` is the JSON, as orjson writes it."""
        marks = encoded.translate(None, _NO_MARK)
        return bool(
            # Each key has a colon behind it. Whatever else is in there is a mark.
            (len(marks) != len(fields) and self._is_marked(fields, encoded, marks))
            or (not self._harmless.issuperset(fields) and self._has_secret_key(fields))
            or (encoded.translate(_RUNS).find(_LONG) >= 0 and _is_any_in(self._long, encoded))
            or (encoded.translate(_TO_ZERO, b" -").find(_CARD) >= 0 and self._holds_any(self._digits, fields))
            or (self._unsigned and self._holds_any(self._unsigned, fields))
        )

    def clean(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A copy with the placeholder in place of each secret; the containers inside are copies too."""
        return {key: self._clean_field(key, value, 1) for key, value in fields.items()}

    def text(self, text: str) -> str:
        """The same text with the placeholder in place of each secret."""
        lowered = text.lower()
        for pattern in self._patterns:
            if pattern.may_be_in(lowered):
                text = pattern.hide(text, self._placeholder)
        parts, done = [], 0
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
        if isinstance(value, (dict, list, tuple)):
            if depth > _DEEPEST:
                return self._placeholder
            if isinstance(value, dict):
                return {key: self._clean_field(key, item, depth + 1) for key, item in value.items()}
            return [self._clean(item, depth + 1) for item in value]
        return self._placeholder if self._is_in_number(self._digits, value) else value

    def _is_secret(self, key: Any) -> bool:
        return isinstance(key, str) and self._keys.is_secret(key)

    def _has_secret_key(self, keys: Iterable[Any]) -> bool:
        if len(self._harmless) > _MAX_KEYS:
            self._harmless.clear()
        for key in keys:
            if self._is_secret(key):
                return True
            self._harmless.add(key)
        return False

    def _is_marked(self, fields: Mapping[str, Any], encoded: bytes, marks: bytes) -> bool:
        """Whether the marks mean anything: capitals a token, separators a nested key, a URL or an assignment."""
        if marks.strip(b":=\xef") and _is_any_in(self._capital, encoded):
            return True
        colons = marks.count(b":")
        if colons == len(fields) and b"=" not in marks and b"\xef" not in marks:
            return False
        return any(self._is_separated(leaf) for leaf in self._leaves(fields))

    def _is_separated(self, leaf: Any) -> bool:
        if leaf is _SECRET:
            return True
        if type(leaf) is not str or not (":" in leaf or "=" in leaf or not leaf.isascii()):
            return False
        lowered = leaf.lower()
        return any(each.may_be_in(lowered) and each.is_in(leaf) for each in self._separated) or any(
            True for _ in secrets_in(leaf, self._keys)
        )

    def _holds_any(self, patterns: Iterable[Pattern], fields: Mapping[str, Any]) -> bool:
        return any(
            any(each.is_in(leaf) for each in patterns) if type(leaf) is str else self._is_in_number(patterns, leaf)
            for leaf in self._leaves(fields)
        )

    def _is_in_number(self, patterns: Iterable[Pattern], value: Any) -> bool:
        return type(value) is int and any(each.is_in(str(value)) for each in patterns)

    def _leaves(self, value: Any, depth: int = 0) -> Iterator[Any]:
        """All that is no container, and `_SECRET` for what is hidden by its key or its depth."""
        if not isinstance(value, (dict, list, tuple)):
            yield value
        elif depth > _DEEPEST or (isinstance(value, dict) and any(map(self._is_secret, value))):
            yield _SECRET
        else:
            for item in value.values() if isinstance(value, dict) else value:
                yield from self._leaves(item, depth + 1)


_SECRET = object()


def _gives_nothing_away(value: Any) -> bool:
    return value is None or isinstance(value, bool) or (isinstance(value, (str, dict, list, tuple)) and not value)


def _needles(patterns: Iterable[Pattern]) -> tuple[str, ...] | None:
    """What one of the patterns needs; None where one needs nothing."""
    needles = [each.needles for each in patterns]
    return None if () in needles else tuple(dict.fromkeys(needle for each in needles for needle in each))


def _is_any_in(needles: tuple[str, ...] | None, encoded: bytes) -> bool:
    if needles is None:
        return True
    lowered = encoded.lower().decode("latin-1")
    return any(needle in lowered for needle in needles)


@cache
def default_redactor() -> Redactor:
    """The one that every handler has, unless it is given another."""
    return Redactor()


def chosen(redact: bool | Redactor) -> Redactor | None:  # noqa: FBT001  # an argument of handlers, passed on
    """Who hides secrets: the default where `redact` is True, nobody where it is False."""
    return default_redactor() if redact is True else redact or None
