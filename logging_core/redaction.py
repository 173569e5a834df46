"""stub"""

from typing import Any


class Redactor:
    def suspects(self, fields: dict[str, Any], encoded: bytes) -> bool:
        return False

    def clean(self, fields: dict[str, Any]) -> dict[str, Any]:
        return fields


_D = Redactor()


def redactor(redact: "bool | Redactor") -> "Redactor | None":
    return _D if redact is True else redact or None
