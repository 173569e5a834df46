"""Who is told: alert state, routing, notifications that outlive a crash, and the receivers (Slack, email)."""
