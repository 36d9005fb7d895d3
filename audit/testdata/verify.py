#!/usr/bin/env python3
"""Verifies a Lodge audit journal: a folder, or the tar file of an export.

Written from FORMAT.md alone, with the standard library alone. Exit codes: 0 clean, 10 tampered,
11 incomplete.
usage: verify.py [--key FILE] [--checkpoint FILE]... JOURNAL
"""
import base64, hashlib, json, os, re, sys, tarfile

HEADER, EVENT, CHECKPOINT, SEAL, MAX_PAYLOAD = 1, 2, 3, 4, (1 << 20) + 4096

# Ed25519 (RFC 8032, 5.1 and 6), verification only
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

def point(raw):
    n = int.from_bytes(raw, "little")
    y, sign = n & (1 << 255) - 1, n >> 255
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x if (x * x - x2) % P == 0 else x * SQRT_M1 % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign):
        raise ValueError("not a point")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q

BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def signed(key, message, sig):
    try:
        a, r, s = point(key), point(sig[:32]), int.from_bytes(sig[32:], "little")
    except ValueError:
        return False
    if len(sig) != 64 or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(sig[:32] + key + message).digest(), "little") % L
    u, v = times(s, BASE), add(r, times(h, a))
    return (u[0] * v[2] - v[0] * u[2]) % P == 0 and (u[1] * v[2] - v[1] * u[2]) % P == 0

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)

def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = TABLE[(crc ^ b) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF

def frames(data):
    """Yields offset, end, kind, payload; kind is "torn" or "bad" for what is no frame."""
    at, bad = 0, 0
    while at < len(data) and bad < 100:
        size, kind = int.from_bytes(data[at:at + 4], "big"), data[at + 8] if at + 9 <= len(data) else 0
        end = at + 9 + size
        if at + 9 <= len(data) and (size > MAX_PAYLOAD or not HEADER <= kind <= SEAL):
            yield at, at + 9, "bad", b""
            at, bad = at + 9, bad + 1
            continue
        if at + 9 > len(data) or end > len(data):
            yield at, len(data), "torn", b""
            return
        payload = data[at + 9:end]
        if crc32c(data[at:at + 4] + data[at + 8:end]) != int.from_bytes(data[at + 4:at + 8], "big"):
            kind, bad = "bad", bad + 1
        yield at, end, kind, payload
        at = end

def sha(data):
    return hashlib.sha256(data).digest()

def grow(roots, size, leaf):
    roots = roots + [leaf]
    while size & 1:
        roots, size = roots[:-2] + [sha(b"\1" + roots[-2] + roots[-1])], size >> 1
    return roots

def root_of(roots):
    h = roots[-1] if roots else sha(b"")
    for r in reversed(roots[:-1]):
        h = sha(b"\1" + r + h)
    return h

def unbase64(text):
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("base64")
    return raw

def ssh_key(text):
    kind, blob = text.split()[:2]
    raw = unbase64(blob)
    if kind != "ssh-ed25519" or raw[:-32] != b"\0\0\0\x0bssh-ed25519\0\0\0\x20":
        raise ValueError("no Ed25519 key")
    return raw[-32:]

def signers(note, name, keys):
    """The text of a note and the keys among the given ones that signed it under that name."""
    body, _, tail = note.partition("\n\n")
    out, prefix = [], "\u2014 " + name + " "
    for key in keys:
        for line in tail.split("\n"):
            try:
                raw = unbase64(line[len(prefix):]) if line.startswith(prefix) else b""
            except ValueError:
                continue
            if raw[:4] == sha(name.encode() + b"\n\1" + key)[:4] and signed(key, (body + "\n").encode(), raw[4:]):
                out.append(key)
    return body + "\n", out

SHAPE = re.compile(r"(.+)\n(0|[1-9]\d*)\n([A-Za-z0-9+/=]{44})\nat (\S+)\nsegment (\d+) (\d+) ([0-9a-f]{64})\n\n")

def checkpoint(raw):
    text = raw.decode("utf-8").rstrip("\n") + "\n"
    m = SHAPE.match(text)
    if not m:
        raise ValueError("no checkpoint")
    return {"origin": m[1], "size": int(m[2]), "root": unbase64(m[3]), "text": text, "raw": raw,
            "place": (int(m[5]), int(m[6]), m[7])}

def linked(origin, link):
    return ("lodge.audit/rotate\n" + origin + "\n" + link["key"] + "\n").encode()

class Journal:
    def __init__(self, path):
        self.files = {}
        if os.path.isdir(path):
            for full in [os.path.join(folder, n) for folder, _, names in os.walk(path) for n in names]:
                self.files[os.path.relpath(full, path)] = lambda f=full: open(f, "rb").read()
        else:
            t = tarfile.open(path)
            self.files = {m.name: lambda m=m: t.extractfile(m).read() for m in t if m.isfile()}
        self.tampered, self.incomplete, self.roots_at = [], [], {}
        self.keys, self.roots, self.size, self.prev, self.first = [], [], 0, None, 0
        self.origin, self.archived, self.recordings, self.expired = "", 0, [], set()
    def bad(self, *what):
        self.tampered.append(" ".join(map(str, what)))
    def verify(self, pinned, claims):
        own = self.files.get("checkpoint")
        firsts = sorted(int(n[:19]) for n in self.files if re.fullmatch(r"\d{19}\.seg", n))
        data = {f: self.files["%019d.seg" % f]() for f in firsts}
        whole = {f: len(d) for f, d in data.items()}
        for f, g in zip(firsts, firsts[1:]):  # a segment may have been given up: the next one says where
            for _, _, kind, payload in frames(data[g]):
                prev = json.loads(payload).get("prev") if kind == HEADER else None
                data[f] = data[f][:prev["bytes"]] if prev and prev["first"] == f else data[f]
                break
        tail = ([], [], 0)
        for f in firsts:
            tail = self.segment(f, data[f], f == firsts[-1], whole[f])
        self.ending(tail, own() if own else None, claims)
        self.beginning(own, firsts)
        if any(key not in self.keys for key in pinned):
            self.bad("none of the keys is the one given")
        for name, want, part in self.recordings if any(n.startswith("recordings/") for n in self.files) else []:
            name = "recordings/" + os.path.basename(name)
            if name not in self.files and os.path.basename(name) in self.expired:
                continue
            if name not in self.files:
                self.incomplete.append(name + " is missing")
            elif sha(self.files[name]()[:part]).hex() != want:
                self.bad(name, "is another")
    def segment(self, first, data, last, whole):
        """Returns what is wrong behind the last good checkpoint: what a crash may leave, and other things."""
        good, crash, other, sealing, sealed, rotate, last_note = 0, [], [], False, False, None, None
        roots, size, found, before, at = self.roots, self.size, len(self.tampered), hashlib.sha256(), 0
        for start, end, kind, payload in frames(data):
            before.update(data[at:start])
            at = start
            try:
                if kind in ("torn", "bad"):
                    crash.append((kind, at))
                elif at == 0:
                    roots, size = self.header(first, payload)
                elif crash or other:
                    other += [at] if kind != CHECKPOINT and not (kind == EVENT and crash) else []
                elif sealed or sealing and kind != CHECKPOINT:
                    raise ValueError("behind the seal")
                elif kind == EVENT:
                    record = json.loads(payload)
                    if record["seq"] != size + 1:
                        raise ValueError("record %d in the place of %d" % (record["seq"], size + 1))
                    roots, size = grow(roots, size, sha(b"\0" + payload)), size + 1
                    self.roots_at[size] = root_of(roots)
                    rotate = record["detail"] if record["verb"] == "audit.next-key" and record["kind"] == "fact" else rotate
                    if record["verb"] == "audit.archive" and record["kind"] == "fact":
                        self.archived = max(self.archived, record["detail"]["last"])
                    if record["verb"] == "session.recording.expire" and record["kind"] == "fact":
                        self.expired.update(record["detail"]["files"])
                    r = record.get("recording")
                    self.recordings += [(r["file"], r["sha256"], r["bytes"] if r.get("part") else None)] if r else []
                elif kind == SEAL:
                    s, sealing = json.loads(payload), True
                    if (s["first"], s["last"], s["bytes"], s["sha256"], unbase64(s["root"])) != (
                            first, size, at, before.hexdigest(), root_of(roots)):
                        raise ValueError("the seal")
                elif kind == CHECKPOINT:
                    c = checkpoint(payload)
                    if (c["origin"], c["size"], c["root"], c["place"]) != (
                            self.origin, size, root_of(roots), (first, at, before.hexdigest())) or payload.count(b"\n") != 7:
                        raise ValueError("a checkpoint")
                    last_note, good, sealed, self.roots, self.size = c["text"], end, sealing, roots, size
                    if rotate:
                        self.follow(rotate, last_note)
                        rotate = last_note = None
                else:
                    raise ValueError("a second header")
            except (ValueError, KeyError, TypeError, IndexError) as e:
                other.append("%s byte %d: %s" % (first, at, e))
                if at == 0:
                    break
        if last_note and not other and not signers(last_note, self.origin, self.keys[-1:])[1]:
            self.bad("the last signature of segment", first)
        if not last and (crash or other or good != len(data)) or sealed and whole > len(data):
            self.bad("segment", first, crash, other or "does not end in its last checkpoint")
        self.prev = None if crash or other or len(self.tampered) > found else (first, size, len(data), sha(data).hex())
        return crash, other, len(data) - good
    def header(self, first, payload):
        h, keys = json.loads(payload), []
        size, roots = h["first"] - 1, [unbase64(r) for r in h["edge"]]
        if h["lodge_audit"] != 2 or h["first"] != first or len(roots) != bin(size).count("1"):
            raise ValueError("the header")
        for i, link in enumerate(h["keys"]):
            key = ssh_key(link["key"])
            if i and not signed(keys[-1], linked(h["origin"], link), unbase64(link["sig"])):
                raise ValueError("a key")
            keys.append(key)
        p = h.get("prev") or {}
        prev = (p.get("first"), p.get("last"), p.get("bytes"), p.get("sha256"))
        if self.first and (h["origin"] != self.origin or size != self.size or self.prev and (
                roots != self.roots or keys != self.keys or prev != self.prev)):
            self.bad("segment", first, "does not continue the one before")
        self.first = self.first or first
        self.origin, self.keys, self.roots_at[size] = h["origin"], keys, root_of(roots)
        self.roots, self.size = roots, size
        return roots, size
    def follow(self, link, note):
        if not signers(note, self.origin, self.keys[-1:])[1] or not signed(self.keys[-1], linked(self.origin, link), unbase64(link["sig"])):
            raise ValueError("the next key")
        self.keys = self.keys + [ssh_key(link["key"])]
    def ending(self, tail, own, texts):
        """What is behind the last good checkpoint is a crash's, unless somebody vouches for more."""
        claims, most = [], -1
        for raw in ([own] if own else []) + texts:
            try:
                c = checkpoint(raw)
                if c["origin"] != self.origin or not signers(c["text"], self.origin, self.keys)[1]:
                    raise ValueError("not this journal's")
                claims.append(c)
                most = max(most, c["size"])
            except ValueError as e:
                self.bad("a checkpoint from elsewhere:", e)
        crash, other, rest = tail
        if other or most > self.size and any(k == "bad" for k, _ in crash):
            self.bad("the last segment:", crash, other)
        elif most > self.size or rest:
            self.incomplete.append("record %d and later" % (self.size + 1))
        for c in claims:
            if c["size"] <= self.size and self.roots_at.get(c["size"], c["root"]) != c["root"]:
                self.bad("forked before record", c["size"])
    def beginning(self, own, firsts):
        if "export" in self.files:
            body, by = signers(self.files["export"]().decode(), self.origin, self.keys)
            m = re.fullmatch(r"lodge\.audit/export\n(.+)\n(\d+) (\d+)\nat \S+\n", body)
            if not by or not m or m[1] != self.origin or int(m[2]) != self.first:
                self.bad("the statement of the export")
            elif int(m[3]) > self.size:
                self.incomplete.append("the end of the export")
        elif self.first > 1 and self.archived != self.first - 1:
            self.bad("records before", self.first, "are missing")
        if not own and self.size or own and not firsts:
            self.incomplete.append("the checkpoint or the segments are missing")

def main(args):
    options, paths = {"--key": [], "--checkpoint": []}, []
    while args:
        arg = args.pop(0)
        paths.append(arg) if arg not in options else options[arg].append(open(args.pop(0), "rb").read())
    journal = Journal(paths[0]) if len(paths) == 1 else sys.exit(__doc__)
    journal.verify([ssh_key(k.decode()) for k in options["--key"]], options["--checkpoint"])
    for what in journal.tampered + journal.incomplete:
        print(what)
    code = 10 if journal.tampered else 11 if journal.incomplete else 0
    print("exit %d: %d records, root %s" % (code, journal.size, base64.b64encode(root_of(journal.roots)).decode()))
    sys.exit(code)

__name__ == "__main__" and main(sys.argv[1:])
