"""What an evidence pack is made of, how it is signed, and how it is checked far from here.

Nothing in here asks a database, settings or the network: an auditor runs it with the file alone.
"""
