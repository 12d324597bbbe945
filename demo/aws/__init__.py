"""A simulated AWS account: IAM, STS, CloudTrail and what they need, written to AWS's documentation.

The wire (requests in, answers out, in AWS's own protocols) is moto's; the account behind it is
ours, because moto forgives what AWS refuses: a DeleteUser with keys left, an inactive key, a
listing without pages. Whatever is simulated here answers as the documentation says AWS does,
and knows nothing about the product.
"""
