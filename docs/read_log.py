#!/usr/bin/env python3
"""Prints a log in files and checks it. Written from docs/log-format.md alone: read_log.py DIR/log; exit 1 on damage."""
import hashlib, os, re, struct, sys
from datetime import datetime, timedelta, timezone

class Damage(Exception): pass
def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def need(fits, why):
    if not fits: raise Damage(why)

def small(directory, name, magic, length):
    """A header of a file: `format`, `closed`, or that of a segment."""
    with open(os.path.join(directory, name), "rb") as file: octets = file.read(length)
    need(len(octets) == length and octets[:8] == magic, name + " is no such file")
    need(octets[8:12] == b"\0\0\0\1", name + " has another version")
    need(sha(b"pca-file-v1\0", octets[:-8])[:8] == octets[-8:] and not any(octets[12:16]), name + ": checksum")
    return octets

class Body:
    def __init__(self, octets): self.octets, self.at = octets, 0
    def take(self, length):
        need(self.at + length <= len(self.octets), "a body ends too early")
        self.at += length
        return self.octets[self.at - length:self.at]
    def number(self, form): return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]
    def text(self): return self.take(self.number("H")).decode()
    def optional(self, read):
        flag = self.number("B")
        need(flag < 2, "a presence flag is neither 0 nor 1")
        return read() if flag else None
    def read(self, revisions, ids):
        """Checks guards and id, counts the streams on, and tells (decided at, command, actor, kinds)."""
        need(self.number("B") == 1, "a body has another version")
        id, _request, decided = self.take(16), self.take(32), self.number("q")
        self.optional(lambda: self.number("q"))
        command, actor = self.text(), self.text()
        for _ in range(3): self.optional(self.text)
        guards = [(self.text(), self.number("Q")) for _ in range(self.number("I"))]
        names, kinds = [stream for stream, _ in guards], []
        need(names == sorted(set(names)) and all(re.fullmatch(r"[a-z0-9_./-]{1,200}", n) for n in names), "guards")
        for stream, revision in guards:
            need(revisions.get(stream, 0) == revision, f"{stream} has not revision {revision}")
        for _ in range(self.number("I")):
            kinds.append(self.text())
            self.number("H")
            places = [self.number("I") for _ in range(self.number("I"))]
            need(places and places == sorted(set(places)) and places[-1] < len(names), "the streams of an event")
            for place in places: revisions[names[place]] = revisions.get(names[place], 0) + 1
            self.take(self.number("I"))
        need(self.at == len(self.octets) and id not in ids, "octets are left over, or the id is not new")
        ids.add(id)
        return decided, command, actor, kinds

def read(directory):
    log = small(directory, "format", b"PCA-LOG\n", 40)[16:32]
    is_closed = os.path.exists(os.path.join(directory, "closed"))
    names = sorted(name for name in os.listdir(directory) if name.endswith(".log"))
    need(names and all(re.fullmatch(r"\d{20}\.log", name) for name in names), "no segment, or a name that is none")
    newest, time, digest, revisions, ids, kind = 0, 0, bytes(32), {}, set(), 0
    for name in names:
        head = small(directory, name, b"PCA-SEG\n", 96)
        expected = log + struct.pack(">Qq", newest + 1, time) + digest + bytes(8)
        need(head[16:88] == expected and int(name[:20]) == newest + 1, name + " continues something else")
        with open(os.path.join(directory, name), "rb") as file: octets = file.read()
        place, finished, at, kind, before = struct.pack(">Q", newest + 1), is_closed or name != names[-1], 96, 0, 0
        def checked(at):
            return octets[at:at + 4] == b"PCAf" and octets[at + 104:at + 112] == sha(
                b"pca-frame-v1\0", log, place, struct.pack(">Q", at), octets[at:at + 104])[:8]
        used = len(octets if finished else octets.rstrip(b"\0"))
        while at < used:
            here = f"{name} at {at}: "
            kind, length, count, first, dated, durable = struct.unpack(">B3xIIQqQ", octets[at + 4:at + 40].ljust(36))
            end, body = at + 112 + length + -length % 8, octets[at + 112:at + 112 + length]
            link = sha(b"pca-commit-v1\0", digest, struct.pack(">QIq", first, count, dated), sha(body))
            if fits := checked(at):
                need(octets[at + 40:at + 72] == digest and before <= durable <= at, here + "continues something else")
                need(kind in (1, 2, 3), here + "a frame of an unknown kind")
            whole = fits and end <= len(octets) and not any(octets[at + 112 + length:end])
            if not whole or octets[at + 72:at + 104] != (link if kind == 1 else digest):
                later = (match.start() for match in re.finditer(b"PCAf", octets) if match.start() > at)
                durable_here = any(checked(at_) and octets[at_ + 32:at_ + 40] > struct.pack(">Q", at) for at_ in later)
                need(not finished and not durable_here and not any(octets[at + (64 << 20):]), here + "a broken frame")
                print(f"{used - at} octets at the end are torn", file=sys.stderr)
                break
            if kind == 1:
                decided, command, actor, kinds = Body(body).read(revisions, ids)
                need((first, dated, count) == (newest + 1, max(time, decided), len(kinds)), here + "place or time")
                when = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=dated)
                print(first, when.isoformat(), command, actor, ",".join(kinds), sep="\t")
                newest, time, digest = first + count - 1, dated, link
            else: need((first, dated, count) == (newest, time, 0), here + "a mark that lies")
            at, before = end, durable
        need(not finished or (kind == 2 and at == len(octets)), name + " does not end with a seal")
    if is_closed:
        said = struct.pack(">QQQ", int(names[-1][:20]), len(octets), newest) + digest
        need(small(directory, "closed", b"PCA-END\n", 96)[16:88] == log + said, "the log does not end as `closed` says")
    return newest, digest

try: print("%d events, head %s" % (lambda newest, digest: (newest, digest.hex()))(*read(sys.argv[1])), file=sys.stderr)
except (Damage, OSError, UnicodeDecodeError) as damage: sys.exit(f"damaged: {damage}")
