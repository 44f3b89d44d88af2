"""A small file system in a folder of its own, which goes with the process that mounted it."""

import os
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77  # what ctest takes for "skipped"
INSIDE = "SMALL_DISK_INSIDE"


def skip(why):
    print("skipped: " + why)
    sys.exit(SKIPPED)


def enter_namespace():
    """Runs this program again where its mounts are its own: nothing is left behind."""
    if INSIDE in os.environ:
        return
    options = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
    if shutil.which("unshare") is None or subprocess.run(
            ["unshare"] + options + ["true"], capture_output=True, check=False).returncode != 0:
        skip("no namespace for mounts may be made here")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare"] + options + [sys.executable] + sys.argv)


class SmallDisk:
    """`kind`: tmpfs, or ext4 in a file."""

    def __init__(self, kind, size):
        self.outer = tempfile.mkdtemp(prefix="holdfast-disk-")
        self.path = os.path.join(self.outer, "disk")
        os.mkdir(self.path)
        self.is_there = self.mount(kind, size)

    def mount(self, kind, size):
        if kind == "tmpfs":
            command = ["mount", "-t", "tmpfs", "-o", "size=%d" % size, "tmpfs", self.path]
        else:
            image = os.path.join(self.outer, "image")
            with open(image, "wb") as file:
                file.truncate(size)
            made = shutil.which("mkfs.ext4") is not None and subprocess.run(
                ["mkfs.ext4", "-q", "-m", "0", image], capture_output=True, check=False)
            if not made or made.returncode != 0:
                return False
            command = ["mount", "-o", "loop", image, self.path]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_there:
            subprocess.run(["umount", "-l", self.path], check=False)
        shutil.rmtree(self.outer)

    def free(self):
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def put_ballast(self, leaves):
        """A file beside the data that takes all room but `leaves` bytes."""
        with open(os.path.join(self.path, "ballast"), "ab") as file:
            while self.free() > leaves + 4096:
                at = file.seek(0, os.SEEK_END)
                try:
                    os.posix_fallocate(file.fileno(), at, max(4096, self.free() - leaves - 4096))
                except OSError:
                    break

    def remove_ballast(self):
        os.remove(os.path.join(self.path, "ballast"))
