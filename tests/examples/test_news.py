from alerts.model import Alert, State, fingerprint
from alerts.notification import notify
from alerts.receivers.slack import attachment
from examples.demo.news import News, new_errors, news, repeated, wait_ms
from examples.sinks import Post


def alert(name: str, state: State, **labels: str) -> Alert:
    labels |= {"alertname": name}
    text = {"summary": "something of *NewErrorGroup* firing"}
    return Alert(
        fingerprint=fingerprint(labels),
        labels=labels,
        annotations=text,
        state=state,
        active_at=0,
        value=1,
        evidence="x",
    )


def post(at: float, *alerts: Alert) -> Post:
    return Post(at, {"attachments": [attachment(notify("people/slack/0", alerts, at))]})


POSTS = [
    post(2.0, alert("NewErrorGroup", State.FIRING, error_type="KeyError"), alert("HighErrorRate", State.FIRING)),
    post(
        3.0,
        alert("NewErrorGroup", State.FIRING, error_type="json.decoder.JSONDecodeError"),
        alert("NewErrorGroup", State.RESOLVED, error_type="KeyError"),
    ),
]


def test_the_alerts_of_a_message_are_read_back_from_its_text():
    assert news(POSTS) == [
        News(2.0, "HighErrorRate", "firing", ""),
        News(2.0, "NewErrorGroup", "firing", "KeyError"),
        News(3.0, "NewErrorGroup", "firing", "json.decoder.JSONDecodeError"),
        News(3.0, "NewErrorGroup", "resolved", "KeyError"),
    ]


def test_a_new_error_that_is_announced_again_is_found():
    assert repeated(news(POSTS)) == []
    assert repeated(news([*POSTS, POSTS[0]])) == ["NewErrorGroup of KeyError firing"]


def test_the_wait_is_the_median_over_the_errors_that_were_announced():
    heard = new_errors(news(POSTS))
    assert heard == {"KeyError": 2.0, "json.decoder.JSONDecodeError": 3.0}
    assert wait_ms({"KeyError": 1.9, "json.decoder.JSONDecodeError": 2.7, "OSError": 1.0}, heard) == 200
    assert wait_ms({"OSError": 1.0}, heard) is None
