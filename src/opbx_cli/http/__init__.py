"""The way to a server and back: proxies and certificates, bounds of time and size, retries, rate.

For every API that opbx speaks to; whose API it is, and what its answers mean, is said elsewhere.
"""
