"""Archives that speak DIMSE: C-FIND, C-GET or C-MOVE, C-STORE."""
