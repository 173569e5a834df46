"""Secrets that a text gives by name: `password=...`, `api key: ...`, `"token": "..."`, `Cookie: ...`.

A separator is looked for with the words before it; whether they name a secret is for `SecretKeys` to say; only then is
the value read. So a harmless `error: ` never swallows the `token: ` behind it.
"""

import re
from collections.abc import Iterator

from logging_core.secret_keys import SecretKeys

#: Of a word in any script, and of none of their punctuation.
_LETTER = r"[\w\-\xc0-\u1fff\u2070-\u2fff\u3040-\ufeff\uff21-\uffdc\U00010000-\U0010ffff]"
_NAMED = re.compile(
    rf"(?:\\[nrt]|(?<!{_LETTER}))"  # a repr's \n is no part of the name behind it
    rf"(?P<phrase>(?:{_LETTER}++[ ]){{0,2}}(?P<word>{_LETTER}++))"
    r"(?:\\{0,8}[\"'`\])])?\s{0,8}(?P<separator>:=|=>|==?|:(?!:)|[：＝])[ \t]{0,8}",  # noqa: RUF001
    re.ASCII,
)
#: Of an unquoted value: a comma, semicolon or ampersand ends it before a space, the end or a further name; so does a
#: bracket that closes.
_BARE = (
    r"(?:[^\s,;&\"'`()\[\]{}<>|，；。、]"  # noqa: RUF001
    r"|[,;&](?!\s|$|[\w.\-]{1,64}[=:])|[)\]}>(\[{<|](?![\s,;&.)\]}>\"']|$))++"
)
_QUOTED = r"(?:[bBuUrR]{0,2})(?:\"(?P<double>(?:[^\"\\]|\\.)*+)|'(?P<single>(?:[^'\\]|\\.)*+)|\\+\"(?P<escaped>[^\"\\]*+))"
_GROUP = r"(?P<group>\[[^\[\]]*+\]?|\{[^{}]*+\}?|\([^()]*+\)?)"
_SCHEME = r"(?:(?:bearer|basic|token|digest|negotiate|ntlm|apikey)[ ]+)?"
_VALUE = re.compile(rf"{_QUOTED}|{_GROUP}|(?P<bare>(?i:{_SCHEME}){_BARE})", re.ASCII | re.DOTALL)
#: What headers hold: a scheme, items, more items behind commas and semicolons.
_ITEM = r"[^\s,;\"'(){}<>]*+(?:\"[^\"\\]*+\")?"
_HEADER = re.compile(
    rf"{_QUOTED}|{_GROUP}|(?P<bare>(?:[A-Za-z][\w-]{{0,40}}[ ]+(?=[^\s=:]))?{_ITEM}(?:[,;][ ]{{0,8}}[\w.\-]{{1,64}}(?:={_ITEM})?(?![\w:]))*+)",
    re.ASCII | re.DOTALL,
)
_NOTHING = frozenset({"", "none", "null", "nil", "true", "false", "undefined"})


def secrets_in(text: str, keys: SecretKeys) -> Iterator[tuple[int, int]]:
    """Where the values of secret names begin and end, from left to right, none inside another."""
    done = 0
    for named in _NAMED.finditer(text):
        if named.start() < done or not (keys.is_secret(named["word"]) or _is_phrase(named["phrase"], keys)):
            continue
        kind = _HEADER if _is_header(named["word"]) else _VALUE
        value = kind.match(text, named.end())
        if value is None or value.lastgroup is None:
            continue
        start, end = value.span(value.lastgroup)
        if text[start:end].lower() in _NOTHING or (
            value.lastgroup == "bare" and "=" in named["separator"] and _is_source_line(text, named.start())
        ):
            continue
        yield start, end
        done = end


def _is_phrase(phrase: str, keys: SecretKeys) -> bool:
    """Whether the last two or three words are a secret name, as in `the api key`."""
    words = phrase.split(" ")
    return any(keys.is_name(" ".join(words[first:])) for first in range(max(0, len(words) - 3), len(words) - 1))


def _is_header(word: str) -> bool:
    lowered = word.lower()
    return lowered.endswith(("cookie", "authorization"))


def _is_source_line(text: str, at: int) -> bool:
    """Whether this is a line of a program in a traceback: `token = read_token()` holds no secret."""
    start = text.rfind("\n", 0, at) + 1
    above = text.rfind("\n", 0, max(start - 1, 0)) + 1
    return text.startswith("    ", start) and text.startswith('  File "', above)
