"""Plans in rows: who needs which way in, its draft, its page, and whether it is used."""
