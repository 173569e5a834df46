import pytest

from rules.conditions import MISSING, Condition, find

RECORD = {
    "status_code": 500,
    "duration_ms": 12.5,
    "user": "ann",
    "ok": True,
    "nothing": None,
    "error": {"type": "KeyError", "message": "'sku'"},
    "request.path": "/literal",
    "request": {"path": "/nested", "tags": ["a", {"b": 7}]},
    "code": "500",
    "huge": 2**70,
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("status_code=500", True),
        ("status_code=500.0", True),
        ("status_code=50", False),
        ("code=500", True),
        ("code>=500", False),  # a text is no number
        ("status_code!=200", True),
        ("status_code>=500", True),
        ("status_code>500", False),
        ("status_code<=499.9", False),
        ("duration_ms<13", True),
        ("ok=true", True),
        ("ok>0", False),
        ("nothing=null", True),
        ("error.type=KeyError", True),
        ("error.type~^Key", True),
        ("error.type!~^Key", False),
        ("error.message='sku'", True),
        ("request.path=/literal", True),
        ("request.tags.1.b=7", True),
        ("request.tags.9=7", False),
        ("absent=x", False),
        ("absent~.*", False),
        ("absent!=x", True),
        ("absent!~x", True),
        ("absent>0", False),
        ("user=a=b", False),
        (" user = ann ", True),
        ("status_code~^5..$", True),
        ("huge=1180591620717411303424", True),
        ('request.tags=["a",{"b":7}]', True),
        ("user=", False),
    ],
)
def test_a_condition_is_asked_of_a_field(condition, holds):
    assert Condition.parse(condition).holds(RECORD) is holds


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("status_code", "is no condition such as"),
        ("=500", "is no condition such as"),
        (" =500", "names no field"),
        ("status_code>many", "compares numbers, and 'many' is none"),
        ("message~(", "is no regular expression"),
    ],
)
def test_a_mistake_is_told(condition, said):
    with pytest.raises(ValueError, match=said):
        Condition.parse(condition)


def test_a_name_with_dots_wins_over_a_path_at_every_depth():
    assert find({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert find({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c") == 1
    assert find({"a": {"b": None}}, "a.b.c") is MISSING
