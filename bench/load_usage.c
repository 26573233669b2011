/* CPU time and memory: ours, the server's, its core's. */
#include "bench/load.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static size_t read_file(const char *path, char *to, size_t room) {
    FILE *file = fopen(path, "r");
    size_t count = file ? fread(to, 1, room - 1, file) : 0;
    if (file) fclose(file);
    to[count] = 0;
    return count;
}

/* utime and stime of /proc/PID/stat, in seconds. */
static bool read_stat(int pid, double *user, double *sys) {
    char path[64], text[2048];
    unsigned long utime, stime;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    read_file(path, text, sizeof text);
    const char *behind = strrchr(text, ')'); /* the name may hold anything */
    if (!behind ||
        sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &utime, &stime) != 2)
        return false;
    double tick = (double)sysconf(_SC_CLK_TCK);
    *user = (double)utime / tick;
    *sys = (double)stime / tick;
    return true;
}

/* Time on CPUs of all threads of a process, to the nanosecond; < 0: not to be had. */
static double read_schedstat(int pid) {
    char path[320], text[128];
    double sum = -1;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        if (task->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        unsigned long long ns;
        if (!read_file(path, text, sizeof text) || sscanf(text, "%llu", &ns) != 1) continue;
        sum = (sum < 0 ? 0 : sum) + (double)ns / 1e9;
    }
    if (tasks) closedir(tasks);
    return sum;
}

double wye_load_process_cpu(int pid) {
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return -1;
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The process whose name is ksoftirqd/CPU; 0: none. */
static int find_ksoftirqd(int cpu) {
    char wanted[32], path[320], name[64];
    int found = 0;
    snprintf(wanted, sizeof wanted, "ksoftirqd/%d\n", cpu);
    DIR *processes = opendir("/proc");
    for (struct dirent *process; !found && processes && (process = readdir(processes));) {
        int pid = atoi(process->d_name);
        if (pid <= 0) continue;
        snprintf(path, sizeof path, "/proc/%d/comm", pid);
        if (read_file(path, name, sizeof name) && strcmp(name, wanted) == 0) found = pid;
    }
    if (processes) closedir(processes);
    return found;
}

static void read_core(int cpu, struct load_usage *usage) {
    char line[512];
    FILE *file = fopen("/proc/stat", "r");
    double tick = (double)sysconf(_SC_CLK_TCK), v[8];
    int number;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "cpu%d %lf %lf %lf %lf %lf %lf %lf %lf", &number, v, v + 1, v + 2, v + 3, v + 4,
                   v + 5, v + 6, v + 7) != 9)
            continue;
        if (number != cpu) continue;
        usage->core_busy = (v[0] + v[1] + v[2] + v[5] + v[6]) / tick;
        usage->core_soft = (v[5] + v[6]) / tick;
        usage->core_steal = v[7] / tick;
    }
    if (file) fclose(file);
}

static uint64_t read_kib(const char *path, const char *name) {
    char line[256];
    uint64_t value = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0) value = strtoull(line + strlen(name), NULL, 10) * 1024;
    if (file) fclose(file);
    return value;
}

static double seconds_of(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static void read_own(const struct load_run *run, struct load_usage *usage) {
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    usage->own = seconds_of(own.ru_utime) + seconds_of(own.ru_stime);
    for (unsigned i = 0; i < run->worker_count; i++) {
        clockid_t clock;
        char path[64], text[128];
        unsigned long long waited;
        struct timespec time;
        const struct wye_counters *counters = &run->workers[i].loop.hub.counters;
        usage->turns += wye_counted(&counters->turns);
        usage->enters += wye_counted(&counters->enters);
        if (!run->workers[i].thread || pthread_getcpuclockid(run->workers[i].thread, &clock) != 0) continue;
        snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", atomic_load(&run->workers[i].tid));
        if (read_file(path, text, sizeof text) && sscanf(text, "%*u %llu", &waited) == 1)
            usage->waits[i] = (double)waited / 1e9;
        if (clock_gettime(clock, &time) == 0)
            usage->threads[i] = (double)time.tv_sec + (double)time.tv_nsec / 1e9;
    }
}

void wye_load_usage_read(const struct load_run *run, struct load_usage *usage) {
    static int ksoftirqd = -1;
    const struct load_options *options = run->options;
    char path[64];
    *usage = (struct load_usage){.at_ns = wye_clock_now_ns()};
    if (options->pid > 0) {
        read_stat(options->pid, &usage->server_user, &usage->server_sys);
        usage->server = wye_load_process_cpu(options->pid);
        if (usage->server < 0) usage->server = usage->server_user + usage->server_sys;
        snprintf(path, sizeof path, "/proc/%d/status", options->pid);
        usage->rss_bytes = read_kib(path, "VmRSS:");
        usage->slab_bytes = read_kib("/proc/meminfo", "Slab:");
        usage->available_bytes = read_kib("/proc/meminfo", "MemAvailable:");
    }
    if (options->cpu >= 0) {
        double user, sys;
        if (ksoftirqd < 0) ksoftirqd = find_ksoftirqd(options->cpu);
        double ran = ksoftirqd > 0 ? read_schedstat(ksoftirqd) : 0;
        if (ran <= 0 && ksoftirqd > 0 && read_stat(ksoftirqd, &user, &sys)) ran = user + sys;
        usage->ksoftirqd = ran > 0 ? ran : 0;
        read_core(options->cpu, usage);
    }
    read_own(run, usage);
}
