"""What is noticed: alert rules over log-derived series, what is the same error, and the scan of log files."""
