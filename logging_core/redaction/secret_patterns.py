"""What a secret looks like inside a text, whatever its key: one pattern for each family.

The expressions are linear: no repetition stands inside another over the same characters, and what might be tried again
from each of many starts is bounded in length.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

CAPITALS = "IJB"


class Sign(Enum):
    """What every text with a secret of the family has, and few others: seen in a whole record at once, in no time."""

    CAPITAL = "a capital B, I or J"
    SEPARATOR = "= or : inside a value"
    LONG = "20 ASCII letters, digits, dashes and underscores without a break"
    NEEDLE = "one of its needles"
    DIGITS = "13 digits, with nothing but spaces and dashes in between"

    def may_be_in(self, text: str) -> bool:
        """Whether it is worth looking for secrets with this sign in a text."""
        if self is Sign.CAPITAL:
            return "I" in text or "B" in text or "J" in text
        if self is Sign.SEPARATOR:
            return ":" in text or "=" in text
        return self is Sign.NEEDLE or len(text) >= (20 if self is Sign.LONG else 13)


@dataclass(frozen=True)
class Pattern:
    """One family of secrets.

    Args:
        regex: what is hidden: the group `secret` where there is one, else all that matches. Its classes, and `(?i)`,
            are about ASCII.
        needles: pieces of text, one of which is in every match. Without them every text of every record is searched.
        sign: what is in every match, besides. A needle of one with `Sign.CAPITAL` has the capital in it.
        confirm: has the last word on what was found.

    Raises:
        ValueError: for an expression that is none or that matches the empty text, or a needle that JSON would escape.
    """

    regex: str
    needles: tuple[str, ...] = ()
    sign: Sign | None = None
    confirm: Callable[[str], bool] | None = None

    def __post_init__(self) -> None:
        if self.compiled.search(""):
            raise ValueError(f"redaction pattern {self.regex!r} matches the empty text")
        for needle in self.needles:
            if not re.fullmatch(r"[ !#-\[\]-~]+", needle):
                raise ValueError(f"redaction pattern {self.regex!r}: needle {needle!r} is not plain ASCII")
            if self.sign is Sign.CAPITAL and not set(CAPITALS) & set(needle):
                raise ValueError(f"redaction pattern {self.regex!r}: needle {needle!r} has none of {CAPITALS}")

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The expression, ready."""
        try:
            return re.compile(self.regex, re.ASCII)
        except re.error as error:
            raise ValueError(f"redaction pattern {self.regex!r}: {error}") from error

    def may_be_in(self, text: str) -> bool:
        """Whether it is worth searching a text."""
        for needle in self.needles:
            if needle in text:
                return True
        return not self.needles

    def is_in(self, text: str) -> bool:
        """Whether there is such a secret in the text."""
        return self.may_be_in(text) and any(
            self.confirm is None or self.confirm(match[self._group]) for match in self.compiled.finditer(text)
        )

    def hide(self, text: str, placeholder: str) -> str:
        """The text with the placeholder in place of each secret of this family."""

        def hidden(match: re.Match[str]) -> str:
            if self.confirm is not None and not self.confirm(match[self._group]):
                return match[0]
            start, end = match.span(self._group)
            return match[0][: start - match.start()] + placeholder + match[0][end - match.start() :]

        return self.compiled.sub(hidden, text)

    @cached_property
    def _group(self) -> str | int:
        return "secret" if "secret" in self.compiled.groupindex else 0


#: Issuers' prefixes with the lengths of their numbers, so that times and the ids of most systems are none.
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,16}|35\d{14,17}"  # American Express, Diners, JCB
    r"|(?:50|5[6-9]|6\d)\d{11,17}",  # Maestro, Discover, UnionPay
    re.ASCII,
)


def is_card_number(text: str) -> bool:
    """Whether these digits (spaces and dashes aside) are of an issuer's form and fulfil Luhn's rule."""
    digits = text.replace(" ", "").replace("-", "")
    if not _ISSUED.fullmatch(digits):
        return False
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def _is_user_and_password(encoded: str) -> bool:
    """Whether this is base64 of `user:password`; "Basic knowledge" is not."""
    try:
        return b":" in b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except Error:
        return False


_RUN = re.compile(r"[A-Za-z0-9]{16}")
_LONG_RUN = re.compile(r"[\w-]{20}", re.ASCII)
_MIXED = re.compile(r"(?=.*[A-Z]).*[a-z]")


def _is_random(text: str) -> bool:
    """Whether it has digits, and is long without a break or of both cases: not made of words alone."""
    return any(map(str.isdigit, text)) and (_RUN.search(text) or _MIXED.match(text)) is not None


_APART = r"(?<![A-Za-z0-9])"  #: the beginning of a word
_NO_CREDENTIAL = r"(?!(?:tokens?|auth\w*|scheme|realm|header|credentials?|required|missing|invalid|expected)\b)"
#: To the next @, or to where the password surely ends.
_UP_TO_AT = r"""[^\s@"'<>:{0}]*+(?::(?!//)[^\s@"'<>:{0}]*+)*+"""

DEFAULT_PATTERNS = (
    # PEM, to its end or to that of a text that was cut
    Pattern(
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?P<secret>(?s:.*?)(?=-----END [A-Z0-9 ]{0,40}PRIVATE KEY)|(?s:.+))",
        ("-----BEGIN",),
        Sign.CAPITAL,
    ),
    # scheme://user:password@host, with or without @ and slashes in the password; up to the next ://
    Pattern(
        r"""://[^\s/?\#@:"'<>]{0,256}+:(?P<secret>[^\s/?\#"'<>][^\s/?\#@"'<>]*+"""
        rf"""(?:@{_UP_TO_AT.format("?#,")})*(?<!/)(?=@)|(?!\d{{1,5}}[/?\#]|//)"""
        rf"""[^\s@"'<>]{_UP_TO_AT.format("")}(?:@{_UP_TO_AT.format("")})*(?=@))""",
        ("://",),
        Sign.SEPARATOR,
    ),
    Pattern(
        r"://hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<secret>[\w/+-]+)",
        ("://hooks.slack",),
        Sign.SEPARATOR,
    ),
    Pattern(
        r"://(?:\w{1,20}\.)?discord(?:app)?\.com/api/(?:v\d{1,3}/)?webhooks/\d{1,30}/(?P<secret>[\w-]+)",
        ("/webhooks/",),
        Sign.SEPARATOR,
    ),
    # parameters of URLs that are secret there alone
    Pattern(
        r"(?i)[?&;](?:[\w-]{0,40}signature|sig|(?:key|code|auth)(?==[^\s&\#\"'<>]{16}))=(?P<secret>[^\s&\#\"'<>]+)",
        ("=",),
        Sign.SEPARATOR,
    ),
    Pattern(  # JWT; that the run it begins in ends in a dot is asked once for each run
        r"(?<![\w-])(?=[\w-]++\.[\w-]{4})[\w-]*?(?P<secret>eyJ[\w-]{7,}+\.[\w-]++(?:\.[\w-]*+){0,3})",
        ("eyJ",),
        Sign.CAPITAL,
    ),
    Pattern(_APART + r"A(?:KI|SI|BI)A[A-Z0-9]{16}(?![A-Za-z0-9])", ("IA",), Sign.CAPITAL),  # AWS
    Pattern(_APART + r"AIza[\w-]{35}", ("AIza",), Sign.CAPITAL),  # Google
    Pattern(_APART + r"ya29\.[\w-]{20,}", ("ya29.",), Sign.LONG),
    Pattern(_APART + r"GOCSPX-[\w-]{20,}", ("GOCSPX-",), Sign.LONG),
    Pattern(_APART + r"gh[pousr]_[A-Za-z0-9]{16,}", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), Sign.LONG),  # GitHub
    Pattern(_APART + r"github_pat_\w{20,}", ("github_pat_",), Sign.LONG, _is_random),
    Pattern(_APART + r"glpat-[\w-]{16,}", ("glpat-",), Sign.LONG),  # GitLab
    Pattern(_APART + r"(?:xox[a-z]|xapp)-[\w.-]{16,}", ("xox", "xapp-"), Sign.LONG, _is_random),  # Slack
    Pattern(
        _APART + r"[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16,}", ("k_live_", "k_test_", "k_prod_"), Sign.LONG
    ),  # Stripe
    Pattern(_APART + r"whsec_[\w+/=-]{16,}", ("whsec_",), Sign.NEEDLE),
    # OpenAI, Anthropic and those like them
    Pattern(r"(?<![\w-])sk-(?:proj|svcacct|admin|ant|or)-[\w-]{20,}", ("sk-",), Sign.LONG),
    Pattern(r"(?<![\w-])sk-[\w-]{20,}", ("sk-",), Sign.LONG, _is_random),
    Pattern(_APART + r"hf_[A-Za-z0-9]{30,}", ("hf_",), Sign.LONG),  # Hugging Face
    Pattern(_APART + r"npm_[A-Za-z0-9]{36}", ("npm_",), Sign.LONG),
    Pattern(_APART + r"pypi-[\w-]{50,}", ("pypi-",), Sign.LONG),
    Pattern(
        _APART + r"B(?:earer|EARER)\s+" + _NO_CREDENTIAL + r"(?P<secret>[\w.~+/=-]{6,})",
        ("Bearer", "BEARER"),
        Sign.CAPITAL,
    ),
    Pattern(
        _APART + r"bearer\s+(?P<secret>[\w.~+/=-]{20,})",
        ("bearer",),
        Sign.LONG,
        lambda text: bool(_LONG_RUN.search(text)),
    ),
    Pattern(
        _APART + r"B(?:asic|ASIC)\s+(?P<secret>[A-Za-z0-9+/]{6,}={0,2})",
        ("Basic", "BASIC"),
        Sign.CAPITAL,
        _is_user_and_password,
    ),
    # card numbers, in one piece or in groups as they are printed; what follows may be digits too (12/27)
    Pattern(_APART + r"\d{4}(?:[ -]\d{4}){3}[ -]\d{3}(?![A-Za-z0-9])", (), Sign.DIGITS, is_card_number),
    Pattern(
        _APART + r"(?<!\d\.)(?:\d{13,19}|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{4}(?:[ -]\d{4}){2}[ -]\d{1,4})(?![A-Za-z0-9])",
        (),
        Sign.DIGITS,
        is_card_number,
    ),
)
