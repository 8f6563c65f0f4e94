"""Services that answer with their name, and a client that calls `xds:///service`, on orders from stdin.

First prints the addresses of the services. Then: `call N` makes N calls; `start` makes calls in the background until
`stop`. `call` and `stop` print how the calls went: answers by service, and failures.
"""

import collections
import json
import sys
import threading
from concurrent import futures

import grpc

TARGET = "xds:///service"
METHOD = "/test.Names/Tell"
SERVICES = "abc"
# Longer than a client waits for a resource before it takes it for missing, which is 15 s.
DEADLINE_SECONDS = 20
# Between two calls in the background.
PAUSE_SECONDS = 0.001


def serve(name):
    """Starts a service; returns it and its address."""
    answer = grpc.unary_unary_rpc_method_handler(lambda request, context: name.encode())
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Names", {"Tell": answer})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


class Calls:
    """Calls, and how they went."""

    def __init__(self, channel):
        self.tell_name = channel.unary_unary(METHOD)
        self.answered, self.failed = collections.Counter(), []

    def make(self):
        try:
            # Not `wait_for_ready`: a call that finds no configuration is to be seen failing.
            self.answered[self.tell_name(b"", timeout=DEADLINE_SECONDS).decode()] += 1
        except grpc.RpcError as error:
            self.failed.append(f"{error.code().name}: {error.details()}")

    def report(self):
        print(json.dumps({"answered": self.answered, "failed": self.failed}), flush=True)


class Background:
    """Calls one after the other, until it is stopped."""

    def __init__(self, channel):
        self.calls, self.stopped = Calls(channel), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped.wait(PAUSE_SECONDS):
            self.calls.make()

    def stop(self):
        self.stopped.set()
        self.thread.join()
        self.calls.report()


def main():
    services, addresses = zip(*[serve(name) for name in SERVICES])
    channel = grpc.insecure_channel(TARGET)
    print(json.dumps(addresses), flush=True)
    background = None
    for order in sys.stdin:
        word, *arguments = order.split()
        if word == "call":
            calls = Calls(channel)
            for _ in range(int(arguments[0])):
                calls.make()
            calls.report()
        elif word == "start":
            background = Background(channel)
        elif word == "stop":
            background.stop()
    for service in services:
        service.stop(grace=None)


main()
