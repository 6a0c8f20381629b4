/* What macOS's headers declare and we read, spelled out again for a compiler that has none of them.
 * From XNU: bsd/sys/proc_info.h, bsd/sys/resource.h, bsd/sys/ucred.h, bsd/sys/event.h, osfmk/mach/mach_time.h. */
#include <stddef.h>
#include <stdint.h>

#define MAXCOMLEN 16
#define MAXPATHLEN 1024
#define NGROUPS 16

enum { PROC_PIDLISTFDS = 1, PROC_PIDTASKALLINFO = 2, PROC_PIDTBSDINFO = 3, PROC_PIDVNODEPATHINFO = 9 };
enum { PROC_PIDFDVNODEPATHINFO = 2, PROX_FDTYPE_VNODE = 1, PROX_FDTYPE_SOCKET = 2 };
enum { RUSAGE_INFO_V2 = 2, SRUN = 2, SZOMB = 5, FWASLOCKED = 0x4000 };
enum { CTL_KERN = 1, KERN_PROCARGS2 = 49, ARG_MAX_BYTES = 1024 * 1024 };

struct proc_bsdinfo {
    uint32_t pbi_flags, pbi_status, pbi_xstatus, pbi_pid, pbi_ppid;
    uint32_t pbi_uid, pbi_gid, pbi_ruid, pbi_rgid, pbi_svuid, pbi_svgid, rfu_1;
    char pbi_comm[MAXCOMLEN];
    char pbi_name[2 * MAXCOMLEN];
    uint32_t pbi_nfiles, pbi_pgid, pbi_pjobc, e_tdev, e_tpgid;
    int32_t pbi_nice;
    uint64_t pbi_start_tvsec, pbi_start_tvusec;
};

struct proc_taskinfo {
    uint64_t pti_virtual_size, pti_resident_size, pti_total_user, pti_total_system, pti_threads_user, pti_threads_system;
    int32_t pti_policy, pti_faults, pti_pageins, pti_cow_faults, pti_messages_sent, pti_messages_received;
    int32_t pti_syscalls_mach, pti_syscalls_unix, pti_csw, pti_threadnum, pti_numrunning, pti_priority;
};

struct proc_taskallinfo {
    struct proc_bsdinfo pbsd;
    struct proc_taskinfo ptinfo;
};

struct rusage_info_v2 {
    uint8_t ri_uuid[16];
    uint64_t ri_user_time, ri_system_time, ri_pkg_idle_wkups, ri_interrupt_wkups, ri_pageins, ri_wired_size;
    uint64_t ri_resident_size, ri_phys_footprint, ri_proc_start_abstime, ri_proc_exit_abstime;
    uint64_t ri_child_user_time, ri_child_system_time, ri_child_pkg_idle_wkups, ri_child_interrupt_wkups;
    uint64_t ri_child_pageins, ri_child_elapsed_abstime, ri_diskio_bytesread, ri_diskio_byteswritten;
};

struct proc_fdinfo {
    int32_t proc_fd;
    uint32_t proc_fdtype;
};

struct proc_fileinfo {
    uint32_t fi_openflags, fi_status;
    int64_t fi_offset; /* off_t */
    int32_t fi_type;
    uint32_t fi_guardflags;
};

struct vinfo_stat {
    uint32_t vst_dev;
    uint16_t vst_mode, vst_nlink;
    uint64_t vst_ino;
    uint32_t vst_uid, vst_gid;
    int64_t vst_atime, vst_atimensec, vst_mtime, vst_mtimensec, vst_ctime, vst_ctimensec, vst_birthtime, vst_birthtimensec;
    int64_t vst_size, vst_blocks;
    int32_t vst_blksize;
    uint32_t vst_flags, vst_gen, vst_rdev;
    int64_t vst_qspare[2];
};

struct vnode_info {
    struct vinfo_stat vi_stat;
    int vi_type, vi_pad;
    struct { int32_t val[2]; } vi_fsid; /* fsid_t */
};

struct vnode_info_path {
    struct vnode_info vip_vi;
    char vip_path[MAXPATHLEN];
};

struct vnode_fdinfowithpath {
    struct proc_fileinfo pfi;
    struct vnode_info_path pvip;
};

struct proc_vnodepathinfo {
    struct vnode_info_path pvi_cdir, pvi_rdir;
};

struct mach_timebase_info {
    uint32_t numer, denom;
};

struct xucred {
    uint32_t cr_version, cr_uid;
    short cr_ngroups;
    uint32_t cr_groups[NGROUPS];
};
