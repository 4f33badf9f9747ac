"""Archives at both ends: images are fetched from a PACS into a folder, and OUTPUT's instances are sent to one."""
