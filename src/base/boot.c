/* SPDX-License-Identifier: MIT */
#include "base/boot.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void boot_name(char out[BOOT_BYTES])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, BOOT_BYTES - 1) : 0;

    if (fd >= 0)
        close(fd);
    memset(out + (n > 0 ? n : 0), 0, (size_t)(BOOT_BYTES - (n > 0 ? n : 0)));
    out[strcspn(out, "\n")] = '\0';
}
