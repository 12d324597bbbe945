"""What people fill in, a file for each part of the site; input to mend is named at its field."""
