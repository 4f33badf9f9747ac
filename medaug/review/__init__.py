"""A page on which people accept and reject variants, and the rules that choose among them."""
