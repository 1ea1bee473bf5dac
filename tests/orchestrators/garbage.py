"""Not an orchestrator at all: writes what its argument says to the answer channel. Run as a program by the tests."""

import os
import sys
import time

sys.stdin.readline()
channel = os.fdopen(int(os.environ["FLEET_RESULT_FD"]), "wb")
match sys.argv[1]:
    case "words":
        channel.write(b"I am not JSON\n")
    case "endless":
        channel.write(b"x" * (17 * 1024 * 1024))
    case "other_task":
        channel.write(b'{"type": "done", "task_id": "another", "output": {}}\n')
    case "close":
        channel.close()
        time.sleep(3600)
    case "half":
        channel.write(b'{"type": "done"')
if not channel.closed:
    channel.close()
