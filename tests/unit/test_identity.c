/* Who a data folder is: made once, each start counted, other settings and damage refused. */
#include <stdio.h>

#include "base/mem.h"
#include "harness.h"
#include "server/identity.h"
#include "sys/sim/world.h"

#define GOOD_CLUSTER "0123456789abcdef0123456789abcdef01234567"
#define GOOD_NODE    "89abcdef0123456789abcdef0123456789abcdef"

/* A simulated disk with the data folder on it. */
struct place {
    struct folder *folder;
    struct config *config;
    struct err_why why;
};

static void place_open(struct place *p)
{
    const struct sim_config world = {.seed = 1, .wall_ms = 1700000000000};
    sim_world_open(&world);
    *p = (struct place){.config = mem_zero(1, sizeof(struct config))};
    config_init(p->config);
    p->config->shards = 8;
    EXPECT_EQ(ERR_OK, folder_open("data", &p->folder, &p->why));
}

static void place_close(struct place *p)
{
    folder_close(&p->folder);
    mem_free(p->config);
    sim_world_close();
}

static enum err load(struct place *p, struct identity *id)
{
    p->why = (struct err_why){0};
    return identity_load(p->folder, p->config, id, &p->why);
}

static void store_text(struct place *p, const char *text)
{
    EXPECT_EQ(ERR_OK, folder_store(p->folder, IDENTITY_FILE, slice_of_text(text), &p->why));
}

static void expect_id(const char *id)
{
    EXPECT_EQ(40, strlen(id));
    EXPECT_EQ(40, strspn(id, "0123456789abcdef"));
}

static void test_made_and_counted(void)
{
    struct place p;
    struct identity first;
    place_open(&p);
    EXPECT_EQ(ERR_OK, load(&p, &first));
    EXPECT(first.is_new && first.boot == 1 && first.member == 1);
    EXPECT(first.shards == 8 && first.engine == TABLE_DISK);
    expect_id(first.cluster);
    expect_id(first.node);
    EXPECT(strcmp(first.cluster, first.node) != 0);
    for (uint64_t boot = 2; boot < 6; boot++) {
        struct identity next;
        EXPECT_EQ(ERR_OK, load(&p, &next));
        EXPECT(!next.is_new && next.boot == boot && next.member == 1);
        EXPECT(next.shards == 8 && next.engine == TABLE_DISK);
        EXPECT(strcmp(first.cluster, next.cluster) == 0 && strcmp(first.node, next.node) == 0);
    }
    place_close(&p);
}

static void test_without_a_folder(void)
{
    struct place p;
    struct identity one;
    struct identity two;
    place_open(&p);
    p.config->engine = TABLE_MEMORY;
    identity_make(p.config, &one);
    identity_make(p.config, &two);
    EXPECT(one.is_new && one.boot == 1 && one.member == 1 && one.engine == TABLE_MEMORY);
    EXPECT(strcmp(one.node, two.node) != 0 && strcmp(one.cluster, two.cluster) != 0);
    place_close(&p);
}

static void test_other_settings(void)
{
    struct place p;
    struct identity id;
    place_open(&p);
    EXPECT_EQ(ERR_OK, load(&p, &id));
    p.config->shards = 16;
    EXPECT_EQ(ERR_INVALID, load(&p, &id));
    EXPECT(strstr(p.why.text, "--shards 8, not 16") != NULL);
    p.config->shards = 8;
    p.config->engine = TABLE_MEMORY;
    EXPECT_EQ(ERR_INVALID, load(&p, &id));
    EXPECT(strstr(p.why.text, "--engine disk") != NULL);
    p.config->engine = TABLE_DISK;
    EXPECT_EQ(ERR_OK, load(&p, &id));
    EXPECT_EQ(2, id.boot); /* refused starts do not count */
    place_close(&p);
}

/* The bytes are what docs/formats.md says. */
static void test_text(void)
{
    struct place p;
    struct identity id;
    char *text = NULL;
    size_t size = 0;
    place_open(&p);
    store_text(&p, "version 1\ncluster " GOOD_CLUSTER "\nnode " GOOD_NODE
                   "\nmember 3\nboot 41\nshards 8\nengine memory\n");
    p.config->engine = TABLE_MEMORY;
    EXPECT_EQ(ERR_OK, load(&p, &id));
    EXPECT(strcmp(GOOD_CLUSTER, id.cluster) == 0 && strcmp(GOOD_NODE, id.node) == 0);
    EXPECT(id.member == 3 && id.boot == 42 && id.engine == TABLE_MEMORY);
    EXPECT_EQ(ERR_OK, folder_load(p.folder, IDENTITY_FILE, 4096, &text, &size, &p.why));
    EXPECT(strcmp(text, "version 1\ncluster " GOOD_CLUSTER "\nnode " GOOD_NODE
                        "\nmember 3\nboot 42\nshards 8\nengine memory\n") == 0);
    mem_free(text);
    place_close(&p);
}

static void test_newer_version(void)
{
    static const char *const texts[] = {"version 2\n", "version 2\nwhatever comes then\n",
                                        "version 4294967297\n", "version 99\ncluster x\n"};
    struct place p;
    struct identity id;
    place_open(&p);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        store_text(&p, texts[i]);
        EXPECT_EQ(ERR_UNIMPLEMENTED, load(&p, &id));
        EXPECT(strstr(p.why.text, "newer") != NULL);
    }
    place_close(&p);
}

/* One line of a good file is replaced, or left away. */
static void store_with(struct place *p, size_t line, const char *instead)
{
    static const char *const lines[] = {
        "version 1",  "cluster " GOOD_CLUSTER, "node " GOOD_NODE, "member 1", "boot 5", "shards 8",
        "engine disk"};
    struct buf text = {0};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const char *chosen = i == line ? instead : lines[i];
        if (chosen != NULL) {
            buf_printf(&text, "%s\n", chosen);
        }
    }
    EXPECT_EQ(ERR_OK, folder_store(p->folder, IDENTITY_FILE, buf_slice(&text), &p->why));
    buf_deinit(&text);
}

struct damage {
    size_t line;
    const char *instead;
};

static void test_damaged(void)
{
    static const struct damage list[] = {
        {0, "version"},
        {0, "version x"},
        {0, "version 0"},
        {0, "version -1"},
        {0, " version 1"},
        {1, "cluster"},
        {1, "cluster "},
        {1, "cluster 0123456789abcdef0123456789abcdef0123456"},
        {1, "cluster 0123456789abcdef0123456789abcdef012345678"},
        {1, "cluster 0123456789ABCDEF0123456789abcdef01234567"},
        {2, "node 0123456789abcdef0123456789abcdef0123456\t"},
        {2, "mode " GOOD_NODE},
        {3, "member 0"},
        {3, "member one"},
        {4, "boot 0"},
        {4, "boot -5"},
        {4, "boot +5"},
        {4, "boot  5"},
        {4, "boot 5 "},
        {4, "boot 99999999999999999999"},
        {4, "boot 18446744073709551615"},
        {5, "shards 0"},
        {5, "shards 8x"},
        {6, "engine tape"},
        {6, "engine Disk"},
        {6, "engine disk "},
        {6, "engine disk\nanything else"},
    };
    struct place p;
    struct identity id;
    place_open(&p);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        store_with(&p, list[i].line, list[i].instead);
        const enum err e = load(&p, &id);
        if (e != ERR_CORRUPT) {
            (void)fprintf(stderr, "accepted: %s\n", list[i].instead);
        }
        EXPECT_EQ(ERR_CORRUPT, e);
        EXPECT(strstr(p.why.text, IDENTITY_FILE) != NULL);
    }
    for (size_t line = 0; line < 7; line++) {
        store_with(&p, line, NULL);
        EXPECT_EQ(ERR_CORRUPT, load(&p, &id));
        EXPECT(strstr(p.why.text, "incomplete") != NULL);
    }
    store_text(&p, "");
    EXPECT_EQ(ERR_CORRUPT, load(&p, &id));
    store_with(&p, 6, "engine disk\nengine disk");
    EXPECT_EQ(ERR_CORRUPT, load(&p, &id));
    EXPECT_EQ(ERR_OK, folder_store(p.folder, IDENTITY_FILE, SLICE("version 1\n\0\0\0"), &p.why));
    EXPECT_EQ(ERR_CORRUPT, load(&p, &id));
    char large[5000];
    memset(large, 'x', sizeof(large));
    EXPECT_EQ(ERR_OK,
              folder_store(p.folder, IDENTITY_FILE, slice_of(large, sizeof(large)), &p.why));
    EXPECT_EQ(ERR_CORRUPT, load(&p, &id));
    store_with(&p, 7, NULL);
    EXPECT_EQ(ERR_OK, load(&p, &id));
    EXPECT_EQ(6, id.boot);
    place_close(&p);
}

/* Each file call of a start fails once, or the power goes at it: the folder stays who it is, and no
 * two starts that were told a number were told the same. */
static void run_failing(uint64_t call, bool is_cut)
{
    struct place p;
    struct identity id;
    struct identity made;
    place_open(&p);
    EXPECT_EQ(ERR_OK, load(&p, &made));
    if (is_cut) {
        sim_power_cut(sim_file_calls() + call);
    } else {
        sim_file_fail(sim_file_calls() + call, ERR_IO, false);
    }
    const enum err e = load(&p, &id);
    const uint64_t told = e == ERR_OK ? id.boot : 1;
    EXPECT(e == ERR_OK || e == ERR_IO);
    if (sim_power_is_cut()) {
        folder_close(&p.folder);
        sim_power_on();
        sim_power_cut(UINT64_MAX);
        EXPECT_EQ(ERR_OK, folder_open("data", &p.folder, &p.why));
    }
    sim_power_cut(UINT64_MAX);
    sim_file_fail(UINT64_MAX, ERR_OK, false);
    EXPECT_EQ(ERR_OK, load(&p, &id));
    EXPECT(!id.is_new && id.boot > told && id.boot <= told + 2);
    EXPECT(strcmp(made.node, id.node) == 0 && strcmp(made.cluster, id.cluster) == 0);
    place_close(&p);
}

static void test_failing_calls(void)
{
    for (uint64_t call = 1; call < 20; call++) {
        run_failing(call, false);
        run_failing(call, true);
    }
}

static const struct test_case cases[] = {
    {"made_and_counted", test_made_and_counted}, {"without_a_folder", test_without_a_folder},
    {"other_settings", test_other_settings},     {"text", test_text},
    {"newer_version", test_newer_version},       {"damaged", test_damaged},
    {"failing_calls", test_failing_calls},
};

TEST_MAIN(cases)
