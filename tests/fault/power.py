"""What interpose.c has written down, and the power cut that it allows: a folder is brought into a
state in which a disk could have been found, seen from the calls that were made.

 - Bytes that were synced are there. Of other writes to a file: none, those up to some moment, or any
   of them, torn at sectors.
 - Names that were made, moved or removed since their folder was last synced: those up to some moment.
   Syncing a file does not keep its name.
"""

import errno
import os
import shutil
import struct

SECTOR = 512
HEAD = struct.Struct("<IIQQQQQQQ")
MAGIC = 0x65767400
WRITE, RESIZE, SYNC, CREATE, FOLDER, REMOVE, RENAME, SYNC_NAMES = range(1, 9)
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EINTR": errno.EINTR, "short": 0}


class Event:
    def __init__(self, fields, first, second):
        (_, self.kind, self.number, self.inode, self.offset, self.file_bytes, self.bytes,
         _, _) = fields
        self.first = first
        self.second = second

    @property
    def folder(self):
        return os.path.dirname(self.first.decode())


def read_events(path):
    """The last one may be cut off: then its call was not made."""
    events = []
    with open(path, "rb") as file:
        while True:
            head = file.read(HEAD.size)
            if len(head) < HEAD.size:
                return events
            fields = HEAD.unpack(head)
            if fields[0] != MAGIC:
                raise AssertionError("not an event")
            first, second = file.read(fields[7]), file.read(fields[8])
            if len(first) < fields[7] or len(second) < fields[8]:
                return events
            events.append(Event(fields, first, second))


class Power:
    """A node's files under watch, from one start to the next power cut."""

    def __init__(self, library, folder, side):
        """`side`: for the log and the graves, on the same file system."""
        self.library = library
        self.folder = os.path.realpath(folder)
        self.side = side
        self.log = os.path.join(side, "log")
        self.graves = os.path.join(side, "graves")

    def environment(self, cut=0, fail=0, error="EIO"):
        """Begins anew."""
        shutil.rmtree(self.side, ignore_errors=True)
        os.makedirs(self.graves)
        with open(self.log, "wb"):
            pass
        return {"LD_PRELOAD": self.library, "INTERPOSE_FOLDER": self.folder,
                "INTERPOSE_LOG": self.log, "INTERPOSE_GRAVES": self.graves,
                "INTERPOSE_CUT": str(cut), "INTERPOSE_FAIL": str(fail),
                "INTERPOSE_ERROR": str(ERRORS[error])}

    def calls(self):
        """How many calls were counted, about."""
        return len(read_events(self.log))

    def cut(self, dice):
        """The process is dead. Returns how many writes and names were taken back."""
        events = read_events(self.log)
        lost = self.cut_bytes(events, dice)
        return lost, self.cut_names(events, dice)

    # ---- Bytes ----

    def files(self):
        """Path of each inode, also of those without a name."""
        found = {}
        for top in (self.graves, self.folder):
            for folder, _, names in os.walk(top):
                for name in names:
                    path = os.path.join(folder, name)
                    found[os.lstat(path).st_ino] = path
        return found

    def cut_bytes(self, events, dice):
        covered = {}
        for event in events:
            if event.kind == SYNC:
                covered[event.inode] = max(covered.get(event.inode, 0), event.offset)
        open_events = {}
        for event in events:
            if event.kind in (WRITE, RESIZE) and event.number > covered.get(event.inode, 0):
                open_events.setdefault(event.inode, []).append(event)
        files = self.files()
        lost = 0
        for inode, unsynced in sorted(open_events.items()):
            with open(files[inode], "r+b") as file:
                for event in reversed(unsynced):
                    undo(file, event)
                lost += redo_some(file, unsynced, dice)
        return lost

    # ---- Names ----

    def cut_names(self, events, dice):
        covered = {}
        for event in events:
            if event.kind == SYNC_NAMES:
                covered[event.first.decode()] = event.offset
        unsynced = [e for e in events if e.kind in (CREATE, FOLDER, REMOVE, RENAME)
                    and e.number > covered.get(e.folder, 0)]
        kept = {}
        for folder in {e.folder for e in unsynced}:
            last = max(e.number for e in unsynced if e.folder == folder)
            kept[folder] = dice.choice((0, last, dice.randint(0, last)))
        taken_back = [e for e in unsynced if e.number > kept[e.folder]]
        for event in reversed(taken_back):
            self.undo_name(event)
        return len(taken_back)

    def undo_name(self, event):
        path = event.first.decode()
        if event.kind == FOLDER:
            shutil.rmtree(path, ignore_errors=True)
        elif event.kind == CREATE:
            if os.path.exists(path):
                os.remove(path)
        elif event.kind == RENAME:
            other = event.second.decode()
            if os.path.exists(other) and not is_same(other, self.grave(event)):
                os.rename(other, path)
            self.restore(event, other)
        else:
            self.restore(event, path)

    def grave(self, event):
        return os.path.join(self.graves, str(event.inode))

    def restore(self, event, path):
        if event.inode != 0 and not os.path.exists(path) and os.path.isdir(os.path.dirname(path)):
            os.link(self.grave(event), path)


def is_same(one, other):
    """The call was not made any more: the name still belongs to the file it should have lost."""
    return os.path.exists(other) and os.path.samefile(one, other)


def undo(file, event):
    if event.second:
        file.seek(event.offset)
        file.write(event.second)
    file.truncate(event.file_bytes)


def redo_some(file, events, dice):
    """Returns how many are not redone as a whole."""
    how = dice.choice(("none", "prefix", "any", "torn"))
    count = dice.randint(0, len(events)) if how == "prefix" else len(events)
    lost = len(events) - count
    for event in events[:count]:
        if how == "none" or (how != "prefix" and dice.random() < 0.5):
            lost += 1
        elif event.kind == RESIZE:
            file.truncate(event.offset)
        else:
            redo_write(file, event, how == "torn", dice)
    return lost


def redo_write(file, event, is_torn, dice):
    data = event.first or bytes(event.bytes)
    at = 0
    while at < len(data):
        size = min(SECTOR - (event.offset + at) % SECTOR, len(data) - at) if is_torn else len(data)
        if not is_torn or dice.random() < 0.5:
            file.seek(event.offset + at)
            file.write(data[at:at + size])
        at += size
