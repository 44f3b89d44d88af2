/* disk.h - what a simulated disk holds, and what it loses. Private to sys/sim.
 *
 * An inode has two contents: what programs read and what is safe. Between them lie the
 * changes made since the last sync, in order. A folder has two lists of names in the same
 * way. A power cut takes the safe ones and adds, by the seed, some of the changes. */
#ifndef SYS_SIM_DISK_H
#define SYS_SIM_DISK_H

#include "base/buf.h"
#include "base/list.h"
#include "sys/file.h"

#define SECTOR_BYTES 512

struct inode {
    unsigned users;   /* names of both kinds, changes of names and open files */
    unsigned viewers; /* names that programs see, and open files: it takes room */
    struct buf now;
    struct buf safe;
    struct list changes; /* struct change, oldest first */
    struct sim_disk *disk;
};

struct name {
    struct list link;
    char text[FILE_NAME_BYTES];
    struct inode *inode; /* counted */
};

struct names {
    struct list list; /* struct name; an inode is under one name at most */
    bool is_seen;     /* by programs */
};

struct disk_folder {
    struct list link; /* of the disk */
    char *path;
    struct names now;
    struct names safe;
    struct list changes;         /* struct name_change, oldest first */
    const struct folder *holder; /* of the lock; NULL: nobody */
    struct sim_disk *disk;
};

struct sim_disk {
    struct list folders;
    uint64_t room_bytes; /* 0: no bound */
    uint64_t used_bytes; /* of all contents that programs can read */
    uint64_t generation; /* grows with each restart: older handles are dead */

    uint64_t calls; /* number of the newest call */
    uint64_t fail_call;
    enum err fail_with;
    bool fail_is_lasting;
    uint64_t cut_call; /* the power goes at this call; UINT64_MAX: it does not */
    bool is_cut;

    struct list handles; /* open folders and files of file.c */
};

/* The folder at `path`, made if need be. */
struct disk_folder *disk_folder(struct sim_disk *d, const char *path);

/* The inode of that name as programs see it; NULL: none. */
struct inode *disk_find(const struct disk_folder *f, const char *name);

struct inode *disk_create(struct disk_folder *f, const char *name);
void disk_rename(struct disk_folder *f, const char *from, const char *to);
void disk_remove(struct disk_folder *f, const char *name);
void disk_sync_names(struct disk_folder *f);

/* Bytes that may still be added. */
uint64_t disk_room(const struct sim_disk *d);

/* Counts and uncounts an open file. */
void inode_open(struct inode *i);
void inode_close(struct inode *i);

/* The caller has looked for room. */
void inode_write(struct inode *i, const void *data, size_t size, uint64_t offset);
void inode_truncate(struct inode *i, uint64_t size);
void inode_sync(struct inode *i);

/* A sync that fails: some changes become safe, the others never will, and programs go on
 * reading all of them. */
void inode_sync_badly(struct inode *i);

#endif
