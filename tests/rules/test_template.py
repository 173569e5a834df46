import math

import pytest

from rules.errors import TemplateError
from rules.template import check_template, render


@pytest.mark.parametrize(
    ("text", "value", "rendered"),
    [
        ("plain", 1, "plain"),
        ("{{ $labels.service }} is at {{$value}}", 0.05, "shop is at 0.05"),
        ("{{ $labels.missing }}!", 1, "!"),
        ("{{ $value }}", 3, "3"),
        ("{{ $value }}", 100_000, "100000"),
        ("{{ $value }}", 1_000_000, "1e+06"),
        ("{{ $value }}", 123_456_789, "1.23456789e+08"),
        ("{{ $value }}", 0.0001, "0.0001"),
        ("{{ $value }}", 0.00001, "1e-05"),
        ("{{ $value }}", math.inf, "+Inf"),
        ("{{ $value }}", math.nan, "NaN"),
        ("{{ $value | humanize }}", 0, "0"),
        ("{{ $value | humanize }}", 1_234_567, "1.235M"),
        ("{{ $value | humanize }}", 999, "999"),
        ("{{ $value | humanize }}", 0.00042, "420u"),
        ("{{ $value | humanize }}", -math.inf, "-Inf"),
        ("{{ $value | humanizePercentage }}", 0.123456, "12.35%"),
    ],
)
def test_texts_are_rendered_as_prometheus_renders_them(text: str, value: float, rendered: str) -> None:
    assert render(text, {"service": "shop"}, float(value)) == rendered


@pytest.mark.parametrize("action", ["query", "$labels", "$value | humanizeDuration", "range $x", "", "$externalURL"])
def test_any_other_action_is_refused_by_name(action: str) -> None:
    with pytest.raises(TemplateError) as raised:
        check_template(f"a {{{{ {action} }}}} b")
    assert str(raised.value) == f"{{{{ {action} }}}} is not supported yet"
