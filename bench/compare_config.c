/* The configuration: INI by libinih, the built-in one first. */
#include "bench/compare.h"

#include <errno.h>
#include <fnmatch.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct compare_config *config;
    char trouble[256];
};

static struct compare_section *find(struct compare_section *sections, size_t *count, const char *name) {
    for (size_t i = 0; i < *count; i++)
        if (strcmp(sections[i].name, name) == 0) return &sections[i];
    if (*count == COMPARE_SECTIONS_MAX) return NULL;
    struct compare_section *section = &sections[*count];
    *section = (struct compare_section){.name = strdup(name)};
    if (section->name) ++*count;
    return section->name ? section : NULL;
}

static bool set(struct compare_section *section, const char *key, const char *value) {
    char *copy = strdup(value);
    if (!copy) return false;
    for (size_t i = 0; i < section->pair_count; i++) {
        if (strcmp(section->pairs[i].key, key) != 0) continue;
        free(section->pairs[i].value);
        section->pairs[i].value = copy;
        return true;
    }
    struct compare_pair *pairs = realloc(section->pairs, (section->pair_count + 1) * sizeof *pairs);
    char *own_key = strdup(key);
    if (pairs) section->pairs = pairs;
    if (!pairs || !own_key) {
        free(copy);
        free(own_key);
        return false;
    }
    pairs[section->pair_count++] = (struct compare_pair){own_key, copy};
    return true;
}

/* Is it one of these words, or one of them with ".SOMETHING" behind it? */
static bool is_known(const char *key, const char *const *words) {
    for (; *words; words++) {
        size_t count = strlen(*words);
        if (strncmp(key, *words, count) == 0 && (key[count] == 0 || key[count] == '.')) return true;
    }
    return false;
}

static int take(void *user, const char *name, const char *key, const char *value) {
    static const char *const run_keys[] = {
        "reference",     "rounds",       "seconds", "warmup", "quick-rounds",
        "quick-seconds", "quick-warmup", "check",   "settle", "stall",
        "server-core",   "load-core",    NULL};
    static const char *const server_keys[] = {"title", "command", "address", "version",
                                              "path",  "options", NULL};
    static const char *const scenario_keys[] = {"load", "needs", "tls", "metric", "quick", NULL};
    struct reading *reading = user;
    struct compare_config *config = reading->config;
    struct compare_section *section = NULL;
    const char *const *keys = NULL;
    if (strcmp(name, "run") == 0) {
        section = &config->run;
        keys = run_keys;
    } else if (strncmp(name, "server ", 7) == 0 && name[7]) {
        section = find(config->servers, &config->server_count, name + 7);
        keys = server_keys;
    } else if (strncmp(name, "scenario ", 9) == 0 && name[9]) {
        section = find(config->scenarios, &config->scenario_count, name + 9);
        keys = scenario_keys;
    } else {
        snprintf(reading->trouble, sizeof reading->trouble,
                 "[%s]: expected [run], [server NAME] or [scenario NAME]", name);
        return 0;
    }
    if (!section) {
        snprintf(reading->trouble, sizeof reading->trouble, "[%s]: more than %d sections of a kind", name,
                 COMPARE_SECTIONS_MAX);
        return 0;
    }
    if (!is_known(key, keys)) {
        snprintf(reading->trouble, sizeof reading->trouble, "[%s]: no such key: %s", name, key);
        return 0;
    }
    return set(section, key, value);
}

static int complain(const char *file, int line, const struct reading *reading) {
    fprintf(stderr, "wye-compare: %s:%d: %s\n", file, line,
            *reading->trouble ? reading->trouble : "KEY = VALUE or [SECTION] expected");
    return COMPARE_USAGE;
}

/* What is in a section must be enough to run it. */
static int check(const struct compare_config *config) {
    for (size_t i = 0; i < config->server_count; i++) {
        const struct compare_section *server = &config->servers[i];
        bool reachable = false;
        for (size_t k = 0; k < server->pair_count; k++)
            reachable |= strncmp(server->pairs[k].key, "command", 7) == 0 ||
                         strncmp(server->pairs[k].key, "address", 7) == 0;
        if (reachable) continue;
        fprintf(stderr, "wye-compare: [server %s]: a command or an address is needed\n", server->name);
        return COMPARE_USAGE;
    }
    for (size_t i = 0; i < config->scenario_count; i++) {
        if (compare_get(&config->scenarios[i], "load")) continue;
        fprintf(stderr, "wye-compare: [scenario %s]: load is needed\n", config->scenarios[i].name);
        return COMPARE_USAGE;
    }
    return 0;
}

int compare_config_read(struct compare_config *config, const char *file) {
    struct reading reading = {.config = config};
    *config = (struct compare_config){.run = {.name = strdup("run")}};
    int line = ini_parse_string(compare_ini, take, &reading);
    if (line != 0) return complain("built-in", line, &reading);
    if (!file) return check(config);
    FILE *from = fopen(file, "r");
    if (!from) {
        fprintf(stderr, "wye-compare: %s: %s\n", file, strerror(errno));
        return COMPARE_COULD_NOT;
    }
    line = ini_parse_file(from, take, &reading);
    fclose(from);
    return line != 0 ? complain(file, line, &reading) : check(config);
}

static void section_free(struct compare_section *section) {
    for (size_t i = 0; i < section->pair_count; i++) {
        free(section->pairs[i].key);
        free(section->pairs[i].value);
    }
    free(section->pairs);
    free(section->name);
}

void compare_config_free(struct compare_config *config) {
    section_free(&config->run);
    for (size_t i = 0; i < config->server_count; i++) section_free(&config->servers[i]);
    for (size_t i = 0; i < config->scenario_count; i++) section_free(&config->scenarios[i]);
}

const char *compare_get(const struct compare_section *section, const char *key) {
    for (size_t i = 0; i < section->pair_count; i++)
        if (strcmp(section->pairs[i].key, key) == 0) return section->pairs[i].value;
    return NULL;
}

bool compare_is(const struct compare_section *section, const char *key) {
    const char *value = compare_get(section, key);
    return value && strcmp(value, "yes") == 0;
}

const char *compare_get_for(const struct compare_section *section, const char *key, const char *part) {
    char whole[128];
    snprintf(whole, sizeof whole, "%s.%s", key, part);
    const char *value = compare_get(section, whole);
    return value ? value : compare_get(section, key);
}

bool compare_matches(const char *list, const char *name) {
    char *copy = strdup(list), *rest = copy;
    bool matches = false;
    for (char *word; copy && (word = strsep(&rest, ","));) matches |= fnmatch(word, name, 0) == 0;
    free(copy);
    return matches;
}
