"""Where units are worked on: in this process, in several, or on a Ray cluster."""
