"""The Users page: who is asked for, in which order, and the rows that show them."""
