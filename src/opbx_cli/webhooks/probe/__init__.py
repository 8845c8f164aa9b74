"""Looking at a web server from outside: names, connections, certificates, answers.

Nothing here judges: each function says what it saw, and never raises for what a network or
a server does.
"""

from opbx_cli.webhooks.probe.answers import Answer, Asker, Question
from opbx_cli.webhooks.probe.hosts import Certificate, Names, Reached, reach, resolve

__all__ = [
    "Answer",
    "Asker",
    "Certificate",
    "Names",
    "Question",
    "Reached",
    "reach",
    "resolve",
]
