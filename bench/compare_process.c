/* Programs: started on a core, watched, ended by their pid. */
#include "bench/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wordexp.h>

enum { OUTPUT_MAX = 4 << 20, GRACE_MS = 2000 };

double compare_now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

char *compare_expand(const char *text, const char *const *names, const char *const *values) {
    char *result = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&result, &size);
    if (!to) return NULL;
    while (*text) {
        size_t i = 0, count = 0;
        for (; *text == '{' && names[i]; i++) {
            count = strlen(names[i]);
            if (strncmp(text + 1, names[i], count) == 0 && text[count + 1] == '}') break;
        }
        if (*text == '{' && names[i]) {
            fputs(values[i], to);
            text += count + 2;
        } else {
            fputc(*text++, to);
        }
    }
    if (fclose(to) == 0) return result;
    free(result);
    return NULL;
}

char **compare_words(const char *text) {
    wordexp_t split;
    if (wordexp(text, &split, WRDE_NOCMD) != 0) return NULL;
    char **words = calloc(split.we_wordc + 1, sizeof *words);
    for (size_t i = 0; words && i < split.we_wordc; i++) words[i] = strdup(split.we_wordv[i]);
    wordfree(&split);
    if (words && !words[0]) {
        free(words);
        return NULL;
    }
    return words;
}

void compare_words_free(char **words) {
    for (size_t i = 0; words && words[i]; i++) free(words[i]);
    free(words);
}

static _Noreturn void become(char *const *words, int core, int out, int error, pid_t parent) {
    struct rlimit files;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1); /* it was killed before that: nobody would end us */
    setpgid(0, 0); /* ctrl-C is for the parent */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (core >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET((unsigned)core, &cores);
        if (sched_setaffinity(0, sizeof cores, &cores) != 0) {
            dprintf(error, "core %d: %s\n", core, strerror(errno));
            _exit(126);
        }
    }
    int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, 0);
    dup2(out, 1);
    dup2(error, 2);
    execvp(words[0], words);
    dprintf(2, "%s: %s\n", words[0], strerror(errno));
    _exit(127);
}

pid_t compare_start(char *const *words, int core, int out, int error) {
    fflush(NULL);
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0) become(words, core, out, error, parent);
    return pid < 0 ? -errno : pid;
}

/* Waits for a child, at most so long. */
static bool ended(pid_t pid, int timeout_ms) {
    int watch = (int)syscall(SYS_pidfd_open, pid, 0);
    if (watch < 0) return true; /* waitpid() will tell */
    struct pollfd wait = {.fd = watch, .events = POLLIN};
    double until = compare_now_s() + timeout_ms / 1e3;
    int ready;
    do {
        double left = (until - compare_now_s()) * 1e3;
        ready = poll(&wait, 1, left > 0 ? (int)left + 1 : 0);
    } while (ready < 0 && errno == EINTR);
    close(watch);
    return ready > 0;
}

void compare_end(pid_t pid) {
    if (pid <= 0) return;
    kill(pid, SIGTERM);
    if (!ended(pid, GRACE_MS)) kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

bool compare_runs(pid_t pid) {
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static char *read_whole(int from) {
    off_t size = lseek(from, 0, SEEK_END);
    size_t count = size < 0 ? 0 : size > OUTPUT_MAX ? OUTPUT_MAX : (size_t)size, have = 0;
    char *text = malloc(count + 1);
    if (!text) return NULL;
    while (have < count) {
        ssize_t more = pread(from, text + have, count - have, (off_t)have);
        if (more <= 0) break;
        have += (size_t)more;
    }
    text[have] = 0;
    return text;
}

struct compare_output compare_run(char *const *words, int core, double seconds) {
    struct compare_output output = {.status = -1};
    int out = memfd_create("out", MFD_CLOEXEC), error = memfd_create("error", MFD_CLOEXEC), status = 0;
    pid_t pid = out < 0 || error < 0 ? -errno : compare_start(words, core, out, error);
    if (pid > 0 && ended(pid, (int)(seconds * 1e3))) {
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
        output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (pid > 0) {
        compare_end(pid);
    }
    output.out = read_whole(out);
    output.error = read_whole(error);
    if (out >= 0) close(out);
    if (error >= 0) close(error);
    return output;
}

void compare_output_free(struct compare_output *output) {
    free(output->out);
    free(output->error);
}

bool compare_is_program(const char *name) {
    if (strchr(name, '/')) return access(name, X_OK) == 0;
    const char *path = getenv("PATH");
    char *copy = strdup(path ? path : "/usr/bin:/bin"), *rest = copy, whole[4096];
    bool found = false;
    for (char *folder; copy && !found && (folder = strsep(&rest, ":"));) {
        snprintf(whole, sizeof whole, "%s/%s", *folder ? folder : ".", name);
        found = access(whole, X_OK) == 0;
    }
    free(copy);
    return found;
}

int compare_refuse(int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("wye-compare: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

void compare_first_line(char *to, size_t room, const char *text) {
    size_t count = text ? strcspn(text, "\n") : 0;
    snprintf(to, room, "%.*s", (int)(count < room ? count : room - 1), text ? text : "");
}

void compare_changed(char to[32], char *const *words) {
    struct stat file;
    time_t newest = 0;
    for (; *words; words++)
        if (**words == '/' && stat(*words, &file) == 0 && file.st_mtime > newest) newest = file.st_mtime;
    *to = 0;
    if (newest) strftime(to, 32, "%Y-%m-%d %H:%M:%S UTC", gmtime(&newest));
}
