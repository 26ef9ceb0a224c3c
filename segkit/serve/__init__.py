"""The server of `segkit web`: jobs that survive a restart, rendered in processes of their own.

`store` keeps the jobs, `queue` runs them in `child` processes, `guard` stands before every request,
`api` and `segkit.web` are the two doors. Needs the extra ``web`` from `app` on.
"""
