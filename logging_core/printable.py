"""Texts of others, made safe to print to a terminal.

JSON escapes line breaks and the escape character, so nothing in a record can forge a line of a file. But C1 controls
(0x9b is ESC [ in one character) and the marks that reverse the direction of writing stand in JSON as they are, and
what was decoded has all of them again.
"""

_ESCAPED = (
    *range(0x20),
    *range(0x7F, 0xA0),  # DEL, C1
    0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A),  # line separators, direction
    0xFEFF, *range(0xFFF9, 0xFFFC), *range(0xD800, 0xE000), *range(0xE0000, 0xE0080),  # marks unseen, surrogates, tags
)  # fmt: skip
_TABLE = {code: chr(code).encode("unicode_escape").decode("ascii") for code in _ESCAPED}


def printable(text: str) -> str:
    r"""The text with controls, line breaks and unseen marks as escapes: `\x1b`, `\n`, `\u202e`."""
    return text if text.isprintable() else text.translate(_TABLE)
