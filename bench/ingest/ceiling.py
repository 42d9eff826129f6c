"""What a client could reach that has nothing to do: the same request over and over.

`python ceiling.py <connections> <requests>` prints one line of JSON. On a busy machine this is less
than connections / latency; what a real client reaches is compared with it.
"""

import json
import os
import selectors
import socket
import sys
import time
from urllib.parse import urlsplit

BODY = b'{"RequestItems":{}}' + b" " * 2_700  # as long as 25 readings
REQUEST = (
    b"POST / HTTP/1.1\r\nHost: stub\r\nX-Amz-Target: DynamoDB_20120810.BatchWriteItem\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


def main() -> None:
    connections, requests = map(int, sys.argv[1:])
    url = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        sock = socket.create_connection((url.hostname, url.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ)
    started, cpu = time.perf_counter(), time.process_time()
    for key in selector.get_map().values():
        key.fileobj.send(REQUEST)  # type: ignore[union-attr]
    sent, received = connections, 0
    while received < requests:
        for ready, _ in selector.select():
            ready.fileobj.recv(4096)  # type: ignore[union-attr]
            received += 1
            if sent < requests:
                ready.fileobj.send(REQUEST)  # type: ignore[union-attr]
                sent += 1
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": used}) + "\n")


if __name__ == "__main__":
    main()
