/* run_seeds.c - runs a fuzzer once over each file of the folders on the command line, so that
 * the seeds are a test in every build. */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SEED_MAX ((size_t)16 << 20)

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 1;
    }
    uint8_t *bytes = malloc(SEED_MAX);
    if (bytes == NULL) {
        (void)fclose(file);
        return 1;
    }
    const size_t size = fread(bytes, 1, SEED_MAX, file);
    const int failed = ferror(file) != 0;
    (void)fclose(file);
    if (!failed) {
        /* A buffer of exactly that size: reading behind it is seen. */
        uint8_t *exact = malloc(size > 0 ? size : 1);
        if (exact != NULL) {
            for (size_t i = 0; i < size; i++) {
                exact[i] = bytes[i];
            }
            (void)LLVMFuzzerTestOneInput(exact, size);
        }
        free(exact);
    }
    free(bytes);
    return failed;
}

static int run_folder(const char *folder, unsigned *count)
{
    DIR *entries = opendir(folder);
    if (entries == NULL) {
        return 1;
    }
    int failed = 0;
    for (const struct dirent *e = readdir(entries); e != NULL; e = readdir(entries)) {
        char path[4096];
        const int size = snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || size < 0 || (size_t)size >= sizeof(path)) {
            continue;
        }
        failed |= run_file(path);
        (*count)++;
    }
    (void)closedir(entries);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        if (run_folder(argv[i], &count) != 0) {
            (void)fprintf(stderr, "cannot read %s\n", argv[i]);
            failed = 1;
        }
    }
    (void)printf("%u seeds\n", count);
    return failed != 0 || count == 0;
}
