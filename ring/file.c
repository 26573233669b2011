#include "ring/file.h"

#include "ring/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int wye_file_read(const char *path, size_t most, const char *secret, char **bytes, size_t *count) {
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    int trouble = fstat(file, &status) < 0 ? -errno : 0;
    if (trouble == 0 && S_ISDIR(status.st_mode)) trouble = -EISDIR;
    if (trouble == 0 && secret && S_ISREG(status.st_mode) && (status.st_mode & 077))
        wye_log(WYE_LOG_WARN, "--%s %s: others than its owner can read it (mode %03o); chmod 600 mends that", secret, path,
                (unsigned)status.st_mode & 0777);
    char *room = trouble == 0 ? malloc(most) : NULL;
    if (trouble == 0 && !room) trouble = -ENOMEM;
    for (*count = 0; trouble == 0;) {
        ssize_t more = read(file, room + *count, most - *count);
        if (more == 0) break;
        if (more < 0) trouble = -errno;
        else if ((*count += (size_t)more) == most) trouble = -EFBIG;
    }
    close(file);
    if (trouble < 0) wye_file_wipe(room, *count);
    else *bytes = room;
    return trouble;
}

void wye_file_wipe(char *bytes, size_t count) {
    if (bytes) explicit_bzero(bytes, count);
    free(bytes);
}
