/* What the requests of many operations have in common. */
#include <stdio.h>

#include "api/http_err.h"
#include "api/native/grpc/translate.h"
#include "api/native/native.h"

void reading_refuse(struct reading *r, enum err e, const char *fmt, ...)
{
    va_list args;
    if (r->err != ERR_OK) {
        return;
    }
    r->err = e;
    r->why->code = e;
    va_start(args, fmt);
    (void)vsnprintf(r->why->text, sizeof(r->why->text), fmt, args);
    va_end(args);
}

static void find_table(struct reading *r, struct slice name)
{
    const struct translation *t = r->t;
    const struct slice wanted = name.size == 0 ? t->table : name;
    r->table = router_table(t->router, wanted);
    if (r->table != NULL) {
        r->op->table = r->table->id;
        return;
    }
    const enum err ready = router_is_ready(t->router);
    if (ready != ERR_OK) {
        reading_refuse(r, ready, "%s", http_err_text(ready));
    } else if (wanted.size == 0) {
        reading_refuse(r, ERR_INVALID, "a table is missing");
    } else {
        reading_refuse(r, ERR_NOT_FOUND, "there is no such table");
    }
}

void read_place(struct reading *r, const char *table, ProtobufCBinaryData key)
{
    find_table(r, grpc_string(table));
    r->op->key = grpc_slice(key);
}

void read_whole(struct reading *r, const char *table)
{
    find_table(r, grpc_string(table));
    if (r->table != NULL && r->table->options.partition != PARTITION_TABLE && !r->t->may_span) {
        reading_refuse(r, ERR_CROSS_SHARD, "the table lies in several shards");
    }
}

void read_level_of(struct reading *r, Holdfast__V1__ReadLevel level)
{
    if (r->t->is_part && level != HOLDFAST__V1__READ_LEVEL__READ_LEVEL_UNSPECIFIED) {
        reading_refuse(r, ERR_INVALID, "a part of a transaction has no read level of its own");
    }
    if (level == HOLDFAST__V1__READ_LEVEL__READ_LEVEL_STALE) {
        r->level = READ_STALE;
    } else if (level != HOLDFAST__V1__READ_LEVEL__READ_LEVEL_UNSPECIFIED &&
               level != HOLDFAST__V1__READ_LEVEL__READ_LEVEL_LINEARIZABLE) {
        reading_refuse(r, ERR_INVALID, "there is no such read level");
    }
}

void read_id(struct reading *r, ProtobufCBinaryData id)
{
    if (r->t->is_part && id.len > 0) {
        reading_refuse(r, ERR_INVALID, "a part of a transaction has no idempotency id");
    }
    r->op->idempotency_id = grpc_slice(id);
}

void read_expiry(struct reading *r, const Holdfast__V1__Expiry *expiry)
{
    struct ttl ttl = {0};
    enum err e = ERR_OK;
    if (expiry == NULL || r->err != ERR_OK) {
        return;
    }
    switch ((unsigned)expiry->expiry_case) {
    case HOLDFAST__V1__EXPIRY__EXPIRY_TTL_MS:
        e = ttl_of_ms(expiry->ttl_ms, "ttl_ms", &ttl, r->why);
        break;
    case HOLDFAST__V1__EXPIRY__EXPIRY_KEEP:
        ttl = (struct ttl){.is_given = true, .is_kept = true};
        e = expiry->keep ? ERR_OK : err_set(r->why, ERR_INVALID, "keep is true, or left out");
        break;
    case HOLDFAST__V1__EXPIRY__EXPIRY_AT_MS:
        r->op->flags |= OP_SET_EXPIRY;
        r->op->expiry_ms = expiry->at_ms;
        e = expiry->at_ms > 0 ? ERR_OK : err_set(r->why, ERR_INVALID, "at_ms is greater than 0");
        break;
    case HOLDFAST__V1__EXPIRY__EXPIRY__NOT_SET:
    default:
        e = err_set(r->why, ERR_INVALID, "an expiry has ttl_ms, at_ms or keep");
        break;
    }
    e = e == ERR_OK ? ttl_apply(&ttl, router_now_ms(r->t->router), r->op, r->why) : e;
    r->err = e;
}

void read_condition(struct reading *r, const Holdfast__V1__Condition *condition)
{
    bool is_true = true;
    if (condition == NULL) {
        return;
    }
    switch ((unsigned)condition->condition_case) {
    case HOLDFAST__V1__CONDITION__CONDITION_ABSENT:
        r->op->condition = IF_ABSENT;
        is_true = condition->absent;
        break;
    case HOLDFAST__V1__CONDITION__CONDITION_PRESENT:
        r->op->condition = IF_PRESENT;
        is_true = condition->present;
        break;
    case HOLDFAST__V1__CONDITION__CONDITION_REVISION:
        r->op->condition = IF_REVISION;
        r->op->revision = condition->revision;
        break;
    case HOLDFAST__V1__CONDITION__CONDITION_NOT_REVISION:
        r->op->condition = IF_NOT_REVISION;
        r->op->revision = condition->not_revision;
        break;
    case HOLDFAST__V1__CONDITION__CONDITION__NOT_SET:
    default:
        reading_refuse(r, ERR_INVALID, "a condition has absent, present, revision or not_revision");
        break;
    }
    if (!is_true) {
        reading_refuse(r, ERR_INVALID, "absent and present are true, or left out");
    }
}

void read_flag(struct reading *r, bool is_set, unsigned flag)
{
    if (is_set) {
        r->op->flags |= (uint16_t)flag;
    }
}

void read_items(struct reading *r, size_t count, const ProtobufCBinaryData *items)
{
    if (count > OP_ITEMS_MAX) {
        reading_refuse(r, ERR_TOO_LARGE, "more than %zu keys or members", OP_ITEMS_MAX);
        return;
    }
    struct slice *list = arena_get(r->t->arena, count * sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        list[i] = grpc_slice(items[i]);
    }
    r->op->items = list;
    r->op->item_count = (uint32_t)count;
}

void read_number(struct reading *r, uint64_t number, const char *name)
{
    if (number > INT64_MAX) {
        reading_refuse(r, ERR_TOO_LARGE, "%s is too large", name);
        return;
    }
    r->op->number = (int64_t)number;
}
