/* What the numbers hang on besides the servers. */
#include "bench/compare.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void read_line(const char *path, char *to, size_t room) {
    char text[512];
    FILE *file = fopen(path, "r");
    if (!file || !fgets(text, sizeof text, file)) *text = 0;
    if (file) fclose(file);
    compare_first_line(to, room, text);
}

/* The value behind NAME and a separator in a file of such lines. */
static void read_field(const char *path, const char *name, char separator, char *to, size_t room) {
    char line[512];
    size_t count = strlen(name);
    FILE *file = fopen(path, "r");
    *to = 0;
    while (file && fgets(line, sizeof line, file)) {
        char *behind = strchr(line, separator);
        if (strncmp(line, name, count) != 0 || !behind) continue;
        behind += 1 + strspn(behind + 1, " \t\"");
        behind[strcspn(behind, "\"\n")] = 0;
        snprintf(to, room, "%s", behind);
        break;
    }
    if (file) fclose(file);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* What the CPU is affected by, and what is done about it. */
static void read_mitigations(char *to, size_t room) {
    static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, by_name);
    size_t used = 0;
    *to = 0;
    for (int i = 0; i < count; i++) {
        char path[400], text[256];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        read_line(path, text, sizeof text);
        if (entries[i]->d_name[0] != '.' && *text && strcmp(text, "Not affected") != 0 && used < room)
            used += (size_t)snprintf(to + used, room - used, "%s%s: %s", used ? "; " : "", entries[i]->d_name,
                                     text);
        free(entries[i]);
    }
    free(entries);
    if (used == 0) snprintf(to, room, "%s", count > 0 ? "not affected by anything known" : "unknown");
}

static void read_limits(char *to, size_t room) {
    struct rlimit files = {0}, locked = {0};
    char backlog[32], ports[64];
    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_MEMLOCK, &locked);
    read_line("/proc/sys/net/core/somaxconn", backlog, sizeof backlog);
    read_line("/proc/sys/net/ipv4/ip_local_port_range", ports, sizeof ports);
    for (char *at = ports; *at; at++)
        if (*at == '\t') *at = '-';
    snprintf(to, room, "descriptors %llu, locked memory %llu KiB, backlog %s, local ports %s",
             (unsigned long long)files.rlim_max, (unsigned long long)locked.rlim_cur / 1024, backlog, ports);
}

void compare_loads_read(double loads[3]) {
    if (getloadavg(loads, 3) < 3) loads[0] = loads[1] = loads[2] = -1;
}

void compare_environment_conclude(struct compare_result *result) {
    struct compare_environment *environment = &result->environment;
    unsigned count = 0;
    environment->others_mean = environment->others_most = 0;
    compare_loads_read(environment->load_after);
    for (size_t t = 0; t < result->table_count; t++) {
        for (size_t i = 0; i < result->row_count && !*result->tables[t].left_out; i++) {
            const struct compare_cell *cell = &result->tables[t].cells[i];
            double others = cell->estimates[COMPARE_OTHERS].median;
            if (cell->state != COMPARE_TIMED || isnan(others)) continue;
            environment->others_mean += (others - environment->others_mean) / ++count;
            environment->others_most = fmax(environment->others_most, others);
        }
    }
}

void compare_environment_read(struct compare_result *result) {
    struct compare_environment *environment = &result->environment;
    struct utsname names;
    char governor[64];
    time_t now = time(NULL);
    read_field("/proc/cpuinfo", "model name", ':', environment->cpu, sizeof environment->cpu);
    if (!*environment->cpu)
        read_field("/proc/cpuinfo", "CPU part", ':', environment->cpu, sizeof environment->cpu);
    char flags[4096];
    FILE *info = fopen("/proc/cpuinfo", "r");
    size_t count = info ? fread(flags, 1, sizeof flags - 1, info) : 0;
    if (info) fclose(info);
    flags[count] = 0;
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor, sizeof governor);
    snprintf(environment->clock, sizeof environment->clock, "%s%s%s",
             *governor ? "governor " : "clock not to be seen", *governor ? governor : "",
             strstr(flags, " hypervisor") ? ", a virtual machine" : "");
    uname(&names);
    snprintf(environment->kernel, sizeof environment->kernel, "%s %s %s", names.sysname, names.release,
             names.machine);
    read_field("/etc/os-release", "PRETTY_NAME", '=', environment->system, sizeof environment->system);
    read_mitigations(environment->mitigations, sizeof environment->mitigations);
    read_limits(environment->limits, sizeof environment->limits);
    snprintf(environment->build, sizeof environment->build, "%s", COMPARE_BUILD);
    strftime(environment->started, sizeof environment->started, "%Y-%m-%d %H:%M:%S UTC", gmtime(&now));
    memcpy(result->started, environment->started, sizeof result->started);
    environment->cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    environment->memory_bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    compare_loads_read(environment->load_before);
}
