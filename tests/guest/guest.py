# SPDX-License-Identifier: Apache-2.0
"""A real guest: Debian's own kernel in QEMU's software emulation, with our programs and nothing else in it.

    with guest.boot(files) as vm:
        done = vm.run("telltale", "run", "--", "true")

The machine has no network, no disk, no /dev/kvm. With one CPU its clock counts instructions: however busy the host,
nothing takes longer in it, and nobody waits for a sleep to be over. Its root is an initramfs made here of the programs
a test needs and the libraries they load; guest_init is its first process and runs what is asked for over the second
serial line. The first is the console: its last lines are shown when something goes wrong. Every wait has an end, and
QEMU ends with the test, however that ends.
"""
import atexit
import glob
import importlib.util
import json
import os
import py_compile
import re
import select
import shutil
import socket
import stat
import struct
import subprocess
import sys
import time
import zlib

SOURCE = os.environ.get("TELLTALE_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))

import cells  # noqa: E402
import tt  # noqa: E402

KERNELS = os.environ.get("TELLTALE_GUEST", os.path.join(SOURCE, "build-guest"))
QEMU = "qemu-system-x86_64"
BOOT_SECONDS = 120  # software emulation on a busy machine
RUN_SECONDS = 60
STOP_SECONDS = 10
CHUNK = 2048  # of a request: less than the guest's terminal holds

GUEST_BUILD, GUEST_SOURCE = "/usr/local/build", "/usr/local/source"
PYTHON_PACKAGES = ("collections", "concurrent", "ctypes", "encodings", "importlib", "json", "re", "urllib")
PYTHON_LEFT_OUT = re.compile(r"_?(test|xx|tk|sqlite|ssl|hashlib|curses|codecs|multi|g?dbm|read|nis|oss|audio|crypt|bz2|lzma)")

PASSWD = "root:x:0:0:root:/home/admin:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n" \
         "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
AS_USER = ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "env", "HOME=/home/user", "USER=user",
           "sh", "-c", 'cd && exec "$@"', "sh")
GROUP = "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n"


class Broken(Exception):
    """The guest does not answer as it should; the text ends with its console's last lines."""


def why_not():
    """Why no guest can be had here; None if one can."""
    if os.uname().machine != "x86_64":
        return "the guest's kernel is for x86_64"
    if not shutil.which(QEMU):
        return f"no {QEMU}: install qemu-system-x86"
    if not os.path.exists(os.path.join(KERNELS, "vmlinux")):
        return "no kernel for the guest: run tools/guest-kernel.py"
    missing = [x for x in ("busybox", "dash", "setpriv") if not shutil.which(x)]
    return f"no {missing[0]}" if missing else None


def release():
    """The name of the guest's kernel."""
    with open(os.path.join(KERNELS, "release"), encoding="utf-8") as f:
        return f.read().strip()


def libraries(path):
    """What the dynamic linker loads for @path; nothing for a static program or a script."""
    done = subprocess.run(["ldd", path], env=tt.clean_env(), capture_output=True, text=True, timeout=20)
    return re.findall(r"(?:=> |^\s*)(/\S+) \(0x", done.stdout, re.M)


class Image:
    """The files of the guest's root, in the format of its kernel: cpio, "newc"."""

    def __init__(self):
        self.entries, self.loaded = {}, []
        for folder in ("/dev", "/proc", "/sys", "/run", "/etc", "/home/admin", "/var", "/usr/bin", "/usr/sbin",
                       "/usr/lib", "/usr/lib64", "/usr/local"):
            self.folder(folder)
        for folder, mode in (("/tmp", 0o1777), ("/var/tmp", 0o1777), ("/home/user", 0o755)):
            self.folder(folder, mode, 1000 if folder == "/home/user" else 0)
        for name in ("bin", "sbin", "lib", "lib64"):
            self.link(f"/{name}", f"usr/{name}")
        self.link("/etc/mtab", "/proc/self/mounts")
        self.write("/etc/passwd", PASSWD)
        self.write("/etc/group", GROUP)
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
        self.write("/etc/hostname", "guest\n")
        self.write("/etc/hosts", "127.0.0.1 localhost guest\n::1 localhost\n")
        self.entries["/dev/console"] = (stat.S_IFCHR | 0o600, 0, b"", (5, 1))
        self.program(shutil.which("busybox"), "/usr/bin/busybox")
        for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True, timeout=20).stdout.split():
            self.entries.setdefault(f"/usr/bin/{applet}", (stat.S_IFLNK | 0o777, 0, b"busybox", (0, 0)))
        # Its shell would run its own applets for programs of the same name.
        self.program(shutil.which("dash"), "/bin/sh")
        self.program(shutil.which("setpriv"), "/usr/bin/setpriv")

    def folder(self, path, mode=0o755, uid=0):
        parent = os.path.dirname(path)
        if parent != "/" and parent not in self.entries:
            self.folder(parent)
        self.entries[path] = (stat.S_IFDIR | mode, uid, b"", (0, 0))

    def link(self, path, target):
        self.entries[path] = (stat.S_IFLNK | 0o777, 0, target.encode(), (0, 0))

    def write(self, path, data, mode=0o644):
        path = re.sub(r"^/(bin|sbin|lib|lib64)/", r"/usr/\1/", path)
        if os.path.dirname(path) not in self.entries:
            self.folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFREG | mode, 0, data if isinstance(data, bytes) else data.encode(), (0, 0))

    def copy(self, source, path=None):
        """A file as it is; @path: where it lies in the guest, if not at the same place."""
        self.write(path or source, tt.read(source), stat.S_IMODE(os.stat(source).st_mode) | 0o444)

    def program(self, source, path=None):
        """A program or library, with all that it needs to be loaded."""
        self.copy(source, path)
        for library in libraries(source):
            self.copy(library)

    def telltale(self):
        """Telltale as installed: found by PATH, the libraries where it looks for them."""
        self.program(tt.TELLTALE, "/usr/bin/telltale")
        for name in ("libtelltale.so", "libtelltale-audit.so", "libtelltale-musl.so"):
            if os.path.exists(os.path.join(tt.BUILD, name)):
                self.copy(os.path.join(tt.BUILD, name), f"/usr/bin/{name}")

    def module(self, name):
        """A module of the kernel, loaded by boot() after those that it needs."""
        path = os.path.join(KERNELS, "modules", f"{name}.ko")
        for needed in re.search(rb"\0depends=([^\0]*)\0", tt.read(path))[1].decode().split(","):
            if needed:
                self.module(needed)
        if f"/lib/modules/{name}.ko" not in self.loaded:
            self.copy(path, f"/lib/modules/{name}.ko")
            self.loaded.append(f"/lib/modules/{name}.ko")

    def vsock(self):
        """What Debian's kernel needs to have one: it is no part of the kernel itself."""
        self.module("virtio_pci")
        self.module("vmw_vsock_virtio_transport")

    def python(self):
        """The interpreter and the modules that tests use, compiled: software emulation is slow at that."""
        self.program(os.path.realpath(sys.executable), "/usr/bin/python3")
        top = os.path.dirname(os.__file__)
        for path in glob.glob(f"{top}/**/*.py", recursive=True):
            package = os.path.relpath(path, top).split("/")[0]
            if package.endswith(".py") or package in PYTHON_PACKAGES:
                cached = importlib.util.cache_from_source(path)
                if not os.path.exists(cached):
                    cached = os.path.join(tt.scratch(), "module.pyc")
                    py_compile.compile(path, cached, doraise=True)
                self.write(path + "c", tt.read(cached))
        for path in glob.glob(f"{top}/lib-dynload/*.so"):
            if not PYTHON_LEFT_OUT.match(os.path.basename(path)):
                self.program(path)

    def tests(self, *names):
        """Scripts and programs of tests/integration, for Guest.test(); the scripts' own modules with them."""
        self.telltale()
        for name in ("telltale", "libtelltale.so", "libtelltale-audit.so", "libtelltale-musl.so"):
            if f"/usr/bin/{name}" in self.entries:
                self.link(f"{GUEST_BUILD}/{name}", f"/usr/bin/{name}")
        for path in glob.glob(os.path.join(SOURCE, "tests", "integration", "*.py")):
            self.copy(path, f"{GUEST_SOURCE}/tests/integration/{os.path.basename(path)}")
        self.copy(os.path.join(SOURCE, "src", "event", "calls.def"), f"{GUEST_SOURCE}/src/event/calls.def")
        for name in names:
            self.program(tt.program(name), f"{GUEST_BUILD}/tests/integration/{name}")

    def pack(self):
        out = bytearray()
        for number, (path, (mode, uid, data, device)) in enumerate(
                sorted(self.entries.items()) + [("TRAILER!!!", (0, 0, b"", (0, 0)))], 1):
            name = path.lstrip("/").encode() + b"\0"
            fields = (number, mode, uid, uid, 1, 0, len(data), 0, 0, *device, len(name), 0)
            out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
            out += b"\0" * (-len(out) % 4) + data
            out += b"\0" * (-len(out) % 4)
        return bytes(out)


class Done:
    """What a command of the guest did; @status: as subprocess has it, None: its time was over."""

    def __init__(self, status, stdout, stderr):
        self.status = None if status == -1 else os.waitstatus_to_exitcode(status)
        self.raw, self.stdout, self.stderr = stdout, stdout.decode(errors="replace"), stderr.decode(errors="replace")

    def __repr__(self):
        return f"status {self.status}\nstdout: {self.stdout[-3000:]}\nstderr: {self.stderr[-3000:]}"


class Recorded(tt.Recording):
    """What a recorded command of the guest did."""

    def __init__(self, done, raw, run):
        done.returncode = done.status
        super().__init__("guest", done, None, raw, run)


class Vsock:
    """A vsock for a guest: its connection to port P of CID 2 becomes one to the unix socket BASE_P, as with Firecracker.

    @half_close: the host sees when the guest goes on to listen, but sends no more, as it does with a host's own vsock
    """

    def __init__(self, base, half_close=False):
        self.fd, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [os.path.join(tt.BUILD, "tests", "guest", "vhost_vsock"), "--fd", str(theirs.fileno()), "--base", base,
             *(["--half-close"] if half_close else [])],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        theirs.close()
        atexit.register(self.stop)

    def devices(self, memory):
        """For QEMU: the device, and memory that its process can map."""
        return ["-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on", "-machine", "memory-backend=ram",
                "-chardev", f"socket,id=vsock,fd={self.fd.fileno()}", "-device", "vhost-user-vsock-pci,chardev=vsock"]

    def stop(self):
        """It ends by itself when QEMU has. What it complained of."""
        self.fd.close()
        if self.process.stderr.closed:
            return ""
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        said = self.process.stderr.read().decode(errors="replace")
        self.process.stderr.close()
        return said


class Machine:
    """A machine that runs.

    @words: further words of its kernel's command line, @clock: of -icount, None: the host's, @devices: of QEMU
    """

    def __init__(self, image, memory, cpus, words, clock, devices, fds):
        scratch = tt.scratch()
        self.initrd, self.console_path = os.path.join(scratch, "initrd"), os.path.join(scratch, "console")
        with open(self.initrd, "wb") as f:
            f.write(image.pack())
        line = ["console=ttyS0", "panic=-1", "rdinit=/init", "loglevel=4", "tsc=reliable", "no_timer_check", *words]
        self.qemu = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-M", "pc", "-accel", "tcg",
             "-cpu", "qemu64,+rdrand", "-m", str(memory), "-smp", cpus, "-kernel", os.path.join(KERNELS, "vmlinux"), "-initrd", self.initrd,
             "-append", " ".join(line), "-serial", f"file:{self.console_path}", "-nic", "none",
             *(["-icount", clock] if clock else []), *devices],
            pass_fds=fds, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        atexit.register(self.stop)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def console(self):
        try:
            return tt.read(self.console_path).decode(errors="replace")
        except OSError:
            return ""

    def stop(self):
        if self.qemu.poll() is None:
            self.qemu.kill()
            self.qemu.wait(STOP_SECONDS)
        self.qemu.stderr.close()


class Guest(Machine):
    """A machine that runs what it is asked for. Made by boot()."""

    def __init__(self, image, memory, cpus, words, devices, vsock):
        self.line, theirs = socket.socketpair()
        self.pending, self.answers, self.records = bytearray(), True, 0
        devices = ["-chardev", f"socket,id=line,fd={theirs.fileno()}", "-serial", "chardev:line", *devices,
                   *(vsock.devices(memory) if vsock else [])]
        # Who waits for the host waits by the host's clock, too.
        clock = None if cpus != "1" else "shift=1,sleep=on" if vsock else "shift=1,sleep=off"
        super().__init__(image, memory, cpus, words, clock, devices,
                         [theirs.fileno(), *([vsock.fd.fileno()] if vsock else [])])
        theirs.close()

    def broken(self, what):
        """An end to the guest, and what is known of why."""
        self.answers = False
        try:
            self.qemu.wait(1)  # it may be about to say why
        except subprocess.TimeoutExpired:
            self.qemu.kill()
        said = self.qemu.stderr.read().decode(errors="replace")
        return Broken("\n".join([what, said, *self.console().splitlines()[-25:]]))

    def receive(self, size, end):
        """@size bytes, or a line with @size None; @end: when to give up."""
        while True:
            at = (self.pending.find(b"\n") + 1 or None) if size is None else size
            if at is not None and len(self.pending) >= at:
                data = bytes(self.pending[:at])
                del self.pending[:at]
                return data
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.line], [], [], left)[0]:
                raise self.broken("the guest does not answer in time")
            data = self.line.recv(1 << 16)
            if not data:
                raise self.broken("the guest is gone")
            self.pending += data

    def wait_until_ready(self):
        if self.receive(None, time.monotonic() + BOOT_SECONDS) != b"READY\n":
            raise self.broken("the guest does not begin as it should")
        os.unlink(self.initrd)  # in its memory by now

    def send(self, data, end):
        for at in range(0, len(data), CHUNK):
            if not select.select([], [self.line], [], max(0.0, end - time.monotonic()))[1]:
                raise self.broken("the guest does not listen")
            try:
                self.line.sendall(data[at:at + CHUNK])
            except OSError as e:
                raise self.broken(f"the guest is gone: {e}") from e

    def run(self, *command, input=b"", seconds=RUN_SECONDS):
        """A command, found by PATH; what it did. It and all it started are killed after @seconds of the guest's."""
        argv = b"".join(os.fsencode(word) + b"\0" for word in command)
        data = input if isinstance(input, bytes) else input.encode()
        end = time.monotonic() + 2 * seconds + 30
        self.send(b"RUN %d %d %d %d\n" % (seconds, len(argv), len(data), zlib.adler32(argv + data)) + argv + data, end)
        head = self.receive(None, end)
        match = re.fullmatch(rb"DONE (-?\d+) (\d+) (\d+) (\d+)\n", head)
        if not match:
            raise self.broken(f"the guest says {head!r}")
        status, out, err, checksum = (int(x) for x in match.groups())
        stdout, stderr = self.receive(out, end), self.receive(err, end)
        if zlib.adler32(stdout + stderr) != checksum:
            raise self.broken("bytes were lost on the way from the guest")
        return Done(status, stdout, stderr)

    def shell(self, script, **options):
        return self.run("sh", "-c", script, **options)

    def read(self, path):
        done = self.run("cat", path)
        if done.status:
            raise Broken(f"'{path}' in the guest: {done.stderr}")
        return done.raw

    def write(self, path, data):
        done = self.run("sh", "-c", 'cat >"$0"', path, input=data)
        if done.status:
            raise Broken(f"'{path}' in the guest: {done.stderr}")

    def record(self, *command, options=(), words=(), **more):
        """A command under `telltale run`, @words before it; as tt.record() has it."""
        self.records += 1
        folder = f"/tmp/record-{self.records}"
        self.run("sh", "-c", 'mkdir -m 777 "$0"', folder)
        done = self.run(*words, "telltale", "run", *options, "--output-dir", folder, "--", *command, **more)
        found = {}
        for path in self.run("find", folder, "-type", "f").stdout.split():
            found[re.sub(r"_.*", "", os.path.basename(path))] = self.read(path)
        if set(found) != {"run", "trace"}:
            raise Broken(f"a recorded command left {sorted(found)}: {done}")
        return Recorded(done, found["trace"], json.loads(found["run"]))

    def test(self, script, *arguments, seconds=RUN_SECONDS):
        """A script of tests/integration, in the guest: its TAP points become ours."""
        done = self.run("env", f"TELLTALE_BUILD={GUEST_BUILD}", f"TELLTALE_SOURCE={GUEST_SOURCE}", "python3", "-B",
                        f"{GUEST_SOURCE}/tests/integration/{script}", *arguments, seconds=seconds)
        notes, points = [], 0
        for line in done.stdout.splitlines():
            match = re.fullmatch(r"(not )?ok \d+ - (.*?)( # SKIP (.*))?", line)
            if not match:
                notes.append(line.removeprefix("# "))
                continue
            points += 1
            if match[3]:
                tt.skip(f"{script}: {match[2]}", match[4])
            else:
                tt.check(f"{script}: {match[2]}", not match[1], notes)
            notes = []
        skipped = re.fullmatch(r"1\.\.0 # SKIP (.*)\n", done.stdout)
        if skipped:
            tt.skip(script, skipped[1])
        else:
            tt.check(f"{script}: to its end", f"1..{points}" in notes and done.status in (0, 1),
                     [f"status {done.status}", *done.stdout.splitlines()[-20:], *done.stderr.splitlines()[-20:]])

    def stop(self):
        if self.qemu.poll() is None:
            if self.answers:
                try:
                    self.send(b"RUN 1 9 0 %d\npoweroff\0" % zlib.adler32(b"poweroff\0"), time.monotonic() + 1)
                    self.qemu.wait(STOP_SECONDS)
                except (Broken, subprocess.TimeoutExpired):
                    pass
        super().stop()
        self.line.close()


class Cell(Machine):
    """A machine whose first process is telltale-init, for one cell. A cells.Local with the same settings does the same
    without a machine; @ram: in MiB, @words: further words of the kernel's command line.
    """

    def __init__(self, image, argv, base, ram=384, cpus="1", words=(), half_close=False, **settings):
        image.copy(cells.INIT, "/init")
        image.copy(cells.AGENT, "/sbin/telltale-agent")
        image.copy(cells.WORK, "/cell_work")
        image.vsock()
        settings = {"endpoint": "vsock:2:9001", "exit": "vsock:2:9000", "modules": ":".join(image.loaded), **settings}
        words = ["cellos.argv=" + cells.encoded(argv), *words]
        for name, value in settings.items():
            words += [f"telltale.{name.replace('_', '-')}={one}" for one in (value if isinstance(value, list) else [value])
                      if one is not None]
        self.device, self.began = Vsock(base, half_close), time.monotonic()
        super().__init__(image, ram, cpus, words, "shift=1,sleep=on" if cpus == "1" else None,
                         self.device.devices(ram), [self.device.fd.fileno()])
        # QEMU's alone from here on: its end is seen by that.
        self.device.fd.close()

    def says(self, text, seconds=cells.SECONDS):
        """Until its console shows @text; False if it never did."""
        return tt.wait_for(lambda: text in self.console() or self.qemu.poll() is not None, seconds) and text in self.console()

    def wait(self, host=None):
        """Until the machine is switched off."""
        try:
            self.qemu.wait(cells.SECONDS)
            status = self.qemu.returncode
        except subprocess.TimeoutExpired:
            status = None
        seconds = time.monotonic() - self.began
        self.stop()
        complaints = self.device.stop()
        return cells.Ended(host.code if host else None, status, self.console() + complaints, seconds)


def boot(image, memory=768, cpus="1", arguments=(), devices=(), vsock=None):
    """A guest that answers; @arguments: further words of its kernel's command line, @devices: of QEMU's."""
    image.program(os.path.join(tt.BUILD, "tests", "guest", "guest_init"), "/init")
    vm = Guest(image, memory, cpus, arguments, devices, vsock)
    try:
        vm.wait_until_ready()
        for path in image.loaded:
            done = vm.run("insmod", path)
            if done.status:
                raise vm.broken(f"insmod '{path}': {done}")
    except Broken:
        vm.stop()
        raise
    return vm
