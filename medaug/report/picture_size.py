"""How large a preview is shown."""

LONGEST = 768  # px; a larger slice is reduced by a whole number
SHORTEST = 384  # px; a smaller slice is magnified by a whole number
