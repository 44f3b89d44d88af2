/* The configuration file: any bytes are accepted or refused with the number of a line, and what was
 * accepted, told line by line, makes the same configuration. */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "server/config.h"

static void on_line(void *arg, const char *name, const char *value)
{
    if (strcmp(name, "config") != 0) {
        buf_printf(arg, "%s = %s\n", name, value);
    }
}

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c = mem_zero(2, sizeof(*c));
    struct err_why why = {0};
    struct buf first = {0};
    struct buf second = {0};
    config_init(&c[0]);
    config_init(&c[1]);
    const enum err e = config_read_text(&c[0], slice_of(data, size), &why);
    if (e == ERR_OK) {
        config_each(&c[0], on_line, &first);
        const enum err again = config_read_text(&c[1], buf_slice(&first), &why);
        CHECK(again == ERR_OK);
        config_each(&c[1], on_line, &second);
        CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
    } else {
        CHECK(e == ERR_INVALID);
        CHECK(strncmp(why.text, "line ", 5) == 0);
    }
    buf_deinit(&first);
    buf_deinit(&second);
    mem_free(c);
    return 0;
}
