#include "api/meta/descriptors.h"

#include "base/check.h"
#include "wire/protobuf.h"

#define FILES_MAX 128 /* of one set; the build's own */

/* Field numbers of descriptor.proto. */
enum {
    SET_FILE = 1,
    NAME = 1, /* of everything that has one */
    FILE_PACKAGE = 2,
    FILE_DEPENDENCY = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    FILE_EXTENSION = 7,
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    MESSAGE_EXTENSION = 6,
    MESSAGE_ONEOF = 8,
    ENUM_VALUE = 2,
    SERVICE_METHOD = 2,
    FIELD_EXTENDEE = 2,
    FIELD_NUMBER = 3
};

/* The next field of that number; the set is our own, so what does not parse is its end. */
static bool next_of(struct slice *rest, uint32_t number, struct protobuf_field *field)
{
    while (protobuf_next(rest, field) == PROTOBUF_FIELD) {
        if (field->number == number) {
            return true;
        }
    }
    return false;
}

static struct slice text_of(struct slice message, uint32_t number)
{
    struct protobuf_field field;
    return next_of(&message, number, &field) ? field.bytes : (struct slice){0};
}

bool descriptor_next_file(struct slice *rest, struct slice *file)
{
    struct protobuf_field field;
    if (!next_of(rest, SET_FILE, &field)) {
        return false;
    }
    *file = field.bytes;
    return true;
}

struct slice descriptor_file(struct slice name)
{
    struct slice rest = descriptor_set();
    struct slice file;
    while (descriptor_next_file(&rest, &file)) {
        if (slice_equal(text_of(file, NAME), name)) {
            return file;
        }
    }
    return (struct slice){0};
}

/* ---- Symbols ---- */

enum node {
    NODE_NONE,
    NODE_FILE,
    NODE_MESSAGE,
    NODE_ENUM,
    NODE_SERVICE,
    NODE_LEAF
};

/* What field `number` of a node declares. */
static enum node child_of(enum node node, uint32_t number)
{
    static const enum node children[][9] = {
        [NODE_FILE] = {[FILE_MESSAGE] = NODE_MESSAGE,
                       [FILE_ENUM] = NODE_ENUM,
                       [FILE_SERVICE] = NODE_SERVICE,
                       [FILE_EXTENSION] = NODE_LEAF},
        [NODE_MESSAGE] = {[MESSAGE_FIELD] = NODE_LEAF,
                          [MESSAGE_NESTED] = NODE_MESSAGE,
                          [MESSAGE_ENUM] = NODE_ENUM,
                          [MESSAGE_EXTENSION] = NODE_LEAF,
                          [MESSAGE_ONEOF] = NODE_LEAF},
        [NODE_SERVICE] = {[SERVICE_METHOD] = NODE_LEAF},
    };
    return node <= NODE_SERVICE && number < 9 ? children[node][number] : NODE_NONE;
}

/* "a.b.c" behind "a": "b.c". False: it is not below that name. */
static bool skip_name(struct slice *symbol, struct slice name)
{
    if (name.size >= symbol->size || !slice_starts_with(*symbol, name) ||
        symbol->data[name.size] != '.') {
        return false;
    }
    *symbol = slice_skip(*symbol, name.size + 1);
    return true;
}

/* Values of an enum are named beside it, not below. */
static bool enum_has_value(struct slice bytes, struct slice name)
{
    struct protobuf_field field;
    while (next_of(&bytes, ENUM_VALUE, &field)) {
        if (slice_equal(text_of(field.bytes, NAME), name)) {
            return true;
        }
    }
    return false;
}

static bool declares(enum node node, struct slice bytes, struct slice symbol);

static bool child_declares(enum node node, struct slice bytes, struct slice symbol)
{
    const struct slice name = text_of(bytes, NAME);
    if (slice_equal(name, symbol)) {
        return true;
    }
    if (node == NODE_ENUM) {
        return enum_has_value(bytes, symbol);
    }
    return skip_name(&symbol, name) && declares(node, bytes, symbol);
}

/* `symbol` is relative to the node. Nesting is that of our own files. */
static bool declares(enum node node, struct slice bytes, struct slice symbol)
{
    struct protobuf_field field;
    while (protobuf_next(&bytes, &field) == PROTOBUF_FIELD) {
        const enum node child = child_of(node, field.number);
        if (child != NODE_NONE && child_declares(child, field.bytes, symbol)) {
            return true;
        }
    }
    return false;
}

struct slice descriptor_file_of(struct slice symbol)
{
    struct slice rest = descriptor_set();
    struct slice file;
    while (descriptor_next_file(&rest, &file)) {
        const struct slice package = text_of(file, FILE_PACKAGE);
        struct slice name = symbol;
        if ((package.size == 0 || skip_name(&name, package)) && declares(NODE_FILE, file, name)) {
            return file;
        }
    }
    return (struct slice){0};
}

/* ---- Extensions ---- */

/* Looks at the extensions that a file or message declares. True: `wanted` is among them; with
 * `wanted` 0 all numbers are appended to `out` instead. */
static bool look_for_extension(enum node node, struct slice bytes, struct slice type,
                               uint64_t wanted, struct buf *out, uint32_t to)
{
    struct protobuf_field field;
    while (protobuf_next(&bytes, &field) == PROTOBUF_FIELD) {
        const uint32_t own = node == NODE_FILE ? FILE_EXTENSION : MESSAGE_EXTENSION;
        struct protobuf_field number = {0};
        struct slice extension = field.bytes;
        if (child_of(node, field.number) == NODE_MESSAGE &&
            look_for_extension(NODE_MESSAGE, field.bytes, type, wanted, out, to)) {
            return true;
        }
        if (field.number != own) {
            continue;
        }
        struct slice extendee = text_of(extension, FIELD_EXTENDEE);
        if (extendee.size > 0) { /* without its leading point */
            extendee = slice_of(extendee.data + 1, extendee.size - 1);
        }
        if (!slice_equal(extendee, type) || !next_of(&extension, FIELD_NUMBER, &number)) {
            continue;
        }
        if (wanted == 0) {
            protobuf_number_to(out, to, number.value);
        } else if (number.value == wanted) {
            return true;
        }
    }
    return false;
}

struct slice descriptor_file_of_extension(struct slice type, uint64_t number)
{
    struct slice rest = descriptor_set();
    struct slice file;
    while (number > 0 && descriptor_next_file(&rest, &file)) {
        if (look_for_extension(NODE_FILE, file, type, number, NULL, 0)) {
            return file;
        }
    }
    return (struct slice){0};
}

void descriptor_extensions(struct slice type, struct buf *out, uint32_t to)
{
    struct slice rest = descriptor_set();
    struct slice file;
    while (descriptor_next_file(&rest, &file)) {
        (void)look_for_extension(NODE_FILE, file, type, 0, out, to);
    }
}

/* ---- Imports ---- */

static bool holds(const struct slice *files, size_t count, struct slice file)
{
    for (size_t i = 0; i < count; i++) {
        if (files[i].data == file.data) {
            return true;
        }
    }
    return false;
}

void descriptor_imports(struct slice file, struct buf *out, uint32_t to)
{
    struct slice files[FILES_MAX] = {file};
    size_t count = 1;
    for (size_t i = 0; i < count; i++) {
        struct slice rest = files[i];
        struct protobuf_field field;
        protobuf_element_to(out, to, files[i]);
        while (next_of(&rest, FILE_DEPENDENCY, &field)) {
            const struct slice import = descriptor_file(field.bytes);
            if (import.data != NULL && !holds(files, count, import)) {
                CHECK(count < FILES_MAX);
                files[count++] = import;
            }
        }
    }
}

/* ---- Services ---- */

bool descriptor_next_service(struct descriptor_services *s, struct slice *package,
                             struct slice *name)
{
    struct protobuf_field field;
    if (!s->has_begun) {
        s->files = descriptor_set();
        s->has_begun = true;
    }
    while (!next_of(&s->file, FILE_SERVICE, &field)) {
        if (!descriptor_next_file(&s->files, &s->file)) {
            return false;
        }
        s->package = text_of(s->file, FILE_PACKAGE);
    }
    *package = s->package;
    *name = text_of(field.bytes, NAME);
    return true;
}

bool descriptor_has_service(struct slice full_name)
{
    struct descriptor_services services = {0};
    struct slice package;
    struct slice name;
    while (descriptor_next_service(&services, &package, &name)) {
        struct slice rest = full_name;
        if (skip_name(&rest, package) && slice_equal(rest, name)) {
            return true;
        }
    }
    return false;
}
