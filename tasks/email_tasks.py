"""Mail that an application sends to those who are on call."""

from alerts.receivers.email import EmailReceiver
from tasks.app import app
from tasks.dispatch import routed_receivers
from tasks.notification_tasks import tell


@app.task(name="tasks.email_tasks.send_alert_email", ignore_result=True)
def send_alert_email(title: str, message: str, severity: str = "warning") -> None:
    """Sends a mail to the mailboxes of the route; the same again within a minute is not repeated."""
    mailboxes = [receiver for receiver in routed_receivers() if isinstance(receiver, EmailReceiver)]
    tell({"alertname": title, "severity": severity}, {"summary": message}, mailboxes)
