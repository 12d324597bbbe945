"""A crowd: 100,000 IAM users in 50 accounts with all that is known and done of them.

    .venv/bin/python -m bench.crowd --users 100000 --accounts 50

fills a database beside the one that DATABASE_URL names and keeps it, until the schema or this
package changes. Every row is made from draws that are the same in every run, all constraints and
triggers are on, and the clock stands at `bench.ground.MONDAY`. To measure something on it:

    with crowd.product():
        client = Client(SERVER_NAME="localhost")
        client.force_login(Person.objects.get(username="jonas"))
"""

from bench.crowd.database import product

__all__ = ["product"]
