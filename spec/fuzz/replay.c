/* SPDX-License-Identifier: MIT */
/* replay.c - runs a fuzz target over files, without libFuzzer: replay FILE... */
#include "fuzz.h"

static void run(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    size_t n;

    if (!f || !bytes) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    n = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    fprintf(stderr, "%s\n", path); /* the last one is that of a crash */
    bytes = realloc(bytes, n ? n : 1);
    LLVMFuzzerTestOneInput(bytes, n);
    free(bytes);
}

int main(int argc, char **argv)
{
    int i;

    for (i = 1; i < argc; i++)
        run(argv[i]);
    return 0;
}
