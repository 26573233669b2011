/* Servers: started on their core, waited for, stopped. */
#include "bench/compare.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { START_S = 20 };

/* A port that is free now; 0: none to be had. */
static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 0;
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    if (fd >= 0) close(fd);
    return port;
}

/* Can HOST:PORT be connected to? */
static bool connects(const char *host) {
    char name[128];
    snprintf(name, sizeof name, "%s", host);
    char *colon = strrchr(name, ':');
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    bool yes = false;
    if (!colon) return false;
    *colon = 0;
    if (getaddrinfo(*name == '[' ? strtok(name + 1, "]") : name, colon + 1, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *at = found; at && !yes; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        yes = fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0;
        if (fd >= 0) close(fd);
    }
    freeaddrinfo(found);
    return yes;
}

/* A path for wordexp(), which would split it, or take some of its bytes for its own. */
static void escape(char *to, size_t room, const char *path) {
    size_t count = 0;
    for (; *path && count + 2 < room; to[count++] = *path++)
        if ((unsigned char)*path < 0x80 && !isalnum((unsigned char)*path) && !strchr("/._-", *path))
            to[count++] = '\\';
    to[count] = 0;
}

static char **command_words(const struct compare_result *result, const char *command, int port) {
    char number[16], bin[2 * sizeof result->bin], peers[2 * sizeof result->peers];
    snprintf(number, sizeof number, "%d", port);
    escape(bin, sizeof bin, result->bin);
    escape(peers, sizeof peers, result->peers);
    char *whole = compare_expand(command, (const char *const[]){"bin", "peers", "port", NULL},
                                 (const char *const[]){bin, peers, number});
    char **words = whole ? compare_words(whole) : NULL;
    free(whole);
    return words;
}

/* What a server that didn't start has said. */
static void last_words(const struct compare_running *running, char *why, size_t room) {
    char text[4096];
    ssize_t count = pread(running->log, text, sizeof text - 1, 0);
    text[count > 0 ? count : 0] = 0;
    size_t used = (size_t)snprintf(why, room, "it did not start: ");
    compare_first_line(why + used, room - used, count > 0 ? text : "not a word");
}

static bool wait_for(struct compare_running *running, char *why, size_t room) {
    double until = compare_now_s() + START_S;
    while (compare_now_s() < until && !compare_interrupted) {
        if (connects(running->host)) return true;
        if (running->pid && !compare_runs(running->pid)) {
            last_words(running, why, room);
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    snprintf(why, room, "nobody listens at %s after %d s", running->host, START_S);
    return false;
}

const char *compare_server_way(const struct compare_section *server, const struct compare_section *scenario,
                               const char *key) {
    char whole[32];
    if (!compare_is(scenario, "tls")) return compare_get_for(server, key, compare_needs(scenario));
    snprintf(whole, sizeof whole, "%s.tls", key);
    return compare_get(server, whole);
}

const char *compare_server_first(const struct compare_section *server, const char *key) {
    size_t count = strlen(key);
    for (size_t i = 0; i < server->pair_count; i++) {
        const char *own = server->pairs[i].key;
        if (strncmp(own, key, count) == 0 && (own[count] == 0 || own[count] == '.'))
            return server->pairs[i].value;
    }
    return NULL;
}

bool compare_server_start(const struct compare_result *result, const struct compare_section *server,
                          const struct compare_section *scenario, struct compare_running *running, char *why,
                          size_t room) {
    *running = (struct compare_running){.log = -1};
    const char *command = compare_server_way(server, scenario, "command"),
               *address = compare_server_way(server, scenario, "address");
    if (!command) {
        snprintf(running->host, sizeof running->host, "%s", address ? address : "");
        return wait_for(running, why, room);
    }
    int port = free_port();
    snprintf(running->host, sizeof running->host, "127.0.0.1:%d", port);
    char **words = command_words(result, command, port);
    running->log = memfd_create("log", MFD_CLOEXEC);
    pid_t pid = !words || running->log < 0
                    ? -ENOMEM
                    : compare_start(words, result->server_core, running->log, running->log);
    compare_words_free(words);
    if (pid < 0) {
        snprintf(why, room, "it could not be started: %s", words ? strerror(-pid) : command);
        compare_server_stop(running);
        return false;
    }
    running->pid = pid;
    if (wait_for(running, why, room)) return true;
    compare_server_stop(running);
    return false;
}

void compare_server_stop(struct compare_running *running) {
    if (running->pid > 0) compare_end(running->pid);
    if (running->log >= 0) close(running->log);
    *running = (struct compare_running){.log = -1};
}

/* Names the first of a command's files that isn't there. */
static bool is_installed(char **words, char *why, size_t room) {
    if (!compare_is_program(words[0])) {
        snprintf(why, room, "%s isn't installed", words[0]);
        return false;
    }
    for (size_t i = 1; words[i]; i++) {
        if (words[i][0] != '/' || access(words[i], F_OK) == 0) continue;
        snprintf(why, room, "%s isn't there", words[i]);
        return false;
    }
    return true;
}

void compare_server_look(const struct compare_result *result, struct compare_row *row) {
    const char *command = compare_server_first(row->server, "command"),
               *version = compare_get(row->server, "version");
    if (command) {
        char **words = command_words(result, command, 1);
        if (!words) snprintf(row->left_out, sizeof row->left_out, "its command cannot be read: %s", command);
        else if (is_installed(words, row->left_out, sizeof row->left_out))
            compare_changed(row->changed, words);
        compare_words_free(words);
    }
    if (*row->left_out || !version) return;
    char **words = command_words(result, version, 0);
    if (!words) return;
    struct compare_output output = compare_run(words, -1, START_S);
    if (output.status == 0) compare_first_line(row->version, sizeof row->version, output.out);
    compare_output_free(&output);
    compare_words_free(words);
}
