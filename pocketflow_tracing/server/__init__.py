"""The dashboard: pages and a JSON API over the trace store, for this machine only, and read-only.

`serving` opens the port, `app` says which address shows what, `guard` lets only this machine's own
pages in, `api` and `streams` answer, `static/` is what runs in the browser.
"""
