#!/usr/bin/env python3
"""Reads the events of edgelog devices from Kafka, each once, and prints them as JSON, one a line.

    pip install -r examples/requirements.txt          and flatc: apt-get install flatbuffers-compiler
    examples/consume.py --bootstrap localhost:9092 --topic plant --only door --schema door.fbs --type acme.Door

What a consumer has to do, here in the order of the code:

1. Make the reading code: flatc turns the envelope's schema, and yours, into Python.
2. Drop duplicates. The header `edgelog` names each record for ever (log:epoch:offset), so the greatest offset of each log and epoch
   is all that has to be remembered. A consumer that commits its work in a database commits these with it.
3. Notice gaps. The header `edgelog-gap` (log:from:to:reason) says that records are gone, and why. It may be
   told again where records are there again.
4. Take the envelope off. Bytes 4 to 8 of a record say whether there is one: EEV1.
5. Read the payload. Python's FlatBuffers library does not verify bytes; an event of another type raises an exception, or reads as
   nonsense, so read only topics whose events you know. edgelog and Kafka checksum every record, so that only its writer can have damaged it.

It reads to the end of the topic as it is, or with --follow until Ctrl-C.
"""

import argparse
import importlib
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import kafka

ENVELOPE = pathlib.Path(__file__).parent.parent / "crates/edgelog-record/schema/edgelog.fbs"
ENVELOPE_IDENTIFIER = b"EEV1"


def generate(folder, schemas):
    """Makes Python of the schemas, with the object interface, and lets it be imported."""
    command = ["flatc", "--python", "--gen-object-api", "-o", folder, *map(str, schemas)]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        sys.exit("flatc, the FlatBuffers compiler, is needed: apt-get install flatbuffers-compiler")
    sys.path.insert(0, folder)


def reader(table):
    """What turns a buffer whose root is `table`, such as acme.Door, into an object of Python."""
    name = table.rpartition(".")[2]
    module = importlib.import_module(table)
    root, unpacked = getattr(module, name), getattr(module, name + "T")
    return lambda buffer: unpacked.InitFromObj(root.GetRootAs(buffer, 0))


class Seen:
    """Which records were there already."""

    def __init__(self):
        self.greatest = {}

    def before(self, log, epoch, offset):
        """Whether this one was; from now on it was."""
        if offset <= self.greatest.get((log, epoch), -1):
            return True
        self.greatest[log, epoch] = offset
        return False


def plain(value):
    """An object of Python as what JSON has."""
    if hasattr(value, "tolist"):  # where NumPy is installed, vectors are its arrays
        value = value.tolist()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {name: plain(field) for name, field in vars(value).items() if field is not None}
    return value


def identifier(octets):
    """An id as the text that it is, or as hexadecimal digits."""
    octets = bytes(octets)
    try:
        text = octets.decode()
        return text if text.isprintable() else octets.hex()
    except UnicodeDecodeError:
        return octets.hex()


def unwrap(value, read_envelope):
    """The envelope of a record, or None, and its payload."""
    if value[4:8] != ENVELOPE_IDENTIFIER:
        return None, value
    envelope = read_envelope(value)
    payload = b"" if envelope.payload is None else bytes(envelope.payload)
    event = {
        "type": plain(envelope.eventType),
        "schema_version": envelope.schemaVersion or None,
        "source": plain(envelope.source),
        "content_type": plain(envelope.contentType),
        "schema_fingerprint": f"{envelope.schemaFingerprint:016x}" if envelope.schemaFingerprint else None,
    }
    for name, octets in (("correlation_id", envelope.correlationId), ("causation_id", envelope.causationId)):
        event[name] = None if octets is None else identifier(octets)
    if envelope.trace is not None:
        trace = envelope.trace
        event["trace"] = (
            f"00-{trace.traceIdHigh:016x}{trace.traceIdLow:016x}-{trace.parentId:016x}-{trace.flags:02x}"
        )
    return {name: field for name, field in event.items() if field is not None}, payload


def records(arguments):
    """The topic's records from its beginning, partition by partition in order."""
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=arguments.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    numbers = consumer.partitions_for_topic(arguments.topic)
    if not numbers:
        sys.exit(f"there is no topic {arguments.topic} at {arguments.bootstrap}")
    partitions = [kafka.TopicPartition(arguments.topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    while arguments.follow or any(consumer.position(each) < ends[each] for each in partitions):
        for batch in consumer.poll(timeout_ms=500).values():
            yield from batch


def shown(record, seen, only, read_envelope, read_payload):
    """What is printed for a record; None for one that was there before, or is not of the topic that is wanted."""
    headers = {name: value.decode() for name, value in record.headers}
    if "edgelog-gap" in headers:
        log, start, end, reason = headers["edgelog-gap"].split(":", 3)
        return {"gap": {"log": log, "from": int(start), "to": int(end), "reason": reason}}
    line = {}
    if "edgelog" in headers:
        log, epoch, offset = headers["edgelog"].split(":")
        if seen.before(log, int(epoch), int(offset)):
            return None
        line = {"log": log, "epoch": int(epoch), "offset": int(offset)}
    line["time_ms"] = record.timestamp
    line["topic"] = headers.get("edgelog-topic")
    if only is not None and line["topic"] != only:
        return None
    if record.key is not None:
        line["key"] = record.key.decode(errors="replace")
    event, payload = unwrap(record.value or b"", read_envelope)
    if event is not None:
        line["event"] = event
    # What says that it is something else is not read as a FlatBuffer.
    is_buffer = "flatbuffers" in (event or {}).get("content_type", "flatbuffers")
    if read_payload and is_buffer and payload:
        try:
            line["payload"] = plain(read_payload(payload))
        except Exception as error:  # of whatever kind: the bytes may lead anywhere
            line["invalid"] = f"not of the schema: {error}"
    else:
        line["payload"] = payload.decode(errors="replace")
    return line


def main():
    """Reads the arguments, then the topic."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT", help="a broker")
    parser.add_argument("--topic", required=True, help="the Kafka topic that devices ship to")
    parser.add_argument("--only", metavar="TOPIC", help="only events of this topic of the devices' logs, and gaps")
    parser.add_argument("--schema", type=pathlib.Path, metavar="FILE.fbs", help="the schema of payloads; without it they are shown as text")
    parser.add_argument("--type", metavar="TABLE", help="the table that payloads are, with its namespace, such as acme.Door")
    parser.add_argument("--follow", action="store_true", help="go on with records as they come")
    arguments = parser.parse_args()
    if (arguments.schema is None) != (arguments.type is None):
        parser.error("--schema and --type go together")
    with tempfile.TemporaryDirectory() as folder:
        generate(folder, [ENVELOPE] + ([arguments.schema] if arguments.schema else []))
        read_envelope = reader("edgelog.Event")
        read_payload = reader(arguments.type) if arguments.type else None
        seen = Seen()
        for record in records(arguments):
            line = shown(record, seen, arguments.only, read_envelope, read_payload)
            if line is not None:
                print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        pass
