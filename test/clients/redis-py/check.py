"""Drives redis-py through the proxy and prints one line for each capability."""

import os
import re
import sys

import redis

PORT = int(os.environ["TQ_PORT"])
RESP2 = os.environ.get("TQ_PROTOCOL") == "2"
PASSWORD = os.environ.get("TQ_PASSWORD") or None
NAME = b"redis-py-" + os.urandom(6).hex().encode()
EVENT = NAME + b"-event"

options = {"protocol": 2} if RESP2 else {}
if PASSWORD is not None:
    options["password"] = PASSWORD
client = redis.Redis(port=PORT, **options)

checks = []


def capability(name):
    """Registers a check under the name that it is reported with."""

    def register(check):
        checks.append((name, check))
        return check

    return register


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


def match(text, pattern):
    text = text.decode() if isinstance(text, bytes) else text
    if not re.search(pattern, text, re.MULTILINE):
        raise AssertionError(f"{text!r} does not match {pattern!r}")


def fails(pattern, call, *arguments):
    try:
        call(*arguments)
    except redis.ResponseError as error:
        match(str(error), pattern)
    else:
        raise AssertionError("there was no error")


def key(*parts):
    return b":".join([NAME, *[str(part).encode() for part in parts]])


@capability("connects with its opening commands answered")
def connects():
    equal(client.ping(), True)
    own = client.client_info()
    equal([own["resp"], own["lib-name"]], ["2" if RESP2 else "3", "redis-py"])


@capability("reads and writes strings")
def strings():
    equal(client.set(key("s"), "value", ex=60), True)
    equal(client.get(key("s")), b"value")
    equal(client.get(key("none")), None)
    equal(client.set(key("s"), "other", nx=True), None)


@capability("counts")
def counts():
    equal(client.incr(key("n")), 1)
    equal(client.incrby(key("n"), 41), 42)


@capability("reads and writes hashes, sorted sets and streams")
def structures():
    equal(client.hset(key("h"), mapping={"a": 1, "b": 2}), 2)
    equal(client.hgetall(key("h")), {b"a": b"1", b"b": b"2"})
    equal(client.zadd(key("z"), {"one": 1, "two": 2.5}), 2)
    equal([tuple(pair) for pair in client.zrange(key("z"), 0, -1, withscores=True)], [(b"one", 1.0), (b"two", 2.5)])
    added = client.xadd(key("x"), {"field": "value"})
    equal([tuple(entry) for entry in client.xrange(key("x"))], [(added, {b"field": b"value"})])


@capability("runs a script of its own")
def scripts():
    equal(client.eval("return {KEYS[1], ARGV[1], 7}", 1, key("k"), "a"), [key("k"), b"a", 7])


@capability("keeps binary keys and values as they are")
def binary():
    odd = NAME + b"\r\n" + bytes([0, 255, 13, 10, 128])
    value = os.urandom(70_000)
    client.set(odd, value)
    equal(client.get(odd) == value, True)


@capability("has several hundred commands over all slots answered in order in one pipeline")
def pipelines():
    pipeline = client.pipeline(transaction=False)
    for i in range(300):
        pipeline.set(key("p", i), i).get(key("p", i))
    expected = [reply for i in range(300) for reply in (True, str(i).encode())]
    equal(pipeline.execute(), expected)


@capability("gets an error as its own kind of error and goes on")
def errors():
    fails("^WRONGTYPE ", client.lpush, key("s"), "x")
    fails("unknown command 'NO.SUCH', with args beginning with: 'x'", client.execute_command, "NO.SUCH", "x")
    pipeline = client.pipeline(transaction=False).get(key("s")).lpush(key("s"), "x").get(key("s"))
    before, refused, after = pipeline.execute(raise_on_error=False)
    equal([before, isinstance(refused, redis.ResponseError), after], [b"value", True, b"value"])


@capability("names itself and learns its id")
def names():
    # One connection of its own, since a pool may take another for each command.
    single = client.client()
    equal(single.client_setname(NAME), True)
    equal(single.client_getname(), NAME.decode())
    own = single.client_id()
    equal(single.client_info()["id"], own)
    equal(single.client_info()["name"], NAME.decode())
    single.close()


@capability("reads INFO")
def info():
    everything = client.info()
    match(everything["redis_version"], r"^\d+\.\d+\.\d+$")
    match(str(everything["tq_version"]), r"^\S+$")
    equal(client.info("server")["redis_version"], everything["redis_version"])


@capability("enqueues, and again: a duplicate")
def enqueues():
    status, ticket, position = client.execute_command("TQ.ENQUEUE", EVENT, "user-1", "token-1")
    equal([status, position], [b"QUEUED", 1])
    match(ticket, r"^\d+-\d+$")
    equal(client.execute_command("TQ.ENQUEUE", EVENT, "user-1", "token-1"), [b"DUPLICATE", ticket, 1])


@capability("asks for a position, and for that of nobody")
def positions():
    equal(client.execute_command("TQ.POS", EVENT, "token-1"), 1)
    equal(client.execute_command("TQ.POS", EVENT, "token-0"), None)


@capability("reads the status record in the form of its protocol")
def status():
    reply = client.execute_command("TQ.STATUS", EVENT, "token-1")
    equal(type(reply), list if RESP2 else dict)
    record = dict(zip(reply[::2], reply[1::2])) if RESP2 else reply
    equal([record[b"state"], record[b"position"], record[b"total"]], [b"waiting", 1, 1])
    equal(client.execute_command("TQ.STATUS", EVENT, "token-0"), None)


@capability("holds a seat, and finds it taken for others")
def holds():
    equal(client.execute_command("TQ.STOCK", EVENT, "SEATS", "A1", "A2"), [b"STOCKED", 2])
    held = client.execute_command("TQ.HOLD", EVENT, "user-1", "EX", 60, "SEATS", "A1")
    equal(held[:2], [b"HELD", 1])
    refused = client.execute_command("TQ.HOLD", EVENT, "user-2", "SEATS", "A1", "A2")
    equal(refused, [b"SEAT_UNAVAILABLE", 1, None, None, [b"A1"]])
    fails("syntax error", client.execute_command, "TQ.HOLD", EVENT, "user-2", "SEATS", "A1", "A1")


@capability("sends TQ commands in a pipeline among others")
def tq_pipeline():
    pipeline = client.pipeline(transaction=False)
    for i in range(50):
        other = EVENT + b"-%d" % i
        pipeline.set(key("p", i), i)
        pipeline.execute_command("TQ.ENQUEUE", other, "user", "token")
        pipeline.execute_command("TQ.POS", other, "token")
    replies = pipeline.execute()
    for i in range(50):
        stored, queued, position = replies[i * 3 : i * 3 + 3]
        equal([stored, queued[0], position], [True, b"QUEUED", 1])


@capability("comes back after the proxy was started anew")
def comes_back():
    print("restart", flush=True)
    equal(sys.stdin.readline(), "restarted\n")
    equal(client.get(key("s")), b"value")
    equal(client.execute_command("TQ.POS", EVENT, "token-1"), 1)
    equal(client.client_info()["resp"], "2" if RESP2 else "3")


failed = False
for name, check in checks:
    try:
        check()
        print(f"ok {name}", flush=True)
    except Exception as error:  # whatever went wrong is what the test wants to show
        failed = True
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"not ok {name} # {reason}", flush=True)
client.close()
sys.exit(1 if failed else 0)
