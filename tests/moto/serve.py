"""Serves moto until the end of standard input."""

import logging
import sys

from moto.directconnect.models import Connection
from moto.server import ThreadedMotoServer

as_moto_has_it = Connection.to_dict


def as_the_model_has_it(connection):
    """Two fields of moto have types that AWS's model does not give them, which only lenient clients forgive."""
    shown = as_moto_has_it(connection)
    shown["hasLogicalRedundancy"] = "yes" if shown["hasLogicalRedundancy"] else "no"
    shown["loaIssueTime"] = 1767225600
    return shown


if "--as-moto-has-it" not in sys.argv:
    Connection.to_dict = as_the_model_has_it

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
