/* macOS's calls about processes, answered from Linux's /proc by the rules of XNU (bsd/kern/proc_info.c, kern_sysctl.c):
 * an ordinary user is told nothing of another's process; of a zombie only who it was, and only if asked for zombies;
 * the program's strings end before the environment where the program is signed as restricted. */
#define _GNU_SOURCE
#include "headers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

int fake_started_since_count = 0;  /* so many processes were started after the system counted them */
int fake_vm_pressure_level = 1;    /* normal */
enum { GONE = 4194305, NUMER = 125, DENOM = 3 }; /* above pid_max: listed, and gone when asked; Apple silicon's clock */

struct stat_line {
    char state;
    int ppid;
    unsigned long user, system, started;
};

static int fail(int error) {
    errno = error;
    return 0;
}

static ssize_t read_file(int pid, const char *name, char *into, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t count = fd < 0 ? -1 : 0;
    while (fd >= 0 && used < size && (count = read(fd, into + used, size - used)) > 0) used += (size_t)count;
    if (fd >= 0) close(fd);
    return count < 0 ? -1 : (ssize_t)used;
}

static ssize_t read_link(int pid, const char *name, char *into) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    ssize_t length = readlink(path, into, MAXPATHLEN - 1);
    if (length >= 0) into[length] = 0;
    /* XNU tells of a file that was removed, by the name that it had as long as it knows that (pid_vnodeinfopath). */
    char *removed = length >= 0 ? strstr(into, " (deleted)") : NULL;
    if (removed) *removed = 0;
    return length;
}

/* 0: there is such a process, and we may look at it. */
static int look(int pid, int is_zombie_wanted, struct stat_line *told) {
    char text[2048] = "", path[64];
    struct stat owner;
    if (pid == 0) { /* the kernel's own process, listed with the others and told of to root */
        *told = (struct stat_line){.state = 'R'};
        return geteuid() ? EPERM : 0;
    }
    if (read_file(pid, "stat", text, sizeof text - 1) <= 0) return ESRCH;
    sscanf(strrchr(text, ')') + 2, "%c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu %*s %*s %*s %*s %*s %*s %lu",
           &told->state, &told->ppid, &told->user, &told->system, &told->started);
    if (strchr("ZX", told->state) && !is_zombie_wanted) return ESRCH;
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (stat(path, &owner)) return ESRCH;
    return owner.st_uid == geteuid() ? 0 : EPERM;
}

static uint64_t clock_units(unsigned long ticks) {
    return (uint64_t)ticks * (1000000000ull / (unsigned long)sysconf(_SC_CLK_TCK)) * DENOM / NUMER;
}

static uint64_t status_bytes(int pid, const char *name) {
    char text[8192] = "", *line;
    read_file(pid, "status", text, sizeof text - 1);
    return (line = strstr(text, name)) ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

static void fill_bsdinfo(int pid, const struct stat_line *line, struct proc_bsdinfo *told) {
    unsigned long ticks = (unsigned long)sysconf(_SC_CLK_TCK);
    memset(told, 0, sizeof *told);
    told->pbi_pid = (uint32_t)pid;
    told->pbi_ppid = (uint32_t)line->ppid;
    told->pbi_uid = geteuid();
    told->pbi_status = strchr("ZX", line->state) ? SZOMB : SRUN;
    told->pbi_start_tvsec = line->started / ticks;
    told->pbi_start_tvusec = line->started % ticks * (1000000 / ticks);
}

/* `name`: what in /proc/<pid> leads to the file, also if it was removed. */
static int fill_vnode(int pid, const char *name, const char *path, struct vnode_info_path *told) {
    struct stat file;
    char link[64];
    memset(told, 0, sizeof *told);
    strncpy(told->vip_path, path, MAXPATHLEN - 1);
    snprintf(link, sizeof link, "/proc/%d/%s", pid, name);
    if (stat(link, &file)) return ENOENT;
    told->vip_vi.vi_stat.vst_dev = (uint32_t)file.st_dev;
    told->vip_vi.vi_stat.vst_ino = file.st_ino;
    return 0;
}

int proc_listallpids(void *buffer, int size) {
    int room = size / (int)sizeof(int), count = 0, *numbers = buffer;
    struct dirent *entry;
    DIR *all = opendir("/proc");
    while ((entry = readdir(all))) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        if (buffer && count < room) numbers[count] = atoi(entry->d_name);
        count++;
    }
    closedir(all);
    for (int each = 0; each < 2; each++, count++)
        if (buffer && count < room) numbers[count] = each ? 0 : GONE;
    if (!buffer) return count + 20 - fake_started_since_count;
    return count < room ? count : room;
}

static int list_descriptors(int pid, struct proc_fdinfo *told, int size) {
    char path[64], target[MAXPATHLEN];
    int room = size / (int)sizeof *told, count = 0;
    struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *all = opendir(path);
    while (all && (entry = readdir(all))) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "fd/%.20s", entry->d_name);
        int is_file = read_link(pid, path, target) > 0 && target[0] == '/';
        if (told && count < room)
            told[count] = (struct proc_fdinfo){atoi(entry->d_name), is_file ? PROX_FDTYPE_VNODE : PROX_FDTYPE_SOCKET};
        count++;
    }
    if (all) closedir(all);
    if (!told) count += 20;
    else if (count > room) count = room;
    return count * (int)sizeof *told;
}

int proc_pidinfo(int pid, int flavor, uint64_t argument, void *buffer, int size) {
    struct stat_line line;
    int error = look(pid, flavor == PROC_PIDTBSDINFO && argument, &line);
    if (error) return fail(error);
    if (flavor == PROC_PIDLISTFDS) return list_descriptors(pid, buffer, size);
    if (flavor == PROC_PIDTBSDINFO) {
        if (size < (int)sizeof(struct proc_bsdinfo)) return fail(ENOMEM);
        fill_bsdinfo(pid, &line, buffer);
        return sizeof(struct proc_bsdinfo);
    }
    if (flavor == PROC_PIDTASKALLINFO) {
        struct proc_taskallinfo *told = buffer;
        if (size < (int)sizeof *told) return fail(ENOMEM);
        memset(told, 0, sizeof *told);
        fill_bsdinfo(pid, &line, &told->pbsd);
        told->ptinfo.pti_total_user = clock_units(line.user);
        told->ptinfo.pti_total_system = clock_units(line.system);
        told->ptinfo.pti_resident_size = status_bytes(pid, "VmRSS:");
        return sizeof *told;
    }
    if (flavor == PROC_PIDVNODEPATHINFO) {
        struct proc_vnodepathinfo *told = buffer;
        char path[MAXPATHLEN] = "";
        if (size < (int)sizeof *told) return fail(ENOMEM);
        memset(told, 0, sizeof *told);
        if (read_link(pid, "cwd", path) < 0) return fail(ESRCH);
        fill_vnode(pid, "cwd", path, &told->pvi_cdir);
        return sizeof *told;
    }
    return fail(EINVAL);
}

int proc_pidfdinfo(int pid, int fd, int flavor, void *buffer, int size) {
    struct vnode_fdinfowithpath *told = buffer;
    struct stat_line line;
    char name[32], path[MAXPATHLEN], text[2048] = "";
    int error = look(pid, 0, &line);
    if (error) return fail(error);
    if (flavor != PROC_PIDFDVNODEPATHINFO) return fail(EINVAL);
    if (size < (int)sizeof *told) return fail(ENOMEM);
    snprintf(name, sizeof name, "fd/%d", fd);
    if (read_link(pid, name, path) < 0 || path[0] != '/') return fail(EBADF);
    memset(told, 0, sizeof *told);
    if (fill_vnode(pid, name, path, &told->pvip)) return fail(ENOENT);
    snprintf(name, sizeof name, "fdinfo/%d", fd);
    read_file(pid, name, text, sizeof text - 1);
    told->pfi.fi_openflags = strstr(text, "FLOCK") ? FWASLOCKED : 0;
    return sizeof *told;
}

int proc_pid_rusage(int pid, int flavor, void *buffer) {
    struct rusage_info_v2 *told = buffer;
    struct stat_line line;
    int error = flavor == RUSAGE_INFO_V2 ? look(pid, 1, &line) : EINVAL;
    if (error) return fail(error) - 1;
    memset(told, 0, sizeof *told);
    told->ri_user_time = clock_units(line.user);
    told->ri_system_time = clock_units(line.system);
    told->ri_resident_size = status_bytes(pid, "VmRSS:");
    told->ri_phys_footprint = told->ri_resident_size + status_bytes(pid, "VmSwap:");
    return 0;
}

/* What Apple signs as restricted: its shells and small programs. */
static int is_restricted(int pid) {
    char path[MAXPATHLEN] = "";
    read_link(pid, "exe", path);
    const char *name = strrchr(path, '/');
    return name && (!strcmp(name, "/sh") || !strcmp(name, "/dash") || !strcmp(name, "/bash") || !strcmp(name, "/sleep"));
}

int sysctl(const int *name, unsigned int length, void *buffer, size_t *size, void *new_value, size_t new_size) {
    struct stat_line line;
    char *told = buffer, path[MAXPATHLEN] = "";
    (void)new_value, (void)new_size;
    if (length != 3 || name[0] != CTL_KERN || name[1] != KERN_PROCARGS2 || *size > ARG_MAX_BYTES + sizeof(int) ||
        look(name[2], 0, &line) || read_link(name[2], "exe", path) < 0)
        return fail(EINVAL) - 1;
    size_t used = sizeof(int), start;
    int count = 0;
    used += (size_t)snprintf(told + used, *size - used, "%s", path) + 1;
    while (used % 8) told[used++] = 0;
    start = used;
    used += (size_t)read_file(name[2], "cmdline", told + used, *size - used);
    for (; start < used; start++) count += told[start] == 0;
    memcpy(told, &count, sizeof count);
    if (!is_restricted(name[2])) used += (size_t)read_file(name[2], "environ", told + used, *size - used);
    *size = used;
    return 0;
}

int sysctlbyname(const char *name, void *buffer, size_t *size, void *new_value, size_t new_size) {
    static const char session[] = "5A1B3C6E-0D6C-4C8E-9E63-0B1D2F3A4C5D";
    int is_text = !strcmp(name, "kern.bootsessionuuid"), is_level = !strcmp(name, "kern.memorystatus_vm_pressure_level");
    size_t needed = is_text ? sizeof session : sizeof fake_vm_pressure_level;
    (void)new_value, (void)new_size;
    if (!is_text && !is_level) return fail(ENOENT) - 1;
    if (*size < needed) return fail(ENOMEM) - 1;
    memcpy(buffer, is_text ? (const void *)session : (const void *)&fake_vm_pressure_level, needed);
    *size = needed;
    return 0;
}

int mach_timebase_info(struct mach_timebase_info *told) {
    told->numer = NUMER;
    told->denom = DENOM;
    return 0;
}
