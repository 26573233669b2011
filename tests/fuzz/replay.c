/* Shows a fuzzer the files of its corpus: replay DIRECTORY... A fuzzer's main where libFuzzer isn't. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

static void show(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    static uint8_t bytes[1 << 20];
    size_t count = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, count);
    /* Its truncations are as good as more files. */
    size_t step = count / 256 + 1;
    for (size_t shorter = 0; shorter < count; shorter += step) LLVMFuzzerTestOneInput(bytes, shorter);
}

int main(int argc, char **argv) {
    unsigned files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            perror(argv[i]);
            return 2;
        }
        for (struct dirent *entry; (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            show(path);
            files++;
        }
        closedir(folder);
    }
    printf("%u files, and their truncations\n", files);
    return files > 0 ? 0 : 1;
}
