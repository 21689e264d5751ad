"""A small real engine: an HTTP server with the bad habits the tests ask for.

small_engine.py PORT [--ignore-term] [--child] [--detached-child] [--end-after S] [--mute FILE]
"""

import argparse
import http.server
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--ignore-term", action="store_true")
parser.add_argument("--child", action="store_true")
parser.add_argument("--detached-child", action="store_true")
parser.add_argument("--end-after", type=float)
parser.add_argument("--mute", type=Path)
chosen = parser.parse_args()

if chosen.ignore_term:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

if chosen.child or chosen.detached_child:
    # A child that ignores SIGTERM, like a worker in the middle of something.
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=chosen.detached_child)

if chosen.end_after is not None:
    sys.stdout.write("something is missing\n")
    sys.stdout.flush()
    time.sleep(chosen.end_after)
    sys.exit(3)


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        well = chosen.mute is None or not chosen.mute.exists()
        self.send_response(200 if well else 503)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments: object):
        sys.stdout.write("asked\n")
        sys.stdout.flush()


server = http.server.ThreadingHTTPServer(("127.0.0.1", chosen.port), Health)
threading.Thread(target=server.serve_forever, daemon=True).start()
threading.Event().wait()
