"""The Basic Application Level Confidentiality Profile of PS3.15 Annex E, for what comes from an archive."""
