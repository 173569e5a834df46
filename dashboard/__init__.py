"""What is seen: the web application."""
