"""What a worker gives up before it reads strangers' files, by two layers of the kernel, each where there is one.

Landlock: it opens no file but what Python and its libraries are made of, for reading. seccomp: it makes no sockets,
processes, files or names, signals nobody else, and has no use of the kernel's larger mechanisms. What is refused is
EACCES or EPERM. libseccomp, which every Debian has, makes the filter; its packaged binding runs a compiler to find it.
Run as `python -m konifer_fs.adapters.pillow.confining`, it tells the layers that hold here.
"""

import ctypes
import errno
import fcntl
import os
import struct
import sys
import termios
from contextlib import suppress
from pathlib import Path
from typing import Final

SECCOMP: Final = "seccomp"
LANDLOCK: Final = "Landlock"

_PR_SET_NO_NEW_PRIVS: Final = 38

# Numbers of linux/landlock.h, of its first version; the calls' numbers are those of every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH: Final = 1
_READ_FILE: Final = 1 << 2
_READ_DIRECTORY: Final = 1 << 3
_ALL_OF_FILES: Final = (1 << 13) - 1
_LIBRARIES: Final = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/sys/devices/system/cpu")

_LIBSECCOMP: Final = "libseccomp.so.2"
# Numbers of seccomp.h.
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_ALL_THREADS: Final = 4
_NOT_EQUAL, _MASKED_EQUAL = 1, 7
_UNKNOWN: Final = -1

_REFUSED: Final = """
    socket socketpair connect bind listen accept accept4 sendto sendmsg sendmmsg
    execve execveat fork vfork
    ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_open pidfd_getfd pidfd_send_signal tkill
    mount umount umount2 unshare setns pivot_root chroot
    fsopen fsconfig fsmount fspick move_mount open_tree mount_setattr
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register
    migrate_pages move_pages keyctl add_key request_key shmget semget msgget mq_open mq_unlink fanotify_init
    init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl
    settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname syslog vhangup iopl ioperm
    setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset setrlimit
    creat truncate unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat
    mkdir mkdirat rmdir mknod mknodat open_by_handle_at
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat
    setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
"""
_INT: Final = 0xFFFFFFFF
_CLONE_THREAD: Final = 0x10000
_F_SETOWN_EX: Final = 15
_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902
_WRITING: Final = (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC)
# Of a call, refused are those whose argument of this number has, of these bits, this value.
_REFUSED_SOMETIMES: Final = (
    *(("open", 1, flag, flag) for flag in _WRITING),
    *(("openat", 2, flag, flag) for flag in _WRITING),
    ("clone", 0, _CLONE_THREAD, 0),
    # By these somebody else gets a signal, or a terminal its input.
    *(("fcntl", 1, _INT, command) for command in (fcntl.F_SETOWN, _F_SETOWN_EX, fcntl.F_SETSIG)),
    *(("ioctl", 1, _INT, command) for command in (_FIOSETOWN, _SIOCSPGRP, termios.TIOCSTI)),
)
# Their arguments lie in memory, where a filter does not look; who is told so takes the older call.
_NOT_THERE: Final = ("clone3", "openat2")


class _Comparison(ctypes.Structure):
    """libseccomp's struct scmp_arg_cmp: of the argument `number`, what is refused."""

    _fields_ = (("number", ctypes.c_uint), ("how", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def confine() -> set[str]:
    """Give up, for good, in all threads and for what is loaded later, too; gives the names of the layers that hold."""
    # A compiled module would be written beside its source.
    sys.dont_write_bytecode = True
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    held = {LANDLOCK} if _restrict_files(libc) else set()
    return held | ({SECCOMP} if _filter_calls() else set())


def _restrict_files(libc: ctypes.CDLL) -> bool:
    """Open none but what can be imported. Holds for this thread and those that it will start."""
    rules = libc.syscall(_CREATE_RULESET, struct.pack("=Q", _ALL_OF_FILES), ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    for place in {*_LIBRARIES, *sys.path, sys.prefix, sys.base_prefix}:
        with suppress(OSError):
            beneath = os.open(place, os.O_PATH)
            rights = _READ_FILE | (_READ_DIRECTORY if Path(place).is_dir() else 0)
            libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, beneath), 0)
            os.close(beneath)
    restricted: bool = libc.syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return restricted


def _filter_calls() -> bool:
    """Refuse system calls."""
    try:
        library = ctypes.CDLL(_LIBSECCOMP)
    except OSError:
        return False
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_ALLOW))

    def refuse(name: str, *refused: _Comparison, error: int = errno.EPERM) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != _UNKNOWN:
            library.seccomp_rule_add_array(
                context, _ERRNO | error, number, len(refused), (_Comparison * len(refused))(*refused)
            )

    for name in _REFUSED.split():
        refuse(name)
    for name in _NOT_THERE:
        refuse(name, error=errno.ENOSYS)
    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        refuse(name, _Comparison(0, _NOT_EQUAL, os.getpid()))
    for name, argument, bits, value in _REFUSED_SOMETIMES:
        refuse(name, _Comparison(argument, _MASKED_EQUAL, bits, value))
    refuse("prlimit64", _Comparison(2, _NOT_EQUAL, 0))
    library.seccomp_attr_set(context, _ALL_THREADS, 1)
    loaded: bool = library.seccomp_load(context) == 0
    library.seccomp_release(context)
    return loaded


if __name__ == "__main__":
    print(*sorted(confine()))  # noqa: T201 - is asked for
