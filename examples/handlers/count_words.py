"""An HTTP handler in Python, with nothing but the standard library: counts the words of each job.

    python3 examples/handlers/count_words.py 8081
    PENSTOCK_STREAM=TEXTS PENSTOCK_CONSUMER=count penstock worker http://127.0.0.1:8081/count

Its status is its answer: 2xx is done, 422 gives the job up, 503 with Retry-After asks for another time.
"""

import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

counted = set()
lock = threading.Lock()


class CountWords(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept from job to job

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        key = self.headers["idempotency-key"]
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            return self.answer(422, str(error))
        with lock:  # a job may come twice
            is_new = key not in counted
            counted.add(key)
        if is_new:
            print(json.dumps({"key": key, "words": len(text.split())}), flush=True)
        return self.answer(204, "")

    def answer(self, status, text):
        payload = text.encode("utf-8")
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), CountWords)
    # Not in the signal handler itself, which would wait for the loop that it interrupts.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
