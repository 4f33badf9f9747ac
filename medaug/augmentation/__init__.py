"""Where the two halves meet: from a case and a recipe to a variant."""
