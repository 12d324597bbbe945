"""How quickly pages answer with 100,000 users in 50 accounts, and what they weigh.

    .venv/bin/python -m bench.pages

writes docs/bench/pages.json, pages.md made of it, and pages.plans.txt with the plan of the slowest
statement of each page. Django's admin change list over the same table is asked in the same run.
"""
