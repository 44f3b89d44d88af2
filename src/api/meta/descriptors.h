/* descriptors.h - the descriptors of all messages and services, as they travel in the program.
 *
 * They are a FileDescriptorSet (google/protobuf/descriptor.proto), made by the build and searched
 * as it lies there: nothing is kept between two questions, which are rare. */
#ifndef API_META_DESCRIPTORS_H
#define API_META_DESCRIPTORS_H

#include "base/buf.h"

/* The whole set. */
struct slice descriptor_set(void);

/* Walks the set: the next file of it, or false. Begin with `rest` being the whole set. */
bool descriptor_next_file(struct slice *rest, struct slice *file);

/* A file by its name; NULL data: there is none. */
struct slice descriptor_file(struct slice name);

/* The file that declares a message, enum, enum value, service, method, field or extension, by its
 * full name; NULL data: none does. */
struct slice descriptor_file_of(struct slice symbol);

/* The file that extends message `type` by field `number`; NULL data: none does. */
struct slice descriptor_file_of_extension(struct slice type, uint64_t number);

/* Appends the numbers by which `type` is extended, as elements of field `to`. */
void descriptor_extensions(struct slice type, struct buf *out, uint32_t to);

/* Appends the file and all that it imports, each once, as elements of field `to`. */
void descriptor_imports(struct slice file, struct buf *out, uint32_t to);

/* Walks the services of all files. Zeroed begins. */
struct descriptor_services {
    /* Private to meta/. */
    struct slice files; /* still to come */
    struct slice file;  /* what is left of this one */
    struct slice package;
    bool has_begun;
};

/* The parts of the next service's full name: "package" "." "name". */
bool descriptor_next_service(struct descriptor_services *s, struct slice *package,
                             struct slice *name);
bool descriptor_has_service(struct slice full_name);

#endif
