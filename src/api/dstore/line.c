#include "api/dstore/line.h"

/* Up to the next space, which is taken too. */
static struct slice take_word(struct slice *text)
{
    const uint8_t *space = text->size == 0 ? NULL : memchr(text->data, ' ', text->size);
    const size_t size = space == NULL ? text->size : (size_t)(space - text->data);
    const struct slice word = slice_of(text->data, size);
    *text = slice_skip(*text, space == NULL ? size : size + 1);
    return word;
}

/* Commands that are followed by a space. */
static enum dstore_command command_of(struct slice word)
{
    static const struct {
        const char *word;
        enum dstore_command command;
    } commands[] = {{"WRITE", DSTORE_WRITE}, {"PUT", DSTORE_PUT}, {"HEY", DSTORE_HELLO},
                    {"SND", DSTORE_SND},     {"ALL", DSTORE_ALL}, {"MEM", DSTORE_MEM},
                    {"SEM", DSTORE_SEM},     {"SEA", DSTORE_SEA}, {"SER", DSTORE_SER}};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (slice_equal(word, slice_of_text(commands[i].word))) {
            return commands[i].command;
        }
    }
    return DSTORE_NONE;
}

struct dstore_line dstore_line_read(struct slice text)
{
    struct dstore_line line = {0};
    if (slice_starts_with(text, SLICE("LEADER"))) {
        line.command = DSTORE_LEADER;
    } else if (slice_starts_with(text, SLICE("LDR"))) {
        line.command = DSTORE_LDR;
    } else if (slice_equal(text, SLICE("HEY")) || slice_equal(text, SLICE("HEY\r"))) {
        line.command = DSTORE_HEY;
    } else {
        struct slice rest = text;
        const struct slice word = take_word(&rest);
        if (word.size < text.size) { /* there is a space */
            line.command = command_of(word);
            line.payload = take_word(&rest);
            line.replaces = slice_equal(take_word(&rest), SLICE("noappend"));
        }
    }
    return line;
}

const char *dstore_command_name(enum dstore_command command)
{
    static const char *const names[DSTORE_COMMAND_COUNT] = {
        [DSTORE_NONE] = "unknown", [DSTORE_LEADER] = "leader", [DSTORE_WRITE] = "write",
        [DSTORE_LDR] = "ldr",      [DSTORE_PUT] = "put",       [DSTORE_HEY] = "hey",
        [DSTORE_HELLO] = "hello",  [DSTORE_SND] = "snd",       [DSTORE_ALL] = "all",
        [DSTORE_MEM] = "mem",      [DSTORE_SEM] = "sem",       [DSTORE_SEA] = "sea",
        [DSTORE_SER] = "ser"};
    return names[command];
}
