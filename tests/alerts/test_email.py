import socket
import ssl
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from alerts.errors import ReceiverRejectedError, ReceiverUnavailableError, ReceiverUncertainError
from alerts.receivers import email as email_receiver
from alerts.receivers.base import Secret, hand_over
from alerts.receivers.email import EmailReceiver
from examples.sinks import MailSink

NOW = 1_800_000_000.0


def receiver(smarthost, **own):
    host, _, port = smarthost.rpartition(":")
    settings = {
        "to": "a@example.org, b@example.org",
        "mailbox": "a@example.org",
        "sender": "Tocsin <tocsin@example.org>",
        "require_tls": False,
    }
    return EmailReceiver(name="ops/email/0", send_resolved=True, host=host, port=int(port), **settings | own)


def refused(one, notification, kind):
    with pytest.raises(kind) as caught:
        one.deliver(notification, NOW)
    assert "sesame" not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_a_mail_has_a_text_and_an_html_part_that_say_the_same(mail, alert, notification):
    sent = notification(alert(error_type="ZeroDivisionError", evidence="division by zero"))
    receiver(mail.smarthost).deliver(sent, NOW)
    (got,) = mail.mails
    assert got["Subject"] == "[FIRING:1] NewErrorGroup (shop)"
    assert (got["From"], got["To"]) == ("Tocsin <tocsin@example.org>", "a@example.org, b@example.org")
    assert got["Date"] == "Fri, 15 Jan 2027 08:00:00 +0000"
    assert got["Message-Id"] == f"<{sent.id}@example.org>"
    for kind in ("plain", "html"):
        text = got.get_body((kind,)).get_content()
        for part in ("it broke", "ZeroDivisionError", "division by zero", "critical"):
            assert part in text


def test_the_html_part_shows_what_a_log_says_and_obeys_none_of_it(mail, alert, notification):
    receiver(mail.smarthost).deliver(notification(alert(evidence="<script>alert(1)</script>")), NOW)
    html = mail.mails[0].get_body(("html",)).get_content()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html


def test_no_text_gets_a_header_of_its_own(mail, alert, notification):
    hostile = "shop\r\nBcc: all@example.org\n\nhello"
    receiver(mail.smarthost, headers={"X-Team": "ops\nBcc: all@example.org"}).deliver(
        notification(alert(service=hostile)), NOW
    )
    (got,) = mail.mails
    assert got["Bcc"] is None
    assert got["X-Team"] == "ops Bcc: all@example.org"
    assert got["Subject"] == "[FIRING:1] NewErrorGroup (shop Bcc: all@example.org hello)"


def test_headers_of_the_configuration_win(mail, notification):
    receiver(mail.smarthost, headers={"subject": "Alarm"}).deliver(notification(), NOW)
    assert mail.mails[0].get_all("Subject") == ["Alarm"]


def test_without_tls_nothing_is_sent_unless_that_is_allowed(mail, notification):
    one = receiver(mail.smarthost, require_tls=True, username="me", password=Secret(SecretStr("sesame")))
    assert "STARTTLS" in refused(one, notification(), ReceiverUnavailableError)
    assert mail.mails == []


@pytest.fixture
def tls(monkeypatch):
    """A server's certificate, which this process trusts."""
    certificate = Path(__file__).with_name("localhost.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def test_with_tls_it_logs_in_and_sends(tls, notification):
    with MailSink(tls, password="sesame") as sink:
        login = {"username": "me", "password": Secret(SecretStr("sesame")), "require_tls": True}
        receiver(sink.smarthost, **login).deliver(notification(), NOW)
        assert len(sink.mails) == 1


def test_a_wrong_password_is_refused_for_good(tls, notification):
    with MailSink(tls, password="another") as sink:
        login = {"username": "me", "password": Secret(SecretStr("sesame")), "require_tls": True}
        assert ": 535 " in refused(receiver(sink.smarthost, **login), notification(), ReceiverRejectedError)


def test_a_certificate_that_nobody_vouches_for_is_not_talked_to(tls, monkeypatch, notification):
    monkeypatch.delenv("SSL_CERT_FILE")
    with MailSink(tls) as sink:
        one = receiver(sink.smarthost, require_tls=True)
        assert "SSLCertVerificationError" in refused(one, notification(), ReceiverUnavailableError)
        assert sink.mails == []


def test_a_temporary_failure_is_worth_another_try_and_a_permanent_one_is_not(mail, notification):
    one = receiver(mail.smarthost)
    mail.answers += ["451 come back later", "554 never"]
    assert refused(one, notification(), ReceiverUnavailableError).endswith(": 451 come back later")
    assert refused(one, notification(), ReceiverRejectedError).endswith(": 554 never")
    one.deliver(notification(), NOW)
    assert len(mail.mails) == 1


def test_a_port_where_nobody_listens_is_unavailable(notification):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    refused(receiver(f"127.0.0.1:{port}"), notification(), ReceiverUnavailableError)


def test_each_mailbox_gets_a_mail_of_its_own(mail, notification):
    receiver(mail.smarthost, mailbox="b@example.org").deliver(notification(), NOW)
    assert mail.mails[0]["To"] == "a@example.org, b@example.org"
    assert mail.mailboxes == ["b@example.org"]


def test_a_server_that_takes_its_time_over_the_mail_is_waited_for(monkeypatch, mail, notification):
    monkeypatch.setattr(email_receiver, "TIMEOUT", 0.3)
    mail.delay = 0.6
    receiver(mail.smarthost).deliver(notification(), NOW)
    assert len(mail.mails) == 1


def test_a_mail_without_an_answer_may_have_been_taken(monkeypatch, mail, notification):
    monkeypatch.setattr(email_receiver, "DATA_TIMEOUT", 0.1)
    mail.delay = 0.5
    assert refused(receiver(mail.smarthost), notification(), ReceiverUncertainError).endswith(": no answer to the mail")


def test_a_password_that_cannot_be_sent_is_told_without_it(mail, notification):
    one = receiver(mail.smarthost, username="me", password=Secret(SecretStr("gehäim-sesame")))
    assert "not ASCII" in refused(one, notification(), ReceiverUnavailableError)


def test_whatever_a_library_raises_becomes_a_failure_without_its_text(tls, notification):
    with MailSink(tls, password="sesame") as sink:
        login = {"username": "mé", "password": Secret(SecretStr("sesame")), "require_tls": True}
        with pytest.raises(ReceiverUnavailableError) as caught:
            hand_over(receiver(sink.smarthost, **login), notification(), NOW)
    assert str(caught.value) == "ops/email/0: UnicodeEncodeError"
    assert "sesame" not in "".join(traceback.format_exception(caught.value))
