"""The structures in which macOS tells of processes, laid out as its headers have them.

Each is named after the header's (`ProcBsdinfo` is `struct proc_bsdinfo`), and so is each field. They come from XNU's
bsd/sys/proc_info.h and bsd/sys/resource.h. A test lays them beside the compiler's layout of the same declarations.
"""

import ctypes

#: MAXPATHLEN, and what a path's bytes are counted with (bsd/sys/syslimits.h).
_MAXPATHLEN = 1024
#: MAXCOMLEN (bsd/sys/param.h).
_MAXCOMLEN = 16


class ProcBsdinfo(ctypes.Structure):
    """What is told of a process, also of a zombie (PROC_PIDTBSDINFO)."""

    _fields_ = (
        ("pbi_flags", ctypes.c_uint32),
        ("pbi_status", ctypes.c_uint32),
        ("pbi_xstatus", ctypes.c_uint32),
        ("pbi_pid", ctypes.c_uint32),
        ("pbi_ppid", ctypes.c_uint32),
        ("pbi_uid", ctypes.c_uint32),
        ("pbi_gid", ctypes.c_uint32),
        ("pbi_ruid", ctypes.c_uint32),
        ("pbi_rgid", ctypes.c_uint32),
        ("pbi_svuid", ctypes.c_uint32),
        ("pbi_svgid", ctypes.c_uint32),
        ("rfu_1", ctypes.c_uint32),
        ("pbi_comm", ctypes.c_char * _MAXCOMLEN),
        ("pbi_name", ctypes.c_char * (2 * _MAXCOMLEN)),
        ("pbi_nfiles", ctypes.c_uint32),
        ("pbi_pgid", ctypes.c_uint32),
        ("pbi_pjobc", ctypes.c_uint32),
        ("e_tdev", ctypes.c_uint32),
        ("e_tpgid", ctypes.c_uint32),
        ("pbi_nice", ctypes.c_int32),
        ("pbi_start_tvsec", ctypes.c_uint64),
        ("pbi_start_tvusec", ctypes.c_uint64),
    )


class ProcTaskinfo(ctypes.Structure):
    """What a live process uses; times are in units of the machine's clock (osfmk/kern/bsd_kern.c)."""

    _fields_ = (
        ("pti_virtual_size", ctypes.c_uint64),
        ("pti_resident_size", ctypes.c_uint64),
        ("pti_total_user", ctypes.c_uint64),
        ("pti_total_system", ctypes.c_uint64),
        ("pti_threads_user", ctypes.c_uint64),
        ("pti_threads_system", ctypes.c_uint64),
        ("pti_policy", ctypes.c_int32),
        ("pti_faults", ctypes.c_int32),
        ("pti_pageins", ctypes.c_int32),
        ("pti_cow_faults", ctypes.c_int32),
        ("pti_messages_sent", ctypes.c_int32),
        ("pti_messages_received", ctypes.c_int32),
        ("pti_syscalls_mach", ctypes.c_int32),
        ("pti_syscalls_unix", ctypes.c_int32),
        ("pti_csw", ctypes.c_int32),
        ("pti_threadnum", ctypes.c_int32),
        ("pti_numrunning", ctypes.c_int32),
        ("pti_priority", ctypes.c_int32),
    )


class ProcTaskallinfo(ctypes.Structure):
    """Both of these of a live process (PROC_PIDTASKALLINFO)."""

    _fields_ = (("pbsd", ProcBsdinfo), ("ptinfo", ProcTaskinfo))


class RusageInfoV2(ctypes.Structure):
    """What a process uses, with what Activity Monitor calls its memory (RUSAGE_INFO_V2)."""

    _fields_ = (
        ("ri_uuid", ctypes.c_uint8 * 16),
        ("ri_user_time", ctypes.c_uint64),
        ("ri_system_time", ctypes.c_uint64),
        ("ri_pkg_idle_wkups", ctypes.c_uint64),
        ("ri_interrupt_wkups", ctypes.c_uint64),
        ("ri_pageins", ctypes.c_uint64),
        ("ri_wired_size", ctypes.c_uint64),
        ("ri_resident_size", ctypes.c_uint64),
        ("ri_phys_footprint", ctypes.c_uint64),
        ("ri_proc_start_abstime", ctypes.c_uint64),
        ("ri_proc_exit_abstime", ctypes.c_uint64),
        ("ri_child_user_time", ctypes.c_uint64),
        ("ri_child_system_time", ctypes.c_uint64),
        ("ri_child_pkg_idle_wkups", ctypes.c_uint64),
        ("ri_child_interrupt_wkups", ctypes.c_uint64),
        ("ri_child_pageins", ctypes.c_uint64),
        ("ri_child_elapsed_abstime", ctypes.c_uint64),
        ("ri_diskio_bytesread", ctypes.c_uint64),
        ("ri_diskio_byteswritten", ctypes.c_uint64),
    )


class ProcFdinfo(ctypes.Structure):
    """One open descriptor (PROC_PIDLISTFDS)."""

    _fields_ = (("proc_fd", ctypes.c_int32), ("proc_fdtype", ctypes.c_uint32))


class ProcFileinfo(ctypes.Structure):
    """How a file was opened; it is the same for all descriptors that were copied from one."""

    _fields_ = (
        ("fi_openflags", ctypes.c_uint32),
        ("fi_status", ctypes.c_uint32),
        ("fi_offset", ctypes.c_int64),
        ("fi_type", ctypes.c_int32),
        ("fi_guardflags", ctypes.c_uint32),
    )


class VinfoStat(ctypes.Structure):
    """The stat of a file."""

    _fields_ = (
        ("vst_dev", ctypes.c_uint32),
        ("vst_mode", ctypes.c_uint16),
        ("vst_nlink", ctypes.c_uint16),
        ("vst_ino", ctypes.c_uint64),
        ("vst_uid", ctypes.c_uint32),
        ("vst_gid", ctypes.c_uint32),
        ("vst_atime", ctypes.c_int64),
        ("vst_atimensec", ctypes.c_int64),
        ("vst_mtime", ctypes.c_int64),
        ("vst_mtimensec", ctypes.c_int64),
        ("vst_ctime", ctypes.c_int64),
        ("vst_ctimensec", ctypes.c_int64),
        ("vst_birthtime", ctypes.c_int64),
        ("vst_birthtimensec", ctypes.c_int64),
        ("vst_size", ctypes.c_int64),
        ("vst_blocks", ctypes.c_int64),
        ("vst_blksize", ctypes.c_int32),
        ("vst_flags", ctypes.c_uint32),
        ("vst_gen", ctypes.c_uint32),
        ("vst_rdev", ctypes.c_uint32),
        ("vst_qspare", ctypes.c_int64 * 2),
    )


class VnodeInfo(ctypes.Structure):
    """A file, by its numbers."""

    _fields_ = (
        ("vi_stat", VinfoStat),
        ("vi_type", ctypes.c_int),
        ("vi_pad", ctypes.c_int),
        ("vi_fsid", ctypes.c_int32 * 2),
    )


class VnodeInfoPath(ctypes.Structure):
    """A file, with a path of it that has no links in it."""

    _fields_ = (("vip_vi", VnodeInfo), ("vip_path", ctypes.c_char * _MAXPATHLEN))


class VnodeFdinfowithpath(ctypes.Structure):
    """The file that a descriptor is open on (PROC_PIDFDVNODEPATHINFO)."""

    _fields_ = (("pfi", ProcFileinfo), ("pvip", VnodeInfoPath))


class ProcVnodepathinfo(ctypes.Structure):
    """The working directory and the root of a process (PROC_PIDVNODEPATHINFO)."""

    _fields_ = (("pvi_cdir", VnodeInfoPath), ("pvi_rdir", VnodeInfoPath))


class MachTimebaseInfo(ctypes.Structure):
    """By what a time in units of the machine's clock is multiplied and divided to get ns (osfmk/mach/mach_time.h)."""

    _fields_ = (("numer", ctypes.c_uint32), ("denom", ctypes.c_uint32))
