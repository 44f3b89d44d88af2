/* What the machine, or the control group this process lives in, allows. A limit may sit on
 * the group itself or on any group above it; /proc/self/cgroup names the deepest. */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "sys/thread.h"

#define GROUP_PATH_BYTES 4096
#define GROUP_ROOT       "/sys/fs/cgroup"

/* Reads the first line of `folder`/`name`; false: there is none. */
static bool read_line(const char *folder, const char *name, char *line, int size)
{
    char path[GROUP_PATH_BYTES + 64];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    const bool is_read = fgets(line, size, file) != NULL;
    (void)fclose(file);
    return is_read;
}

/* The folder of this process' group in the unified hierarchy; else the root. */
static void own_group(char *path)
{
    (void)snprintf(path, GROUP_PATH_BYTES, "%s", GROUP_ROOT);
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL) {
        return;
    }
    char line[GROUP_PATH_BYTES - sizeof(GROUP_ROOT)];
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            (void)snprintf(path, GROUP_PATH_BYTES, "%s%s", GROUP_ROOT, line + 3);
            break;
        }
    }
    (void)fclose(file);
}

/* The smallest of what `limit_of` says of the group and all above it. */
static uint64_t smallest_limit(uint64_t (*limit_of)(const char *group))
{
    char group[GROUP_PATH_BYTES];
    own_group(group);
    uint64_t smallest = limit_of(group);
    while (strlen(group) > strlen(GROUP_ROOT)) {
        char *slash = strrchr(group, '/');
        CHECK(slash != NULL);
        *slash = '\0';
        const uint64_t limit = limit_of(group);
        smallest = limit < smallest ? limit : smallest;
    }
    return smallest;
}

/* Processors, rounded up; UINT64_MAX: no limit. The file says "max 100000" or "150000 100000". */
static uint64_t cpu_limit(const char *group)
{
    char line[64];
    if (!read_line(group, "cpu.max", line, sizeof(line))) {
        return UINT64_MAX;
    }
    char *end = NULL;
    const uint64_t quota = strtoull(line, &end, 10);
    const uint64_t period = strtoull(end, NULL, 10);
    return quota == 0 || period == 0 ? UINT64_MAX : (quota + period - 1) / period;
}

static uint64_t memory_limit(const char *group)
{
    char line[64];
    if (!read_line(group, "memory.max", line, sizeof(line)) &&
        !read_line(group, "memory/memory.limit_in_bytes", line, sizeof(line))) {
        return UINT64_MAX;
    }
    const uint64_t bytes = strtoull(line, NULL, 10); /* "max" is 0 */
    return bytes == 0 ? UINT64_MAX : bytes;
}

unsigned cpu_count(void)
{
    cpu_set_t set;
    uint64_t count = 1;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        count = (uint64_t)CPU_COUNT(&set);
    }
    const uint64_t limit = smallest_limit(cpu_limit);
    count = limit < count ? limit : count;
    return count < 1 ? 1 : (unsigned)count;
}

uint64_t memory_bytes(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page_bytes = sysconf(_SC_PAGESIZE);
    CHECK(pages > 0 && page_bytes > 0);
    const uint64_t machine = (uint64_t)pages * (uint64_t)page_bytes;
    const uint64_t limit = smallest_limit(memory_limit);
    return limit < machine ? limit : machine;
}

uint64_t descriptors_raise(void)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : before;
}
