"""A local receiver of Cloudonix's callbacks: it answers as OPBX does, and shows what came.

It stands in for OPBX where there is none yet: `reception` decides about one callback,
`connection` speaks HTTP with one client, `server` has them all and ends them together.
"""
