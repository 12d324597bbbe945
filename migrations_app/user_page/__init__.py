"""The page of one IAM user as values, part by part."""
