/* maintenance.h - Backup, Restore, Reset, and the first version's Hash and Reset. */
#ifndef API_REGATTA_MAINTENANCE_H
#define API_REGATTA_MAINTENANCE_H

#include "api/regatta/regatta.h"
#include "proto/regatta/maintenance.pb-c.h"

#define SNAPSHOT_CHUNK_MAX ((size_t)1 << 20) /* bytes of a backup in one message */

/* What the first version's Reset names as the member to be reset is this node. */
static inline bool is_own_member(const struct loop_context *c, uint64_t member_id)
{
    return member_id == 0 || member_id == c->facts->node_number;
}

#define TEXT_NO_MEMBER "there is no such member"

void regatta_reset(struct grpc_call *g, const ProtobufCMessage *m); /* maintenance.c */
void regatta_early_reset(struct grpc_call *g, const ProtobufCMessage *m);
void regatta_reset_on_abort(struct grpc_call *g);
void regatta_early_hash(struct grpc_call *g, const ProtobufCMessage *m);
void regatta_hash_on_abort(struct grpc_call *g);
void regatta_backup(struct grpc_call *g, const ProtobufCMessage *m); /* backup.c */
void regatta_backup_on_writable(struct grpc_call *g);
void regatta_backup_on_abort(struct grpc_call *g);
void regatta_restore_on_open(struct grpc_call *g); /* restore.c */
void regatta_restore(struct grpc_call *g, const ProtobufCMessage *m);
void regatta_restore_on_abort(struct grpc_call *g);

#endif
